//! The functions of `libm`, for where there is no standard library.

pub mod single {
    pub use libm::{
        ceilf as ceil, floorf as floor, fmaf as fma, roundevenf as nearest, sqrtf as sqrt, truncf as trunc,
    };
}

pub mod double {
    pub use libm::{ceil, floor, fma, roundeven as nearest, sqrt, trunc};
}

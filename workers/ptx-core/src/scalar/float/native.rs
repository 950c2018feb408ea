//! The functions of the standard library, which are instructions of the processor where it has them.
#![allow(unsafe_code)]

macro_rules! functions {
    ($name:ident, $float:ty) => {
        pub mod $name {
            #[inline(always)]
            pub fn sqrt(x: $float) -> $float {
                x.sqrt()
            }

            #[inline(always)]
            pub fn fma(a: $float, b: $float, c: $float) -> $float {
                #[cfg(target_arch = "x86_64")]
                if std::arch::is_x86_feature_detected!("fma") {
                    // SAFETY: the processor has the instruction.
                    return unsafe { fused(a, b, c) };
                }
                a.mul_add(b, c)
            }

            /// One instruction. Elsewhere `mul_add` is a call that looks for it each time, for the crate is compiled for
            /// processors without it too.
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "fma")]
            fn fused(a: $float, b: $float, c: $float) -> $float {
                a.mul_add(b, c)
            }

            #[inline(always)]
            pub fn nearest(x: $float) -> $float {
                x.round_ties_even()
            }

            #[inline(always)]
            pub fn trunc(x: $float) -> $float {
                x.trunc()
            }

            #[inline(always)]
            pub fn floor(x: $float) -> $float {
                x.floor()
            }

            #[inline(always)]
            pub fn ceil(x: $float) -> $float {
                x.ceil()
            }
        }
    };
}

functions!(single, f32);
functions!(double, f64);

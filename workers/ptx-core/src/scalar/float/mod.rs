//! Floating-point arithmetic of one lane: IEEE 754 with round to nearest even, denormals kept, one NaN.
//!
//! Arithmetic is that of the language; what `core` lacks has two sources that give the same bits.

#[cfg(any(feature = "std", test))]
mod native;
#[cfg(any(not(feature = "std"), test))]
mod soft;
#[cfg(test)]
mod tests;

#[cfg(feature = "std")]
use native as lent;
#[cfg(not(feature = "std"))]
use soft as lent;

/// The NaN that every f32 operation gives.
pub const NAN32: u32 = 0x7fff_ffff;
/// The NaN that every f64 operation gives.
pub const NAN64: u64 = 0x7fff_ffff_ffff_ffff;

macro_rules! real {
    ($name:ident, $float:ty, $bits:ty, $nan:expr) => {
        // Not every format uses everything: PTX has `.NaN` for f32 alone.
        #[allow(clippy::missing_const_for_fn, dead_code)]
        pub(crate) mod $name {
            use super::lent::$name as lent;

            pub const SIGN: $bits = 1 << (<$bits>::BITS - 1);

            #[inline(always)]
            pub fn of(bits: $bits) -> $float {
                <$float>::from_bits(bits)
            }

            /// The bits of a result.
            ///
            /// The bits say whether it is a NaN, not a comparison: of "the root of x, or a NaN where x is below zero" LLVM
            /// keeps the root alone, for that is a NaN too, only with other bits.
            #[inline(always)]
            pub fn bits(value: $float) -> $bits {
                let bits = value.to_bits();
                if bits & !SIGN > <$float>::INFINITY.to_bits() { $nan } else { bits }
            }

            #[inline(always)]
            pub fn add(a: $bits, b: $bits) -> $bits {
                bits(of(a) + of(b))
            }

            #[inline(always)]
            pub fn sub(a: $bits, b: $bits) -> $bits {
                bits(of(a) - of(b))
            }

            #[inline(always)]
            pub fn mul(a: $bits, b: $bits) -> $bits {
                bits(of(a) * of(b))
            }

            #[inline(always)]
            pub fn fma(a: $bits, b: $bits, c: $bits) -> $bits {
                bits(lent::fma(of(a), of(b), of(c)))
            }

            #[inline(always)]
            pub fn div(a: $bits, b: $bits) -> $bits {
                bits(of(a) / of(b))
            }

            #[inline(always)]
            pub fn rcp(a: $bits) -> $bits {
                bits(1.0 / of(a))
            }

            #[inline(always)]
            pub fn sqrt(a: $bits) -> $bits {
                bits(lent::sqrt(of(a)))
            }

            #[inline(always)]
            pub fn neg(a: $bits) -> $bits {
                if of(a).is_nan() { $nan } else { a ^ SIGN }
            }

            #[inline(always)]
            pub fn abs(a: $bits) -> $bits {
                if of(a).is_nan() { $nan } else { a & !SIGN }
            }

            /// The smaller number; a NaN only where both are. -0 is smaller than +0.
            #[inline(always)]
            pub fn min(a: $bits, b: $bits) -> $bits {
                let (x, y) = (of(a), of(b));
                let number = if x < y {
                    a
                } else if y < x {
                    b
                } else {
                    a | b
                };
                if x.is_nan() {
                    bits(y)
                } else if y.is_nan() {
                    a
                } else {
                    number
                }
            }

            /// The larger number; a NaN only where both are. +0 is larger than -0.
            #[inline(always)]
            pub fn max(a: $bits, b: $bits) -> $bits {
                let (x, y) = (of(a), of(b));
                let number = if x > y {
                    a
                } else if y > x {
                    b
                } else {
                    a & b
                };
                if x.is_nan() {
                    bits(y)
                } else if y.is_nan() {
                    a
                } else {
                    number
                }
            }

            /// As `min`, but a NaN where one is.
            #[inline(always)]
            pub fn min_nan(a: $bits, b: $bits) -> $bits {
                if of(a).is_nan() || of(b).is_nan() { $nan } else { min(a, b) }
            }

            /// As `max`, but a NaN where one is.
            #[inline(always)]
            pub fn max_nan(a: $bits, b: $bits) -> $bits {
                if of(a).is_nan() || of(b).is_nan() { $nan } else { max(a, b) }
            }

            /// `b` with the sign of `a`.
            #[inline(always)]
            pub fn copysign(a: $bits, b: $bits) -> $bits {
                (b & !SIGN) | (a & SIGN)
            }

            #[inline(always)]
            pub fn nearest(a: $bits) -> $bits {
                bits(lent::nearest(of(a)))
            }

            #[inline(always)]
            pub fn trunc(a: $bits) -> $bits {
                bits(lent::trunc(of(a)))
            }

            #[inline(always)]
            pub fn floor(a: $bits) -> $bits {
                bits(lent::floor(of(a)))
            }

            #[inline(always)]
            pub fn ceil(a: $bits) -> $bits {
                bits(lent::ceil(of(a)))
            }

            /// Into 0 to 1; NaN gives 0.
            #[inline(always)]
            pub fn saturate(a: $bits) -> $bits {
                let x = of(a);
                (if x > 0.0 { if x < 1.0 { x } else { 1.0 } } else { 0.0 }).to_bits()
            }
        }
    };
}

real!(single, f32, u32, super::NAN32);
real!(double, f64, u64, super::NAN64);

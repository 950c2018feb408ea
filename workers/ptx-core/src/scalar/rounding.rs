//! Floating point in integers: every format, every rounding mode, one rounding. The native arithmetic of the host knows
//! neither 16-bit formats nor directed rounding.
//!
//! A finite number is `± significand × 2^exponent`, exactly. Sums and quotients may be too long for that; what is cut off
//! is then noted in the lowest bit ("jammed"), which lies so far below the last bit of any result that every rounding
//! decides as it would have on the exact value.

/// How a result that has no representation is rounded. Scalars carry it as an immediate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To the nearest, halves to the even one (`.rn`).
    Nearest,
    /// Towards zero (`.rz`).
    Zero,
    /// Towards minus infinity (`.rm`).
    Down,
    /// Towards plus infinity (`.rp`).
    Up,
}

impl Mode {
    /// The mode that an immediate names.
    #[inline(always)]
    #[must_use]
    pub fn of(imm: u32) -> Self {
        match imm {
            1 => Self::Zero,
            2 => Self::Down,
            3 => Self::Up,
            _ => Self::Nearest,
        }
    }
}

/// A binary format of IEEE 754.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    /// Bits of the significand, with the one that is not stored.
    precision: u32,
    /// Exponent of the last bit of denormals.
    least: i32,
    /// All bits.
    bits: u32,
}

pub(crate) const F16: Format = Format { precision: 11, least: -24, bits: 16 };
pub(crate) const BF16: Format = Format { precision: 8, least: -133, bits: 16 };
pub(crate) const F32: Format = Format { precision: 24, least: -149, bits: 32 };
pub(crate) const F64: Format = Format { precision: 53, least: -1074, bits: 64 };

/// A finite number, exactly. Zero has significand 0 and a sign.
#[derive(Clone, Copy)]
struct Exact {
    negative: bool,
    significand: u128,
    exponent: i32,
}

enum Number {
    Nan,
    /// With its sign.
    Infinite(bool),
    Finite(Exact),
}

use Number::{Finite, Infinite, Nan};

impl Format {
    fn sign(self, negative: bool) -> u64 {
        u64::from(negative) << (self.bits - 1)
    }

    /// The bits of plus infinity.
    #[inline(always)]
    pub fn infinity(self) -> u64 {
        ((1 << (self.bits - self.precision)) - 1) << (self.precision - 1)
    }

    /// The bits of 1.
    #[inline(always)]
    pub fn one(self) -> u64 {
        ((1 << (self.bits - self.precision - 1)) - 1) << (self.precision - 1)
    }

    /// The NaN that every operation gives.
    fn nan(self) -> u64 {
        u64::MAX >> (65 - self.bits)
    }

    fn infinite(self, negative: bool) -> u64 {
        self.infinity() | self.sign(negative)
    }

    fn number(self, bits: u64) -> Number {
        let negative = bits >> (self.bits - 1) & 1 != 0;
        let magnitude = bits & self.nan();
        if magnitude >= self.infinity() {
            return if magnitude == self.infinity() { Infinite(negative) } else { Nan };
        }
        let (field, stored) = (magnitude >> (self.precision - 1), 1 << (self.precision - 1));
        let fraction = magnitude & (stored - 1);
        Finite(if field == 0 {
            Exact { negative, significand: fraction.into(), exponent: self.least }
        } else {
            Exact { negative, significand: (fraction | stored).into(), exponent: self.least + field as i32 - 1 }
        })
    }

    fn round(self, x: Exact, mode: Mode) -> u64 {
        let sign = self.sign(x.negative);
        if x.significand == 0 {
            return sign;
        }
        let top = 127 - x.significand.leading_zeros() as i32;
        // Exponent of the last bit of the result.
        let last = (x.exponent + top - (self.precision as i32 - 1)).max(self.least);
        let (kept, half, rest) = match last - x.exponent {
            // No more than the precision is left of the point, so nothing is shifted out.
            shift @ ..=0 => (x.significand << -shift, false, false),
            shift @ 1..=127 => (
                x.significand >> shift,
                x.significand >> (shift - 1) & 1 != 0,
                x.significand & ((1 << (shift - 1)) - 1) != 0,
            ),
            128 => (0, x.significand >> 127 != 0, x.significand << 1 != 0),
            _ => (0, false, true),
        };
        let up = match mode {
            Mode::Nearest => half && (rest || kept & 1 != 0),
            Mode::Zero => false,
            Mode::Down => x.negative && (half || rest),
            Mode::Up => !x.negative && (half || rest),
        };
        // The bit that is not stored adds one to the field of the exponent, and so does a carry.
        let magnitude = (((last - self.least) as u128) << (self.precision - 1)) + kept + u128::from(up);
        let infinity = u128::from(self.infinity());
        if magnitude < infinity {
            return sign | magnitude as u64;
        }
        let to_infinity = match mode {
            Mode::Nearest => true,
            Mode::Zero => false,
            Mode::Down => x.negative,
            Mode::Up => !x.negative,
        };
        sign | (self.infinity() - u64::from(!to_infinity))
    }

    pub fn add(self, a: u64, b: u64, mode: Mode) -> u64 {
        match (self.number(a), self.number(b)) {
            (Nan, _) | (_, Nan) => self.nan(),
            (Infinite(x), Infinite(y)) if x != y => self.nan(),
            (Infinite(x), _) | (_, Infinite(x)) => self.infinite(x),
            (Finite(x), Finite(y)) => self.round(sum(x, y, mode), mode),
        }
    }

    pub fn sub(self, a: u64, b: u64, mode: Mode) -> u64 {
        self.add(a, b ^ self.sign(true), mode)
    }

    pub fn mul(self, a: u64, b: u64, mode: Mode) -> u64 {
        match (self.number(a), self.number(b)) {
            (Nan, _) | (_, Nan) => self.nan(),
            (Infinite(x), Infinite(y)) => self.infinite(x != y),
            (Infinite(sign), Finite(x)) | (Finite(x), Infinite(sign)) => match x.significand {
                0 => self.nan(),
                _ => self.infinite(sign != x.negative),
            },
            (Finite(x), Finite(y)) => self.round(product(x, y), mode),
        }
    }

    /// `a × b + c`, rounded once.
    pub fn fma(self, a: u64, b: u64, c: u64, mode: Mode) -> u64 {
        match (self.number(a), self.number(b), self.number(c)) {
            (Finite(x), Finite(y), Finite(z)) => self.round(sum(product(x, y), z, mode), mode),
            (Finite(_), Finite(_), Infinite(z)) => self.infinite(z),
            // What is left is NaN or infinite, so no rounding takes part.
            _ => self.add(self.mul(a, b, mode), c, mode),
        }
    }

    pub fn div(self, a: u64, b: u64, mode: Mode) -> u64 {
        match (self.number(a), self.number(b)) {
            (Nan, _) | (_, Nan) | (Infinite(_), Infinite(_)) => self.nan(),
            (Infinite(sign), Finite(y)) => self.infinite(sign != y.negative),
            (Finite(x), Infinite(sign)) => self.sign(x.negative != sign),
            (Finite(x), Finite(y)) => match (x.significand, y.significand) {
                (0, 0) => self.nan(),
                (0, _) => self.sign(x.negative != y.negative),
                (_, 0) => self.infinite(x.negative != y.negative),
                _ => self.round(quotient(x, y), mode),
            },
        }
    }

    pub fn sqrt(self, a: u64, mode: Mode) -> u64 {
        match self.number(a) {
            Finite(x) if x.significand == 0 => a,
            Infinite(false) => a,
            Finite(x) if !x.negative => self.round(root(x), mode),
            _ => self.nan(),
        }
    }

    /// The number with these bits in another format.
    pub fn of(self, from: Self, bits: u64, mode: Mode) -> u64 {
        match from.number(bits) {
            Nan => self.nan(),
            Infinite(negative) => self.infinite(negative),
            Finite(x) => self.round(x, mode),
        }
    }

    pub fn of_unsigned(self, value: u64, mode: Mode) -> u64 {
        self.round(Exact { negative: false, significand: value.into(), exponent: 0 }, mode)
    }

    pub fn of_signed(self, value: u64, mode: Mode) -> u64 {
        let value = value as i64;
        self.round(Exact { negative: value < 0, significand: value.unsigned_abs().into(), exponent: 0 }, mode)
    }
}

fn product(x: Exact, y: Exact) -> Exact {
    Exact {
        negative: x.negative != y.negative,
        significand: x.significand * y.significand,
        exponent: x.exponent + y.exponent,
    }
}

/// The sum of two numbers whose significands have at most 106 bits, the lowest bit jammed.
///
/// With the leading bit of the larger moved to bit 125, its low 20 bits are zero. Bits of the smaller are lost only where
/// it lies more than 20 bits lower, so that the result keeps at least 124 bits: a rounding decides at bit 70 or above, where
/// the jammed bit stands for what was lost as well as the lost bits themselves.
fn sum(x: Exact, y: Exact, mode: Mode) -> Exact {
    let zero = |negative| Exact { negative, significand: 0, exponent: 0 };
    match (x.significand, y.significand) {
        (0, 0) if x.negative == y.negative => return x,
        (0, 0) => return zero(mode == Mode::Down),
        (0, _) => return y,
        (_, 0) => return x,
        _ => {}
    }
    let lift = |z: Exact| {
        let by = z.significand.leading_zeros() - 2;
        Exact { significand: z.significand << by, exponent: z.exponent - by as i32, ..z }
    };
    let (x, y) = (lift(x), lift(y));
    let (large, small) = if (x.exponent, x.significand) < (y.exponent, y.significand) { (y, x) } else { (x, y) };
    let added = match large.exponent - small.exponent {
        by @ ..=127 => {
            let moved = small.significand >> by;
            moved | u128::from(moved << by != small.significand)
        }
        _ => 1,
    };
    let significand =
        if large.negative == small.negative { large.significand + added } else { large.significand - added };
    if significand == 0 { zero(mode == Mode::Down) } else { Exact { significand, ..large } }
}

/// The quotient of two numbers other than zero, to at least 73 bits, the lowest bit jammed.
fn quotient(x: Exact, y: Exact) -> Exact {
    // Dividends lose nothing: significands have at most 53 bits.
    let lift = |z: Exact, top: u32| {
        let by = top - (127 - z.significand.leading_zeros());
        (z.significand << by, z.exponent - by as i32)
    };
    let ((dividend, up), (divisor, down)) = (lift(x, 126), lift(y, 53));
    let significand = (dividend / divisor) | u128::from(!dividend.is_multiple_of(divisor));
    Exact { negative: x.negative != y.negative, significand, exponent: up - down }
}

/// The square root of a positive number, to 63 bits, the lowest bit jammed.
fn root(x: Exact) -> Exact {
    let by = x.significand.leading_zeros() as i32 - 1;
    // Half of the exponent must be whole.
    let by = by - (x.exponent - by).rem_euclid(2);
    let square = x.significand << by;
    let root = square.isqrt();
    Exact { negative: false, significand: root | u128::from(root * root != square), exponent: (x.exponent - by) / 2 }
}

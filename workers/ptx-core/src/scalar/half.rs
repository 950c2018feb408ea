//! Arithmetic on f16 and bf16, which lie in the low half of a word, and on pairs of them.

use super::rounding::{Format, Mode};

const SIGN: u32 = 0x8000;
/// The NaN that every operation gives, in both formats.
const NAN: u32 = 0x7fff;

/// The bits of the low half.
#[inline(always)]
pub(crate) fn low(a: u32) -> u64 {
    u64::from(a & 0xffff)
}

/// A function on each half of a word.
#[inline(always)]
pub(crate) fn each(a: u32, f: impl Fn(u32) -> u32) -> u32 {
    f(a & 0xffff) | f(a >> 16) << 16
}

/// The same for two words.
#[inline(always)]
pub(crate) fn both(a: u32, b: u32, f: impl Fn(u32, u32) -> u32) -> u32 {
    f(a & 0xffff, b & 0xffff) | f(a >> 16, b >> 16) << 16
}

pub(crate) fn add(format: Format, a: u32, b: u32) -> u32 {
    format.add(low(a), low(b), Mode::Nearest) as u32
}

pub(crate) fn sub(format: Format, a: u32, b: u32) -> u32 {
    format.sub(low(a), low(b), Mode::Nearest) as u32
}

pub(crate) fn mul(format: Format, a: u32, b: u32) -> u32 {
    format.mul(low(a), low(b), Mode::Nearest) as u32
}

pub(crate) fn fma(format: Format, a: u32, b: u32, c: u32) -> u32 {
    format.fma(low(a), low(b), low(c), Mode::Nearest) as u32
}

#[inline(always)]
fn is_nan(format: Format, a: u32) -> bool {
    u64::from(a & 0x7fff) > format.infinity()
}

pub(crate) fn neg(format: Format, a: u32) -> u32 {
    if is_nan(format, a) { NAN } else { (a ^ SIGN) & 0xffff }
}

pub(crate) fn abs(format: Format, a: u32) -> u32 {
    if is_nan(format, a) { NAN } else { a & 0x7fff }
}

/// A number that orders as the value does, with -0 below +0.
#[inline(always)]
fn order(a: u32) -> i32 {
    let magnitude = (a & 0x7fff) as i32;
    if a & SIGN != 0 { !magnitude } else { magnitude }
}

/// The smaller number; a NaN only where both are. -0 is smaller than +0.
pub(crate) fn min(format: Format, a: u32, b: u32) -> u32 {
    match (is_nan(format, a), is_nan(format, b)) {
        (true, true) => NAN,
        (true, false) => b & 0xffff,
        (false, true) => a & 0xffff,
        _ => (if order(a) < order(b) { a } else { b }) & 0xffff,
    }
}

/// The larger number; a NaN only where both are.
pub(crate) fn max(format: Format, a: u32, b: u32) -> u32 {
    match (is_nan(format, a), is_nan(format, b)) {
        (true, true) => NAN,
        (true, false) => b & 0xffff,
        (false, true) => a & 0xffff,
        _ => (if order(a) > order(b) { a } else { b }) & 0xffff,
    }
}

/// As [`min`], but a NaN where one is.
pub(crate) fn min_nan(format: Format, a: u32, b: u32) -> u32 {
    if is_nan(format, a) || is_nan(format, b) { NAN } else { min(format, a, b) }
}

/// As [`max`], but a NaN where one is.
pub(crate) fn max_nan(format: Format, a: u32, b: u32) -> u32 {
    if is_nan(format, a) || is_nan(format, b) { NAN } else { max(format, a, b) }
}

/// Negative numbers become +0, and so does -0; NaN stays.
pub(crate) fn relu(format: Format, a: u32) -> u32 {
    if is_nan(format, a) {
        NAN
    } else if a & SIGN != 0 {
        0
    } else {
        a & 0xffff
    }
}

/// Into 0 to 1; NaN gives 0.
pub(crate) fn saturate(format: Format, a: u32) -> u32 {
    if is_nan(format, a) || a & SIGN != 0 { 0 } else { (a & 0xffff).min(format.one() as u32) }
}

//! Matrices in fixed point, for products that are as exact as those of floats and can be computed from products of bytes.
//!
//! A row of activations `x` and a column of weights `w` become whole numbers `a` and `b` of at most 2^β, in units of a power of two of
//! their own: `x[i] 2^p[i] ≈ a[i] s` and `w[i] 2^-p[i] ≈ b[i] t`, each to the nearest. The sum of `a[i] b[i]` is exact, and is rounded
//! once, to a float. So it is the same in any order, and by either of two ways to get it: as it stands, or modulo [`MODULI`].
//!
//! **Nothing wraps.** The sum is below half of the product M of the moduli, 2^70.4, where k 4^β < M / 2, and β is the largest number of
//! bits, of at most 30, for which that holds: 30 up to k = 1364, 29 up to 5458, 28 up to 21,835, 27 up to 87,342, else 26. Sums modulo
//! one of the moduli are below 2^31 up to k = 131,071: residues are at most 128. Longer ones are refused.
//!
//! **Error.** The units are at most 2^(1-β) of the largest `|x[i] 2^p[i]|` and `|w[i] 2^-p[i]|`, X and W, and a rounding is off by at
//! most half a unit. So the result is off by at most 2^-24 of itself, and
//!
//! > 2^-β (X Σ |w[i] 2^-p[i]| + W Σ |x[i] 2^p[i]|) + k 4^-β X W.
//!
//! A chain of fused multiply-adds may be off by k 2^-24 Σ |x[i] w[i]|. The two together are less, but for the last term, as long as
//! X Σ |w[i] 2^-p[i]| + W Σ |x[i] 2^p[i]| is at most (k - 1) 2^(β-24) times Σ |x[i] w[i]|: 24,512 times for k = 384, 524,280 times for
//! k = 131,071. No value is rounded at all that is at least 2^(24-β) of the largest one, X or W.
//!
//! **Powers.** Where input i is large in all rows and its weights are small, or the other way, `p[i]` moves what both have in common from
//! one to the other; it is chosen so that each input has weights near the largest of their columns. Powers of two change no value.

use crate::error::{NnError, Result};

/// Moduli of products of bytes, pairwise coprime, as in `kernels/residues.cuh`.
pub(crate) const MODULI: [u32; 9] = [256, 255, 253, 251, 247, 241, 239, 233, 229];
/// Most inputs of a matrix: sums of so many products of -128 to 127 are exact in 32 bits.
const MAX_K: usize = 131_071;
/// Most bits of a whole number: a word has room for it, and for its sign.
const MAX_BITS: u32 = 30;
/// Power of an input that no output reads: whatever it is becomes zero, and makes no unit larger.
const UNREAD: i32 = -1000;

/// How many bits the values of a row have, so that sums of `k` products are below half of the product of all moduli.
pub(crate) fn bits(k: usize) -> u32 {
    let product: u128 = MODULI.iter().map(|modulus| u128::from(*modulus)).product();
    let fits = |bits: &u32| ((k as u128) << (2 * bits)) < product / 2;
    (1..=MAX_BITS).rev().find(fits).unwrap_or(0)
}

/// A matrix in fixed point.
#[derive(Debug)]
pub(crate) struct Integers {
    /// Row by row, `k` of each output.
    pub values: Vec<i32>,
    /// For each output, the power of two that a step of its values is.
    pub units: Vec<i32>,
    /// For each input, the power of two by which activations are multiplied; the values are divided by it already.
    pub powers: Vec<i32>,
}

impl Integers {
    /// Of rows of `k` finite weights each.
    ///
    /// # Errors
    /// If `k` is so large that sums modulo one number would not be exact.
    pub fn of(rows: &[&[f32]], k: usize) -> Result<Self> {
        if k > MAX_K {
            let reason = format!("a matrix of {k} inputs cannot be computed in fixed point, at most {MAX_K}");
            return Err(NnError::Setting(format!("{reason}: take floats of 32 bits")));
        }
        let mut powers = vec![None; k];
        for row in rows {
            let largest = row.iter().filter_map(|value| exponent(*value)).max();
            for (power, value) in powers.iter_mut().zip(*row) {
                // Against its row, so that one row of large values does not decide alone.
                *power = exponent(*value).zip(largest).map(|(own, largest)| own - largest).max(*power);
            }
        }
        let powers: Vec<i32> = powers.into_iter().map(|power| power.unwrap_or(UNREAD)).collect();
        let bits = bits(k) as i32;
        let unit = |row: &&[f32]| {
            let exponents = row.iter().zip(&powers).filter_map(|(value, power)| Some(exponent(*value)? - power));
            exponents.max().map_or(0, |largest| largest + 1 - bits)
        };
        let units: Vec<i32> = rows.iter().map(unit).collect();
        let mut values = vec![];
        let failed = |_| NnError::Setting(format!("not enough memory for {} weights", rows.len() * k));
        values.try_reserve_exact(rows.len() * k).map_err(failed)?;
        for (row, unit) in rows.iter().zip(&units) {
            values.extend(row.iter().zip(&powers).map(|(value, power)| integer(*value, -power - unit)));
        }
        Ok(Self { values, units, powers })
    }
}

/// The largest whole number that is not above the logarithm of the magnitude to base 2; none of zero.
fn exponent(value: f32) -> Option<i32> {
    (value != 0.0).then(|| libm::ilogb(f64::from(value)))
}

/// `value` 2^`power`, to the nearest whole number, the even one of two.
fn integer(value: f32, power: i32) -> i32 {
    libm::ldexp(f64::from(value), power).round_ties_even() as i32
}

#[cfg(test)]
mod tests;

//! The discrete Gaussian, drawn exactly: in integers alone, by Canonne, Kamath and Steinke, "The Discrete Gaussian for Differential
//! Privacy" (NeurIPS 2020), algorithms 1 to 3. How long a draw takes depends on what is drawn, and is seen by nobody but its own machine.

use crate::{Error, round::MAX_NOISE, secret::Entropy};

/// The distribution on the integers with weights proportional to exp(-x² / 2v).
#[derive(Clone, Copy, Debug)]
pub struct DiscreteGaussian {
    /// v.
    variance: u128,
    /// ⌊√v⌋ + 1: the scale of the Laplace distribution that draws are taken from.
    scale: u64,
}

impl DiscreteGaussian {
    /// That of parameter v = `variance`, from 1 to [`MAX_NOISE`].
    ///
    /// # Errors
    /// [`Error::Privacy`] for other parameters.
    pub fn new(variance: u64) -> Result<Self, Error> {
        if !(1..=MAX_NOISE).contains(&variance) {
            return Err(Error::Privacy(format!("noise of variance {variance}, expected 1 to {MAX_NOISE}")));
        }
        Ok(Self { variance: variance.into(), scale: variance.isqrt() + 1 })
    }

    /// Algorithm 3.
    pub(crate) fn sample(&self, entropy: &mut Entropy) -> i64 {
        let (v, t) = (self.variance, u128::from(self.scale));
        loop {
            let y = laplace(self.scale, entropy);
            // exp(-(|y| - v/t)² / 2v), with |y| of at most some hundred scales: far from 2^128.
            let distance = (u128::from(y.unsigned_abs()) * t).abs_diff(v);
            if exp_minus(distance * distance, 2 * v * t * t, entropy) {
                return y;
            }
        }
    }
}

/// The discrete Laplace distribution of a scale of `scale`: algorithm 2 with s = 1.
fn laplace(scale: u64, entropy: &mut Entropy) -> i64 {
    loop {
        let rest = below(scale.into(), entropy) as u64;
        if !exp_minus(rest.into(), scale.into(), entropy) {
            continue;
        }
        let mut whole = 0;
        while exp_minus(1, 1, entropy) {
            whole += 1;
        }
        // At most some hundred times 2^20.
        let magnitude = (rest + scale * whole).cast_signed();
        let negative = entropy.word() & 1 == 1;
        match (negative, magnitude) {
            (true, 0) => {}
            (true, magnitude) => return -magnitude,
            (false, magnitude) => return magnitude,
        }
    }
}

/// True with a chance of exp(-numerator / denominator): algorithm 1.
fn exp_minus(numerator: u128, denominator: u128, entropy: &mut Entropy) -> bool {
    let (whole, rest) = (numerator / denominator, numerator % denominator);
    (0..whole).all(|_| exp_minus_fraction(1, 1, entropy)) && exp_minus_fraction(rest, denominator, entropy)
}

/// The same for a fraction of at most 1: the parity of the first k at which a draw of chance γ/k fails.
fn exp_minus_fraction(numerator: u128, denominator: u128, entropy: &mut Entropy) -> bool {
    let mut k = 1;
    while below(denominator * k, entropy) < numerator {
        k += 1;
    }
    k % 2 == 1
}

/// Uniform from 0 to `bound` - 1.
fn below(bound: u128, entropy: &mut Entropy) -> u128 {
    // As many bits as `bound` - 1 has, drawn again where that is too much.
    let bits = u128::BITS - (bound - 1).leading_zeros();
    loop {
        let word = match bits {
            0 => return 0,
            1..=64 => u128::from(entropy.word()),
            _ => u128::from(entropy.word()) << 64 | u128::from(entropy.word()),
        };
        let word = word & (u128::MAX >> (u128::BITS - bits));
        if word < bound {
            return word;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws against the exact probabilities by Pearson's χ², for parameters below, at and above one step.
    #[test]
    fn has_the_probabilities_that_it_should() {
        for (variance, seed) in [(1u64, 1), (2, 2), (9, 3), (10, 4)] {
            let gaussian = DiscreteGaussian::new(variance).unwrap();
            let mut entropy = Entropy::from_seed(&[seed; 32]);
            let draws = 40_000;
            let edge = 3 * (variance.isqrt() as i64 + 1);
            let mut counts = vec![0u32; 2 * edge as usize + 2];
            for _ in 0..draws {
                let x = gaussian.sample(&mut entropy);
                let bin = if x.abs() > edge { 2 * edge + 1 } else { x + edge };
                counts[bin as usize] += 1;
            }
            let weight = |x: i64| (-(x * x) as f64 / (2.0 * variance as f64)).exp();
            let total: f64 = (-200..=200).map(weight).sum();
            let inside: f64 = (-edge..=edge).map(weight).sum::<f64>() / total;
            let chance = |bin: i64| if bin == 2 * edge + 1 { 1.0 - inside } else { weight(bin - edge) / total };
            let chi: f64 = (0..)
                .zip(&counts)
                .map(|(bin, count)| (f64::from(*count), chance(bin) * f64::from(draws)))
                .filter(|(_, expected)| *expected > 5.0)
                .map(|(count, expected)| (count - expected).powi(2) / expected)
                .sum();
            let degrees = counts.len() as f64;
            // Six deviations of χ² above its mean.
            assert!(chi < degrees + 6.0 * (2.0 * degrees).sqrt(), "variance {variance}: χ² {chi} of {degrees}");
        }
    }

    #[test]
    fn has_the_moments_that_it_should() {
        for variance in [1_000_003u64, MAX_NOISE] {
            let gaussian = DiscreteGaussian::new(variance).unwrap();
            let mut entropy = Entropy::from_seed(&[9; 32]);
            let draws: Vec<f64> = (0..20_000).map(|_| gaussian.sample(&mut entropy) as f64).collect();
            let mean = draws.iter().sum::<f64>() / 20_000.0;
            let second = draws.iter().map(|x| x * x).sum::<f64>() / 20_000.0;
            let deviation = (variance as f64).sqrt();
            assert!(mean.abs() < 5.0 * deviation / 20_000f64.sqrt(), "mean {mean}");
            assert!((second / variance as f64 - 1.0).abs() < 5.0 * (2.0f64 / 20_000.0).sqrt(), "variance {second}");
        }
    }

    #[test]
    fn takes_no_senseless_parameters() {
        assert!(DiscreteGaussian::new(0).is_err());
        assert!(DiscreteGaussian::new(MAX_NOISE + 1).is_err());
    }
}

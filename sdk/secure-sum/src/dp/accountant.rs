//! Adds up what rounds give away.

use std::fmt;

use super::Noise;
use crate::Error;

/// Rényi differential privacy of all rounds so far: ε(α) = ρ·α for each order α, ρ added up over rounds
/// (Bun and Steinke, "Concentrated Differential Privacy", TCC 2016; Mironov, "Rényi Differential Privacy", CSF 2017).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Accountant {
    rho: f64,
    rounds: u64,
}

/// What an accountant prints: (ε, δ).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spent {
    /// ε.
    pub epsilon: f64,
    /// δ.
    pub delta: f64,
    /// After how many rounds.
    pub rounds: u64,
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epsilon, delta, rounds } = self;
        write!(f, "(ε = {epsilon:.3}, δ = {delta:e}) for each participant after {rounds} rounds")
    }
}

impl Accountant {
    /// Adds a round. Rounds that gave no sum count as well if participants had masked their vectors.
    pub fn add(&mut self, noise: &Noise) {
        self.add_rho(noise.rho());
    }

    /// Adds a round of which only its ρ ([`Noise::rho`]) is known any more.
    pub const fn add_rho(&mut self, rho: f64) {
        self.rho += rho;
        self.rounds += 1;
    }

    /// ε of Rényi differential privacy of order `alpha`.
    #[must_use]
    pub fn at_order(&self, alpha: f64) -> f64 {
        self.rho * alpha
    }

    /// ε for a chance `delta` that it does not hold: the least over α of ε(α) + ln(1 - 1/α) - (ln δ + ln α) / (α - 1)
    /// (Canonne, Kamath and Steinke 2020, proposition 12), 0 at the least.
    ///
    /// # Errors
    /// [`Error::Privacy`] unless 0 < δ < 1.
    pub fn spent(&self, delta: f64) -> Result<Spent, Error> {
        if !(delta > 0.0 && delta < 1.0) {
            return Err(Error::Privacy(format!("δ is {delta}, expected more than 0 and less than 1")));
        }
        // Orders 1 + 2^(i/64) from 2^-20 to 2^20. Any order gives a valid ε.
        let orders = (-20 * 64..=20 * 64).map(|i| 1.0 + (f64::from(i) / 64.0).exp2());
        let at = |alpha: f64| self.at_order(alpha) + (-1.0 / alpha).ln_1p() - (delta.ln() + alpha.ln()) / (alpha - 1.0);
        let epsilon = orders.map(at).fold(f64::INFINITY, f64::min).max(0.0);
        Ok(Spent { epsilon, delta, rounds: self.rounds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds of so large numbers of steps that rounding does not matter.
    fn rounds(multiplier: f64, rounds: u64) -> Accountant {
        let noise = Noise::new(1e5, multiplier, 4, 1).unwrap();
        let mut accountant = Accountant::default();
        (0..rounds).for_each(|_| accountant.add(&noise));
        accountant
    }

    /// Made by Google's dp-accounting 0.6.0, which knows orders a thousandth apart: `RdpAccountant` of `GaussianDpEvent(multiplier)`, composed.
    #[test]
    fn agrees_with_another_accountant() {
        let known = [
            (1.0, 1, 1e-5, 4.728_386_987_6),
            (2.0, 10, 1e-5, 8.078_359_625_4),
            (4.0, 100, 1e-6, 15.327_529_619_0),
            (0.5, 1, 1e-5, 10.724_824_243_3),
            (10.0, 1000, 1e-7, 21.929_907_716_6),
        ];
        for (multiplier, count, delta, epsilon) in known {
            let found = rounds(multiplier, count).spent(delta).unwrap().epsilon;
            assert!((found / epsilon - 1.0).abs() < 1e-4, "{multiplier} {count} {delta}: {found}, expected {epsilon}");
        }
    }

    /// The exact ε of the Gaussian mechanism, by the same library's `PLDAccountant`: a bound must not fall below it.
    #[test]
    fn never_claims_more_than_the_truth() {
        for (multiplier, count, delta, exact) in [
            (1.0, 1, 1e-5, 4.377_178),
            (2.0, 10, 1e-5, 7.511_276),
            (4.0, 100, 1e-6, 14.450_777),
            (0.5, 1, 1e-5, 9.997_256),
        ] {
            assert!(rounds(multiplier, count).spent(delta).unwrap().epsilon >= exact);
        }
    }

    #[test]
    fn small_noise_in_few_steps_costs_more_than_a_gaussian() {
        let coarse = Noise { bound: 10.0, variance: 1, honest: 8, len: 1 << 20 };
        let fine = Noise { bound: 10.0e3, variance: 1_000_000, ..coarse };
        assert!((coarse.multiplier() - fine.multiplier()).abs() < 1e-12);
        assert!(coarse.rho() > 1.01 * fine.rho(), "{} {}", coarse.rho(), fine.rho());
        let gaussian = 0.5 / fine.multiplier().powi(2);
        assert!((fine.rho() / gaussian - 1.0).abs() < 1e-9);
    }

    #[test]
    fn prints_what_is_spent() {
        let spent = rounds(1.0, 1).spent(1e-5).unwrap();
        assert_eq!(spent.to_string(), "(ε = 4.728, δ = 1e-5) for each participant after 1 rounds");
        assert!(Accountant::default().spent(1e-5).unwrap().epsilon < 1e-4, "nothing was given away yet");
        assert!(rounds(1.0, 1).spent(0.0).is_err());
        assert!(rounds(1.0, 1).spent(f64::NAN).is_err());
    }
}

//! Differential privacy of sums: how much noise each participant adds, and what (ε, δ) that gives.
//!
//! A participant's vector is clipped to an L2 norm and rounded to integers by the unit of work; its machine adds discrete Gaussian noise to
//! the mask, so the noise needs no floating point and is drawn from the same generator as the keys. The noise of those who may
//! collude is known to them, and who drops out takes its own away: only that of the t - c others counts.
//!
//! Two runs are neighbours here if one participant's vector is zero in one of them; who takes part is public anyway. Replacing a vector
//! instead doubles the sensitivity. There is no amplification by sampling: the server sees who takes part.

mod accountant;
mod gaussian;

pub use accountant::{Accountant, Spent};
pub use gaussian::DiscreteGaussian;

use crate::{
    Error,
    round::{MAX_NOISE, Round},
};

/// The noise of a round, and what bounds the vectors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Bound of the L2 norm of a rounded vector, in steps: the sensitivity Δ.
    pub bound: f64,
    /// Variance of the noise of each participant, in squared steps.
    pub variance: u64,
    /// How many participants' noise counts at least: t - c.
    pub honest: u8,
    /// Elements of a vector.
    pub len: u32,
}

impl Noise {
    /// Noise so that `honest` participants together have a standard deviation of `multiplier` times `bound`, or a little more.
    ///
    /// # Errors
    /// [`Error::Privacy`] if a number is not positive, or the noise would be larger than sums have room for.
    pub fn new(bound: f64, multiplier: f64, honest: u8, len: u32) -> Result<Self, Error> {
        let positive = |name: &str, value: f64| match value.is_finite() && value > 0.0 {
            true => Ok(()),
            false => Err(Error::Privacy(format!("{name} is {value}, expected more than 0"))),
        };
        positive("the bound", bound)?;
        positive("the noise multiplier", multiplier)?;
        positive("the number of honest participants", honest.into())?;
        let variance = ((bound * multiplier).powi(2) / f64::from(honest)).ceil().max(1.0);
        if variance > MAX_NOISE as f64 {
            let text = format!("a variance of {variance} for each participant, at most {MAX_NOISE}: take larger steps");
            return Err(Error::Privacy(text));
        }
        Ok(Self { bound, variance: variance as u64, honest, len })
    }

    /// The noise that `round` asks of its participants, of vectors whose rounded norm is at most `bound`. `None` if it asks for none.
    #[must_use]
    pub fn of(round: &Round, bound: f64) -> Option<Self> {
        let honest = round.threshold.checked_sub(round.colluders)?;
        (round.noise > 0).then_some(Self { bound, variance: round.noise, honest, len: round.len })
    }

    /// Standard deviation of the noise in the sum that counts, in steps.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        (self.variance as f64 * f64::from(self.honest)).sqrt()
    }

    /// The ratio of [`Self::deviation`] to the bound, that which is called the noise multiplier.
    #[must_use]
    pub fn multiplier(&self) -> f64 {
        self.deviation() / self.bound
    }

    /// ρ such that the round is ρ-concentrated differentially private (ρ-zCDP).
    ///
    /// That of the discrete Gaussian is ½·(Δ/σ)² (Canonne, Kamath and Steinke, "The Discrete Gaussian for Differential Privacy",
    /// NeurIPS 2020, theorem 4). A sum of n discrete Gaussians is not quite one: ½·(Δ/σ + τ·√d)², with
    /// τ = 10·Σ exp(-2π²·v·k/(k+1)) over k = 1 .. n-1, v the variance of each (Kairouz, Liu and Steinke, "The Distributed Discrete
    /// Gaussian Mechanism for Federated Learning with Secure Aggregation", ICML 2021, theorem 1 and proposition 14).
    #[must_use]
    pub fn rho(&self) -> f64 {
        let term = |k: u8| {
            let k = f64::from(k);
            (-2.0 * std::f64::consts::PI.powi(2) * self.variance as f64 * k / (k + 1.0)).exp()
        };
        let tau = 10.0 * (1..self.honest).map(term).sum::<f64>();
        let epsilon = self.bound / self.deviation() + tau * f64::from(self.len).sqrt();
        epsilon * epsilon / 2.0
    }
}

/// A bound of the L2 norm, in steps, of a vector of `len` elements that was clipped to `clip` and then rounded, each element up or down
/// by less than a `step`: clip / step + √len. Small steps make the second term small.
#[must_use]
pub fn rounded_bound(clip: f64, step: f64, len: u32) -> f64 {
    clip / step + f64::from(len).sqrt()
}

/// Largest magnitude of an element for which sums of a whole group never leave 32 bits: n times it, and the noise of n within 8
/// deviations (beyond which an element is with a chance of 10^-15).
#[must_use]
pub fn largest_element(members: usize, noise: u64) -> u32 {
    let n = members.max(1) as f64;
    let room = f64::from(i32::MAX) - 8.0 * (n * noise as f64).sqrt();
    (room / n).max(0.0) as u32
}

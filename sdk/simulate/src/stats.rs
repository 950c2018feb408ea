//! Means with confidence intervals.

use serde::Serialize;

use crate::{provider::Ledger, scenario::PAY};

/// What providers of one strategy made of their seats, in pays.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Earnings {
    /// Committed seats.
    pub seats: u64,
    /// Those on which it cheated.
    pub cheated: u64,
    /// Times that one of them was found.
    pub faults: u64,
    /// Profit per seat.
    pub profit: f64,
    /// Half of the 95 % confidence interval of `profit`.
    pub profit_ci: f64,
    /// Cheated seats until one is found, if any was.
    pub seats_until_found: Option<f64>,
    /// Hours from the first lie to being found, if any was.
    pub hours_until_found: Option<f64>,
}

impl Earnings {
    /// Earnings per seat over all providers: a ratio of sums, whose deviation is that of the residuals
    /// `profit − mean · seats` (W. G. Cochran, "Sampling Techniques", 6.4). Providers are the independent units.
    #[must_use]
    pub fn of(ledgers: &[Ledger]) -> Self {
        let seats: u64 = ledgers.iter().map(|ledger| ledger.seats).sum();
        if seats == 0 {
            return Self::default();
        }
        let profit = ledgers.iter().map(Ledger::profit).sum::<f64>() / seats as f64;
        let residuals: f64 =
            ledgers.iter().map(|ledger| (ledger.profit() - profit * ledger.seats as f64).powi(2)).sum();
        let n = ledgers.len() as f64;
        let deviation = (residuals * n / (n - 1.0).max(1.0)).sqrt() / seats as f64;
        let faults: u64 = ledgers.iter().map(|ledger| ledger.faults).sum();
        let per_fault = |sum: f64| (faults > 0).then(|| sum / faults as f64);
        let pay = PAY as f64;
        Self {
            seats,
            cheated: ledgers.iter().map(|ledger| ledger.cheated).sum(),
            faults,
            profit: profit / pay,
            profit_ci: 1.96 * deviation / pay,
            seats_until_found: per_fault(ledgers.iter().map(|ledger| ledger.cheated_until_found as f64).sum()),
            hours_until_found: per_fault(ledgers.iter().map(|ledger| ledger.seconds_until_found / 3_600.0).sum()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_and_intervals() {
        let ledger = |seats, earned| Ledger { seats, earned, ..Ledger::default() };
        let same = Earnings::of(&[ledger(10, 3_000_000), ledger(20, 6_000_000)]);
        assert!((same.profit - 0.3).abs() < 1e-12 && same.profit_ci < 1e-12);
        let unlike = Earnings::of(&[ledger(10, 0), ledger(10, 6_000_000)]);
        // Residuals ±3 pays, two units: 1.96 · √(18 · 2) / 20.
        assert!((unlike.profit_ci - 1.96 * 6.0 / 20.0).abs() < 1e-12);
        assert_eq!(Earnings::of(&[]).seats, 0);
        assert_eq!(same.seats_until_found, None);
    }
}

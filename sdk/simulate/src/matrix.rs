//! The table: every way of cheating, at several rates and sizes, beside honest work in the same market.

use rayon::prelude::*;
use serde::Serialize;

use crate::{
    provider::Ledger,
    scenario::{Scenario, Strategy},
    stats::Earnings,
    tally::{PARTS, Tally},
    world::World,
};

/// How often cheaters cheat.
pub const RATES: [f64; 4] = [0.001, 0.01, 0.1, 1.0];

/// Strategies and the shares of the stake that follow them.
const CHEATERS: [(Strategy, f64); 9] = [
    (Strategy::Lazy, 0.1),
    (Strategy::Random, 0.1),
    (Strategy::Withholding, 0.1),
    (Strategy::Copying, 0.1),
    (Strategy::Sybil, 0.1),
    (Strategy::Colluding, 0.1),
    (Strategy::Colluding, 0.3),
    (Strategy::Framing, 0.1),
    (Strategy::Framing, 0.3),
];

/// Sizes of the simulation.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Leases of each run.
    pub leases: u32,
    /// Runs of each row. Where friends seldom lie there are ten times as many, because so little happens.
    pub runs: u32,
    /// First seed.
    pub seed: u64,
}

/// One row of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// How the cheaters cheat.
    pub strategy: Strategy,
    /// Share of the stake that cheats.
    pub share: f64,
    /// How often they do.
    pub rate: f64,
    /// Leases in all runs.
    pub leases: u64,
    /// What cheaters made.
    pub cheaters: Earnings,
    /// What honest providers made, those on bad machines left out.
    pub honest: Earnings,
    /// What honest providers on bad machines made.
    pub flaky: Earnings,
    /// Cost of audits as a share of the cost of the work, in the second half of the runs.
    pub audits: f64,
    /// Cost of disputes as a share of the cost of the work.
    pub disputes: f64,
    /// Cost of audits as a share of the cost of the work, by part of the run.
    pub course: Vec<f64>,
    /// Counts.
    pub counts: Tally,
}

impl Row {
    /// By how much honest work beats cheating, in pays per seat, and half of the 95 % confidence interval.
    #[must_use]
    pub fn margin(&self) -> (f64, f64) {
        (self.honest.profit - self.cheaters.profit, self.honest.profit_ci.hypot(self.cheaters.profit_ci))
    }
}

/// Runs one row.
#[must_use]
pub fn row(scenario: &Scenario, runs: u32) -> Row {
    let results: Vec<_> = (0..u64::from(runs))
        .into_par_iter()
        .map(|run| World::new(&Scenario { seed: scenario.seed.wrapping_add(run), ..*scenario }).run())
        .collect();
    let mut counts = Tally::default();
    results.iter().for_each(|(tally, _)| counts.add(tally));
    let earnings = |is: &dyn Fn(Strategy) -> bool| {
        let providers = results.iter().flat_map(|(_, providers)| providers);
        let ledgers: Vec<Ledger> = providers.filter(|one| is(one.strategy)).map(|one| one.ledger).collect();
        Earnings::of(&ledgers)
    };
    Row {
        strategy: scenario.strategy,
        share: scenario.share,
        rate: scenario.rate,
        leases: u64::from(scenario.leases) * u64::from(runs),
        cheaters: earnings(&|strategy| !strategy.is_honest()),
        honest: earnings(&|strategy| strategy == Strategy::Honest),
        flaky: earnings(&|strategy| strategy == Strategy::Flaky),
        audits: counts.audit_share(PARTS / 2),
        disputes: counts.dispute_share(),
        course: (0..PARTS).map(|part| counts.audit_share_of(part)).collect(),
        counts,
    }
}

/// What a simulation found.
#[derive(Clone, Debug, Serialize)]
pub struct Matrix {
    /// Seed of the first run.
    pub seed: u64,
    /// Markets of honest providers: one past its warm-up, one that has just begun.
    pub honest: [Row; 2],
    /// One row for each way of cheating.
    pub rows: Vec<Row>,
}

/// Runs everything.
#[must_use]
pub fn matrix(size: &Size) -> Matrix {
    let base = Scenario { leases: size.leases, seed: size.seed, ..Scenario::default() };
    let cells = CHEATERS.iter().flat_map(|cheaters| RATES.map(|rate| (*cheaters, rate)));
    let cells: Vec<_> = cells.collect();
    let rows = cells.par_iter().map(|((strategy, share), rate)| {
        // There is nothing to copy on a lease of one replica.
        let replicas = if *strategy == Strategy::Copying { 2 } else { 1 };
        let friends = matches!(strategy, Strategy::Colluding | Strategy::Sybil);
        let runs = if friends && *rate == RATES[0] { 10 * size.runs } else { size.runs };
        row(&Scenario { strategy: *strategy, share: *share, rate: *rate, replicas, ..base }, runs)
    });
    Matrix {
        seed: size.seed,
        honest: [row(&base, size.runs), row(&Scenario { history: 0, ..base }, size.runs)],
        rows: rows.collect(),
    }
}

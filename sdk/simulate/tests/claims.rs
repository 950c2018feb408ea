//! The claims that the documentation makes, on runs small enough for every day.

use tessera_protocol::audit::AuditParams;
use tessera_simulate::{
    Scenario, Strategy,
    matrix::{Row, row},
};

const CHEATERS: [Strategy; 7] = [
    Strategy::Lazy,
    Strategy::Random,
    Strategy::Withholding,
    Strategy::Copying,
    Strategy::Sybil,
    Strategy::Colluding,
    Strategy::Framing,
];

fn small(strategy: Strategy, share: f64, rate: f64) -> Row {
    let replicas = if strategy == Strategy::Copying { 2 } else { 1 };
    // Whether a lie meets a friend as auditor is luck that no control variate takes out: one run would not show the margin.
    let friends = matches!(strategy, Strategy::Colluding | Strategy::Sybil);
    let runs = if friends && rate < 1.0 { 12 } else { 1 };
    // Seldom is there anything to copy: both replicas begin at about the same time.
    let leases = if strategy == Strategy::Copying { 40_000 } else { 4_000 };
    row(&Scenario { strategy, share, rate, replicas, leases, ..Scenario::default() }, runs)
}

#[test]
fn no_cheater_earns_more_than_honest_work_and_no_honest_stake_is_lost() {
    for strategy in CHEATERS {
        for rate in [0.1, 1.0] {
            let row = small(strategy, 0.1, rate);
            assert!(row.cheaters.cheated > 0, "{strategy:?} did not cheat at {rate}");
            // At lower rates a run this small has too few lies for one in fifty to be found for certain.
            assert!(rate < 1.0 || row.cheaters.faults > 0, "{strategy:?} was never found at {rate}");
            assert!(row.margin().0 > 0.0, "{strategy:?} at {rate}: {:?} honest {:?}", row.cheaters, row.honest);
            assert_eq!(row.counts.honest_slashed, 0, "{strategy:?} at {rate}");
        }
    }
}

#[test]
fn a_colluding_third_neither_wins_nor_frames() {
    for strategy in [Strategy::Colluding, Strategy::Framing] {
        let row = small(strategy, 0.3, 0.1);
        assert!(row.margin().0 > 0.0, "{strategy:?}: {:?} honest {:?}", row.cheaters, row.honest);
        assert_eq!(row.counts.honest_slashed, 0, "{strategy:?}");
        assert!(row.counts.undecided * 20 <= row.counts.disputes, "{strategy:?}: {:?}", row.counts);
    }
}

#[test]
fn crashes_and_lost_packets_cost_no_stake_and_checking_is_cheap_after_the_warm_up() {
    let row = row(&Scenario { flaky: 0.3, leases: 20_000, ..Scenario::default() }, 1);
    assert_eq!(row.counts.honest_slashed, 0);
    assert_eq!(row.counts.disputes, 0);
    assert_eq!(row.counts.wrong, 0);
    assert!(row.audits > 0.01 && row.audits < 0.03, "{}", row.audits);
    assert!(row.flaky.profit > 0.25 && row.honest.profit > 0.28, "{:?} {:?}", row.flaky, row.honest);
}

#[test]
fn without_audits_cheating_would_pay() {
    // The simulation can tell: a lock that deters nobody and one draw in 10⁴ make the laziest richest.
    let audit = AuditParams { p_min_bps: 1, saving_bps: 1, ..AuditParams::default() };
    let scenario = Scenario { strategy: Strategy::Random, share: 0.1, rate: 0.1, leases: 4_000, ..Scenario::default() };
    let row = row(&Scenario { audit, history: 1_000_000, ..scenario }, 1);
    assert!(row.margin().0 < 0.0, "{:?} honest {:?}", row.cheaters, row.honest);
}

#[test]
fn a_seed_is_a_run() {
    let scenario =
        Scenario { strategy: Strategy::Colluding, share: 0.1, rate: 0.5, leases: 500, ..Scenario::default() };
    let run = |seed| serde_json::to_string(&row(&Scenario { seed, ..scenario }, 2)).unwrap();
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

use super::*;
use proptest::prelude::*;

#[test]
fn requirements_filter() {
    let has = Capabilities { memory_mib: 8192, class: 80, region: 3 };
    assert!(Requirements::default().met_by(&has));
    assert!(Requirements { memory_mib: 8192, class: 80, regions: 1 << 3 }.met_by(&has));
    assert!(!Requirements { memory_mib: 8193, ..Default::default() }.met_by(&has));
    assert!(!Requirements { class: 86, ..Default::default() }.met_by(&has));
    assert!(!Requirements { regions: 1 << 4, ..Default::default() }.met_by(&has));
    assert!(!Requirements { regions: 1, ..Default::default() }.met_by(&Capabilities { region: 255, ..has }));
}

#[test]
fn ranks_differ_by_provider_and_replica() {
    let seed = [1; 32];
    assert_ne!(rank(&seed, 0, 0, &[2; 32]), rank(&seed, 0, 0, &[3; 32]));
    assert_ne!(rank(&seed, 0, 0, &[2; 32]), rank(&seed, 0, 1, &[2; 32]));
}

const CAP: u64 = 1_000_000;

/// The opening in a market of so many providers of full weight.
fn opening(kind: Kind, wanted: u8, active: u64) -> Opening {
    Opening { kind, wanted, stake: active * CAP, opened_at: 1_000, step_seconds: 4 }
}

fn standing(stake: u64) -> Standing {
    Standing { score: Chance::ONE, stake, locked: 0, staked_slot: 5 }
}

#[test]
fn openings_double() {
    let base = opening(Kind::Base, 1, 100);
    let first = 2 * (ONE / 100);
    assert_eq!([base.at(CAP, 999), base.at(CAP, 1_000), base.at(CAP, 1_003)], [0, first, first]);
    assert_eq!([base.at(CAP, 1_004), base.at(CAP, 1_008), base.at(CAP, 1_040)], [2 * first, 4 * first, 1_024 * first]);
    assert_eq!(base.at(CAP, i64::MAX), u64::MAX);
    assert_eq!(Opening { step_seconds: 0, stake: CAP, wanted: 0, ..base }.at(CAP, 1_000), 2 * ONE);
    assert_eq!(Opening { stake: 0, ..base }.at(CAP, 1_000), u64::MAX, "nobody has stake");
}

#[test]
fn audits_stay_narrow_until_late() {
    let audit = opening(Kind::Audit, 1, 100);
    let late = 1_000 + 4 * i64::from(LATE_STEPS);
    assert_eq!(audit.at(CAP, 1_000), ONE / 100);
    assert_eq!(audit.at(CAP, late - 1), ONE / 4);
    assert!(audit.at(CAP, late) > ONE);
    assert_eq!(opening(Kind::Dispute, 15, 20).at(CAP, late - 1), 4 * 15 * (ONE / 20), "many wanted, few there");
}

/// As many come at first whatever the cap: with less stake than it in the market, weights are low and the opening is wide.
#[test]
fn a_small_market_is_as_open_as_a_large_one() {
    let expected = |stakes: &[u64], kind: Kind| {
        let opening = Opening { stake: stakes.iter().sum(), ..opening(kind, 1, 0) };
        let chance = |stake: &u64| weight(&standing(*stake), kind, CAP) as f64 * opening.at(CAP, 1_000) as f64;
        stakes.iter().map(chance).sum::<f64>() / 2f64.powi(64)
    };
    for stakes in [&[10][..], &[500, 500], &[CAP; 40], &[CAP / 7, CAP / 3, CAP], &[1; 64]] {
        assert!((expected(stakes, Kind::Audit) - 1.0).abs() < 1e-3, "{stakes:?}");
        assert!((expected(stakes, Kind::Base) - 2.0).abs() < 1e-3, "{stakes:?}");
    }
    // Who has all the stake takes a base seat at once, though nothing is known of it yet.
    let new = Standing { score: Chance::ZERO, ..standing(10) };
    let opening = Opening { stake: 10, ..opening(Kind::Base, 1, 0) };
    assert!(admits(u64::MAX / 1_000 * 999, weight(&new, Kind::Base, CAP), opening.at(CAP, 1_000)));
}

#[test]
fn ratios() {
    assert_eq!([ratio(1, 2), ratio(3, 1), ratio(5, 5)], [ONE / 2, 3 * ONE, ONE]);
    assert_eq!([ratio(1, 0), ratio(u64::MAX, 1), ratio(0, 7)], [u64::MAX, u64::MAX, 0]);
    for (a, b) in [(u64::MAX, u64::MAX), (1 << 60, 3 << 59), (123_456_789_012_345, 9_876_543_210_987)] {
        let exact = (u128::from(a) << 32) / u128::from(b);
        let error = u128::from(ratio(a, b)).abs_diff(exact);
        assert!(error <= exact >> 28, "{a} / {b}");
    }
}

#[test]
fn weights() {
    let busy = Standing { locked: CAP / 2, ..standing(CAP) };
    assert_eq!(weight(&standing(CAP), Kind::Base, CAP), ONE);
    assert_eq!(weight(&standing(5 * CAP), Kind::Base, CAP), ONE);
    assert_eq!(weight(&busy, Kind::Base, CAP), ONE / 2);
    assert_eq!(weight(&busy, Kind::Audit, CAP), ONE, "idle stake gives no more of the vote");
    assert_eq!(weight(&Standing { score: Chance::ZERO, ..standing(CAP) }, Kind::Base, CAP), ONE / 2);
    assert_eq!(weight(&Standing { score: Chance::ZERO, ..standing(CAP) }, Kind::Dispute, CAP), ONE, "nor does a score");
    assert_eq!(weight(&standing(0), Kind::Audit, CAP), 0);
    assert_eq!(weight(&standing(1), Kind::Audit, 0), ONE);
}

#[test]
fn each_refusal() {
    let seed = [1; 32];
    let has = Capabilities { memory_mib: 8_192, class: 80, region: 3 };
    let required = Requirements { memory_mib: 8_192, class: 90, regions: 1 };
    let threshold = Threshold { score: Chance::from_bps(1), stake: 10 };
    let late = i64::MAX;
    let ask = |kind, has: &Capabilities, standing: &Standing, required: &Requirements, now| {
        let call =
            Call { seed: &seed, seed_slot: 6, lease: 0, seat: 0, opening: opening(kind, 1, 1 << 40), weight_cap: CAP };
        admit(&call, &[2; 32], has, standing, required, &threshold, now)
    };
    let any = Requirements::default();
    assert_eq!(ask(Kind::Base, &has, &standing(CAP), &any, late), Ok(()));
    assert_eq!(ask(Kind::Base, &has, &standing(CAP), &required, late), Err(Refusal::Capabilities));
    assert_eq!(ask(Kind::Base, &has, &standing(9), &any, late), Err(Refusal::Threshold));
    assert_eq!(
        ask(Kind::Base, &has, &Standing { score: Chance::ZERO, ..standing(CAP) }, &any, late),
        Err(Refusal::Threshold)
    );
    let fresh = Standing { staked_slot: 6, ..standing(CAP) };
    assert_eq!(ask(Kind::Base, &has, &fresh, &any, late), Ok(()), "last is better than never");
    assert_eq!(ask(Kind::Base, &has, &standing(CAP), &any, 1_000), Err(Refusal::NotYet));
    // The client's wishes are no filter for those who judge; what the work needs is.
    for kind in [Kind::Audit, Kind::Dispute] {
        assert_eq!(ask(kind, &has, &standing(9), &required, late), Ok(()));
        let small = Capabilities { memory_mib: 8_191, ..has };
        assert_eq!(ask(kind, &small, &standing(CAP), &required, late), Err(Refusal::Capabilities));
        assert_eq!(
            ask(kind, &has, &Standing { staked_slot: 6, ..standing(CAP) }, &any, late),
            Err(Refusal::FreshStake)
        );
    }
}

#[test]
fn seats_go_by_stake_however_it_is_split() {
    // One owner with a full stake, one with the same stake in 20 identities: equal shares of the first comers.
    let share = |identities: u8| {
        let standing = standing(CAP / u64::from(identities));
        let weight = weight(&standing, Kind::Audit, CAP);
        let open = opening(Kind::Audit, 1, 50).at(CAP, 1_000);
        let mut admitted = 0u32;
        for lease in 0..40_000 {
            for identity in 0..identities {
                admitted += u32::from(admits(rank(&[7; 32], lease, 0, &[identity; 32]), weight, open));
            }
        }
        f64::from(admitted)
    };
    let (whole, split) = (share(1), share(20));
    assert!((whole - 800.0).abs() < 120.0 && (split - 800.0).abs() < 120.0, "{whole} {split}");
}

proptest! {
    #[test]
    fn openings_never_close(kind in prop_oneof![Just(Kind::Base), Just(Kind::Audit), Just(Kind::Dispute)], wanted: u8, stake: u64,
                            cap in 1u64.., step_seconds: u32, opened_at in 0i64..1 << 40, a in 0i64..1 << 33, b in 0i64..1 << 33) {
        let opening = Opening { kind, wanted, stake, opened_at, step_seconds };
        prop_assert!(opening.at(cap, opened_at + a.min(b)) <= opening.at(cap, opened_at + a.max(b)));
        prop_assert!(opening.at(cap, opened_at) > 0);
    }

    #[test]
    fn a_turn_is_when_one_is_admitted(kind in prop_oneof![Just(Kind::Base), Just(Kind::Audit)], lease: u32, wanted in 1u8..4,
                                      stake in 0u64..2 * CAP, of in 1u64..100, step_seconds in 1u32..20) {
        let opening = Opening { kind, wanted, stake: of * CAP, opened_at: 1_000, step_seconds };
        let call = Call { seed: &[7; 32], seed_slot: 6, lease, seat: 0, opening, weight_cap: CAP };
        let (has, any, none) = (Capabilities::default(), Requirements::default(), Threshold::default());
        let standing = standing(stake);
        let admitted = |now| admit(&call, &[2; 32], &has, &standing, &any, &none, now).is_ok();
        match turn(&call, &[2; 32], &has, &standing, &any, &none) {
            Ok(at) => prop_assert!(at >= 1_000 && admitted(at) && !admitted(at - 1)),
            Err(refusal) => prop_assert!(refusal == Refusal::NotYet && !admitted(i64::MAX)),
        }
    }

    #[test]
    fn splitting_stake_gains_no_weight(stake in 0u64..1 << 50, parts in 1u64..50, cap in 1u64..1 << 50) {
        let whole = weight(&standing(stake), Kind::Audit, cap);
        let part = weight(&standing(stake / parts), Kind::Audit, cap);
        prop_assert!(u128::from(part) * u128::from(parts) <= u128::from(whole).max(u128::from(stake) * u128::from(ONE) / u128::from(cap)));
    }

    #[test]
    fn weights_are_at_most_one(score in 0u16..=10_000, stake: u64, locked: u64, cap: u64) {
        let standing = Standing { score: Chance::from_bps(score), stake, locked, staked_slot: 0 };
        for kind in [Kind::Base, Kind::Audit, Kind::Dispute] {
            prop_assert!(weight(&standing, kind, cap) <= ONE);
        }
    }
}

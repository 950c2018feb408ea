use alloc::vec::Vec;

use super::*;
use crate::{bonds, hash::sha256};
use proptest::prelude::*;

const TRUE: Digest = [1; 32];
const LIE: Digest = [2; 32];
const PAY: u64 = 1_009;

fn seat(kind: Kind, root: Digest) -> Seat {
    Seat { kind, root: Some(root) }
}

fn silent(kind: Kind) -> Seat {
    Seat { kind, root: None }
}

fn with_lead(lead: u8) -> AuditParams {
    AuditParams { lead, ..AuditParams::default() }
}

/// Adds dispute seats as the verdict asks, each with the root that `vote` names, until there is a verdict.
fn play(params: &AuditParams, mut seats: Vec<Seat>, mut vote: impl FnMut() -> Option<Digest>) -> (Verdict, Vec<Seat>) {
    loop {
        match verdict(params, &seats) {
            Verdict::More(more) => seats.extend((0..more).map(|_| Seat { kind: Kind::Dispute, root: vote() })),
            end => return (end, seats),
        }
    }
}

/// Slashed, awarded and burned, by the rules for each seat.
fn money(verdict: &Verdict, seats: &[Seat], lock: u64) -> (u64, u64, u64) {
    let losers = seats.iter().filter(|seat| consequence(verdict, seat, true) == Consequence::Slashed).count() as u64;
    let owed = awards(verdict, seats, PAY);
    let losses = (0..losers).map(|i| loss(owed, losers, i, lock));
    losses.fold((losers * lock, 0, 0), |(slashed, awarded, burned), loss| {
        (slashed, awarded + loss.awarded, burned + loss.burned)
    })
}

#[test]
fn void_has_its_own_root() {
    assert_eq!(VOID_ROOT, sha256(&[b"tessera-void-1"]));
}

#[test]
fn table_of_verdicts() {
    use Kind::{Audit, Base, Dispute};
    let lead3 = with_lead(3);
    let table: &[(&[Seat], Verdict)] = &[
        (&[], Verdict::Silent),
        (&[silent(Base), silent(Audit)], Verdict::Silent),
        (&[seat(Base, LIE)], Verdict::Agreed(LIE)),
        (&[seat(Base, TRUE), seat(Audit, TRUE)], Verdict::Agreed(TRUE)),
        (&[silent(Base), seat(Audit, TRUE)], Verdict::More(1)),
        (&[silent(Base), seat(Audit, TRUE), seat(Dispute, TRUE)], Verdict::Agreed(TRUE)),
        (&[silent(Base), seat(Base, TRUE), silent(Dispute)], Verdict::More(2)),
        (&[silent(Base), seat(Base, TRUE), silent(Dispute), seat(Dispute, TRUE)], Verdict::More(1)),
        (&[silent(Base), seat(Base, TRUE), seat(Dispute, LIE)], Verdict::More(2)),
        (&[seat(Base, TRUE), seat(Base, LIE)], Verdict::More(3)),
        (&[seat(Base, LIE), seat(Audit, TRUE)], Verdict::More(2)),
        (&[seat(Base, LIE), seat(Audit, TRUE), seat(Dispute, TRUE), silent(Dispute)], Verdict::More(1)),
        (&[seat(Base, LIE), seat(Audit, TRUE), seat(Dispute, TRUE), seat(Dispute, TRUE)], Verdict::Decided(TRUE)),
        // Base seats have no vote, however many they are.
        (&[seat(Base, LIE), seat(Base, LIE), seat(Base, LIE), seat(Base, LIE), seat(Audit, TRUE)], Verdict::More(2)),
        (&[seat(Base, LIE), seat(Audit, TRUE), seat(Dispute, LIE)], Verdict::More(3)),
        (&[seat(Base, LIE), seat(Audit, TRUE), seat(Dispute, LIE), seat(Dispute, [3; 32])], Verdict::More(3)),
        (&[seat(Base, TRUE), seat(Audit, VOID_ROOT)], Verdict::More(2)),
    ];
    for (seats, expected) in table {
        assert_eq!(verdict(&lead3, seats), *expected, "{seats:?}");
    }
}

#[test]
fn the_limit_leaves_it_undecided() {
    let params = AuditParams { lead: 3, seat_limit: 6, ..AuditParams::default() };
    let mut seats = alloc::vec![seat(Kind::Base, LIE), seat(Kind::Audit, TRUE)];
    seats.extend([LIE, TRUE, LIE].map(|root| seat(Kind::Dispute, root)));
    assert_eq!(verdict(&params, &seats), Verdict::More(1));
    seats.push(seat(Kind::Dispute, TRUE));
    assert_eq!(verdict(&params, &seats), Verdict::Undecided);
    assert!(seats.iter().all(|seat| consequence(&Verdict::Undecided, seat, true) == Consequence::Released));
    assert_eq!(consequence(&Verdict::Undecided, &silent(Kind::Dispute), true), Consequence::Slashed);
}

#[test]
fn without_jurors_only_equal_roots_decide() {
    use Kind::{Audit, Base};
    assert_eq!(without_more(&[silent(Base)]), Verdict::Silent);
    assert_eq!(without_more(&[silent(Base), seat(Audit, TRUE)]), Verdict::Agreed(TRUE));
    assert_eq!(without_more(&[seat(Base, LIE), seat(Audit, TRUE)]), Verdict::Undecided);
}

#[test]
fn table_of_consequences() {
    use Consequence::{Bond, Paid, Released, Slashed};
    let (right, wrong, quiet) = (seat(Kind::Base, TRUE), seat(Kind::Base, LIE), silent(Kind::Base));
    let table = [
        (Verdict::Agreed(TRUE), right, false, Paid),
        (Verdict::Decided(TRUE), right, true, Paid),
        (Verdict::Decided(TRUE), wrong, true, Slashed),
        (Verdict::Decided(TRUE), quiet, true, Slashed),
        (Verdict::Silent, quiet, false, Bond),
        (Verdict::Silent, quiet, true, Slashed),
        (Verdict::Silent, silent(Kind::Audit), false, Slashed),
        (Verdict::Undecided, right, true, Released),
        (Verdict::Decided(VOID_ROOT), right, true, Released),
        (Verdict::Decided(VOID_ROOT), seat(Kind::Dispute, VOID_ROOT), true, Paid),
        (Verdict::Agreed(VOID_ROOT), seat(Kind::Base, VOID_ROOT), false, Paid),
        (Verdict::Decided(TRUE), seat(Kind::Audit, VOID_ROOT), true, Slashed),
        // Saying nothing is no way out of a void module either.
        (Verdict::Decided(VOID_ROOT), quiet, true, Slashed),
    ];
    for (verdict, seat, at_stake, expected) in table {
        assert_eq!(consequence(&verdict, &seat, at_stake), expected, "{verdict:?} {seat:?}");
    }
}

#[test]
fn only_others_confirm() {
    let (base, audit) = (seat(Kind::Base, TRUE), seat(Kind::Audit, TRUE));
    let confirmed = |seats: &[Seat], of: &Seat| confirms(supporters(&Verdict::Agreed(TRUE), seats), of);
    assert!(!confirmed(&[base], &base), "nobody looked");
    assert!(!confirmed(&[base, base], &base), "the client chose both");
    assert!(confirmed(&[base, audit], &base));
    assert!(!confirmed(&[base, audit], &audit), "the client may have chosen the base seat");
    assert!(confirmed(&[base, audit, audit], &audit));
    assert_eq!(supporters(&Verdict::Undecided, &[base, audit]), 0);
    assert_eq!(supporters(&Verdict::Decided(TRUE), &[audit, seat(Kind::Audit, LIE)]), 1);
}

#[test]
fn void_is_paid_from_what_is_there() {
    assert_eq!(void_pay(10, 17, 1_000), 10);
    assert_eq!(void_pay(10, 17, 100), 5);
    assert_eq!(void_pay(10, 0, 100), 0);
}

#[test]
fn the_error_is_the_gamblers() {
    // Random walk of drawn voters of whom 3 in 10 name the same lie, for leads at which the error can be seen.
    const DISPUTES: u32 = 40_000;
    let mut n = 0u64;
    let mut lies = move || {
        n += 1;
        let digest = sha256(&[b"voter", &n.to_le_bytes()]);
        Some(if u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]) % 10 < 3 { LIE } else { TRUE })
    };
    for lead in [1u8, 2, 3, 4, 6] {
        let params = with_lead(lead);
        let (mut wrong, mut undecided) = (0, 0);
        for _ in 0..DISPUTES {
            let start = alloc::vec![seat(Kind::Base, TRUE), seat(Kind::Base, LIE)];
            match play(&params, start, &mut lies).0 {
                Verdict::Decided(LIE) => wrong += 1,
                Verdict::Decided(_) => {}
                _ => undecided += 1,
            }
        }
        let expected = 1.0 / (1.0 + (0.7f64 / 0.3).powi(i32::from(lead)));
        let measured = f64::from(wrong) / f64::from(DISPUTES);
        let deviation = (expected * (1.0 - expected) / f64::from(DISPUTES)).sqrt();
        assert!((measured - expected).abs() < 4.5 * deviation, "lead {lead}: {measured} instead of {expected}");
        assert!(undecided < DISPUTES / 1_000, "lead {lead}: {undecided} undecided");
    }
}

#[test]
fn few_disputes_stay_undecided_at_the_default_lead() {
    let params = AuditParams::default();
    let mut n = 0u64;
    let mut vote = move || {
        n += 1;
        Some(if sha256(&[b"seat", &n.to_le_bytes()])[0] % 10 < 3 { LIE } else { TRUE })
    };
    let mut undecided = 0;
    for _ in 0..5_000 {
        let (end, seats) = play(&params, alloc::vec![seat(Kind::Base, LIE), seat(Kind::Audit, TRUE)], &mut vote);
        assert_ne!(end, Verdict::Decided(LIE));
        assert!(seats.len() <= 96);
        undecided += u32::from(end == Verdict::Undecided);
    }
    assert!(undecided < 5_000 / 50, "{undecided}");
}

proptest! {
    #[test]
    fn money_is_conserved_and_a_loser_pays_no_more_than_its_part(
        lead in 1u8..=32, base in 1usize..4, drawn: bool, votes in prop::collection::vec(0u8..10, 96), honest in 5u8..10,
    ) {
        let params = AuditParams { lead, lock_multiple: 117, ..AuditParams::default() };
        let lock = bonds::lock(params.lock_multiple, params.expiry_bond_bps, PAY).unwrap();
        let mut start: Vec<Seat> = (0..base).map(|i| seat(Kind::Base, if i == 0 { LIE } else { TRUE })).collect();
        if drawn {
            start.push(seat(Kind::Audit, TRUE));
        }
        let mut next = votes.iter().cycle();
        let (end, seats) = play(&params, start, || match *next.next().unwrap() {
            9 => None,
            vote if vote < honest => Some(TRUE),
            vote => Some([vote; 32]),
        });
        let (slashed, awarded, burned) = money(&end, &seats, lock);
        prop_assert_eq!(slashed, awarded + burned);
        prop_assert!(seats.len() <= usize::from(params.seat_limit));
        if let Verdict::Decided(right) = end {
            prop_assert_eq!(awarded, awards(&end, &seats, PAY), "the winners are paid in full");
            let losers = slashed / lock;
            prop_assert!(awarded <= losers * PAY * (1 + u64::from(lead)));
            prop_assert!(burned >= losers * crate::audit::burned_if_caught(PAY, lock, lead));
            for seat in seats.iter().filter(|seat| seat.root == Some(right)) {
                prop_assert_eq!(consequence(&end, seat, true), Consequence::Paid);
            }
        } else {
            prop_assert_eq!(awarded, 0);
        }
    }

    #[test]
    fn without_colluders_honest_seats_lose_nothing(lies in prop::collection::vec(any::<Option<u8>>(), 1..6), votes in prop::collection::vec(0u8..10, 96)) {
        // Wrong answers that nobody agreed upon beforehand, up to one in three votes.
        let mut fresh = 10u64;
        let mut unlike = || { fresh += 1; sha256(&[&fresh.to_le_bytes()]) };
        let mut start = alloc::vec![seat(Kind::Base, TRUE)];
        start.extend(lies.iter().map(|lie| Seat { kind: Kind::Base, root: lie.map(|_| unlike()) }));
        let mut next = votes.iter().cycle();
        let (end, seats) = play(&AuditParams::default(), start, || Some(if *next.next().unwrap() < 7 { TRUE } else { unlike() }));
        for seat in seats.iter().filter(|seat| seat.root == Some(TRUE)) {
            prop_assert_ne!(consequence(&end, seat, true), Consequence::Slashed);
        }
    }

    #[test]
    fn shares_add_up(awards in 0u64..1 << 50, losers in 1u64..96, lock in 0u64..1 << 60) {
        let all: Vec<Loss> = (0..losers).map(|i| loss(awards, losers, i, lock)).collect();
        prop_assert!(all.iter().all(|loss| loss.awarded + loss.burned == lock));
        if lock > awards / losers {
            prop_assert_eq!(all.iter().map(|loss| loss.awarded).sum::<u64>(), awards);
        }
        prop_assert_eq!(loss(awards, 0, 0, lock).awarded, 0);
    }
}

//! Rounds in which members drop out, and sums.

use proptest::prelude::*;

use super::fixture::{Group, Speaking, all_but, keys, member, play, round, seed, sum_of, vectors};
use crate::{
    Error, Members, Participant, Policy, Round, Rounds, Server,
    dp::{Noise, largest_element},
    mask::ChaChaPads,
    message::{Advert, Deal, MAX_MESSAGE_LEN, Said, Signed, Told, to_bytes},
    participant::{advert_of, keys_digest},
    secret::{End, Entropy, Held, Secret, Secrets, deal_key, seed_digest, split},
};

#[test]
fn everybody_stays() {
    for n in [3, 4, 8, 17] {
        let (round, vectors) = (round(n, Round::least_threshold(n, 1), 1, 1500), vectors(n, 1500));
        let sum = play(&round, &vectors, Speaking::all(n)).unwrap();
        assert_eq!(sum.signed(), sum_of(&vectors, all_but(n, &[])));
        assert_eq!((sum.members, sum.suspects), (all_but(n, &[]), Members::NONE));
    }
}

#[test]
fn the_largest_group_fits_its_messages() {
    let (round, vectors) = (round(64, 40, 15, 3), vectors(64, 3));
    let mut group = Group::new(&round);
    let mut speaking = Speaking::all(64);
    speaking.vectors = all_but(64, &[0, 13, 63]);
    let sum = group.play(&vectors, speaking, &ChaChaPads).unwrap();
    assert_eq!(sum.signed(), sum_of(&vectors, speaking.vectors));
    let longest = group.view.iter().map(Vec::len).max().unwrap();
    assert!((8000..MAX_MESSAGE_LEN).contains(&longest), "{longest} bytes");
}

#[test]
fn two_drop_out_at_each_phase() {
    let (round, vectors) = (round(8, 6, 3, 9), vectors(8, 9));
    let (all, rest) = (Speaking::all(8), all_but(8, &[2, 7]));
    let cases = [
        (Speaking { adverts: rest, deals: rest, ..all }, rest),
        (Speaking { deals: rest, ..all }, rest),
        (Speaking { vectors: rest, ..all }, rest),
        (Speaking { confirmations: rest, ..all }, all_but(8, &[])),
        (Speaking { openings: rest, ..all }, all_but(8, &[])),
    ];
    for (speaking, survivors) in cases {
        let sum = play(&round, &vectors, speaking).unwrap();
        assert_eq!((sum.signed(), sum.members), (sum_of(&vectors, survivors), survivors), "{speaking:?}");
    }
}

#[test]
fn one_too_many_voids_the_round() {
    let (round, vectors) = (round(8, 6, 3, 9), vectors(8, 9));
    let (all, few) = (Speaking::all(8), all_but(8, &[0, 2, 7]));
    let cases = [
        (Speaking { adverts: few, ..all }, "advertised keys"),
        (Speaking { deals: few, ..all }, "dealt shares"),
        (Speaking { vectors: few, ..all }, "masked vectors"),
        (Speaking { confirmations: few, ..all }, "confirmation of survivors"),
        (Speaking { openings: few, ..all }, "opened shares"),
    ];
    for (speaking, phase) in cases {
        let error = play(&round, &vectors, speaking).unwrap_err();
        assert_eq!(error, Error::TooFew { phase, found: 5, threshold: 6 });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whoever falls silent, wherever: the sum of those that stayed, or none.
    #[test]
    fn any_dropouts(n in 3usize..9, c in 0usize..3, silent in prop::array::uniform5(any::<u8>()), busy in any::<u8>()) {
        let t = Round::least_threshold(n, c);
        prop_assume!(t <= n);
        let (round, vectors) = (round(n, t, c, 5), vectors(n, 5));
        // Each phase loses some of those that the phases before have not.
        let mut left = all_but(n, &[]);
        let mut phases = silent.map(|silent| {
            left = left.without(Members(u64::from(silent & !busy & silent.rotate_left(3))));
            left
        }).into_iter();
        let mut next = || phases.next().unwrap();
        let speaking = Speaking { adverts: next(), deals: next(), vectors: next(), confirmations: next(), openings: next() };
        let result = play(&round, &vectors, speaking);
        let stayed = speaking.openings.count() as usize;
        match result {
            Ok(sum) => {
                prop_assert!(stayed >= t);
                prop_assert_eq!(sum.signed(), sum_of(&vectors, speaking.vectors));
            }
            Err(error) => prop_assert!(stayed < t && matches!(error, Error::TooFew { .. }), "{}", error),
        }
    }
}

#[test]
fn sums_are_modulo_2_to_the_32() {
    let round = round(3, 3, 1, 3);
    let vectors = [vec![i32::MAX, i32::MIN, -1], vec![i32::MAX, i32::MIN, -1], vec![i32::MAX, 1, 2]];
    let sum = play(&round, &vectors, Speaking::all(3)).unwrap();
    assert_eq!(sum.words, [(i32::MAX as u32).wrapping_mul(3), 1, 0]);
    assert_eq!(largest_element(3, 0), i32::MAX as u32 / 3);
}

#[test]
fn who_opens_other_shares_than_dealt_is_left_out_and_named() {
    let (round, vectors) = (round(8, 6, 3, 4), vectors(8, 4));
    for liars in [&[1u8][..], &[1, 5], &[1, 5, 6]] {
        let mut group = Group::new(&round);
        let all = Speaking::all(8);
        let (there, told) = group.adverts(all.adverts).unwrap();
        let dealt = group.deals(&told, there, all.deals).unwrap();
        let (survivors, told) = group.vectors(&dealt, &vectors, all_but(8, &[3]), &ChaChaPads).unwrap();
        let (_, told) = group.confirmations(&told, survivors, all.confirmations).unwrap();
        for place in survivors.iter() {
            let mut opened = group.members[usize::from(place)].confirmed(&told).unwrap();
            if liars.contains(&place) {
                let Said::Open(shares) = &mut opened.said else { panic!("opens") };
                shares[0].share[7] ^= 1;
                let key = &keys(8)[usize::from(place)];
                opened = Signed::new(key, &round.id(), place, opened.said);
            }
            group.server.take(opened).unwrap();
        }
        let enough = 7 - liars.len() >= 6;
        assert_eq!(group.server.ready(), enough);
        match group.server.finish() {
            Ok(sum) => {
                assert!(enough);
                assert_eq!(sum.signed(), sum_of(&vectors, survivors));
                // Which of the two lied cannot be told: who opened, or who dealt.
                assert_eq!(sum.suspects, liars.iter().copied().chain([0]).collect());
            }
            Err(Error::Unopened { of, suspects, .. }) => {
                assert!(!enough);
                assert_eq!(of, Members::NONE.with(0));
                assert_eq!(suspects, liars.iter().copied().chain([0]).collect());
            }
            Err(other) => panic!("{other}"),
        }
    }
}

/// A deal of member `place` in which the shares of one secret are those of another.
fn false_deal(round: &Round, keys_told: &Told, place: u8, of_mask: bool) -> Signed {
    let Told::Keys(adverts) = keys_told else { panic!("keys") };
    let mut entropy = Entropy::from_seed(&seed(place));
    let secrets = Secrets::new(&mut entropy);
    let (id, n, t) = (round.id(), round.members.len(), round.threshold);
    let adverts: Vec<_> = adverts.iter().map(|signed| (signed.from, advert_of(signed).unwrap())).collect();
    let digest = keys_digest(&id, &adverts);
    let (mask, own) = (Secret::new(secrets.mask.to_bytes()), secrets.seed.clone());
    let other = Secret::new([9; 32]);
    let (mask, own) = if of_mask { (&other, &own) } else { (&mask, &other) };
    let masks = split(mask, t, n, &mut entropy).unwrap();
    let held: Vec<_> = masks.into_iter().zip(split(own, t, n, &mut entropy).unwrap()).collect();
    let held: Vec<_> = held.into_iter().map(|(mask, seed)| Held { mask, seed }).collect();
    let own = secrets.advert();
    let seal = |(to, advert): &(u8, Advert)| {
        let ends = (End { place, key: &own.cipher }, End { place: *to, key: &advert.cipher });
        let key = deal_key(&secrets.cipher, &advert.cipher, &id, ends.0, ends.1).unwrap();
        held[usize::from(*to)].seal(&key, &digest, place, *to)
    };
    let deal = Deal {
        seed: seed_digest(&id, place, &secrets.seed),
        sealed: adverts.iter().filter(|(to, _)| *to != place).map(seal).collect(),
        digests: adverts.iter().map(|(to, _)| held[usize::from(*to)].digests(&id, place, *to)).collect(),
    };
    Signed::new(&keys(n)[usize::from(place)], &id, place, Said::Deal(deal))
}

#[test]
fn who_deals_shares_of_something_else_is_named() {
    let (round, vectors) = (round(4, 3, 1, 4), vectors(4, 4));
    // Of member 2's two secrets that one is opened which is false, or the other one.
    for (of_mask, drops, named) in
        [(true, true, true), (false, false, true), (true, false, false), (false, true, false)]
    {
        let mut group = Group::new(&round);
        let all = all_but(4, &[]);
        let (there, keys) = group.adverts(all).unwrap();
        for place in there.iter() {
            let mut deal = group.members[usize::from(place)].keys(&keys).unwrap();
            if place == 2 {
                deal = false_deal(&round, &keys, place, of_mask);
            }
            group.server.take(deal).unwrap();
        }
        let dealt = group.server.end_deals().unwrap();
        let stay = if drops { all_but(4, &[2]) } else { all };
        let (survivors, told) = group.vectors(&dealt, &vectors, stay, &ChaChaPads).unwrap();
        assert!(all_but(4, &[2]).iter().all(|place| group.members[usize::from(place)].unreadable() == Members::NONE));
        let (_, told) = group.confirmations(&told, survivors, all).unwrap();
        // Its own share is not the one that it announced.
        group.openings(&told, survivors, all_but(4, &[2])).unwrap();
        match group.server.finish() {
            Ok(sum) => assert!(!named && sum.signed() == sum_of(&vectors, stay)),
            Err(error) => assert!(named && error == Error::Dealer(2), "{error}"),
        }
    }
}

#[test]
fn shares_that_do_not_open_are_told_and_do_not_stop_the_round() {
    let (round, vectors) = (round(5, 4, 1, 4), vectors(5, 4));
    let mut group = Group::new(&round);
    let all = all_but(5, &[]);
    let (there, told) = group.adverts(all).unwrap();
    for place in there.iter() {
        let mut deal = group.members[usize::from(place)].keys(&told).unwrap();
        if place == 4 {
            let Said::Deal(content) = &mut deal.said else { panic!("deals") };
            content.sealed[0].0[3] ^= 1;
            deal = Signed::new(&keys(5)[4], &round.id(), 4, deal.said);
        }
        group.server.take(deal).unwrap();
    }
    let dealt = group.server.end_deals().unwrap();
    let (survivors, told) = group.vectors(&dealt, &vectors, all, &ChaChaPads).unwrap();
    assert_eq!(group.members[0].unreadable(), Members::NONE.with(4));
    assert_eq!(group.members[1].unreadable(), Members::NONE);
    let (_, told) = group.confirmations(&told, survivors, all).unwrap();
    group.openings(&told, survivors, all).unwrap();
    assert_eq!(group.server.finish().unwrap().signed(), sum_of(&vectors, all));
}

#[test]
fn noise_is_that_of_all_who_stay() {
    let len = 4096;
    let noise = Noise::new(100.0, 1.5, 3, len).unwrap();
    let mut round = round(8, 6, 3, len);
    round.noise = noise.variance;
    assert_eq!(Noise::of(&round, 100.0), Some(noise));
    let zeros = vec![vec![0; len as usize]; 8];
    let sum = play(&round, &zeros, Speaking { vectors: all_but(8, &[0, 1]), ..Speaking::all(8) }).unwrap();
    let second = sum.signed().iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / f64::from(len);
    let expected = 6.0 * noise.variance as f64;
    assert!((second / expected - 1.0).abs() < 6.0 * (2.0 / f64::from(len)).sqrt(), "{second}, expected {expected}");
    // Half of them count, those who may collude not: that is what was asked for.
    assert!((noise.deviation() / 150.0 - 1.0).abs() < 0.01);
}

#[test]
fn a_participant_made_from_the_system_differs_each_time() {
    let round = round(3, 3, 1, 8);
    let key = &keys(3)[0];
    let policy = Policy { honest_others: 1, ..Policy::new([1; 32], round.members.clone()) };
    let join = || Participant::join(round.clone(), key, &policy, &mut Rounds::default()).unwrap();
    assert_ne!(join().advert(), join().advert());
    assert_eq!(to_bytes(member(&round, 0).advert()), to_bytes(member(&round, 0).advert()));
    assert!(Server::new(Round { threshold: 2, ..round }).is_err());
}

//! What a server that lies, or members that collude with it, can do, and where that ends.

use super::fixture::{Group, Speaking, all_but, keys, member, round, seed, sum_of, vectors};
use crate::{
    Error, Members, Participant, Policy, Round, Rounds, Server,
    mask::{ChaChaPads, Pads, Sign},
    message::{Confirmation, Opened, Said, Share, Signed, Told},
    participant::keys_digest,
    secret::{End, Entropy, Secret, Secrets, combine, pair_seed},
};
use x25519_dalek::StaticSecret;

const N: usize = 8;
const LEN: u32 = 9;

/// A group that has masked its vectors, and the keys.
fn masked(round: &Round, vectors: &[Vec<i32>]) -> (Group, Told) {
    let mut group = Group::new(round);
    let all = Speaking::all(round.members.len());
    let (there, keys) = group.adverts(all.adverts).unwrap();
    let dealt = group.deals(&keys, there, all.deals).unwrap();
    group.vectors(&dealt, vectors, all.vectors, &ChaChaPads).unwrap();
    (group, keys)
}

/// What the colluders among the members hold, as openings: both shares of everybody.
fn held_by(group: &Group, colluders: Members, of: u8) -> (Vec<Share>, Vec<Share>) {
    let shares = colluders.iter().flat_map(|place| {
        let held = group.members[usize::from(place)].held();
        held.into_iter().find(|(from, _)| *from == of).map(|(_, held)| (*held.mask, *held.seed))
    });
    shares.unzip()
}

/// The vector of `victim`, by somebody who has both its secrets.
fn uncover(group: &Group, round: &Round, keys: &Told, victim: u8, mask: &Secret, own: &Secret) -> Vec<i32> {
    let mut words = group.masked[usize::from(victim)].clone().unwrap();
    ChaChaPads.apply(own, Sign::Minus, &mut words);
    let Told::Keys(adverts) = keys else { panic!("keys") };
    let mask_keys = adverts.iter().map(|signed| match &signed.said {
        Said::Advert(advert) => (signed.from, advert.mask),
        other => panic!("{other:?}"),
    });
    let mask_keys: Vec<_> = mask_keys.collect();
    let secret = StaticSecret::from(**mask);
    let own = End { place: victim, key: &mask_keys[usize::from(victim)].1 };
    for (place, key) in mask_keys.iter().filter(|(place, _)| *place != victim) {
        let pair = pair_seed(&secret, &round.id(), own, End { place: *place, key }).unwrap();
        ChaChaPads.apply(&pair, Sign::of_pair(victim, *place).opposite(), &mut words);
    }
    words.iter().map(|word| word.cast_signed()).collect()
}

/// The server tells one half of the members that the victim stayed, the other half that it dropped out. Colluders sign both.
/// Returns shares of the victim's two secrets that it gets.
fn split_views(
    group: &mut Group,
    round: &Round,
    colluders: Members,
    victim: u8,
    first: Members,
) -> (Vec<Share>, Vec<Share>) {
    let n = round.members.len();
    let with = all_but(n, &[]);
    let without = all_but(n, &[victim]);
    let (mut seeds, mut masks) = {
        let (masks, seeds) = held_by(group, colluders, victim);
        (seeds, masks)
    };
    for (told, survivors) in [(first, with), (all_but(n, &[]).without(first).without(colluders), without)] {
        let mut signed = Vec::new();
        for place in told.iter() {
            // A victim that is told it dropped out says nothing.
            if let Ok(one) = group.members[usize::from(place)].survivors(&Told::Survivors(survivors)) {
                signed.push(one);
            }
        }
        let Some(Said::Confirm(confirmation)) = signed.first().map(|signed| signed.said.clone()) else { continue };
        for place in colluders.iter().filter(|place| survivors.contains(*place)) {
            signed.push(Signed::new(&keys(n)[usize::from(place)], &round.id(), place, Said::Confirm(confirmation)));
        }
        signed.sort_by_key(|signed| signed.from);
        for place in told.iter() {
            let Ok(opened) = group.members[usize::from(place)].confirmed(&Told::Confirmed(signed.clone())) else {
                continue;
            };
            let Said::Open(opened) = opened.said else { panic!("opens") };
            let shares = if survivors == with { &mut seeds } else { &mut masks };
            shares.extend(opened.iter().filter(|opened| opened.of == victim).map(|opened| opened.share));
        }
    }
    (masks, seeds)
}

#[test]
fn a_server_with_two_stories_gets_one_secret_at_most() {
    let (round, vectors) = (round(N, 6, 3, LEN), vectors(N, LEN));
    let colluders: Members = [5, 6, 7].into_iter().collect();
    let victim = 2;
    // However the honest five are split.
    for split in 0..32u64 {
        let (mut group, keys) = masked(&round, &vectors);
        let (masks, seeds) = split_views(&mut group, &round, colluders, victim, Members(split));
        let (mask, own) = (combine(&masks, 6), combine(&seeds, 6));
        assert!(mask.is_none() || own.is_none(), "split {split:05b}: {} and {} shares", masks.len(), seeds.len());
        drop(keys);
    }
}

#[test]
fn with_more_colluders_than_the_round_withstands_two_stories_work() {
    // A threshold of 5 of 8 withstands one colluder; here are three.
    let (round, vectors) = (round(N, 5, 1, LEN), vectors(N, LEN));
    let colluders: Members = [5, 6, 7].into_iter().collect();
    let (victim, first) = (2, [0, 2, 3].into_iter().collect());
    let (mut group, keys) = masked(&round, &vectors);
    let (masks, seeds) = split_views(&mut group, &round, colluders, victim, first);
    let (mask, own) = (combine(&masks, 5).unwrap(), combine(&seeds, 5).unwrap());
    assert_eq!(uncover(&group, &round, &keys, victim, &mask, &own), vectors[usize::from(victim)]);
}

#[test]
fn fewer_colluders_than_the_threshold_have_nothing_by_themselves_and_as_many_have_all() {
    let (round, vectors) = (round(N, 6, 3, LEN), vectors(N, LEN));
    let (group, keys) = masked(&round, &vectors);
    let victim = 0;
    let (masks, seeds) = held_by(&group, [3, 4, 5, 6, 7].into_iter().collect(), victim);
    assert!(combine(&masks, 6).is_none() && combine(&seeds, 6).is_none());
    // Not for want of trying: with a sixth share made up, each secret is as likely as any other. Of the first byte:
    for shares in [&masks, &seeds] {
        let mut possible: Vec<u8> = (0..=255)
            .map(|guess| {
                let mut made_up = [0; 33];
                (made_up[0], made_up[1]) = (3, guess);
                combine(shares.iter().chain([&made_up]), 6).unwrap()[0]
            })
            .collect();
        possible.sort_unstable();
        assert!(possible.iter().copied().eq(0..=255));
    }
    let (masks, seeds) = held_by(&group, [2, 3, 4, 5, 6, 7].into_iter().collect(), victim);
    let (mask, own) = (combine(&masks, 6).unwrap(), combine(&seeds, 6).unwrap());
    assert_eq!(uncover(&group, &round, &keys, victim, &mask, &own), vectors[usize::from(victim)]);
}

#[test]
fn both_shares_of_one_member_are_never_opened() {
    let (round, vectors) = (round(N, 6, 3, LEN), vectors(N, LEN));
    let (mut group, _) = masked(&round, &vectors);
    let (with, without) = (Told::Survivors(all_but(N, &[])), Told::Survivors(all_but(N, &[2])));
    let mut signed: Vec<_> = group.members.iter_mut().map(|member| member.survivors(&with).unwrap()).collect();
    let member = &mut group.members[0];
    let again = member.survivors(&without).unwrap_err();
    assert_eq!(again, Error::Order { expected: "confirmations", found: "survivors" });
    signed[1] = Signed::new(
        &keys(N)[1],
        &round.id(),
        1,
        Said::Confirm(Confirmation {
            survivors: all_but(N, &[2]),
            dealt: match &signed[0].said {
                Said::Confirm(confirmation) => confirmation.dealt,
                other => panic!("{other:?}"),
            },
        }),
    );
    assert!(matches!(member.confirmed(&Told::Confirmed(signed.clone())), Err(Error::Content(_))));
    signed.remove(1);
    let opened = member.confirmed(&Told::Confirmed(signed.clone())).unwrap();
    let Said::Open(opened) = opened.said else { panic!("opens") };
    assert!(opened.iter().map(|opened| opened.of).eq(0..N as u8), "one share of each");
    let order = Error::Order { expected: "nothing", found: "confirmations" };
    assert_eq!(member.confirmed(&Told::Confirmed(signed)).unwrap_err(), order);
    assert_eq!(member.survivors(&without).unwrap_err(), Error::Order { expected: "nothing", found: "survivors" });
}

#[test]
fn nothing_is_opened_for_few_or_counted_twice() {
    let (round, vectors) = (round(N, 6, 3, LEN), vectors(N, LEN));
    let (mut group, _) = masked(&round, &vectors);
    let lonely = Told::Survivors([0, 5, 6, 7].into_iter().collect());
    let few = group.members[0].survivors(&lonely).unwrap_err();
    assert_eq!(few, Error::TooFew { phase: "masked vectors", found: 4, threshold: 6 });
    let with = Told::Survivors(all_but(N, &[]));
    let signed: Vec<_> = group.members.iter_mut().map(|member| member.survivors(&with).unwrap()).collect();
    let member = &mut group.members[0];
    let five = Told::Confirmed(signed[..5].to_vec());
    assert_eq!(member.confirmed(&five).unwrap_err(), Error::TooFew { phase: "confirmations", found: 5, threshold: 6 });
    let twice = signed[..5].iter().chain([&signed[4]]).cloned().collect();
    assert!(matches!(member.confirmed(&Told::Confirmed(twice)), Err(Error::Content(_))));
    assert!(member.confirmed(&Told::Confirmed(signed[..6].to_vec())).is_ok());
}

#[test]
fn confirmations_that_others_have_signed_open_nothing() {
    let (round, vectors) = (round(N, 6, 3, LEN), vectors(N, LEN));
    let (mut group, _) = masked(&round, &vectors);
    let with = Told::Survivors(all_but(N, &[]));
    let signed: Vec<_> = group.members.iter_mut().map(|member| member.survivors(&with).unwrap()).collect();
    let member = &mut group.members[0];
    // The server, or a member, speaks in the name of member 3; or it is what member 3 has signed for another round.
    let (stranger, keys) = (ed25519_dalek::SigningKey::from_bytes(&[99; 32]), keys(N));
    for (key, id) in [(&stranger, round.id()), (&keys[4], round.id()), (&keys[3], [5; 32])] {
        let mut forged = signed.clone();
        forged[3] = Signed::new(key, &id, 3, signed[3].said.clone());
        assert_eq!(member.confirmed(&Told::Confirmed(forged)).unwrap_err(), Error::Signature(3));
    }
    assert!(member.confirmed(&Told::Confirmed(signed)).is_ok());
}

#[test]
fn members_that_were_shown_different_keys_open_nothing() {
    let (round, vectors) = (round(N, 6, 3, LEN), vectors(N, LEN));
    let mut group = Group::new(&round);
    let all = all_but(N, &[]);
    let (_, keys_told) = group.adverts(all).unwrap();
    // Member 7, the server's friend, has a second pair of keys, which member 0 alone is shown.
    let second = Secrets::new(&mut Entropy::from_seed(&[77; 32]));
    let Told::Keys(mut adverts) = keys_told.clone() else { panic!("keys") };
    adverts[7] = Signed::new(&keys(N)[7], &round.id(), 7, Said::Advert(second.advert()));
    for place in all.iter() {
        let told = if place == 0 { Told::Keys(adverts.clone()) } else { keys_told.clone() };
        let deal = group.members[usize::from(place)].keys(&told).unwrap();
        group.server.take(deal).unwrap();
    }
    let dealt = group.server.end_deals().unwrap();
    let (_, told) = group.vectors(&dealt, &vectors, all, &ChaChaPads).unwrap();
    assert_eq!(group.members[0].unreadable(), all_but(N, &[0]), "sealed under other keys");
    let mut signed: Vec<_> = group.members.iter_mut().map(|member| member.survivors(&told).unwrap()).collect();
    let mixed = Told::Confirmed(signed.clone());
    assert!(group.members.iter_mut().all(|member| matches!(member.confirmed(&mixed), Err(Error::Content(_)))));
    // Without member 0 the others agree; member 0 then opens nothing, and nothing that it dealt can be opened.
    signed.remove(0);
    let rest = Told::Confirmed(signed);
    assert!(group.members[0].confirmed(&rest).is_err());
    assert!(group.members[1].confirmed(&rest).is_ok());
}

#[test]
fn a_server_cannot_put_itself_between() {
    let round = round(N, 6, 3, LEN);
    let mut group = Group::new(&round);
    let (_, told) = group.adverts(all_but(N, &[])).unwrap();
    let Told::Keys(adverts) = told else { panic!("keys") };
    let own = Said::Advert(Secrets::new(&mut Entropy::from_seed(&[66; 32])).advert());
    // Its own keys under member 3's name, signed by itself; member 3's message with other contents; another's message.
    let stranger = ed25519_dalek::SigningKey::from_bytes(&[99; 32]);
    let mut altered = adverts[3].clone();
    altered.said = own.clone();
    let mut renamed = adverts[4].clone();
    renamed.from = 3;
    for forged in [Signed::new(&stranger, &round.id(), 3, own), altered, renamed] {
        let mut forgery = adverts.clone();
        forgery[3] = forged;
        assert_eq!(group.members[0].keys(&Told::Keys(forgery)).unwrap_err(), Error::Signature(3));
    }
    // A refused message changes nothing.
    assert!(group.members[0].keys(&Told::Keys(adverts)).is_ok());
}

#[test]
fn keys_that_everybody_knows_are_refused() {
    let round = round(N, 6, 3, LEN);
    for zero in [[true, false], [false, true]] {
        let mut group = Group::new(&round);
        let (_, told) = group.adverts(all_but(N, &[])).unwrap();
        let Told::Keys(mut adverts) = told else { panic!("keys") };
        let mut advert = Secrets::new(&mut Entropy::from_seed(&[66; 32])).advert();
        // The point of order 1: any secret key gives zero with it.
        if zero[0] {
            advert.cipher = [0; 32];
        } else {
            advert.mask = [0; 32];
        }
        adverts[3] = Signed::new(&keys(N)[3], &round.id(), 3, Said::Advert(advert));
        let signed = adverts[3].clone();
        assert!(matches!(group.members[0].keys(&Told::Keys(adverts)), Err(Error::Content(_))));
        assert!(matches!(Server::new(round.clone()).unwrap().take(signed), Err(Error::Content(_))));
    }
}

#[test]
fn messages_of_another_round_are_refused() {
    let (first, vectors) = (round(N, 6, 3, LEN), vectors(N, LEN));
    let others = [
        Round { round: 2, ..first.clone() },
        Round { group: 1, ..first.clone() },
        Round { training: [3; 32], ..first.clone() },
        Round { task: [3; 32], ..first.clone() },
        Round { len: LEN + 1, ..first.clone() },
        Round { threshold: 7, ..first.clone() },
        Round { colluders: 2, ..first.clone() },
        Round { noise: 1, ..first.clone() },
    ];
    let mut old = Group::new(&first);
    let all = Speaking::all(N);
    let (there, old_keys) = old.adverts(all.adverts).unwrap();
    let old_deal = old.members[0].keys(&old_keys).unwrap();
    drop((there, old_deal.clone()));
    for other in others {
        let mut member = member(&other, 0);
        assert!(matches!(member.keys(&old_keys), Err(Error::Signature(0))), "{other:?}");
        let mut server = Server::new(other).unwrap();
        assert_eq!(server.take(old.members[0].advert().clone()), Err(Error::Signature(0)));
        assert_eq!(server.take(old_deal.clone()), Err(Error::Signature(0)));
    }
    // The same round anew, with fresh keys of member 0 and all others played back: the server cannot read on.
    let (mut old, old_keys) = masked(&first, &vectors);
    let entropy = Entropy::from_seed(&[200; 32]);
    let mut fresh = Participant::with_entropy(first.clone(), &keys(N)[0], entropy).unwrap();
    assert!(matches!(fresh.keys(&old_keys), Err(Error::Content(_))), "its keys are others now");
    let Told::Keys(mut adverts) = old_keys else { panic!("keys") };
    adverts[0] = fresh.advert().clone();
    fresh.keys(&Told::Keys(adverts)).unwrap();
    let survivors = Told::Survivors(all_but(N, &[]));
    let signed = old.members.iter_mut().skip(1).map(|member| member.survivors(&survivors).unwrap()).collect();
    let dealt = old.server.end_deals();
    assert!(dealt.is_err(), "long over");
    let sealed = vec![crate::message::Sealed([0; 82]); N - 1];
    let _ = fresh.dealt(&Told::Dealt { dealers: all_but(N, &[]), sealed }).unwrap();
    fresh.survivors(&survivors).unwrap();
    assert!(matches!(fresh.confirmed(&Told::Confirmed(signed)), Err(Error::Content(_))));
}

#[test]
fn a_round_is_taken_part_in_once_and_only_as_the_owner_allows() {
    let round = round(N, 6, 3, LEN);
    let key = &keys(N)[0];
    let policy = Policy::new([1; 32], round.members.clone());
    let mut rounds = Rounds::default();
    let mut join =
        |round: &Round, policy: &Policy| Participant::join(round.clone(), key, policy, &mut rounds).map(drop);
    assert_eq!(join(&round, &policy), Ok(()));
    assert!(matches!(join(&round, &policy), Err(Error::Policy(_))), "a second time");
    let later = Round { round: 7, ..round.clone() };
    assert_eq!(join(&later, &policy), Ok(()));
    assert!(matches!(join(&Round { group: 1, ..later.clone() }, &policy), Err(Error::Policy(_))), "in two groups");
    assert!(matches!(join(&Round { round: 6, ..round.clone() }, &policy), Err(Error::Policy(_))), "an old one");

    let next = Round { round: 8, ..round.clone() };
    let strict = [
        Policy { trainings: [[9; 32]].into(), ..policy.clone() },
        // Members that nobody knows: the server itself, perhaps.
        Policy { peers: round.members[..7].iter().copied().collect(), ..policy.clone() },
        Policy { honest_others: 3, ..policy.clone() },
        Policy { colluders: 4, ..policy.clone() },
        Policy { max_len: LEN - 1, ..policy.clone() },
        Policy { noise: 1, ..policy.clone() },
    ];
    for strict in strict {
        assert!(matches!(join(&next, &strict), Err(Error::Policy(_))), "{strict:?}");
    }
    assert!(matches!(join(&Round { len: 7, ..next.clone() }, &policy), Err(Error::Policy(_))), "guessed masks");
    assert!(matches!(join(&Round { threshold: 5, ..next.clone() }, &policy), Err(Error::Round(_))), "half of them");
    let mut without = next.clone();
    without.members.remove(0);
    assert!(matches!(join(&Round { colluders: 1, ..without }, &policy), Err(Error::Stranger(_))));
    assert_eq!(join(&next, &policy), Ok(()), "what was refused did not count");
    assert_eq!(rounds, Rounds::from_entries([([1; 32], 8)], []));
    assert_eq!(of_entries(&rounds), rounds);
}

fn of_entries(rounds: &Rounds) -> Rounds {
    Rounds::from_entries(rounds.entries().map(|(training, round)| (*training, round)), rounds.tasks().copied())
}

/// First with everybody, then with one less: the difference would be that one's update.
#[test]
fn what_was_summed_is_not_summed_again_under_another_number() {
    let round = round(N, 6, 3, LEN);
    let mut rounds = Rounds::default();
    rounds.begin(&round).unwrap();
    let again = Round { round: round.round + 1, ..round.clone() };
    rounds.begin(&again).unwrap();
    // The second try has its sum.
    rounds.summed(&again);
    let asked = Round { round: round.round + 2, group: 1, threshold: 7, ..round.clone() };
    for mut rounds in [of_entries(&rounds), rounds] {
        let refused = rounds.begin(&asked).unwrap_err();
        assert!(matches!(&refused, Error::Policy(text) if text.contains("has its sum")), "{refused}");
        rounds.begin(&Round { training: [9; 32], ..asked.clone() }).unwrap();
        rounds.begin(&Round { task: [3; 32], ..asked.clone() }).unwrap();
    }
}

/// A vector that comes after its member was given up stays hidden by the member's own mask, even from who has its mask key.
#[test]
fn a_late_vector_stays_hidden() {
    let (round, vectors) = (round(N, 6, 3, LEN), vectors(N, LEN));
    let mut group = Group::new(&round);
    let speaking = Speaking { vectors: all_but(N, &[2]), ..Speaking::all(N) };
    let sum = group.play(&vectors, speaking, &ChaChaPads).unwrap();
    assert_eq!(sum.signed(), sum_of(&vectors, speaking.vectors));
    let late = group.masked[2].clone().unwrap();
    assert!(matches!(group.server.vector(2, &late), Err(Error::Order { .. })));
    // The server knows its mask key by now: it takes all pairwise masks off, and is left with the vector and one mask more.
    let secrets = Secrets::new(&mut Entropy::from_seed(&seed(2)));
    let keys: Vec<_> =
        (0..N as u8).map(|place| (place, Secrets::new(&mut Entropy::from_seed(&seed(place))).advert())).collect();
    assert_ne!(keys_digest(&round.id(), &keys), [0; 32]);
    let signed = keys.iter().map(|(place, advert)| {
        Signed::new(&super::fixture::keys(N)[usize::from(*place)], &round.id(), *place, Said::Advert(*advert))
    });
    let told = Told::Keys(signed.collect());
    let mask = Secret::new(secrets.mask.to_bytes());
    let guess = uncover(&group, &round, &told, 2, &mask, &Secret::new([0; 32]));
    assert_ne!(guess, vectors[2]);
    assert_eq!(uncover(&group, &round, &told, 2, &mask, &secrets.seed), vectors[2], "with its seed it would be seen");
    let opened = group.view.iter().filter_map(|bytes| crate::message::from_bytes::<Signed>(bytes).ok());
    let of_victim: Vec<Opened> = opened
        .filter_map(|signed| match signed.said {
            Said::Open(opened) => Some(opened),
            _ => None,
        })
        .flatten()
        .filter(|opened| opened.of == 2)
        .collect();
    assert_eq!(
        *combine(of_victim.iter().map(|opened| &opened.share), 6).unwrap(),
        *mask,
        "the mask key alone is opened"
    );
}

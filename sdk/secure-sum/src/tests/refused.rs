//! Messages that are late, early, repeated, forged, mixed up, too long or no messages at all.

use proptest::prelude::*;

use super::fixture::{Group, Speaking, all_but, keys, round, sum_of, vectors};
use crate::{
    Error, Members, Round, Server, Sum,
    mask::ChaChaPads,
    message::{Advert, Confirmation, Deal, Kind, MAX_MESSAGE_LEN, Opened, Said, Signed, Told, from_bytes, to_bytes},
    round::{MAX_LEN, MAX_NOISE},
};

#[test]
fn rounds_whose_numbers_do_not_fit_are_refused() {
    let good = round(8, 6, 3, 4);
    assert!(good.check().is_ok());
    let mut many = round(65, 60, 3, 4);
    let mut unsorted = good.clone();
    unsorted.members.swap(0, 1);
    let mut twice = good.clone();
    twice.members[1] = twice.members[0];
    let bad = [
        round(2, 2, 0, 4),
        many.clone(),
        unsorted,
        twice,
        Round { len: 0, ..good.clone() },
        Round { len: MAX_LEN + 1, ..good.clone() },
        Round { threshold: 5, ..good.clone() },
        Round { threshold: 9, ..good.clone() },
        Round { colluders: 4, ..good.clone() },
        Round { colluders: 255, ..good.clone() },
        Round { noise: MAX_NOISE + 1, ..good.clone() },
        // t > n / 2 alone would do here; but the sum would be of one that does not collude.
        round(3, 3, 2, 4),
    ];
    for round in bad {
        assert!(matches!(round.check(), Err(Error::Round(_))), "{round:?}");
        assert!(Server::new(round).is_err());
    }
    many.members.pop();
    assert!(many.check().is_ok());
    assert_eq!((Round::least_threshold(8, 0), Round::least_threshold(8, 3), Round::least_threshold(3, 1)), (5, 6, 3));
}

#[test]
fn the_server_takes_each_message_in_its_phase_once() {
    let round = round(5, 4, 1, 4);
    let mut group = Group::new(&round);
    let advert = group.members[0].advert().clone();
    group.server.take(advert.clone()).unwrap();
    assert_eq!(group.server.take(advert.clone()), Err(Error::Repeated { from: 0, kind: Kind::Advert }));
    assert_eq!(group.server.missing(), all_but(5, &[0]));
    let sign = |place: u8, said| Signed::new(&keys(5)[usize::from(place)], &round.id(), place, said);
    let Said::Advert(keys_of_0) = advert.said.clone() else { panic!("keys") };
    for copied in [keys_of_0, Advert { mask: [7; 32], ..keys_of_0 }, Advert { cipher: [7; 32], mask: [7; 32] }] {
        assert!(matches!(group.server.take(sign(1, Said::Advert(copied))), Err(Error::Content(_))), "{copied:?}");
    }
    let early = sign(1, Said::Open(Vec::new()));
    assert_eq!(group.server.take(early), Err(Error::Order { expected: "advertised keys", found: "opened shares" }));
    assert!(matches!(group.server.vector(0, &[0; 4]), Err(Error::Order { .. })));
    assert!(matches!(group.server.end_vectors(), Err(Error::Order { .. })));
    for place in 1..4 {
        group.server.take(group.members[place].advert().clone()).unwrap();
    }
    let (there, told) = group.server.end_adverts().unwrap();
    assert_eq!(there, all_but(5, &[4]));
    let late = group.members[4].advert().clone();
    assert_eq!(group.server.take(late), Err(Error::Order { expected: "dealt shares", found: "advertised keys" }));
    assert!(matches!(group.members[4].keys(&told), Err(Error::Dropped(4))));

    let deal = group.members[0].keys(&told).unwrap();
    let order = Error::Order { expected: "dealt shares", found: "keys" };
    assert_eq!(group.members[0].keys(&told).unwrap_err(), order, "shares are dealt once");
    let Said::Deal(content) = deal.said.clone() else { panic!("deals") };
    let few = Deal { sealed: content.sealed[1..].to_vec(), ..content.clone() };
    let undigested = Deal { digests: content.digests[1..].to_vec(), ..content };
    for wrong in [few, undigested] {
        assert!(matches!(group.server.take(sign(0, Said::Deal(wrong))), Err(Error::Content(_))));
    }
    let stranger = sign(4, deal.said.clone());
    assert_eq!(group.server.take(stranger), Err(Error::Dropped(4)));
    group.server.take(deal.clone()).unwrap();
    assert_eq!(group.server.take(deal), Err(Error::Repeated { from: 0, kind: Kind::Deal }));
    for place in 1..4 {
        let deal = group.members[place].keys(&told).unwrap();
        group.server.take(deal).unwrap();
    }
    let dealt = group.server.end_deals().unwrap();
    assert_eq!(group.server.vector(4, &[0; 4]), Err(Error::Dropped(4)));
    assert_eq!(group.server.vector(0, &[0; 3]), Err(Error::Len { from: 0, found: 3, expected: 4 }));
    for (place, told) in &dealt {
        let masked = group.members[usize::from(*place)].dealt(told).unwrap().hide(&[1, 2, 3, 4]).unwrap();
        assert!(group.members[usize::from(*place)].dealt(told).is_err(), "a mask is made once");
        group.server.vector(*place, &masked).unwrap();
        assert!(matches!(group.server.vector(*place, &masked), Err(Error::Content(_))));
    }
    let (survivors, told) = group.server.end_vectors().unwrap();
    let other = Confirmation { dealt: [0; 32], survivors };
    assert!(matches!(group.server.take(sign(0, Said::Confirm(other))), Err(Error::Content(_))));
    let (confirmed, told) = group.confirmations(&told, survivors, survivors).unwrap();
    for wrong in [vec![Opened { of: 4, share: [0; 33] }], vec![Opened { of: 1, share: [0; 33] }; 2]] {
        assert!(matches!(group.server.take(sign(0, Said::Open(wrong))), Err(Error::Content(_))));
    }
    assert!(!group.server.ready());
    group.openings(&told, confirmed, confirmed).unwrap();
    assert!(group.server.ready());
    assert_eq!(group.server.finish().unwrap().signed(), [4, 8, 12, 16]);
    assert!(matches!(group.server.finish(), Err(Error::Order { expected: "nothing", .. })));
}

#[test]
fn a_participant_takes_each_message_in_its_turn_and_only_what_fits() {
    let (round, vectors) = (round(5, 4, 1, 4), vectors(5, 4));
    let all = Speaking::all(5);
    let mut group = Group::new(&round);
    let survivors = Told::Survivors(all.vectors);
    let order = Error::Order { expected: "keys", found: "survivors" };
    assert_eq!(group.members[0].survivors(&survivors).unwrap_err(), order);
    assert!(group.members[0].dealt(&survivors).is_err() && group.members[0].confirmed(&survivors).is_err());
    let (there, told) = group.adverts(all.adverts).unwrap();
    let Told::Keys(adverts) = &told else { panic!("keys") };
    let mut swapped = adverts.clone();
    swapped.swap(0, 1);
    assert!(matches!(group.members[0].keys(&Told::Keys(swapped)), Err(Error::Content(_))));
    let few = Told::Keys(adverts[..3].to_vec());
    assert!(matches!(group.members[0].keys(&few), Err(Error::TooFew { found: 3, .. })));
    let deal = Signed::new(&keys(5)[4], &round.id(), 4, Said::Open(Vec::new()));
    let no_keys = Told::Keys(adverts[..4].iter().cloned().chain([deal]).collect());
    assert!(matches!(group.members[0].keys(&no_keys), Err(Error::Order { .. })));
    let mut beyond = adverts.clone();
    beyond[4].from = 200;
    assert_eq!(group.members[0].keys(&Told::Keys(beyond)).unwrap_err(), Error::Place { place: 200, members: 5 });

    let dealt = group.deals(&told, there, all_but(5, &[3])).unwrap();
    let Told::Dealt { dealers, sealed } = &dealt[0].1 else { panic!("shares") };
    let stranger = Told::Dealt { dealers: dealers.with(9), sealed: sealed.clone() };
    assert!(matches!(group.members[0].dealt(&stranger), Err(Error::Content(_))));
    let short = Told::Dealt { dealers: *dealers, sealed: sealed[1..].to_vec() };
    assert!(matches!(group.members[0].dealt(&short), Err(Error::Content(_))));
    let without = Told::Dealt { dealers: dealers.without(Members::NONE.with(0)).with(3), sealed: sealed.clone() };
    assert_eq!(group.members[0].dealt(&without).unwrap_err(), Error::Dropped(0));
    assert_eq!(group.members[3].dealt(&dealt[0].1).unwrap_err(), Error::Dropped(3));

    group.vectors(&dealt, &vectors, all.vectors, &ChaChaPads).unwrap();
    let silent = Told::Survivors(all_but(5, &[]));
    assert!(matches!(group.members[0].survivors(&silent), Err(Error::Content(_))), "member 3 dealt no shares");
    let survivors = Told::Survivors(all_but(5, &[3]));
    assert!(group.members[0].survivors(&survivors).is_ok());
}

#[test]
fn bytes_that_are_too_long_or_left_over_are_refused() {
    let advert = Group::new(&round(3, 3, 1, 1)).members[0].advert().clone();
    let mut bytes = to_bytes(&advert);
    assert_eq!(from_bytes::<Signed>(&bytes), Ok(advert));
    bytes.push(0);
    assert!(matches!(from_bytes::<Signed>(&bytes), Err(Error::Malformed { .. })));
    assert!(from_bytes::<Signed>(&bytes[..20]).is_err());
    let long = vec![0; MAX_MESSAGE_LEN + 1];
    let error = from_bytes::<Signed>(&long).unwrap_err();
    assert_eq!(error.to_string(), "a message of 32769 bytes cannot be read: at most 32768 are read");
    // A list that claims to have four billion entries.
    assert!(from_bytes::<Told>(&[0, 255, 255, 255, 255]).is_err());
}

/// A round in which one message is altered on its way to or from a participant.
fn altered(message: usize, at: usize, bits: u8) -> (Result<Sum, Error>, bool) {
    let round = round(4, 3, 1, 3);
    let mut group = Group::new(&round);
    let mut count = 0;
    let mut refused = false;
    let mut carry = |bytes: Vec<u8>| {
        let mut bytes = bytes;
        if count == message {
            let at = at % bytes.len();
            bytes[at] ^= bits;
        }
        count += 1;
        bytes
    };
    let mut say = |server: &mut Server, signed: Signed, refused: &mut bool| {
        let taken = from_bytes(&carry(to_bytes(&signed))).and_then(|signed| server.take(signed));
        *refused |= taken.is_err();
    };
    let play = (|| {
        for member in &group.members {
            say(&mut group.server, member.advert().clone(), &mut refused);
        }
        let (_, told) = group.server.end_adverts()?;
        for member in &mut group.members {
            if let Ok(deal) = member.keys(&told) {
                say(&mut group.server, deal, &mut refused);
            }
        }
        for (place, told) in group.server.end_deals()? {
            let masked = group.members[usize::from(place)].dealt(&told)?.hide(&[1, 2, 3])?;
            group.server.vector(place, &masked)?;
        }
        let (_, told) = group.server.end_vectors()?;
        for member in &mut group.members {
            if let Ok(confirmation) = member.survivors(&told) {
                say(&mut group.server, confirmation, &mut refused);
            }
        }
        let (_, told) = group.server.end_confirmations()?;
        for member in &mut group.members {
            if let Ok(opened) = member.confirmed(&told) {
                say(&mut group.server, opened, &mut refused);
            }
        }
        group.server.finish()
    })();
    (play, refused)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever bit is altered of whatever message: it is refused, and the others have their sum.
    #[test]
    fn altered_messages_are_refused(message in 0usize..16, at in any::<usize>(), bit in 0u8..8) {
        let (result, refused) = altered(message, at, 1 << bit);
        prop_assert!(refused);
        let sum = result.unwrap();
        let count = sum.members.count() as i32;
        prop_assert!(count >= 3);
        prop_assert_eq!(sum.signed(), [count, 2 * count, 3 * count]);
    }

    #[test]
    fn any_bytes_can_be_read_or_not(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = from_bytes::<Signed>(&bytes);
        let _ = from_bytes::<Told>(&bytes);
        let _ = from_bytes::<Round>(&bytes);
    }
}

#[test]
fn an_unaltered_round_has_its_sum() {
    let (result, refused) = altered(usize::MAX, 0, 0);
    assert!(!refused);
    assert_eq!(result.unwrap().signed(), sum_of(&vec![vec![1, 2, 3]; 4], all_but(4, &[])));
}

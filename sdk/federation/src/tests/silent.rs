//! Participants that die, hang and lie.

use tessera_secure_sum::message::{Opened, Said};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use super::{Crowd, LEN, LONG, Puppet, SHORT, TRAINING, any, base, keys, public, round, start, sum_of, times};
use crate::{
    Ended, Error, MAX_OFFERS, Offer,
    client::{Client, Sent},
    letter::Content,
};

#[tokio::test(flavor = "multi_thread")]
async fn some_never_come_some_fall_silent_in_each_phase_and_one_lies() {
    let keys = keys(12);
    let coordinator = start(any(), &keys).await;
    let base = base(&coordinator);
    // Member 0 never comes. Members 1 to 5 are played by hand, the other six are well; seven must stay.
    let mut crowd = Crowd::new(&base, &keys, &[6, 7, 8, 9, 10, 11]);
    let play = |place: usize| {
        let (base, keys) = (base.clone(), keys.clone());
        async move { Puppet::invited(&base, &keys, place).await }
    };
    let (send, mut by_hand) = mpsc::unbounded_channel();
    let silent_after_keys = tokio::spawn({
        let play = play(1);
        async move {
            let puppet = play.await;
            puppet.say(puppet.member.advert()).await.unwrap();
            // What it says twice counts once; and it is told so.
            assert_eq!(puppet.say(puppet.member.advert()).await.unwrap(), Sent::In);
            puppet
        }
    });
    let without_vector = tokio::spawn({
        let play = play(2);
        async move {
            let mut puppet = play.await;
            puppet.masked().await;
            puppet
        }
    });
    let hand = |place: usize, confirms: bool, opens: bool| {
        let (play, send, key) = (play(place), send.clone(), keys[place].verifying_key().to_bytes());
        tokio::spawn(async move {
            let mut puppet = play.await;
            let words = puppet.masked().await;
            send.send((key, words)).unwrap();
            if !confirms {
                return puppet;
            }
            let survivors = puppet.told().await;
            let confirmation = puppet.member.survivors(&survivors).unwrap();
            puppet.say(&confirmation).await.unwrap();
            let confirmed = puppet.told().await;
            if opens {
                // Shares of something else than was dealt.
                let mut opened = puppet.member.confirmed(&confirmed).unwrap();
                let Said::Open(shares) = &mut opened.said else { panic!("opens") };
                shares.iter_mut().for_each(|Opened { share, .. }| share[5] ^= 1);
                let lie = puppet.sign(opened.said);
                assert_eq!(puppet.say(&lie).await.unwrap(), Sent::In);
            }
            puppet
        })
    };
    let (silent_after_vector, silent_after_confirming, liar) =
        (hand(3, false, false), hand(4, true, false), hand(5, true, true));

    let gathering = coordinator.gather(round(1, &keys, 7, 0), times()).await.unwrap();
    // Those by hand offer nothing.
    let until = Instant::now() + LONG;
    let mut offers = Vec::new();
    while offers.len() < 6 && Instant::now() < until {
        offers = gathering.offers(SHORT).await.unwrap();
    }
    assert!(offers.iter().map(|(key, _)| *key).eq(public(&keys[6..])));
    assert!(offers.iter().zip(6..).all(|((_, offers), place)| offers[0].cid == [place; 32]));
    for _ in 0..6 {
        let (key, _, words) = timeout(LONG, crowd.vectors.recv()).await.unwrap().unwrap();
        gathering.vector(&key, &words).unwrap();
        assert!(gathering.vector(&key, &words).is_err(), "twice");
    }
    for _ in 0..3 {
        let (key, words) = timeout(LONG, by_hand.recv()).await.unwrap().unwrap();
        assert!(gathering.vector(&key, &words[1..]).is_err(), "too short");
        gathering.vector(&key, &words).unwrap();
    }
    let key = |place: usize| keys[place].verifying_key().to_bytes();
    // Offers are for those whose vectors are due, once, and so many.
    let offered = |place: usize, offers: Vec<Offer>| {
        let client = Client::new(base.clone(), &TRAINING, keys[place].clone(), LONG).unwrap();
        let id = gathering.round().id();
        async move { client.offer(&id, &offers, Instant::now() + LONG).await }
    };
    let offer = Offer { cid: [0; 32], len: 1 };
    assert!(matches!(offered(6, vec![offer]).await, Ok(Sent::Late(_))), "its vector is there");
    assert!(matches!(offered(1, vec![offer]).await, Ok(Sent::Late(_))), "dealt no shares");
    for wrong in [vec![], vec![offer; MAX_OFFERS + 1]] {
        assert!(matches!(offered(2, wrong).await, Err(Error::Refused { status: 400, .. })));
    }
    assert_eq!(offered(2, vec![offer]).await.unwrap(), Sent::In);
    assert_eq!(offered(2, vec![offer]).await.unwrap(), Sent::In, "the same again");
    assert!(matches!(offered(2, vec![offer; 2]).await, Err(Error::Refused { status: 400, .. })));
    assert_eq!(gathering.missing().unwrap(), [key(2)]);
    assert!(gathering.vector(&key(1), &[0; LEN as usize]).is_err(), "dealt no shares");
    assert!(gathering.vector(&[0; 32], &[0; LEN as usize]).is_err(), "nobody");
    let result = gathering.finish().await;
    // Six good openings are one too few: so it is known who lied, and nothing else.
    let Err(Error::Sum(error)) = result else { panic!("{result:?}") };
    assert!(matches!(error, tessera_secure_sum::Error::Unopened { .. }), "{error}");
    assert_eq!(error.because_of(), [5].into_iter().collect());

    // Whoever is left is told; nobody waits for ever.
    let mut puppet = silent_after_keys.await.unwrap();
    assert!(matches!(puppet.letter().await, Content::Told(_)), "the keys, which it does not answer");
    assert_eq!(puppet.letter().await, Content::Ended(Ended::Dropped));
    assert!(matches!(puppet.say(puppet.member.advert()).await.unwrap(), Sent::Late(_)));
    assert_eq!(without_vector.await.unwrap().letter().await, Content::Ended(Ended::Dropped));
    let mut puppet = silent_after_vector.await.unwrap();
    assert!(matches!(puppet.letter().await, Content::Told(_)), "the survivors");
    for task in [silent_after_confirming, liar] {
        assert!(matches!(task.await.unwrap().letter().await, Content::Ended(Ended::Void(_))));
    }

    // The next round without the liar, who is silent from now on: all well.
    let gathered = crowd.gather(&coordinator, round(2, &keys[6..], 4, 0), 6).await.unwrap();
    assert_eq!(gathered.sum.signed(), sum_of(&[6, 7, 8, 9, 10, 11]));
}

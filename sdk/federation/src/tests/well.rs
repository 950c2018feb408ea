//! Rounds in which all is well, or ends well.

use std::time::Duration;

use ed25519_dalek::SigningKey;
use tessera_secure_sum::Round;
use tokio::time::timeout;

use super::{Crowd, LEN, LONG, TRAINING, any, base, config, keys, public, round, start, sum_of, times};
use crate::{Error, Participant, ParticipantConfig, Times};

#[tokio::test(flavor = "multi_thread")]
async fn round_after_round_without_anybodys_help() {
    let keys = keys(5);
    let coordinator = start(any(), &keys).await;
    let mut crowd = Crowd::new(&base(&coordinator), &keys, &[0, 1, 2, 3, 4]);
    for number in 1..=3 {
        let gathered = crowd.gather(&coordinator, round(number, &keys, 4, 1), 5).await.unwrap();
        assert_eq!(gathered.sum.signed(), sum_of(&[0, 1, 2, 3, 4]));
        assert_eq!((gathered.members, gathered.dropped, gathered.suspects), (public(&keys), vec![], vec![]));
    }
    // Two groups at once, of different members: none is in both.
    let gathering = coordinator.gather(round(4, &keys[..3], 3, 1), times()).await.unwrap();
    assert_eq!(gathering.missing().unwrap().len(), 3);
    let busy = coordinator.gather(round(4, &keys[2..], 3, 1), times()).await.unwrap_err();
    assert!(matches!(busy, Error::Busy(_)), "{busy}");
    drop(gathering);
    for _ in 0..3 {
        assert_eq!(timeout(LONG, crowd.vectors.recv()).await.unwrap().unwrap().1, 4);
    }
    // Given up by who trains; the next goes well.
    let gathered = crowd.gather(&coordinator, round(5, &keys, 4, 1), 5).await.unwrap();
    assert_eq!(gathered.sum.signed(), sum_of(&[0, 1, 2, 3, 4]));
    let other = Round { training: [9; 32], ..round(6, &keys, 4, 1) };
    assert!(matches!(coordinator.gather(other, times()).await, Err(Error::Config(_))));
    let strangers = round(6, &super::keys(6), 4, 1);
    assert!(matches!(coordinator.gather(strangers, times()).await, Err(Error::Stranger(_))));
    coordinator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_void_a_round_and_the_next_goes_on() {
    let keys = keys(4);
    let coordinator = start(any(), &keys).await;
    let base = base(&coordinator);
    let mut crowd = Crowd::new(&base, &keys, &[0, 1]);
    let few = coordinator.gather(round(1, &keys, 3, 0), times()).await.unwrap_err();
    let expected = tessera_secure_sum::Error::TooFew { phase: "advertised keys", found: 2, threshold: 3 };
    assert!(matches!(few, Error::Sum(error) if error == expected));
    let mut others = Crowd::new(&base, &keys, &[2]);
    let gathering = coordinator.gather(round(2, &keys[..3], 3, 1), times()).await.unwrap();
    for vectors in [&mut crowd.vectors, &mut others.vectors] {
        let (key, _, words) = timeout(LONG, vectors.recv()).await.unwrap().unwrap();
        gathering.vector(&key, &words).unwrap();
    }
    // The third vector does not come in time.
    let few = gathering.finish().await.unwrap_err();
    assert!(matches!(few, Error::Sum(tessera_secure_sum::Error::TooFew { phase: "masked vectors", .. })), "{few}");
    let (_, _, _) = timeout(LONG, crowd.vectors.recv()).await.unwrap().unwrap();
    let gathering = coordinator.gather(round(3, &keys[..3], 3, 1), times()).await.unwrap();
    for _ in 0..2 {
        let (key, _, words) = timeout(LONG, crowd.vectors.recv()).await.unwrap().unwrap();
        gathering.vector(&key, &words).unwrap();
    }
    let (key, _, words) = timeout(LONG, others.vectors.recv()).await.unwrap().unwrap();
    gathering.vector(&key, &words).unwrap();
    assert_eq!(gathering.finish().await.unwrap().sum.signed(), sum_of(&[0, 1, 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn participants_outlive_a_coordinator_and_remember_their_rounds() {
    let keys = keys(3);
    let coordinator = start(any(), &keys).await;
    let (address, base) = (coordinator.address(), base(&coordinator));
    let mut crowd = Crowd::new(&base, &keys, &[0, 1, 2]);
    let first = crowd.gather(&coordinator, round(1, &keys, 3, 1), 3).await.unwrap();
    coordinator.shutdown().await;
    let coordinator = start(address, &keys).await;
    let second = crowd.gather(&coordinator, round(2, &keys, 3, 1), 3).await.unwrap();
    assert_eq!(first.sum.signed(), second.sum.signed());
    let path = |place: usize| crowd.folder.path().join(place.to_string());
    for place in 0..3 {
        let (training, path) = (hex::encode(TRAINING), path(place));
        let summed = format!("{training} summed {}\n", hex::encode([2; 32]));
        // Written when the participant has heard of the sum.
        let written = async {
            while !std::fs::read_to_string(&path).unwrap().ends_with(&summed) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(LONG, written).await.unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().starts_with(&format!("{training} 2\n")));
    }
    // Ends when all have said that they do not take part.
    let until_all_speak = Times { adverts: LONG, ..times() };
    // Who trains has forgotten the number: nobody takes part in a round a second time, not even in another process.
    let again = coordinator.gather(round(2, &keys, 3, 1), until_all_speak).await.unwrap_err();
    unwilling(&again, 3, "each is taken part in once");
    crowd.tasks[0].abort();
    let restarted = Participant::new(config(base.clone(), &keys, 0, path(0))).unwrap();
    let task = tokio::spawn(async move {
        let mut restarted = restarted;
        let mut turn = restarted.round(LONG).await.unwrap().unwrap();
        (turn.round().round, turn.take_mask().unwrap().words().len())
    });
    let again = coordinator.gather(round(2, &keys, 3, 1), until_all_speak).await.unwrap_err();
    unwilling(&again, 3, "each is taken part in once");
    // Nor in another round of what has its sum.
    let same = Round { task: [2; 32], ..round(3, &keys, 3, 1) };
    let again = coordinator.gather(same, until_all_speak).await.unwrap_err();
    unwilling(&again, 3, "has its sum");
    let gathering = coordinator.gather(round(3, &keys, 3, 1), times()).await.unwrap();
    assert_eq!(timeout(LONG, task).await.unwrap().unwrap(), (3, LEN as usize));
    drop(gathering);
}

/// So many members say this.
fn unwilling(error: &Error, count: usize, reason: &str) {
    let Error::Unwilling { error: tessera_secure_sum::Error::TooFew { .. }, refused } = error else {
        panic!("{error}")
    };
    assert!(refused.len() == count && refused.iter().all(|(_, said)| said.contains(reason)), "{refused:?}");
    assert!(error.to_string().contains(reason));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_take_part_says_why_and_is_not_waited_for() {
    let keys = keys(4);
    let coordinator = start(any(), &keys).await;
    let base = base(&coordinator);
    let mut crowd = Crowd::new(&base, &keys, &[0, 1, 2]);
    let folder = tempfile::tempdir().unwrap();
    let mut careful = config(base, &keys, 3, folder.path().join("3"));
    careful.policy.honest_others = 2;
    let task =
        tokio::spawn(async move { Participant::new(careful).unwrap().round(LONG).await.map(|turn| turn.is_some()) });
    // All but one take part: it would be waited for until the time is up.
    let long = Times { adverts: 2 * LONG, ..times() };
    let gathering = timeout(LONG, coordinator.gather(round(1, &keys, 3, 1), long)).await.unwrap().unwrap();
    let refused = gathering.refused();
    assert!(refused.len() == 1 && refused[0].0 == public(&keys)[3], "{refused:?}");
    assert!(refused[0].1.contains("1 honest others at the least, expected 2"), "{refused:?}");
    for _ in 0..3 {
        let (key, _, words) = timeout(LONG, crowd.vectors.recv()).await.unwrap().unwrap();
        gathering.vector(&key, &words).unwrap();
    }
    assert_eq!(gathering.finish().await.unwrap().sum.signed(), sum_of(&[0, 1, 2]));
    // Without it there are too few.
    let error = timeout(LONG, coordinator.gather(round(2, &keys[1..], 3, 1), long)).await.unwrap().unwrap_err();
    unwilling(&error, 1, "1 honest others");
    task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_waited_for_longer_than_asked() {
    let keys = keys(3);
    let coordinator = start(any(), &keys).await;
    let folder = tempfile::tempdir().unwrap();
    let short = Duration::from_millis(700);
    let mut quiet = Participant::new(config(base(&coordinator), &keys, 0, folder.path().join("0"))).unwrap();
    assert!(quiet.round(short).await.unwrap().is_none(), "no invitation");
    coordinator.shutdown().await;
    // Long enough for a refusal to come back.
    let error = quiet.round(Duration::from_secs(3)).await.map(|turn| turn.is_some());
    assert!(matches!(error, Err(Error::Unreachable { .. })), "{error:?}");
    let bad = config("mailto:nobody".parse().unwrap(), &keys, 0, folder.path().join("0"));
    assert!(matches!(Participant::new(bad), Err(Error::Config(_))));
    let stranger = SigningKey::from_bytes(&[99; 32]);
    let coordinator = start(any(), &keys).await;
    let config = ParticipantConfig { key: stranger, ..config(base(&coordinator), &keys, 0, folder.path().join("9")) };
    let refused = Participant::new(config).unwrap().round(LONG).await.map(|turn| turn.is_some()).unwrap_err();
    assert!(matches!(refused, Error::Refused { status: 403, .. }), "{refused}");
}

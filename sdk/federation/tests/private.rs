//! A round of a training whose data stays with eight participants, two of whom fall silent: masks over HTTP, units on the processor.

#[path = "../../workloads/train/tests/support/mod.rs"]
mod support;

use std::{path::Path, time::Duration};

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use tessera_executor::Checks;
use tessera_federation::{Coordinator, CoordinatorConfig, Ended, Offer, Participant, ParticipantConfig, Times};
use tessera_protocol::cid::Cid;
use tessera_secure_sum::{Key, Policy, Round, words_from_bytes};
use tessera_train::{Plan, PreparedJob, Training};
use tokio::{sync::mpsc, time::timeout};

const TRAINING: [u8; 32] = [7; 32];
const LONG: Duration = Duration::from_secs(120);

/// What the only unit of a participant's job puts out.
fn unit(job: &PreparedJob, data: &Bytes, mask: &Bytes) -> Vec<u32> {
    let output = support::run_with(job, &support::with_own(job, data, mask), Checks::NONE).remove(0);
    words_from_bytes(&output).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sum_of_masked_updates_is_that_of_the_updates() {
    let plan = Path::new(env!("CARGO_MANIFEST_DIR")).join("../workloads/train/examples/digits.toml");
    let mut training = Training::start(Plan::load(&plan).unwrap()).unwrap();
    let len = training.private_words();
    let mut keys: Vec<_> = (1..=8).map(|i| SigningKey::from_bytes(&[i; 32])).collect();
    keys.sort_by_key(|key| key.verifying_key().to_bytes());
    let members: Vec<Key> = keys.iter().map(|key| key.verifying_key().to_bytes()).collect();
    let config = CoordinatorConfig::new(([127, 0, 0, 1], 0).into(), TRAINING, members.clone());
    let coordinator = Coordinator::start(config).await.unwrap();
    let folder = tempfile::tempdir().unwrap();

    // Member 7 never comes; member 3 computes nothing.
    let (send, mut vectors) = mpsc::unbounded_channel();
    let mut tasks = Vec::new();
    for (shard, key) in keys.iter().enumerate().take(7) {
        let url = format!("http://{}", coordinator.address()).parse().unwrap();
        let policy = Policy { colluders: 3, ..Policy::new(TRAINING, members.clone()) };
        let rounds = folder.path().join(shard.to_string());
        let config = ParticipantConfig::new(url, key.clone(), TRAINING, policy, rounds);
        let data = training.shard_data(shard, 1 + shard as u64).unwrap();
        let (jobs, mut job) = mpsc::unbounded_channel();
        let send = send.clone();
        let task = tokio::spawn(async move {
            let mut participant = Participant::new(config).unwrap();
            let mut turn = participant.round(LONG).await.unwrap().unwrap();
            let mask = Bytes::from(turn.take_mask().unwrap().to_bytes().to_vec());
            let offers = [&data, &mask].map(|blob| Offer { cid: Cid::of(blob).0, len: blob.len() as u64 });
            turn.offer(offers.to_vec()).await.unwrap();
            let job: PreparedJob = job.recv().await.unwrap();
            if shard != 3 {
                let computed = tokio::task::spawn_blocking(move || {
                    let nothing = Bytes::from(vec![0; mask.len()]);
                    (shard, unit(&job, &data, &mask), unit(&job, &data, &nothing))
                });
                send.send(computed.await.unwrap()).unwrap();
            }
            turn.finish().await
        });
        tasks.push((task, jobs));
    }
    let round = Round {
        training: TRAINING,
        round: 1,
        group: 0,
        task: [0; 32],
        len: len as u32,
        threshold: 6,
        colluders: 3,
        noise: 0,
        members: members.clone(),
    };
    // Member 7 is waited for once.
    let times = Times { adverts: Duration::from_secs(20), deals: LONG, confirmations: LONG, openings: LONG };
    let gathering = coordinator.gather(round, times).await.unwrap();
    for (key, offers) in gathering.offers(LONG).await.unwrap() {
        let [data, mask] = offers[..] else { panic!("{offers:?}") };
        assert_eq!(mask.len, 4 * len as u64);
        let job = training.private_steps((Cid(data.cid), data.len), Cid(mask.cid)).unwrap();
        tasks[members.binary_search(&key).unwrap()].1.send(job).unwrap();
    }
    let mut plain = vec![0u32; len];
    for _ in 0..6 {
        let (shard, masked, update) = timeout(LONG, vectors.recv()).await.unwrap().unwrap();
        assert_ne!(masked, update);
        gathering.vector(&members[shard], &masked).unwrap();
        plain.iter_mut().zip(update).for_each(|(sum, word)| *sum = sum.wrapping_add(word));
    }
    let gathered = gathering.finish().await.unwrap();
    assert_eq!(gathered.sum.words, plain);
    assert!(plain.iter().any(|word| *word != 0));
    assert_eq!(gathered.dropped, [members[3], members[7]]);
    for (shard, (task, _)) in tasks.into_iter().enumerate() {
        match timeout(LONG, task).await.unwrap().unwrap() {
            Ok(ended) => assert_eq!(ended, Ended::Summed(gathered.sum.members)),
            Err(error) => assert_eq!(shard, 3, "{error}"),
        }
    }
    let job = training.private_aggregation(&gathered.sum.words, gathered.members.len()).unwrap();
    let change = support::run(&job, Checks::NONE);
    let before = training.weights().to_vec();
    training.advance(&change[0], gathered.members.len()).unwrap();
    assert_ne!(training.weights(), before);
    coordinator.shutdown().await;
}

//! Coordinator and participants over real connections on this machine.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use ed25519_dalek::SigningKey;
use tempfile::TempDir;
use tessera_secure_sum::{
    Key, Participant as Member, Policy, Round, Rounds,
    message::{Said, Signed, Told},
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::{
    Coordinator, CoordinatorConfig, Ended, Error, Gathered, Offer, Participant, ParticipantConfig, Times, Url,
    client::{Client, Sent},
    letter::{Content, Letter, Position},
};

mod refused;
mod silent;
mod well;

const TRAINING: [u8; 32] = [1; 32];
const LEN: u32 = 50;
/// Longer than anything takes here: what is waited for always comes, but on a busy machine.
const LONG: Duration = Duration::from_secs(60);
/// How long a phase waits for those who never speak. All others must speak within it.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a phase waits in which nobody speaks.
const SHORT: Duration = Duration::from_secs(1);

fn keys(n: u8) -> Vec<SigningKey> {
    let mut keys: Vec<_> = (1..=n).map(|i| SigningKey::from_bytes(&[i; 32])).collect();
    keys.sort_by_key(|key| key.verifying_key().to_bytes());
    keys
}

fn public(keys: &[SigningKey]) -> Vec<Key> {
    keys.iter().map(|key| key.verifying_key().to_bytes()).collect()
}

fn round(number: u64, keys: &[SigningKey], threshold: u8, colluders: u8) -> Round {
    let members = public(keys);
    // Each round has weights of its own, and so a task.
    let (training, task) = (TRAINING, [number as u8; 32]);
    Round { training, round: number, group: 0, task, len: LEN, threshold, colluders, noise: 0, members }
}

fn times() -> Times {
    Times { adverts: PATIENCE, deals: PATIENCE, confirmations: PATIENCE, openings: PATIENCE }
}

async fn start(listen: SocketAddr, keys: &[SigningKey]) -> Coordinator {
    let mut config = CoordinatorConfig::new(listen, TRAINING, public(keys));
    // So that polls without a letter happen, too.
    config.poll = Duration::from_millis(300);
    config.silence = Duration::from_secs(2);
    Coordinator::start(config).await.unwrap()
}

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn base(coordinator: &Coordinator) -> Url {
    format!("http://{}", coordinator.address()).parse().unwrap()
}

fn policy(keys: &[SigningKey]) -> Policy {
    Policy { honest_others: 1, colluders: 0, ..Policy::new(TRAINING, public(keys)) }
}

fn config(base: Url, keys: &[SigningKey], place: usize, rounds: PathBuf) -> ParticipantConfig {
    let mut config = ParticipantConfig::new(base, keys[place].clone(), TRAINING, policy(keys), rounds);
    (config.phase, config.work) = (LONG, LONG);
    config
}

/// The vector of the member at `place`.
fn vector(place: usize) -> Vec<i32> {
    (0..LEN as i32).map(|j| (place as i32 + 1) * 100 - j).collect()
}

fn sum_of(places: &[usize]) -> Vec<i32> {
    (0..LEN as usize).map(|j| places.iter().map(|place| vector(*place)[j]).sum()).collect()
}

/// Masked vectors on their way to who trains, as by chain and store.
type Vectors = mpsc::UnboundedReceiver<(Key, u64, Vec<u32>)>;

/// Participants that take part in each round to which they are invited, until they are stopped.
struct Crowd {
    tasks: Vec<JoinHandle<Vec<Ended>>>,
    vectors: Vectors,
    folder: TempDir,
}

impl Crowd {
    fn new(base: &Url, keys: &[SigningKey], places: &[usize]) -> Self {
        let (send, vectors) = mpsc::unbounded_channel();
        let folder = tempfile::tempdir().unwrap();
        let spawn = |place: &usize| {
            let (send, place) = (send.clone(), *place);
            let config = config(base.clone(), keys, place, folder.path().join(place.to_string()));
            tokio::spawn(async move {
                let key = config.key.verifying_key().to_bytes();
                let mut participant = Participant::new(config).unwrap();
                let mut ends = Vec::new();
                while let Ok(Some(mut turn)) = participant.round(LONG).await {
                    let mask = turn.take_mask().unwrap();
                    assert!(turn.take_mask().is_none());
                    let number = turn.round().round;
                    let offer = Offer { cid: [place as u8; 32], len: 4 * u64::from(LEN) };
                    // Fails where the round was ended at once; the vector comes all the same.
                    let _ = turn.offer(vec![offer]).await;
                    if send.send((key, number, mask.hide(&vector(place)).unwrap())).is_err() {
                        break;
                    }
                    ends.push(turn.finish().await.unwrap_or_else(|e| Ended::Void(format!("here: {e}"))));
                }
                ends
            })
        };
        let tasks = places.iter().map(spawn).collect();
        Self { tasks, vectors, folder }
    }

    /// Gathers one round in which so many vectors come.
    async fn gather(&mut self, coordinator: &Coordinator, round: Round, count: usize) -> Result<Gathered, Error> {
        let number = round.round;
        let gathering = coordinator.gather(round, times()).await?;
        let offers = gathering.offers(LONG).await?;
        assert_eq!(offers.len(), count);
        assert!(offers.iter().all(|(_, offers)| offers[0].len == 4 * u64::from(LEN)));
        for _ in 0..count {
            let (key, of, words) = timeout(LONG, self.vectors.recv()).await.unwrap().unwrap();
            assert_eq!(of, number);
            gathering.vector(&key, &words)?;
        }
        gathering.finish().await
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// A participant by hand, which can stop anywhere and say anything.
struct Puppet {
    client: Client,
    member: Member,
    id: [u8; 32],
    key: SigningKey,
    position: Position,
}

impl Puppet {
    async fn invited(base: &Url, keys: &[SigningKey], place: usize) -> Self {
        let key = keys[place].clone();
        let client = Client::new(base.clone(), &TRAINING, key.clone(), LONG).unwrap();
        let letter = next(&client, Position::default()).await;
        let Content::Invitation(round) = letter.content else { panic!("{letter:?}") };
        let member = Member::join(round, &key, &policy(keys), &mut Rounds::default()).unwrap();
        Self { client, member, id: letter.round, key, position: letter.position }
    }

    async fn say(&self, signed: &Signed) -> Result<Sent, Error> {
        self.client.say(&self.id, signed, Instant::now() + LONG).await
    }

    async fn letter(&mut self) -> Content {
        let letter = next(&self.client, self.position).await;
        self.position = letter.position;
        letter.content
    }

    async fn told(&mut self) -> Told {
        match self.letter().await {
            Content::Told(told) => told,
            other => panic!("{other:?}"),
        }
    }

    /// Up to the masked vector.
    async fn masked(&mut self) -> Vec<u32> {
        assert_eq!(self.say(self.member.advert()).await.unwrap(), Sent::In);
        let keys = self.told().await;
        let deal = self.member.keys(&keys).unwrap();
        assert_eq!(self.say(&deal).await.unwrap(), Sent::In);
        let dealt = self.told().await;
        self.member.dealt(&dealt).unwrap().hide(&vector(0)).unwrap()
    }

    fn sign(&self, said: Said) -> Signed {
        let place = self.member.round().place(&self.key.verifying_key().to_bytes()).unwrap();
        Signed::new(&self.key, &self.id, place, said)
    }
}

async fn next(client: &Client, after: Position) -> Letter {
    let until = Instant::now() + LONG;
    loop {
        if let Some(letter) = client.letter(after, until).await.unwrap() {
            return letter;
        }
        assert!(Instant::now() < until, "no letter");
    }
}

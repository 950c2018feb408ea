//! Coordinator and participants over real connections on this machine, and participants that die, hang and lie.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use ed25519_dalek::SigningKey;
use reqwest::{Method, StatusCode};
use tempfile::TempDir;
use tessera_secure_sum::{
    Key, Participant as Member, Policy, Round, Rounds,
    message::{MAX_MESSAGE_LEN, Opened, Said, Signed, to_bytes},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::{
    Coordinator, CoordinatorConfig, Ended, Error, Gathered, MAX_OFFERS, Offer, Participant, ParticipantConfig, Times,
    Url,
    auth::{self, Signable, unix_now},
    client::{Client, Sent},
    letter::{Content, Letter, Position},
};

const TRAINING: [u8; 32] = [1; 32];
const LEN: u32 = 50;
/// Longer than anything takes here: what is waited for always comes, but on a busy machine.
const LONG: Duration = Duration::from_secs(60);
/// How long a phase waits for those who never speak. All others must speak within it.
const PATIENCE: Duration = Duration::from_secs(6);

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
    let (training, task) = (TRAINING, [2; 32]);
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
    let strangers = round(6, &super::tests::keys(6), 4, 1);
    assert!(matches!(coordinator.gather(strangers, times()).await, Err(Error::Stranger(_))));
    coordinator.shutdown().await;
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

    async fn told(&mut self) -> tessera_secure_sum::message::Told {
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
    let offers = gathering.offers(PATIENCE).await.unwrap();
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
    let Err(Error::Sum(tessera_secure_sum::Error::Unopened { suspects, .. })) = result else { panic!("{result:?}") };
    assert!(suspects.contains(5));

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
    // Who trains has forgotten the number: nobody takes part in a round a second time, not even in another process.
    let again = coordinator.gather(round(2, &keys, 3, 1), times()).await.unwrap_err();
    assert!(matches!(again, Error::Sum(tessera_secure_sum::Error::TooFew { found: 0, .. })), "{again}");
    let path = |place: usize| crowd.folder.path().join(place.to_string());
    for place in 0..3 {
        let text = std::fs::read_to_string(path(place)).unwrap();
        assert_eq!(text, format!("{} 2\n", hex::encode(TRAINING)));
    }
    crowd.tasks[0].abort();
    let restarted = Participant::new(config(base.clone(), &keys, 0, path(0))).unwrap();
    let task = tokio::spawn(async move {
        let mut restarted = restarted;
        let mut turn = restarted.round(LONG).await.unwrap().unwrap();
        (turn.round().round, turn.take_mask().unwrap().words().len())
    });
    let again = coordinator.gather(round(2, &keys, 3, 1), times()).await.unwrap_err();
    assert!(matches!(again, Error::Sum(tessera_secure_sum::Error::TooFew { found: 0, .. })), "{again}");
    let gathering = coordinator.gather(round(3, &keys, 3, 1), times()).await.unwrap();
    assert_eq!(timeout(LONG, task).await.unwrap().unwrap(), (3, LEN as usize));
    drop(gathering);
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
    assert!(matches!(quiet.round(short).await, Err(Error::Unreachable { .. })));
    let bad = config("mailto:nobody".parse().unwrap(), &keys, 0, folder.path().join("0"));
    assert!(matches!(Participant::new(bad), Err(Error::Config(_))));
    let stranger = SigningKey::from_bytes(&[99; 32]);
    let coordinator = start(any(), &keys).await;
    let config = ParticipantConfig { key: stranger, ..config(base(&coordinator), &keys, 0, folder.path().join("9")) };
    let refused = Participant::new(config).unwrap().round(LONG).await.map(|turn| turn.is_some()).unwrap_err();
    assert!(matches!(refused, Error::Refused { status: 403, .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_not_as_they_should_be_are_refused() {
    let keys = keys(3);
    let coordinator = start(any(), &keys).await;
    let address = coordinator.address();
    let http = reqwest::Client::new();
    let ask = |method: Method, path: String, value: Option<String>, body: Vec<u8>| {
        let mut request = http.request(method, format!("http://{address}{path}")).body(body);
        if let Some(value) = value {
            request = request.header("authorization", value);
        }
        async move {
            let response = request.send().await.unwrap();
            (response.status(), response.text().await.unwrap())
        }
    };
    let training = hex::encode(TRAINING);
    let letters = format!("/v1/trainings/{training}/letters?epoch=0&after=0");
    let signed = |method: &str, path: &str, body: &[u8], at: u64| {
        Some(auth::header(&keys[0], Signable { method, path, body }, at))
    };
    let now = unix_now();
    let get = |value| ask(Method::GET, letters.clone(), value, vec![]);
    assert_eq!(get(None).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(get(Some("Tessera x".into())).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(get(signed("GET", &letters, b"", now - 1000)).await.0, StatusCode::UNAUTHORIZED, "played back later");
    assert_eq!(get(signed("POST", &letters, b"", now)).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(get(signed("GET", &letters, b"", now)).await.0, StatusCode::NO_CONTENT);
    let stranger = SigningKey::from_bytes(&[99; 32]);
    let value = auth::header(&stranger, Signable { method: "GET", path: &letters, body: b"" }, now);
    assert_eq!(get(Some(value)).await.0, StatusCode::FORBIDDEN);
    let path = format!("/v1/trainings/{training}/letters?epoch=x&after=0");
    let answer = ask(Method::GET, path.clone(), signed("GET", &path, b"", now), vec![]).await;
    assert_eq!(answer.0, StatusCode::BAD_REQUEST, "{}", answer.1);
    let path = format!("/v1/trainings/{}/letters?epoch=0&after=0", "00".repeat(32));
    assert_eq!(ask(Method::GET, path.clone(), signed("GET", &path, b"", now), vec![]).await.0, StatusCode::NOT_FOUND);

    // A round in which member 0 sends all sorts of things.
    let mut crowd = Crowd::new(&base(&coordinator), &keys, &[1, 2]);
    let task = tokio::spawn({
        let (base, keys) = (base(&coordinator), keys.clone());
        async move { Puppet::invited(&base, &keys, 0).await }
    });
    let gathering = tokio::spawn({
        let round = round(1, &keys, 3, 1);
        let long = Times { adverts: LONG, ..times() };
        async move {
            let result = coordinator.gather(round, long).await.map(drop);
            (coordinator, result)
        }
    });
    let mut puppet = timeout(LONG, task).await.unwrap().unwrap();
    let path = format!("/v1/trainings/{training}/rounds/{}/messages", hex::encode(puppet.id));
    let post =
        |body: Vec<u8>, covered: &[u8]| ask(Method::POST, path.clone(), signed("POST", &path, covered, now), body);
    let advert = to_bytes(puppet.member.advert());
    assert_eq!(post(advert.clone(), b"other").await.0, StatusCode::UNAUTHORIZED, "altered on its way");
    assert_eq!(post(vec![1, 2, 3], &[1, 2, 3]).await.0, StatusCode::BAD_REQUEST);
    let mut forged = advert.clone();
    forged[0] = 1;
    let (status, text) = post(forged.clone(), &forged).await;
    assert_eq!((status, text.contains("member 1's message")), (StatusCode::FORBIDDEN, true), "{text}");
    let other = Signed::new(&keys[1], &puppet.id, 1, puppet.member.advert().said.clone());
    let others = to_bytes(&other);
    assert_eq!(
        post(others.clone(), &others).await.0,
        StatusCode::FORBIDDEN,
        "another's, well signed, under one's own key"
    );
    let early = to_bytes(&puppet.sign(Said::Open(vec![])));
    assert_eq!(post(early.clone(), &early).await.0, StatusCode::GONE);
    let long = vec![0; MAX_MESSAGE_LEN + 1];
    assert_eq!(post(long.clone(), &long).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(slow(address, &path, signed("POST", &path, b"12345", now).unwrap()).await, "HTTP/1.1 408");
    assert_eq!(post(advert.clone(), &advert).await.0, StatusCode::NO_CONTENT);
    let old = format!("/v1/trainings/{training}/rounds/{}/messages", "11".repeat(32));
    let answer = ask(Method::POST, old.clone(), signed("POST", &old, &advert, now), advert.clone()).await;
    assert_eq!(answer.0, StatusCode::GONE, "of another round");
    let keys_told = puppet.told().await;
    let deal = puppet.member.keys(&keys_told).unwrap();
    puppet.say(&deal).await.unwrap();
    let (coordinator, result) = timeout(LONG, gathering).await.unwrap().unwrap();
    result.unwrap();
    assert!(timeout(LONG, crowd.vectors.recv()).await.unwrap().is_some());

    // Somebody who opens connections and says nothing is let go of.
    let mut silent = TcpStream::connect(address).await.unwrap();
    assert_eq!(timeout(LONG, silent.read(&mut [0; 16])).await.unwrap().unwrap(), 0);
    drop(coordinator);
}

/// Sends the head of a request and no body; the first words of the answer.
async fn slow(address: SocketAddr, path: &str, value: String) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: {value}\r\ncontent-length: 5\r\n\r\n12");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    timeout(LONG, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

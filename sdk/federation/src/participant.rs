//! The participant's side: waits to be invited, gives out a mask, and helps to take it off the sum.

use std::{path::PathBuf, time::Duration};

use ed25519_dalek::SigningKey;
use tessera_protocol::hash::Digest;
use tessera_secure_sum::{
    Error as SumError, Mask, Members, Participant as Member, Policy, Round, Rounds,
    message::{Signed, Told},
};
use tokio::time::Instant;
use url::Url;

use crate::{
    Error,
    client::Client,
    letter::{Content, Ended, Letter, Offer, Position},
    rounds_file::RoundsFile,
};

/// How long masked vectors are waited for.
pub const WORK: Duration = Duration::from_secs(6 * 3600);
/// How long it is tried to tell why a round is not taken part in: nobody depends on it.
const REFUSAL: Duration = Duration::from_secs(10);

/// How a participant behaves.
#[derive(Clone)]
pub struct ParticipantConfig {
    /// The coordinator: `http(s)://HOST[:PORT]`.
    pub coordinator: Url,
    /// The training.
    pub training: Digest,
    /// The provider's key.
    pub key: SigningKey,
    /// What the owner allows.
    pub policy: Policy,
    /// File with the rounds that were taken part in. It must outlive the process.
    pub rounds: PathBuf,
    /// How long a request may take: longer than the coordinator's polls, which are 25 s.
    pub request: Duration,
    /// How long to wait for the next letter where only other participants are waited for.
    pub phase: Duration,
    /// How long to wait for the survivors, while all compute.
    pub work: Duration,
}

impl ParticipantConfig {
    /// Requests of 40 s, phases of 5 minutes, work of [`WORK`].
    #[must_use]
    pub fn new(coordinator: Url, key: SigningKey, training: Digest, policy: Policy, rounds: PathBuf) -> Self {
        let (request, phase) = (Duration::from_secs(40), Duration::from_secs(300));
        Self { coordinator, training, key, policy, rounds, request, phase, work: WORK }
    }
}

/// One participant of a training. Its requests go outward only.
pub struct Participant {
    client: Client,
    key: SigningKey,
    policy: Policy,
    rounds: Rounds,
    file: RoundsFile,
    phase: Duration,
    work: Duration,
    position: Position,
    /// A letter that was read but is about the next round.
    kept: Option<Letter>,
}

impl Participant {
    /// Reads the file of rounds; asks nothing yet.
    ///
    /// # Errors
    /// If the file is damaged or the address is none.
    pub fn new(config: ParticipantConfig) -> Result<Self, Error> {
        let ParticipantConfig { coordinator, training, key, policy, rounds, request, phase, work } = config;
        let file = RoundsFile::new(rounds);
        let rounds = file.load()?;
        let client = Client::new(coordinator, &training, key.clone(), request)?;
        Ok(Self { client, key, policy, rounds, file, phase, work, position: Position::default(), kept: None })
    }

    /// Waits up to `wait` for a round that it takes part in, and takes part in it up to the mask. `None` if there was none. Invitations
    /// that the owner does not allow are refused with the reason; they, and rounds that end too early, are noted in the log and waited past.
    ///
    /// # Errors
    /// If the coordinator cannot be reached for as long, refuses this participant, or the file of rounds cannot be written.
    pub async fn round(&mut self, wait: Duration) -> Result<Option<Turn<'_>>, Error> {
        let until = Instant::now() + wait;
        let (member, id, mask) = loop {
            let Some(letter) = self.next(until).await? else { return Ok(None) };
            let Content::Invitation(round) = letter.content else { continue };
            match self.enter(round, letter.round).await {
                Ok((member, mask)) => break (member, letter.round, mask),
                Err(error @ (Error::Rounds { .. } | Error::Refused { .. } | Error::Auth(_))) => return Err(error),
                Err(error) => tracing::warn!(%error, "not in this round"),
            }
        };
        Ok(Some(Turn { participant: self, member, id, mask: Some(mask) }))
    }

    /// The next letter, of any round. `None` if none comes until then.
    async fn next(&mut self, until: Instant) -> Result<Option<Letter>, Error> {
        if let Some(letter) = self.kept.take() {
            return Ok(Some(letter));
        }
        while Instant::now() < until {
            if let Some(letter) = self.client.letter(self.position, until).await? {
                self.position = letter.position;
                return Ok(Some(letter));
            }
        }
        Ok(None)
    }

    /// The next message of the protocol in a round.
    async fn told(&mut self, id: &Digest, expected: &'static str, wait: Duration) -> Result<Told, Error> {
        match self.heard(id, expected, wait).await? {
            Content::Told(told) => Ok(told),
            Content::Ended(Ended::Void(reason)) => Err(Error::Over(reason)),
            Content::Ended(Ended::Dropped) => Err(Error::Over("something of it did not come in time".into())),
            Content::Ended(Ended::Summed(_)) | Content::Invitation(_) => {
                Err(Error::Over("the others have ended it".into()))
            }
        }
    }

    /// What comes next in a round. A letter about another one ends this one, and is kept.
    async fn heard(&mut self, id: &Digest, expected: &'static str, wait: Duration) -> Result<Content, Error> {
        let until = Instant::now() + wait;
        let letter = self.next(until).await?.ok_or(Error::Silence { expected, waited: wait })?;
        if letter.round != *id {
            self.kept = Some(letter);
            return Err(Error::Over("another one has begun".into()));
        }
        Ok(letter.content)
    }

    async fn say(&self, id: &Digest, signed: &Signed) -> Result<(), Error> {
        self.client.say(id, signed, Instant::now() + self.phase).await?.in_time()
    }

    /// Writes the rounds down. That waits for the disk, which nobody else should.
    async fn keep_rounds(&self) -> Result<(), Error> {
        let (file, rounds) = (self.file.clone(), self.rounds.clone());
        match tokio::task::spawn_blocking(move || file.save(&rounds)).await {
            Ok(saved) => saved,
            Err(crashed) => Err(self.file.error("write", crashed)),
        }
    }

    /// From the invitation to the mask.
    async fn enter(&mut self, round: Round, id: Digest) -> Result<(Member, Mask), Error> {
        if round.id() != id {
            return Err(SumError::Content("the invitation names another round than it is of".into()).into());
        }
        let mut member = match Member::join(round, &self.key, &self.policy, &mut self.rounds) {
            Ok(member) => member,
            Err(error) => {
                if let Err(unsaid) = self.client.refuse(&id, &error.to_string(), Instant::now() + REFUSAL).await {
                    tracing::debug!(%unsaid, "who trains cannot be told why a round is not taken part in");
                }
                return Err(error.into());
            }
        };
        // Before anything is said: a round that is forgotten could be taken part in twice.
        self.keep_rounds().await?;
        self.say(&id, member.advert()).await?;
        let keys = self.told(&id, "keys", self.phase).await?;
        let deal = member.keys(&keys)?;
        self.say(&id, &deal).await?;
        let dealt = self.told(&id, "shares", self.phase).await?;
        let mask = member.dealt(&dealt)?;
        if member.unreadable() != Members::NONE {
            tracing::warn!(members = %member.unreadable(), "shares that cannot be opened");
        }
        Ok((member, mask))
    }
}

/// A round in which this participant has a mask.
pub struct Turn<'a> {
    participant: &'a mut Participant,
    member: Member,
    id: Digest,
    mask: Option<Mask>,
}

impl Turn<'_> {
    /// The round.
    #[must_use]
    pub const fn round(&self) -> &Round {
        self.member.round()
    }

    /// The mask, once. It must reach one unit of one job, that of [`Round::task`], and be deleted after that.
    pub fn take_mask(&mut self) -> Option<Mask> {
        self.mask.take()
    }

    /// Tells who trains the private inputs of the unit that computes the vector, such as data and mask, in the order in which its job
    /// has them. They are told once a round.
    ///
    /// # Errors
    /// [`Error::Over`] if the round goes on without this participant; others if the coordinator cannot be reached or refuses.
    pub async fn offer(&mut self, inputs: Vec<Offer>) -> Result<(), Error> {
        let until = Instant::now() + self.participant.phase;
        self.participant.client.offer(&self.id, &inputs, until).await?.in_time()
    }

    /// Waits until the masked vectors are in, confirms whose they are, and opens what takes the masks off their sum. Call it while the unit
    /// runs or after; without it others have to open in this participant's stead.
    ///
    /// # Errors
    /// [`Error::Over`] if the round is over for this participant; [`Error::Sum`] if the coordinator lies, and nothing was opened;
    /// others if it cannot be reached, or the file of rounds cannot be written.
    pub async fn finish(mut self) -> Result<Ended, Error> {
        let id = self.id;
        let (phase, work) = (self.participant.phase, self.participant.work);
        let survivors = self.participant.told(&id, "survivors", work).await?;
        let confirmation = self.member.survivors(&survivors)?;
        self.participant.say(&id, &confirmation).await?;
        let confirmed = match self.participant.heard(&id, "confirmations", phase).await? {
            Content::Told(confirmed) => confirmed,
            // It confirmed too late to be asked for more.
            Content::Ended(ended) => return self.ended(ended).await,
            Content::Invitation(_) => return Err(Error::Over("another one has begun".into())),
        };
        let opened = self.member.confirmed(&confirmed)?;
        match self.participant.say(&id, &opened).await {
            // There were enough others.
            Ok(()) | Err(Error::Over(_)) => {}
            Err(error) => return Err(error),
        }
        match self.participant.heard(&id, "end of the round", phase).await? {
            Content::Ended(ended) => self.ended(ended).await,
            Content::Told(_) | Content::Invitation(_) => Err(Error::Answer("expected the end of the round".into())),
        }
    }

    /// A round that has its sum is remembered: nothing else is summed of the same task.
    async fn ended(self, ended: Ended) -> Result<Ended, Error> {
        if matches!(ended, Ended::Summed(_)) {
            self.participant.rounds.summed(self.member.round());
            self.participant.keep_rounds().await?;
        }
        Ok(ended)
    }
}

//! What a participant's owner allows.

use std::collections::{BTreeMap, BTreeSet};

use tessera_protocol::hash::Digest;

use crate::{
    Error,
    round::{Key, Round},
};

/// Shortest vector that a participant masks: masks are named by their content id, from which one of a few words could be guessed.
pub const MIN_LEN: u32 = 8;

/// Which rounds a participant takes part in.
///
/// The server invites, and could invite none but itself under many names: then it would know all vectors of the sum but one. So the
/// owner says with whom.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Trainings.
    pub trainings: BTreeSet<Digest>,
    /// Who may be in a group with this participant, itself aside.
    pub peers: BTreeSet<Key>,
    /// At least so many others of the group, of those who stay, must not collude: t - c - 1. One at least.
    pub honest_others: u8,
    /// At least so many colluders must be withstood.
    pub colluders: u8,
    /// Longest vector, in elements: what a round may take of memory.
    pub max_len: u32,
    /// Least variance of the noise, in squared steps; 0 if none is asked for.
    pub noise: u64,
}

impl Policy {
    /// For one training among `peers`: at least two honest others, one colluder withstood, 2^26 elements, no noise.
    #[must_use]
    pub fn new(training: Digest, peers: impl IntoIterator<Item = Key>) -> Self {
        Self {
            trainings: [training].into(),
            peers: peers.into_iter().collect(),
            honest_others: 2,
            colluders: 1,
            max_len: 1 << 26,
            noise: 0,
        }
    }

    /// Checks a round to which `own` is invited.
    ///
    /// # Errors
    /// [`Error::Round`] if it makes no sense, [`Error::Stranger`] if `own` is not in it, [`Error::Policy`] if it is not allowed.
    pub fn check(&self, round: &Round, own: &Key) -> Result<(), Error> {
        round.check()?;
        let refuse = |text: String| Err(Error::Policy(text));
        if round.place(own).is_none() {
            return Err(Error::Stranger(*own));
        }
        if !self.trainings.contains(&round.training) {
            return refuse(format!("training {}", bs58::encode(round.training).into_string()));
        }
        if let Some(key) = round.members.iter().find(|key| *key != own && !self.peers.contains(*key)) {
            return refuse(format!("a group with {}", bs58::encode(key).into_string()));
        }
        // At least 2, by the round's own check.
        let honest = round.threshold - round.colluders;
        if honest <= self.honest_others {
            let others = honest - 1;
            return refuse(format!("{others} honest others at the least, expected {}", self.honest_others));
        }
        if round.colluders < self.colluders {
            return refuse(format!("{} colluders withstood, expected {}", round.colluders, self.colluders));
        }
        if !(MIN_LEN..=self.max_len).contains(&round.len) {
            return refuse(format!("vectors of {} elements, expected {MIN_LEN} to {}", round.len, self.max_len));
        }
        if round.noise < self.noise {
            return refuse(format!("noise of variance {}, expected at least {}", round.noise, self.noise));
        }
        Ok(())
    }
}

/// The rounds that a participant has taken part in. Taking part twice in one could give away the difference of two sums, so it
/// must outlive the process: keep [`Rounds::entries`] before a round's first message is sent, and [`Rounds::tasks`] when one has its sum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rounds {
    /// The last round of each training.
    last: BTreeMap<Digest, u64>,
    /// Training and [`Round::task`] of each sum.
    summed: BTreeSet<(Digest, Digest)>,
}

impl Rounds {
    /// From what was kept: the last round of each training, and training and task of each sum.
    #[must_use]
    pub fn from_entries(
        last: impl IntoIterator<Item = (Digest, u64)>,
        summed: impl IntoIterator<Item = (Digest, Digest)>,
    ) -> Self {
        Self { last: last.into_iter().collect(), summed: summed.into_iter().collect() }
    }

    /// The last round of each training.
    pub fn entries(&self) -> impl Iterator<Item = (&Digest, u64)> {
        self.last.iter().map(|(training, round)| (training, *round))
    }

    /// Training and task of each sum that was made with this participant.
    pub fn tasks(&self) -> impl Iterator<Item = &(Digest, Digest)> {
        self.summed.iter()
    }

    /// Begins a round, which must be later than all before of its training, and of a task that has no sum yet: the same vectors would
    /// be summed with others, and the difference of the two sums is of whoever is in one of them. A round that came to nothing may
    /// be repeated under a new number.
    ///
    /// # Errors
    /// [`Error::Policy`] if it is not.
    pub fn begin(&mut self, round: &Round) -> Result<(), Error> {
        let asked = round.round;
        if let Some(last) = self.last.get(&round.training).filter(|last| **last >= asked) {
            return Err(Error::Policy(format!("round {asked} again, after round {last}: each is taken part in once")));
        }
        if self.summed.contains(&(round.training, round.task)) {
            return Err(Error::Policy(format!(
                "round {asked} asks for the same as one that has its sum: two sums of the same updates give away their difference"
            )));
        }
        self.last.insert(round.training, asked);
        Ok(())
    }

    /// There is a sum of this round, with this participant's vector in it.
    pub fn summed(&mut self, round: &Round) {
        self.summed.insert((round.training, round.task));
    }
}

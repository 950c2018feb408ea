//! One round of one group, from the invitation to the sum.

use std::{sync::Arc, time::Duration};

use tessera_secure_sum::{Error as SumError, Key, Members, Phase, Round, Server, Sum, message::Told};
use tokio::{
    task::spawn_blocking,
    time::{Instant, timeout_at},
};

use crate::{
    Error, Times,
    auth::name,
    desk::{Desks, Session},
    letter::{Content, Ended, Offer},
};

/// The sum of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered {
    /// The sum of the vectors, modulo 2^32: [`Sum::signed`] has it as signed integers.
    pub sum: Sum,
    /// Whose vectors are in it.
    pub members: Vec<Key>,
    /// Members without whom it went on.
    pub dropped: Vec<Key>,
    /// Members whose opened shares were not those which were dealt, and who dealt them: one of each two has lied.
    pub suspects: Vec<Key>,
}

/// A round under way, whose participants have their masks. Give it the masked vectors as they are found, then [`Gathering::finish`] it.
/// Dropping it ends the round without a sum.
pub struct Gathering {
    desks: Arc<Desks>,
    session: Arc<Session>,
    round: Round,
    times: Times,
    /// Those who have not been told that the round is over for them.
    there: Members,
    /// Whose vectors are in the sum, once there is one.
    summed: Option<Members>,
}

impl std::fmt::Debug for Gathering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gathering(round {}, group {}, members {})", self.round.round, self.round.group, self.there)
    }
}

impl Gathering {
    pub(crate) async fn begin(desks: Arc<Desks>, round: Round, times: Times) -> Result<Self, Error> {
        let session = Session::new(Server::new(round.clone())?);
        desks.seat(&round.members, &session)?;
        let all = round.all();
        let mut gathering = Self { desks, session, round, times, there: all, summed: None };
        let prepared = gathering.prepare().await;
        gathering.ended_by(prepared)
    }

    /// Ends the round for all if there was an error.
    fn ended_by(mut self, result: Result<(), Error>) -> Result<Self, Error> {
        match result {
            Ok(()) => Ok(self),
            Err(error) => {
                self.end_all(&Ended::Void(error.to_string()));
                let refused = self.refused();
                Err(match error {
                    Error::Sum(error) if !refused.is_empty() => Error::Unwilling { error, refused },
                    error => error,
                })
            }
        }
    }

    async fn prepare(&mut self) -> Result<(), Error> {
        self.tell(self.there, &Content::Invitation(self.round.clone()));
        self.wait(Phase::Adverts, self.times.adverts).await;
        let (there, keys) = self.session.with(Server::end_adverts)?;
        self.keep(there);
        self.tell(there, &Content::Told(keys));
        self.wait(Phase::Deals, self.times.deals).await;
        let dealt = self.session.with(Server::end_deals)?;
        self.keep(dealt.iter().map(|(place, _)| *place).collect());
        for (place, told) in dealt {
            self.tell(Members::NONE.with(place), &Content::Told(told));
        }
        Ok(())
    }

    /// The round.
    #[must_use]
    pub const fn round(&self) -> &Round {
        &self.round
    }

    fn keys_of(&self, members: Members) -> Vec<Key> {
        members.iter().filter_map(|place| self.round.members.get(usize::from(place)).copied()).collect()
    }

    /// Who does not take part, and why, as they say.
    #[must_use]
    pub fn refused(&self) -> Vec<(Key, String)> {
        let by_key = |(place, reason)| Some((*self.round.members.get(usize::from(place))?, reason));
        self.session.refused().into_iter().filter_map(by_key).collect()
    }

    /// Those whose masked vectors are not there yet.
    ///
    /// # Errors
    /// None while the round is under way.
    pub fn missing(&self) -> Result<Vec<Key>, Error> {
        let missing = self.session.with(|server| Ok(server.missing()))?;
        Ok(self.keys_of(missing))
    }

    /// What participants offer as private inputs of their units: waits until all have, but no longer than `most`.
    ///
    /// # Errors
    /// None while the round is under way.
    pub async fn offers(&self, most: Duration) -> Result<Vec<(Key, Vec<Offer>)>, Error> {
        let until = Instant::now() + most;
        let mut taken = self.session.taken.subscribe();
        loop {
            taken.mark_unchanged();
            let offered = self.session.offered();
            let missing = self.session.with(|server| Ok(server.missing()))?;
            let all = missing.within(offered.keys().copied().collect());
            if all || timeout_at(until, taken.changed()).await.is_err() {
                let by_key = |(place, offers)| Some((*self.round.members.get(usize::from(place))?, offers));
                return Ok(offered.into_iter().filter_map(by_key).collect());
            }
        }
    }

    /// Adds a participant's masked vector.
    ///
    /// # Errors
    /// If it is not one that has dealt shares, has one already, or the vector has another length.
    pub fn vector(&self, key: &Key, words: &[u32]) -> Result<(), Error> {
        let place = self.round.place(key).ok_or_else(|| Error::Stranger(name(key)))?;
        Ok(self.session.with(|server| server.vector(place, words))?)
    }

    /// Makes the sum and tells all about it: [`Self::sum`] and [`Self::end`].
    ///
    /// # Errors
    /// As [`Self::sum`].
    pub async fn finish(mut self) -> Result<Gathered, Error> {
        let gathered = self.sum().await?;
        self.end();
        Ok(gathered)
    }

    /// Goes on with those whose vectors are there, and makes the sum. Keep it, then [`Self::end`] the round: participants who know that
    /// there is a sum do not help to make another one of the same task, so it must not be lost.
    ///
    /// # Errors
    /// If too few are there, or confirm and open in time, or one has dealt wrong shares: then the round is void.
    pub async fn sum(&mut self) -> Result<Gathered, Error> {
        match self.conclude().await {
            Ok(sum) => {
                self.summed = Some(sum.members);
                let dropped = self.round.all().without(sum.members);
                Ok(Gathered {
                    members: self.keys_of(sum.members),
                    dropped: self.keys_of(dropped),
                    suspects: self.keys_of(sum.suspects),
                    sum,
                })
            }
            Err(error) => {
                self.end_all(&Ended::Void(error.to_string()));
                Err(error)
            }
        }
    }

    /// Tells those that are still there how it has ended.
    pub fn end(mut self) {
        if let Some(members) = self.summed {
            self.end_all(&Ended::Summed(members));
        }
    }

    async fn conclude(&mut self) -> Result<Sum, Error> {
        let (survivors, told) = self.session.with(Server::end_vectors)?;
        self.keep(survivors);
        self.tell(survivors, &Content::Told(told));
        self.wait(Phase::Confirmations, self.times.confirmations).await;
        let (confirmed, told): (Members, Told) = self.session.with(Server::end_confirmations)?;
        // Who has not confirmed is in the sum all the same, and is told so at the end.
        self.tell(confirmed, &Content::Told(told));
        self.wait(Phase::Openings, self.times.openings).await;
        let over = SumError::Order { expected: Phase::Over.name(), found: Phase::Openings.name() };
        let mut server = self.session.close().ok_or(over)?;
        // Makes as many pads as there are members, and more for each that dropped out.
        let sum = spawn_blocking(move || server.finish()).await;
        Ok(sum.map_err(|e| Error::Config(format!("making the sum crashed: {e}")))??)
    }

    /// Whether everybody has said what is due, or that it does not take part.
    fn spoken(&self, server: &Server) -> bool {
        let missing = server.missing();
        missing == Members::NONE || missing.within(self.session.refused().into_keys().collect())
    }

    /// Waits until all have spoken in a phase, but no longer than `most`.
    async fn wait(&self, phase: Phase, most: Duration) {
        let until = Instant::now() + most;
        let mut taken = self.session.taken.subscribe();
        loop {
            taken.mark_unchanged();
            let all = self.session.with(|server| Ok(self.spoken(server) || server.ready()));
            if all.unwrap_or(true) {
                return;
            }
            if timeout_at(until, taken.changed()).await.is_err() {
                let missing = self.session.with(|server| Ok(server.missing())).unwrap_or_default();
                let missing: Vec<_> = self.keys_of(missing).iter().map(name).collect();
                tracing::warn!(phase = phase.name(), missing = missing.join(", "), "time is up, going on without some");
                return;
            }
        }
    }

    fn tell(&self, members: Members, content: &Content) {
        for key in self.keys_of(members) {
            self.desks.put(&key, &self.session, content.clone());
        }
    }

    /// Lets all go that are not in `members`.
    fn keep(&mut self, members: Members) {
        let dropped = self.there.without(members);
        self.there = members;
        self.let_go(dropped, &Ended::Dropped);
    }

    fn let_go(&self, members: Members, ended: &Ended) {
        self.tell(members, &Content::Ended(ended.clone()));
        for key in self.keys_of(members) {
            self.desks.leave(&key, &self.session);
        }
    }

    fn end_all(&mut self, ended: &Ended) {
        let there = std::mem::take(&mut self.there);
        self.let_go(there, ended);
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        self.end_all(&Ended::Void("given up by who trains".into()));
    }
}

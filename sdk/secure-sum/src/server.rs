//! The server: gathers what members say, tells each what it has to know, and takes the masks off the sum.

use tessera_protocol::hash::Digest;

use crate::{
    Error,
    mask::add,
    message::{Advert, Confirmation, Deal, Kind, Opened, Said, Signed, Told, fits},
    participant::{advert_of, dealt_digest, keys_digest, refused_key},
    round::{Members, Round},
    secret::is_everybodys,
};

mod unmask;

pub use unmask::Sum;

/// What the server waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// [`Said::Advert`] of all members.
    Adverts,
    /// [`Said::Deal`] of all that advertised.
    Deals,
    /// Masked vectors of all that dealt.
    Vectors,
    /// [`Said::Confirm`] of all whose vectors came.
    Confirmations,
    /// [`Said::Open`] of all that confirmed.
    Openings,
    /// Nothing: the sum is made, or the round is void.
    Over,
}

impl Phase {
    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Adverts => Kind::Advert.name(),
            Self::Deals => Kind::Deal.name(),
            Self::Vectors => "masked vectors",
            Self::Confirmations => Kind::Confirm.name(),
            Self::Openings => Kind::Open.name(),
            Self::Over => "nothing",
        }
    }
}

/// The server's side of one round. It says nothing by itself: take messages with [`Server::take`] and [`Server::vector`] until all are in
/// ([`Server::missing`] is empty) or time is up, then end the phase.
#[derive(Debug)]
pub struct Server {
    round: Round,
    id: Digest,
    phase: Phase,
    /// In the order of places, as are all lists here.
    adverts: Vec<Signed>,
    keys: Vec<(u8, Advert)>,
    keys_digest: Digest,
    deals: Vec<(u8, Deal)>,
    dealers: Members,
    sum: Vec<u32>,
    survivors: Members,
    confirmations: Vec<Signed>,
    openings: Vec<(u8, Vec<Opened>)>,
}

impl Server {
    /// Begins a round.
    ///
    /// # Errors
    /// [`Error::Round`].
    pub fn new(round: Round) -> Result<Self, Error> {
        round.check()?;
        Ok(Self {
            id: round.id(),
            phase: Phase::Adverts,
            adverts: Vec::new(),
            keys: Vec::new(),
            keys_digest: [0; 32],
            deals: Vec::new(),
            dealers: Members::NONE,
            sum: Vec::new(),
            survivors: Members::NONE,
            confirmations: Vec::new(),
            openings: Vec::new(),
            round,
        })
    }

    /// The round.
    #[must_use]
    pub const fn round(&self) -> &Round {
        &self.round
    }

    /// What is waited for.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Who may still be heard in this phase.
    fn due(&self) -> Members {
        match self.phase {
            Phase::Adverts => self.round.all(),
            Phase::Deals => self.keys.iter().map(|(place, _)| *place).collect(),
            Phase::Vectors => self.dealers,
            Phase::Confirmations => self.survivors,
            Phase::Openings => self.confirmations.iter().map(|signed| signed.from).collect(),
            Phase::Over => Members::NONE,
        }
    }

    /// Who has been heard in this phase.
    fn heard(&self) -> Members {
        match self.phase {
            Phase::Adverts => self.adverts.iter().map(|signed| signed.from).collect(),
            Phase::Deals => self.deals.iter().map(|(place, _)| *place).collect(),
            Phase::Vectors => self.survivors,
            Phase::Confirmations => self.confirmations.iter().map(|signed| signed.from).collect(),
            Phase::Openings => self.openings.iter().map(|(place, _)| *place).collect(),
            Phase::Over => Members::NONE,
        }
    }

    /// Who has not been heard yet in this phase.
    #[must_use]
    pub fn missing(&self) -> Members {
        self.due().without(self.heard())
    }

    fn order(&self, found: &'static str) -> Error {
        Error::Order { expected: self.phase.name(), found }
    }

    /// Takes what a member says.
    ///
    /// # Errors
    /// If it is not signed by that member for this round, is of another phase, is said twice or does not fit. It changes nothing then.
    pub fn take(&mut self, signed: Signed) -> Result<(), Error> {
        signed.check(&self.round, &self.id)?;
        let (from, kind) = (signed.from, signed.said.kind());
        let due = match self.phase {
            Phase::Adverts => Some(Kind::Advert),
            Phase::Deals => Some(Kind::Deal),
            Phase::Confirmations => Some(Kind::Confirm),
            Phase::Openings => Some(Kind::Open),
            Phase::Vectors | Phase::Over => None,
        };
        if due != Some(kind) {
            return Err(self.order(kind.name()));
        }
        if !self.due().contains(from) {
            return Err(Error::Dropped(from));
        }
        if self.heard().contains(from) {
            return Err(Error::Repeated { from, kind });
        }
        match &signed.said {
            Said::Advert(advert) => {
                if is_everybodys(&advert.cipher) || is_everybodys(&advert.mask) {
                    return Err(refused_key(from));
                }
                let known = self.adverts.iter().filter_map(|signed| advert_of(signed).ok());
                let all = known.flat_map(|advert| [advert.cipher, advert.mask]).chain([advert.cipher]);
                if all.into_iter().any(|key| key == advert.mask) || self.advertised(&advert.cipher) {
                    return Err(Error::Content(format!("member {from} advertises a key that is there already")));
                }
                insert(&mut self.adverts, |signed| signed.from, signed);
            }
            Said::Deal(deal) => {
                let keys = self.due();
                let sealed = fits(deal.sealed.len(), keys.without(Members::NONE.with(from)));
                if !sealed || !fits(deal.digests.len(), keys) {
                    let expected = keys.count();
                    return Err(Error::Content(format!("member {from} deals to others than the {expected} with keys")));
                }
                insert(&mut self.deals, |(place, _)| *place, (from, deal.clone()));
            }
            Said::Confirm(confirmation) => {
                if *confirmation != self.confirmation() {
                    return Err(Error::Content(format!("member {from} confirms something else than it was told")));
                }
                insert(&mut self.confirmations, |signed| signed.from, signed);
            }
            Said::Open(opened) => {
                let ascending = opened.is_sorted_by(|a, b| a.of < b.of);
                if !ascending || opened.iter().any(|opened| !self.dealers.contains(opened.of)) {
                    return Err(Error::Content(format!(
                        "member {from} opens shares of others than dealt, or some twice"
                    )));
                }
                insert(&mut self.openings, |(place, _)| *place, (from, opened.clone()));
            }
        }
        Ok(())
    }

    fn advertised(&self, key: &[u8; 32]) -> bool {
        let mut known = self.adverts.iter().filter_map(|signed| advert_of(signed).ok());
        known.any(|advert| advert.cipher == *key || advert.mask == *key)
    }

    /// Ends a phase that should be `phase`, if enough were heard. Otherwise the round is void.
    fn end(&mut self, phase: Phase) -> Result<Members, Error> {
        if self.phase != phase {
            return Err(self.order(phase.name()));
        }
        let heard = self.heard();
        if heard.count() < self.round.threshold.into() {
            self.phase = Phase::Over;
            let threshold = self.round.threshold;
            return Err(Error::TooFew { phase: phase.name(), found: heard.count(), threshold });
        }
        Ok(heard)
    }

    /// Ends [`Phase::Adverts`]. What it returns goes to all that advertised.
    ///
    /// # Errors
    /// [`Error::TooFew`]: the round is void; [`Error::Order`].
    pub fn end_adverts(&mut self) -> Result<(Members, Told), Error> {
        let heard = self.end(Phase::Adverts)?;
        self.keys = self.adverts.iter().filter_map(|s| Some((s.from, advert_of(s).ok()?))).collect();
        self.keys_digest = keys_digest(&self.id, &self.keys);
        self.phase = Phase::Deals;
        Ok((heard, Told::Keys(self.adverts.clone())))
    }

    /// Ends [`Phase::Deals`]: what to tell to each that dealt.
    ///
    /// # Errors
    /// As [`Self::end_adverts`].
    pub fn end_deals(&mut self) -> Result<Vec<(u8, Told)>, Error> {
        let dealers = self.end(Phase::Deals)?;
        let keys = self.due();
        self.dealers = dealers;
        self.phase = Phase::Vectors;
        self.sum = vec![0; self.round.len as usize];
        let for_member = |to: u8| {
            let others = self.deals.iter().filter(|(from, _)| *from != to);
            let sealed = others.filter_map(|(from, deal)| {
                let index = keys.iter().filter(|place| place != from).position(|place| place == to)?;
                deal.sealed.get(index).cloned()
            });
            (to, Told::Dealt { dealers, sealed: sealed.collect() })
        };
        Ok(dealers.iter().map(for_member).collect())
    }

    /// Adds the masked vector of the member at `place`, as it was found.
    ///
    /// # Errors
    /// If it comes at another time, twice, from one that has not dealt, or has another length.
    pub fn vector(&mut self, from: u8, words: &[u32]) -> Result<(), Error> {
        if self.phase != Phase::Vectors {
            return Err(self.order("a masked vector"));
        }
        if !self.dealers.contains(from) {
            return Err(Error::Dropped(from));
        }
        if self.survivors.contains(from) {
            return Err(Error::Content(format!("member {from} has a masked vector already; the first counts")));
        }
        if words.len() != self.sum.len() {
            return Err(Error::Len { from, found: words.len(), expected: self.round.len });
        }
        add(&mut self.sum, words);
        self.survivors = self.survivors.with(from);
        Ok(())
    }

    /// Ends [`Phase::Vectors`]. What it returns goes to those whose vectors came.
    ///
    /// # Errors
    /// As [`Self::end_adverts`].
    pub fn end_vectors(&mut self) -> Result<(Members, Told), Error> {
        let survivors = self.end(Phase::Vectors)?;
        self.phase = Phase::Confirmations;
        Ok((survivors, Told::Survivors(survivors)))
    }

    fn confirmation(&self) -> Confirmation {
        Confirmation { dealt: dealt_digest(&self.keys_digest, self.dealers), survivors: self.survivors }
    }

    /// Ends [`Phase::Confirmations`]. What it returns goes to those that confirmed.
    ///
    /// # Errors
    /// As [`Self::end_adverts`].
    pub fn end_confirmations(&mut self) -> Result<(Members, Told), Error> {
        let confirmed = self.end(Phase::Confirmations)?;
        self.phase = Phase::Openings;
        Ok((confirmed, Told::Confirmed(self.confirmations.clone())))
    }
}

/// Keeps `list` in the order of places.
fn insert<T>(list: &mut Vec<T>, place: impl Fn(&T) -> u8, new: T) {
    let at = list.partition_point(|old| place(old) < place(&new));
    list.insert(at, new);
}

//! From opened shares to the sum.

use x25519_dalek::StaticSecret;

use super::{Phase, Server};
use crate::{
    Error,
    mask::{ChaChaPads, Pads, Sign},
    message::{Share, ShareDigests},
    round::Members,
    secret::{End, ShareOf, combine, pair_seed, public, seed_digest, share_digest},
};

/// The sum of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// The sum of the survivors' vectors, noise included, modulo 2^32.
    pub words: Vec<u32>,
    /// Whose vectors are in it.
    pub members: Members,
    /// Members who opened shares that are not those which were dealt, or dealt other shares than they announced. The sum is right all
    /// the same.
    pub suspects: Members,
}

impl Sum {
    /// The sum as signed integers: right where the true sum is within 2^31 of zero.
    #[must_use]
    pub fn signed(&self) -> Vec<i32> {
        self.words.iter().map(|word| word.cast_signed()).collect()
    }
}

impl Server {
    /// Whether enough shares are there that fit: then those who are still to open need not be waited for.
    #[must_use]
    pub fn ready(&self) -> bool {
        let enough = |of: u8| self.fitting(of).0.len() >= usize::from(self.round.threshold);
        self.phase == Phase::Openings && self.dealers.iter().all(enough)
    }

    /// What was dealt to `to` by `from`.
    fn digests(&self, from: u8, to: u8) -> Option<&ShareDigests> {
        let index = self.keys.iter().position(|(place, _)| *place == to)?;
        self.deals.iter().find(|(place, _)| *place == from)?.1.digests.get(index)
    }

    /// Shares of the secret of `of` that are those which were dealt, and members whose are not.
    fn fitting(&self, of: u8) -> (Vec<&Share>, Members) {
        let kind = if self.survivors.contains(of) { ShareOf::Seed } else { ShareOf::Mask };
        let mut fitting = Vec::new();
        let mut others = Members::NONE;
        for (from, opened) in &self.openings {
            let Some(share) = opened.iter().find(|opened| opened.of == of).map(|opened| &opened.share) else {
                continue;
            };
            let dealt = self.digests(of, *from).map(|digests| match kind {
                ShareOf::Mask => digests.mask,
                ShareOf::Seed => digests.seed,
            });
            if share[0] == from + 1 && dealt == Some(share_digest(&self.id, kind, of, *from, share)) {
                fitting.push(share);
            } else {
                others = others.with(*from);
            }
        }
        (fitting, others)
    }

    /// Ends [`Phase::Openings`]: takes all masks off, and the sum is known.
    ///
    /// # Errors
    /// [`Error::TooFew`], [`Error::Unopened`] or [`Error::Dealer`]: the round is void; [`Error::Order`].
    pub fn finish(&mut self) -> Result<Sum, Error> {
        self.finish_with(&ChaChaPads)
    }

    pub(crate) fn finish_with(&mut self, pads: &impl Pads) -> Result<Sum, Error> {
        self.end(Phase::Openings)?;
        self.phase = Phase::Over;
        let mut words = std::mem::take(&mut self.sum);
        let (mut unopened, mut suspects) = (Members::NONE, Members::NONE);
        let mut contradictions = Vec::new();
        for of in self.dealers.iter() {
            let (fitting, others) = self.fitting(of);
            if others != Members::NONE {
                suspects = Members(suspects.0 | others.0).with(of);
                contradictions.extend(others.iter().map(|from| (from, of)));
            }
            let Some(secret) = combine(fitting, self.round.threshold) else {
                unopened = unopened.with(of);
                continue;
            };
            if self.survivors.contains(of) {
                let announced = self.deals.iter().find(|(place, _)| *place == of).map(|(_, deal)| deal.seed);
                if announced != Some(seed_digest(&self.id, of, &secret)) {
                    return Err(Error::Dealer(of));
                }
                pads.apply(&secret, Sign::Minus, &mut words);
            } else {
                self.take_off_pairs(of, &StaticSecret::from(*secret), pads, &mut words)?;
            }
        }
        if unopened != Members::NONE {
            let because_of = self.because_of(unopened, &contradictions);
            return Err(Error::Unopened { of: unopened, suspects, because_of });
        }
        Ok(Sum { words, members: self.survivors, suspects })
    }

    /// Why the secrets of `unopened` stay closed, where each pair of members in `contradictions` has opened and dealt different shares.
    fn because_of(&self, unopened: Members, contradictions: &[(u8, u8)]) -> Members {
        let liars = liars(contradictions);
        let unexplained = |of: &u8| {
            let lost = contradictions.iter().filter(|(from, dealer)| dealer == of && liars.contains(*from)).count();
            self.fitting(*of).0.len() + lost < usize::from(self.round.threshold)
        };
        unopened.iter().filter(unexplained).fold(liars, Members::with)
    }

    /// Takes the pads off that survivors share with `dropped`, whose secret is known now.
    fn take_off_pairs(
        &self,
        dropped: u8,
        secret: &StaticSecret,
        pads: &impl Pads,
        words: &mut [u32],
    ) -> Result<(), Error> {
        let own = public(secret);
        let advert = |place: u8| self.keys.iter().find(|(of, _)| *of == place).map(|(_, advert)| advert);
        if advert(dropped).map(|advert| advert.mask) != Some(own) {
            return Err(Error::Dealer(dropped));
        }
        for survivor in self.survivors.iter() {
            let theirs = advert(survivor).ok_or(Error::Dealer(survivor))?;
            let (me, other) = (End { place: dropped, key: &own }, End { place: survivor, key: &theirs.mask });
            let seed = pair_seed(secret, &self.id, me, other).ok_or(Error::Dealer(survivor))?;
            pads.apply(&seed, Sign::of_pair(survivor, dropped).opposite(), words);
        }
        Ok(())
    }
}

/// As few members as explain all contradictions: who contradicts most others comes first. Of two who contradict only each other both,
/// since either may have lied.
fn liars(contradictions: &[(u8, u8)]) -> Members {
    let mut left = contradictions.to_vec();
    let mut liars = Members::NONE;
    loop {
        let count = |place: u8| left.iter().filter(|(a, b)| *a == place || *b == place).count();
        let Some((worst, most)) = (0..64).map(|place| (place, count(place))).max_by_key(|(_, count)| *count) else {
            return liars;
        };
        if most <= 1 {
            return left.iter().fold(liars, |liars, (a, b)| liars.with(*a).with(*b));
        }
        liars = liars.with(worst);
        left.retain(|(a, b)| *a != worst && *b != worst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_contradicts_most_has_lied() {
        let set = |places: &[u8]| places.iter().copied().collect::<Members>();
        assert_eq!(liars(&[]), Members::NONE);
        assert_eq!(liars(&[(5, 0), (5, 1), (5, 5), (5, 63)]), set(&[5]), "opens wrong shares of all");
        assert_eq!(liars(&[(0, 5), (1, 5), (2, 5)]), set(&[5]), "dealt wrong ones to all");
        assert_eq!(liars(&[(0, 5), (1, 5), (2, 3)]), set(&[2, 3, 5]));
    }
}

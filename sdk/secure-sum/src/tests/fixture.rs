//! A group whose members all come from fixed seeds, and everything that is to be seen of it.

use ed25519_dalek::SigningKey;

use crate::{
    Error, Participant, Round, Server, Sum,
    mask::{ChaChaPads, Pads},
    message::{Signed, Told, to_bytes},
    round::Members,
    secret::Entropy,
};

/// Keys of `n` members, in the order of their places.
pub(super) fn keys(n: usize) -> Vec<SigningKey> {
    let mut keys: Vec<_> = (0..n).map(|i| SigningKey::from_bytes(&[i as u8 + 1; 32])).collect();
    keys.sort_by_key(|key| key.verifying_key().to_bytes());
    keys
}

/// A round of `n` members.
pub(super) fn round(n: usize, threshold: usize, colluders: usize, len: u32) -> Round {
    Round {
        training: [1; 32],
        round: 1,
        group: 0,
        task: [2; 32],
        len,
        threshold: threshold as u8,
        colluders: colluders as u8,
        noise: 0,
        members: keys(n).iter().map(|key| key.verifying_key().to_bytes()).collect(),
    }
}

/// The seed of the member at `place`.
pub(super) fn seed(place: u8) -> [u8; 32] {
    [place ^ 0x5a; 32]
}

/// A member from its seed.
pub(super) fn member(round: &Round, place: u8) -> Participant {
    let key = &keys(round.members.len())[usize::from(place)];
    Participant::with_entropy(round.clone(), key, Entropy::from_seed(&seed(place))).unwrap()
}

/// Vectors that differ in every element.
pub(super) fn vectors(n: usize, len: u32) -> Vec<Vec<i32>> {
    let element = |i: usize, j: u32| (i as i32 + 1) * 1000 - (j as i32) * 37;
    (0..n).map(|i| (0..len).map(|j| element(i, j)).collect()).collect()
}

/// The sum of some of the vectors.
pub(super) fn sum_of(vectors: &[Vec<i32>], members: Members) -> Vec<i32> {
    let mut sum = vec![0i32; vectors[0].len()];
    for place in members.iter() {
        sum.iter_mut().zip(&vectors[usize::from(place)]).for_each(|(sum, value)| *sum = sum.wrapping_add(*value));
    }
    sum
}

/// Everybody below `n` but these.
pub(super) fn all_but(n: usize, but: &[u8]) -> Members {
    (0..n as u8).filter(|place| !but.contains(place)).collect()
}

/// Who says something in each of the five phases.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speaking {
    pub adverts: Members,
    pub deals: Members,
    pub vectors: Members,
    pub confirmations: Members,
    pub openings: Members,
}

impl Speaking {
    pub(super) fn all(n: usize) -> Self {
        let all = all_but(n, &[]);
        Self { adverts: all, deals: all, vectors: all, confirmations: all, openings: all }
    }
}

/// All bytes that go by: what members say, what they are told, their masked vectors.
pub(super) type View = Vec<Vec<u8>>;

/// A group at work. Each step lets some members speak, and ends the phase.
pub(super) struct Group {
    pub members: Vec<Participant>,
    pub server: Server,
    pub view: View,
    /// Masked vectors of all that got a mask, whether they are sent or not.
    pub masked: Vec<Option<Vec<u32>>>,
}

impl Group {
    pub(super) fn new(round: &Round) -> Self {
        let n = round.members.len();
        let members = (0..n as u8).map(|place| member(round, place)).collect();
        Self { members, server: Server::new(round.clone()).unwrap(), view: Vec::new(), masked: vec![None; n] }
    }

    fn says(&mut self, signed: Signed) -> Result<(), Error> {
        self.view.push(to_bytes(&signed));
        self.server.take(signed)
    }

    fn told(&mut self, told: &Told) {
        self.view.push(to_bytes(told));
    }

    pub(super) fn adverts(&mut self, who: Members) -> Result<(Members, Told), Error> {
        for place in who.iter() {
            let advert = self.members[usize::from(place)].advert().clone();
            self.says(advert)?;
        }
        let ended = self.server.end_adverts()?;
        self.told(&ended.1);
        Ok(ended)
    }

    pub(super) fn deals(&mut self, keys: &Told, to: Members, who: Members) -> Result<Vec<(u8, Told)>, Error> {
        for place in to.iter() {
            let deal = self.members[usize::from(place)].keys(keys)?;
            if who.contains(place) {
                self.says(deal)?;
            }
        }
        let dealt = self.server.end_deals()?;
        dealt.iter().for_each(|(_, told)| self.told(told));
        Ok(dealt)
    }

    /// Masks the vectors of all that dealt, and sends those of `who`.
    pub(super) fn vectors(
        &mut self,
        dealt: &[(u8, Told)],
        vectors: &[Vec<i32>],
        who: Members,
        pads: &impl Pads,
    ) -> Result<(Members, Told), Error> {
        for (place, told) in dealt {
            let i = usize::from(*place);
            let masked = self.members[i].dealt_with(told, pads)?.hide(&vectors[i])?;
            if who.contains(*place) {
                self.view.push(masked.iter().flat_map(|word| word.to_le_bytes()).collect());
                self.server.vector(*place, &masked)?;
            }
            self.masked[i] = Some(masked);
        }
        let ended = self.server.end_vectors()?;
        self.told(&ended.1);
        Ok(ended)
    }

    pub(super) fn confirmations(
        &mut self,
        survivors: &Told,
        to: Members,
        who: Members,
    ) -> Result<(Members, Told), Error> {
        for place in to.iter().filter(|place| who.contains(*place)) {
            let confirmation = self.members[usize::from(place)].survivors(survivors)?;
            self.says(confirmation)?;
        }
        let ended = self.server.end_confirmations()?;
        self.told(&ended.1);
        Ok(ended)
    }

    pub(super) fn openings(&mut self, confirmed: &Told, to: Members, who: Members) -> Result<(), Error> {
        for place in to.iter().filter(|place| who.contains(*place)) {
            let opened = self.members[usize::from(place)].confirmed(confirmed)?;
            self.says(opened)?;
        }
        Ok(())
    }

    /// A whole round in which only some speak.
    pub(super) fn play(&mut self, vectors: &[Vec<i32>], speaking: Speaking, pads: &impl Pads) -> Result<Sum, Error> {
        let (there, keys) = self.adverts(speaking.adverts)?;
        let dealt = self.deals(&keys, there, speaking.deals)?;
        let (survivors, told) = self.vectors(&dealt, vectors, speaking.vectors, pads)?;
        let (confirmed, told) = self.confirmations(&told, survivors, speaking.confirmations)?;
        self.openings(&told, confirmed, speaking.openings)?;
        self.server.finish_with(pads)
    }
}

/// A whole round, and its sum.
pub(super) fn play(round: &Round, vectors: &[Vec<i32>], speaking: Speaking) -> Result<Sum, Error> {
    Group::new(round).play(vectors, speaking, &ChaChaPads)
}

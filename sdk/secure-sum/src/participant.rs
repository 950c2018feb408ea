//! The participant: reads what the server says, answers each of it at most once.

use ed25519_dalek::SigningKey;
use tessera_protocol::hash::{Digest, sha256};
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use crate::{
    Error,
    dp::DiscreteGaussian,
    mask::{ChaChaPads, Mask, Pads, Sign},
    message::{Advert, Confirmation, Deal, Kind, Opened, Said, Sealed, Share, Signed, Told, fits},
    policy::{Policy, Rounds},
    round::{Members, Round},
    secret::{End, Entropy, Held, Secret, Secrets, deal_key, is_everybodys, pair_seed, seed_digest, split},
};

/// Digest of all keys of a round, as one member was shown them.
pub(crate) fn keys_digest(id: &Digest, adverts: &[(u8, Advert)]) -> Digest {
    let mut bytes = Vec::with_capacity(adverts.len() * 65);
    for (place, advert) in adverts {
        bytes.push(*place);
        bytes.extend(advert.cipher);
        bytes.extend(advert.mask);
    }
    sha256(&[b"tessera-sum-keys-1", id, &bytes])
}

/// Digest of what stands before the masked vectors: the keys, and who dealt shares.
pub(crate) fn dealt_digest(keys: &Digest, dealers: Members) -> Digest {
    sha256(&[b"tessera-sum-dealt-1", keys, &dealers.0.to_le_bytes()])
}

/// What a member has said as [`Said::Advert`].
pub(crate) fn advert_of(signed: &Signed) -> Result<Advert, Error> {
    match &signed.said {
        Said::Advert(advert) => Ok(*advert),
        other => Err(Error::Order { expected: Kind::Advert.name(), found: other.kind().name() }),
    }
}

/// Why a key that [`is_everybodys`] is refused.
pub(crate) fn refused_key(place: u8) -> Error {
    Error::Content(format!("member {place} advertises a key that gives everybody the same secret"))
}

/// The secrets of the round, and where they come from.
struct Fresh {
    secrets: Secrets,
    entropy: Entropy,
}

/// Keys that are agreed on, and the secrets for them.
struct Agreed {
    fresh: Box<Fresh>,
    adverts: Vec<(u8, Advert)>,
    keys: Digest,
    own: Held,
}

/// What is left once the mask is made: shares alone.
struct Shares {
    dealt: Digest,
    dealers: Members,
    /// By place; `None` where the dealer's could not be opened.
    held: Vec<(u8, Option<Held>)>,
}

/// What is due next.
enum State {
    Keys(Box<Fresh>),
    Dealt(Agreed),
    Survivors(Shares),
    Confirmed(Shares, Members),
    Over,
}

impl State {
    const fn expected(&self) -> &'static str {
        match self {
            Self::Keys(_) => "keys",
            Self::Dealt(_) => "dealt shares",
            Self::Survivors(_) => "survivors",
            Self::Confirmed(..) => "confirmations",
            Self::Over => "nothing",
        }
    }
}

/// A member of a group in one round. Messages that are refused change nothing; what is accepted is answered once.
pub struct Participant {
    round: Round,
    id: Digest,
    place: u8,
    key: SigningKey,
    advert: Signed,
    state: State,
}

impl std::fmt::Debug for Participant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Participant(place {}, {} due)", self.place, self.state.expected())
    }
}

impl Participant {
    /// Takes part in `round`, if the owner allows it and it is a new one. Keep `rounds` before anything is sent.
    ///
    /// # Errors
    /// Those of [`Policy::check`] and [`Rounds::begin`]; [`Error::Random`].
    pub fn join(round: Round, key: &SigningKey, policy: &Policy, rounds: &mut Rounds) -> Result<Self, Error> {
        policy.check(&round, &key.verifying_key().to_bytes())?;
        let entropy = Entropy::from_system()?;
        rounds.begin(&round)?;
        Self::with_entropy(round, key, entropy)
    }

    pub(crate) fn with_entropy(round: Round, key: &SigningKey, mut entropy: Entropy) -> Result<Self, Error> {
        round.check()?;
        let own = key.verifying_key().to_bytes();
        let place = round.place(&own).ok_or(Error::Stranger(own))?;
        let id = round.id();
        let secrets = Secrets::new(&mut entropy);
        let advert = Signed::new(key, &id, place, Said::Advert(secrets.advert()));
        Ok(Self {
            round,
            id,
            place,
            key: key.clone(),
            advert,
            state: State::Keys(Box::new(Fresh { secrets, entropy })),
        })
    }

    /// The round.
    #[must_use]
    pub const fn round(&self) -> &Round {
        &self.round
    }

    /// The first message: this member's keys.
    #[must_use]
    pub const fn advert(&self) -> &Signed {
        &self.advert
    }

    fn order(&self, found: &'static str) -> Error {
        Error::Order { expected: self.state.expected(), found }
    }

    fn sign(&self, said: Said) -> Signed {
        Signed::new(&self.key, &self.id, self.place, said)
    }

    /// Takes all keys ([`Told::Keys`]), and deals shares.
    ///
    /// # Errors
    /// If they are not signed for this round by different members, of which this is one, t at least, or are not all different.
    pub fn keys(&mut self, told: &Told) -> Result<Signed, Error> {
        let (State::Keys(_), Told::Keys(signed)) = (&self.state, told) else { return Err(self.order(told.name())) };
        let adverts = self.read_adverts(signed)?;
        let keys = keys_digest(&self.id, &adverts);
        let (threshold, members) = (self.round.threshold, self.round.members.len());
        let State::Keys(fresh) = &mut self.state else { return Err(self.order(told.name())) };
        let Fresh { secrets, entropy } = &mut **fresh;
        let own = secrets.advert();
        let me = End { place: self.place, key: &own.cipher };
        let mut deal_keys = Vec::new();
        for (place, advert) in adverts.iter().filter(|(place, _)| *place != self.place) {
            let to = End { place: *place, key: &advert.cipher };
            let key = deal_key(&secrets.cipher, &advert.cipher, &self.id, me, to);
            deal_keys.push((*place, key.ok_or_else(|| refused_key(*place))?));
        }
        let masks = split(&Zeroizing::new(secrets.mask.to_bytes()), threshold, members, entropy)?;
        let seeds = split(&secrets.seed, threshold, members, entropy)?;
        let dealt: Vec<Held> = masks.into_iter().zip(seeds).map(|(mask, seed)| Held { mask, seed }).collect();
        let held = |place: u8| &dealt[usize::from(place)];
        let deal = Deal {
            seed: seed_digest(&self.id, self.place, &secrets.seed),
            sealed: deal_keys.iter().map(|(to, key)| held(*to).seal(key, &keys, self.place, *to)).collect(),
            digests: adverts.iter().map(|(to, _)| held(*to).digests(&self.id, self.place, *to)).collect(),
        };
        let own = held(self.place).clone();
        if let State::Keys(fresh) = std::mem::replace(&mut self.state, State::Over) {
            self.state = State::Dealt(Agreed { fresh, adverts, keys, own });
        }
        Ok(self.sign(Said::Deal(deal)))
    }

    fn read_adverts(&self, signed: &[Signed]) -> Result<Vec<(u8, Advert)>, Error> {
        if !signed.is_sorted_by(|a, b| a.from < b.from) {
            return Err(Error::Content("keys must be of ascending members, each once".into()));
        }
        let from: Members = signed.iter().map(|signed| signed.from).filter(|place| *place < 64).collect();
        self.enough("keys", from)?;
        let mut adverts = Vec::with_capacity(signed.len());
        for one in signed {
            one.check(&self.round, &self.id)?;
            let advert = advert_of(one)?;
            if is_everybodys(&advert.cipher) || is_everybodys(&advert.mask) {
                return Err(refused_key(one.from));
            }
            adverts.push((one.from, advert));
        }
        if !adverts.iter().any(|(place, advert)| *place == self.place && Ok(advert) == advert_of(&self.advert).as_ref())
        {
            return Err(Error::Content("the keys of this member are missing or others".into()));
        }
        let mut all: Vec<_> = adverts.iter().flat_map(|(_, advert)| [advert.cipher, advert.mask]).collect();
        all.sort_unstable();
        if all.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Error::Content("a key is advertised twice".into()));
        }
        Ok(adverts)
    }

    /// That this member is among `stayed`, and enough others.
    fn enough(&self, phase: &'static str, stayed: Members) -> Result<(), Error> {
        let threshold = self.round.threshold;
        if !stayed.contains(self.place) {
            return Err(Error::Dropped(self.place));
        }
        if stayed.count() < threshold.into() {
            return Err(Error::TooFew { phase, found: stayed.count(), threshold });
        }
        Ok(())
    }

    /// Takes the shares dealt to this member ([`Told::Dealt`]) and makes the mask, noise included. All secrets but shares are wiped.
    ///
    /// # Errors
    /// If this member or too many others are missing, or who dealt has not advertised keys.
    pub fn dealt(&mut self, told: &Told) -> Result<Mask, Error> {
        self.dealt_with(told, &ChaChaPads)
    }

    pub(crate) fn dealt_with(&mut self, told: &Told, pads: &impl Pads) -> Result<Mask, Error> {
        let (State::Dealt(agreed), Told::Dealt { dealers, sealed }) = (&self.state, told) else {
            return Err(self.order(told.name()));
        };
        let advertised: Members = agreed.adverts.iter().map(|(place, _)| *place).collect();
        if !dealers.within(advertised) {
            let strangers = dealers.without(advertised);
            return Err(Error::Content(format!("shares dealt by members {strangers}, who advertised no keys")));
        }
        self.enough("dealt shares", *dealers)?;
        if !fits(sealed.len(), dealers.without(Members::NONE.with(self.place))) {
            let (found, expected) = (sealed.len(), dealers.count() - 1);
            return Err(Error::Content(format!("{found} sealed shares, expected {expected}")));
        }
        let own = agreed.fresh.secrets.advert();
        let mut words = Zeroizing::new(vec![0; self.round.len as usize]);
        let mut held = vec![(self.place, Some(agreed.own.clone()))];
        let others = agreed.adverts.iter().filter(|(place, _)| dealers.contains(*place) && *place != self.place);
        let mut seeds: Vec<(u8, Secret)> = Vec::new();
        for ((place, advert), sealed) in others.zip(sealed) {
            held.push((*place, self.unseal(agreed, &own, *place, advert, sealed)));
            let (me, other) = (End { place: self.place, key: &own.mask }, End { place: *place, key: &advert.mask });
            let seed = pair_seed(&agreed.fresh.secrets.mask, &self.id, me, other);
            seeds.push((*place, seed.ok_or_else(|| refused_key(*place))?));
        }
        for (place, seed) in &seeds {
            pads.apply(seed, Sign::of_pair(self.place, *place), &mut words);
        }
        pads.apply(&agreed.fresh.secrets.seed, Sign::Plus, &mut words);
        let mut mask = Mask::new(std::mem::take(&mut *words));
        let noise = (self.round.noise > 0).then(|| DiscreteGaussian::new(self.round.noise)).transpose()?;
        let dealt = dealt_digest(&agreed.keys, *dealers);
        if let (State::Dealt(agreed), Some(noise)) = (&mut self.state, noise) {
            mask.add_noise(&noise, &mut agreed.fresh.entropy);
        }
        self.state = State::Survivors(Shares { dealt, dealers: *dealers, held });
        Ok(mask)
    }

    /// The shares that `place` has dealt to this member; `None`, and nothing will be opened of it, if these are not its.
    fn unseal(&self, agreed: &Agreed, own: &Advert, place: u8, advert: &Advert, sealed: &Sealed) -> Option<Held> {
        let secret: &StaticSecret = &agreed.fresh.secrets.cipher;
        let (from, to) = (End { place, key: &advert.cipher }, End { place: self.place, key: &own.cipher });
        let key = deal_key(secret, &advert.cipher, &self.id, from, to)?;
        Held::open(sealed, &key, &agreed.keys, place, self.place)
    }

    /// Members whose shares for this one could not be opened, if it has them by now.
    #[must_use]
    pub fn unreadable(&self) -> Members {
        match &self.state {
            State::Survivors(shares) | State::Confirmed(shares, _) => {
                shares.held.iter().filter(|(_, held)| held.is_none()).map(|(place, _)| *place).collect()
            }
            _ => Members::NONE,
        }
    }

    /// Takes the set of those whose masked vectors have come ([`Told::Survivors`]), and signs it. It is signed once: from then on this
    /// member opens for this set or not at all.
    ///
    /// # Errors
    /// If this member or too many others are missing, or there are some that have not dealt.
    pub fn survivors(&mut self, told: &Told) -> Result<Signed, Error> {
        let (State::Survivors(shares), Told::Survivors(survivors)) = (&self.state, told) else {
            return Err(self.order(told.name()));
        };
        if !survivors.within(shares.dealers) {
            let strangers = survivors.without(shares.dealers);
            return Err(Error::Content(format!("survivors {strangers} have not dealt shares")));
        }
        self.enough("masked vectors", *survivors)?;
        let confirmation = Confirmation { dealt: shares.dealt, survivors: *survivors };
        if let State::Survivors(shares) = std::mem::replace(&mut self.state, State::Over) {
            self.state = State::Confirmed(shares, *survivors);
        }
        Ok(self.sign(Said::Confirm(confirmation)))
    }

    /// Takes the confirmations of others ([`Told::Confirmed`]) and opens, if t members have signed what this one has: of each survivor
    /// the share of its seed, of each other dealer the share of its mask key, never both of one. Then all is wiped.
    ///
    /// # Errors
    /// If one of them is not signed by a survivor for the same set and the same keys, or there are fewer than t.
    pub fn confirmed(&mut self, told: &Told) -> Result<Signed, Error> {
        let (State::Confirmed(shares, survivors), Told::Confirmed(signed)) = (&self.state, told) else {
            return Err(self.order(told.name()));
        };
        let expected = Confirmation { dealt: shares.dealt, survivors: *survivors };
        if !signed.is_sorted_by(|a, b| a.from < b.from) {
            return Err(Error::Content("confirmations must be of ascending members, each once".into()));
        }
        for one in signed {
            one.check(&self.round, &self.id)?;
            let same = matches!(&one.said, Said::Confirm(confirmation) if *confirmation == expected);
            if !same || !survivors.contains(one.from) {
                let text =
                    format!("member {} confirms something else than this member has: nothing is opened", one.from);
                return Err(Error::Content(text));
            }
        }
        let threshold = self.round.threshold;
        if signed.len() < threshold.into() {
            let found = signed.len() as u32;
            return Err(Error::TooFew { phase: "confirmations", found, threshold });
        }
        let mut opened: Vec<Opened> = Vec::new();
        for (place, held) in &shares.held {
            let Some(held) = held else { continue };
            let share: Share = if survivors.contains(*place) { *held.seed } else { *held.mask };
            opened.push(Opened { of: *place, share });
        }
        opened.sort_unstable_by_key(|opened| opened.of);
        self.state = State::Over;
        Ok(self.sign(Said::Open(opened)))
    }

    #[cfg(test)]
    pub(crate) fn held(&self) -> Vec<(u8, Held)> {
        match &self.state {
            State::Survivors(shares) | State::Confirmed(shares, _) => {
                shares.held.iter().filter_map(|(place, held)| Some((*place, held.clone()?))).collect()
            }
            _ => Vec::new(),
        }
    }
}

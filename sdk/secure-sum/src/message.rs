//! What is said, and how it is written: borsh, of bounded size, what members say signed by them.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use tessera_protocol::hash::Digest;

use crate::{
    Error,
    round::{Key, MAX_MEMBERS, Members, Round},
};

/// Bytes of a Shamir share of 32 bytes: its place, then a byte for each of the secret.
pub const SHARE_LEN: usize = 33;
/// Bytes of two shares after sealing: their bytes, and an authentication tag.
pub const SEALED_LEN: usize = 2 * SHARE_LEN + 16;
/// Longest message in bytes: that of a group of [`MAX_MEMBERS`], with room to spare.
pub const MAX_MESSAGE_LEN: usize = 1 << 15;

/// A Shamir share.
pub type Share = [u8; SHARE_LEN];

/// The two shares that one member deals to another, sealed so that only that one opens them.
#[derive(Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Sealed(pub [u8; SEALED_LEN]);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({SEALED_LEN} bytes)")
    }
}

/// Digests of the two shares dealt to one member, so that who opens others than were dealt is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ShareDigests {
    /// Of the share of the key that pairwise masks follow from.
    pub mask: Digest,
    /// Of the share of the seed of the member's own mask.
    pub seed: Digest,
}

/// A member's X25519 public keys for this round alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Advert {
    /// Seals shares.
    pub cipher: [u8; 32],
    /// Makes pairwise masks.
    pub mask: [u8; 32],
}

/// A member's shares for all that advertised.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Deal {
    /// Digest of the seed of its own mask.
    pub seed: Digest,
    /// For each other member that advertised, ascending: the sealed shares.
    pub sealed: Vec<Sealed>,
    /// For each member that advertised, ascending and itself included: digests of its shares.
    pub digests: Vec<ShareDigests>,
}

/// What a member has seen, and that it will open the seeds of `survivors` and the mask keys of all other dealers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Confirmation {
    /// Digest of all keys and of who dealt shares.
    pub dealt: Digest,
    /// Whose masked vectors the server has.
    pub survivors: Members,
}

/// A share that is given to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Opened {
    /// Whose secret it is a share of: of a survivor the seed, of one that dropped out the mask key.
    pub of: u8,
    /// The share.
    pub share: Share,
}

/// What members say, in this order.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Said {
    /// The keys.
    Advert(Advert),
    /// The shares.
    Deal(Deal),
    /// Who stayed, as this member was told.
    Confirm(Confirmation),
    /// What the mask of the sum follows from.
    Open(Vec<Opened>),
}

/// The kinds of [`Said`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`Said::Advert`]
    Advert,
    /// [`Said::Deal`]
    Deal,
    /// [`Said::Confirm`]
    Confirm,
    /// [`Said::Open`]
    Open,
}

impl Kind {
    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Advert => "advertised keys",
            Self::Deal => "dealt shares",
            Self::Confirm => "confirmation of survivors",
            Self::Open => "opened shares",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Said {
    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Advert(_) => Kind::Advert,
            Self::Deal(_) => Kind::Deal,
            Self::Confirm(_) => Kind::Confirm,
            Self::Open(_) => Kind::Open,
        }
    }
}

/// What a member says, signed with its provider's key for one round.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Signed {
    /// Who says it: its place among the members.
    pub from: u8,
    /// What it says.
    pub said: Said,
    signature: [u8; 64],
}

impl Signed {
    /// Signs for the round called `id`.
    #[must_use]
    pub fn new(key: &SigningKey, id: &Digest, from: u8, said: Said) -> Self {
        let signature = key.sign(&signed_bytes(id, from, &said)).to_bytes();
        Self { from, said, signature }
    }

    /// Checks that member `from` has said this in the round called `id`.
    ///
    /// # Errors
    /// [`Error::Place`] or [`Error::Signature`].
    pub fn check(&self, round: &Round, id: &Digest) -> Result<(), Error> {
        let members = round.members.len();
        let key: &Key = round.members.get(usize::from(self.from)).ok_or(Error::Place { place: self.from, members })?;
        let forged = |_| Error::Signature(self.from);
        let signature = Signature::from_bytes(&self.signature);
        let key = VerifyingKey::from_bytes(key).map_err(forged)?;
        key.verify_strict(&signed_bytes(id, self.from, &self.said), &signature).map_err(forged)
    }
}

/// What is signed. It begins with a letter that no transaction begins with.
fn signed_bytes(id: &Digest, from: u8, said: &Said) -> Vec<u8> {
    let mut bytes = b"tessera-sum-message-1".to_vec();
    bytes.extend(id);
    bytes.push(from);
    bytes.extend(to_bytes(said));
    bytes
}

/// What the server says to one member, in this order.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Told {
    /// The signed keys of all that advertised, ascending.
    Keys(Vec<Signed>),
    /// Who has dealt, and from each of them, ascending, the shares sealed for this member.
    Dealt {
        /// Who.
        dealers: Members,
        /// The shares.
        sealed: Vec<Sealed>,
    },
    /// Whose masked vectors have come.
    Survivors(Members),
    /// Signed confirmations of the same survivors, ascending.
    Confirmed(Vec<Signed>),
}

impl Told {
    /// In words.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Keys(_) => "keys",
            Self::Dealt { .. } => "dealt shares",
            Self::Survivors(_) => "survivors",
            Self::Confirmed(_) => "confirmations",
        }
    }
}

/// Writes a message.
#[must_use]
pub fn to_bytes<T: BorshSerialize>(message: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing into memory does not fail.
    let _ = message.serialize(&mut bytes);
    bytes
}

/// Reads a message: nothing longer than [`MAX_MESSAGE_LEN`], nothing with bytes left over.
///
/// # Errors
/// [`Error::Malformed`].
pub fn from_bytes<T: BorshDeserialize>(bytes: &[u8]) -> Result<T, Error> {
    let malformed = |reason: String| Error::Malformed { len: bytes.len(), reason };
    if bytes.len() > MAX_MESSAGE_LEN {
        return Err(malformed(format!("at most {MAX_MESSAGE_LEN} are read")));
    }
    borsh::from_slice(bytes).map_err(|e| malformed(e.to_string()))
}

/// Whether a list has one entry for each of `expected`; lists of more than [`MAX_MEMBERS`] never do.
pub(crate) fn fits(len: usize, expected: Members) -> bool {
    len <= MAX_MEMBERS && len == expected.count() as usize
}

//! What a sum is of: who takes part, how many may collude, how long the vectors are.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use tessera_protocol::hash::{Digest, sha256};

use crate::Error;

/// An ed25519 public key: that of a provider.
pub type Key = [u8; 32];

/// Smallest group.
pub const MIN_MEMBERS: usize = 3;
/// Largest group: sets of members are 64 bits.
pub const MAX_MEMBERS: usize = 64;
/// Longest vector, in elements (1 GiB of bytes).
pub const MAX_LEN: u32 = 1 << 28;
/// Largest variance of one participant's noise, in squared steps: beyond it, sums of 64 would no longer fit in 32 bits.
pub const MAX_NOISE: u64 = 1 << 40;

/// A set of members, by their places in [`Round::members`].
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Members(pub u64);

impl Members {
    /// The set with nobody in it.
    pub const NONE: Self = Self(0);

    /// Whether `place` is in it.
    #[must_use]
    pub const fn contains(self, place: u8) -> bool {
        place < 64 && self.0 >> place & 1 == 1
    }

    /// The set with `place`, which is below 64, as well.
    #[must_use]
    pub const fn with(self, place: u8) -> Self {
        Self(self.0 | 1 << (place & 63))
    }

    /// How many there are.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether all of them are in `other`.
    #[must_use]
    pub const fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Those that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Their places, ascending.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..64).filter(move |place| self.contains(*place))
    }
}

impl FromIterator<u8> for Members {
    fn from_iter<T: IntoIterator<Item = u8>>(places: T) -> Self {
        places.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Display for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<_> = self.iter().map(|place| place.to_string()).collect();
        if places.is_empty() { write!(f, "nobody") } else { write!(f, "{}", places.join(", ")) }
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

/// One sum of one group. All messages are bound to all of it by [`Round::id`].
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Round {
    /// Which training this is a round of.
    pub training: Digest,
    /// Number of the round. A participant takes part in each at most once, in ascending order.
    pub round: u64,
    /// Which of the round's groups.
    pub group: u32,
    /// What is computed from private data: a digest of the module, the round's weights and whatever else the vectors follow from.
    pub task: Digest,
    /// Elements of a vector.
    pub len: u32,
    /// How many must stay to the end, t. Fewer than t shares of a secret say nothing about it.
    pub threshold: u8,
    /// How many members may collude, with the server and each other, without learning more than the sum of the others.
    pub colluders: u8,
    /// Variance, in squared steps, of the noise that each participant adds to each element; 0 for none. See [`crate::dp`].
    pub noise: u64,
    /// Whose vectors are summed: the keys of all who are invited, ascending.
    pub members: Vec<Key>,
}

impl Round {
    /// The smallest threshold that `members` and `colluders` permit: t > (n + c) / 2 and t ≥ c + 2.
    ///
    /// By the first, no two sets of survivors can both get t signatures, although colluders sign both (Bonawitz et al.,
    /// "Practical Secure Aggregation for Privacy-Preserving Machine Learning", CCS 2017, section 6.2: 2t > n + n_C). By the second a
    /// sum has vectors of two at least that do not collude; the sum of one would be that one's vector.
    #[must_use]
    pub const fn least_threshold(members: usize, colluders: usize) -> usize {
        let half = (members + colluders) / 2 + 1;
        if half > colluders + 2 { half } else { colluders + 2 }
    }

    /// Checks that the numbers fit together.
    ///
    /// # Errors
    /// [`Error::Round`], which says what does not.
    pub fn check(&self) -> Result<(), Error> {
        let n = self.members.len();
        let refuse = |text: String| Err(Error::Round(text));
        if !(MIN_MEMBERS..=MAX_MEMBERS).contains(&n) {
            return refuse(format!("{n} members, expected {MIN_MEMBERS} to {MAX_MEMBERS}"));
        }
        if !self.members.is_sorted_by(|a, b| a < b) {
            return refuse("members must be ascending, each once".into());
        }
        if !(1..=MAX_LEN).contains(&self.len) {
            return refuse(format!("vectors of {} elements, expected 1 to {MAX_LEN}", self.len));
        }
        if self.noise > MAX_NOISE {
            return refuse(format!("noise of variance {}, at most {MAX_NOISE} is possible", self.noise));
        }
        let least = Self::least_threshold(n, self.colluders.into());
        if !(least..=n).contains(&self.threshold.into()) {
            let (t, c) = (self.threshold, self.colluders);
            return refuse(format!("a threshold of {t} of {n} with {c} colluders, expected {least} to {n}"));
        }
        Ok(())
    }

    /// Names the round, with all that was agreed on.
    #[must_use]
    pub fn id(&self) -> Digest {
        let mut bytes = self.training.to_vec();
        bytes.extend(self.round.to_le_bytes());
        bytes.extend(self.group.to_le_bytes());
        bytes.extend(self.task);
        bytes.extend(self.len.to_le_bytes());
        bytes.extend([self.threshold, self.colluders]);
        bytes.extend(self.noise.to_le_bytes());
        for key in &self.members {
            bytes.extend(key);
        }
        sha256(&[b"tessera-sum-round-1", &bytes])
    }

    /// Where `key` stands among the members.
    #[must_use]
    pub fn place(&self, key: &Key) -> Option<u8> {
        self.members.binary_search(key).ok().and_then(|place| u8::try_from(place).ok())
    }

    /// All places.
    #[must_use]
    pub fn all(&self) -> Members {
        Members(u64::MAX >> (MAX_MEMBERS - self.members.len().clamp(1, MAX_MEMBERS)))
    }
}

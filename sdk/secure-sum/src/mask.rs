//! Masks: vectors of 32-bit words that hide other vectors when they are added, and sums modulo 2^32.

use std::fmt;

use chacha20::{
    ChaCha20,
    cipher::{KeyIvInit as _, StreamCipher as _},
};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{
    Error,
    dp::DiscreteGaussian,
    secret::{Entropy, Secret},
};

/// Words that are expanded at once.
const BLOCK: usize = 1024;

/// Which way a pad counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Plus,
    Minus,
}

impl Sign {
    /// The sign that the member at `place` gives to the pad that it shares with the one at `other`.
    pub(crate) const fn of_pair(place: u8, other: u8) -> Self {
        if place > other { Self::Plus } else { Self::Minus }
    }

    pub(crate) const fn opposite(self) -> Self {
        match self {
            Self::Plus => Self::Minus,
            Self::Minus => Self::Plus,
        }
    }
}

/// Makes pads from seeds.
pub(crate) trait Pads {
    /// Adds the pad of `seed` to `words`, or takes it away.
    fn apply(&self, seed: &Secret, sign: Sign, words: &mut [u32]);
}

/// The keystream of ChaCha20 (RFC 8439, nonce and first counter zero; a seed makes one pad), as little-endian words.
pub(crate) struct ChaChaPads;

impl Pads for ChaChaPads {
    fn apply(&self, seed: &Secret, sign: Sign, words: &mut [u32]) {
        let mut stream = ChaCha20::new((&**seed).into(), &Default::default());
        let mut bytes = Zeroizing::new([0; 4 * BLOCK]);
        for block in words.chunks_mut(BLOCK) {
            bytes.zeroize();
            stream.apply_keystream(bytes.as_mut());
            for (word, pad) in block.iter_mut().zip(bytes.as_chunks::<4>().0) {
                let pad = u32::from_le_bytes(*pad);
                *word = match sign {
                    Sign::Plus => word.wrapping_add(pad),
                    Sign::Minus => word.wrapping_sub(pad),
                };
            }
        }
    }
}

/// A participant's mask for one round, wiped when it is dropped.
///
/// What is published is the vector plus the mask, modulo 2^32, for **one** vector: two vectors under one mask give away their difference.
/// It cannot be copied, and a participant makes one a round; whoever hands its bytes to a machine must see to it that one
/// job takes them.
#[must_use = "a mask is made once"]
pub struct Mask(Zeroizing<Vec<u32>>);

impl Mask {
    pub(crate) fn new(words: Vec<u32>) -> Self {
        Self(Zeroizing::new(words))
    }

    /// The words.
    #[must_use]
    pub fn words(&self) -> &[u32] {
        &self.0
    }

    /// The words as little-endian bytes, as units of work take them.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // Of its final size: what a growing vector leaves behind would not be wiped.
        let mut bytes = Zeroizing::new(Vec::with_capacity(4 * self.0.len()));
        self.0.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        bytes
    }

    /// Masks `vector`, which must be as long, and uses the mask up.
    ///
    /// # Errors
    /// [`Error::Content`] if it is not.
    pub fn hide(self, vector: &[i32]) -> Result<Vec<u32>, Error> {
        if vector.len() != self.0.len() {
            let (found, expected) = (vector.len(), self.0.len());
            return Err(Error::Content(format!("a vector of {found} elements, expected {expected}")));
        }
        Ok(self.0.iter().zip(vector).map(|(mask, value)| mask.wrapping_add(value.cast_unsigned())).collect())
    }

    pub(crate) fn add_noise(&mut self, noise: &DiscreteGaussian, entropy: &mut Entropy) {
        for word in self.0.iter_mut() {
            // Noise of 2^40 squared steps stays far below 2^31.
            *word = word.wrapping_add(noise.sample(entropy) as u32);
        }
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mask({} words)", self.0.len())
    }
}

/// Adds `vector` to `sum`, modulo 2^32; both are as long.
pub(crate) fn add(sum: &mut [u32], vector: &[u32]) {
    for (sum, value) in sum.iter_mut().zip(vector) {
        *sum = sum.wrapping_add(*value);
    }
}

/// Reads a masked vector from the little-endian bytes that a unit of work puts out.
///
/// # Errors
/// [`Error::Content`] if the bytes are not whole words.
pub fn words_from_bytes(bytes: &[u8]) -> Result<Vec<u32>, Error> {
    match bytes.as_chunks::<4>() {
        (words, []) => Ok(words.iter().map(|word| u32::from_le_bytes(*word)).collect()),
        _ => Err(Error::Content(format!("{} bytes, expected a multiple of 4", bytes.len()))),
    }
}

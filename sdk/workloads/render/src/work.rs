//! What a job computes of a film: which samples of which tiles of which frames.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};

/// A set of tiles of a frame. Tiles are numbered row by row from the top.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Tiles {
    /// All tiles.
    All,
    /// These tiles: one bit each, the lowest bit of a word first.
    These(Vec<u64>),
}

impl Tiles {
    /// The tiles of these numbers.
    pub fn of(numbers: impl IntoIterator<Item = u32>) -> Self {
        let mut words: Vec<u64> = Vec::new();
        for number in numbers {
            let word = (number / 64) as usize;
            if word >= words.len() {
                words.resize(word + 1, 0);
            }
            words[word] |= 1 << (number % 64);
        }
        Self::These(words)
    }

    /// How many tiles of a frame that has `all`.
    #[must_use]
    pub fn count(&self, all: u32) -> u32 {
        match self {
            Self::All => all,
            Self::These(words) => words.iter().map(|word| word.count_ones()).sum(),
        }
    }

    /// Number of the tile at `place` in the set, in rising order; `None` if there are not so many.
    #[must_use]
    pub fn nth(&self, place: u32, all: u32) -> Option<u32> {
        match self {
            Self::All => (place < all).then_some(place),
            Self::These(words) => {
                let mut left = place;
                for (i, word) in words.iter().enumerate() {
                    if left < word.count_ones() {
                        let mut word = *word;
                        for _ in 0..left {
                            word &= word - 1;
                        }
                        return Some(i as u32 * 64 + word.trailing_zeros());
                    }
                    left -= word.count_ones();
                }
                None
            }
        }
    }

    /// The numbers of the tiles of a frame that has `all`.
    #[must_use]
    pub fn numbers(&self, all: u32) -> Vec<u32> {
        match self {
            Self::All => (0..all).collect(),
            Self::These(words) => {
                let of = |(i, word): (usize, &u64)| {
                    let word = *word;
                    (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| i as u32 * 64 + bit)
                };
                words.iter().enumerate().flat_map(of).collect()
            }
        }
    }

    /// Whether every tile of the set is one of `all`.
    #[must_use]
    pub fn fits(&self, all: u32) -> bool {
        match self {
            Self::All => true,
            Self::These(words) => {
                let last = words.iter().rposition(|word| *word != 0);
                last.is_none_or(|i| i as u64 * 64 + 63 - u64::from(words[i].leading_zeros()) < u64::from(all))
            }
        }
    }
}

/// A range of samples of some tiles of a frame.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Part {
    /// Number of the frame.
    pub frame: u32,
    /// First sample.
    pub first_sample: u32,
    /// Number of samples of each pixel.
    pub samples: u32,
    /// Which tiles.
    pub tiles: Tiles,
}

/// What a job computes. Parts are disjoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// By frame, then by first sample.
    pub parts: Vec<Part>,
}

impl Work {
    /// The first `samples` samples of all tiles of `frames`.
    pub fn whole(frames: impl IntoIterator<Item = u32>, samples: u32) -> Self {
        let part = |frame| Part { frame, first_sample: 0, samples, tiles: Tiles::All };
        let frames: BTreeSet<u32> = frames.into_iter().collect();
        Self { parts: frames.into_iter().map(part).collect() }
    }

    /// Numbers of the frames that something is computed of.
    #[must_use]
    pub fn frames(&self) -> BTreeSet<u32> {
        self.parts.iter().map(|part| part.frame).collect()
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The part of the work that belongs to some frames.
    #[must_use]
    pub fn of_frames(&self, frames: &BTreeSet<u32>) -> Self {
        Self { parts: self.parts.iter().filter(|part| frames.contains(&part.frame)).cloned().collect() }
    }
}

//! Where the weights of a round come from: a dense copy, and the changes since then.
//!
//! Jobs name blobs, and each name has its price: some 180 bytes of the specification that every participant fetches in every round.
//! So changes are put together, as in a log-structured merge tree (O'Neil et al. 1996): as soon as there are `gather` blobs of
//! one size they become one. A participant fetches each change once more for each size, and specifications stay small.

use bytes::Bytes;
use tessera_front_end::Blob;

use crate::steps::Weights;

/// A dense copy of the weights, and the changes since then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lineage {
    /// The dense copy; none: the weights that the seed draws.
    pub base: Option<Blob>,
    /// The changes of one round each, all of the same length.
    pub changes: Vec<Bytes>,
    /// So many blobs become one; 0: none do.
    pub gather: usize,
}

impl Lineage {
    /// How many changes are in each blob, the oldest first.
    fn runs(&self) -> Vec<usize> {
        let mut left = self.changes.len();
        let mut size = 1;
        while self.gather > 1 && size * self.gather <= left {
            size *= self.gather;
        }
        let mut runs = vec![];
        while left > 0 {
            runs.extend(std::iter::repeat_n(size, left / size));
            left %= size;
            size /= self.gather.max(1);
        }
        runs
    }

    /// The weights that jobs of `round` are given.
    pub fn weights(&self, round: u32) -> Weights {
        let mut left = self.changes.as_slice();
        let blobs = self.runs().into_iter().map(|run| {
            let (these, others) = left.split_at(run);
            left = others;
            match these {
                [one] => Blob::of(one),
                several => Blob::of(&several.concat().into()),
            }
        });
        let changes = blobs.collect();
        Weights { since: round - self.changes.len() as u32, base: self.base.clone(), changes }
    }

    /// Bytes that whoever had the weights before the last change fetches to have those after it.
    pub fn newest(&self) -> usize {
        let run = self.runs().pop().unwrap_or(0);
        self.changes.iter().rev().take(run).map(Bytes::len).sum()
    }

    /// Begins anew with a dense copy.
    pub fn settle(&mut self, weights: &[f32]) {
        self.base = Some(Blob::words(weights.iter().map(|weight| weight.to_bits())));
        self.changes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lineage(gather: usize, count: u8) -> Lineage {
        Lineage { base: None, changes: (0..count).map(|i| Bytes::from(vec![i; 4])).collect(), gather }
    }

    #[test]
    fn changes_are_put_together() {
        assert_eq!(lineage(4, 3).runs(), [1; 3]);
        assert_eq!(lineage(4, 4).runs(), [4]);
        assert_eq!(lineage(4, 39).runs(), [16, 16, 4, 1, 1, 1]);
        assert_eq!(lineage(0, 39).runs(), [1; 39]);
        assert!(lineage(4, 0).runs().is_empty());
        let weights = lineage(4, 39).weights(50);
        assert_eq!(weights.since, 11);
        // All of them, in their order.
        let all: Vec<u8> = weights.changes.iter().filter_map(Blob::bytes).flatten().copied().collect();
        assert_eq!(all, (0..39u8).flat_map(|i| [i; 4]).collect::<Vec<_>>());
    }

    /// What is fetched round by round is all that a round needs, and no change comes more than once for each size.
    #[test]
    fn what_is_new_is_fetched() {
        let mut there: Vec<tessera_protocol::cid::Cid> = vec![];
        let mut fetched = 0;
        for count in 1..=64u8 {
            let lineage = lineage(4, count);
            let mut new = 0;
            for blob in lineage.weights(u32::from(count)).changes {
                let Blob::There(cid, bytes) = blob else { continue };
                if !there.contains(&cid) {
                    new += bytes.len();
                    there.push(cid);
                }
            }
            assert_eq!(lineage.newest(), new, "{count}");
            fetched += new;
        }
        assert!(fetched <= 4 * 64 * 3 + 4 * 64, "{fetched}");
    }
}

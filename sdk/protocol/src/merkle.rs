//! Binary Merkle trees in which an odd node is carried up unchanged.
//!
//! `node = H(0x01 ‖ left ‖ right)`. Leaves are hashed by the caller with a domain byte other than 0x01, so a leaf can
//! never be read as a node. [`Accumulator`] computes the root of a stream in O(log n) memory.

use alloc::vec::Vec;

use crate::hash::{Digest, NODE, sha256};

/// The parent of two nodes.
#[must_use]
pub fn parent(left: &Digest, right: &Digest) -> Digest {
    sha256(&[&[NODE], left, right])
}

/// Root of a tree whose leaves arrive one by one.
#[derive(Clone, Debug, Default)]
pub struct Accumulator {
    /// Roots of complete subtrees, largest first, each with its height.
    peaks: Vec<(u8, Digest)>,
}

impl Accumulator {
    /// Adds the next leaf.
    pub fn push(&mut self, leaf: Digest) {
        let (mut height, mut node) = (0u8, leaf);
        while let Some((h, left)) = self.peaks.last()
            && *h == height
        {
            node = parent(left, &node);
            height += 1;
            self.peaks.pop();
        }
        self.peaks.push((height, node));
    }

    /// The root, or `None` if no leaf was added.
    #[must_use]
    pub fn root(&self) -> Option<Digest> {
        let mut peaks = self.peaks.iter().rev();
        let mut node = peaks.next()?.1;
        for (_, left) in peaks {
            node = parent(left, &node);
        }
        Some(node)
    }
}

/// Root over `leaves`, or `None` if there are none.
#[must_use]
pub fn root<I: IntoIterator<Item = Digest>>(leaves: I) -> Option<Digest> {
    let mut acc = Accumulator::default();
    for leaf in leaves {
        acc.push(leaf);
    }
    acc.root()
}

/// The siblings on the way from leaf `index` to the root, lowest first; `None` if there is no such leaf.
#[must_use]
pub fn proof(leaves: &[Digest], index: usize) -> Option<Vec<Digest>> {
    if index >= leaves.len() {
        return None;
    }
    let (mut level, mut at, mut path) = (leaves.to_vec(), index, Vec::new());
    while level.len() > 1 {
        if let Some(sibling) = level.get(at ^ 1) {
            path.push(*sibling);
        }
        level =
            level.chunks(2).map(|pair| if pair.len() == 2 { parent(&pair[0], &pair[1]) } else { pair[0] }).collect();
        at /= 2;
    }
    Some(path)
}

/// Whether `path` leads from `leaf`, number `index` of `count`, to `root`.
#[must_use]
pub fn verify(root: &Digest, leaf: &Digest, index: u64, count: u64, path: &[Digest]) -> bool {
    climb(leaf, index, count, path).is_some_and(|found| found == *root)
}

/// The root to which `path` leads from `leaf`, number `index` of `count`; `None` if it is no path of that leaf.
#[must_use]
pub fn climb(leaf: &Digest, index: u64, count: u64, path: &[Digest]) -> Option<Digest> {
    if index >= count {
        return None;
    }
    let (mut node, mut at, mut width, mut siblings) = (*leaf, index, count, path.iter());
    while width > 1 {
        if at ^ 1 < width {
            let sibling = siblings.next()?;
            node = if at & 1 == 0 { parent(&node, sibling) } else { parent(sibling, &node) };
        }
        at /= 2;
        width = width.div_ceil(2);
    }
    siblings.next().is_none().then_some(node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leaf(i: u64) -> Digest {
        sha256(&[&[0], &i.to_le_bytes()])
    }

    #[test]
    fn odd_nodes_are_carried_up() {
        let l: Vec<Digest> = (0..3).map(leaf).collect();
        assert_eq!(root(l.clone()), Some(parent(&parent(&l[0], &l[1]), &l[2])));
        assert_eq!(root([l[0]]), Some(l[0]));
        assert_eq!(root([]), None);
    }

    proptest! {
        #[test]
        fn every_leaf_proves_itself_and_nothing_else(count in 1u64..70, pick in 0u64..70, bit in 0usize..256) {
            let index = pick % count;
            let leaves: Vec<Digest> = (0..count).map(leaf).collect();
            let root = root(leaves.iter().copied()).unwrap();
            let path = proof(&leaves, index as usize).unwrap();
            prop_assert!(verify(&root, &leaves[index as usize], index, count, &path));
            let mut wrong = leaves[index as usize];
            wrong[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!verify(&root, &wrong, index, count, &path));
            prop_assert!(!verify(&root, &leaves[index as usize], count, count, &path));
            let mut long = path.clone();
            long.push([0; 32]);
            prop_assert!(!verify(&root, &leaves[index as usize], index, count, &long));
            if let Some(other) = (0..count).find(|i| *i != index) {
                prop_assert!(!verify(&root, &leaves[index as usize], other, count, &path));
            }
        }
    }
}

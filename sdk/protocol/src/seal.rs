//! Sealing: outputs are published before they may be read.
//!
//! Chunk `i` of the plain bytes is XORed with the keystream `H("tessera-seal-1" ‖ key ‖ i as u64 ‖ j as u32)`,
//! j = 0..32, 32 bytes each. The length is kept and every chunk opens by itself, so that the program can compare one
//! sealed chunk with one plain chunk. A key seals one lease and is never used again.

use crate::{
    cid::CHUNK_LEN,
    hash::{Digest, sha256},
};

/// Seals or opens `bytes` (the operation is its own inverse), the first of which is byte 0 of chunk `first_chunk`.
pub fn apply(key: &Digest, first_chunk: u64, bytes: &mut [u8]) {
    for (i, chunk) in (first_chunk..).zip(bytes.chunks_mut(CHUNK_LEN)) {
        for (j, block) in (0u32..).zip(chunk.chunks_mut(32)) {
            let stream = sha256(&[b"tessera-seal-1", key, &i.to_le_bytes(), &j.to_le_bytes()]);
            for (byte, pad) in block.iter_mut().zip(stream) {
                *byte ^= pad;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn opens_what_it_sealed_chunk_by_chunk() {
        let plain: vec::Vec<u8> = (0..2500u32).map(|i| i as u8).collect();
        let mut sealed = plain.clone();
        apply(&[7; 32], 0, &mut sealed);
        assert_ne!(sealed, plain);
        let mut second = sealed[1024..2048].to_vec();
        apply(&[7; 32], 1, &mut second);
        assert_eq!(second, plain[1024..2048]);
        apply(&[7; 32], 0, &mut sealed);
        assert_eq!(sealed, plain);
    }
}

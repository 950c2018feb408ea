//! SHA-256 (a system call on chain) and the domain bytes that keep its uses apart.

/// The 32 bytes of a SHA-256 digest.
pub type Digest = [u8; 32];

/// First byte of a blob's chunk leaf.
pub const CHUNK: u8 = 0x00;
/// First byte of an inner node of any tree.
pub const NODE: u8 = 0x01;
/// First byte of a content id.
pub const CONTENT: u8 = 0x02;
/// First byte of a work leaf, which only someone who holds the bytes can make.
pub const WORK: u8 = 0x03;

/// SHA-256 of the concatenation of `parts`.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> Digest {
    solana_sha256_hasher::hashv(parts).to_bytes()
}

//! What all warps of a launch share.

use crate::memory::Memory;

pub(crate) struct Env<'a> {
    pub memory: &'a Memory,
    /// Bytes of the kernel's parameters.
    pub params: &'a [u8],
    /// Bytes of local memory of one thread.
    pub local_len: usize,
}

//! What an address means.
//!
//! A generic address names a byte of any space. Below the first buffer lie windows of 4 GiB through which a thread sees
//! shared memory, its local memory and the parameters. A buffer has a number, which is the upper part of its addresses;
//! number 0 is no buffer, so that the null pointer and what is near it is never valid.

use crate::fault::{FaultKind, Space};
use crate::ir::{Place, Via};

/// Bits of an address that are the offset inside a buffer.
pub const OFFSET_BITS: u32 = 36;
/// Number of the buffer that holds the variables of the module.
pub const VARIABLES: u64 = 1;
/// Where shared memory starts in generic addresses.
pub const SHARED_WINDOW: u64 = 1 << 32;
/// Where local memory starts in generic addresses.
pub const LOCAL_WINDOW: u64 = 2 << 32;
/// Where kernel parameters start in generic addresses.
pub const PARAM_WINDOW: u64 = 3 << 32;

/// The space that an access names, and the address in it.
#[inline]
#[must_use]
pub fn resolve(via: Via, address: u64) -> (Space, u64) {
    match via {
        Via::Shared => (Space::Shared, address),
        Via::Local => (Space::Local, address),
        Via::Param => (Space::Param, address),
        Via::Global => (Space::Global, address),
        Via::Generic if address >> OFFSET_BITS != 0 => (Space::Global, address),
        Via::Generic => {
            let at = address & u64::from(u32::MAX);
            match address & !u64::from(u32::MAX) {
                SHARED_WINDOW => (Space::Shared, at),
                LOCAL_WINDOW => (Space::Local, at),
                PARAM_WINDOW => (Space::Param, at),
                _ => (Space::Global, address),
            }
        }
    }
}

/// A fault unless an address is a multiple of the bytes accessed, a power of two.
#[inline]
pub(crate) fn aligned(space: Space, address: u64, len: u32) -> Result<(), FaultKind> {
    if address & u64::from(len - 1) == 0 { Ok(()) } else { Err(FaultKind::Misaligned { space, address, len }) }
}

impl Place {
    /// The address, from the value of the base.
    #[inline(always)]
    #[must_use]
    pub fn address(&self, base: u64) -> u64 {
        if self.short {
            u64::from((base as u32).wrapping_add(self.offset as u32))
        } else {
            base.wrapping_add(self.offset)
        }
    }

    /// The space that it names and the address there, from the value of the base.
    #[inline]
    #[must_use]
    pub fn resolve(&self, base: u64) -> (Space, u64) {
        resolve(self.via, self.address(base))
    }
}

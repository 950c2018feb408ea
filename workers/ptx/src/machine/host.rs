//! What a thread reaches beyond its registers: memory of every space, and the counter of gas.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use tessera_ptx_core::Reach;

use crate::error::{FaultKind, Space};
use crate::memory::Memory;

/// Gas that a block of threads spends before it looks whether it is to stop.
const QUANTUM: u64 = 1 << 22;

/// Counts gas, and looks at the limits now and then.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Meter<'a> {
    /// Gas spent by the block of threads at work.
    pub gas: u64,
    /// Gas at which to call [`Meter::look`].
    pub look_at: u64,
    /// Most gas that the block may spend.
    pub cap: u64,
    /// PTX instructions, where they are counted.
    pub instructions: u64,
    pub cancel: Option<&'a AtomicBool>,
    pub deadline: Option<Instant>,
}

impl<'a> Meter<'a> {
    pub fn new(cancel: Option<&'a AtomicBool>, deadline: Option<Instant>) -> Self {
        Self { gas: 0, look_at: 0, cap: u64::MAX, instructions: 0, cancel, deadline }
    }

    /// Starts to count anew, for a block that may spend `cap`.
    pub fn start(&mut self, cap: u64) {
        (self.gas, self.cap) = (0, cap);
        self.look_at = QUANTUM.min(cap.saturating_add(1));
    }

    /// To be called at every jump back and whenever a thread stops: says why to stop the launch, if so.
    #[inline(always)]
    pub fn check(&mut self) -> Result<(), FaultKind> {
        if self.gas < self.look_at { Ok(()) } else { self.look() }
    }

    #[cold]
    pub fn look(&mut self) -> Result<(), FaultKind> {
        if self.gas > self.cap {
            // The launch knows its limit; the cap is only what is left of it.
            return Err(FaultKind::GasLimit { limit: self.cap });
        }
        self.look_at = self.gas.saturating_add(QUANTUM).min(self.cap.saturating_add(1));
        if self.cancel.is_some_and(|cancel| cancel.load(Relaxed)) {
            return Err(FaultKind::Cancelled);
        }
        if self.deadline.is_some_and(|deadline| Instant::now() > deadline) {
            return Err(FaultKind::Deadline);
        }
        Ok(())
    }
}

/// What the threads of a block reach together.
pub(crate) struct Host<'a> {
    pub memory: &'a Memory,
    pub params: &'a [u8],
    pub shared: Vec<u8>,
    pub meter: Meter<'a>,
}

/// What one thread reaches: that, and its local memory.
pub(crate) struct Own<'a, 'b> {
    pub host: &'a mut Host<'b>,
    pub local: &'a mut [u8],
}

/// A number of `size` bytes.
#[inline(always)]
fn number(bytes: &[u8], at: u64, size: usize) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    let bytes = bytes.get(at..)?;
    Some(match size {
        1 => u64::from(*bytes.first()?),
        2 => u64::from(u16::from_le_bytes(*bytes.first_chunk()?)),
        4 => u64::from(u32::from_le_bytes(*bytes.first_chunk()?)),
        _ => u64::from_le_bytes(*bytes.first_chunk()?),
    })
}

#[inline(always)]
fn put_number(bytes: &mut [u8], at: u64, size: usize, value: u64) -> Option<()> {
    let at = usize::try_from(at).ok()?;
    let target = bytes.get_mut(at..)?.get_mut(..size)?;
    target.copy_from_slice(&value.to_le_bytes()[..size]);
    Some(())
}

impl Reach for Own<'_, '_> {
    #[inline(always)]
    fn get(&mut self, space: Space, address: u64, len: u32) -> Result<u64, FaultKind> {
        let bytes = match space {
            Space::Global => {
                return Ok(match len {
                    1 => u64::from(self.host.memory.load::<u8>(address)?),
                    2 => u64::from(self.host.memory.load::<u16>(address)?),
                    4 => u64::from(self.host.memory.load::<u32>(address)?),
                    _ => self.host.memory.load::<u64>(address)?,
                });
            }
            Space::Shared => &self.host.shared,
            Space::Local => &*self.local,
            Space::Param => self.host.params,
        };
        number(bytes, address, len as usize).ok_or(FaultKind::OutOfBounds { space, address, len })
    }

    #[inline(always)]
    fn put(&mut self, space: Space, address: u64, len: u32, value: u64) -> Result<(), FaultKind> {
        let bytes = match space {
            Space::Global => {
                return match len {
                    1 => self.host.memory.store(address, value as u8),
                    2 => self.host.memory.store(address, value as u16),
                    4 => self.host.memory.store(address, value as u32),
                    _ => self.host.memory.store(address, value),
                };
            }
            Space::Shared => &mut self.host.shared,
            Space::Local => &mut *self.local,
            Space::Param => return Err(FaultKind::ReadOnly { address }),
        };
        put_number(bytes, address, len as usize, value).ok_or(FaultKind::OutOfBounds { space, address, len })
    }

    #[inline(always)]
    fn update(
        &mut self,
        space: Space,
        address: u64,
        len: u32,
        mut change: impl FnMut(u64) -> u64,
    ) -> Result<u64, FaultKind> {
        match (space, len) {
            // Blocks change them at the same time.
            (Space::Global, 8) => self.host.memory.update(address, change),
            (Space::Global, _) => self.host.memory.update(address, |old: u32| change(old.into()) as u32).map(u64::from),
            _ => {
                let old = self.get(space, address, len)?;
                self.put(space, address, len, change(old))?;
                Ok(old)
            }
        }
    }

    fn copy_local(&mut self, to: u32, from: u32, len: u32) {
        let [to, from, len] = [to, from, len].map(|n| n as usize);
        self.local.copy_within(from..from + len, to);
    }
}

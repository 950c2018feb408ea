//! What a thread reaches beyond its registers: memory of every space, and the counter of gas.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use crate::error::{FaultKind, Space};
use crate::ir::{Atomic, Change, Transfer, Via};
use crate::memory::{Cell, LOCAL_WINDOW, Memory, OFFSET_BITS, PARAM_WINDOW, SHARED_WINDOW};

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

/// The memory that the threads of a block reach.
pub(crate) struct Host<'a> {
    pub memory: &'a Memory,
    pub params: &'a [u8],
    pub shared: Vec<u8>,
    pub meter: Meter<'a>,
}

/// The space that an access names, and the address in it.
pub(crate) fn resolve(via: Via, address: u64) -> (Space, u64) {
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

impl Host<'_> {
    /// Loads the elements of a transfer into the first of `values`.
    pub fn load(
        &self,
        transfer: &Transfer,
        address: u64,
        local: &[u8],
        values: &mut [u64; 4],
    ) -> Result<(), FaultKind> {
        let (space, address) = resolve(transfer.at.via, address);
        aligned(space, address, transfer.len())?;
        let size = usize::from(transfer.size);
        for (i, value) in values.iter_mut().enumerate().take(transfer.count.into()) {
            let address = address.wrapping_add((i * size) as u64);
            *value = match space {
                Space::Global => match size {
                    1 => u64::from(self.memory.load::<u8>(address)?),
                    2 => u64::from(self.memory.load::<u16>(address)?),
                    4 => u64::from(self.memory.load::<u32>(address)?),
                    _ => self.memory.load::<u64>(address)?,
                },
                Space::Shared => number(&self.shared, address, size).ok_or_else(|| outside(space, address, size))?,
                Space::Local => number(local, address, size).ok_or_else(|| outside(space, address, size))?,
                Space::Param => number(self.params, address, size).ok_or_else(|| outside(space, address, size))?,
            };
            *value = transfer.extend(*value);
        }
        Ok(())
    }

    /// Stores the elements of a transfer.
    pub fn store(
        &mut self,
        transfer: &Transfer,
        address: u64,
        values: [u64; 4],
        local: &mut [u8],
    ) -> Result<(), FaultKind> {
        let (space, address) = resolve(transfer.at.via, address);
        aligned(space, address, transfer.len())?;
        let size = usize::from(transfer.size);
        for (i, value) in values.into_iter().enumerate().take(transfer.count.into()) {
            let address = address.wrapping_add((i * size) as u64);
            match space {
                Space::Global => match size {
                    1 => self.memory.store(address, value as u8)?,
                    2 => self.memory.store(address, value as u16)?,
                    4 => self.memory.store(address, value as u32)?,
                    _ => self.memory.store(address, value)?,
                },
                Space::Shared => {
                    put_number(&mut self.shared, address, size, value).ok_or_else(|| outside(space, address, size))?
                }
                Space::Local => put_number(local, address, size, value).ok_or_else(|| outside(space, address, size))?,
                Space::Param => return Err(FaultKind::ReadOnly { address }),
            }
        }
        Ok(())
    }

    /// Changes a number in one step; returns what was there.
    pub fn atomic(&mut self, atomic: &Atomic, address: u64, b: u64, c: u64) -> Result<u64, FaultKind> {
        let (space, address) = resolve(atomic.at.via, address);
        let size = if atomic.wide { 8 } else { 4 };
        aligned(space, address, size)?;
        match (space, atomic.wide) {
            (Space::Global, true) => self.memory.update(address, |old: u64| change(atomic, old, b, c)),
            (Space::Global, false) => {
                let old = self.memory.update(address, |old: u32| change(atomic, old, b as u32, c as u32))?;
                Ok(u64::from(old))
            }
            (Space::Shared, _) => {
                let old = number(&self.shared, address, size as usize);
                let old = old.ok_or_else(|| outside(space, address, size as usize))?;
                let new = if atomic.wide {
                    change(atomic, old, b, c)
                } else {
                    u64::from(change(atomic, old as u32, b as u32, c as u32))
                };
                put_number(&mut self.shared, address, size as usize, new)
                    .ok_or_else(|| outside(space, address, size as usize))?;
                Ok(old)
            }
            _ => Err(outside(space, address, size as usize)),
        }
    }
}

fn outside(space: Space, address: u64, size: usize) -> FaultKind {
    FaultKind::OutOfBounds { space, address, len: size as u32 }
}

fn aligned(space: Space, address: u64, len: u32) -> Result<(), FaultKind> {
    if address & u64::from(len - 1) == 0 { Ok(()) } else { Err(FaultKind::Misaligned { space, address, len }) }
}

/// An integer that atomics work on.
trait Number: Cell + Ord {
    fn less(self, other: Self, signed: bool) -> bool;
    fn add(self, other: Self) -> Self;
    fn bits(self, other: Self, change: Change) -> Self;
    const ZERO: Self;
    const ONE: Self;
    const MINUS_ONE: Self;
}

macro_rules! numbers {
    ($($int:ty, $signed:ty;)*) => { $(
        impl Number for $int {
            const ZERO: Self = 0;
            const ONE: Self = 1;
            const MINUS_ONE: Self = <$int>::MAX;
            fn less(self, other: Self, signed: bool) -> bool {
                if signed { (self as $signed) < (other as $signed) } else { self < other }
            }
            fn add(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            fn bits(self, other: Self, change: Change) -> Self {
                match change {
                    Change::And => self & other,
                    Change::Or => self | other,
                    _ => self ^ other,
                }
            }
        }
    )* };
}

numbers! { u32, i32; u64, i64; }

fn change<N: Number>(atomic: &Atomic, old: N, b: N, c: N) -> N {
    let less = old.less(b, atomic.signed);
    let pick = |first: bool, a: N, b: N| if first { a } else { b };
    match atomic.change {
        Change::Add => old.add(b),
        Change::Min => pick(less, old, b),
        Change::Max => pick(less, b, old),
        Change::And | Change::Or | Change::Xor => old.bits(b, atomic.change),
        Change::Inc => pick(old >= b, N::ZERO, old.add(N::ONE)),
        Change::Dec => pick(old == N::ZERO || old > b, b, old.add(N::MINUS_ONE)),
        Change::Exchange => b,
        Change::Compare => pick(old == b, c, old),
    }
}

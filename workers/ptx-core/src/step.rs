//! What one operation does to the slots of a thread and to memory, and where the thread goes at the end of a block.

use crate::address::{aligned, resolve};
use crate::fault::{FaultKind, Space, Touch};
use crate::ir::{Atomic, Copies, End, NO_SLOT, Op, Place, Transfer, What};

/// What a thread reaches beyond its slots.
///
/// Numbers have 1, 2, 4 or 8 bytes, the lowest first, and lie at multiples of their length. Where one does not lie in
/// memory, the fault is [`FaultKind::OutOfBounds`] with its address and its length; where it may only be read,
/// [`FaultKind::ReadOnly`].
pub trait Reach {
    /// The number at an address.
    ///
    /// # Errors
    /// If it does not lie in memory.
    fn get(&mut self, space: Space, address: u64, len: u32) -> Result<u64, FaultKind>;

    /// Puts the low bits of a value in place of a number.
    ///
    /// # Errors
    /// If it does not lie in memory, or may only be read, as parameters may.
    fn put(&mut self, space: Space, address: u64, len: u32, value: u64) -> Result<(), FaultKind>;

    /// Changes a number in global or shared memory in one step; returns what was there. What others may change at the same
    /// time needs more than this.
    ///
    /// # Errors
    /// As [`Reach::put`].
    #[inline]
    fn update(
        &mut self,
        space: Space,
        address: u64,
        len: u32,
        mut change: impl FnMut(u64) -> u64,
    ) -> Result<u64, FaultKind> {
        let old = self.get(space, address, len)?;
        self.put(space, address, len, change(old))?;
        Ok(old)
    }

    /// Copies bytes of the thread's local memory, where both ends lie.
    fn copy_local(&mut self, to: u32, from: u32, len: u32);

    /// Is told of an access: it has been read, or is about to change. `later`: it is one side of an asynchronous copy.
    ///
    /// # Errors
    /// If it must not be.
    #[inline(always)]
    fn touch(&mut self, _space: Space, _address: u64, _len: u32, _touch: Touch, _later: bool) -> Result<(), FaultKind> {
        Ok(())
    }

    /// Is told what the thread says of its asynchronous copies.
    ///
    /// # Errors
    /// If it must not be said.
    #[inline(always)]
    fn copies(&mut self, _said: Copies) -> Result<(), FaultKind> {
        Ok(())
    }
}

impl Op {
    /// Does it to the slots of a thread, whatever its guard says.
    ///
    /// # Errors
    /// The fault with which the thread stops.
    #[inline(always)]
    pub fn act(&self, slots: &mut [u64], reach: &mut impl Reach) -> Result<(), FaultKind> {
        // Most are of this kind: told apart by a branch, which is predicted more often than a jump through a table.
        if let What::Scalar { f, d, s, imm } = &self.what {
            f.act(slots, *d, s, *imm);
            return Ok(());
        }
        other(&self.what, slots, reach)
    }
}

#[inline(never)]
fn other(what: &What, slots: &mut [u64], reach: &mut impl Reach) -> Result<(), FaultKind> {
    match what {
        What::Scalar { f, d, s, imm } => f.act(slots, *d, s, *imm),
        What::Divide { remainder, signed, wide, d, a, b } => {
            let (a, b) = (slots[*a as usize], slots[*b as usize]);
            slots[*d as usize] = divide(*remainder, *signed, *wide, a, b).ok_or(FaultKind::DivisionByZero)?;
        }
        What::Load(transfer) => {
            let address = address(&transfer.at, slots);
            let mut values = [0; 4];
            transfer.load(reach, address, &mut values)?;
            touch(reach, &transfer.at, address, transfer.bytes(), Touch::Read, transfer.later)?;
            for (slot, value) in transfer.data.into_iter().zip(values).take(transfer.count.into()) {
                slots[slot as usize] = value;
            }
        }
        What::Store(transfer) => {
            let address = address(&transfer.at, slots);
            let mut values = [0; 4];
            for (slot, value) in transfer.data.into_iter().zip(&mut values).take(transfer.count.into()) {
                *value = slots[slot as usize];
            }
            touch(reach, &transfer.at, address, transfer.bytes(), Touch::Write, transfer.later)?;
            transfer.store(reach, address, values)?;
        }
        What::Atomic(atomic) => {
            let address = address(&atomic.at, slots);
            let operand = |slot: u32| if slot == NO_SLOT { 0 } else { slots[slot as usize] };
            let (b, c) = (operand(atomic.b), operand(atomic.c));
            touch(reach, &atomic.at, address, atomic.bytes(), Touch::Atomic, false)?;
            let old = atomic.update(reach, address, b, c)?;
            if atomic.d != NO_SLOT {
                slots[atomic.d as usize] = old;
            }
        }
        What::CopyLocal { to, from, len } => reach.copy_local(*to, *from, *len),
        What::Copies(said) => reach.copies(*said)?,
    }
    Ok(())
}

#[inline(always)]
fn address(place: &Place, slots: &[u64]) -> u64 {
    place.address(slots[place.base as usize])
}

#[inline(always)]
fn touch(
    reach: &mut impl Reach,
    place: &Place,
    address: u64,
    len: u32,
    touch: Touch,
    later: bool,
) -> Result<(), FaultKind> {
    let (space, address) = resolve(place.via, address);
    reach.touch(space, address, len, touch, later)
}

impl Transfer {
    /// Loads the elements into the first of `values`, from an address that [`Place::address`] gave.
    ///
    /// # Errors
    /// If they are not aligned as a whole, or do not lie in memory.
    #[inline]
    pub fn load(&self, reach: &mut impl Reach, address: u64, values: &mut [u64; 4]) -> Result<(), FaultKind> {
        let (space, address) = resolve(self.at.via, address);
        aligned(space, address, self.bytes())?;
        for (i, value) in values.iter_mut().enumerate().take(self.count.into()) {
            let address = address.wrapping_add(i as u64 * u64::from(self.size));
            *value = self.extend(reach.get(space, address, self.size.into())?);
        }
        Ok(())
    }

    /// Stores the elements.
    ///
    /// # Errors
    /// As [`Transfer::load`], or if they may only be read. Those before the one that faults are stored then.
    #[inline]
    pub fn store(&self, reach: &mut impl Reach, address: u64, values: [u64; 4]) -> Result<(), FaultKind> {
        let (space, address) = resolve(self.at.via, address);
        aligned(space, address, self.bytes())?;
        for (i, value) in values.into_iter().enumerate().take(self.count.into()) {
            let address = address.wrapping_add(i as u64 * u64::from(self.size));
            reach.put(space, address, self.size.into(), value)?;
        }
        Ok(())
    }
}

impl Atomic {
    /// Changes the number at an address that [`Place::address`] gave; returns what was there.
    ///
    /// # Errors
    /// If it is not aligned, does not lie in global or shared memory, or may only be read.
    #[inline]
    pub fn update(&self, reach: &mut impl Reach, address: u64, b: u64, c: u64) -> Result<u64, FaultKind> {
        let (space, address) = resolve(self.at.via, address);
        let len = self.bytes();
        aligned(space, address, len)?;
        match space {
            Space::Global | Space::Shared => reach.update(space, address, len, |old| self.changed(old, b, c)),
            Space::Local | Space::Param => Err(FaultKind::OutOfBounds { space, address, len }),
        }
    }
}

/// A quotient or a remainder; `None` for a division by zero, whose result PTX leaves open.
#[inline]
fn divide(remainder: bool, signed: bool, wide: bool, a: u64, b: u64) -> Option<u64> {
    if b == 0 {
        return None;
    }
    Some(match (remainder, signed, wide) {
        (false, false, _) => a / b,
        (true, false, _) => a % b,
        (false, true, false) => u64::from((a as i32).wrapping_div(b as i32) as u32),
        (true, true, false) => u64::from((a as i32).wrapping_rem(b as i32) as u32),
        (false, true, true) => (a as i64).wrapping_div(b as i64) as u64,
        (true, true, true) => (a as i64).wrapping_rem(b as i64) as u64,
    })
}

/// What a thread does at the end of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Goes on with this block.
    Block(u32),
    /// Has left the kernel.
    Exited,
    /// Waits at the barrier that ends the block.
    Barrier,
    /// Waits for its warp at the collective that ends the block.
    Collective,
}

impl End {
    /// Where a thread goes.
    ///
    /// # Errors
    /// The fault with which it stops.
    #[inline(always)]
    pub fn follow(&self, slots: &mut [u64]) -> Result<Next, FaultKind> {
        Ok(match self {
            Self::Jump(next) => Next::Block(*next),
            Self::Branch { guard, taken, next } => Next::Block(if guard.holds(slots) { *taken } else { *next }),
            Self::Switch { index, targets } => {
                let index = slots[*index as usize] as u32;
                let target = targets.get(index as usize).copied();
                Next::Block(target.ok_or(FaultKind::BranchIndex { index, targets: targets.len() as u32 })?)
            }
            Self::Call { target, link, back } => {
                slots[*link as usize] = u64::from(*back);
                Next::Block(*target)
            }
            Self::Return { link } => Next::Block(slots[*link as usize] as u32),
            Self::Exit => Next::Exited,
            Self::Barrier { .. } => Next::Barrier,
            Self::Collective { .. } => Next::Collective,
            Self::Trap => return Err(FaultKind::Trap),
            Self::Assert => return Err(FaultKind::Assertion),
        })
    }
}

//! Stores, and copies of parameters. Operands are as in [`super::access`].

use super::access::{ONLY_GLOBAL, Via, addresses, window};
use super::lanes::{Context, LANES, Op, Run};
use crate::error::{FaultKind, Space};
use crate::memory::OFFSET_BITS;

const GENERIC: u8 = 0;
const SHARED: u8 = 1;
const LOCAL: u8 = 2;

/// Stores `size` bytes of each element.
fn store<const SIZE: usize, const SPACE: u8>(context: &mut Context<'_>, op: &Op, mask: u32) {
    let elements = (op.n & 0xff) as usize;
    let addresses = addresses(&context.registers, op, mask);
    for lane in (0..LANES).filter(|lane| mask >> lane & 1 != 0) {
        let (space, base) = match SPACE {
            SHARED => (Space::Shared, addresses[lane]),
            LOCAL => (Space::Local, addresses[lane]),
            _ if addresses[lane] >> OFFSET_BITS != 0 || op.n & ONLY_GLOBAL != 0 => (Space::Global, addresses[lane]),
            _ => window(addresses[lane]),
        };
        if base & (SIZE * elements - 1) as u64 != 0 {
            let kind = FaultKind::Misaligned { space, address: base, len: (SIZE * elements) as u32 };
            return context.fail(op, lane as u32, kind);
        }
        for element in 0..elements {
            let address = base.wrapping_add((element * SIZE) as u64);
            let slot = op.r[element] as usize;
            let value = if SIZE == 8 {
                context.registers.longs[slot].0[lane]
            } else {
                u64::from(context.registers.words[slot].0[lane])
            };
            let done = match space {
                Space::Global => {
                    let memory = context.env.memory;
                    match SIZE {
                        1 => memory.store(address, value as u8),
                        2 => memory.store(address, value as u16),
                        4 => memory.store(address, value as u32),
                        _ => memory.store(address, value),
                    }
                }
                Space::Param => Err(FaultKind::ReadOnly { address }),
                Space::Shared | Space::Local => {
                    let len = context.env.local_len;
                    let bytes = match space {
                        Space::Shared => &mut context.shared[..],
                        _ => &mut context.registers.local[lane * len..(lane + 1) * len],
                    };
                    let start = usize::try_from(address).unwrap_or(usize::MAX);
                    let target = bytes.get_mut(start..).and_then(|rest| rest.get_mut(..SIZE));
                    match target {
                        Some(target) => {
                            target.copy_from_slice(&value.to_le_bytes()[..SIZE]);
                            Ok(())
                        }
                        None => Err(FaultKind::OutOfBounds { space, address, len: SIZE as u32 }),
                    }
                }
            };
            if let Err(kind) = done {
                return context.fail(op, lane as u32, kind);
            }
        }
    }
}

/// The function for a store of elements of `size` bytes.
pub(crate) fn storer(via: Via, size: u32) -> Run {
    match (via, size) {
        (Via::Shared, 1) => store::<1, SHARED>,
        (Via::Shared, 2) => store::<2, SHARED>,
        (Via::Shared, 4) => store::<4, SHARED>,
        (Via::Shared, _) => store::<8, SHARED>,
        (Via::Local, 1) => store::<1, LOCAL>,
        (Via::Local, 2) => store::<2, LOCAL>,
        (Via::Local, 4) => store::<4, LOCAL>,
        (Via::Local, _) => store::<8, LOCAL>,
        (_, 1) => store::<1, GENERIC>,
        (_, 2) => store::<2, GENERIC>,
        (_, 4) => store::<4, GENERIC>,
        _ => store::<8, GENERIC>,
    }
}

/// Copies `imm` bytes of local memory from `r[1]` to `r[0]` in every lane: arguments of a call.
pub(crate) fn copy_local(context: &mut Context<'_>, op: &Op, mask: u32) {
    let len = context.env.local_len;
    for lane in (0..LANES).filter(|lane| mask >> lane & 1 != 0) {
        let from = lane * len + op.r[1] as usize;
        let to = lane * len + op.r[0] as usize;
        context.registers.local.copy_within(from..from + op.imm as usize, to);
    }
}

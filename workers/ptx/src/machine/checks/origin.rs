//! Where a value that nobody wrote comes from.

use crate::error::{Decision, FaultKind, Space};
use crate::ir::{Program, Slot};

/// A register or a byte of memory, and the line that read it before it was written; packed, as every slot of every thread
/// may have one. The default: the slot that has it, which nobody wrote yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Origin(u64);

/// Bits of a line, and of what lies above it.
const LINE: u32 = 24;

impl Origin {
    pub fn register(slot: Slot, line: u32) -> Self {
        Self::pack(1, slot.into(), line)
    }

    pub fn memory(space: Space, address: u64, line: u32) -> Self {
        Self::pack(if space == Space::Shared { 2 } else { 3 }, address, line)
    }

    fn pack(kind: u64, place: u64, line: u32) -> Self {
        Self(kind << 62 | (place & ((1 << 38) - 1)) << LINE | u64::from(line & ((1 << LINE) - 1)))
    }

    /// What is the origin of a value in a slot that a line reads.
    pub fn of(self, slot: Slot, line: u32) -> Self {
        if self == Self::default() { Self::register(slot, line) } else { self }
    }

    /// The fault that says so.
    pub fn fault(self, program: &Program, mut decides: Decision) -> FaultKind {
        decides.read = (self.0 & ((1 << LINE) - 1)) as u32;
        let (place, decides) = (self.0 >> LINE & ((1 << 38) - 1), Box::new(decides));
        match self.0 >> 62 {
            2 => FaultKind::UnwrittenMemory { space: Space::Shared, address: place, decides },
            3 => FaultKind::UnwrittenMemory { space: Space::Local, address: place, decides },
            _ => FaultKind::UnwrittenRegister { name: program.name(place as Slot).unwrap_or_default().into(), decides },
        }
    }
}

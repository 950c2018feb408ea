//! Values that lanes read from each other.

use super::{Warp, lanes_of, values};
use crate::fault::FaultKind;
use crate::ir::{NO_SLOT, Slot};

/// How a shuffle finds the lane to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shuffle {
    /// So many lanes below.
    Up,
    /// So many lanes above.
    Down,
    /// The lane whose number differs in these bits.
    Butterfly,
    /// The lane with this number.
    Index,
}

impl Shuffle {
    /// The lane that a lane reads, and whether that lies in its segment: where it does not, a lane reads itself.
    #[must_use]
    pub fn source(self, lane: usize, b: u32, c: u32) -> (usize, bool) {
        let (own, b) = (lane as i32, (b & 31) as i32);
        let (clamp, segment) = ((c & 31) as i32, (c >> 8 & 31) as i32);
        let last = (own & segment) | (clamp & !segment);
        let first = own & segment;
        let (from, valid) = match self {
            Self::Up => (own - b, own - b >= last),
            Self::Down => (own + b, own + b <= last),
            Self::Butterfly => (own ^ b, own ^ b <= last),
            Self::Index => (first | (b & !segment), first | (b & !segment) <= last),
        };
        (if valid { from as usize & 31 } else { lane }, valid)
    }
}

/// Gives the lanes of a mask what the lanes that they name hold.
pub(super) fn run(
    warp: &mut Warp<'_>,
    active: u32,
    mode: Shuffle,
    [d, mask, a, b, c]: [Slot; 5],
) -> Result<(), (u32, FaultKind)> {
    let [a, b, c] = [a, b, c].map(|slot| values(warp, slot, active).map(|value| value as u32));
    for lane in lanes_of(active) {
        let (from, valid) = mode.source(lane, b[lane], c[lane]);
        if active >> from & 1 == 0 {
            return Err((lane as u32, FaultKind::InactiveLane { lane: from as u32 }));
        }
        if d != NO_SLOT {
            warp.put(d, lane, a[from]);
        }
        if mask != NO_SLOT {
            warp.put(mask, lane, valid);
        }
    }
    Ok(())
}

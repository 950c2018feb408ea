//! Where unwritten values go when lanes of a warp execute an instruction together.

use super::origin::Origin;
use super::registers::{Registers, of_class};
use crate::collective::{Collective, LANES, ROW, Warp};
use crate::error::{Effect, FaultKind};
use crate::ir::{NO_SLOT, Place, Slot};

/// Lanes of a warp that starts with thread `first` are about to execute an instruction at a line.
pub(crate) struct Together<'a> {
    pub what: &'a Collective,
    pub line: u32,
    pub first: usize,
    pub lanes: u32,
    /// What their slots hold.
    pub warp: &'a Warp<'a>,
}

impl Together<'_> {
    fn lanes(&self) -> impl Iterator<Item = usize> + use<> {
        let lanes = self.lanes;
        (0..LANES).filter(move |lane| lanes >> lane & 1 != 0)
    }
}

impl Registers<'_> {
    /// Follows what is unwritten through the instruction. An error names the lane.
    pub fn together(&mut self, at: &Together<'_>) -> Result<(), (u32, FaultKind)> {
        if let Some((place, named)) = at.what.rows() {
            return self.matrices(at, place, named);
        }
        let (reads, writes) = at.what.slots();
        let base = |lane: usize| (at.first + lane) * self.stride;
        let inputs = at.lanes().flat_map(|lane| reads.map(|slot| (lane, slot)));
        let mut unwritten = inputs.filter(|(lane, slot)| *slot != NO_SLOT && self.bits(base(*lane), *slot) != 0);
        let from = unwritten.next().map(|(lane, slot)| (u64::MAX, self.origin(base(lane), slot, at.line)));
        let results = |lane: usize| match from {
            None => [(0, Origin::default()); 2],
            Some(from) => self.shuffled(at, lane).unwrap_or([from; 2]),
        };
        let results: Vec<_> = at.lanes().map(|lane| (lane, results(lane))).collect();
        for (lane, results) in results {
            for (i, slot) in writes.into_iter().enumerate().filter(|(_, slot)| *slot != NO_SLOT) {
                let (bits, origin) = results[i.min(1)];
                let bits = bits & of_class(self.program.slots[slot as usize]);
                self.put((at.first + lane) * self.stride, slot, bits, origin);
            }
        }
        Ok(())
    }

    /// What a shuffle brings a lane, and the predicate beside it; nothing where it is no shuffle, or where it is unwritten
    /// which lane is read. Other instructions combine what lanes give them.
    fn shuffled(&self, at: &Together<'_>, lane: usize) -> Option<[(u64, Origin); 2]> {
        let Collective::Shuffle { mode, a, b, c, .. } = *at.what else { return None };
        let base = |lane: usize| (at.first + lane) * self.stride;
        let known = self.bits(base(lane), b) | self.bits(base(lane), c) == 0;
        known.then(|| {
            let (from, _) = mode.source(lane, at.warp.word(b, lane), at.warp.word(c, lane));
            // Of a lane that takes no part nothing is read.
            let bits = if at.lanes >> from & 1 == 0 { 0 } else { self.bits(base(from), a) };
            let origin = if bits == 0 { Origin::default() } else { self.origin(base(from), a, at.line) };
            [(bits, origin), (0, Origin::default())]
        })
    }

    /// Rows of shared memory: their unwritten bits go to the lanes as the elements do.
    fn matrices(&mut self, at: &Together<'_>, place: &Place, named: u32) -> Result<(), (u32, FaultKind)> {
        let (mut rows, mut origin) = ([[0; ROW]; LANES], Origin::default());
        for lane in at.lanes().filter(|lane| named >> lane & 1 != 0) {
            let base = (at.first + lane) * self.stride;
            let decided = self.decides(base, place.base, Effect::Address, at.line);
            decided.map_err(|kind| (lane as u32, kind))?;
            let (_, address) = place.resolve(at.warp.long(place.base, lane));
            for (i, byte) in rows[lane].iter_mut().enumerate() {
                let (bits, from) = self.shared.load(address.wrapping_add(i as u64), 1, at.line);
                if bits != 0 {
                    (*byte, origin) = (0xff, from);
                }
            }
        }
        let results: [Slot; 4] = at.what.slots().1;
        let mut bits = Warp::new(&mut self.unwritten[at.first * self.stride..], self.stride);
        // Where it cannot be executed, the instruction itself says so.
        if at.what.run(&mut bits, at.lanes, &rows).is_ok() {
            for lane in at.lanes() {
                for slot in results.into_iter().filter(|slot| *slot != NO_SLOT) {
                    let base = (at.first + lane) * self.stride;
                    self.put(base, slot, self.bits(base, slot), origin);
                }
            }
        }
        Ok(())
    }
}

//! Who touched each word or byte, as far as a later access may race with it.

use crate::error::Touch;

/// One access in 64 bits. 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark(u64);

/// Bits of [`Mark::group`].
pub(super) const GROUP_BITS: u32 = 28;

impl Mark {
    /// `group`: a block, or the time between two barriers.
    pub fn new(group: u32, thread: u32, line: u32, touch: Touch) -> Self {
        let kind = match touch {
            Touch::Read => 1,
            Touch::Write => 2,
            Touch::Atomic => 3,
        };
        Self(u64::from(group) << 36 | u64::from(thread & 0x3ff) << 26 | u64::from(line & 0xff_ffff) << 2 | kind)
    }

    pub fn group(self) -> u32 {
        (self.0 >> 36) as u32
    }

    pub fn thread(self) -> u32 {
        (self.0 >> 26) as u32 & 0x3ff
    }

    pub fn line(self) -> u32 {
        (self.0 >> 2) as u32 & 0xff_ffff
    }

    pub fn touch(self) -> Option<Touch> {
        [None, Some(Touch::Read), Some(Touch::Write), Some(Touch::Atomic)][(self.0 & 3) as usize]
    }
}

/// Whether two accesses of the same bytes need an order.
pub(super) fn conflict(a: Touch, b: Touch) -> bool {
    a != b || a == Touch::Write
}

/// Accesses of the same word or byte by parties of which none is ordered before another.
///
/// Two marks are enough to find every race: one party needs its write, which is in conflict with everything, or its read
/// and its atomic; several parties can only all have read, or all have used atomics, and then two of them are kept, at
/// least one of which is not the next one to come.
pub(super) type Cell = [Mark; 2];

/// Adds an access. `party` tells whose a mark is. Returns one with which it races.
pub(super) fn add(cell: &mut Cell, new: Mark, touch: Touch, party: impl Fn(Mark) -> u32) -> Result<(), Mark> {
    let own = party(new);
    let mut mine = false;
    for mark in *cell {
        let Some(there) = mark.touch() else { continue };
        if party(mark) != own {
            if conflict(there, touch) {
                return Err(mark);
            }
        } else if there == Touch::Write || there == touch {
            mine = true;
        }
    }
    if mine {
        return Ok(());
    }
    match touch {
        Touch::Write => *cell = [new, Mark::default()],
        _ if cell[0] == Mark::default() => cell[0] = new,
        _ if cell[1] == Mark::default() => cell[1] = new,
        _ => {}
    }
    Ok(())
}

/// Cells of a stretch of memory: one for each word, and one for each byte once something smaller is touched.
#[derive(Debug)]
pub(super) struct Cells {
    /// Bytes of a cell as a power of two: 2 or 0.
    shift: u32,
    cells: Vec<Cell>,
}

impl Cells {
    pub fn new(len: usize) -> Self {
        Self { shift: 2, cells: vec![Cell::default(); len.div_ceil(4)] }
    }

    pub fn clear(&mut self) {
        self.cells.fill(Cell::default());
    }

    /// The cells of some bytes, each with its first byte; nothing outside.
    pub fn of(&mut self, at: usize, len: usize) -> impl Iterator<Item = (usize, &mut Cell)> {
        if self.shift == 2 && (at | len) & 3 != 0 {
            self.shift = 0;
            self.cells = self.cells.iter().flat_map(|cell| [*cell; 4]).collect();
        }
        let shift = self.shift;
        let cells = self.cells.get_mut(at >> shift..(at + len) >> shift).unwrap_or_default();
        cells.iter_mut().enumerate().map(move |(i, cell)| (at + (i << shift), cell))
    }
}

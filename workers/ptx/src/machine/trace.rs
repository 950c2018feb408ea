//! Tells what the threads of one block do, step by step.

use super::observer::Observer;
use super::threads::Shape;
use crate::error::Space;
use crate::ir::{NO_SLOT, Op, Place, Program, Slot, What};

/// Which threads to trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// The block, in x, y, z.
    pub block: [u32; 3],
    /// One of its threads, in x, y, z; `None` for all.
    pub thread: Option<[u32; 3]>,
}

/// What an instruction wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written<'a> {
    /// A register.
    Register {
        /// Its name in the text.
        name: &'a str,
        /// Its bits.
        value: u64,
    },
    /// A number in memory.
    Memory {
        /// The space.
        space: Space,
        /// Its address there.
        address: u64,
        /// Its bytes.
        len: u32,
        /// Its bits.
        value: u64,
    },
}

/// One instruction of one thread, after it took place. Instructions that write nothing (branches, barriers, those whose
/// guard is false) are no steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// Block index in x, y, z.
    pub block: [u32; 3],
    /// Thread index in x, y, z.
    pub thread: [u32; 3],
    /// Line of the module, from 1.
    pub line: u32,
    /// What was written.
    pub written: Vec<Written<'a>>,
}

/// Gathers the operations of each instruction.
pub(super) struct Tracer<'a, 'b> {
    program: &'a Program,
    shape: Shape,
    thread: Option<[u32; 3]>,
    report: &'b mut dyn FnMut(Step<'_>),
    /// Thread and step at work, and its last operation.
    open: Option<(u32, Step<'a>, *const Op)>,
}

impl<'a, 'b> Tracer<'a, 'b> {
    pub fn new(
        program: &'a Program,
        shape: Shape,
        thread: Option<[u32; 3]>,
        report: &'b mut dyn FnMut(Step<'_>),
    ) -> Self {
        Self { program, shape, thread, report, open: None }
    }

    fn register(&self, slot: Slot, slots: &[u64]) -> Option<Written<'a>> {
        Some(Written::Register { name: self.program.name(slot)?, value: slots[slot as usize] })
    }

    fn add(&mut self, thread: u32, line: u32, op: *const Op, written: impl IntoIterator<Item = Written<'a>>) {
        let coordinates = self.shape.thread(thread as usize);
        if self.thread.is_some_and(|wanted| wanted != coordinates) {
            return;
        }
        // Operations of one instruction lie one behind the other; a jump back starts the instruction again.
        let same = |(other, step, last): &(u32, Step<'a>, *const Op)| {
            *other == thread && step.line == line && op.cast::<u8>() > last.cast::<u8>()
        };
        if !self.open.as_ref().is_some_and(same) {
            self.flush();
            let step = Step { block: self.shape.block, thread: coordinates, line, written: Vec::new() };
            self.open = Some((thread, step, op));
        }
        if let Some((_, step, last)) = &mut self.open {
            *last = op;
            for new in written {
                if let Written::Register { name, .. } = &new {
                    step.written.retain(|old| !matches!(old, Written::Register { name: other, .. } if other == name));
                }
                step.written.push(new);
            }
        }
    }

    fn flush(&mut self) {
        if let Some((_, step, _)) = self.open.take()
            && !step.written.is_empty()
        {
            (self.report)(step);
        }
    }
}

impl Drop for Tracer<'_, '_> {
    fn drop(&mut self) {
        self.flush();
    }
}

impl Observer for Tracer<'_, '_> {
    const OBSERVES: bool = false;
    const TRACES: bool = true;

    fn step(&mut self, thread: u32, op: &Op, slots: &[u64]) {
        let memory = |place: &Place, i: u8, len: u8, value: u64| {
            let (space, address) = place.resolve(slots[place.base as usize]);
            let address = address.wrapping_add(u64::from(i) * u64::from(len));
            Written::Memory { space, address, len: len.into(), value }
        };
        let mut written = Vec::new();
        match &op.what {
            What::Scalar { d, .. } | What::Divide { d, .. } => written.extend(self.register(*d, slots)),
            What::Load(transfer) => {
                let data = transfer.data.iter().take(transfer.count.into());
                written.extend(data.filter_map(|slot| self.register(*slot, slots)));
            }
            What::Store(transfer) => {
                let data = (0..transfer.count).zip(transfer.data);
                written.extend(data.map(|(i, slot)| memory(&transfer.at, i, transfer.size, slots[slot as usize])));
            }
            What::Atomic(atomic) if atomic.d != NO_SLOT => written.extend(self.register(atomic.d, slots)),
            What::Atomic(_) | What::CopyLocal { .. } | What::Copies(_) => {}
        }
        self.add(thread, op.line, op, written);
    }

    fn together(&mut self, thread: u32, line: u32, results: &[Slot], slots: &[u64]) {
        let results = results.iter().filter(|slot| **slot != NO_SLOT);
        let written: Vec<_> = results.filter_map(|slot| self.register(*slot, slots)).collect();
        self.add(thread, line, core::ptr::null(), written);
    }
}

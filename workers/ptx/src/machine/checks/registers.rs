//! Follows values that nobody wrote, as valgrind does: they may be copied, computed with and put into shared and local
//! memory; a fault is where one decides something that a result can show ([`Effect`]).
//!
//! Compilers do copy such values: of two sides of a selection only one need be set, and a structure has gaps.

use super::bits;
use super::origin::Origin;
use super::written::Written;
use crate::error::{Decision, Effect, FaultKind, Space};
use crate::ir::{Class, End, NO_SLOT, Op, Program, Slot, Transfer, What};

/// All bits of a class.
pub(super) fn of_class(class: Class) -> u64 {
    match class {
        Class::Mask => 1,
        Class::Word => u32::MAX.into(),
        Class::Long => u64::MAX,
    }
}

/// What is unwritten in the threads of one block.
pub(super) struct Registers<'a> {
    pub(super) program: &'a Program,
    /// Unwritten bits of the slots, laid out as the slots are.
    pub(super) unwritten: Vec<u64>,
    /// Where they come from.
    origins: Vec<Origin>,
    /// Distance between the slots of a thread and the next.
    pub(super) stride: usize,
    /// Unwritten bits of a thread that starts: all of its registers.
    fresh: Vec<u64>,
    pub(super) shared: Written,
    local: Vec<Written>,
}

impl<'a> Registers<'a> {
    pub fn new(program: &'a Program, threads: usize, shared_len: usize) -> Self {
        let mut fresh = vec![0; program.slots.len()];
        for (slot, _) in &program.names {
            fresh[*slot as usize] = of_class(program.slots[*slot as usize]);
        }
        let (frames, stride) = if program.waits() { (threads, fresh.len()) } else { (1, 0) };
        Self {
            program,
            unwritten: fresh.repeat(frames),
            origins: vec![Origin::default(); fresh.len() * frames],
            stride,
            fresh,
            shared: Written::new(Space::Shared, shared_len),
            local: (0..threads).map(|_| Written::new(Space::Local, program.local_len)).collect(),
        }
    }

    /// A block of the grid starts.
    pub fn start(&mut self) {
        self.shared.clear();
        self.local.iter_mut().for_each(Written::clear);
    }

    /// A thread starts.
    pub fn enter(&mut self, thread: u32) {
        let base = thread as usize * self.stride;
        self.unwritten[base..][..self.fresh.len()].copy_from_slice(&self.fresh);
        self.origins[base..][..self.fresh.len()].fill(Origin::default());
    }

    /// A thread is about to look at an operation, with these values in its slots.
    #[inline]
    pub fn before(&mut self, thread: u32, op: &Op, slots: &[u64]) -> Result<(), FaultKind> {
        let base = thread as usize * self.stride;
        if let Some(guard) = op.guard {
            self.decides(base, guard.slot, Effect::Guard, op.line)?;
            if (slots[guard.slot as usize] != 0) == guard.negated {
                return Ok(());
            }
        }
        match &op.what {
            What::Scalar { d, s, .. } => {
                if s.map(|slot| self.bits(base, slot)) == [0; 3] {
                    self.unwritten[base + *d as usize] = 0;
                } else {
                    self.spread(base, &op.what, slots, op.line);
                }
            }
            What::Divide { wide, d, a, b, .. } => {
                self.decides(base, *b, Effect::Divisor, op.line)?;
                let all = if *wide { u64::MAX } else { u32::MAX.into() };
                let bits = if self.bits(base, *a) == 0 { 0 } else { all };
                self.put(base, *d, bits, self.origin(base, *a, op.line));
            }
            What::Load(transfer) => self.load(thread, transfer, slots, op.line)?,
            What::Store(transfer) => self.store(thread, transfer, slots, op.line)?,
            What::Atomic(atomic) => {
                self.decides(base, atomic.at.base, Effect::Address, op.line)?;
                for operand in [atomic.b, atomic.c].into_iter().filter(|slot| *slot != NO_SLOT) {
                    self.decides(base, operand, Effect::Atomic, op.line)?;
                }
                let (space, address) = atomic.at.resolve(slots[atomic.at.base as usize]);
                if space == Space::Shared {
                    let (bits, origin) = self.shared.load(address, if atomic.wide { 8 } else { 4 }, op.line);
                    if bits != 0 {
                        let decides = Decision { effect: Effect::Atomic, register: None, read: 0 };
                        return Err(origin.fault(self.program, decides));
                    }
                }
                if atomic.d != NO_SLOT {
                    self.unwritten[base + atomic.d as usize] = 0;
                }
            }
            What::CopyLocal { to, from, len } => {
                let [to, from, len] = [*to, *from, *len].map(|n| n as usize);
                self.local[thread as usize].copy(to, from, len, op.line);
            }
            What::Copies(_) => {}
        }
        Ok(())
    }

    /// A thread is about to end a block of code.
    #[inline]
    pub fn ending(&mut self, thread: u32, end: &End, line: u32) -> Result<(), FaultKind> {
        let base = thread as usize * self.stride;
        match end {
            End::Branch { guard, .. } => self.decides(base, guard.slot, Effect::Branch, line)?,
            End::Switch { index, .. } => self.decides(base, *index, Effect::Branch, line)?,
            End::Call { target, .. } => self.call(thread, *target),
            End::Barrier { id, count, reduction, .. } => {
                let p = reduction.map_or(NO_SLOT, |reduction| reduction.p);
                for slot in [*id, *count, p].into_iter().filter(|slot| *slot != NO_SLOT) {
                    self.decides(base, slot, Effect::Barrier, line)?;
                }
                if let Some(reduction) = reduction {
                    self.unwritten[base + reduction.d as usize] = 0;
                }
            }
            End::Collective { members, .. } => self.decides(base, *members, Effect::Lanes, line)?,
            End::Jump(_) | End::Return { .. } | End::Exit | End::Trap | End::Assert => {}
        }
        Ok(())
    }

    /// A fault if a slot holds unwritten bits.
    #[inline]
    pub(super) fn decides(&self, base: usize, slot: Slot, effect: Effect, line: u32) -> Result<(), FaultKind> {
        if self.unwritten[base + slot as usize] == 0 { Ok(()) } else { Err(self.fault(base, slot, effect, line)) }
    }

    #[cold]
    fn fault(&self, base: usize, slot: Slot, effect: Effect, line: u32) -> FaultKind {
        let register = self.program.name(slot).map(Into::into);
        self.origin(base, slot, line).fault(self.program, Decision { effect, register, read: 0 })
    }

    /// Where the unwritten bits of a slot come from that a line reads.
    pub(super) fn origin(&self, base: usize, slot: Slot, line: u32) -> Origin {
        self.origins[base + slot as usize].of(slot, line)
    }

    pub(super) fn bits(&self, base: usize, slot: Slot) -> u64 {
        self.unwritten[base + slot as usize]
    }

    pub(super) fn put(&mut self, base: usize, slot: Slot, bits: u64, origin: Origin) {
        self.unwritten[base + slot as usize] = bits;
        if bits != 0 {
            self.origins[base + slot as usize] = origin;
        }
    }

    /// A result some of whose operands have unwritten bits.
    #[cold]
    fn spread(&mut self, base: usize, what: &What, slots: &[u64], line: u32) {
        if let What::Scalar { f, d, s, imm } = what {
            let of = s.map(|slot| self.bits(base, slot));
            let (bits, from) = bits::unwritten(*f, *imm, s.map(|slot| slots[slot as usize]), of);
            self.put(base, *d, bits, self.origin(base, s[from], line));
        }
    }

    fn load(&mut self, thread: u32, transfer: &Transfer, slots: &[u64], line: u32) -> Result<(), FaultKind> {
        let base = thread as usize * self.stride;
        self.decides(base, transfer.at.base, Effect::Address, line)?;
        let (space, address) = transfer.at.resolve(slots[transfer.at.base as usize]);
        for (i, slot) in transfer.data.into_iter().enumerate().take(transfer.count.into()) {
            let at = address.wrapping_add((i * usize::from(transfer.size)) as u64);
            let (bits, origin) = match space {
                Space::Shared => self.shared.load(at, transfer.size.into(), line),
                Space::Local => self.local[thread as usize].load(at, transfer.size.into(), line),
                // Buffers and parameters are written before a launch.
                Space::Global | Space::Param => (0, Origin::default()),
            };
            self.put(base, slot, transfer.extend(bits), origin);
        }
        Ok(())
    }

    fn store(&mut self, thread: u32, transfer: &Transfer, slots: &[u64], line: u32) -> Result<(), FaultKind> {
        let base = thread as usize * self.stride;
        self.decides(base, transfer.at.base, Effect::Address, line)?;
        let (space, address) = transfer.at.resolve(slots[transfer.at.base as usize]);
        let size = usize::from(transfer.size);
        for (i, slot) in transfer.data.into_iter().enumerate().take(transfer.count.into()) {
            let bits = self.bits(base, slot) & (u64::MAX >> (64 - 8 * size));
            let memory = match space {
                Space::Shared => &mut self.shared,
                Space::Local => &mut self.local[thread as usize],
                Space::Global | Space::Param if bits == 0 => continue,
                Space::Global | Space::Param => return Err(self.fault(base, slot, Effect::Store, line)),
            };
            let origin = if bits == 0 { Origin::default() } else { self.origins[base + slot as usize].of(slot, line) };
            memory.store(address.wrapping_add((i * size) as u64), size, bits, origin);
        }
        Ok(())
    }

    /// A call: what the function has of its own is unwritten again.
    fn call(&mut self, thread: u32, entry: u32) {
        let program = self.program;
        let Ok(at) = program.functions.binary_search_by_key(&entry, |function| function.entry) else { return };
        let (base, function) = (thread as usize * self.stride, &program.functions[at]);
        for (slot, _) in &program.names[function.registers.clone()] {
            self.put(base, *slot, self.fresh[*slot as usize], Origin::default());
        }
        self.local[thread as usize].forget(function.local.start, function.local.len());
    }
}

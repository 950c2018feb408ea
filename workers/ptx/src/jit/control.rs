//! The threads of a range, and how blocks of code follow each other.

use std::mem::offset_of;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I32, I64};
use cranelift_codegen::ir::{Block, InstBuilder, TrapCode, Value};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::Switch;

use super::context::Region;
use super::context::{Context, status, zero};
use super::slots;
use super::translate::{FIXED, SHARED, Translator};
use crate::ir::{Class, End, NO_SLOT, Slot, Special};
use crate::machine::{Meter, State};

/// Most bytes of local memory that compiled code zeroes by itself.
const SMALL: usize = 128;

/// A state as compiled code stores it.
fn encode(state: State) -> u64 {
    let (variant, number) = match state {
        State::Ready(at) => (0, at),
        State::Barrier(at) => (1, at),
        State::Collective(at) => (2, at),
        State::Exited => (3, 0),
    };
    u64::from(number) << 32 | variant
}

impl Translator<'_, '_> {
    /// Translates the whole program.
    pub fn program(mut self, config: TargetFrontendConfig) {
        let program = self.program;
        self.threads();
        // A block is sealed once the code before it stands.
        let flow = &self.prepared.flow;
        let mut waiting = vec![0usize; program.blocks.len()];
        for at in (0..program.blocks.len()).filter(|at| flow.reached[*at]) {
            if slots::resumes_at(&program.blocks[at].end).is_none() {
                flow.successors[at].iter().for_each(|next| waiting[*next as usize] += 1);
            }
        }
        for at in (0..program.blocks.len()).filter(|at| flow.reached[*at]) {
            if waiting[at] == 0 {
                self.b.seal_block(self.blocks[at]);
            }
        }
        for at in (0..program.blocks.len()).filter(|at| flow.reached[*at]) {
            self.b.switch_to_block(self.blocks[at]);
            self.block(at as u32);
            if slots::resumes_at(&program.blocks[at].end).is_none() {
                for next in &flow.successors[at] {
                    waiting[*next as usize] -= 1;
                    if waiting[*next as usize] == 0 {
                        self.b.seal_block(self.blocks[*next as usize]);
                    }
                }
            }
        }
        self.enter(self.leave);
        self.flush();
        let status = self.b.ins().load(I32, SHARED, self.context, offset_of!(Context, status) as i32);
        self.b.ins().return_(&[status]);
        self.b.seal_all_blocks();
        self.b.finalize(config);
    }

    /// The loop over threads, from which threads start and go on.
    fn threads(&mut self) {
        let entry = self.b.current_block().unwrap_or(self.next);
        let (first, end) = (self.b.block_params(entry)[1], self.b.block_params(entry)[2]);
        let meter = self.meter();
        let gas = self.b.ins().load(I64, SHARED, meter, offset_of!(Meter, gas) as i32);
        self.b.def_var(self.gas, gas);
        self.b.def_var(self.thread, first);
        // Coordinates that no one asks for are not counted.
        let asked = self.program.specials.iter().filter_map(|(special, _)| match special {
            Special::Thread(axis) => Some(usize::from(*axis) + 1),
            _ => None,
        });
        let asked = asked.max().unwrap_or_default();
        let mut rest = first;
        let mut lengths = Vec::new();
        for axis in 0..asked {
            let length = self.fixed(I32, offset_of!(Context, threads) + 4 * axis);
            let at = self.b.ins().urem(rest, length);
            self.b.def_var(self.at[axis], at);
            rest = self.b.ins().udiv(rest, length);
            lengths.push(length);
        }
        let (head, body, done) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
        self.b.ins().jump(head, &[]);

        self.b.switch_to_block(self.next);
        let thread = self.b.use_var(self.thread);
        let thread = self.b.ins().iadd_imm_u(thread, 1);
        self.b.def_var(self.thread, thread);
        let mut carry = None;
        for (axis, length) in lengths.into_iter().enumerate() {
            let at = self.b.use_var(self.at[axis]);
            let more = self.b.ins().iadd_imm_u(at, 1);
            let more = carry.map_or(more, |carry| self.b.ins().select(carry, more, at));
            let full = self.b.ins().icmp(IntCC::Equal, more, length);
            let zero = self.number(I32, 0);
            let wrapped = self.b.ins().select(full, zero, more);
            self.b.def_var(self.at[axis], wrapped);
            carry = Some(full);
        }
        self.b.ins().jump(head, &[]);

        self.b.switch_to_block(head);
        let thread = self.b.use_var(self.thread);
        let more = self.b.ins().icmp(IntCC::UnsignedLessThan, thread, end);
        self.b.ins().brif(more, body, &[], done, &[]);
        self.enter(done);
        self.flush();
        let status = self.number(I32, status::DONE as u64);
        self.b.ins().return_(&[status]);

        self.enter(body);
        let start = self.b.create_block();
        if self.program.waits() {
            let state = self.state();
            let state = self.b.ins().load(I64, SHARED, state, 0);
            let number = self.b.ins().ushr_imm_u(state, 32);
            let number = self.b.ins().ireduce(I32, number);
            let variant = self.b.ins().ireduce(I32, state);
            let ready = self.b.create_block();
            self.b.ins().brif(variant, self.next, &[], ready, &[]);
            self.enter(ready);
            let mut switch = Switch::new();
            switch.set_entry(self.program.entry.into(), start);
            let mut resumes: Vec<u32> = (0..self.program.blocks.len())
                .filter(|at| self.prepared.flow.reached[*at])
                .filter_map(|at| slots::resumes_at(&self.program.blocks[at].end))
                .collect();
            resumes.sort_unstable();
            resumes.dedup();
            let resumes: Vec<(u32, Block)> = resumes.into_iter().map(|at| (at, self.b.create_block())).collect();
            resumes.iter().for_each(|(at, block)| switch.set_entry((*at).into(), *block));
            let lost = self.cold_block();
            switch.emit(&mut self.b, number, lost);
            self.enter(lost);
            self.b.ins().trap(TrapCode::unwrap_user(1));
            for (at, block) in resumes {
                self.enter(block);
                self.note_thread();
                self.restore(at);
                self.b.ins().jump(self.blocks[at as usize], &[]);
            }
        } else {
            self.b.ins().jump(start, &[]);
        }
        self.enter(start);
        self.note_thread();
        self.start();
        self.b.ins().jump(self.blocks[self.program.entry as usize], &[]);
    }

    /// A thread starts: registers that may be read before they are written are zero, and so is local memory.
    fn start(&mut self) {
        self.clear_vectors();
        let live: Vec<Slot> = self.prepared.live_in[self.program.entry as usize].iter().collect();
        for slot in live {
            let zero = match self.program.slots[slot as usize] {
                Class::Word => self.number(I32, 0),
                Class::Long => self.number(I64, 0),
                Class::Mask => self.number(I8, 0),
            };
            self.set(slot, zero);
        }
        let len = self.program.local_len;
        if len == 0 {
            return;
        }
        let local = self.local();
        if len <= SMALL {
            let zero = self.number(I64, 0);
            for at in (0..len).step_by(8) {
                self.b.ins().store(SHARED, zero, local, at as i32);
            }
        } else {
            let (function, len) = (self.number(I64, zero as *const () as u64), self.number(I64, len as u64));
            self.b.ins().call_indirect(self.callees.zero, function, &[local, len]);
        }
    }

    /// Local memory of the thread.
    pub fn local(&mut self) -> Value {
        let local = self.fixed(I64, offset_of!(Context, local));
        if self.program.waits() { self.of_thread(local, self.program.local_len) } else { local }
    }

    /// The place of the thread among things that lie at a distance.
    fn of_thread(&mut self, first: Value, distance: usize) -> Value {
        let thread = self.b.use_var(self.thread);
        let thread = self.b.ins().uextend(I64, thread);
        let offset = self.b.ins().imul_imm_u(thread, distance as i64);
        self.b.ins().iadd(first, offset)
    }

    fn state(&mut self) -> Value {
        let states = self.fixed(I64, offset_of!(Context, states));
        self.of_thread(states, size_of::<State>())
    }

    fn frame(&mut self) -> Value {
        let frames = self.fixed(I64, offset_of!(Context, frames));
        self.of_thread(frames, 8 * self.prepared.kept)
    }

    fn meter(&mut self) -> Value {
        self.fixed(I64, offset_of!(Context, meter))
    }

    /// Tells whoever is called, or blames, which thread is at work.
    fn note_thread(&mut self) {
        let thread = self.b.use_var(self.thread);
        self.b.ins().store(SHARED, thread, self.context, offset_of!(Context, thread) as i32);
    }

    /// Tells the meter what was spent.
    fn flush(&mut self) {
        let (gas, meter) = (self.b.use_var(self.gas), self.meter());
        self.b.ins().store(SHARED, gas, meter, offset_of!(Meter, gas) as i32);
    }

    fn store_state(&mut self, state: State) {
        let (at, state) = (self.state(), self.number(I64, encode(state)));
        self.b.ins().store(SHARED, state, at, 0);
    }

    /// Loads what a thread kept while it waited.
    fn restore(&mut self, at: u32) {
        self.clear_vectors();
        let frame = self.frame();
        let live: Vec<Slot> = self.prepared.live_in[at as usize].iter().collect();
        for slot in live {
            let known = self.known(slot);
            let value = self.b.ins().load(known.ty, SHARED, frame, slot as i32 * 8);
            if known.root.is_some() { self.set(slot, value) } else { self.set_raw(slot, value) }
        }
    }

    /// The thread waits: keeps what is live afterwards, and what others look at.
    fn wait(&mut self, state: State, end: &End, next: u32) {
        let mut seen = Vec::new();
        slots::of_end(end, |slot, how| {
            if how == slots::Use::Read && !seen.contains(&slot) {
                seen.push(slot);
            }
        });
        let mut written = Vec::new();
        slots::of_end(end, |slot, how| {
            if how == slots::Use::Write {
                written.push(slot);
            }
        });
        let frame = self.frame();
        for slot in seen.iter().copied() {
            if self.known(slot).constant.is_some() {
                continue;
            }
            let value = self.bits(slot, I64);
            self.b.ins().store(SHARED, value, frame, slot as i32 * 8);
        }
        let live: Vec<Slot> = self.prepared.live_in[next as usize].iter().collect();
        for slot in live.into_iter().filter(|slot| !seen.contains(slot) && !written.contains(slot)) {
            let value = if self.known(slot).root.is_some() { self.long(slot) } else { self.raw(slot) };
            self.b.ins().store(SHARED, value, frame, slot as i32 * 8);
        }
        self.store_state(state);
        self.b.ins().jump(self.next, &[]);
    }

    /// Leaves with a status and the line to blame.
    pub fn fault(&mut self, status: i32, line: u32) {
        let (status, line) = (self.number(I32, status as u64), self.number(I32, line.into()));
        self.b.ins().store(SHARED, status, self.context, offset_of!(Context, status) as i32);
        self.b.ins().store(SHARED, line, self.context, offset_of!(Context, line) as i32);
        self.b.ins().jump(self.leave, &[]);
    }

    /// Leaves if what was called says so; goes on otherwise.
    pub fn leave_on_fault(&mut self) {
        let status = self.b.ins().load(I32, SHARED, self.context, offset_of!(Context, status) as i32);
        let fine = self.cold_block();
        self.b.ins().brif(status, self.leave, &[], fine, &[]);
        self.enter(fine);
    }

    fn block(&mut self, at: u32) {
        let program = self.program;
        let block = &program.blocks[at as usize];
        if block.gas > 0 {
            let gas = self.b.use_var(self.gas);
            let gas = self.b.ins().iadd_imm_u(gas, i64::from(block.gas));
            self.b.def_var(self.gas, gas);
        }
        self.operations(block.ops.clone());
        if block.end.goes_back(at) {
            self.check_gas(block.line);
        }
        let blocks = std::rc::Rc::clone(&self.blocks);
        let target = |at: u32| blocks[at as usize];

        match &block.end {
            End::Jump(next) => {
                self.b.ins().jump(self.blocks[*next as usize], &[]);
            }
            End::Branch { guard, taken, next } => {
                let acts = self.mask(guard.slot);
                let (taken, next) = (target(*taken), target(*next));
                let (taken, next) = if guard.negated { (next, taken) } else { (taken, next) };
                self.b.ins().brif(acts, taken, &[], next, &[]);
            }
            End::Switch { index, targets } => self.switch(*index, targets, block.line),
            End::Call { target: function, link, back } => {
                let back = self.number(I32, (*back).into());
                self.set(*link, back);
                self.b.ins().jump(target(*function), &[]);
            }
            End::Return { link } => {
                let mut places = self.prepared.flow.returns.get(link).cloned().unwrap_or_default();
                places.sort_unstable();
                places.dedup();
                if let [place] = places[..] {
                    self.b.ins().jump(target(place), &[]);
                    return;
                }
                let link = self.word(*link);
                let mut switch = Switch::new();
                places.iter().for_each(|place| switch.set_entry((*place).into(), target(*place)));
                let lost = self.cold_block();
                switch.emit(&mut self.b, link, lost);
                self.enter(lost);
                self.b.ins().trap(TrapCode::unwrap_user(1));
            }
            End::Exit => {
                self.store_state(State::Exited);
                self.b.ins().jump(self.next, &[]);
            }
            end @ End::Barrier { next, .. } => self.wait(State::Barrier(at), end, *next),
            end @ End::Collective { next, .. } => self.wait(State::Collective(at), end, *next),
            End::Trap => self.fault(status::TRAP, block.line),
            End::Assert => self.fault(status::ASSERTION, block.line),
        }
    }

    /// Compares the gas with its limit.
    fn check_gas(&mut self, line: u32) {
        let (gas, meter) = (self.b.use_var(self.gas), self.meter());
        let limit = self.b.ins().load(I64, SHARED, meter, offset_of!(Meter, look_at) as i32);
        let below = self.b.ins().icmp(IntCC::UnsignedLessThan, gas, limit);
        let (fine, look) = (self.b.create_block(), self.cold_block());
        self.b.ins().brif(below, fine, &[], look, &[]);
        self.enter(look);
        self.flush();
        let (line, none) = (self.number(I32, line.into()), self.number(I64, 0));
        self.b.ins().call(self.callees.look, &[self.context, line, none]);
        self.leave_on_fault();
        self.b.ins().jump(fine, &[]);
        self.enter(fine);
    }

    fn switch(&mut self, index: Slot, targets: &[u32], line: u32) {
        debug_assert_ne!(index, NO_SLOT);
        let index = self.word(index);
        let mut switch = Switch::new();
        for (i, next) in targets.iter().enumerate() {
            switch.set_entry(i as u128, self.blocks[*next as usize]);
        }
        let outside = self.cold_block();
        switch.emit(&mut self.b, index, outside);
        self.enter(outside);
        let (index, count) = (self.b.ins().uextend(I64, index), self.number(I64, targets.len() as u64));
        let values = offset_of!(Context, values) as i32;
        self.b.ins().store(SHARED, index, self.context, values);
        self.b.ins().store(SHARED, count, self.context, values + 8);
        self.fault(status::INDEX, line);
    }

    /// A field of a root's region.
    pub fn of_root(&mut self, root: usize, field: usize) -> Value {
        let roots = self.fixed(I64, offset_of!(Context, roots));
        let at = root * size_of::<Region>() + field;
        self.b.ins().load(I64, FIXED, roots, at as i32)
    }

    /// The address at which the buffer of a root starts.
    pub fn root_base(&mut self, root: usize) -> Value {
        self.of_root(root, offset_of!(Region, base))
    }
}

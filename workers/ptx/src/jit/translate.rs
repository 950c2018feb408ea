//! Translates a program into one function of Cranelift that runs a range of threads, one after the other.

use std::rc::Rc;

use cranelift_codegen::ir::types::{I8, I32, I64};
use cranelift_codegen::ir::{Block, FuncRef, InstBuilder, MemFlagsData, SigRef, Type, Value};
use cranelift_frontend::{FunctionBuilder, Variable};

use super::kinds::{Kinds, Known};
use super::packs::{LANES, Packs};
use super::prepare::Prepared;
use super::slots::{self, Use};
use crate::ir::{Guard, Op, Program, Slot, What};
use crate::scalar::Scalar;

/// Flags of loads that give the same during the whole call.
pub(super) const FIXED: MemFlagsData = MemFlagsData::trusted().with_readonly().with_can_move();
/// Flags of accesses to what compiled code shares with the rest of the machine.
pub(super) const SHARED: MemFlagsData = MemFlagsData::trusted();

/// What the processor has, beyond what every one of its kind has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Features {
    pub fma: bool,
    /// Rounding to integers.
    pub round: bool,
    /// Vectors of 128 bits.
    pub vectors: bool,
}

/// Functions that compiled code calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Callees {
    pub access: FuncRef,
    pub look: FuncRef,
    /// Signature of [`crate::scalar::Function`].
    pub scalar: SigRef,
    /// Signature of [`super::context::zero`].
    pub zero: SigRef,
}

/// The function at work.
pub(super) struct Translator<'a, 'b> {
    pub b: FunctionBuilder<'b>,
    pub prepared: &'a Prepared,
    pub program: &'a Program,
    pub kinds: &'a Kinds,
    pub packs: &'a Packs,
    pub params_len: usize,
    pub features: Features,
    pub callees: Callees,
    pub variables: Vec<Variable>,
    /// Those of vectors, which hold the slots that are their lanes.
    pub vectors: Vec<Variable>,
    pub gas: Variable,
    pub thread: Variable,
    /// Coordinates of the thread.
    pub at: [Variable; 3],
    pub context: Value,
    /// Where the code of each block starts.
    pub blocks: Rc<[Block]>,
    /// Goes to the next thread.
    pub next: Block,
    /// Goes back with a status that is noted.
    pub leave: Block,
}

impl<'a, 'b> Translator<'a, 'b> {
    pub fn new(
        mut b: FunctionBuilder<'b>,
        prepared: &'a Prepared,
        kinds: &'a Kinds,
        packs: &'a Packs,
        params_len: usize,
        features: Features,
        callees: Callees,
    ) -> Self {
        let entry = b.create_block();
        b.append_block_params_for_function_params(entry);
        b.switch_to_block(entry);
        b.seal_block(entry);
        let context = b.block_params(entry)[0];
        let variables = kinds.slots.iter().map(|known| b.declare_var(known.ty)).collect();
        let vectors = packs.types().map(|ty| b.declare_var(ty)).collect();
        let blocks = prepared.program.blocks.iter().map(|_| b.create_block()).collect();
        let (gas, thread) = (b.declare_var(I64), b.declare_var(I32));
        let at = [(); 3].map(|()| b.declare_var(I32));
        let (next, leave) = (b.create_block(), b.create_block());
        b.set_cold_block(leave);
        Self {
            b,
            prepared,
            program: &prepared.program,
            kinds,
            packs,
            params_len,
            features,
            callees,
            variables,
            vectors,
            gas,
            thread,
            at,
            context,
            blocks,
            next,
            leave,
        }
    }

    pub fn known(&self, slot: Slot) -> &'a Known {
        &self.kinds.slots[slot as usize]
    }

    /// A field of the context that stays the same during the call.
    pub fn fixed(&mut self, ty: Type, offset: usize) -> Value {
        self.b.ins().load(ty, FIXED, self.context, offset as i32)
    }

    pub fn number(&mut self, ty: Type, value: u64) -> Value {
        let value = match ty {
            I8 => i64::from(value as i8),
            I32 => i64::from(value as i32),
            _ => value as i64,
        };
        self.b.ins().iconst(ty, value)
    }

    /// A block that is not expected to run.
    pub fn cold_block(&mut self) -> Block {
        let block = self.b.create_block();
        self.b.set_cold_block(block);
        block
    }

    /// Goes on in a block whose predecessors are all known.
    pub fn enter(&mut self, block: Block) {
        self.b.switch_to_block(block);
        self.b.seal_block(block);
    }

    /// Translates the operations of a block. Those under the same guard share a branch.
    pub fn operations(&mut self, range: std::ops::Range<u32>) {
        let ops = &self.program.ops;
        let mut at = range.start;
        while at < range.end {
            if let Some(pack) = self.packs.at(at) {
                self.pack(pack);
                at += LANES as u32;
                continue;
            }
            let Some(guard) = ops[at as usize].guard else {
                self.operation(at);
                at += 1;
                continue;
            };
            let mut end = at + 1;
            while end < range.end
                && ops[end as usize].guard == Some(guard)
                && !writes(&ops[end as usize - 1], guard.slot)
            {
                end += 1;
            }
            self.guarded(guard, at..end);
            at = end;
        }
    }

    fn guarded(&mut self, guard: Guard, range: std::ops::Range<u32>) {
        let acts = self.mask(guard.slot);
        let first = &self.program.ops[range.start as usize].what;
        if let (1, What::Scalar { d, .. }) = (range.len(), first)
            && !self.known(*d).ty.is_float()
        {
            let old = self.raw(*d);
            self.operation(range.start);
            let new = self.raw(*d);
            let value =
                if guard.negated { self.b.ins().select(acts, old, new) } else { self.b.ins().select(acts, new, old) };
            self.set_raw(*d, value);
            return;
        }
        let (act, join) = (self.b.create_block(), self.b.create_block());
        if guard.negated {
            self.b.ins().brif(acts, join, &[], act, &[]);
        } else {
            self.b.ins().brif(acts, act, &[], join, &[]);
        }
        self.enter(act);
        range.for_each(|at| self.operation(at));
        self.b.ins().jump(join, &[]);
        self.enter(join);
    }

    fn operation(&mut self, at: u32) {
        let op = &self.program.ops[at as usize];
        match &op.what {
            What::Scalar { f, d, s, imm } => self.scalar(*f, *d, *s, *imm),
            What::Divide { remainder, signed, wide, d, a, b } => {
                self.divide(*remainder, *signed, if *wide { I64 } else { I32 }, [*d, *a, *b], op.line);
            }
            What::Load(transfer) => self.load(at, transfer),
            What::Store(transfer) => self.store(at, transfer),
            What::Atomic(atomic) => self.atomic(at, atomic),
            What::CopyLocal { to, from, len } => self.copy_local(at, *to, *from, *len),
            // They took place where they were issued.
            What::Copies(_) => {}
        }
    }

    fn scalar(&mut self, f: Scalar, d: Slot, s: [Slot; 3], imm: u32) {
        match f {
            Scalar::Mov32 | Scalar::Mov64 | Scalar::MovP => {
                let value = self.as_in(s[0], d);
                self.set_raw(d, value);
            }
            Scalar::Select32 | Scalar::Select64 => {
                let (a, b, p) = (self.as_in(s[0], d), self.as_in(s[1], d), self.mask(s[2]));
                let value = self.b.ins().select(p, a, b);
                self.set_raw(d, value);
            }
            _ => match self.kinds.passes(f, d, s) {
                Some(i) => self.displaced(f, d, s, i),
                None => self.compute(f, d, s, imm),
            },
        }
    }

    /// Arithmetic on an address that goes on to count from the same root. `i`: the operand that is the address.
    fn displaced(&mut self, f: Scalar, d: Slot, s: [Slot; 3], i: usize) {
        let address = self.raw(s[i]);
        let value = match f {
            Scalar::Add64 => {
                let other = self.long(s[1 - i]);
                self.b.ins().iadd(address, other)
            }
            Scalar::Sub64 => {
                let other = self.long(s[1]);
                self.b.ins().isub(address, other)
            }
            _ => {
                let (a, b) = match f {
                    Scalar::Mad64 => (self.long(s[0]), self.long(s[1])),
                    _ => {
                        let (a, b) = (self.word(s[0]), self.word(s[1]));
                        if f == Scalar::MadWideS32 {
                            (self.b.ins().sextend(I64, a), self.b.ins().sextend(I64, b))
                        } else {
                            (self.b.ins().uextend(I64, a), self.b.ins().uextend(I64, b))
                        }
                    }
                };
                let product = self.b.ins().imul(a, b);
                self.b.ins().iadd(product, address)
            }
        };
        self.set_raw(d, value);
    }
}

fn writes(op: &Op, wanted: Slot) -> bool {
    let mut found = false;
    slots::of(&op.what, |slot, how| found |= how == Use::Write && slot == wanted);
    found
}

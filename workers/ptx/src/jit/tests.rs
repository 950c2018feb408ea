//! Every operation in compiled code against its function, whatever way its operands come.

use super::*;
use crate::error::FaultKind;
use crate::ir::{Block, Class, End, NO_SLOT, Op, Place, Slot, Special, Transfer, Via, What};
use crate::machine::{Meter, Plainly as Interpreter, Unobserved as Nobody};
use crate::module::Module as Text;
use crate::scalar::{Kind, Scalar};
use crate::{Access, Error};

const THREADS: usize = 512;
/// Bytes of the operands of a thread.
const IN: u32 = 24;
/// Operands that are constant.
const CONSTANTS: [u64; 14] =
    [0, 1, 5, 31, 32, 33, 64, 0x0508, 0x3210, 0x7531, 0xffff_ffff, 0x3f80_0000, 0x8000_0000, 0x7fc0_0001];

/// A program of one block that is built operation by operation.
struct Draft {
    program: Program,
}

impl Draft {
    fn new() -> Self {
        let program = Program {
            ops: Vec::new(),
            blocks: Vec::new(),
            entry: 0,
            slots: Vec::new(),
            constants: Vec::new(),
            specials: Vec::new(),
            names: Vec::new(),
            functions: Vec::new(),
            shared_len: 0,
            local_len: 0,
            has_barriers: false,
            has_collectives: false,
        };
        Self { program }
    }

    fn slot(&mut self, class: Class) -> Slot {
        self.program.slots.push(class);
        self.program.slots.len() as Slot - 1
    }

    fn constant(&mut self, value: u64, class: Class) -> Slot {
        let slot = self.slot(class);
        self.program.constants.push((slot, value));
        slot
    }

    fn push(&mut self, what: What) {
        self.program.ops.push(Op { what, guard: None, line: 1 });
    }

    fn scalar(&mut self, f: Scalar, s: [Slot; 3]) -> Slot {
        let d = self.slot(class(f.result()));
        self.push(What::Scalar { f, d, s, imm: 0xca });
        d
    }

    fn load(&mut self, via: Via, base: Slot, offset: u64, size: u8) -> Slot {
        let d = self.slot(if size == 8 { Class::Long } else { Class::Word });
        let at = Place { via, base, offset, short: false };
        self.push(What::Load(transfer(at, size, d)));
        d
    }

    fn store(&mut self, base: Slot, offset: u64, size: u8, value: Slot) {
        let at = Place { via: Via::Global, base, offset, short: false };
        self.push(What::Store(transfer(at, size, value)));
    }

    fn finish(mut self) -> Program {
        let ops = 0..self.program.ops.len() as u32;
        self.program.blocks.push(Block { ops, gas: 1, instructions: 1, end: End::Exit, line: 1 });
        self.program
    }
}

/// A transfer of one value.
fn transfer(at: Place, size: u8, slot: Slot) -> Transfer {
    Transfer { at, size, signed: false, count: 1, data: [slot, NO_SLOT, NO_SLOT, NO_SLOT], later: false }
}

fn class(kind: Kind) -> Class {
    match kind {
        Kind::Word | Kind::Single => Class::Word,
        Kind::Long | Kind::Double => Class::Long,
        Kind::Mask => Class::Mask,
    }
}

/// Applies an operation to operands from memory, and to every constant in the place of each of them.
fn applied(f: Scalar) -> (Program, usize) {
    let mut draft = Draft::new();
    let zero = draft.constant(0, Class::Long);
    let thread = draft.slot(Class::Word);
    draft.program.specials.push((Special::Thread(0), thread));
    let variants = 1 + f.operands().len() * CONSTANTS.len();
    let (input, output) = (draft.load(Via::Param, zero, 0, 8), draft.load(Via::Param, zero, 8, 8));
    let (step_in, step_out) =
        (draft.constant(IN.into(), Class::Word), draft.constant(8 * variants as u64, Class::Word));
    let from = draft.scalar(Scalar::MadWideU32, [thread, step_in, input]);
    let to = draft.scalar(Scalar::MadWideU32, [thread, step_out, output]);
    let mut sources = [0; 3];
    for (i, kind) in f.operands().iter().enumerate() {
        let offset = 8 * i as u64;
        sources[i] = match class(*kind) {
            Class::Word => draft.load(Via::Global, from, offset, 4),
            Class::Long => draft.load(Via::Global, from, offset, 8),
            Class::Mask => {
                let value = draft.load(Via::Global, from, offset, 8);
                draft.scalar(Scalar::Ne64, [value, zero, value])
            }
        };
    }
    let (one, none) = (draft.constant(1, Class::Word), draft.constant(0, Class::Word));
    for variant in 0..variants {
        let mut s = sources;
        if let Some(at) = variant.checked_sub(1) {
            let (i, value) = (at / CONSTANTS.len(), CONSTANTS[at % CONSTANTS.len()]);
            s[i] = match f.operands()[i] {
                Kind::Mask => draft.constant(value & 1, Class::Mask),
                Kind::Double => draft.constant(value << 32 | value, Class::Long),
                kind => draft.constant(value, class(kind)),
            };
        }
        let first = s[0];
        s[f.operands().len()..].fill(first);
        let d = draft.scalar(f, s);
        let offset = 8 * variant as u64;
        match class(f.result()) {
            Class::Word => draft.store(to, offset, 4, d),
            Class::Long => draft.store(to, offset, 8, d),
            Class::Mask => {
                let word = draft.scalar(Scalar::Select32, [one, none, d]);
                draft.store(to, offset, 4, word);
            }
        }
    }
    (draft.finish(), variants)
}

/// Operands: edges of integers and floats in all combinations that a simple generator draws.
fn operands() -> Vec<u8> {
    const WORDS: [u32; 24] = [
        0,
        1,
        2,
        31,
        32,
        33,
        0x7f,
        0x80,
        0xff,
        0xffff,
        0x7fff_ffff,
        0x8000_0000,
        0x8000_0001,
        u32::MAX,
        0x3f80_0000,
        0xbf80_0000,
        0x4b7f_ffff,
        0x4f00_0000,
        0x7f7f_ffff,
        0x7f80_0000,
        0xff80_0000,
        0x7fff_ffff,
        0xffc0_1234,
        0x7f80_0001,
    ];
    let mut state = 7u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let mut value = || {
        let mut word = || match next() % 4 {
            0 => next() as u32 ^ (next() as u32) << 8,
            1 => (next() as f32 / 1e6 - 1000.0).to_bits(),
            _ => WORDS[(next() % 24) as usize],
        };
        let (low, high) = (u64::from(word()), u64::from(word()));
        match low % 5 {
            0 => low,
            1 => (f64::from(f32::from_bits(low as u32))).to_bits(),
            _ => high << 32 | low,
        }
    };
    (0..THREADS * 3).flat_map(|_| value().to_le_bytes()).collect()
}

fn run(
    program: &Program,
    engine: &mut impl Engine,
    memory: &Memory,
    params: &[u8],
) -> Result<u64, (Option<usize>, u32, FaultKind)> {
    let mut meter = Meter::new(None, None);
    meter.start(u64::MAX);
    let mut host = Host { memory, params, shared: Vec::new(), meter };
    let mut threads = Threads::new(program, THREADS);
    threads.start(program);
    let shape = Shape { grid: [1; 3], threads: [THREADS as u32, 1, 1], block: [0; 3] };
    let done = engine.resume(&mut host, &mut threads, 0..THREADS, &shape);
    done.map(|()| host.meter.gas).map_err(|stopped| (stopped.thread, stopped.line, stopped.kind))
}

#[test]
fn every_operation_gives_what_its_function_gives() -> Result<(), Error> {
    let module = Text::parse(".version 7.0\n.target sm_80\n.address_size 64\n")?;
    let bytes = operands();
    for f in Scalar::ALL {
        let (program, variants) = applied(*f);
        let compiled = Compiled::new(&program, 16).unwrap();
        let len = THREADS * 8 * variants;
        let mut memory = Memory::new(&module);
        let input = memory.alloc(bytes.len() as u64, Access::Read).unwrap();
        memory.write(input, &bytes).unwrap();
        let mut results = Vec::new();
        for native in [false, true] {
            let output = memory.alloc(len as u64, Access::ReadWrite).unwrap();
            let params = [input.to_le_bytes(), output.to_le_bytes()].concat();
            let done = if native {
                let launched = compiled.launch(&memory, &params);
                run(compiled.program(), &mut Native(&launched), &memory, &params)
            } else {
                run(&program, &mut Interpreter { program: &program, observer: Nobody }, &memory, &params)
            };
            let mut found = vec![0; len];
            memory.read(output, &mut found).unwrap();
            results.push((done, found));
        }
        let (plain, fast) = (&results[0], &results[1]);
        assert_eq!(plain.0, fast.0, "{f:?}");
        for (at, (plain, fast)) in plain.1.chunks(8).zip(fast.1.chunks(8)).enumerate() {
            let (thread, variant) = (at / variants, at % variants);
            let operands = &bytes[thread * IN as usize..][..IN as usize];
            assert_eq!(plain, fast, "{f:?} of {operands:x?}, variant {variant}");
        }
    }
    Ok(())
}

#[test]
fn kernels_of_the_bench_are_compiled() -> Result<(), Error> {
    let module = Text::parse(include_str!("../../examples/kernels/bench.ptx"))?;
    assert!(module.kernels().iter().all(|kernel| kernel.compiled().is_some()));
    Ok(())
}

//! Builds kernels around a few instructions and runs them.
#![allow(dead_code)] // Each test file uses a part of it.

pub mod world;

use tessera_ptx::{Access, Checks, Fault, Interpreter, Kernel, Launch, Limits, Machine, Memory, Module, Stats};

/// A module with this body: `in0`, `in1`, `in2`, `out` are parameters with addresses.
pub fn module_text(before: &str, body: &str) -> String {
    format!(
        ".version 7.0\n.target sm_80\n.address_size 64\n{before}\n\
         .visible .entry test(.param .u64 in0, .param .u64 in1, .param .u64 in2, .param .u64 out)\n{{\n\
         .reg .pred %p<16>;\n.reg .b16 %rs<32>;\n.reg .b32 %r<64>;\n.reg .f32 %f<32>;\n.reg .b64 %rd<64>;\n.reg .f64 %fd<32>;\n\
         {body}\nret;\n}}\n"
    )
}

/// What to run, and how.
pub struct Run<'a> {
    pub before: &'a str,
    pub body: &'a str,
    pub inputs: [&'a [u8]; 3],
    pub out_len: usize,
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub shared_len: u32,
    pub gas: Option<u64>,
    /// With checks only the interpreter runs.
    pub checks: Checks,
}

impl Default for Run<'_> {
    fn default() -> Self {
        Self {
            before: "",
            body: "",
            inputs: [&[], &[], &[]],
            out_len: 1024,
            grid: [1; 3],
            block: [32, 1, 1],
            shared_len: 0,
            gas: None,
            checks: Checks::NONE,
        }
    }
}

impl Run<'_> {
    /// Runs in the interpreter and in compiled code, which must do the same.
    pub fn stats(&self) -> Result<(Vec<u8>, Stats), Fault> {
        let text = module_text(self.before, self.body);
        let module = Module::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let plain = self.in_one(&module, |memory, kernel, launch, limits| {
            Interpreter::new().with_checks(self.checks).launch(memory, kernel, launch, limits)
        });
        if self.checks != Checks::NONE {
            return plain;
        }
        let fast =
            self.in_one(&module, |memory, kernel, launch, limits| Machine.launch(memory, kernel, launch, limits));
        match (&plain, &fast) {
            (Ok((plain, stats)), Ok((fast, fast_stats))) => {
                assert_eq!(plain, fast, "interpreter and compiled code\n{text}");
                assert_eq!(stats.gas, fast_stats.gas, "gas of interpreter and compiled code\n{text}");
            }
            (Err(plain), Err(fast)) => assert_eq!(plain, fast, "faults of interpreter and compiled code\n{text}"),
            (plain, fast) => panic!("interpreter: {plain:?}, compiled code: {fast:?}\n{text}"),
        }
        plain
    }

    fn in_one(
        &self,
        module: &Module,
        run: impl FnOnce(&mut Memory, &Kernel, &Launch<'_>, Limits<'_>) -> Result<Stats, Fault>,
    ) -> Result<(Vec<u8>, Stats), Fault> {
        let kernel = module.kernel("test").unwrap();
        let mut memory = Memory::new(module);
        let mut addresses = Vec::new();
        for input in self.inputs {
            let address = memory.alloc(input.len().max(16) as u64, Access::Read).unwrap();
            memory.write(address, input).unwrap();
            addresses.push(address.to_le_bytes());
        }
        let out = memory.alloc(self.out_len as u64, Access::ReadWrite).unwrap();
        addresses.push(out.to_le_bytes());
        let values: Vec<&[u8]> = addresses.iter().map(<[u8; 8]>::as_slice).collect();
        let params = kernel.pack(&values).unwrap();
        let launch = Launch { grid: self.grid, block: self.block, shared_len: self.shared_len, params: &params };
        let stats = run(&mut memory, kernel, &launch, Limits { gas: self.gas, ..Limits::default() })?;
        let mut bytes = vec![0; self.out_len];
        memory.read(out, &mut bytes).unwrap();
        Ok((bytes, stats))
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.stats().unwrap_or_else(|fault| panic!("{fault}\n{}", self.body)).0
    }

    pub fn words(&self) -> Vec<u32> {
        self.bytes().as_chunks::<4>().0.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect()
    }

    pub fn longs(&self) -> Vec<u64> {
        self.bytes().as_chunks::<8>().0.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect()
    }

    pub fn fault(&self) -> Fault {
        match self.stats() {
            Ok(_) => panic!("no fault\n{}", self.body),
            Err(fault) => fault,
        }
    }
}

/// Loads element `%r0 = global thread` of each input into registers of a type, and `%rd60` with the place in `out`.
///
/// Registers: 16 bits `%rs1..3`, 32 bits `%r1..3`, 64 bits `%rd1..3`, floats `%f1..3`, `%fd1..3`. The result is stored
/// from register 9 of the class.
fn frame(sources: [&str; 3], target: &str, instruction: &str) -> String {
    let mut text = String::from(
        "mov.u32 %r60, %tid.x;\nmov.u32 %r61, %ntid.x;\nmov.u32 %r62, %ctaid.x;\nmad.lo.s32 %r0, %r62, %r61, %r60;\n",
    );
    for (i, ty) in sources.iter().enumerate().filter(|(_, ty)| !ty.is_empty()) {
        let n = i + 1;
        let len = length(ty);
        text += &format!(
            "ld.param.u64 %rd5{i}, [in{i}];\nmul.wide.u32 %rd59, %r0, {len};\nadd.s64 %rd5{i}, %rd5{i}, %rd59;\n"
        );
        text += &format!("ld.global.{} {}, [%rd5{i}];\n", load(ty), register(ty, n));
    }
    text += instruction;
    text += &format!(
        "\nld.param.u64 %rd60, [out];\nmul.wide.u32 %rd59, %r0, {};\nadd.s64 %rd60, %rd60, %rd59;\n",
        length(target)
    );
    if target == "pred" {
        text += "selp.b32 %r9, 1, 0, %p9;\nst.global.b32 [%rd60], %r9;\n";
    } else {
        text += &format!("st.global.{} [%rd60], {};\n", load(target), register(target, 9));
    }
    text
}

fn length(ty: &str) -> usize {
    if ty == "pred" { 4 } else { ty[1..].parse::<usize>().unwrap() / 8 }
}

fn load(ty: &str) -> &str {
    ty
}

pub fn register(ty: &str, n: usize) -> String {
    let file = match (ty, length(ty)) {
        ("f32", _) => "f",
        ("f64", _) => "fd",
        (_, 1 | 2) => "rs",
        (_, 4) => "r",
        _ => "rd",
    };
    format!("%{file}{n}")
}

/// A number in memory.
pub trait Number: Copy + PartialEq + std::fmt::Debug {
    fn to_bytes(self) -> Vec<u8>;
    fn of_bytes(bytes: &[u8]) -> Self;
}

macro_rules! numbers {
    ($($ty:ty)*) => { $(
        impl Number for $ty {
            fn to_bytes(self) -> Vec<u8> { self.to_le_bytes().to_vec() }
            fn of_bytes(bytes: &[u8]) -> Self { Self::from_le_bytes(bytes.try_into().unwrap()) }
        }
    )* };
}
numbers!(u8 u16 u32 u64 i8 i16 i32 i64);

fn bytes<T: Number>(values: &[T]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_bytes()).collect()
}

/// Runs an instruction on many operands, in vector code and in portable code, with all lanes and with a guard, and
/// compares with the host.
///
/// The instruction reads registers 1, 2, 3 of the sources' classes and writes register 9 of the target's.
pub fn lanewise<A: Number, B: Number, C: Number, D: Number>(
    instruction: &str,
    sources: [&str; 3],
    target: &str,
    operands: &[(A, B, C)],
    host: impl Fn(A, B, C) -> D,
) {
    let size = size_of::<D>();
    let inputs = [
        bytes(&operands.iter().map(|o| o.0).collect::<Vec<_>>()),
        bytes(&operands.iter().map(|o| o.1).collect::<Vec<_>>()),
        bytes(&operands.iter().map(|o| o.2).collect::<Vec<_>>()),
    ];
    // The last warp is not full.
    let threads = operands.len() as u32;
    let block = threads.min(96);
    let grid = threads.div_ceil(block);
    let padded = (grid * block) as usize;
    let inputs = inputs.map(|mut bytes| {
        let one = bytes.len() / operands.len();
        let first = bytes[..one].to_vec();
        while bytes.len() < padded * one {
            bytes.extend(&first);
        }
        bytes
    });
    let wanted: Vec<D> = operands.iter().map(|(a, b, c)| host(*a, *b, *c)).collect();
    let plain = frame(sources, target, instruction);
    // Every third thread skips the instruction and keeps zero.
    let zero = match target {
        "pred" => "setp.ne.u32 %p9, 0, 0;".to_string(),
        _ => format!("mov.b{} {}, 0;", 8 * length(target).max(2), register(target, 9)),
    };
    let guarded = frame(
        sources,
        target,
        &format!("{zero}\nrem.u32 %r59, %r0, 3;\nsetp.ne.u32 %p15, %r59, 0;\n@%p15 {}", instruction.trim()),
    );
    for (body, every_third) in [(&plain, false), (&guarded, true)] {
        // A guard is for one instruction.
        if every_third && instruction.trim().matches(';').count() > 1 {
            continue;
        }
        let run = Run {
            body,
            inputs: [&inputs[0], &inputs[1], &inputs[2]],
            out_len: padded * size,
            grid: [grid, 1, 1],
            block: [block, 1, 1],
            ..Run::default()
        };
        let found = run.bytes();
        for (i, (chunk, want)) in found.chunks(size).zip(&wanted).enumerate() {
            let zero = D::of_bytes(&vec![0; size]);
            let want = if every_third && i % 3 == 0 { zero } else { *want };
            assert_eq!(D::of_bytes(chunk), want, "{instruction} of {:?}, guarded: {every_third}", operands[i]);
        }
    }
}

/// All pairs of some values.
pub fn pairs<T: Copy>(values: &[T]) -> Vec<(T, T, u32)> {
    values.iter().flat_map(|a| values.iter().map(move |b| (*a, *b, 0))).collect()
}

/// Each value once.
pub fn singles<T: Copy>(values: &[T]) -> Vec<(T, u32, u32)> {
    values.iter().map(|a| (*a, 0, 0)).collect()
}

/// All triples of some values.
pub fn triples<T: Copy>(values: &[T]) -> Vec<(T, T, T)> {
    let pairs = values.iter().flat_map(|a| values.iter().map(move |b| (*a, *b)));
    pairs.flat_map(|(a, b)| values.iter().map(move |c| (a, b, *c))).collect()
}

/// Edges and a few ordinary numbers of 32 bits.
pub const WORDS: &[u32] = &[
    0,
    1,
    2,
    7,
    31,
    32,
    33,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    0xdead_beef,
    u32::MAX,
];
/// The same of 64 bits.
pub const LONGS: &[u64] = &[
    0,
    1,
    3,
    63,
    64,
    65,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0x0123_4567_89ab_cdef,
    u64::MAX,
];
/// The same of 16 bits.
pub const HALVES: &[u16] = &[0, 1, 5, 15, 16, 0x7f, 0x80, 0x7fff, 0x8000, 0x8001, 0xabcd, 0xffff];
/// Bits of f32: zeros, denormals, edges of integers, infinities, NaN with payload and sign.
pub const SINGLES: &[u32] = &[
    0,
    0x8000_0000,
    1,
    0x8000_0001,
    0x007f_ffff,
    0x0080_0000,
    0x3f80_0000,
    0xbf80_0000,
    0x3f00_0000,
    0x3fc0_0000,
    0xc020_0000,
    0x3eaa_aaab,
    0x4b7f_ffff,
    0x4f00_0000,
    0xcf00_0000,
    0x4f80_0000,
    0x5f00_0000,
    0x437f_8000,
    0x7f7f_ffff,
    0xff7f_ffff,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0x7fff_ffff,
    0xffc0_1234,
    0x7f80_0001,
];
/// Bits of f64.
pub const DOUBLES: &[u64] = &[
    0,
    0x8000_0000_0000_0000,
    1,
    0x000f_ffff_ffff_ffff,
    0x3ff0_0000_0000_0000,
    0xbff0_0000_0000_0000,
    0x3ff8_0000_0000_0000,
    0xc004_0000_0000_0000,
    0x3fd5_5555_5555_5555,
    0x41df_ffff_ffc0_0000,
    0xc1e0_0000_0000_0000,
    0x41f0_0000_0000_0000,
    0x43e0_0000_0000_0000,
    0x36a0_0000_0000_0000,
    0x47ef_ffff_f000_0000,
    0x7fef_ffff_ffff_ffff,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_0000,
    0xfff8_0000_0000_1234,
];

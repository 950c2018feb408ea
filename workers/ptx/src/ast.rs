//! A module as it was written: names resolved, instructions not yet interpreted.

use alloc::collections::BTreeMap;
use std::collections::HashSet;

use crate::error::{Error, Space};

/// A type of PTX.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Type {
    Pred,
    U8,
    U16,
    U32,
    U64,
    S8,
    S16,
    S32,
    S64,
    B8,
    B16,
    B32,
    B64,
    F16,
    F16x2,
    Bf16,
    Bf16x2,
    F32,
    F64,
    B128,
    /// Pairs that newer GPUs compute with.
    U16x2,
    S16x2,
    F32x2,
    /// Elements of matrices.
    B1,
    U4,
    S4,
    Tf32,
    /// Any format of at most 8 bits: `e4m3`, `e5m2`, `e2m3`, `e3m2`, `e2m1`, `ue8m0` and their vectors.
    Fp8,
}

impl Type {
    /// The type with this name (without its dot).
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "pred" => Self::Pred,
            "u8" => Self::U8,
            "u16" => Self::U16,
            "u32" => Self::U32,
            "u64" => Self::U64,
            "s8" => Self::S8,
            "s16" => Self::S16,
            "s32" => Self::S32,
            "s64" => Self::S64,
            "b8" => Self::B8,
            "b16" => Self::B16,
            "b32" => Self::B32,
            "b64" => Self::B64,
            "f16" => Self::F16,
            "f16x2" => Self::F16x2,
            "bf16" => Self::Bf16,
            "bf16x2" => Self::Bf16x2,
            "f32" => Self::F32,
            "f64" => Self::F64,
            "b128" => Self::B128,
            "u16x2" => Self::U16x2,
            "s16x2" => Self::S16x2,
            "f32x2" => Self::F32x2,
            "b1" => Self::B1,
            "u4" => Self::U4,
            "s4" => Self::S4,
            "tf32" => Self::Tf32,
            "e4m3" | "e5m2" | "e2m3" | "e3m2" | "e2m1" | "ue8m0" | "ue4m3" | "e4m3x2" | "e5m2x2" | "e2m3x2"
            | "e3m2x2" | "e2m1x2" | "ue8m0x2" | "e4m3x4" | "e5m2x4" | "e2m3x4" | "e3m2x4" | "e2m1x4" => Self::Fp8,
            _ => return None,
        })
    }

    /// The name, without its dot.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pred => "pred",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::S8 => "s8",
            Self::S16 => "s16",
            Self::S32 => "s32",
            Self::S64 => "s64",
            Self::B8 => "b8",
            Self::B16 => "b16",
            Self::B32 => "b32",
            Self::B64 => "b64",
            Self::B128 => "b128",
            Self::F16 => "f16",
            Self::F16x2 => "f16x2",
            Self::Bf16 => "bf16",
            Self::Bf16x2 => "bf16x2",
            Self::F32 => "f32",
            Self::F32x2 => "f32x2",
            Self::F64 => "f64",
            Self::U16x2 => "u16x2",
            Self::S16x2 => "s16x2",
            Self::B1 => "b1",
            Self::U4 => "u4",
            Self::S4 => "s4",
            Self::Tf32 => "tf32",
            Self::Fp8 => "fp8",
        }
    }

    /// Bytes in memory.
    #[must_use]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(self) -> u32 {
        match self {
            Self::Pred | Self::U8 | Self::S8 | Self::B8 | Self::B1 | Self::U4 | Self::S4 | Self::Fp8 => 1,
            Self::U16 | Self::S16 | Self::B16 | Self::F16 | Self::Bf16 => 2,
            Self::U32 | Self::S32 | Self::B32 | Self::F32 | Self::F16x2 | Self::Bf16x2 => 4,
            Self::U16x2 | Self::S16x2 | Self::Tf32 => 4,
            Self::U64 | Self::S64 | Self::B64 | Self::F64 | Self::F32x2 => 8,
            Self::B128 => 16,
        }
    }

    /// Whether values are floating-point numbers.
    #[must_use]
    pub fn is_float(self) -> bool {
        matches!(
            self,
            Self::F16
                | Self::F16x2
                | Self::Bf16
                | Self::Bf16x2
                | Self::F32
                | Self::F32x2
                | Self::F64
                | Self::Tf32
                | Self::Fp8
        )
    }

    /// Whether a value is two floating-point numbers of 16 bits.
    #[must_use]
    pub fn is_pair(self) -> bool {
        matches!(self, Self::F16x2 | Self::Bf16x2)
    }

    /// Whether values are signed integers.
    #[must_use]
    pub fn is_signed(self) -> bool {
        matches!(self, Self::S4 | Self::S8 | Self::S16 | Self::S32 | Self::S64 | Self::S16x2)
    }
}

/// Index of a register in its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RegId(pub u32);

/// Index of a variable in the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct VarId(pub u32);

/// A variable or a parameter.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub name: String,
    pub space: Space,
    /// `.const`, or a parameter of a kernel.
    pub constant: bool,
    pub align: u32,
    /// Bytes; 0 for `.extern .shared x[]`.
    pub len: u64,
    /// Bytes that the text gives, with zeros where it gives none.
    pub init: Option<Vec<u8>>,
    /// Addresses inside `init`: offset, variable, addend.
    pub relocations: Vec<(u32, VarId, i64)>,
    /// The type of its elements.
    pub ty: Type,
    /// A parameter that the text calls a pointer (`.ptr`).
    pub pointer: bool,
    /// Declared here, defined in another module (`.extern`).
    pub external: bool,
    pub line: u32,
    pub column: u32,
}

/// What an instruction reads or writes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Reg(RegId),
    /// A predicate, negated.
    Not(RegId),
    /// An integer, by its two's complement bits.
    Int(u64),
    /// Bits of an f32.
    Single(u32),
    /// Bits of an f64, or a decimal fraction.
    Double(u64),
    /// A special register, by its name without `%`.
    Special(String),
    /// The address of a variable plus an offset.
    Symbol(VarId, i64),
    /// `[base + offset]`.
    Address(Base, i64),
    Vector(Vec<Operand>),
    List(Vec<Operand>),
    /// `d|p`.
    Pair(Box<Operand>, Box<Operand>),
    /// `_`.
    Sink,
    /// A label or a function.
    Name(String),
}

/// Base of an address.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Base {
    Reg(RegId),
    Var(VarId),
    Absolute,
}

/// One instruction.
#[derive(Clone, Debug)]
pub(crate) struct Instruction {
    pub line: u32,
    pub column: u32,
    /// A predicate, and whether it is negated.
    pub guard: Option<(RegId, bool)>,
    /// The opcode with its modifiers.
    pub text: String,
    pub operands: Vec<Operand>,
}

impl Instruction {
    /// The opcode without its modifiers.
    pub fn name(&self) -> &str {
        self.text.split('.').next().unwrap_or_default()
    }

    /// The modifiers, types included.
    pub fn modifiers(&self) -> impl Iterator<Item = &str> {
        self.text.split('.').skip(1)
    }

    pub fn has(&self, modifier: &str) -> bool {
        self.modifiers().any(|m| m == modifier)
    }

    /// The types among the modifiers, in order.
    pub fn types(&self) -> impl Iterator<Item = Type> {
        self.modifiers().filter_map(Type::parse)
    }

    pub fn unsupported(&self, reason: impl Into<String>) -> Error {
        Error::Unsupported {
            line: self.line,
            column: self.column,
            instruction: self.text.clone(),
            reason: reason.into(),
        }
    }
}

/// A line of a function's body.
#[derive(Clone, Debug)]
pub(crate) enum Statement {
    Label(String, u32),
    Instruction(Instruction),
    /// Targets of an indirect branch, under a label.
    Targets(Vec<String>),
}

/// A kernel or a device function.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub name: String,
    pub entry: bool,
    pub params: Vec<VarId>,
    pub returns: Vec<VarId>,
    /// Types of its registers.
    pub registers: Vec<Type>,
    /// Declarations of registers: the first one, the name, and whether a number follows it (`%r<4>`).
    pub register_names: Vec<(u32, String, bool)>,
    pub body: Vec<Statement>,
    /// Most threads of a block in x, y, z (`.maxntid`).
    pub max_threads: Option<[u32; 3]>,
    /// Exact threads of a block in x, y, z (`.reqntid`).
    pub required_threads: Option<[u32; 3]>,
    pub line: u32,
}

impl Function {
    /// A register as the text names it.
    pub fn register_name(&self, id: RegId) -> String {
        let after = self.register_names.partition_point(|(first, ..)| *first <= id.0);
        match after.checked_sub(1).and_then(|at| self.register_names.get(at)) {
            Some((first, name, true)) => format!("{name}{}", id.0 - first),
            Some((_, name, false)) => name.clone(),
            None => String::new(),
        }
    }
}

/// Something outside instructions that the profile refuses, seen while reading.
#[derive(Clone, Debug)]
pub(crate) struct Remark {
    pub line: u32,
    pub column: u32,
    pub what: String,
    pub reason: &'static str,
    pub instead: &'static str,
}

/// A whole module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ast {
    pub version: (u32, u32),
    pub target: String,
    pub variables: Vec<Variable>,
    /// Variables declared outside functions.
    pub globals: Vec<VarId>,
    pub functions: Vec<Function>,
    /// Where each stands among them.
    pub by_name: BTreeMap<String, usize>,
    /// What the profile refuses besides instructions.
    pub remarks: Vec<Remark>,
    /// Functions that are declared without a body.
    pub declared: HashSet<String>,
}

impl Ast {
    pub fn variable(&self, id: VarId) -> &Variable {
        &self.variables[id.0 as usize]
    }

    /// The kernel or function with this name.
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.by_name.get(name).map(|at| &self.functions[*at])
    }
}

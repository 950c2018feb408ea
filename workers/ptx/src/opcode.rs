//! The table of opcodes: what each is called, which types and modifiers it takes, what it costs, and whether the
//! reproducible profile allows it. Parser, check and lowering follow this table.

use crate::ast::{Instruction, Type};

/// What an opcode does. One kind may have several names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Abs,
    ActiveMask,
    Add,
    AddCarry,
    And,
    Atom,
    Bar,
    Bfe,
    Bfi,
    Bfind,
    Bmsk,
    Bra,
    Brev,
    Brx,
    Call,
    Clz,
    Cnot,
    Copysign,
    CpAsync,
    Cvt,
    Cvta,
    Div,
    Dp2a,
    Dp4a,
    Exit,
    Fence,
    Fma,
    Fns,
    Ld,
    Ldmatrix,
    Lop3,
    Mad,
    Mad24,
    MadCarry,
    Match,
    Max,
    Min,
    Mma,
    Mov,
    Mul,
    Mul24,
    Neg,
    Nop,
    Not,
    Or,
    Popc,
    Prmt,
    Rcp,
    Red,
    Redux,
    Refused,
    Rem,
    Ret,
    Sad,
    Selp,
    Set,
    Setp,
    Shf,
    Shfl,
    Shl,
    Shr,
    Slct,
    Sqrt,
    St,
    Sub,
    SubCarry,
    Szext,
    Testp,
    Trap,
    Vote,
    Xor,
}

/// How an opcode may be used with floating-point types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Float {
    /// The result is exact: no rounding mode is needed.
    Exact,
    /// `.rn` must be written.
    Rounded,
    /// Not at all, and why.
    Refused(&'static str),
}

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Opcode {
    pub name: &'static str,
    pub kind: Kind,
    pub types: &'static [Type],
    /// Modifiers other than types.
    pub modifiers: &'static [&'static str],
    pub float: Float,
    /// Gas for operands of at most 32 bits, and for 64 bits.
    pub weight: (u32, u32),
    /// Why the profile refuses every form.
    pub refused: Option<&'static str>,
}

impl Opcode {
    /// Gas of one lane that reaches this instruction, whether or not its guard lets it act.
    pub fn gas(&self, instruction: &Instruction) -> u32 {
        let wide = instruction.types().any(|ty| ty.len() == 8);
        let weight = if wide { self.weight.1 } else { self.weight.0 };
        let vector = if instruction.has("v4") {
            4
        } else if instruction.has("v2") {
            2
        } else {
            1
        };
        let base = weight * vector;
        // Parameters and constants cost no memory access.
        if self.kind == Kind::Ld && (instruction.has("param") || instruction.has("const")) { vector } else { base }
    }
}

use Type::{B8, B16, B32, B64, F32, F64, Pred, S8, S16, S32, S64, U8, U16, U32, U64};

const INT: &[Type] = &[U16, U32, U64, S16, S32, S64];
const NUM: &[Type] = &[U16, U32, U64, S16, S32, S64, F32, F64];
const WORD: &[Type] = &[U32, S32, U64, S64];
const SIGNED: &[Type] = &[S16, S32, S64, F32, F64];
const BITS: &[Type] = &[B16, B32, B64];
const LOGIC: &[Type] = &[B16, B32, B64, Pred];
const REAL: &[Type] = &[F32, F64];
const ALL: &[Type] = &[B16, B32, B64, U16, U32, U64, S16, S32, S64, F32, F64];
const CVT: &[Type] = &[U8, U16, U32, U64, S8, S16, S32, S64, F32, F64];
const MEM: &[Type] = &[B8, B16, B32, B64, U8, U16, U32, U64, S8, S16, S32, S64, F32, F64];
const MOVE: &[Type] = &[B16, B32, B64, U16, U32, U64, S16, S32, S64, F32, F64, Pred];
const SHIFT: &[Type] = &[B16, B32, B64, U16, U32, U64, S16, S32, S64];
const ATOM: &[Type] = &[U32, S32, U64, S64, B32, B64];
const COMPARE: &[&str] = &[
    "eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan",
    "and", "or", "xor",
];
const LOAD: &[&str] = &[
    "global",
    "shared",
    "shared::cta",
    "local",
    "param",
    "param::entry",
    "param::func",
    "const",
    "v2",
    "v4",
    "nc",
    "weak",
    "ca",
    "cg",
    "cs",
    "lu",
    "cv",
    "wb",
    "wt",
];
const RETURNS_ORDER: &str = "the order in which threads reach a float atomic is not reproducible";

const fn op(
    name: &'static str,
    kind: Kind,
    types: &'static [Type],
    modifiers: &'static [&'static str],
    float: Float,
    weight: (u32, u32),
) -> Opcode {
    Opcode { name, kind, types, modifiers, float, weight, refused: None }
}

const fn no(name: &'static str, reason: &'static str) -> Opcode {
    Opcode {
        name,
        kind: Kind::Refused,
        types: &[],
        modifiers: &[],
        float: Float::Exact,
        weight: (1, 1),
        refused: Some(reason),
    }
}

const APPROXIMATE: &str = "its result differs between GPUs: use a polynomial of your own";
const TEXTURE: &str = "textures and surfaces filter with a precision of their own: read from buffers";
const MATRIX: &str = "float tensor cores add in an order of their own";
const NEWER: &str = "needs a newer GPU than sm_80";
const HALF: &str = "16-bit floating point is not in the profile yet";

/// The table, by name.
pub(crate) static OPCODES: &[Opcode] = &[
    op("abs", Kind::Abs, SIGNED, &[], Float::Exact, (1, 2)),
    Opcode {
        refused: Some("which lanes are active is not reproducible: pass the mask that you mean"),
        ..op("activemask", Kind::ActiveMask, &[B32], &[], Float::Exact, (1, 1))
    },
    op("add", Kind::Add, NUM, &["rn", "cc"], Float::Rounded, (1, 2)),
    op("addc", Kind::AddCarry, WORD, &["cc"], Float::Exact, (1, 2)),
    op("and", Kind::And, LOGIC, &[], Float::Exact, (1, 2)),
    op("applypriority", Kind::Nop, &[], &["global"], Float::Exact, (1, 1)),
    op(
        "atom",
        Kind::Atom,
        ATOM,
        &[
            "global",
            "shared",
            "shared::cta",
            "add",
            "min",
            "max",
            "and",
            "or",
            "xor",
            "inc",
            "dec",
            "exch",
            "cas",
            "relaxed",
            "cta",
            "gpu",
            "sys",
        ],
        Float::Refused(RETURNS_ORDER),
        (16, 16),
    ),
    op("bar", Kind::Bar, &[], &["sync", "warp", "cta"], Float::Exact, (4, 4)),
    op("barrier", Kind::Bar, &[], &["sync", "cta", "aligned"], Float::Exact, (4, 4)),
    op("bfe", Kind::Bfe, WORD, &[], Float::Exact, (2, 4)),
    op("bfi", Kind::Bfi, BITS, &[], Float::Exact, (2, 4)),
    op("bfind", Kind::Bfind, WORD, &["shiftamt"], Float::Exact, (2, 4)),
    op("bmsk", Kind::Bmsk, &[B32], &["clamp", "wrap"], Float::Exact, (1, 1)),
    op("bra", Kind::Bra, &[], &["uni"], Float::Exact, (1, 1)),
    op("brev", Kind::Brev, BITS, &[], Float::Exact, (2, 4)),
    op("brx", Kind::Brx, &[], &["idx", "uni"], Float::Exact, (4, 4)),
    op("call", Kind::Call, &[], &["uni"], Float::Exact, (4, 4)),
    op("clz", Kind::Clz, BITS, &[], Float::Exact, (2, 4)),
    op("cnot", Kind::Cnot, BITS, &[], Float::Exact, (1, 2)),
    op("copysign", Kind::Copysign, REAL, &[], Float::Exact, (1, 2)),
    no("cos", APPROXIMATE),
    op(
        "cp",
        Kind::CpAsync,
        &[],
        &["async", "ca", "cg", "shared", "shared::cta", "global", "commit_group", "wait_group", "wait_all"],
        Float::Exact,
        (16, 16),
    ),
    op("cvt", Kind::Cvt, CVT, &["rn", "rni", "rzi", "rmi", "rpi", "sat"], Float::Exact, (2, 4)),
    op(
        "cvta",
        Kind::Cvta,
        &[U64],
        &["to", "global", "shared", "shared::cta", "local", "const", "param"],
        Float::Exact,
        (1, 1),
    ),
    op("div", Kind::Div, NUM, &["rn"], Float::Rounded, (16, 32)),
    op("dp2a", Kind::Dp2a, &[U32, S32], &["lo", "hi"], Float::Exact, (1, 1)),
    op("dp4a", Kind::Dp4a, &[U32, S32], &[], Float::Exact, (1, 1)),
    no("elect", NEWER),
    no("ex2", APPROXIMATE),
    op("exit", Kind::Exit, &[], &[], Float::Exact, (1, 1)),
    op("fence", Kind::Fence, &[], &["acq_rel", "sc", "cta", "gpu", "sys"], Float::Exact, (4, 4)),
    op("fma", Kind::Fma, REAL, &["rn"], Float::Rounded, (1, 2)),
    op("fns", Kind::Fns, &[B32], &[], Float::Exact, (16, 16)),
    no("isspacep", "pointer values may only be used as addresses"),
    op("ld", Kind::Ld, MEM, LOAD, Float::Exact, (4, 4)),
    op(
        "ldmatrix",
        Kind::Ldmatrix,
        &[B16],
        &["sync", "aligned", "m8n8", "x1", "x2", "x4", "trans", "shared", "shared::cta"],
        Float::Exact,
        (16, 16),
    ),
    op("ldu", Kind::Ld, MEM, LOAD, Float::Exact, (4, 4)),
    no("lg2", APPROXIMATE),
    op("lop3", Kind::Lop3, &[B32], &[], Float::Exact, (1, 1)),
    op("mad", Kind::Mad, NUM, &["rn", "lo", "hi", "wide", "cc"], Float::Rounded, (1, 4)),
    op("mad24", Kind::Mad24, &[U32, S32], &["lo"], Float::Exact, (1, 1)),
    op("madc", Kind::MadCarry, WORD, &["lo", "hi", "cc"], Float::Exact, (2, 4)),
    op("match", Kind::Match, &[B32, B64], &["any", "all", "sync"], Float::Exact, (8, 8)),
    op("max", Kind::Max, NUM, &[], Float::Exact, (1, 2)),
    op("membar", Kind::Fence, &[], &["cta", "gl", "sys"], Float::Exact, (4, 4)),
    op("min", Kind::Min, NUM, &[], Float::Exact, (1, 2)),
    op(
        "mma",
        Kind::Mma,
        &[S32, S8, U8],
        &["sync", "aligned", "m8n8k16", "m16n8k16", "m16n8k32", "row", "col", "satfinite"],
        Float::Refused(MATRIX),
        (16, 16),
    ),
    op("mov", Kind::Mov, MOVE, &[], Float::Exact, (1, 1)),
    op("mul", Kind::Mul, NUM, &["rn", "lo", "hi", "wide"], Float::Rounded, (1, 4)),
    op("mul24", Kind::Mul24, &[U32, S32], &["lo"], Float::Exact, (1, 1)),
    op("nanosleep", Kind::Nop, &[U32], &[], Float::Exact, (1, 1)),
    op("neg", Kind::Neg, SIGNED, &[], Float::Exact, (1, 2)),
    op("not", Kind::Not, LOGIC, &[], Float::Exact, (1, 2)),
    op("or", Kind::Or, LOGIC, &[], Float::Exact, (1, 2)),
    op("pmevent", Kind::Nop, &[], &["mask"], Float::Exact, (1, 1)),
    op("popc", Kind::Popc, BITS, &[], Float::Exact, (2, 4)),
    op("prefetch", Kind::Nop, &[], &["global", "local", "L1", "L2"], Float::Exact, (1, 1)),
    op("prefetchu", Kind::Nop, &[], &["L1"], Float::Exact, (1, 1)),
    op("prmt", Kind::Prmt, &[B32], &[], Float::Exact, (2, 2)),
    op("rcp", Kind::Rcp, REAL, &["rn"], Float::Rounded, (16, 32)),
    op(
        "red",
        Kind::Red,
        ATOM,
        &[
            "global",
            "shared",
            "shared::cta",
            "add",
            "min",
            "max",
            "and",
            "or",
            "xor",
            "inc",
            "dec",
            "relaxed",
            "cta",
            "gpu",
            "sys",
        ],
        Float::Refused(RETURNS_ORDER),
        (16, 16),
    ),
    op(
        "redux",
        Kind::Redux,
        &[U32, S32, B32],
        &["sync", "add", "min", "max", "and", "or", "xor"],
        Float::Refused(NEWER),
        (8, 8),
    ),
    op("rem", Kind::Rem, INT, &[], Float::Exact, (16, 32)),
    op("ret", Kind::Ret, &[], &["uni"], Float::Exact, (1, 1)),
    no("rsqrt", APPROXIMATE),
    op("sad", Kind::Sad, INT, &[], Float::Exact, (1, 2)),
    op("selp", Kind::Selp, ALL, &[], Float::Exact, (1, 1)),
    op("set", Kind::Set, ALL, COMPARE, Float::Exact, (1, 2)),
    op("setp", Kind::Setp, ALL, COMPARE, Float::Exact, (1, 2)),
    op("shf", Kind::Shf, &[B32], &["l", "r", "wrap", "clamp"], Float::Exact, (1, 1)),
    op("shfl", Kind::Shfl, &[B32], &["sync", "up", "down", "bfly", "idx"], Float::Exact, (4, 4)),
    op("shl", Kind::Shl, BITS, &[], Float::Exact, (1, 2)),
    op("shr", Kind::Shr, SHIFT, &[], Float::Exact, (1, 2)),
    no("sin", APPROXIMATE),
    op("slct", Kind::Slct, ALL, &[], Float::Exact, (1, 2)),
    op("sqrt", Kind::Sqrt, REAL, &["rn"], Float::Rounded, (16, 32)),
    op("st", Kind::St, MEM, LOAD, Float::Exact, (4, 4)),
    op("sub", Kind::Sub, NUM, &["rn", "cc"], Float::Rounded, (1, 2)),
    op("subc", Kind::SubCarry, WORD, &["cc"], Float::Exact, (1, 2)),
    no("suld", TEXTURE),
    no("sured", TEXTURE),
    no("sust", TEXTURE),
    op("szext", Kind::Szext, &[U32, S32], &["clamp", "wrap"], Float::Exact, (1, 1)),
    no("tanh", APPROXIMATE),
    op(
        "testp",
        Kind::Testp,
        REAL,
        &["finite", "infinite", "number", "notanumber", "normal", "subnormal"],
        Float::Exact,
        (1, 2),
    ),
    no("tex", TEXTURE),
    no("tld4", TEXTURE),
    op("trap", Kind::Trap, &[], &[], Float::Exact, (1, 1)),
    op("vote", Kind::Vote, &[Pred, B32], &["sync", "all", "any", "uni", "ballot"], Float::Exact, (4, 4)),
    no("wgmma", MATRIX),
    no("wmma", MATRIX),
    op("xor", Kind::Xor, LOGIC, &[], Float::Exact, (1, 2)),
];

/// What the table says of one opcode, for those who list or test all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpcodeInfo {
    /// Its name without modifiers.
    pub name: &'static str,
    /// Names of the types that it takes.
    pub types: Vec<String>,
    /// Modifiers other than types.
    pub modifiers: &'static [&'static str],
    /// Why the profile refuses every form; `None` if it does not.
    pub refused: Option<&'static str>,
}

/// All opcodes, in the order of their names.
pub fn opcodes() -> impl Iterator<Item = OpcodeInfo> {
    OPCODES.iter().map(|op| OpcodeInfo {
        name: op.name,
        types: op.types.iter().map(|ty| format!("{ty:?}").to_lowercase()).collect(),
        modifiers: op.modifiers,
        refused: op.refused,
    })
}

/// The row of an opcode, by its name without modifiers.
pub(crate) fn find(name: &str) -> Option<&'static Opcode> {
    OPCODES.binary_search_by(|op| op.name.cmp(name)).ok().map(|at| &OPCODES[at])
}

/// Why a modifier is refused wherever it stands.
pub(crate) fn refused_modifier(modifier: &str) -> Option<&'static str> {
    Some(match modifier {
        "approx" => "approximate results differ between GPUs: use .rn",
        "full" => "full-range approximate division differs between GPUs: use .rn",
        "ftz" => "denormals must be kept: compile with --ftz=false",
        "rz" | "rm" | "rp" => "only round to nearest even (.rn) is in the profile",
        "volatile" | "acquire" | "release" | "acq_rel" | "mmio" => "polling on memory depends on timing",
        "f16" | "f16x2" | "bf16" | "bf16x2" | "tf32" | "e4m3" | "e5m2" | "e4m3x2" | "e5m2x2" => HALF,
        "cluster" | "shared::cluster" => NEWER,
        "red" => "barriers that reduce are not in the profile yet: use shared memory",
        "arrive" => "split barriers are not in the profile",
        _ => return None,
    })
}

/// Special registers of the profile, without `%` and component.
const ALLOWED_SPECIAL: &[&str] = &[
    "tid",
    "ntid",
    "ctaid",
    "nctaid",
    "laneid",
    "lanemask_eq",
    "lanemask_le",
    "lanemask_lt",
    "lanemask_ge",
    "lanemask_gt",
];
/// Special registers that exist but may not be used, and why.
const REFUSED_SPECIAL: &[(&str, &str)] = &[
    ("clock", "clocks depend on time"),
    ("globaltimer", "clocks depend on time"),
    ("smid", "it depends on where a block runs"),
    ("nsmid", "it depends on the GPU"),
    ("warpid", "it depends on where a warp runs"),
    ("nwarpid", "it depends on the GPU"),
    ("gridid", "it depends on what ran before"),
    ("pm", "counters depend on the GPU"),
    ("envreg", "it depends on the driver"),
    ("total_smem_size", "it depends on the GPU"),
    ("dynamic_smem_size", "it is not in the profile: pass it as a parameter"),
    ("aggr_smem_size", "it depends on the GPU"),
    ("clusterid", "needs a newer GPU than sm_80"),
    ("cluster", "needs a newer GPU than sm_80"),
    ("nclusterid", "needs a newer GPU than sm_80"),
    ("is_explicit_cluster", "needs a newer GPU than sm_80"),
    ("reserved_smem", "it depends on the GPU"),
    ("current_graph_exec", "it depends on the driver"),
];

/// Whether PTX has such a special register (name without `%`).
pub(crate) fn is_special(name: &str) -> bool {
    let base = name.split('.').next().unwrap_or_default();
    ALLOWED_SPECIAL.contains(&base) || REFUSED_SPECIAL.iter().any(|(n, _)| base.starts_with(n))
}

/// Why a special register is refused; `None` for those of the profile.
pub(crate) fn refused_special(name: &str) -> Option<&'static str> {
    let base = name.split('.').next().unwrap_or_default();
    if ALLOWED_SPECIAL.contains(&base) {
        return None;
    }
    Some(REFUSED_SPECIAL.iter().find(|(n, _)| base.starts_with(n)).map_or("it is not in the profile", |(_, why)| why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_nothing_is_free() {
        assert!(OPCODES.is_sorted_by(|a, b| a.name < b.name));
        assert!(OPCODES.iter().all(|op| op.weight.0 > 0 && op.weight.1 > 0));
    }
}

//! The table of opcodes: what each is called, which types and modifiers it takes, how it rounds, what it costs, what it
//! computes, and whether the reproducible profile allows it. Parser, check, lowering and `docs/reproducible-ptx.md`
//! follow this table; its rows stand in files by family.

mod absent;
mod bits;
mod control;
mod convert;
mod float;
mod integer;
mod lists;
mod memory;
mod modifier;
mod newer;
pub(crate) mod page;
mod special;
mod warp;

use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

use crate::ast::{Instruction, Type};

pub(crate) use modifier::{advice as modifier_advice, is_cache_hint};
pub(crate) use special::{is_special, refused_special};

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
    CpCommit,
    CpWait,
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

/// How the result of a form is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// The result is exact, or rounded in the one way that the opcode defines.
    Exact,
    /// One of the form's rounding modes must be written: without it the compiler may fuse the operation with another.
    Written,
    /// Depends on source and target: see the check of `cvt`.
    Convert,
}

/// Types and modifiers that go together.
#[derive(Debug)]
pub(crate) struct Form {
    pub types: &'static [Type],
    /// Modifiers other than types.
    pub modifiers: &'static [&'static str],
    pub rounding: Rounding,
}

/// Why an opcode, a modifier or a special register is not in the profile, and what to write instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Advice {
    pub reason: &'static str,
    pub instead: &'static str,
}

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Opcode {
    /// The opcode, with those modifiers that make it another instruction (`cp.async.bulk`).
    pub name: &'static str,
    pub kind: Kind,
    pub forms: &'static [Form],
    /// Gas for operands of at most 32 bits, and for 64 bits.
    pub weight: (u32, u32),
    /// What it computes, in words or pseudo-code.
    pub semantics: &'static str,
    /// Why the profile refuses every form.
    pub refused: Option<&'static str>,
    /// What to write in place of a refused opcode.
    pub instead: &'static str,
}

/// A form whose results need no rounding mode.
const fn exact(types: &'static [Type], modifiers: &'static [&'static str]) -> Form {
    Form { types, modifiers, rounding: Rounding::Exact }
}

/// A form in which a rounding mode must be written.
const fn rounded(types: &'static [Type], modifiers: &'static [&'static str]) -> Form {
    Form { types, modifiers, rounding: Rounding::Written }
}

/// A row of the profile.
const fn op(
    name: &'static str,
    kind: Kind,
    weight: (u32, u32),
    forms: &'static [Form],
    semantics: &'static str,
) -> Opcode {
    Opcode { name, kind, forms, weight, semantics, refused: None, instead: "" }
}

/// A row of an opcode that exists and is not in the profile.
const fn no(name: &'static str, semantics: &'static str, advice: Advice) -> Opcode {
    Opcode {
        name,
        kind: Kind::Refused,
        forms: &[],
        weight: (1, 1),
        semantics,
        refused: Some(advice.reason),
        instead: advice.instead,
    }
}

/// All rows, by family.
const FAMILIES: &[(&str, &[Opcode])] = &[
    ("Integers", integer::ROWS),
    ("Bits, logic and shifts", bits::ROWS),
    ("Floating point", float::ROWS),
    ("Conversions, comparisons and selections", convert::ROWS),
    ("Memory", memory::ROWS),
    ("Control flow and barriers", control::ROWS),
    ("What the lanes of a warp do together", warp::ROWS),
    ("Not reproducible", absent::ROWS),
    ("Newer than sm_80", newer::ROWS),
];

/// Most components of a row's name.
const COMPONENTS: usize = 5;

impl Opcode {
    /// Gas of one lane that reaches this instruction, whether or not its guard lets it act.
    pub fn gas(&self, instruction: &Instruction) -> u32 {
        let wide = instruction.types().any(|ty| ty.len() >= 8);
        let weight = if wide { self.weight.1 } else { self.weight.0 };
        let vector = instruction.modifiers().find_map(|modifier| match modifier {
            "v8" => Some(8),
            "v4" | "x4" => Some(4),
            "v2" | "x2" => Some(2),
            _ => None,
        });
        let vector = vector.unwrap_or(1);
        let base = weight * vector;
        // Parameters and constants cost no memory access.
        if self.kind == Kind::Ld && (instruction.has("param") || instruction.has("const")) { vector } else { base }
    }

    /// Whether some form takes a modifier.
    pub fn accepts(&self, modifier: &str) -> bool {
        self.forms.iter().any(|form| match Type::parse(modifier) {
            Some(ty) => form.types.contains(&ty),
            None => form.modifiers.contains(&modifier),
        })
    }

    /// Whether a modifier is part of the name, of some form, or a hint.
    pub fn knows(&self, modifier: &str) -> bool {
        self.accepts(modifier)
            || self.name.split('.').skip(1).any(|part| part == modifier)
            || is_cache_hint(self.kind, modifier)
    }
}

/// The row of an opcode: the one with the longest name with which `text` begins, in whole components.
///
/// An opcode that exists only in longer names (`cp` of `cp.async`) is found by its first component too.
pub(crate) fn find(text: &str) -> Option<&'static Opcode> {
    static INDEX: OnceLock<HashMap<&str, &Opcode>> = OnceLock::new();
    let index = INDEX.get_or_init(|| {
        let mut index = HashMap::new();
        for row in FAMILIES.iter().flat_map(|(_, rows)| rows.iter()) {
            index.insert(row.name, row);
        }
        for row in FAMILIES.iter().flat_map(|(_, rows)| rows.iter()) {
            let first = row.name.split('.').next().unwrap_or_default();
            index.entry(first).or_insert(row);
        }
        index
    });
    let end = text.match_indices('.').nth(COMPONENTS - 1).map_or(text.len(), |(at, _)| at);
    let mut name = &text[..end];
    loop {
        if let Some(row) = index.get(name) {
            return Some(row);
        }
        name = &name[..name.rfind('.')?];
    }
}

/// What the table says of one opcode, for those who list or test all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpcodeInfo {
    /// Its name, with those modifiers that make it another instruction.
    pub name: &'static str,
    /// Names of the types that some form takes.
    pub types: Vec<String>,
    /// Modifiers other than types that some form takes.
    pub modifiers: Vec<&'static str>,
    /// Why the profile refuses every form; `None` if it does not.
    pub refused: Option<&'static str>,
}

/// All opcodes, by family.
pub fn opcodes() -> impl Iterator<Item = OpcodeInfo> {
    FAMILIES.iter().flat_map(|(_, rows)| rows.iter()).map(|row| {
        let types: BTreeSet<Type> = row.forms.iter().flat_map(|form| form.types).copied().collect();
        let modifiers: BTreeSet<&str> = row.forms.iter().flat_map(|form| form.modifiers).copied().collect();
        OpcodeInfo {
            name: row.name,
            types: types.into_iter().map(|ty| format!("{ty:?}").to_lowercase()).collect(),
            modifiers: modifiers.into_iter().collect(),
            refused: row.refused,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> impl Iterator<Item = &'static Opcode> {
        FAMILIES.iter().flat_map(|(_, rows)| rows.iter())
    }

    #[test]
    fn rows_are_in_order_unique_and_complete() {
        let mut names = std::collections::HashSet::new();
        for (family, rows) in FAMILIES {
            assert!(rows.is_sorted_by(|a, b| a.name < b.name), "{family}");
        }
        for row in rows() {
            assert!(names.insert(row.name), "{} stands twice", row.name);
            assert!(row.name.split('.').count() <= COMPONENTS, "{}", row.name);
            assert!(row.weight.0 > 0 && row.weight.1 > 0, "{} is free", row.name);
            assert!(!row.semantics.is_empty(), "{} has no semantics", row.name);
            assert_eq!(row.refused.is_some(), !row.instead.is_empty(), "{}", row.name);
            assert_eq!(row.refused.is_some(), row.forms.is_empty(), "{}", row.name);
            let named = matches!(row.kind, Kind::Refused | Kind::ActiveMask);
            assert_eq!(row.refused.is_some(), named, "{}", row.name);
        }
    }

    #[test]
    fn every_type_of_a_form_has_a_name_and_no_modifier_is_a_type() {
        for row in rows() {
            for form in row.forms {
                assert!(form.modifiers.iter().all(|m| Type::parse(m).is_none()), "{}", row.name);
                if form.rounding == Rounding::Written {
                    assert!(form.modifiers.contains(&"rn"), "{}", row.name);
                }
            }
        }
    }

    #[test]
    fn the_longest_name_is_found() {
        let name = |text| find(text).map(|row| row.name);
        assert_eq!(name("add.rn.f32"), Some("add"));
        assert_eq!(name("cp.async.ca.shared.global"), Some("cp.async"));
        assert_eq!(name("cp.async.bulk.tensor.2d.shared::cluster"), Some("cp.async.bulk"));
        assert_eq!(name("bar"), Some("bar"));
        assert_eq!(name("bar.arrive"), Some("bar.arrive"));
        assert_eq!(name("frobnicate.u32"), None);
        assert_eq!(name(""), None);
        assert_eq!(name(&"a.".repeat(1 << 20)), None);
    }

    #[test]
    fn weights_are_the_published_ones() {
        let weight = |name| find(name).unwrap().weight;
        for (name, expected) in [
            ("add", (1, 2)),
            ("mul", (1, 4)),
            ("div", (16, 32)),
            ("ld", (4, 4)),
            ("atom", (16, 16)),
            ("mma", (16, 16)),
            ("shfl", (4, 4)),
            ("bar", (4, 4)),
            ("match", (8, 8)),
            ("prmt", (2, 2)),
        ] {
            assert_eq!(weight(name), expected, "{name}");
        }
    }
}

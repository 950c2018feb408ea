//! What the check of pointers knows of a register.

use crate::ast::{Instruction, Type, VarId};

/// What a pointer was derived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// Eight bytes of a parameter at an offset.
    Param(VarId, i64),
    Variable(VarId),
    /// Several known ones.
    Mixed,
    /// Read from memory, for example.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    pub origin: Origin,
    /// An address of shared memory, which fits into 32 bits.
    pub shared: bool,
    /// Not only a parameter that may be a pointer.
    pub sure: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Undefined,
    /// Zero, which is a number and no pointer alike.
    Null,
    Number,
    Pointer(Pointer),
    /// A pointer at some definitions, a number at others.
    Either,
}

impl Value {
    pub fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Undefined, value) | (value, Self::Undefined) => value,
            (a, b) if a == b => a,
            (Self::Null, value) | (value, Self::Null) => value,
            (Self::Pointer(a), Self::Pointer(b)) => Self::Pointer(Pointer {
                origin: match (a.origin, b.origin) {
                    (a, b) if a == b => a,
                    (Origin::Unknown, _) | (_, Origin::Unknown) => Origin::Unknown,
                    _ => Origin::Mixed,
                },
                shared: a.shared && b.shared,
                sure: a.sure || b.sure,
            }),
            _ => Self::Either,
        }
    }

    pub fn pointer(self) -> Option<Pointer> {
        match self {
            Self::Pointer(pointer) => Some(pointer),
            _ => None,
        }
    }
}

pub(super) fn sum(a: Value, b: Value) -> Value {
    match (a, b) {
        (Value::Pointer(a), Value::Pointer(b)) => match (a.sure, b.sure) {
            // What is added to a pointer is an offset.
            (true, false) => Value::Pointer(a),
            (false, true) => Value::Pointer(b),
            (true, true) => Value::Number,
            (false, false) => Value::Pointer(Pointer { origin: Origin::Mixed, ..a }),
        },
        (Value::Pointer(pointer), _) | (_, Value::Pointer(pointer)) => Value::Pointer(pointer),
        (Value::Undefined, _) | (_, Value::Undefined) => Value::Undefined,
        (Value::Either, _) | (_, Value::Either) => Value::Either,
        _ => Value::Number,
    }
}

/// Whether two pointers lie in one buffer, as far as is known.
pub(super) fn comparable(a: Pointer, b: Pointer) -> bool {
    match (a.origin, b.origin) {
        (Origin::Unknown, _) | (_, Origin::Unknown) => true,
        (Origin::Mixed, _) | (_, Origin::Mixed) => false,
        (a, b) => a == b,
    }
}

/// Whether a conversion leaves an address whole.
pub(super) fn keeps_pointer(ins: &Instruction, pointer: Pointer) -> bool {
    let mut types = ins.types();
    let (Some(to), Some(from)) = (types.next(), types.next()) else { return false };
    let least = if pointer.shared { 4 } else { 8 };
    let whole = |ty: Type| !ty.is_float() && ty.len() >= least;
    whole(to) && whole(from)
}

//! Integer arithmetic.

use super::lists::{INT, SHORT, WORD};
use super::{Kind, Opcode, exact, op, rounded};
use crate::ast::Type::{Bf16, Bf16x2, F16, F16x2, F32, F64, S16, S32, S64, U16, U32, U64};

const ALL_ROUNDINGS: &[&str] = &["rn", "rz", "rm", "rp"];
const SINGLE: &[&str] = &["rn", "rz", "rm", "rp", "sat"];

/// Rows that integers and floating point share stand here too.
pub(super) const ROWS: &[Opcode] = &[
    op(
        "abs",
        Kind::Abs,
        (1, 2),
        &[exact(&[S16, S32, S64], &[]), exact(&[F32, F64, F16, F16x2, Bf16, Bf16x2], &[])],
        "d = |a|; the least integer stays itself",
    ),
    op(
        "add",
        Kind::Add,
        (1, 2),
        &[
            exact(INT, &[]),
            exact(&[S32], &["sat"]),
            exact(WORD, &["cc"]),
            rounded(&[F32], SINGLE),
            rounded(&[F64], ALL_ROUNDINGS),
            rounded(&[F16, F16x2], &["rn", "sat"]),
        ],
        "d = a + b; integers wrap, `.sat` clamps to s32 or to [0, 1]; `.cc` writes the carry",
    ),
    op("addc", Kind::AddCarry, (1, 2), &[exact(WORD, &["cc"])], "d = a + b + carry"),
    op(
        "div",
        Kind::Div,
        (16, 32),
        &[exact(INT, &[]), rounded(&[F32, F64], ALL_ROUNDINGS)],
        "d = a / b; integers towards zero, a division by zero is a fault",
    ),
    op(
        "dp2a",
        Kind::Dp2a,
        (1, 1),
        &[exact(SHORT, &["lo", "hi"])],
        "d = c + a.h0·b.b0 + a.h1·b.b1 (`.hi`: b.b2, b.b3); wraps",
    ),
    op("dp4a", Kind::Dp4a, (1, 1), &[exact(SHORT, &[])], "d = c + Σ a.bi·b.bi over four bytes; wraps"),
    op(
        "mad",
        Kind::Mad,
        (1, 4),
        &[
            exact(INT, &["lo", "hi"]),
            exact(&[U16, U32, S16, S32], &["wide"]),
            exact(&[S32], &["hi", "sat"]),
            exact(WORD, &["lo", "hi", "cc"]),
            rounded(&[F32], SINGLE),
            rounded(&[F64], ALL_ROUNDINGS),
        ],
        "d = half(a · b) + c; floats as `fma`",
    ),
    op(
        "mad24",
        Kind::Mad24,
        (1, 1),
        &[exact(SHORT, &["lo", "hi"]), exact(&[S32], &["hi", "sat"])],
        "d = half(a[23:0] · b[23:0]) + c; `.hi` takes bits 47 to 16 of the product",
    ),
    op("madc", Kind::MadCarry, (2, 4), &[exact(WORD, &["lo", "hi", "cc"])], "d = half(a · b) + c + carry"),
    op(
        "max",
        Kind::Max,
        (1, 2),
        &[exact(INT, &[]), exact(&[F32, F16, F16x2, Bf16, Bf16x2], &["NaN"]), exact(&[F64], &[])],
        "d = the larger; one NaN gives the other operand, with `.NaN` a NaN; +0 > -0",
    ),
    op(
        "min",
        Kind::Min,
        (1, 2),
        &[exact(INT, &[]), exact(&[F32, F16, F16x2, Bf16, Bf16x2], &["NaN"]), exact(&[F64], &[])],
        "d = the smaller; one NaN gives the other operand, with `.NaN` a NaN; -0 < +0",
    ),
    op(
        "mul",
        Kind::Mul,
        (1, 4),
        &[
            exact(INT, &["lo", "hi"]),
            exact(&[U16, U32, S16, S32], &["wide"]),
            rounded(&[F32], SINGLE),
            rounded(&[F64], ALL_ROUNDINGS),
            rounded(&[F16, F16x2], &["rn", "sat"]),
        ],
        "d = low or high half of a · b, or all of it (`.wide`)",
    ),
    op(
        "mul24",
        Kind::Mul24,
        (1, 1),
        &[exact(SHORT, &["lo", "hi"])],
        "d = bits 31 to 0 (`.lo`) or 47 to 16 (`.hi`) of a[23:0] · b[23:0]",
    ),
    op(
        "neg",
        Kind::Neg,
        (1, 2),
        &[exact(&[S16, S32, S64], &[]), exact(&[F32, F64, F16, F16x2, Bf16, Bf16x2], &[])],
        "d = -a; the least integer stays itself",
    ),
    op("rem", Kind::Rem, (16, 32), &[exact(INT, &[])], "d = a - b · (a / b); a division by zero is a fault"),
    op("sad", Kind::Sad, (1, 2), &[exact(&[U16, U32, U64, S16, S32, S64], &[])], "d = c + |a - b|; wraps"),
    op(
        "sub",
        Kind::Sub,
        (1, 2),
        &[
            exact(INT, &[]),
            exact(&[S32], &["sat"]),
            exact(WORD, &["cc"]),
            rounded(&[F32], SINGLE),
            rounded(&[F64], ALL_ROUNDINGS),
            rounded(&[F16, F16x2], &["rn", "sat"]),
        ],
        "d = a - b; integers wrap, `.sat` clamps to s32 or to [0, 1]; `.cc` writes the borrow",
    ),
    op("subc", Kind::SubCarry, (1, 2), &[exact(WORD, &["cc"])], "d = a - b - borrow"),
];

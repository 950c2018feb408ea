//! Conversions, moves, comparisons and selections.

use super::lists::{CVT, HALF, MOVE, SELECT};
use super::{Advice, Form, Kind, Opcode, Rounding, exact, no, op};
use crate::ast::Type::{F16, F16x2, S16, S32, U16, U32, U64};

const FLOAT_COMPARE: &[&str] =
    &["eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan", "and", "or", "xor"];
const ANY_COMPARE: &[&str] = &[
    "eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan",
    "and", "or", "xor",
];

pub(super) const ROWS: &[Opcode] = &[
    op(
        "cvt",
        Kind::Cvt,
        (2, 4),
        &[Form {
            types: CVT,
            modifiers: &["rn", "rz", "rm", "rp", "rni", "rzi", "rmi", "rpi", "sat", "relu"],
            rounding: Rounding::Convert,
        }],
        "d = a in another type; float to integer saturates and NaN gives 0; `.f16x2`, `.bf16x2` pack two f32, the first on top",
    ),
    no(
        "cvt.pack",
        "d = a and b saturated and packed",
        Advice { reason: "is not in the profile", instead: "cvt.sat of each part, then prmt" },
    ),
    op(
        "cvta",
        Kind::Cvta,
        (1, 1),
        &[exact(&[U64], &["to", "global", "shared", "shared::cta", "local", "const", "param"])],
        "d = a as a generic address, or (`.to`) as an address of the space",
    ),
    op("mov", Kind::Mov, (1, 1), &[exact(MOVE, &[])], "d = a; vectors of registers are packed or taken apart"),
    op("selp", Kind::Selp, (1, 1), &[exact(SELECT, &[])], "d = p ? a : b"),
    op(
        "set",
        Kind::Set,
        (1, 2),
        &[exact(SELECT, ANY_COMPARE), exact(&[U16, S16, U32, S32, F16, F16x2], FLOAT_COMPARE)],
        "d = (a cmp b) ? all ones or 1.0 : 0",
    ),
    op(
        "setp",
        Kind::Setp,
        (1, 2),
        &[exact(SELECT, ANY_COMPARE), exact(HALF, FLOAT_COMPARE)],
        "p = (a cmp b) op c, q = !(a cmp b) op c; with a NaN only `.ne`-like unordered comparisons hold",
    ),
    op("slct", Kind::Slct, (1, 2), &[exact(SELECT, &[])], "d = c >= 0 ? a : b; -0 is 0, NaN picks b"),
];

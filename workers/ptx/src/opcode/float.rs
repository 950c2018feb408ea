//! Floating point.

use super::lists::REAL;
use super::{Advice, Kind, Opcode, exact, no, op, rounded};
use crate::ast::Type::{Bf16, Bf16x2, F16, F16x2, F32, F64};

const APPROXIMATE: Advice = Advice {
    reason: "its result differs between GPUs",
    instead: "a polynomial of your own, made of fma.rn (tessera.cuh has the elementary functions)",
};
const ROOT: Advice = Advice { reason: "its result differs between GPUs", instead: "sqrt.rn, then rcp.rn" };
const ALL_ROUNDINGS: &[&str] = &["rn", "rz", "rm", "rp"];

pub(super) const ROWS: &[Opcode] = &[
    op("copysign", Kind::Copysign, (1, 2), &[exact(REAL, &[])], "d = |b| with the sign of a"),
    no("cos", "d ≈ cos(a)", APPROXIMATE),
    no("ex2", "d ≈ 2^a", APPROXIMATE),
    op(
        "fma",
        Kind::Fma,
        (1, 2),
        &[
            rounded(&[F32], &["rn", "rz", "rm", "rp", "sat"]),
            rounded(&[F64], ALL_ROUNDINGS),
            rounded(&[F16, F16x2], &["rn", "sat"]),
            rounded(&[F16, F16x2, Bf16, Bf16x2], &["rn", "relu"]),
        ],
        "d = a · b + c, rounded once; `.sat` clamps to [0, 1] and NaN gives 0, `.relu` clamps below at 0",
    ),
    no("lg2", "d ≈ log2(a)", APPROXIMATE),
    op("rcp", Kind::Rcp, (16, 32), &[rounded(REAL, ALL_ROUNDINGS)], "d = 1 / a"),
    no("rsqrt", "d ≈ 1 / √a", ROOT),
    no("sin", "d ≈ sin(a)", APPROXIMATE),
    op("sqrt", Kind::Sqrt, (16, 32), &[rounded(REAL, ALL_ROUNDINGS)], "d = √a"),
    no("tanh", "d ≈ tanh(a)", APPROXIMATE),
    op(
        "testp",
        Kind::Testp,
        (1, 2),
        &[exact(REAL, &["finite", "infinite", "number", "notanumber", "normal", "subnormal"])],
        "p = whether a has the property",
    ),
];

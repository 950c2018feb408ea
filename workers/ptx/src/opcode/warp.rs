//! What the lanes of a warp do together.

use super::lists::WIDE_BITS;
use super::{Advice, Kind, Opcode, exact, no, op};
use crate::ast::Type::{B1, B32, Pred, S4, S8, S32, U4, U8, U32};

const MATRIX: &str = "float tensor cores add in an order of their own";

pub(super) const ROWS: &[Opcode] = &[
    Opcode {
        kind: Kind::ActiveMask,
        ..no(
            "activemask",
            "d = mask of the lanes that happen to be together",
            Advice {
                reason: "which lanes are active is not reproducible",
                instead: "the mask that you mean, as a constant",
            },
        )
    },
    op(
        "match",
        Kind::Match,
        (8, 8),
        &[exact(WIDE_BITS, &["any", "all", "sync"])],
        "d = mask of lanes with the same a; `.all`: all of them or none, and p says which",
    ),
    op(
        "mma",
        Kind::Mma,
        (16, 16),
        &[
            exact(&[S32, S8, U8], &["sync", "aligned", "m8n8k16", "m16n8k16", "m16n8k32", "row", "col", "satfinite"]),
            exact(&[S32, S4, U4], &["sync", "aligned", "m8n8k32", "m16n8k32", "m16n8k64", "row", "col", "satfinite"]),
            exact(
                &[S32, B1],
                &["sync", "aligned", "m8n8k128", "m16n8k128", "m16n8k256", "row", "col", "xor", "and", "popc"],
            ),
        ],
        "d = a · b + c in exact 32-bit sums that wrap, or clamp with `.satfinite`; b1: popc(a op b) + c",
    ),
    no(
        "mma.sp",
        "d = a · b + c with a sparse a",
        Advice {
            reason: "sparse matrices are not in the profile",
            instead: "mma.sync with s8 or u8 elements and all of a",
        },
    ),
    no(
        "mma.sp::ordered_metadata",
        "d = a · b + c with a sparse a",
        Advice {
            reason: "sparse matrices are not in the profile",
            instead: "mma.sync with s8 or u8 elements and all of a",
        },
    ),
    no(
        "movmatrix",
        "d = the fragment of the transposed matrix",
        Advice { reason: "is not in the profile", instead: "ldmatrix.trans from shared memory, or shfl.sync" },
    ),
    op(
        "redux",
        Kind::Redux,
        (8, 8),
        &[exact(&[U32, S32, B32], &["sync", "add", "min", "max", "and", "or", "xor"])],
        "d = a combined over the lanes of a mask",
    ),
    op(
        "shfl",
        Kind::Shfl,
        (4, 4),
        &[exact(&[B32], &["sync", "up", "down", "bfly", "idx"])],
        "d = a of another lane, p = whether it lies in the segment; a lane that takes no part is a fault",
    ),
    op(
        "vote",
        Kind::Vote,
        (4, 4),
        &[exact(&[Pred, B32], &["sync", "all", "any", "uni", "ballot"])],
        "d = p over the lanes of a mask: all, any, equal, or one bit each",
    ),
    no(
        "wmma",
        "d = a · b + c on opaque fragments",
        Advice { reason: MATRIX, instead: "mma.sync with s8 or u8 elements" },
    ),
];

/// Why matrices of floats are refused.
pub(super) const FLOAT_MATRIX: Advice =
    Advice { reason: MATRIX, instead: "mma.sync with s8 or u8 elements, or fma.rn" };

//! Logic, shifts and bit fields.

use super::lists::{BITS, LOGIC, SHIFT, SHORT, WIDE_BITS, WORD};
use super::{Kind, Opcode, exact, op};
use crate::ast::Type::B32;

pub(super) const ROWS: &[Opcode] = &[
    op("and", Kind::And, (1, 2), &[exact(LOGIC, &[])], "d = a & b"),
    op(
        "bfe",
        Kind::Bfe,
        (2, 4),
        &[exact(WORD, &[])],
        "d = c bits of a from bit b, extended by the sign for signed types; b and c are taken modulo 256",
    ),
    op(
        "bfi",
        Kind::Bfi,
        (2, 4),
        &[exact(WIDE_BITS, &[])],
        "f = b with its d bits from bit c replaced by the low bits of a",
    ),
    op(
        "bfind",
        Kind::Bfind,
        (2, 4),
        &[exact(WORD, &["shiftamt"])],
        "d = position of the highest bit that differs from the sign; 0xffffffff if none; `.shiftamt`: shift that brings it to the top",
    ),
    op(
        "bmsk",
        Kind::Bmsk,
        (1, 1),
        &[exact(&[B32], &["clamp", "wrap"])],
        "d = b ones from bit a; `.clamp` limits both to 32, `.wrap` takes them modulo 32",
    ),
    op("brev", Kind::Brev, (2, 4), &[exact(WIDE_BITS, &[])], "d = the bits of a in reverse"),
    op("clz", Kind::Clz, (2, 4), &[exact(WIDE_BITS, &[])], "d = number of leading zeros of a"),
    op("cnot", Kind::Cnot, (1, 2), &[exact(BITS, &[])], "d = a == 0 ? 1 : 0"),
    op(
        "fns",
        Kind::Fns,
        (16, 16),
        &[exact(&[B32], &[])],
        "d = position of the |c|-th one of mask a counted from bit b, up if c > 0, down if c < 0, itself if c = 0; 0xffffffff if none",
    ),
    op(
        "lop3",
        Kind::Lop3,
        (1, 1),
        &[exact(&[B32], &["and", "or"])],
        "d = the bits of table immLut at index (a, b, c), bit by bit; with `.and`, `.or`: p = (d != 0) op q",
    ),
    op("not", Kind::Not, (1, 2), &[exact(LOGIC, &[])], "d = ~a"),
    op("or", Kind::Or, (1, 2), &[exact(LOGIC, &[])], "d = a | b"),
    op("popc", Kind::Popc, (2, 4), &[exact(WIDE_BITS, &[])], "d = number of ones of a"),
    op(
        "prmt",
        Kind::Prmt,
        (2, 2),
        &[exact(&[B32], &["f4e", "b4e", "rc8", "ecl", "ecr", "rc16"])],
        "d = four bytes picked from b:a by the nibbles of c, bit 3 of a nibble repeats the sign; or by mode",
    ),
    op(
        "shf",
        Kind::Shf,
        (1, 1),
        &[exact(&[B32], &["l", "r", "wrap", "clamp"])],
        "d = high (`.l`) or low (`.r`) word of b:a shifted by c, taken modulo 32 or limited to 32",
    ),
    op("shl", Kind::Shl, (1, 2), &[exact(BITS, &[])], "d = a << min(b, width)"),
    op("shr", Kind::Shr, (1, 2), &[exact(SHIFT, &[])], "d = a >> min(b, width); signed types repeat the sign"),
    op(
        "szext",
        Kind::Szext,
        (1, 1),
        &[exact(SHORT, &["clamp", "wrap"])],
        "d = the low b bits of a, extended by the sign (s32) or with zeros (u32)",
    ),
    op("xor", Kind::Xor, (1, 2), &[exact(LOGIC, &[])], "d = a ^ b"),
];

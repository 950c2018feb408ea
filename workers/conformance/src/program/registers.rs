//! The registers of a program, and the operands that it takes from them.

use std::collections::HashSet;

use fastrand::Rng;

use crate::values::Type;

/// Registers by kind: prefix, declared type, how many. All are written before a program's first random instruction.
pub(super) const POOLS: [(&str, &str, u32); 6] =
    [("%h", "b16", 4), ("%r", "b32", 8), ("%f", "f32", 3), ("%d", "b64", 6), ("%g", "f64", 2), ("%p", "pred", 4)];
/// Bytes that the pools take in the input and in the output.
pub(super) const POOL_BYTES: u32 = 128;
/// Most nested masks and conditions, and counters of loops.
pub(super) const NESTED: u32 = 64;

/// Declarations of pools and of registers with a purpose.
pub(super) fn declarations() -> String {
    let mut text = String::new();
    for (prefix, ty, count) in POOLS {
        text.push_str(&format!(".reg .{ty} {prefix}<{count}>;\n"));
    }
    // %x, %y, %z: scratch of one statement. %q: conditions. %c: counters. %m: masks of lanes.
    text.push_str(".reg .b16 %x<8>;\n.reg .b32 %y<8>;\n.reg .b64 %z<8>;\n");
    text.push_str(&format!(".reg .pred %q<{NESTED}>;\n.reg .b32 %c<{NESTED}>;\n.reg .b32 %m<{NESTED}>;\n"));
    text
}

/// Registers of the pools that are moved together.
pub(super) struct Chunk {
    /// Their names.
    pub registers: Vec<String>,
    /// The type of each.
    pub ty: &'static str,
    /// Offset within [`POOL_BYTES`].
    pub at: u32,
}

impl Chunk {
    /// The end of the opcode of a move, and its operand.
    pub fn moved(&self) -> (String, String) {
        let list = self.registers.join(", ");
        match self.registers.len() {
            1 => (self.ty.to_string(), list),
            len => (format!("v{len}.{}", self.ty), format!("{{{list}}}")),
        }
    }
}

/// The registers of the pools in a text, and those that are moved with them; predicates excluded.
pub(super) fn chunks(text: &str) -> Vec<Chunk> {
    let (named, mut at) = (named(text), 0u32);
    let mut found = Vec::new();
    // The widest first, so that little is lost to alignment.
    for (prefix, ty, count) in [POOLS[3], POOLS[4], POOLS[1], POOLS[2], POOLS[0]] {
        let len = Type::parse(ty).map_or(0, Type::bytes);
        let mut first = 0;
        while first < count {
            // As many as a vector takes.
            let most = (count - first).min(16 / len).min(4);
            let together = if most == 3 { 2 } else { most };
            let registers: Vec<String> = (first..first + together).map(|i| format!("{prefix}{i}")).collect();
            at = at.next_multiple_of(len * together);
            if registers.iter().any(|register| named.contains(register.as_str())) {
                found.push(Chunk { registers, ty, at });
            }
            at += len * together;
            first += together;
        }
    }
    debug_assert!(at + 4 <= POOL_BYTES);
    found
}

/// Numbers of the predicates of the pool in a text.
pub(super) fn predicates(text: &str) -> Vec<u32> {
    let named = named(text);
    (0..POOLS[5].2).filter(|i| named.contains(format!("%p{i}").as_str())).collect()
}

/// The registers in a text.
fn named(text: &str) -> HashSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '%' || c == '_'));
    words.filter(|word| word.starts_with('%')).collect()
}

/// A random register of a type's width. Those declared as floats hold floats only, as an assembler wants it.
pub(super) fn register(rng: &mut Rng, ty: Type) -> String {
    let (prefix, _, count) = match ty.bits {
        1 => POOLS[5],
        8 if rng.bool() => POOLS[1],
        8 | 16 => POOLS[0],
        32 if ty.name == "f32" && rng.bool() => POOLS[2],
        32 => POOLS[1],
        _ if ty.name == "f64" && rng.u8(..3) == 0 => POOLS[4],
        _ => POOLS[3],
    };
    format!("{prefix}{}", rng.u32(..count))
}

/// A random operand that is read: mostly a register, now and then a number.
pub(super) fn source(rng: &mut Rng, ty: Type) -> String {
    if ty.literal && rng.u8(..5) == 0 { number(rng, ty) } else { register(rng, ty) }
}

/// A number at the edge, or a small one.
pub(super) fn number(rng: &mut Rng, ty: Type) -> String {
    let edges = ty.edges();
    let bits = match rng.u8(..8) {
        0 if !ty.float => rng.u64(..),
        _ => edges[rng.usize(..edges.len())],
    };
    ty.literal(bits)
}

/// Different registers of a type, for a vector that is written.
pub(super) fn distinct(rng: &mut Rng, ty: Type, count: usize, taken: &mut Vec<String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    // Elements of 8 bits come from pools of two widths, of which a vector takes one.
    let ty = if ty.bits == 8 && count > 1 { Type::parse("b16").unwrap_or(ty) } else { ty };
    while found.len() < count {
        let one = register(rng, ty);
        if !taken.contains(&one) {
            taken.push(one.clone());
            found.push(one);
        }
    }
    found
}

//! `cvt`: which pairs of types exist on sm_80, and which rounding each needs.

use super::Why;
use crate::ast::{Instruction, Type};

fn bits(ty: Type) -> u32 {
    match ty {
        Type::F16x2 | Type::Bf16x2 => 16,
        _ => 8 * ty.len(),
    }
}

fn is_brain(ty: Type) -> bool {
    matches!(ty, Type::Bf16 | Type::Bf16x2)
}

pub(super) fn check(ins: &Instruction) -> Option<Why> {
    let types: Vec<Type> = ins.types().collect();
    let [to, from] = types[..] else {
        return Some(Why::new("two types are expected", "cvt.<to>.<from>"));
    };
    let has = |modes: &[&str]| modes.iter().any(|mode| ins.has(mode));
    let (rounds, whole) = (has(&["rn", "rz", "rm", "rp"]), has(&["rni", "rzi", "rmi", "rpi"]));
    let pair = (to.name(), from.name());
    if matches!(from, Type::F16x2 | Type::Bf16x2) {
        return Some(Why::new(format!("{} is not converted as a pair", from.name()), "mov.b32 {a, b}, then each part"));
    }
    let brain = is_brain(to) || is_brain(from);
    if brain && !matches!((to, from), (Type::Bf16 | Type::Bf16x2, Type::F32) | (Type::F32, Type::Bf16)) {
        return Some(Why::new(
            format!("from .{} to .{} it needs a newer GPU than sm_80", pair.1, pair.0),
            "cvt through f32",
        ));
    }
    if matches!(to, Type::F16x2 | Type::Bf16x2) && from != Type::F32 {
        return Some(Why::new("a pair is made of two f32", format!("cvt.rn.{}.f32", pair.0)));
    }
    if (is_brain(to) || to == Type::F16x2) && has(&["rm", "rp"]) {
        return Some(Why::new("this conversion rounds by .rn or .rz", format!("cvt.rn.{}.{}", pair.0, pair.1)));
    }
    if ins.has("relu") && (bits(to) != 16 || from != Type::F32) {
        return Some(Why::new(".relu is for f32 to 16 bits", "max with 0 after the conversion"));
    }
    match (to.is_float(), from.is_float()) {
        (true, false) if !rounds => Some(Why::new(
            "an integer becomes a float only with a rounding mode",
            format!("cvt.rn.{}.{}", pair.0, pair.1),
        )),
        (true, true) if bits(to) < bits(from) && !rounds => Some(Why::new(
            "a float becomes a shorter one only with a rounding mode",
            format!("cvt.rn.{}.{}", pair.0, pair.1),
        )),
        (false, true) if !whole => Some(Why::new(
            "a float becomes an integer only with .rni, .rzi, .rmi or .rpi",
            format!("cvt.rzi.{}.{}", pair.0, pair.1),
        )),
        _ => None,
    }
}

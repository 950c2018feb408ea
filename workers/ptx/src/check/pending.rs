//! Forms of the profile that this machine does not execute yet and would take for another form.

use crate::ast::{Instruction, Type};
use crate::opcode::Kind;

const NOT_YET: &str = "this machine does not execute this form yet";

pub(super) fn check(ins: &Instruction, kind: Kind) -> Option<&'static str> {
    let has = |modifiers: &[&str]| modifiers.iter().any(|modifier| ins.has(modifier));
    let typed = |types: &[Type]| ins.types().any(|ty| types.contains(&ty));
    let half = typed(&[Type::F16, Type::F16x2, Type::Bf16, Type::Bf16x2]);
    let pending = match kind {
        Kind::Add | Kind::Sub | Kind::Mul | Kind::Fma | Kind::Mad | Kind::Div | Kind::Rcp | Kind::Sqrt => {
            has(&["rz", "rm", "rp", "sat", "relu"])
        }
        Kind::Cvt | Kind::Setp => half,
        Kind::Min | Kind::Max => has(&["NaN"]),
        Kind::Mul24 | Kind::Mad24 => has(&["hi", "sat"]),
        Kind::Prmt => has(&["f4e", "b4e", "rc8", "ecl", "ecr", "rc16"]),
        Kind::Mma => {
            has(&["satfinite", "m8n8k16"]) || typed(&[Type::B1, Type::S4, Type::U4]) || !has(&["m16n8k16", "m16n8k32"])
        }
        _ => false,
    };
    pending.then_some(NOT_YET)
}

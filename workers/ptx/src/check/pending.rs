//! Forms of the profile whose results are not known well enough yet.

use crate::ast::Instruction;
use crate::opcode::Kind;

pub(super) fn check(ins: &Instruction, kind: Kind) -> Option<&'static str> {
    (kind == Kind::Mma && ins.has("satfinite"))
        .then_some("whether the sum is clamped once or after each part of it has not been measured on GPUs")
}

//! Control flow, barriers and fences.

use super::{Kind, Opcode, exact, op};
use crate::ast::Type::{Pred, U32};

const BAR: &[&str] = &["sync", "red", "popc", "and", "or", "cta"];
const BARRIER: &[&str] = &["sync", "red", "popc", "and", "or", "cta", "aligned"];

pub(super) const ROWS: &[Opcode] = &[
    op(
        "bar",
        Kind::Bar,
        (4, 4),
        &[exact(&[U32, Pred], BAR), exact(&[], &["warp", "sync"])],
        "waits for the block, or for b threads at barrier a; `.red` combines p over them; `.warp` waits for lanes of a mask",
    ),
    op("barrier", Kind::Bar, (4, 4), &[exact(&[U32, Pred], BARRIER)], "as bar"),
    op("bra", Kind::Bra, (1, 1), &[exact(&[], &["uni"])], "goes to a label"),
    op(
        "brx",
        Kind::Brx,
        (4, 4),
        &[exact(&[], &["idx", "uni"])],
        "goes to label a of `.branchtargets`; a fault outside it",
    ),
    op("call", Kind::Call, (4, 4), &[exact(&[], &["uni"])], "calls a function of the module; `__assertfail` is a trap"),
    op("exit", Kind::Exit, (1, 1), &[exact(&[], &[])], "ends the thread"),
    op(
        "fence",
        Kind::Fence,
        (4, 4),
        &[exact(&[], &["acq_rel", "sc", "cta", "gpu", "sys"])],
        "no effect on results: without it a race is a race too",
    ),
    op("membar", Kind::Fence, (4, 4), &[exact(&[], &["cta", "gl", "sys"])], "as fence"),
    op("nanosleep", Kind::Nop, (1, 1), &[exact(&[U32], &[])], "no effect on results"),
    op("pmevent", Kind::Nop, (1, 1), &[exact(&[], &["mask"])], "no effect on results"),
    op("ret", Kind::Ret, (1, 1), &[exact(&[], &["uni"])], "returns to the caller; ends the thread of a kernel"),
    op("trap", Kind::Trap, (1, 1), &[exact(&[], &[])], "a fault"),
];

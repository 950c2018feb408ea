//! Operations on predicates, which are bit masks: one machine word for the whole warp.

use super::lanes::{Context, Op, Run};

macro_rules! masks {
    ($($name:ident |$a:ident, $b:ident| $body:expr;)*) => { $(
        fn $name(context: &mut Context<'_>, op: &Op, mask: u32) {
            let masks = &mut context.registers.masks;
            let ($a, $b) = (masks[op.r[1] as usize], masks[op.r[2] as usize]);
            let target = &mut masks[op.r[0] as usize];
            *target = (*target & !mask) | ($body & mask);
        }
    )* };
}

masks! {
    mov |a, _b| a;
    not |a, _b| !a;
    and |a, b| a & b;
    or |a, b| a | b;
    xor |a, b| a ^ b;
}

pub(crate) const MOV: Run = mov;
pub(crate) const NOT: Run = not;
pub(crate) const AND: Run = and;
pub(crate) const OR: Run = or;
pub(crate) const XOR: Run = xor;

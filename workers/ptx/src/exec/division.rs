//! Integer division: PTX leaves a division by zero open, so here it is a fault.

use super::lanes::{Context, LANES, Op, Run};
use crate::error::FaultKind;

macro_rules! divisions {
    ($($name:ident $file:ident $int:ty, |$a:ident, $b:ident| $body:expr;)*) => { $(
        fn $name(context: &mut Context<'_>, op: &Op, mask: u32) {
            let a = context.registers.$file[op.r[1] as usize].0;
            let b = context.registers.$file[op.r[2] as usize].0;
            for lane in 0..LANES {
                if mask >> lane & 1 == 0 {
                    continue;
                }
                if b[lane] == 0 {
                    context.fail(op, lane as u32, FaultKind::DivisionByZero);
                    return;
                }
                let ($a, $b) = (a[lane] as $int, b[lane] as $int);
                context.registers.$file[op.r[0] as usize].0[lane] = $body as _;
            }
        }
    )* };
}

divisions! {
    div_u32 words u32, |a, b| a / b;
    rem_u32 words u32, |a, b| a % b;
    div_s32 words i32, |a, b| a.wrapping_div(b);
    rem_s32 words i32, |a, b| a.wrapping_rem(b);
    div_u64 longs u64, |a, b| a / b;
    rem_u64 longs u64, |a, b| a % b;
    div_s64 longs i64, |a, b| a.wrapping_div(b);
    rem_s64 longs i64, |a, b| a.wrapping_rem(b);
}

/// The function for a quotient or a remainder.
pub(crate) fn run(remainder: bool, signed: bool, wide: bool) -> Run {
    match (remainder, signed, wide) {
        (false, false, false) => div_u32,
        (true, false, false) => rem_u32,
        (false, true, false) => div_s32,
        (true, true, false) => rem_s32,
        (false, false, true) => div_u64,
        (true, false, true) => rem_u64,
        (false, true, true) => div_s64,
        (true, true, true) => rem_s64,
    }
}

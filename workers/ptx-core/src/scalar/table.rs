//! The table of operations: every one that exists, with its operands, its result and what it computes. Families whose
//! definition takes more than a line have a file each.

// A comparison with NaN is false, so its negation is true: just what the unordered comparisons of PTX want.
#![allow(clippy::neg_cmp_op_on_partial_ord)]

use super::float::{double, single};
use super::half;
use super::integer as int;
use super::rounding::{BF16, F16, F32, F64, Mode};
use super::{Action, Double, Function, Kind, Single, Value};
use crate::ir::Slot;

scalars! {
    // Copies and conversions between registers.
    Mov32(a: u32) -> u32 { a }
    Mov64(a: u64) -> u64 { a }
    ZeroExtend8(a: u32) -> u32 { a & 0xff }
    ZeroExtend16(a: u32) -> u32 { a & 0xffff }
    SignExtend8(a: u32) -> u32 { a as i8 as u32 }
    SignExtend16(a: u32) -> u32 { a as i16 as u32 }
    ZeroExtend32(a: u32) -> u64 { u64::from(a) }
    SignExtend32(a: u32) -> u64 { a as i32 as u64 }
    Low32(a: u64) -> u32 { a as u32 }
    High32(a: u64) -> u32 { (a >> 32) as u32 }
    High16(a: u32) -> u32 { a >> 16 }
    Join32(a: u32, b: u32) -> u64 { u64::from(b) << 32 | u64::from(a) }
    Join16(a: u32, b: u32) -> u32 { b << 16 | (a & 0xffff) }
    Select32(a: u32, b: u32, p: bool) -> u32 { if p { a } else { b } }
    Select64(a: u64, b: u64, p: bool) -> u64 { if p { a } else { b } }
    Negative32(a: u32) -> bool { (a as i32) < 0 }
    // slct with an f32 selector: -0 counts as not negative, NaN takes the second.
    NotAtLeastZero(a: Single) -> bool { !(f32::from_bits(a) >= 0.0) }

    // Predicates.
    MovP(a: bool) -> bool { a }
    NotP(a: bool) -> bool { !a }
    AndP(a: bool, b: bool) -> bool { a & b }
    OrP(a: bool, b: bool) -> bool { a | b }
    XorP(a: bool, b: bool) -> bool { a ^ b }

    // Integers of 32 bits; shorter ones pass through these and are cut afterwards.
    Add32(a: u32, b: u32) -> u32 { a.wrapping_add(b) }
    Sub32(a: u32, b: u32) -> u32 { a.wrapping_sub(b) }
    Mul32(a: u32, b: u32) -> u32 { a.wrapping_mul(b) }
    MulHighU32(a: u32, b: u32) -> u32 { ((u64::from(a) * u64::from(b)) >> 32) as u32 }
    MulHighS32(a: u32, b: u32) -> u32 { ((i64::from(a as i32) * i64::from(b as i32)) >> 32) as u32 }
    MulWideU32(a: u32, b: u32) -> u64 { u64::from(a) * u64::from(b) }
    MulWideS32(a: u32, b: u32) -> u64 { (i64::from(a as i32) * i64::from(b as i32)) as u64 }
    Mad32(a: u32, b: u32, c: u32) -> u32 { a.wrapping_mul(b).wrapping_add(c) }
    MadWideU32(a: u32, b: u32, c: u64) -> u64 { (u64::from(a) * u64::from(b)).wrapping_add(c) }
    MadWideS32(a: u32, b: u32, c: u64) -> u64 { ((i64::from(a as i32) * i64::from(b as i32)) as u64).wrapping_add(c) }
    Mul24U(a: u32, b: u32) -> u32 { (a & 0xff_ffff).wrapping_mul(b & 0xff_ffff) }
    Mul24S(a: u32, b: u32) -> u32 { (((a as i32) << 8 >> 8).wrapping_mul((b as i32) << 8 >> 8)) as u32 }
    Mul24HighU(a: u32, b: u32) -> u32 { ((u64::from(a & 0xff_ffff) * u64::from(b & 0xff_ffff)) >> 16) as u32 }
    Mul24HighS(a: u32, b: u32) -> u32 { ((i64::from((a as i32) << 8 >> 8) * i64::from((b as i32) << 8 >> 8)) >> 16) as u32 }
    AddSaturate(a: u32, b: u32) -> u32 { (a as i32).saturating_add(b as i32) as u32 }
    SubSaturate(a: u32, b: u32) -> u32 { (a as i32).saturating_sub(b as i32) as u32 }
    MinU32(a: u32, b: u32) -> u32 { a.min(b) }
    MaxU32(a: u32, b: u32) -> u32 { a.max(b) }
    MinS32(a: u32, b: u32) -> u32 { (a as i32).min(b as i32) as u32 }
    MaxS32(a: u32, b: u32) -> u32 { (a as i32).max(b as i32) as u32 }
    Neg32(a: u32) -> u32 { a.wrapping_neg() }
    Abs32(a: u32) -> u32 { (a as i32).wrapping_abs() as u32 }
    SadU32(a: u32, b: u32, c: u32) -> u32 { c.wrapping_add(a.abs_diff(b)) }
    SadS32(a: u32, b: u32, c: u32) -> u32 { c.wrapping_add((a as i32).abs_diff(b as i32)) }
    And32(a: u32, b: u32) -> u32 { a & b }
    Or32(a: u32, b: u32) -> u32 { a | b }
    Xor32(a: u32, b: u32) -> u32 { a ^ b }
    Not32(a: u32) -> u32 { !a }
    Cnot32(a: u32) -> u32 { u32::from(a == 0) }
    Shl32(a: u32, b: u32) -> u32 { if b < 32 { a << (b & 31) } else { 0 } }
    ShrU32(a: u32, b: u32) -> u32 { if b < 32 { a >> (b & 31) } else { 0 } }
    ShrS32(a: u32, b: u32) -> u32 { (a as i32 >> b.min(31)) as u32 }
    Popc32(a: u32) -> u32 { a.count_ones() }
    Clz32(a: u32) -> u32 { a.leading_zeros() }
    Brev32(a: u32) -> u32 { a.reverse_bits() }
    BfindU32(a: u32) -> u32 { int::bfind_u32(a) }
    BfindS32(a: u32) -> u32 { int::bfind_u32(a ^ (a as i32 >> 31) as u32) }
    BfindShiftU32(a: u32) -> u32 { a.leading_zeros() | (if a == 0 { u32::MAX } else { 0 }) }
    BfindShiftS32(a: u32) -> u32 { let a = a ^ (a as i32 >> 31) as u32; a.leading_zeros() | (if a == 0 { u32::MAX } else { 0 }) }
    BfeU32(a: u32, b: u32, c: u32) -> u32 { int::bfe_u32(a, b, c) }
    BfeS32(a: u32, b: u32, c: u32) -> u32 { int::bfe_s32(a, b, c) }
    // The length of bfi is the fourth operand: lowering packs position and length into one.
    Bfi32(a: u32, b: u32, c: u32) -> u32 { int::bfi_u32(a, b, c & 0xff, c >> 8) }
    Bfi64(a: u64, b: u64, c: u32) -> u64 { int::bfi_u64(a, b, c & 0xff, c >> 8) }
    PackBytes(a: u32, b: u32) -> u32 { (a & 0xff) | (b & 0xff) << 8 }
    Prmt(a: u32, b: u32, c: u32) -> u32 { int::prmt(a, b, c) }
    // The mode is a place in a table of selectors.
    PrmtMode(a: u32, b: u32, c: u32; mode) -> u32 { int::prmt(a, b, int::selector(mode, c)) }
    Bmsk(a: u32, b: u32; wrap) -> u32 { int::bmsk(a, b, wrap != 0) }
    SzextU32(a: u32, b: u32; wrap) -> u32 { int::szext(a, b, false, wrap != 0) }
    SzextS32(a: u32, b: u32; wrap) -> u32 { int::szext(a, b, true, wrap != 0) }
    Fns(a: u32, b: u32, c: u32) -> u32 { int::fns(a, b, c) }
    Lop3(a: u32, b: u32, c: u32; table) -> u32 { int::lop3(a, b, c, table) }
    ShfLeftWrap(a: u32, b: u32, c: u32) -> u32 { int::shf_l_wrap(a, b, c) }
    ShfLeftClamp(a: u32, b: u32, c: u32) -> u32 { int::shf_l_clamp(a, b, c) }
    ShfRightWrap(a: u32, b: u32, c: u32) -> u32 { int::shf_r_wrap(a, b, c) }
    ShfRightClamp(a: u32, b: u32, c: u32) -> u32 { int::shf_r_clamp(a, b, c) }
    Dp4aUU(a: u32, b: u32, c: u32) -> u32 { int::dp4a::<false, false>(a, b, c) }
    Dp4aUS(a: u32, b: u32, c: u32) -> u32 { int::dp4a::<false, true>(a, b, c) }
    Dp4aSU(a: u32, b: u32, c: u32) -> u32 { int::dp4a::<true, false>(a, b, c) }
    Dp4aSS(a: u32, b: u32, c: u32) -> u32 { int::dp4a::<true, true>(a, b, c) }
    Dp2aLowUU(a: u32, b: u32, c: u32) -> u32 { int::dp2a::<false, false, false>(a, b, c) }
    Dp2aLowUS(a: u32, b: u32, c: u32) -> u32 { int::dp2a::<false, true, false>(a, b, c) }
    Dp2aLowSU(a: u32, b: u32, c: u32) -> u32 { int::dp2a::<true, false, false>(a, b, c) }
    Dp2aLowSS(a: u32, b: u32, c: u32) -> u32 { int::dp2a::<true, true, false>(a, b, c) }
    Dp2aHighUU(a: u32, b: u32, c: u32) -> u32 { int::dp2a::<false, false, true>(a, b, c) }
    Dp2aHighUS(a: u32, b: u32, c: u32) -> u32 { int::dp2a::<false, true, true>(a, b, c) }
    Dp2aHighSU(a: u32, b: u32, c: u32) -> u32 { int::dp2a::<true, false, true>(a, b, c) }
    Dp2aHighSS(a: u32, b: u32, c: u32) -> u32 { int::dp2a::<true, true, true>(a, b, c) }

    // Integers of 64 bits.
    Add64(a: u64, b: u64) -> u64 { a.wrapping_add(b) }
    Sub64(a: u64, b: u64) -> u64 { a.wrapping_sub(b) }
    Mul64(a: u64, b: u64) -> u64 { a.wrapping_mul(b) }
    MulHighU64(a: u64, b: u64) -> u64 { ((u128::from(a) * u128::from(b)) >> 64) as u64 }
    MulHighS64(a: u64, b: u64) -> u64 { ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64 }
    Mad64(a: u64, b: u64, c: u64) -> u64 { a.wrapping_mul(b).wrapping_add(c) }
    MinU64(a: u64, b: u64) -> u64 { a.min(b) }
    MaxU64(a: u64, b: u64) -> u64 { a.max(b) }
    MinS64(a: u64, b: u64) -> u64 { (a as i64).min(b as i64) as u64 }
    MaxS64(a: u64, b: u64) -> u64 { (a as i64).max(b as i64) as u64 }
    Neg64(a: u64) -> u64 { a.wrapping_neg() }
    Abs64(a: u64) -> u64 { (a as i64).wrapping_abs() as u64 }
    SadU64(a: u64, b: u64, c: u64) -> u64 { c.wrapping_add(a.abs_diff(b)) }
    SadS64(a: u64, b: u64, c: u64) -> u64 { c.wrapping_add((a as i64).abs_diff(b as i64)) }
    And64(a: u64, b: u64) -> u64 { a & b }
    Or64(a: u64, b: u64) -> u64 { a | b }
    Xor64(a: u64, b: u64) -> u64 { a ^ b }
    Not64(a: u64) -> u64 { !a }
    Cnot64(a: u64) -> u64 { u64::from(a == 0) }
    Shl64(a: u64, b: u32) -> u64 { if b < 64 { a << (b & 63) } else { 0 } }
    ShrU64(a: u64, b: u32) -> u64 { if b < 64 { a >> (b & 63) } else { 0 } }
    ShrS64(a: u64, b: u32) -> u64 { (a as i64 >> b.min(63)) as u64 }
    Popc64(a: u64) -> u32 { a.count_ones() }
    Clz64(a: u64) -> u32 { a.leading_zeros() }
    Brev64(a: u64) -> u64 { a.reverse_bits() }
    BfindU64(a: u64) -> u32 { int::bfind_u64(a) }
    BfindS64(a: u64) -> u32 { int::bfind_u64(a ^ (a as i64 >> 63) as u64) }
    BfindShiftU64(a: u64) -> u32 { a.leading_zeros() | (if a == 0 { u32::MAX } else { 0 }) }
    BfindShiftS64(a: u64) -> u32 { let a = a ^ (a as i64 >> 63) as u64; a.leading_zeros() | (if a == 0 { u32::MAX } else { 0 }) }
    BfeU64(a: u64, b: u32, c: u32) -> u64 { int::bfe_u64(a, b, c) }
    BfeS64(a: u64, b: u32, c: u32) -> u64 { int::bfe_s64(a, b, c) }

    // Carries. The carry in is a predicate; a borrow is a carry too.
    CarryAdd32(a: u32, b: u32) -> bool { a.overflowing_add(b).1 }
    CarryAdd64(a: u64, b: u64) -> bool { a.overflowing_add(b).1 }
    AddCarry32(a: u32, b: u32, p: bool) -> u32 { a.wrapping_add(b).wrapping_add(u32::from(p)) }
    AddCarry64(a: u64, b: u64, p: bool) -> u64 { a.wrapping_add(b).wrapping_add(u64::from(p)) }
    CarryAddCarry32(a: u32, b: u32, p: bool) -> bool { u64::from(a) + u64::from(b) + u64::from(p) > u64::from(u32::MAX) }
    CarryAddCarry64(a: u64, b: u64, p: bool) -> bool { if p { a >= !b } else { a > !b } }
    Borrow32(a: u32, b: u32) -> bool { a < b }
    Borrow64(a: u64, b: u64) -> bool { a < b }
    SubBorrow32(a: u32, b: u32, p: bool) -> u32 { a.wrapping_sub(b).wrapping_sub(u32::from(p)) }
    SubBorrow64(a: u64, b: u64, p: bool) -> u64 { a.wrapping_sub(b).wrapping_sub(u64::from(p)) }
    BorrowBorrow32(a: u32, b: u32, p: bool) -> bool { if p { a <= b } else { a < b } }
    BorrowBorrow64(a: u64, b: u64, p: bool) -> bool { if p { a <= b } else { a < b } }

    // Comparisons of integers.
    Eq32(a: u32, b: u32) -> bool { a == b }
    Ne32(a: u32, b: u32) -> bool { a != b }
    LtU32(a: u32, b: u32) -> bool { a < b }
    LeU32(a: u32, b: u32) -> bool { a <= b }
    LtS32(a: u32, b: u32) -> bool { (a as i32) < (b as i32) }
    LeS32(a: u32, b: u32) -> bool { (a as i32) <= (b as i32) }
    Eq64(a: u64, b: u64) -> bool { a == b }
    Ne64(a: u64, b: u64) -> bool { a != b }
    LtU64(a: u64, b: u64) -> bool { a < b }
    LeU64(a: u64, b: u64) -> bool { a <= b }
    LtS64(a: u64, b: u64) -> bool { (a as i64) < (b as i64) }
    LeS64(a: u64, b: u64) -> bool { (a as i64) <= (b as i64) }

    // f32.
    AddF32(a: Single, b: Single) -> Single { single::add(a, b) }
    SubF32(a: Single, b: Single) -> Single { single::sub(a, b) }
    MulF32(a: Single, b: Single) -> Single { single::mul(a, b) }
    FmaF32(a: Single, b: Single, c: Single) -> Single { single::fma(a, b, c) }
    DivF32(a: Single, b: Single) -> Single { single::div(a, b) }
    RcpF32(a: Single) -> Single { single::rcp(a) }
    SqrtF32(a: Single) -> Single { single::sqrt(a) }
    NegF32(a: Single) -> Single { single::neg(a) }
    AbsF32(a: Single) -> Single { single::abs(a) }
    MinF32(a: Single, b: Single) -> Single { single::min(a, b) }
    MaxF32(a: Single, b: Single) -> Single { single::max(a, b) }
    CopysignF32(a: Single, b: Single) -> Single { single::copysign(a, b) }
    NearestF32(a: Single) -> Single { single::nearest(a) }
    TruncF32(a: Single) -> Single { single::trunc(a) }
    FloorF32(a: Single) -> Single { single::floor(a) }
    CeilF32(a: Single) -> Single { single::ceil(a) }
    SaturateF32(a: Single) -> Single { single::saturate(a) }
    EqF32(a: Single, b: Single) -> bool { single::of(a) == single::of(b) }
    LtF32(a: Single, b: Single) -> bool { single::of(a) < single::of(b) }
    LeF32(a: Single, b: Single) -> bool { single::of(a) <= single::of(b) }
    NanF32(a: Single, b: Single) -> bool { single::of(a).is_nan() || single::of(b).is_nan() }
    NotEqF32(a: Single, b: Single) -> bool { single::of(a) != single::of(b) }
    NotLtF32(a: Single, b: Single) -> bool { !(single::of(a) < single::of(b)) }
    NotLeF32(a: Single, b: Single) -> bool { !(single::of(a) <= single::of(b)) }
    NumF32(a: Single, b: Single) -> bool { !(single::of(a).is_nan() || single::of(b).is_nan()) }
    NeF32(a: Single, b: Single) -> bool { single::of(a) < single::of(b) || single::of(a) > single::of(b) }
    EqOrNanF32(a: Single, b: Single) -> bool { !(single::of(a) < single::of(b) || single::of(a) > single::of(b)) }
    FiniteF32(a: Single) -> bool { single::of(a).is_finite() }
    InfiniteF32(a: Single) -> bool { single::of(a).is_infinite() }
    NormalF32(a: Single) -> bool { single::of(a).is_normal() }
    SubnormalF32(a: Single) -> bool { single::of(a).is_subnormal() }
    // The same in another rounding mode, which is the immediate.
    AddModeF32(a: Single, b: Single; mode) -> Single { F32.add(u64::from(a), u64::from(b), Mode::of(mode)) as u32 }
    SubModeF32(a: Single, b: Single; mode) -> Single { F32.sub(u64::from(a), u64::from(b), Mode::of(mode)) as u32 }
    MulModeF32(a: Single, b: Single; mode) -> Single { F32.mul(u64::from(a), u64::from(b), Mode::of(mode)) as u32 }
    FmaModeF32(a: Single, b: Single, c: Single; mode) -> Single { F32.fma(u64::from(a), u64::from(b), u64::from(c), Mode::of(mode)) as u32 }
    DivModeF32(a: Single, b: Single; mode) -> Single { F32.div(u64::from(a), u64::from(b), Mode::of(mode)) as u32 }
    RcpModeF32(a: Single; mode) -> Single { F32.div(F32.one(), u64::from(a), Mode::of(mode)) as u32 }
    SqrtModeF32(a: Single; mode) -> Single { F32.sqrt(u64::from(a), Mode::of(mode)) as u32 }
    MinNanF32(a: Single, b: Single) -> Single { single::min_nan(a, b) }
    MaxNanF32(a: Single, b: Single) -> Single { single::max_nan(a, b) }

    // f64.
    AddF64(a: Double, b: Double) -> Double { double::add(a, b) }
    SubF64(a: Double, b: Double) -> Double { double::sub(a, b) }
    MulF64(a: Double, b: Double) -> Double { double::mul(a, b) }
    FmaF64(a: Double, b: Double, c: Double) -> Double { double::fma(a, b, c) }
    DivF64(a: Double, b: Double) -> Double { double::div(a, b) }
    RcpF64(a: Double) -> Double { double::rcp(a) }
    SqrtF64(a: Double) -> Double { double::sqrt(a) }
    NegF64(a: Double) -> Double { double::neg(a) }
    AbsF64(a: Double) -> Double { double::abs(a) }
    MinF64(a: Double, b: Double) -> Double { double::min(a, b) }
    MaxF64(a: Double, b: Double) -> Double { double::max(a, b) }
    CopysignF64(a: Double, b: Double) -> Double { double::copysign(a, b) }
    NearestF64(a: Double) -> Double { double::nearest(a) }
    TruncF64(a: Double) -> Double { double::trunc(a) }
    FloorF64(a: Double) -> Double { double::floor(a) }
    CeilF64(a: Double) -> Double { double::ceil(a) }
    SaturateF64(a: Double) -> Double { double::saturate(a) }
    EqF64(a: Double, b: Double) -> bool { double::of(a) == double::of(b) }
    LtF64(a: Double, b: Double) -> bool { double::of(a) < double::of(b) }
    LeF64(a: Double, b: Double) -> bool { double::of(a) <= double::of(b) }
    NanF64(a: Double, b: Double) -> bool { double::of(a).is_nan() || double::of(b).is_nan() }
    NotEqF64(a: Double, b: Double) -> bool { double::of(a) != double::of(b) }
    NotLtF64(a: Double, b: Double) -> bool { !(double::of(a) < double::of(b)) }
    NotLeF64(a: Double, b: Double) -> bool { !(double::of(a) <= double::of(b)) }
    NumF64(a: Double, b: Double) -> bool { !(double::of(a).is_nan() || double::of(b).is_nan()) }
    NeF64(a: Double, b: Double) -> bool { double::of(a) < double::of(b) || double::of(a) > double::of(b) }
    EqOrNanF64(a: Double, b: Double) -> bool { !(double::of(a) < double::of(b) || double::of(a) > double::of(b)) }
    FiniteF64(a: Double) -> bool { double::of(a).is_finite() }
    InfiniteF64(a: Double) -> bool { double::of(a).is_infinite() }
    NormalF64(a: Double) -> bool { double::of(a).is_normal() }
    SubnormalF64(a: Double) -> bool { double::of(a).is_subnormal() }
    // The same in another rounding mode, which is the immediate.
    AddModeF64(a: Double, b: Double; mode) -> Double { F64.add(a, b, Mode::of(mode)) }
    SubModeF64(a: Double, b: Double; mode) -> Double { F64.sub(a, b, Mode::of(mode)) }
    MulModeF64(a: Double, b: Double; mode) -> Double { F64.mul(a, b, Mode::of(mode)) }
    FmaModeF64(a: Double, b: Double, c: Double; mode) -> Double { F64.fma(a, b, c, Mode::of(mode)) }
    DivModeF64(a: Double, b: Double; mode) -> Double { F64.div(a, b, Mode::of(mode)) }
    RcpModeF64(a: Double; mode) -> Double { F64.div(F64.one(), a, Mode::of(mode)) }
    SqrtModeF64(a: Double; mode) -> Double { F64.sqrt(a, Mode::of(mode)) }

    // f16 and bf16 in the low half of a word, and pairs of them.
    AddF16(a: u32, b: u32) -> u32 { half::add(F16, a, b) }
    AddF16x2(a: u32, b: u32) -> u32 { half::both(a, b, |a, b| half::add(F16, a, b)) }
    SubF16(a: u32, b: u32) -> u32 { half::sub(F16, a, b) }
    SubF16x2(a: u32, b: u32) -> u32 { half::both(a, b, |a, b| half::sub(F16, a, b)) }
    MulF16(a: u32, b: u32) -> u32 { half::mul(F16, a, b) }
    MulF16x2(a: u32, b: u32) -> u32 { half::both(a, b, |a, b| half::mul(F16, a, b)) }
    FmaF16(a: u32, b: u32, c: u32) -> u32 { half::fma(F16, a, b, c) }
    FmaF16x2(a: u32, b: u32, c: u32) -> u32 { half::fma(F16, a, b, c) | half::fma(F16, a >> 16, b >> 16, c >> 16) << 16 }
    NegF16(a: u32) -> u32 { half::neg(F16, a) }
    NegF16x2(a: u32) -> u32 { half::each(a, |a| half::neg(F16, a)) }
    AbsF16(a: u32) -> u32 { half::abs(F16, a) }
    AbsF16x2(a: u32) -> u32 { half::each(a, |a| half::abs(F16, a)) }
    ReluF16(a: u32) -> u32 { half::relu(F16, a) }
    ReluF16x2(a: u32) -> u32 { half::each(a, |a| half::relu(F16, a)) }
    SaturateF16(a: u32) -> u32 { half::saturate(F16, a) }
    SaturateF16x2(a: u32) -> u32 { half::each(a, |a| half::saturate(F16, a)) }
    MinF16(a: u32, b: u32) -> u32 { half::min(F16, a, b) }
    MinF16x2(a: u32, b: u32) -> u32 { half::both(a, b, |a, b| half::min(F16, a, b)) }
    MaxF16(a: u32, b: u32) -> u32 { half::max(F16, a, b) }
    MaxF16x2(a: u32, b: u32) -> u32 { half::both(a, b, |a, b| half::max(F16, a, b)) }
    MinNanF16(a: u32, b: u32) -> u32 { half::min_nan(F16, a, b) }
    MinNanF16x2(a: u32, b: u32) -> u32 { half::both(a, b, |a, b| half::min_nan(F16, a, b)) }
    MaxNanF16(a: u32, b: u32) -> u32 { half::max_nan(F16, a, b) }
    MaxNanF16x2(a: u32, b: u32) -> u32 { half::both(a, b, |a, b| half::max_nan(F16, a, b)) }
    FmaBf16(a: u32, b: u32, c: u32) -> u32 { half::fma(BF16, a, b, c) }
    FmaBf16x2(a: u32, b: u32, c: u32) -> u32 { half::fma(BF16, a, b, c) | half::fma(BF16, a >> 16, b >> 16, c >> 16) << 16 }
    NegBf16(a: u32) -> u32 { half::neg(BF16, a) }
    NegBf16x2(a: u32) -> u32 { half::each(a, |a| half::neg(BF16, a)) }
    AbsBf16(a: u32) -> u32 { half::abs(BF16, a) }
    AbsBf16x2(a: u32) -> u32 { half::each(a, |a| half::abs(BF16, a)) }
    ReluBf16(a: u32) -> u32 { half::relu(BF16, a) }
    ReluBf16x2(a: u32) -> u32 { half::each(a, |a| half::relu(BF16, a)) }
    MinBf16(a: u32, b: u32) -> u32 { half::min(BF16, a, b) }
    MinBf16x2(a: u32, b: u32) -> u32 { half::both(a, b, |a, b| half::min(BF16, a, b)) }
    MaxBf16(a: u32, b: u32) -> u32 { half::max(BF16, a, b) }
    MaxBf16x2(a: u32, b: u32) -> u32 { half::both(a, b, |a, b| half::max(BF16, a, b)) }
    MinNanBf16(a: u32, b: u32) -> u32 { half::min_nan(BF16, a, b) }
    MinNanBf16x2(a: u32, b: u32) -> u32 { half::both(a, b, |a, b| half::min_nan(BF16, a, b)) }
    MaxNanBf16(a: u32, b: u32) -> u32 { half::max_nan(BF16, a, b) }
    MaxNanBf16x2(a: u32, b: u32) -> u32 { half::both(a, b, |a, b| half::max_nan(BF16, a, b)) }

    // Conversions between numbers. Rust's `as` saturates, gives 0 for NaN and rounds to nearest even, as PTX does;
    // where the source is f64 or the target has 64 bits, PTX gives the top bit alone for NaN.
    F32FromU32(a: u32) -> Single { (a as f32).to_bits() }
    F32FromS32(a: u32) -> Single { (a as i32 as f32).to_bits() }
    F32FromU64(a: u64) -> Single { (a as f32).to_bits() }
    F32FromS64(a: u64) -> Single { (a as i64 as f32).to_bits() }
    F64FromU32(a: u32) -> Double { f64::from(a).to_bits() }
    F64FromS32(a: u32) -> Double { f64::from(a as i32).to_bits() }
    F64FromU64(a: u64) -> Double { (a as f64).to_bits() }
    F64FromS64(a: u64) -> Double { (a as i64 as f64).to_bits() }
    F64FromF32(a: Single) -> Double { double::bits(f64::from(single::of(a))) }
    F32FromF64(a: Double) -> Single { single::bits(double::of(a) as f32) }
    U8FromF32(a: Single) -> u32 { u32::from(single::of(a) as u8) }
    S8FromF32(a: Single) -> u32 { single::of(a) as i8 as u32 }
    U16FromF32(a: Single) -> u32 { u32::from(single::of(a) as u16) }
    S16FromF32(a: Single) -> u32 { single::of(a) as i16 as u32 }
    U32FromF32(a: Single) -> u32 { single::of(a) as u32 }
    S32FromF32(a: Single) -> u32 { single::of(a) as i32 as u32 }
    U64FromF32(a: Single) -> u64 { let x = single::of(a); if x.is_nan() { 1 << 63 } else { x as u64 } }
    S64FromF32(a: Single) -> u64 { let x = single::of(a); if x.is_nan() { 1 << 63 } else { x as i64 as u64 } }
    U8FromF64(a: Double) -> u32 { let x = double::of(a); if x.is_nan() { 1 << 7 } else { u32::from(x as u8) } }
    S8FromF64(a: Double) -> u32 { let x = double::of(a); if x.is_nan() { i8::MIN as u32 } else { x as i8 as u32 } }
    U16FromF64(a: Double) -> u32 { let x = double::of(a); if x.is_nan() { 1 << 15 } else { u32::from(x as u16) } }
    S16FromF64(a: Double) -> u32 { let x = double::of(a); if x.is_nan() { i16::MIN as u32 } else { x as i16 as u32 } }
    U32FromF64(a: Double) -> u32 { let x = double::of(a); if x.is_nan() { 1 << 31 } else { x as u32 } }
    S32FromF64(a: Double) -> u32 { let x = double::of(a); if x.is_nan() { 1 << 31 } else { x as i32 as u32 } }
    U64FromF64(a: Double) -> u64 { let x = double::of(a); if x.is_nan() { 1 << 63 } else { x as u64 } }
    S64FromF64(a: Double) -> u64 { let x = double::of(a); if x.is_nan() { 1 << 63 } else { x as i64 as u64 } }
    SaturateU8(a: u32) -> u32 { a.min(0xff) }
    SaturateU16(a: u32) -> u32 { a.min(0xffff) }
    SaturateS8(a: u32) -> u32 { (a as i32).clamp(-128, 127) as u32 }
    SaturateS16(a: u32) -> u32 { (a as i32).clamp(-32768, 32767) as u32 }
    NotNegative32(a: u32) -> u32 { (a as i32).max(0) as u32 }
    // Conversions of halves, and those in another rounding mode, which is the immediate.
    F32FromF16(a: u32) -> Single { F32.of(F16, half::low(a), Mode::Nearest) as u32 }
    F32FromBf16(a: u32) -> Single { F32.of(BF16, half::low(a), Mode::Nearest) as u32 }
    F16FromF32(a: Single; mode) -> u32 { F16.of(F32, a.into(), Mode::of(mode)) as u32 }
    Bf16FromF32(a: Single; mode) -> u32 { BF16.of(F32, a.into(), Mode::of(mode)) as u32 }
    F16FromF64(a: Double; mode) -> u32 { F16.of(F64, a, Mode::of(mode)) as u32 }
    F32ModeFromF64(a: Double; mode) -> Single { F32.of(F64, a, Mode::of(mode)) as u32 }
    F16FromU64(a: u64; mode) -> u32 { F16.of_unsigned(a, Mode::of(mode)) as u32 }
    F16FromS64(a: u64; mode) -> u32 { F16.of_signed(a, Mode::of(mode)) as u32 }
    F32ModeFromU64(a: u64; mode) -> Single { F32.of_unsigned(a, Mode::of(mode)) as u32 }
    F32ModeFromS64(a: u64; mode) -> Single { F32.of_signed(a, Mode::of(mode)) as u32 }
    F64ModeFromU64(a: u64; mode) -> Double { F64.of_unsigned(a, Mode::of(mode)) }
    F64ModeFromS64(a: u64; mode) -> Double { F64.of_signed(a, Mode::of(mode)) }
}

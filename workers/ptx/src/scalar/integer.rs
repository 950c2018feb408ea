//! Integer operations of one lane whose definition takes more than a line.

/// Extracts `len` bits at `pos`, without sign.
#[inline(always)]
pub(crate) fn bfe_u32(a: u32, pos: u32, len: u32) -> u32 {
    let (pos, len) = (pos & 255, len & 255);
    let shifted = if pos < 32 { a >> pos } else { 0 };
    if len < 32 { shifted & ((1 << len) - 1) } else { shifted }
}

/// Extracts `len` bits at `pos` and extends their sign.
#[inline(always)]
pub(crate) fn bfe_s32(a: u32, pos: u32, len: u32) -> u32 {
    let (pos, len) = (pos & 255, len & 255);
    if len == 0 {
        return 0;
    }
    let top = (pos + len - 1).min(31);
    let sign = if a >> top & 1 != 0 { u32::MAX } else { 0 };
    let shifted = if pos < 32 { (a as i32 >> pos) as u32 } else { sign };
    if len >= 32 || pos + len > 31 {
        return shifted;
    }
    let low = (1u32 << len) - 1;
    (shifted & low) | (sign & !low)
}

#[inline(always)]
pub(crate) fn bfe_u64(a: u64, pos: u32, len: u32) -> u64 {
    let (pos, len) = (pos & 255, len & 255);
    let shifted = if pos < 64 { a >> pos } else { 0 };
    if len < 64 { shifted & ((1 << len) - 1) } else { shifted }
}

#[inline(always)]
pub(crate) fn bfe_s64(a: u64, pos: u32, len: u32) -> u64 {
    let (pos, len) = (pos & 255, len & 255);
    if len == 0 {
        return 0;
    }
    let top = (pos + len - 1).min(63);
    let sign = if a >> top & 1 != 0 { u64::MAX } else { 0 };
    let shifted = if pos < 64 { (a as i64 >> pos) as u64 } else { sign };
    if len >= 64 || pos + len > 63 {
        return shifted;
    }
    let low = (1u64 << len) - 1;
    (shifted & low) | (sign & !low)
}

/// Position of the highest bit that differs from the sign; all ones where there is none.
#[inline(always)]
pub(crate) fn bfind_u32(a: u32) -> u32 {
    if a == 0 { u32::MAX } else { 31 - a.leading_zeros() }
}

#[inline(always)]
pub(crate) fn bfind_u64(a: u64) -> u32 {
    if a == 0 { u32::MAX } else { 63 - a.leading_zeros() }
}

/// Inserts `len` low bits of `a` into `b` at `pos`.
#[inline(always)]
pub(crate) fn bfi_u32(a: u32, b: u32, pos: u32, len: u32) -> u32 {
    let (pos, len) = (pos & 255, len & 255);
    if pos >= 32 {
        return b;
    }
    let low = if len >= 32 { u32::MAX } else { (1 << len) - 1 };
    (b & !(low << pos)) | ((a & low) << pos)
}

#[inline(always)]
pub(crate) fn bfi_u64(a: u64, b: u64, pos: u32, len: u32) -> u64 {
    let (pos, len) = (pos & 255, len & 255);
    if pos >= 64 {
        return b;
    }
    let low = if len >= 64 { u64::MAX } else { (1 << len) - 1 };
    (b & !(low << pos)) | ((a & low) << pos)
}

/// Picks four bytes of `b:a`, each by a nibble of the selector whose top bit replicates the sign.
#[inline(always)]
pub(crate) fn prmt(a: u32, b: u32, selector: u32) -> u32 {
    let bytes = u64::from(b) << 32 | u64::from(a);
    let mut result = 0;
    for i in 0..4 {
        let nibble = selector >> (4 * i) & 15;
        let byte = (bytes >> (8 * (nibble & 7))) as u32 & 0xff;
        let byte = if nibble & 8 != 0 { if byte & 0x80 != 0 { 0xff } else { 0 } } else { byte };
        result |= byte << (8 * i);
    }
    result
}

/// Any function of three bits, by its truth table.
#[inline(always)]
pub(crate) fn lop3(a: u32, b: u32, c: u32, table: u32) -> u32 {
    let row = |bit: u32| if table >> bit & 1 != 0 { u32::MAX } else { 0 };
    (row(0) & !a & !b & !c)
        | (row(1) & !a & !b & c)
        | (row(2) & !a & b & !c)
        | (row(3) & !a & b & c)
        | (row(4) & a & !b & !c)
        | (row(5) & a & !b & c)
        | (row(6) & a & b & !c)
        | (row(7) & a & b & c)
}

/// Funnel shift of `b:a`; the amount wraps at 32.
#[inline(always)]
pub(crate) fn shf_l_wrap(a: u32, b: u32, n: u32) -> u32 {
    ((u64::from(b) << 32 | u64::from(a)) << (n & 31) >> 32) as u32
}

#[inline(always)]
pub(crate) fn shf_l_clamp(a: u32, b: u32, n: u32) -> u32 {
    ((u64::from(b) << 32 | u64::from(a)) << n.min(32) >> 32) as u32
}

#[inline(always)]
pub(crate) fn shf_r_wrap(a: u32, b: u32, n: u32) -> u32 {
    ((u64::from(b) << 32 | u64::from(a)) >> (n & 31)) as u32
}

#[inline(always)]
pub(crate) fn shf_r_clamp(a: u32, b: u32, n: u32) -> u32 {
    ((u64::from(b) << 32 | u64::from(a)) >> n.min(32)) as u32
}

/// Byte `i` of a register as a number, signed or not.
#[inline(always)]
fn byte<const SIGNED: bool>(a: u32, i: u32) -> i32 {
    let byte = (a >> (8 * i)) as u8;
    if SIGNED { i32::from(byte as i8) } else { i32::from(byte) }
}

#[inline(always)]
fn half<const SIGNED: bool>(a: u32, i: u32) -> i32 {
    let half = (a >> (16 * i)) as u16;
    if SIGNED { i32::from(half as i16) } else { i32::from(half) }
}

/// Dot product of four bytes with four bytes, plus `c`.
#[inline(always)]
pub(crate) fn dp4a<const A: bool, const B: bool>(a: u32, b: u32, c: u32) -> u32 {
    let mut sum = c;
    for i in 0..4 {
        sum = sum.wrapping_add((byte::<A>(a, i) * byte::<B>(b, i)) as u32);
    }
    sum
}

/// Dot product of two 16-bit numbers with two bytes (the low two, or the high two), plus `c`.
#[inline(always)]
pub(crate) fn dp2a<const A: bool, const B: bool, const HIGH: bool>(a: u32, b: u32, c: u32) -> u32 {
    let first = if HIGH { 2 } else { 0 };
    let low = half::<A>(a, 0).wrapping_mul(byte::<B>(b, first));
    let high = half::<A>(a, 1).wrapping_mul(byte::<B>(b, first + 1));
    c.wrapping_add(low as u32).wrapping_add(high as u32)
}

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

/// Selectors of the modes of `prmt`, in the order of [`PRMT_MODES`], each for 0 to 3.
const SELECTORS: [[u32; 4]; 6] = [
    [0x3210, 0x4321, 0x5432, 0x6543],
    [0x5670, 0x6701, 0x7012, 0x0123],
    [0x0000, 0x1111, 0x2222, 0x3333],
    [0x3210, 0x3211, 0x3222, 0x3333],
    [0x0000, 0x1110, 0x2210, 0x3210],
    [0x1010, 0x3232, 0x1010, 0x3232],
];

/// Modes of `prmt`, by the immediate of [`super::Scalar::PrmtMode`].
pub const PRMT_MODES: [&str; 6] = ["f4e", "b4e", "rc8", "ecl", "ecr", "rc16"];

/// The selector of `prmt` for a place in [`PRMT_MODES`].
#[inline(always)]
pub(crate) fn selector(mode: u32, c: u32) -> u32 {
    SELECTORS[mode as usize % SELECTORS.len()][c as usize & 3]
}

/// `width` ones from bit `start` up.
#[inline(always)]
pub(crate) fn bmsk(start: u32, width: u32, wrap: bool) -> u32 {
    let (start, width) = if wrap { (start & 31, width & 31) } else { (start.min(32), width.min(32)) };
    let ones = (1u64 << width) - 1;
    (ones << start) as u32
}

/// The low `len` bits, extended to 32.
#[inline(always)]
pub(crate) fn szext(a: u32, len: u32, signed: bool, wrap: bool) -> u32 {
    let len = if wrap { len & 31 } else { len.min(32) };
    match (len, signed) {
        (0, _) => 0,
        (_, false) => a << (32 - len) >> (32 - len),
        (_, true) => ((a << (32 - len)) as i32 >> (32 - len)) as u32,
    }
}

/// Position of the `offset`-th one of `mask`, counted from bit `base`: upwards, or downwards if the offset is negative.
/// All ones where there is none, or where the base, which PTX leaves open, is above 31.
#[inline(always)]
pub(crate) fn fns(mask: u32, base: u32, offset: u32) -> u32 {
    if base > 31 {
        return u32::MAX;
    }
    let mut left = match offset as i32 {
        0 => mask & 1 << base,
        1.. => mask & u32::MAX << base,
        _ => mask & u32::MAX >> (31 - base),
    };
    let count = (offset as i32).unsigned_abs().max(1);
    if left.count_ones() < count {
        return u32::MAX;
    }
    let top = |left: u32| 31 - left.leading_zeros();
    if offset as i32 >= 0 {
        (1..count).for_each(|_| left &= left - 1);
        left.trailing_zeros()
    } else {
        (1..count).for_each(|_| left &= !(1 << top(left)));
        top(left)
    }
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

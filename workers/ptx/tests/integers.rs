//! Integer instructions against the host's arithmetic.

mod common;

use common::{HALVES, LONGS, WORDS, lanewise, pairs, singles, triples};

const U32: [&str; 3] = ["u32", "u32", ""];
const U64: [&str; 3] = ["u64", "u64", ""];
const U16: [&str; 3] = ["u16", "u16", ""];

/// Checks an instruction `op.type d, a, b` on words.
fn words(op: &str, host: impl Fn(u32, u32) -> u32) {
    lanewise(&format!("{op} %r9, %r1, %r2;"), U32, "u32", &pairs(WORDS), |a, b, _| host(a, b));
}

fn longs(op: &str, host: impl Fn(u64, u64) -> u64) {
    lanewise(&format!("{op} %rd9, %rd1, %rd2;"), U64, "u64", &pairs(LONGS), |a, b, _| host(a, b));
}

fn halves(op: &str, host: impl Fn(u16, u16) -> u16) {
    lanewise(&format!("{op} %rs9, %rs1, %rs2;"), U16, "u16", &pairs(HALVES), |a, b, _| host(a, b));
}

#[test]
fn sums_and_products() {
    words("add.s32", u32::wrapping_add);
    words("sub.u32", u32::wrapping_sub);
    words("mul.lo.s32", u32::wrapping_mul);
    words("mul.hi.u32", |a, b| ((u64::from(a) * u64::from(b)) >> 32) as u32);
    words("mul.hi.s32", |a, b| ((i64::from(a as i32) * i64::from(b as i32)) >> 32) as u32);
    words("mul24.lo.u32", |a, b| (a & 0xff_ffff).wrapping_mul(b & 0xff_ffff));
    words("mul24.lo.s32", |a, b| (((a as i32) << 8 >> 8).wrapping_mul((b as i32) << 8 >> 8)) as u32);
    longs("add.s64", u64::wrapping_add);
    longs("sub.u64", u64::wrapping_sub);
    longs("mul.lo.u64", u64::wrapping_mul);
    longs("mul.hi.u64", |a, b| ((u128::from(a) * u128::from(b)) >> 64) as u64);
    longs("mul.hi.s64", |a, b| ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64);
    halves("add.s16", u16::wrapping_add);
    halves("sub.s16", u16::wrapping_sub);
    halves("mul.lo.s16", u16::wrapping_mul);
    halves("mul.hi.u16", |a, b| ((u32::from(a) * u32::from(b)) >> 16) as u16);
    halves("mul.hi.s16", |a, b| ((i32::from(a as i16) * i32::from(b as i16)) >> 16) as u16);
    lanewise("mul.wide.u32 %rd9, %r1, %r2;", U32, "u64", &pairs(WORDS), |a, b, _| u64::from(a) * u64::from(b));
    lanewise("mul.wide.s32 %rd9, %r1, %r2;", U32, "u64", &pairs(WORDS), |a, b, _| {
        (i64::from(a as i32) * i64::from(b as i32)) as u64
    });
    lanewise("mul.wide.s16 %r9, %rs1, %rs2;", U16, "u32", &pairs(HALVES), |a, b, _| {
        (i32::from(a as i16) * i32::from(b as i16)) as u32
    });
    lanewise("mul.wide.u16 %r9, %rs1, %rs2;", U16, "u32", &pairs(HALVES), |a, b, _| u32::from(a) * u32::from(b));
}

#[test]
fn multiply_and_add() {
    let all = ["u32", "u32", "u32"];
    lanewise("mad.lo.s32 %r9, %r1, %r2, %r3;", all, "u32", &triples(WORDS), |a, b, c: u32| {
        a.wrapping_mul(b).wrapping_add(c)
    });
    lanewise("mad.hi.u32 %r9, %r1, %r2, %r3;", all, "u32", &triples(WORDS), |a, b, c: u32| {
        (((u64::from(a) * u64::from(b)) >> 32) as u32).wrapping_add(c)
    });
    lanewise("mad.hi.s32 %r9, %r1, %r2, %r3;", all, "u32", &triples(WORDS), |a, b, c: u32| {
        (((i64::from(a as i32) * i64::from(b as i32)) >> 32) as u32).wrapping_add(c)
    });
    lanewise("mad.lo.u64 %rd9, %rd1, %rd2, %rd3;", ["u64"; 3], "u64", &triples(LONGS), |a, b, c: u64| {
        a.wrapping_mul(b).wrapping_add(c)
    });
    let wide: Vec<(u32, u32, u64)> =
        pairs(WORDS).iter().flat_map(|(a, b, _)| LONGS.iter().map(move |c| (*a, *b, *c))).collect();
    lanewise("mad.wide.u32 %rd9, %r1, %r2, %rd3;", ["u32", "u32", "u64"], "u64", &wide, |a, b, c| {
        (u64::from(a) * u64::from(b)).wrapping_add(c)
    });
    lanewise("mad.wide.s32 %rd9, %r1, %r2, %rd3;", ["u32", "u32", "u64"], "u64", &wide, |a, b, c| {
        ((i64::from(a as i32) * i64::from(b as i32)) as u64).wrapping_add(c)
    });
    lanewise("sad.s32 %r9, %r1, %r2, %r3;", all, "u32", &triples(WORDS), |a, b, c: u32| {
        c.wrapping_add((a as i32).abs_diff(b as i32))
    });
    // In place: the destination is a source too.
    lanewise("mad.lo.s32 %r1, %r1, %r1, %r1;\nmov.u32 %r9, %r1;", U32, "u32", &pairs(WORDS), |a, _, _| {
        a.wrapping_mul(a).wrapping_add(a)
    });
}

#[test]
fn carries() {
    let operands: Vec<(u64, u64, u32)> = pairs(LONGS);
    let split = "mov.b64 {%r1, %r2}, %rd1;\nmov.b64 {%r3, %r4}, %rd2;\n";
    let join = "mov.b64 %rd9, {%r1, %r2};";
    lanewise(
        &format!("{split}add.cc.u32 %r1, %r1, %r3;\naddc.u32 %r2, %r2, %r4;\n{join}"),
        U64,
        "u64",
        &operands,
        |a, b, _| a.wrapping_add(b),
    );
    lanewise(
        &format!("{split}sub.cc.u32 %r1, %r1, %r3;\nsubc.u32 %r2, %r2, %r4;\n{join}"),
        U64,
        "u64",
        &operands,
        |a, b, _| a.wrapping_sub(b),
    );
    // The carry out of the high word, as a number.
    lanewise(
        &format!("{split}add.cc.u32 %r1, %r1, %r3;\naddc.cc.u32 %r2, %r2, %r4;\naddc.u32 %r9, 0, 0;"),
        U64,
        "u32",
        &operands,
        |a, b, _| u32::from(a.checked_add(b).is_none()),
    );
    lanewise(
        &format!("{split}sub.cc.u32 %r1, %r1, %r3;\nsubc.cc.u32 %r2, %r2, %r4;\nsubc.u32 %r9, 0, 0;"),
        U64,
        "u32",
        &operands,
        |a, b, _| if a < b { u32::MAX } else { 0 },
    );
    lanewise("add.cc.u64 %rd3, %rd1, %rd2;\naddc.u64 %rd9, %rd1, %rd2;", U64, "u64", &operands, |a, b, _| {
        a.wrapping_add(b).wrapping_add(u64::from(a.checked_add(b).is_none()))
    });
    // 32 × 32 + 64 bits by mad with carry.
    lanewise(
        &format!(
            "{split}mad.lo.cc.u32 %r5, %r1, %r2, %r3;\nmadc.hi.u32 %r6, %r1, %r2, %r4;\nmov.b64 %rd9, {{%r5, %r6}};"
        ),
        U64,
        "u64",
        &operands,
        |a, b, _| ((a & 0xffff_ffff) * (a >> 32)).wrapping_add(b),
    );
}

#[test]
fn quotients() {
    fn not_zero<T: Copy + PartialEq + Default>(values: &[T]) -> Vec<(T, T, u32)> {
        pairs(values).into_iter().filter(|(_, b, _)| *b != T::default()).collect()
    }
    lanewise("div.u32 %r9, %r1, %r2;", U32, "u32", &not_zero(WORDS), |a, b, _| a / b);
    lanewise("rem.u32 %r9, %r1, %r2;", U32, "u32", &not_zero(WORDS), |a, b, _| a % b);
    lanewise("div.s32 %r9, %r1, %r2;", U32, "u32", &not_zero(WORDS), |a, b, _| {
        (a as i32).wrapping_div(b as i32) as u32
    });
    lanewise("rem.s32 %r9, %r1, %r2;", U32, "u32", &not_zero(WORDS), |a, b, _| {
        (a as i32).wrapping_rem(b as i32) as u32
    });
    lanewise("div.u64 %rd9, %rd1, %rd2;", U64, "u64", &not_zero(LONGS), |a, b, _| a / b);
    lanewise("rem.u64 %rd9, %rd1, %rd2;", U64, "u64", &not_zero(LONGS), |a, b, _| a % b);
    lanewise("div.s64 %rd9, %rd1, %rd2;", U64, "u64", &not_zero(LONGS), |a, b, _| {
        (a as i64).wrapping_div(b as i64) as u64
    });
    lanewise("rem.s64 %rd9, %rd1, %rd2;", U64, "u64", &not_zero(LONGS), |a, b, _| {
        (a as i64).wrapping_rem(b as i64) as u64
    });
    lanewise("div.s16 %rs9, %rs1, %rs2;", U16, "u16", &not_zero(HALVES), |a, b, _| {
        (a as i16).wrapping_div(b as i16) as u16
    });
    lanewise("rem.u16 %rs9, %rs1, %rs2;", U16, "u16", &not_zero(HALVES), |a, b, _| a % b);
}

#[test]
fn extremes_and_signs() {
    words("min.u32", u32::min);
    words("max.u32", u32::max);
    words("min.s32", |a, b| (a as i32).min(b as i32) as u32);
    words("max.s32", |a, b| (a as i32).max(b as i32) as u32);
    longs("min.u64", u64::min);
    longs("max.s64", |a, b| (a as i64).max(b as i64) as u64);
    halves("min.s16", |a, b| (a as i16).min(b as i16) as u16);
    halves("max.u16", u16::max);
    lanewise("neg.s32 %r9, %r1;", U32, "u32", &singles(WORDS), |a, _: u32, _| a.wrapping_neg());
    lanewise("abs.s32 %r9, %r1;", U32, "u32", &singles(WORDS), |a, _: u32, _| (a as i32).wrapping_abs() as u32);
    lanewise("neg.s16 %rs9, %rs1;", ["u16", "", ""], "u16", &singles(HALVES), |a, _, _| a.wrapping_neg());
    lanewise("abs.s64 %rd9, %rd1;", ["u64", "", ""], "u64", &singles(LONGS), |a, _, _| {
        (a as i64).wrapping_abs() as u64
    });
}

#[test]
fn logic_and_shifts() {
    words("and.b32", |a, b| a & b);
    words("or.b32", |a, b| a | b);
    words("xor.b32", |a, b| a ^ b);
    longs("and.b64", |a, b| a & b);
    longs("or.b64", |a, b| a | b);
    longs("xor.b64", |a, b| a ^ b);
    halves("xor.b16", |a, b| a ^ b);
    lanewise("not.b32 %r9, %r1;", U32, "u32", &singles(WORDS), |a, _: u32, _| !a);
    lanewise("not.b16 %rs9, %rs1;", ["u16", "", ""], "u16", &singles(HALVES), |a, _, _| !a);
    lanewise("not.b64 %rd9, %rd1;", ["u64", "", ""], "u64", &singles(LONGS), |a, _, _| !a);
    lanewise("cnot.b32 %r9, %r1;", U32, "u32", &singles(WORDS), |a, _: u32, _| u32::from(a == 0));
    words("shl.b32", |a, b| a.checked_shl(b).unwrap_or(0));
    words("shr.u32", |a, b| a.checked_shr(b).unwrap_or(0));
    words("shr.s32", |a, b| (a as i32 >> b.min(31)) as u32);
    let long_by_word: Vec<(u64, u32, u32)> =
        LONGS.iter().flat_map(|a| WORDS.iter().map(move |b| (*a, *b, 0))).collect();
    let sources = ["u64", "u32", ""];
    lanewise("shl.b64 %rd9, %rd1, %r2;", sources, "u64", &long_by_word, |a, b, _| a.checked_shl(b).unwrap_or(0));
    lanewise("shr.u64 %rd9, %rd1, %r2;", sources, "u64", &long_by_word, |a, b, _| a.checked_shr(b).unwrap_or(0));
    lanewise("shr.s64 %rd9, %rd1, %r2;", sources, "u64", &long_by_word, |a, b, _| (a as i64 >> b.min(63)) as u64);
    let half_by_word: Vec<(u16, u32, u32)> =
        HALVES.iter().flat_map(|a| WORDS.iter().map(move |b| (*a, *b, 0))).collect();
    let sources = ["u16", "u32", ""];
    lanewise("shl.b16 %rs9, %rs1, %r2;", sources, "u16", &half_by_word, |a, b, _| if b < 16 { a << b } else { 0 });
    lanewise("shr.u16 %rs9, %rs1, %r2;", sources, "u16", &half_by_word, |a, b, _| if b < 16 { a >> b } else { 0 });
    lanewise("shr.s16 %rs9, %rs1, %r2;", sources, "u16", &half_by_word, |a, b, _| (a as i16 >> b.min(15)) as u16);
    for table in [0u32, 0xff, 0x96, 0xe8, 0xca, 0x1d] {
        let host = |a: u32, b: u32, c: u32| {
            (0..32).fold(0, |bits, i| {
                let row = (a >> i & 1) << 2 | (b >> i & 1) << 1 | (c >> i & 1);
                bits | (table >> row & 1) << i
            })
        };
        lanewise(&format!("lop3.b32 %r9, %r1, %r2, %r3, {table};"), ["u32"; 3], "u32", &triples(WORDS), host);
    }
}

#[test]
fn funnel_shifts() {
    let host = |left: bool, clamp: bool| {
        move |a: u32, b: u32, c: u32| {
            let n = if clamp { c.min(32) } else { c & 31 };
            let both = u64::from(b) << 32 | u64::from(a);
            if left { (u128::from(both) << n >> 32) as u32 } else { (both >> n) as u32 }
        }
    };
    for (mode, left, clamp) in
        [("l.wrap", true, false), ("l.clamp", true, true), ("r.wrap", false, false), ("r.clamp", false, true)]
    {
        lanewise(&format!("shf.{mode}.b32 %r9, %r1, %r2, %r3;"), ["u32"; 3], "u32", &triples(WORDS), host(left, clamp));
    }
}

/// Bit by bit, as the manual writes it.
fn bfe(a: u64, pos: u32, len: u32, bits: u32, signed: bool) -> u64 {
    let (pos, len) = (pos & 255, len & 255);
    let sign = if signed && len > 0 { a >> (pos + len - 1).min(bits - 1) & 1 } else { 0 };
    (0..bits).fold(0, |d, i| d | (if i < len && pos + i < bits { a >> (pos + i) & 1 } else { sign }) << i)
}

#[test]
fn bit_fields() {
    let word: Vec<(u32, u32, u32)> = triples(WORDS);
    lanewise("bfe.u32 %r9, %r1, %r2, %r3;", ["u32"; 3], "u32", &word, |a, b, c| bfe(a.into(), b, c, 32, false) as u32);
    lanewise("bfe.s32 %r9, %r1, %r2, %r3;", ["u32"; 3], "u32", &word, |a, b, c| bfe(a.into(), b, c, 32, true) as u32);
    let long: Vec<(u64, u32, u32)> =
        LONGS.iter().flat_map(|a| pairs(WORDS).into_iter().map(move |(b, c, _)| (*a, b, c))).collect();
    lanewise("bfe.u64 %rd9, %rd1, %r2, %r3;", ["u64", "u32", "u32"], "u64", &long, |a, b, c| bfe(a, b, c, 64, false));
    lanewise("bfe.s64 %rd9, %rd1, %r2, %r3;", ["u64", "u32", "u32"], "u64", &long, |a, b, c| bfe(a, b, c, 64, true));
    for (pos, len) in [(0u32, 0u32), (0, 32), (3, 5), (31, 9), (32, 1), (20, 255), (255, 255)] {
        let host = |a: u64, b: u64, bits: u32| {
            (0..len)
                .filter(|i| pos + i < bits)
                .fold(b, |d, i| (d & !(1 << (pos + i))) | (if i < 64 { a >> i & 1 } else { 0 }) << (pos + i))
        };
        lanewise(&format!("bfi.b32 %r9, %r1, %r2, {pos}, {len};"), U32, "u32", &pairs(WORDS), |a, b, _| {
            host(a.into(), b.into(), 32) as u32
        });
        lanewise(&format!("bfi.b64 %rd9, %rd1, %rd2, {pos}, {len};"), U64, "u64", &pairs(LONGS), |a, b, _| {
            host(a, b, 64)
        });
    }
}

#[test]
fn counting_bits() {
    lanewise("popc.b32 %r9, %r1;", U32, "u32", &singles(WORDS), |a, _: u32, _| a.count_ones());
    lanewise("popc.b64 %r9, %rd1;", ["u64", "", ""], "u32", &singles(LONGS), |a, _, _| a.count_ones());
    lanewise("clz.b32 %r9, %r1;", U32, "u32", &singles(WORDS), |a, _: u32, _| a.leading_zeros());
    lanewise("clz.b64 %r9, %rd1;", ["u64", "", ""], "u32", &singles(LONGS), |a, _, _| a.leading_zeros());
    lanewise("brev.b32 %r9, %r1;", U32, "u32", &singles(WORDS), |a, _: u32, _| a.reverse_bits());
    lanewise("brev.b64 %rd9, %rd1;", ["u64", "", ""], "u64", &singles(LONGS), |a, _, _| a.reverse_bits());
    let find = |a: u32| a.checked_ilog2().unwrap_or(u32::MAX);
    let signed = |a: u32| if (a as i32) < 0 { !a } else { a };
    lanewise("bfind.u32 %r9, %r1;", U32, "u32", &singles(WORDS), |a, _: u32, _| find(a));
    lanewise("bfind.s32 %r9, %r1;", U32, "u32", &singles(WORDS), |a, _: u32, _| find(signed(a)));
    lanewise("bfind.shiftamt.u32 %r9, %r1;", U32, "u32", &singles(WORDS), |a, _: u32, _| {
        a.checked_ilog2().map_or(u32::MAX, |n| 31 - n)
    });
    lanewise("bfind.shiftamt.s32 %r9, %r1;", U32, "u32", &singles(WORDS), |a, _: u32, _| {
        signed(a).checked_ilog2().map_or(u32::MAX, |n| 31 - n)
    });
    lanewise("bfind.u64 %r9, %rd1;", ["u64", "", ""], "u32", &singles(LONGS), |a, _, _| {
        a.checked_ilog2().unwrap_or(u32::MAX)
    });
}

#[test]
fn bytes() {
    let host = |a: u32, b: u32, selector: u32| {
        let pool = [a.to_le_bytes(), b.to_le_bytes()].concat();
        u32::from_le_bytes(std::array::from_fn(|i| {
            let nibble = selector >> (4 * i) & 15;
            let byte = pool[(nibble & 7) as usize];
            if nibble & 8 == 0 {
                byte
            } else if byte & 0x80 != 0 {
                0xff
            } else {
                0
            }
        }))
    };
    lanewise("prmt.b32 %r9, %r1, %r2, %r3;", ["u32"; 3], "u32", &triples(WORDS), host);
    lanewise("prmt.b32 %r9, %r1, %r2, 0x5140;", U32, "u32", &pairs(WORDS), |a, b, _| host(a, b, 0x5140));
    let dot = |a_signed: bool, b_signed: bool| {
        move |a: u32, b: u32, c: u32| {
            (0..4).fold(c, |sum, i| {
                let byte = |word: u32, signed: bool| {
                    let byte = word.to_le_bytes()[i];
                    if signed { i32::from(byte as i8) } else { i32::from(byte) }
                };
                sum.wrapping_add((byte(a, a_signed) * byte(b, b_signed)) as u32)
            })
        }
    };
    for (types, a, b) in
        [("s32.s32", true, true), ("u32.u32", false, false), ("s32.u32", true, false), ("u32.s32", false, true)]
    {
        lanewise(&format!("dp4a.{types} %r9, %r1, %r2, %r3;"), ["u32"; 3], "u32", &triples(WORDS), dot(a, b));
    }
    let pairs_of_halves = |first: usize| {
        move |a: u32, b: u32, c: u32| {
            let half = |i: usize| i32::from((a >> (16 * i)) as i16);
            let byte = |i: usize| i32::from(b.to_le_bytes()[first + i] as i8);
            c.wrapping_add((half(0) * byte(0)) as u32).wrapping_add((half(1) * byte(1)) as u32)
        }
    };
    lanewise("dp2a.lo.s32.s32 %r9, %r1, %r2, %r3;", ["u32"; 3], "u32", &triples(WORDS), pairs_of_halves(0));
    lanewise("dp2a.hi.s32.s32 %r9, %r1, %r2, %r3;", ["u32"; 3], "u32", &triples(WORDS), pairs_of_halves(2));
}

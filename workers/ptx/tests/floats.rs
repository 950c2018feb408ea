//! Floating-point instructions against the host's IEEE arithmetic, with NaN as PTX defines it.

#![allow(clippy::neg_cmp_op_on_partial_ord)]

mod common;

use common::{DOUBLES, HALVES, LONGS, SINGLES, WORDS, lanewise, pairs, singles, triples};

const F32: [&str; 3] = ["f32", "f32", ""];
const F64: [&str; 3] = ["f64", "f64", ""];

fn single(x: f32) -> u32 {
    if x.is_nan() { 0x7fff_ffff } else { x.to_bits() }
}

fn double(x: f64) -> u64 {
    if x.is_nan() { 0x7fff_ffff_ffff_ffff } else { x.to_bits() }
}

/// Checks `op.rn.f32` and `op.rn.f64` with two operands.
fn both(op: &str, short: fn(f32, f32) -> f32, long: fn(f64, f64) -> f64) {
    lanewise(&format!("{op}.f32 %f9, %f1, %f2;"), F32, "f32", &pairs(SINGLES), |a, b, _| {
        single(short(f32::from_bits(a), f32::from_bits(b)))
    });
    lanewise(&format!("{op}.f64 %fd9, %fd1, %fd2;"), F64, "f64", &pairs(DOUBLES), |a, b, _| {
        double(long(f64::from_bits(a), f64::from_bits(b)))
    });
}

#[test]
fn arithmetic() {
    both("add.rn", |a, b| a + b, |a, b| a + b);
    both("sub.rn", |a, b| a - b, |a, b| a - b);
    both("mul.rn", |a, b| a * b, |a, b| a * b);
    both("div.rn", |a, b| a / b, |a, b| a / b);
    lanewise("sqrt.rn.f32 %f9, %f1;", F32, "f32", &singles(SINGLES), |a, _: u32, _| single(f32::from_bits(a).sqrt()));
    lanewise("rcp.rn.f32 %f9, %f1;", F32, "f32", &singles(SINGLES), |a, _: u32, _| single(1.0 / f32::from_bits(a)));
    lanewise("sqrt.rn.f64 %fd9, %fd1;", ["f64", "", ""], "f64", &singles(DOUBLES), |a, _, _| {
        double(f64::from_bits(a).sqrt())
    });
    lanewise("rcp.rn.f64 %fd9, %fd1;", ["f64", "", ""], "f64", &singles(DOUBLES), |a, _, _| {
        double(1.0 / f64::from_bits(a))
    });
}

/// `mul_add` of the host is correctly rounded; a product rounded first would differ for some of these.
#[test]
fn fused() {
    let host = |a: u32, b: u32, c: u32| single(f32::from_bits(a).mul_add(f32::from_bits(b), f32::from_bits(c)));
    lanewise("fma.rn.f32 %f9, %f1, %f2, %f3;", ["f32"; 3], "f32", &triples(SINGLES), host);
    lanewise("mad.rn.f32 %f9, %f1, %f2, %f3;", ["f32"; 3], "f32", &triples(SINGLES), host);
    lanewise("fma.rn.f64 %fd9, %fd1, %fd2, %fd3;", ["f64"; 3], "f64", &triples(DOUBLES), |a, b, c: u64| {
        double(f64::from_bits(a).mul_add(f64::from_bits(b), f64::from_bits(c)))
    });
    let x = 1.0f32 + f32::EPSILON;
    let operands = [(x.to_bits(), x.to_bits(), (-1.0f32 - 2.0 * f32::EPSILON).to_bits())];
    lanewise("fma.rn.f32 %f9, %f1, %f2, %f3;", ["f32"; 3], "f32", &operands, |_, _, _| {
        (f32::EPSILON * f32::EPSILON).to_bits()
    });
}

#[test]
fn extremes_drop_nan() {
    let min = |a: u32, b: u32| {
        let (x, y) = (f32::from_bits(a), f32::from_bits(b));
        match (x.is_nan(), y.is_nan()) {
            (true, true) => 0x7fff_ffff,
            (true, false) => b,
            (false, true) => a,
            _ if x == y => {
                if x.is_sign_negative() {
                    a
                } else {
                    b
                }
            }
            _ => {
                if x < y {
                    a
                } else {
                    b
                }
            }
        }
    };
    let max = |a: u32, b: u32| {
        let (x, y) = (f32::from_bits(a), f32::from_bits(b));
        match (x.is_nan(), y.is_nan()) {
            (true, true) => 0x7fff_ffff,
            (true, false) => b,
            (false, true) => a,
            _ if x == y => {
                if x.is_sign_negative() {
                    b
                } else {
                    a
                }
            }
            _ => {
                if x > y {
                    a
                } else {
                    b
                }
            }
        }
    };
    lanewise("min.f32 %f9, %f1, %f2;", F32, "f32", &pairs(SINGLES), |a, b, _| min(a, b));
    lanewise("max.f32 %f9, %f1, %f2;", F32, "f32", &pairs(SINGLES), |a, b, _| max(a, b));
    let numbers: Vec<u64> = DOUBLES.iter().copied().filter(|bits| f64::from_bits(*bits) != 0.0).collect();
    lanewise("min.f64 %fd9, %fd1, %fd2;", F64, "f64", &pairs(&numbers), |a, b, _| {
        double(f64::from_bits(a).min(f64::from_bits(b)))
    });
    lanewise("max.f64 %fd9, %fd1, %fd2;", F64, "f64", &pairs(&numbers), |a, b, _| {
        double(f64::from_bits(a).max(f64::from_bits(b)))
    });
}

#[test]
fn signs() {
    lanewise("neg.f32 %f9, %f1;", F32, "f32", &singles(SINGLES), |a, _: u32, _| single(-f32::from_bits(a)));
    lanewise("abs.f32 %f9, %f1;", F32, "f32", &singles(SINGLES), |a, _: u32, _| single(f32::from_bits(a).abs()));
    lanewise("neg.f64 %fd9, %fd1;", ["f64", "", ""], "f64", &singles(DOUBLES), |a, _, _| double(-f64::from_bits(a)));
    lanewise("copysign.f32 %f9, %f1, %f2;", F32, "f32", &pairs(SINGLES), |a, b, _| {
        (b & 0x7fff_ffff) | (a & 0x8000_0000)
    });
}

#[test]
fn comparisons() {
    let check = |condition: &str, host: fn(f64, f64) -> bool| {
        lanewise(&format!("setp.{condition}.f32 %p9, %f1, %f2;"), F32, "pred", &pairs(SINGLES), |a, b, _| {
            u32::from(host(f32::from_bits(a).into(), f32::from_bits(b).into()))
        });
        lanewise(&format!("setp.{condition}.f64 %p9, %fd1, %fd2;"), F64, "pred", &pairs(DOUBLES), |a, b, _| {
            u32::from(host(f64::from_bits(a), f64::from_bits(b)))
        });
    };
    check("eq", |a, b| a == b);
    check("ne", |a, b| a != b && !a.is_nan() && !b.is_nan());
    check("lt", |a, b| a < b);
    check("le", |a, b| a <= b);
    check("gt", |a, b| a > b);
    check("ge", |a, b| a >= b);
    check("equ", |a, b| a == b || a.is_nan() || b.is_nan());
    check("neu", |a, b| a != b);
    check("ltu", |a, b| !(a >= b));
    check("leu", |a, b| !(a > b));
    check("gtu", |a, b| !(a <= b));
    check("geu", |a, b| !(a < b));
    check("num", |a, b| !a.is_nan() && !b.is_nan());
    check("nan", |a, b| a.is_nan() || b.is_nan());
}

#[test]
fn properties() {
    let check = |property: &str, host: fn(f32) -> bool| {
        lanewise(&format!("testp.{property}.f32 %p9, %f1;"), F32, "pred", &singles(SINGLES), |a, _: u32, _| {
            u32::from(host(f32::from_bits(a)))
        });
    };
    check("finite", f32::is_finite);
    check("infinite", f32::is_infinite);
    check("number", |x| !x.is_nan());
    check("notanumber", f32::is_nan);
    check("normal", f32::is_normal);
    check("subnormal", f32::is_subnormal);
}

#[test]
fn to_integers() {
    let f32_to = ["f32", "", ""];
    let x = f32::from_bits;
    lanewise("cvt.rzi.s32.f32 %r9, %f1;", f32_to, "u32", &singles(SINGLES), |a, _, _| x(a) as i32 as u32);
    lanewise("cvt.rzi.u32.f32 %r9, %f1;", f32_to, "u32", &singles(SINGLES), |a, _, _| x(a) as u32);
    lanewise("cvt.rni.s32.f32 %r9, %f1;", f32_to, "u32", &singles(SINGLES), |a, _, _| {
        x(a).round_ties_even() as i32 as u32
    });
    lanewise("cvt.rmi.s32.f32 %r9, %f1;", f32_to, "u32", &singles(SINGLES), |a, _, _| x(a).floor() as i32 as u32);
    lanewise("cvt.rpi.u32.f32 %r9, %f1;", f32_to, "u32", &singles(SINGLES), |a, _, _| x(a).ceil() as u32);
    lanewise("cvt.rzi.s16.f32 %rs9, %f1;", f32_to, "u16", &singles(SINGLES), |a, _, _| x(a) as i16 as u16);
    lanewise("cvt.rzi.u8.f32 %rs9, %f1;", f32_to, "u16", &singles(SINGLES), |a, _, _| u16::from(x(a) as u8));
    lanewise("cvt.rzi.s8.f32 %r9, %f1;", f32_to, "u32", &singles(SINGLES), |a, _, _| x(a) as i8 as u32);
    // NaN gives the top bit alone where source or target has 64 bits.
    let wide = |x: f64, value: u64| if x.is_nan() { 1 << 63 } else { value };
    lanewise("cvt.rzi.s64.f32 %rd9, %f1;", f32_to, "u64", &singles(SINGLES), |a, _, _| {
        wide(x(a).into(), x(a) as i64 as u64)
    });
    lanewise("cvt.rzi.u64.f32 %rd9, %f1;", f32_to, "u64", &singles(SINGLES), |a, _, _| wide(x(a).into(), x(a) as u64));
    let f64_to = ["f64", "", ""];
    let y = f64::from_bits;
    lanewise("cvt.rzi.s64.f64 %rd9, %fd1;", f64_to, "u64", &singles(DOUBLES), |a, _, _| wide(y(a), y(a) as i64 as u64));
    lanewise("cvt.rni.u64.f64 %rd9, %fd1;", f64_to, "u64", &singles(DOUBLES), |a, _, _| {
        wide(y(a), y(a).round_ties_even() as u64)
    });
    lanewise("cvt.rzi.s32.f64 %r9, %fd1;", f64_to, "u32", &singles(DOUBLES), |a, _, _| {
        if y(a).is_nan() { 1 << 31 } else { y(a) as i32 as u32 }
    });
    lanewise("cvt.rmi.u32.f64 %r9, %fd1;", f64_to, "u32", &singles(DOUBLES), |a, _, _| {
        if y(a).is_nan() { 1 << 31 } else { y(a).floor() as u32 }
    });
}

#[test]
fn from_integers() {
    lanewise("cvt.rn.f32.u32 %f9, %r1;", ["u32", "", ""], "f32", &singles(WORDS), |a, _, _| (a as f32).to_bits());
    lanewise("cvt.rn.f32.s32 %f9, %r1;", ["u32", "", ""], "f32", &singles(WORDS), |a, _, _| {
        (a as i32 as f32).to_bits()
    });
    lanewise("cvt.rn.f32.u64 %f9, %rd1;", ["u64", "", ""], "f32", &singles(LONGS), |a, _, _| (a as f32).to_bits());
    lanewise("cvt.rn.f32.s64 %f9, %rd1;", ["u64", "", ""], "f32", &singles(LONGS), |a, _, _| {
        (a as i64 as f32).to_bits()
    });
    lanewise("cvt.rn.f64.u32 %fd9, %r1;", ["u32", "", ""], "f64", &singles(WORDS), |a, _, _| f64::from(a).to_bits());
    lanewise("cvt.rn.f64.s64 %fd9, %rd1;", ["u64", "", ""], "f64", &singles(LONGS), |a, _, _| {
        (a as i64 as f64).to_bits()
    });
    lanewise("cvt.rn.f64.u64 %fd9, %rd1;", ["u64", "", ""], "f64", &singles(LONGS), |a, _, _| (a as f64).to_bits());
    lanewise("cvt.rn.f32.s16 %f9, %rs1;", ["u16", "", ""], "f32", &singles(HALVES), |a, _, _| {
        f32::from(a as i16).to_bits()
    });
    lanewise("cvt.rn.f32.u8 %f9, %rs1;", ["u16", "", ""], "f32", &singles(HALVES), |a, _, _| {
        f32::from(a as u8).to_bits()
    });
    lanewise("cvt.rn.f32.s8 %f9, %r1;", ["u32", "", ""], "f32", &singles(WORDS), |a, _, _| {
        f32::from(a as i8).to_bits()
    });
}

#[test]
fn between_floats() {
    lanewise("cvt.f64.f32 %fd9, %f1;", ["f32", "", ""], "f64", &singles(SINGLES), |a, _, _| {
        double(f32::from_bits(a).into())
    });
    lanewise("cvt.rn.f32.f64 %f9, %fd1;", ["f64", "", ""], "f32", &singles(DOUBLES), |a, _, _| {
        single(f64::from_bits(a) as f32)
    });
    let round = |mode: &str, host: fn(f32) -> f32| {
        lanewise(&format!("cvt.{mode}.f32.f32 %f9, %f1;"), F32, "f32", &singles(SINGLES), |a, _: u32, _| {
            single(host(f32::from_bits(a)))
        });
    };
    round("rni", f32::round_ties_even);
    round("rzi", f32::trunc);
    round("rmi", f32::floor);
    round("rpi", f32::ceil);
    lanewise("cvt.sat.f32.f32 %f9, %f1;", F32, "f32", &singles(SINGLES), |a, _: u32, _| {
        let x = f32::from_bits(a);
        if x.is_nan() || x <= 0.0 { 0 } else { x.min(1.0).to_bits() }
    });
    lanewise("slct.f32.f32 %f9, %f1, %f2, %f3;", ["f32"; 3], "f32", &triples(SINGLES), |a, b, c: u32| {
        if f32::from_bits(c) >= 0.0 { a } else { b }
    });
    lanewise("add.rn.f32 %f9, %f1, 0f3F800000;", F32, "f32", &singles(SINGLES), |a, _: u32, _| {
        single(f32::from_bits(a) + 1.0)
    });
    lanewise("add.rn.f64 %fd9, %fd1, 0d3FF0000000000000;", ["f64", "", ""], "f64", &singles(DOUBLES), |a, _, _| {
        double(f64::from_bits(a) + 1.0)
    });
    lanewise("mov.b32 %r1, %f1;\nmov.b32 %f9, %r1;", F32, "f32", &singles(SINGLES), |a, _: u32, _| a);
}

#[test]
fn between_integers() {
    let word = ["u32", "", ""];
    lanewise("cvt.s32.s8 %r9, %r1;", word, "u32", &singles(WORDS), |a, _, _| a as i8 as u32);
    lanewise("cvt.u32.u8 %r9, %r1;", word, "u32", &singles(WORDS), |a, _, _| u32::from(a as u8));
    lanewise("cvt.s32.s16 %r9, %rs1;", ["u16", "", ""], "u32", &singles(HALVES), |a, _, _| a as i16 as u32);
    lanewise("cvt.u16.u32 %rs9, %r1;", word, "u16", &singles(WORDS), |a, _, _| a as u16);
    lanewise("cvt.s8.s32 %rs9, %r1;", word, "u16", &singles(WORDS), |a, _, _| a as i8 as u16);
    lanewise("cvt.s8.u32 %r9, %r1;", word, "u32", &singles(WORDS), |a, _, _| a as i8 as u32);
    lanewise("cvt.u32.s16 %r9, %rs1;", ["u16", "", ""], "u32", &singles(HALVES), |a, _, _| a as i16 as u32);
    lanewise("cvt.s64.s32 %rd9, %r1;", word, "u64", &singles(WORDS), |a, _, _| a as i32 as u64);
    lanewise("cvt.u64.u32 %rd9, %r1;", word, "u64", &singles(WORDS), |a, _, _| u64::from(a));
    lanewise("cvt.s64.s8 %rd9, %rs1;", ["u16", "", ""], "u64", &singles(HALVES), |a, _, _| a as i8 as u64);
    lanewise("cvt.u64.u16 %rd9, %rs1;", ["u16", "", ""], "u64", &singles(HALVES), |a, _, _| u64::from(a));
    lanewise("cvt.u32.u64 %r9, %rd1;", ["u64", "", ""], "u32", &singles(LONGS), |a, _, _| a as u32);
    lanewise("cvt.u16.u64 %rs9, %rd1;", ["u64", "", ""], "u16", &singles(LONGS), |a, _, _| a as u16);
    lanewise("cvt.s8.s64 %rd9, %rd1;", ["u64", "", ""], "u64", &singles(LONGS), |a, _, _| a as i8 as u64);
    lanewise("cvt.sat.u8.s32 %r9, %r1;", word, "u32", &singles(WORDS), |a, _, _| (a as i32).clamp(0, 255) as u32);
    lanewise("cvt.sat.s8.s32 %r9, %r1;", word, "u32", &singles(WORDS), |a, _, _| (a as i32).clamp(-128, 127) as u32);
    lanewise("cvt.sat.s32.u32 %r9, %r1;", word, "u32", &singles(WORDS), |a, _, _| a.min(0x7fff_ffff));
    lanewise("cvt.sat.u16.u32 %rs9, %r1;", word, "u16", &singles(WORDS), |a, _, _| a.min(0xffff) as u16);
    lanewise("cvt.sat.u16.s32 %rs9, %r1;", word, "u16", &singles(WORDS), |a, _, _| (a as i32).clamp(0, 0xffff) as u16);
}

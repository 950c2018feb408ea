//! f16 and bf16: every value of one operand, edges and random numbers of more, against exact arithmetic.

mod common;
mod reference;

use std::sync::LazyLock;

use common::{SINGLES, lanewise, pairs, singles};
use reference::{BF16, F16, F32, Format, MODES, Mode, Random};

const NEAREST: Mode = Mode::Nearest;

fn every() -> Vec<u16> {
    (0..=u16::MAX).collect()
}

/// Every value, as two in each word.
fn every_pair() -> Vec<u32> {
    (0..=u16::MAX).map(|low| u32::from(low) | u32::from(low.wrapping_mul(40_503) ^ 0x5a5a) << 16).collect()
}

fn two(format: Format, seed: u64) -> Vec<(u16, u16, u32)> {
    let edges: Vec<u16> = format.edges().into_iter().map(|bits| bits as u16).collect();
    let mut random = Random::new(seed);
    let mut operands = pairs(&edges);
    operands.extend((0..4000).map(|_| (format.random(&mut random) as u16, format.random(&mut random) as u16, 0)));
    operands
}

/// A function of bits with 16 of them.
fn short(f: impl Fn(u64, u64) -> u64) -> impl Fn(u16, u16) -> u16 {
    move |a, b| f(a.into(), b.into()) as u16
}

/// A function of halves on both halves of words.
fn both(f: impl Fn(u16, u16) -> u16) -> impl Fn(u32, u32) -> u32 {
    move |a, b| u32::from(f(a as u16, b as u16)) | u32::from(f((a >> 16) as u16, (b >> 16) as u16)) << 16
}

fn words(operands: &[(u16, u16, u32)]) -> Vec<(u32, u32, u32)> {
    // Each pair of operands lies beside the next one.
    let at = |i: usize| operands[i % operands.len()];
    let join = |low: u16, high: u16| u32::from(low) | u32::from(high) << 16;
    (0..operands.len()).map(|i| (join(at(i).0, at(i + 1).0), join(at(i).1, at(i + 1).1), 0)).collect()
}

fn binary(op: &str, ty: &str, operands: &[(u16, u16, u32)], host: impl Fn(u16, u16) -> u16) {
    lanewise(&format!("{op}.{ty} %rs9, %rs1, %rs2;"), ["u16", "u16", ""], "u16", operands, |a, b, _| host(a, b));
    let pairs = both(&host);
    let text = format!("{op}.{ty}x2 %r9, %r1, %r2;");
    lanewise(&text, ["u32", "u32", ""], "u32", &words(operands), |a, b, _| pairs(a, b));
}

fn unary(op: &str, ty: &str, host: impl Fn(u16) -> u16) {
    lanewise(&format!("{op}.{ty} %rs9, %rs1;"), ["u16", "", ""], "u16", &singles(&every()), |a, _, _| host(a));
    let pairs = both(|a, _| host(a));
    let text = format!("{op}.{ty}x2 %r9, %r1;");
    lanewise(&text, ["u32", "", ""], "u32", &singles(&every_pair()), |a, _, _| pairs(a, 0));
}

fn clamp(a: u16) -> u16 {
    if F16.is_nan(a.into()) || a & 0x8000 != 0 { 0 } else { a.min(0x3c00) }
}

#[test]
fn sums_and_products() {
    let operands = two(F16, 1);
    for (op, reference) in
        [("add", Format::add as fn(Format, u64, u64, Mode) -> u64), ("sub", Format::sub), ("mul", Format::mul)]
    {
        let host = short(move |a, b| reference(F16, a, b, NEAREST));
        binary(op, "f16", &operands, &host);
        binary(&format!("{op}.rn"), "f16", &operands, &host);
        binary(&format!("{op}.rn.sat"), "f16", &operands[..3000], |a, b| clamp(host(a, b)));
    }
}

fn triples(format: Format, seed: u64) -> Vec<(u16, u16, u16)> {
    let edges = format.edges();
    let mut random = Random::new(seed);
    let mut operands = Vec::new();
    let pick = |random: &mut Random| edges[random.next() as usize % edges.len()] as u16;
    for _ in 0..3000 {
        operands.push((pick(&mut random), pick(&mut random), pick(&mut random)));
        let [a, b, c] = [(); 3].map(|()| format.random(&mut random));
        operands.push((a as u16, b as u16, c as u16));
        let product = format.mul(a, b, NEAREST);
        operands.push((a as u16, b as u16, product as u16 ^ 0x8000));
    }
    operands
}

#[test]
fn fused() {
    for (ty, format, seed) in [("f16", F16, 2), ("bf16", BF16, 3)] {
        let host = |a: u16, b: u16, c: u16| format.fma(a.into(), b.into(), c.into(), NEAREST) as u16;
        let relu = |x: u16| {
            if format.is_nan(x.into()) {
                x
            } else if x & 0x8000 != 0 {
                0
            } else {
                x
            }
        };
        let operands = triples(format, seed);
        lanewise(&format!("fma.rn.{ty} %rs9, %rs1, %rs2, %rs3;"), ["u16"; 3], "u16", &operands, host);
        lanewise(&format!("fma.rn.relu.{ty} %rs9, %rs1, %rs2, %rs3;"), ["u16"; 3], "u16", &operands, |a, b, c| {
            relu(host(a, b, c))
        });
        let wide: Vec<(u32, u32, u32)> = operands
            .iter()
            .zip(operands.iter().skip(1))
            .map(|(low, high)| {
                let join = |low: u16, high: u16| u32::from(low) | u32::from(high) << 16;
                (join(low.0, high.0), join(low.1, high.1), join(low.2, high.2))
            })
            .collect();
        let pairs = |f: &dyn Fn(u16) -> u16, a: u32, b: u32, c: u32| {
            let low = f(host(a as u16, b as u16, c as u16));
            let high = f(host((a >> 16) as u16, (b >> 16) as u16, (c >> 16) as u16));
            u32::from(low) | u32::from(high) << 16
        };
        lanewise(&format!("fma.rn.{ty}x2 %r9, %r1, %r2, %r3;"), ["u32"; 3], "u32", &wide, |a, b, c| {
            pairs(&|x| x, a, b, c)
        });
        lanewise(&format!("fma.rn.relu.{ty}x2 %r9, %r1, %r2, %r3;"), ["u32"; 3], "u32", &wide, |a, b, c| {
            pairs(&relu, a, b, c)
        });
        if ty == "f16" {
            lanewise("fma.rn.sat.f16x2 %r9, %r1, %r2, %r3;", ["u32"; 3], "u32", &wide, |a, b, c| {
                pairs(&clamp, a, b, c)
            });
        }
    }
}

#[test]
fn signs_and_extremes() {
    for (ty, format) in [("f16", F16), ("bf16", BF16)] {
        let nan = move |a: u16| format.is_nan(a.into());
        unary("neg", ty, |a| if nan(a) { 0x7fff } else { a ^ 0x8000 });
        unary("abs", ty, |a| if nan(a) { 0x7fff } else { a & 0x7fff });
        // Through f32, whose total order has -0 below +0.
        let value = move |a: u16| f32::from_bits(F32.of(format, a.into(), NEAREST) as u32);
        for (op, less) in [("min", true), ("max", false)] {
            let pick = move |a: u16, b: u16| if value(a).total_cmp(&value(b)).is_lt() == less { a } else { b };
            let operands = two(format, 4);
            binary(op, ty, &operands, |a, b| match (nan(a), nan(b)) {
                (true, true) => 0x7fff,
                (true, false) => b,
                (false, true) => a,
                _ => pick(a, b),
            });
            binary(&format!("{op}.NaN"), ty, &operands, |a, b| if nan(a) || nan(b) { 0x7fff } else { pick(a, b) });
        }
    }
}

/// What f16 is worth.
fn value(a: u16) -> f32 {
    static VALUES: LazyLock<Vec<f32>> =
        LazyLock::new(|| (0..=u16::MAX).map(|bits| f32::from_bits(F32.of(F16, bits.into(), NEAREST) as u32)).collect());
    VALUES[usize::from(a)]
}

fn holds(relation: &str, x: f32, y: f32) -> bool {
    let nan = x.is_nan() || y.is_nan();
    match relation {
        "eq" => x == y,
        "ne" => !nan && x != y,
        "lt" => x < y,
        "le" => x <= y,
        "gt" => x > y,
        "ge" => x >= y,
        "equ" => nan || x == y,
        "neu" => nan || x != y,
        "ltu" => nan || x < y,
        "leu" => nan || x <= y,
        "gtu" => nan || x > y,
        "geu" => nan || x >= y,
        "num" => !nan,
        _ => nan,
    }
}

const RELATIONS: [&str; 14] =
    ["eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"];

#[test]
fn comparisons() {
    let operands = &two(F16, 5)[..4000];
    let wide = words(operands);
    for relation in RELATIONS {
        let host = |a: u16, b: u16| holds(relation, value(a), value(b));
        let text = format!("setp.{relation}.f16 %p9, %rs1, %rs2;");
        lanewise(&text, ["u16", "u16", ""], "pred", operands, |a, b, _| u32::from(host(a, b)));
        for (ty, yes) in [("u32", u32::MAX), ("f32", 0x3f80_0000), ("f16", 0x3c00), ("s16", 0xffff)] {
            let (register, class) = if yes > 0xffff { ("%r9", "u32") } else { ("%rs9", "u16") };
            let register = if ty == "f32" { "%f9" } else { register };
            let text = format!("set.{relation}.{ty}.f16 {register}, %rs1, %rs2;");
            if class == "u16" {
                lanewise(&text, ["u16", "u16", ""], class, operands, |a, b, _| if host(a, b) { yes as u16 } else { 0 });
            } else {
                let class = if ty == "f32" { "f32" } else { class };
                lanewise(&text, ["u16", "u16", ""], class, operands, |a, b, _| if host(a, b) { yes } else { 0 });
            }
        }
        for (ty, yes) in [("f16x2", 0x3c00), ("u32", 0xffffu16)] {
            let pairs = both(|a, b| if host(a, b) { yes } else { 0 });
            let text = format!("set.{relation}.{ty}.f16x2 %r9, %r1, %r2;");
            lanewise(&text, ["u32", "u32", ""], "u32", &wide, |a, b, _| pairs(a, b));
        }
        // p for the lower half, q for the upper.
        let text = format!(
            "setp.{relation}.and.f16x2 %p1|%p2, %r1, %r2, !%p3;\nselp.u32 %r3, 1, 0, %p1;\nselp.u32 %r4, 2, 0, %p2;\nadd.u32 %r9, %r3, %r4;"
        );
        let text = format!("and.b32 %r5, %r1, 1;\nsetp.eq.u32 %p3, %r5, 1;\n{text}");
        lanewise(&text, ["u32", "u32", ""], "u32", &wide, |a, b, _| {
            if a & 1 == 1 {
                return 0;
            }
            u32::from(host(a as u16, b as u16)) | u32::from(host((a >> 16) as u16, (b >> 16) as u16)) << 1
        });
    }
}

#[test]
fn set_of_other_types() {
    let f32s = ["f32", "f32", ""];
    lanewise("set.lt.u32.f32 %r9, %f1, %f2;", f32s, "u32", &pairs(SINGLES), |a, b, _| {
        if f32::from_bits(a) < f32::from_bits(b) { u32::MAX } else { 0 }
    });
    lanewise("set.geu.f32.f32 %f9, %f1, %f2;", f32s, "f32", &pairs(SINGLES), |a, b, _| {
        if holds("geu", f32::from_bits(a), f32::from_bits(b)) { 0x3f80_0000 } else { 0 }
    });
    let words = ["u32", "u32", ""];
    lanewise("set.hi.f32.u32 %f9, %r1, %r2;", words, "f32", &pairs(common::WORDS), |a, b, _| {
        if a > b { 0x3f80_0000u32 } else { 0 }
    });
    let text = "setp.eq.u32 %p1, %r2, 7;\nset.lt.xor.s32.s32 %r9, %r1, %r2, %p1;";
    lanewise(text, words, "u32", &pairs(common::WORDS), |a, b, _| {
        if ((a as i32) < (b as i32)) != (b == 7) { u32::MAX } else { 0 }
    });
    lanewise("set.ne.u32.b64 %r9, %rd1, %rd2;", ["u64", "u64", ""], "u32", &pairs(common::LONGS), |a, b, _| {
        if a == b { 0 } else { u32::MAX }
    });
}

#[test]
fn from_halves() {
    let every = singles(&every());
    let half = ["u16", "", ""];
    lanewise("cvt.f32.f16 %f9, %rs1;", half, "f32", &every, |a, _, _| value(a).to_bits());
    lanewise("cvt.f32.bf16 %f9, %rs1;", half, "f32", &every, |a, _, _| {
        if BF16.is_nan(a.into()) { 0x7fff_ffff } else { u32::from(a) << 16 }
    });
    lanewise("cvt.f64.f16 %fd9, %rs1;", half, "f64", &every, |a, _, _| reference::F64.of(F16, a.into(), NEAREST));
    lanewise("cvt.sat.f32.f16 %f9, %rs1;", half, "f32", &every, |a, _, _| {
        let x = value(a);
        if x > 0.0 { x.min(1.0).to_bits() } else { 0 }
    });
    lanewise("cvt.sat.f16.f16 %rs9, %rs1;", half, "u16", &every, |a, _, _| clamp(a));
    type Round = fn(f32) -> f32;
    let rounds: [(&str, Round); 4] =
        [("rni", f32::round_ties_even), ("rzi", f32::trunc), ("rmi", f32::floor), ("rpi", f32::ceil)];
    for (mode, round) in rounds {
        lanewise(&format!("cvt.{mode}.f16.f16 %rs9, %rs1;"), half, "u16", &every, |a, _, _| {
            F16.of(F32, round(value(a)).to_bits().into(), NEAREST) as u16
        });
        lanewise(&format!("cvt.{mode}.s32.f16 %r9, %rs1;"), half, "u32", &every, |a, _, _| {
            round(value(a)) as i32 as u32
        });
        lanewise(&format!("cvt.{mode}.u8.f16 %r9, %rs1;"), half, "u32", &every, |a, _, _| {
            u32::from(round(value(a)) as u8)
        });
        lanewise(&format!("cvt.{mode}.s64.f16 %rd9, %rs1;"), half, "u64", &every, |a, _, _| {
            if value(a).is_nan() { 1 << 63 } else { round(value(a)) as i64 as u64 }
        });
    }
}

#[test]
fn to_halves() {
    let mut random = Random::new(6);
    let mut operands: Vec<u32> = F32.edges().into_iter().map(|bits| bits as u32).collect();
    for format in [F16, BF16] {
        for bits in (0..=u16::MAX).step_by(97) {
            let bits = F32.of(format, bits.into(), NEAREST) as u32;
            operands.extend([bits.wrapping_add(1), bits.wrapping_sub(1), bits | 0x1000, bits | 0x8000]);
        }
    }
    operands.extend((0..5000).map(|_| F32.random(&mut random) as u32));
    let pairs: Vec<(u32, u32, u32)> = operands.windows(2).map(|pair| (pair[0], pair[1], 0)).collect();
    let relu = |format: Format, x: u64| if !format.is_nan(x) && format.negative(x) { 0 } else { x };
    for (name, mode) in MODES {
        for (ty, format) in [("f16", F16), ("bf16", BF16)] {
            if ty == "bf16" && !matches!(name, "rn" | "rz") {
                continue;
            }
            let text = format!("cvt.{name}.{ty}.f32 %rs9, %f1;");
            lanewise(&text, ["f32", "", ""], "u16", &singles(&operands), |a, _, _| {
                format.of(F32, a.into(), mode) as u16
            });
            if !matches!(name, "rn" | "rz") {
                continue;
            }
            let text = format!("cvt.{name}.relu.{ty}.f32 %rs9, %f1;");
            lanewise(&text, ["f32", "", ""], "u16", &singles(&operands), |a, _, _| {
                relu(format, format.of(F32, a.into(), mode)) as u16
            });
            for (modifier, clamps) in [("", false), (".relu", true)] {
                let half = |a: u32| {
                    let bits = format.of(F32, a.into(), mode);
                    (if clamps { relu(format, bits) } else { bits }) as u32
                };
                let text = format!("cvt.{name}{modifier}.{ty}x2.f32 %r9, %f1, %f2;");
                lanewise(&text, ["f32", "f32", ""], "u32", &pairs, |a, b, _| half(a) << 16 | half(b));
            }
        }
    }
}

//! Bit fields, masks, permutations and saturating integers, each against its definition.

mod common;

use common::{LONGS, Run, WORDS, lanewise, pairs, singles, triples};
use tessera_ptx::Module;

const TWO: [&str; 3] = ["u32", "u32", ""];

#[test]
fn masks_and_extensions() {
    let mut operands = pairs(WORDS);
    operands.extend((0..40u32).flat_map(|a| (0..40u32).map(move |b| (a, b, 0))));
    for mode in ["clamp", "wrap"] {
        let limit = |x: u32| if mode == "wrap" { x % 32 } else { x };
        lanewise(&format!("bmsk.{mode}.b32 %r9, %r1, %r2;"), TWO, "u32", &operands, |a, b, _| {
            let (a, b) = (u64::from(limit(a)), u64::from(limit(b)));
            (0..32).filter(|bit| (a..a + b).contains(bit)).fold(0u32, |mask, bit| mask | 1 << bit)
        });
        for (ty, signed) in [("u32", false), ("s32", true)] {
            lanewise(&format!("szext.{mode}.{ty} %r9, %r1, %r2;"), TWO, "u32", &operands, |a, b, _| {
                let len = u64::from(limit(b)).min(32);
                let bit = |i: u64| a >> i & 1 != 0;
                let sign = signed && len > 0 && bit(len - 1);
                (0..32).fold(0u32, |value, i| value | u32::from(if i < len { bit(i) } else { sign }) << i)
            });
        }
    }
}

#[test]
fn nth_set_bit() {
    let mut operands = Vec::new();
    for mask in [0, 1, 0x8000_0000, 0xaaaa_aaaa, 0x5555_5555, 0xdead_beef, u32::MAX] {
        for base in 0..32 {
            operands.extend((-34i32..=34).map(|offset| (mask, base, offset as u32)));
            operands.extend([(mask, base, i32::MIN as u32), (mask, base, i32::MAX as u32)]);
        }
    }
    lanewise("fns.b32 %r9, %r1, %r2, %r3;", ["u32"; 3], "u32", &operands, |mask: u32, base: u32, offset: u32| {
        let set = |bit: i64| mask >> bit & 1 != 0;
        let offset = i64::from(offset as i32);
        if offset == 0 {
            return if set(base.into()) { base } else { u32::MAX };
        }
        let (mut at, mut count) = (i64::from(base), offset.abs() - 1);
        while (0..32).contains(&at) {
            if set(at) {
                if count == 0 {
                    return at as u32;
                }
                count -= 1;
            }
            at += offset.signum();
        }
        u32::MAX
    });
}

/// The bytes of each mode, highest first, as the manual lists them.
#[test]
fn permutation_modes() {
    let table: [(&str, [[usize; 4]; 4]); 6] = [
        ("f4e", [[3, 2, 1, 0], [4, 3, 2, 1], [5, 4, 3, 2], [6, 5, 4, 3]]),
        ("b4e", [[5, 6, 7, 0], [6, 7, 0, 1], [7, 0, 1, 2], [0, 1, 2, 3]]),
        ("rc8", [[0, 0, 0, 0], [1, 1, 1, 1], [2, 2, 2, 2], [3, 3, 3, 3]]),
        ("ecl", [[3, 2, 1, 0], [3, 2, 1, 1], [3, 2, 2, 2], [3, 3, 3, 3]]),
        ("ecr", [[0, 0, 0, 0], [1, 1, 1, 0], [2, 2, 1, 0], [3, 2, 1, 0]]),
        ("rc16", [[1, 0, 1, 0], [3, 2, 3, 2], [1, 0, 1, 0], [3, 2, 3, 2]]),
    ];
    let operands: Vec<(u32, u32, u32)> =
        (0..9).flat_map(|c| [(0x8382_8180, 0x0706_0504, c), (0xdead_beef, 0x1234_5678, c | 0xf0)]).collect();
    for (mode, rows) in table {
        lanewise(&format!("prmt.b32.{mode} %r9, %r1, %r2, %r3;"), ["u32"; 3], "u32", &operands, |a, b, c| {
            let bytes: Vec<u8> = [a.to_le_bytes(), u32::to_le_bytes(b)].concat();
            let row = rows[(c & 3) as usize].map(|byte| bytes[byte]);
            u32::from_be_bytes(row)
        });
    }
}

#[test]
fn table_with_predicate() {
    for (op, and) in [("and", true), ("or", false)] {
        let text = format!(
            "setp.gt.u32 %p1, %r3, 100;\nlop3.{op}.b32 %r4|%p2, %r1, %r2, %r3, 0x80, %p1;\nselp.u32 %r9, 1, 0, %p2;\nxor.b32 %r9, %r9, %r4;"
        );
        lanewise(&text, ["u32"; 3], "u32", &triples(WORDS), |a, b, c: u32| {
            let (d, q) = (a & b & c, c > 100);
            d ^ u32::from(if and { d != 0 && q } else { d != 0 || q })
        });
    }
    let text = "setp.eq.u32 %p9, %r1, 0;\nlop3.or.b32 _|%p9, %r1, %r2, 0, 0xc0, %p9;";
    lanewise(text, TWO, "pred", &pairs(WORDS), |a: u32, b: u32, _| u32::from(a & b != 0 || a == 0));
}

#[test]
fn saturating_integers() {
    let clamp = |x: i64| x.clamp(i32::MIN.into(), i32::MAX.into()) as u32;
    let int = |x: u32| i64::from(x as i32);
    lanewise("add.sat.s32 %r9, %r1, %r2;", TWO, "u32", &pairs(WORDS), |a, b, _| clamp(int(a) + int(b)));
    lanewise("sub.sat.s32 %r9, %r1, %r2;", TWO, "u32", &pairs(WORDS), |a, b, _| clamp(int(a) - int(b)));
    lanewise("mad.hi.sat.s32 %r9, %r1, %r2, %r3;", ["u32"; 3], "u32", &triples(WORDS), |a, b, c| {
        clamp(((int(a) * int(b)) >> 32) + int(c))
    });
    let low = |x: u32| i64::from(x << 8 >> 8);
    let signed = |x: u32| i64::from((x << 8) as i32 >> 8);
    lanewise("mul24.hi.u32 %r9, %r1, %r2;", TWO, "u32", &pairs(WORDS), |a, b, _| ((low(a) * low(b)) >> 16) as u32);
    lanewise("mul24.hi.s32 %r9, %r1, %r2;", TWO, "u32", &pairs(WORDS), |a, b, _| {
        ((signed(a) * signed(b)) >> 16) as u32
    });
    lanewise("mad24.hi.u32 %r9, %r1, %r2, %r3;", ["u32"; 3], "u32", &triples(WORDS), |a, b, c: u32| {
        (((low(a) * low(b)) >> 16) as u32).wrapping_add(c)
    });
    lanewise("mad24.hi.sat.s32 %r9, %r1, %r2, %r3;", ["u32"; 3], "u32", &triples(WORDS), |a, b, c| {
        clamp(i64::from(((signed(a) * signed(b)) >> 16) as i32) + int(c))
    });
    let halves = ["u16"; 3];
    lanewise(
        "mad.hi.s16 %rs9, %rs1, %rs2, %rs3;",
        halves,
        "u16",
        &triples(common::HALVES),
        |a: u16, b: u16, c: u16| (((i32::from(a as i16) * i32::from(b as i16)) >> 16) as u16).wrapping_add(c),
    );
}

#[test]
fn saturating_conversions_of_long_integers() {
    let long = ["u64", "", ""];
    for (to, least, most, register) in [
        ("u8", 0i128, 255i128, "%r9"),
        ("s8", -128, 127, "%r9"),
        ("u16", 0, 65_535, "%r9"),
        ("s16", -32_768, 32_767, "%r9"),
        ("u32", 0, u32::MAX.into(), "%r9"),
        ("s32", i32::MIN.into(), i32::MAX.into(), "%r9"),
    ] {
        for (from, signed) in [("u64", false), ("s64", true)] {
            lanewise(&format!("cvt.sat.{to}.{from} {register}, %rd1;"), long, "u32", &singles(LONGS), |a, _, _| {
                let value = if signed { i128::from(a as i64) } else { i128::from(a) };
                value.clamp(least, most) as u32
            });
        }
    }
    lanewise("cvt.sat.u64.s64 %rd9, %rd1;", long, "u64", &singles(LONGS), |a, _, _| (a as i64).max(0) as u64);
    lanewise("cvt.sat.s64.u64 %rd9, %rd1;", long, "u64", &singles(LONGS), |a, _, _| a.min(i64::MAX as u64));
    lanewise("cvt.sat.u64.s32 %rd9, %r1;", ["u32", "", ""], "u64", &singles(WORDS), |a, _, _| (a as i32).max(0) as u64);
}

#[test]
fn lane_masks() {
    for (name, holds) in [
        ("eq", (|bit, lane| bit == lane) as fn(u32, u32) -> bool),
        ("lt", |bit, lane| bit < lane),
        ("le", |bit, lane| bit <= lane),
        ("gt", |bit, lane| bit > lane),
        ("ge", |bit, lane| bit >= lane),
    ] {
        let body = format!(
            "mov.u32 %r0, %tid.x;\nmov.u32 %r1, %lanemask_{name};\nld.param.u64 %rd60, [out];\nmul.wide.u32 %rd59, %r0, 4;\n\
             add.s64 %rd59, %rd59, %rd60;\nst.global.u32 [%rd59], %r1;\n"
        );
        let found = Run { body: &body, block: [64, 1, 1], ..Run::default() }.words();
        for (thread, found) in found[..64].iter().enumerate() {
            let lane = thread as u32 % 32;
            assert_eq!(*found, (0..32).filter(|bit| holds(*bit, lane)).fold(0, |m, bit| m | 1 << bit), "{name} {lane}");
        }
    }
}

/// What cannot run is an error of the kernel, with its reason.
#[test]
fn reasons() {
    for (body, reason) in [
        ("add.f32.f16 %f1, %rs1, %f2;", "newer GPU"),
        ("min.f32 %f1, %f2, %f3, %f4;", "newer GPU"),
        ("min.xorsign.abs.f32 %f1, %f2, %f3;", "newer GPU"),
        ("add.rn.bf16 %rs1, %rs2, %rs3;", "fma.rn"),
        ("setp.eq.bf16 %p1, %rs2, %rs3;", "newer GPU"),
        ("cvt.rn.bf16.f64 %rs1, %fd1;", "newer GPU"),
        ("cvt.f16.f32 %rs1, %f1;", "rounding mode"),
        ("fma.rz.f16 %rs1, %rs2, %rs3, %rs1;", ".rn alone"),
        ("add.sat.u32 %r1, %r2, %r3;", "s32"),
        ("add.f16 %rs1, %rs2, 1.0;", "0x3C00"),
        ("lop3.b32 %r1, %r2, %r3, %r4, 256;", "at most 255"),
        ("atom.global.add.f32 %f1, [%rd1], %f2;", "order"),
        ("red.global.add.noftz.f16 [%rd1], %rs1;", "order"),
        ("atom.global.cas.b16 %rs1, [%rd1], %rs2, %rs3;", "32 or 64 bits"),
        ("bar.arrive 0, 64;", "only .sync and .red"),
        ("mma.sync.aligned.m16n8k8.row.col.s32.s8.s8.s32 {%r1}, {%r2}, {%r3}, {%r4};", "shape"),
    ] {
        let module = Module::parse(&common::module_text("", body)).unwrap();
        let refusals = module.check();
        assert!(!refusals.is_empty(), "{body}");
        let body_text = format!("{body}\n");
        let run = Run { body: &body_text, ..Run::default() };
        let fault = run.fault().to_string();
        assert!(fault.contains(reason), "{body}: {fault}");
    }
}

//! Comparisons, predicates, selections and moves against the host.

mod common;

use common::{HALVES, LONGS, WORDS, lanewise, pairs, singles, triples};

const U32: [&str; 3] = ["u32", "u32", ""];
const U64: [&str; 3] = ["u64", "u64", ""];
const U16: [&str; 3] = ["u16", "u16", ""];

#[test]
fn comparisons() {
    let check = |condition: &str, unsigned: fn(u64, u64) -> bool, signed: fn(i64, i64) -> bool| {
        let short = |ty: &str| format!("setp.{condition}.{ty} %p9, %r1, %r2;");
        lanewise(&short("u32"), U32, "pred", &pairs(WORDS), |a, b, _| u32::from(unsigned(a.into(), b.into())));
        lanewise(&short("s32"), U32, "pred", &pairs(WORDS), |a, b, _| {
            u32::from(signed((a as i32).into(), (b as i32).into()))
        });
        let long = |ty: &str| format!("setp.{condition}.{ty} %p9, %rd1, %rd2;");
        lanewise(&long("u64"), U64, "pred", &pairs(LONGS), |a, b, _| u32::from(unsigned(a, b)));
        lanewise(&long("s64"), U64, "pred", &pairs(LONGS), |a, b, _| u32::from(signed(a as i64, b as i64)));
        let half = |ty: &str| format!("setp.{condition}.{ty} %p9, %rs1, %rs2;");
        lanewise(&half("u16"), U16, "pred", &pairs(HALVES), |a, b, _| u32::from(unsigned(a.into(), b.into())));
        lanewise(&half("s16"), U16, "pred", &pairs(HALVES), |a, b, _| {
            u32::from(signed((a as i16).into(), (b as i16).into()))
        });
    };
    check("eq", |a, b| a == b, |a, b| a == b);
    check("ne", |a, b| a != b, |a, b| a != b);
    check("lt", |a, b| a < b, |a, b| a < b);
    check("le", |a, b| a <= b, |a, b| a <= b);
    check("gt", |a, b| a > b, |a, b| a > b);
    check("ge", |a, b| a >= b, |a, b| a >= b);
    lanewise("setp.hi.u32 %p9, %r1, %r2;", U32, "pred", &pairs(WORDS), |a, b, _| u32::from(a > b));
    lanewise("setp.eq.b64 %p9, %rd1, %rd2;", U64, "pred", &pairs(LONGS), |a, b, _| u32::from(a == b));
}

#[test]
fn predicates_and_selections() {
    let both = "setp.lt.u32 %p1, %r1, 100;\nsetp.lt.and.s32 %p9|%p2, %r1, %r2, %p1;";
    lanewise(both, U32, "pred", &pairs(WORDS), |a, b, _| u32::from((a as i32) < (b as i32) && a < 100));
    let second = "setp.lt.u32 %p1, %r1, 100;\nsetp.lt.or.s32 %p2|%p9, %r1, %r2, !%p1;";
    lanewise(second, U32, "pred", &pairs(WORDS), |a, b, _| u32::from((a as i32) >= (b as i32) || a >= 100));
    // The guard is among the destinations.
    let guard = "setp.gt.u32 %p9, %r1, 100;\n@%p9 setp.eq.xor.u32 %p9|%p3, %r1, %r2, %p9;";
    lanewise(guard, U32, "pred", &pairs(WORDS), |a, b, _| u32::from(a > 100 && a != b));
    let logic = "setp.lt.u32 %p1, %r1, 100;\nsetp.lt.u32 %p2, %r2, 100;\nand.pred %p3, %p1, %p2;\nor.pred %p4, %p1, %p2;\nnot.pred %p3, %p3;\nand.pred %p9, %p3, %p4;";
    lanewise(logic, U32, "pred", &pairs(WORDS), |a, b, _| u32::from((a < 100) != (b < 100)));
    lanewise("mov.pred %p1, -1;\nmov.pred %p2, 0;\nxor.pred %p9, %p1, %p2;", U32, "pred", &pairs(WORDS), |_, _, _| {
        1u32
    });
    let select = "setp.lt.u32 %p1, %r3, 100;\nselp.b32 %r9, %r1, %r2, %p1;";
    lanewise(select, ["u32"; 3], "u32", &triples(WORDS), |a, b, c| if c < 100 { a } else { b });
    lanewise(
        "slct.u32.s32 %r9, %r1, %r2, %r3;",
        ["u32"; 3],
        "u32",
        &triples(WORDS),
        |a, b, c| if c as i32 >= 0 { a } else { b },
    );
    let long = "setp.lt.u64 %p1, %rd1, %rd2;\nselp.b64 %rd9, %rd1, 7, %p1;";
    lanewise(long, U64, "u64", &pairs(LONGS), |a, b, _| if a < b { a } else { 7 });
}

#[test]
fn moves() {
    lanewise(
        "mov.b64 {%r1, %r2}, %rd1;\nmov.b64 %rd9, {%r2, %r1};",
        ["u64", "", ""],
        "u64",
        &singles(LONGS),
        |a, _, _| a.rotate_left(32),
    );
    lanewise("mov.b32 {%rs1, %rs2}, %r1;\nmov.b32 %r9, {%rs2, %rs1};", U32, "u32", &singles(WORDS), |a, _: u32, _| {
        a.rotate_left(16)
    });
    let four = "mov.b64 {%rs1, %rs2, %rs3, %rs4}, %rd1;\nmov.b64 %rd9, {%rs4, %rs3, %rs2, %rs1};";
    lanewise(four, ["u64", "", ""], "u64", &singles(LONGS), |a, _, _| {
        (0..4).fold(0, |d, i| d | (a >> (16 * i) & 0xffff) << (48 - 16 * i))
    });
}

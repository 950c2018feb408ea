//! Loads, stores and atomics in every space, and the faults that they report.

mod common;

use common::Run;
use tessera_ptx::{FaultKind, Space};

const PLACE: &str = "mov.u32 %r0, %tid.x;\nld.param.u64 %rd60, [out];\n";

fn run(before: &str, body: &str) -> Vec<u32> {
    Run { before, body: &format!("{PLACE}{body}"), ..Run::default() }.words()
}

#[test]
fn widths_and_signs() {
    let input: Vec<u8> = (0..64u8).map(|i| i.wrapping_mul(37) ^ 0x80).collect();
    for (ty, register) in
        [("u8", "%r1"), ("s8", "%r1"), ("b8", "%rs1"), ("s8", "%rs1"), ("u16", "%r1"), ("s16", "%r1"), ("s16", "%rs1")]
    {
        let size = ty[1..].parse::<usize>().unwrap() / 8;
        let show = if register == "%rs1" { "cvt.u32.u16 %r1, %rs1;\n" } else { "" };
        let body = format!(
            "{PLACE}ld.param.u64 %rd1, [in0];\nmul.wide.u32 %rd2, %r0, {size};\nadd.s64 %rd1, %rd1, %rd2;\nld.global.{ty} {register}, [%rd1];\n\
             {show}mul.wide.u32 %rd2, %r0, 4;\nadd.s64 %rd60, %rd60, %rd2;\nst.global.u32 [%rd60], %r1;\n"
        );
        let found = Run { body: &body, inputs: [&input, &[], &[]], out_len: 128, ..Run::default() }.words();
        for (i, found) in found.iter().enumerate() {
            let raw = if size == 1 {
                u32::from(input[i])
            } else {
                u32::from(u16::from_le_bytes([input[2 * i], input[2 * i + 1]]))
            };
            let sign = ty.starts_with('s') && raw >> (8 * size - 1) != 0;
            let wide = if sign { raw | u32::MAX << (8 * size) } else { raw };
            let want = if register == "%rs1" { wide & 0xffff } else { wide };
            assert_eq!(*found, want, "{ty} into {register}, lane {i}");
        }
    }
    // Into 64 bits.
    let body = format!(
        "{PLACE}ld.param.u64 %rd1, [in0];\nld.global.s16 %rd2, [%rd1+2];\nst.global.u64 [%rd60], %rd2;\nld.global.u8 %rd2, [%rd1];\nst.global.u64 [%rd60+8], %rd2;\n"
    );
    let found = Run { body: &body, inputs: [&[0xfe, 0, 0x34, 0xf2], &[], &[]], ..Run::default() }.longs();
    assert_eq!(found[..2], [0xffff_ffff_ffff_f234, 0xfe]);
}

#[test]
fn vectors_and_narrow_stores() {
    let input: Vec<u8> = (0..=255).collect();
    let body = format!(
        "{PLACE}ld.param.u64 %rd1, [in0];\nld.global.v4.u32 {{%r1, %r2, %r3, %r4}}, [%rd1+16];\nst.global.v2.u32 [%rd60+8], {{%r4, %r1}};\n\
         ld.global.v2.u64 {{%rd1, %rd2}}, [%rd1];\nst.global.u64 [%rd60+16], %rd2;\nst.global.u8 [%rd60+1], %r2;\nst.global.u16 [%rd60+4], %rd1;\n"
    );
    let bytes = Run { body: &body, inputs: [&input, &[], &[]], ..Run::default() }.bytes();
    assert_eq!(bytes[..24], [0, 20, 0, 0, 0, 1, 0, 0, 28, 29, 30, 31, 16, 17, 18, 19, 8, 9, 10, 11, 12, 13, 14, 15]);
}

#[test]
fn shared_local_and_constant_memory() {
    let before = ".const .align 4 .b8 table[16] = {1, 0, 0, 0, 2, 0, 0, 0, 3};\n.global .align 8 .u64 pointer = generic(numbers)+4;\n".replace(
        ".global .align 8 .u64 pointer = generic(numbers)+4;\n",
        ".global .align 4 .u32 numbers[3] = {10, 20, 30};\n.global .align 8 .u64 pointer = generic(numbers);\n",
    );
    let body = ".shared .align 4 .b8 tile[128];\n.local .align 8 .b8 depot[16];\n.reg .b64 %SP;\n.reg .b64 %SPL;\n\
        mov.u64 %SPL, depot;\ncvta.local.u64 %SP, %SPL;\n\
        // Each lane writes its neighbour's place in shared memory and its own in local memory.\n\
        add.s32 %r1, %r0, 1;\nand.b32 %r1, %r1, 31;\nshl.b32 %r2, %r1, 2;\nmov.u32 %r3, tile;\nadd.s32 %r3, %r3, %r2;\nst.shared.u32 [%r3], %r0;\n\
        st.local.u32 [%SPL+4], %r0;\nbar.sync 0;\n\
        shl.b32 %r2, %r0, 2;\nmov.u32 %r3, tile;\nadd.s32 %r3, %r3, %r2;\nld.shared.u32 %r4, [%r3];\n\
        // The same places by generic addresses.\n\
        ld.u32 %r5, [%SP+4];\nmov.u64 %rd1, tile;\ncvta.shared.u64 %rd1, %rd1;\nmul.wide.u32 %rd2, %r0, 4;\nadd.s64 %rd1, %rd1, %rd2;\nld.u32 %r6, [%rd1];\n\
        cvta.to.shared.u64 %rd1, %rd1;\nld.shared.u32 %r7, [%rd1];\n\
        ld.const.u32 %r8, [table+4];\nld.global.u64 %rd3, [pointer];\nld.u32 %r9, [%rd3+8];\n\
        add.s32 %r4, %r4, %r5;\nadd.s32 %r4, %r4, %r6;\nadd.s32 %r4, %r4, %r7;\nadd.s32 %r4, %r4, %r8;\nadd.s32 %r4, %r4, %r9;\n\
        add.s64 %rd60, %rd60, %rd2;\nst.global.u32 [%rd60], %r4;\n";
    let found = run(&before, body);
    for (lane, found) in found[..32].iter().enumerate() {
        let neighbour = (lane + 31) % 32;
        assert_eq!(*found, (3 * neighbour + lane + 2 + 30) as u32, "lane {lane}");
    }
}

#[test]
fn dynamic_shared_memory_lies_behind_static() {
    let before = ".extern .shared .align 16 .b8 dynamic[];\n";
    let body = format!(
        "{PLACE}.shared .align 4 .b8 fixed[20];\nmov.u32 %r1, 7;\nst.shared.u32 [fixed+16], %r1;\nmov.u32 %r2, dynamic;\nst.shared.u32 [dynamic], %r2;\n\
         ld.shared.u32 %r3, [fixed+16];\nld.shared.u32 %r4, [%r2];\nst.global.v2.u32 [%rd60], {{%r3, %r4}};\n"
    );
    let run = Run { before, body: &body, shared_len: 16, ..Run::default() };
    assert_eq!(run.words()[..2], [7, 32]);
    let fault = Run { shared_len: 0, ..run }.fault();
    assert_eq!(fault.kind, FaultKind::OutOfBounds { space: Space::Shared, address: 32, len: 4 });
}

#[test]
fn atomics() {
    let body = "red.global.add.u32 [%rd60], 2;\nred.global.max.s32 [%rd60+4], %r0;\nsub.s32 %r1, 0, %r0;\nred.global.min.s32 [%rd60+8], %r1;\n\
        mov.u32 %r2, 1;\nshl.b32 %r2, %r2, %r0;\nred.global.or.b32 [%rd60+12], %r2;\nred.global.xor.b32 [%rd60+16], %r0;\n\
        mov.u64 %rd1, 0x100000001;\nred.global.add.u64 [%rd60+24], %rd1;\nred.global.inc.u32 [%rd60+32], 10;\nred.global.dec.u32 [%rd60+36], 10;\n\
        .shared .align 8 .b8 cell[8];\natom.shared.add.u64 _, [cell], 3;\nbar.sync 0;\nld.shared.u64 %rd2, [cell];\nst.global.u64 [%rd60+40], %rd2;\n\
        red.global.and.b32 [%rd60+48], 0;\n";
    let found = run("", body);
    assert_eq!(found[..5], [64, 31, (-31i32) as u32, u32::MAX, 0]);
    assert_eq!(found[6..8], [32, 32]);
    // 32 steps of counting 0 to 10 and round; 32 steps down from 10, starting at 0.
    assert_eq!(found[8..10], [32 % 11, 10 - 31 % 11]);
    assert_eq!(found[10..12], [96, 0]);
    // In a block of one thread the returned values and exchanges are what they should be.
    let body = format!(
        "{PLACE}mov.u32 %r1, 5;\natom.global.exch.b32 %r2, [%rd60], %r1;\natom.global.cas.b32 %r3, [%rd60], 5, 9;\natom.global.cas.b32 %r4, [%rd60], 5, 11;\n\
         atom.global.add.u32 %r5, [%rd60], 1;\nst.global.v4.u32 [%rd60+16], {{%r2, %r3, %r4, %r5}};\n"
    );
    let found = Run { body: &body, block: [1, 1, 1], ..Run::default() }.words();
    assert_eq!((found[0], &found[4..8]), (10, &[0, 5, 9, 9][..]));
}

#[test]
fn atomics_of_many_blocks_lose_nothing() {
    let body = format!("{PLACE}red.global.add.u32 [%rd60], 1;\nred.global.add.u64 [%rd60+8], 5;\n");
    let found = Run { body: &body, grid: [40, 5, 2], block: [100, 1, 1], ..Run::default() }.words();
    assert_eq!((found[0], found[2]), (40_000, 200_000));
}

/// Each fault names the lane that is to blame, its line and its address.
#[test]
fn faults() {
    let fault =
        |body: &str| Run { body: &format!("{PLACE}{body}"), inputs: [&[0; 16], &[], &[]], ..Run::default() }.fault();
    let line = |fault: &tessera_ptx::Fault| fault.line;

    let found = fault("mul.wide.u32 %rd1, %r0, 64;\nadd.s64 %rd1, %rd1, %rd60;\nst.global.u32 [%rd1], %r0;\n");
    assert!(matches!(found.kind, FaultKind::OutOfBounds { space: Space::Global, len: 4, .. }), "{found}");
    assert_eq!((found.thread, found.block, line(&found)), (Some([16, 0, 0]), [0, 0, 0], 17));
    assert!(
        found.to_string().starts_with("kernel test, line 17, block [0, 0, 0], thread [16, 0, 0]: 4 bytes at 0x"),
        "{found}"
    );

    let found = fault("mul.wide.u32 %rd1, %r0, 64;\nadd.s64 %rd1, %rd1, %rd60;\nld.global.u32 %r1, [%rd1];\n");
    assert_eq!((found.thread, line(&found)), (Some([16, 0, 0]), 17));
    let found = fault("mov.u64 %rd1, 0;\nld.global.u32 %r1, [%rd1];\n");
    assert_eq!(found.kind, FaultKind::OutOfBounds { space: Space::Global, address: 0, len: 4 });
    let found = fault("add.s64 %rd1, %rd60, 2;\nld.global.u32 %r1, [%rd1];\n");
    assert!(matches!(found.kind, FaultKind::Misaligned { space: Space::Global, len: 4, .. }), "{found}");
    let found = fault("add.s64 %rd1, %rd60, 8;\nst.global.v4.u32 [%rd1], {%r0, %r0, %r0, %r0};\n");
    assert!(matches!(found.kind, FaultKind::Misaligned { len: 16, .. }), "{found}");
    let found = fault("ld.param.u64 %rd1, [in0];\nst.global.u32 [%rd1], %r0;\n");
    assert!(matches!(found.kind, FaultKind::ReadOnly { .. }), "{found}");
    let found = fault("ld.param.u64 %rd1, [in0];\nred.global.add.u32 [%rd1], %r0;\n");
    assert!(matches!(found.kind, FaultKind::ReadOnly { .. }), "{found}");
    let found = fault(
        ".shared .align 4 .b8 tile[64];\nmov.u32 %r5, tile;\nmul.wide.u32 %rd1, %r0, 4;\nst.shared.u32 [%rd1], %r0;\n",
    );
    assert_eq!(
        (found.kind, found.thread),
        (FaultKind::OutOfBounds { space: Space::Shared, address: 64, len: 4 }, Some([16, 0, 0]))
    );
    let found = fault(
        ".shared .align 4 .b8 tile[64];\nmov.u32 %r5, tile;\nmul.wide.u32 %rd1, %r0, 4;\nld.shared.u32 %r1, [%rd1];\n",
    );
    assert_eq!(
        (found.kind, found.thread),
        (FaultKind::OutOfBounds { space: Space::Shared, address: 64, len: 4 }, Some([16, 0, 0]))
    );
    let found = fault(".local .align 4 .b8 depot[16];\nmov.u64 %rd1, depot;\nld.local.u32 %r1, [%rd1+16];\n");
    assert_eq!(found.kind, FaultKind::OutOfBounds { space: Space::Local, address: 16, len: 4 });
    let found = fault(
        ".shared .align 4 .b8 tile[64];\nmov.u64 %rd1, tile;\ncvta.shared.u64 %rd1, %rd1;\nld.global.u32 %r1, [%rd1];\n",
    );
    assert!(matches!(found.kind, FaultKind::OutOfBounds { space: Space::Global, .. }), "{found}");
    let found = fault("div.u32 %r1, 7, %r0;\n");
    assert_eq!((found.kind, found.thread), (FaultKind::DivisionByZero, Some([0, 0, 0])));
    let found = fault("cvt.u64.u32 %rd1, %r0;\nrem.s64 %rd2, 7, %rd1;\n");
    assert_eq!(found.kind, FaultKind::DivisionByZero);
}

/// Lanes that do not act do not fault.
#[test]
fn guarded_accesses() {
    let found = run(
        "",
        "setp.eq.u32 %p1, %r0, 3;\nmov.u64 %rd1, 0;\nselp.b64 %rd2, %rd60, %rd1, %p1;\n@%p1 st.global.u32 [%rd2], %r0;\n@%p1 ld.global.u32 %r1, [%rd2];\n\
         mov.u32 %r2, 0;\n@!%p1 mov.u32 %r0, 1;\n@%p1 div.u32 %r2, 30, %r0;\n@%p1 st.global.u32 [%rd60+4], %r2;\n",
    );
    assert_eq!(found[..2], [3, 10]);
}

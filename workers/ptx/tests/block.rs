//! What a block does: barriers that reduce, copies to shared memory, asserts, hints.

mod common;

use common::{Run, module_text};
use tessera_ptx::{FaultKind, Module, Space};

const PLACE: &str =
    "mov.u32 %r0, %tid.x;\nld.param.u64 %rd60, [out];\nmul.wide.u32 %rd59, %r0, 4;\nadd.s64 %rd59, %rd59, %rd60;\n";

fn run(block: u32, body: &str) -> Vec<u32> {
    let body = format!("{PLACE}{body}");
    Run { body: &body, block: [block, 1, 1], ..Run::default() }.words()[..block as usize].to_vec()
}

fn fault(block: u32, body: &str) -> FaultKind {
    let body = format!("{PLACE}{body}");
    Run { body: &body, block: [block, 1, 1], ..Run::default() }.fault().kind
}

#[test]
fn barriers_that_reduce() {
    for opcode in ["bar", "barrier", "barrier.cta"] {
        let count = format!(
            "setp.lt.u32 %p1, %r0, 45;\n{opcode}.red.popc.u32 %r1, 0, %p1;\n{opcode}.red.popc.u32 %r2, 1, 96, !%p1;\n\
             mad.lo.u32 %r1, %r1, 1000, %r2;\nst.global.u32 [%rd59], %r1;\n"
        );
        assert_eq!(run(96, &count), [45_051; 96]);
    }
    for (limit, all, any) in [(0, 0, 0), (45, 0, 1), (96, 1, 1)] {
        let body = format!(
            "setp.lt.u32 %p1, %r0, {limit};\nbar.red.and.pred %p2, 3, %p1;\nbar.red.or.pred %p3, 3, %p1;\nbar.red.or.pred %p1, 3, !%p1;\n\
             selp.u32 %r1, 1, 0, %p2;\nselp.u32 %r2, 2, 0, %p3;\nselp.u32 %r3, 4, 0, %p1;\nadd.u32 %r1, %r1, %r2;\nadd.u32 %r1, %r1, %r3;\nst.global.u32 [%rd59], %r1;\n"
        );
        let none = u32::from(limit < 96);
        assert_eq!(run(96, &body), [all + 2 * any + 4 * none; 96]);
    }
    // Two warps of four, at a barrier of their own, and only threads that are still there.
    let body = "setp.gt.u32 %p1, %r0, 63;\n@%p1 ret;\nsetp.lt.u32 %p2, %r0, 3;\nbar.red.popc.u32 %r1, 2, 64, %p2;\nst.global.u32 [%rd59], %r1;\n";
    assert_eq!(run(128, body)[..65], [vec![3; 64], vec![0]].concat());
}

#[test]
fn barriers_that_are_wrong() {
    let wrong = |kind: FaultKind, what: &str| {
        let FaultKind::Warp(text) = kind else { panic!("{kind:?}") };
        assert!(text.contains(what), "{text}");
    };
    wrong(fault(64, "bar.sync 0, 48;\n"), "multiple of 32");
    wrong(fault(64, "mov.u32 %r1, 0;\nbar.sync 0, %r1;\n"), "multiple of 32");
    wrong(fault(64, "bar.sync 16;\n"), "0 to 15");
    let mixed =
        "setp.lt.u32 %p1, %r0, 32;\n@%p1 bra OTHER;\nbar.sync 0;\nret;\nOTHER:\nbar.red.popc.u32 %r1, 0, %p1;\n";
    wrong(fault(64, mixed), "different instructions");
    assert_eq!(fault(64, "bar.sync 0, 96;\n"), FaultKind::Deadlock);
}

/// Copies `len` bytes of 64 to shared memory, which held ones, and reads them back.
fn copied(opcode: &str, before: &str, more: &str, len: usize) -> Vec<Vec<u8>> {
    let input: Vec<u8> = (0..32 * len as u32).map(|i| (i * 7 + 1) as u8).collect();
    let words: String = (0..len / 4)
        .map(|i| format!("ld.shared.u32 %r20, [%r2+{0}];\nst.global.u32 [%rd3+{0}], %r20;\n", 4 * i))
        .collect();
    let ones: String = (0..len / 4).map(|i| format!("st.shared.u32 [%r2+{}], -1;\n", 4 * i)).collect();
    let body = format!(
        "{PLACE}.shared .align 16 .b8 tile[512];\nmov.u32 %r1, tile;\nmad.lo.u32 %r2, %r0, {len}, %r1;\nld.param.u64 %rd1, [in0];\n\
         mul.wide.u32 %rd2, %r0, {len};\nadd.s64 %rd3, %rd60, %rd2;\nadd.s64 %rd2, %rd1, %rd2;\n{ones}{before}{opcode} [%r2], [%rd2], {len}{more};\n\
         cp.async.commit_group;\ncp.async.wait_group 0;\ncp.async.wait_all;\n{words}"
    );
    let found = Run { body: &body, inputs: [&input, &[], &[]], ..Run::default() }.bytes();
    found.chunks(len).take(32).map(<[u8]>::to_vec).collect()
}

#[test]
fn copies_to_shared_memory() {
    let source =
        |lane: usize, len: usize| (0..len).map(|i| ((lane * len + i) as u32 * 7 + 1) as u8).collect::<Vec<u8>>();
    for (opcode, len) in [
        ("cp.async.ca.shared.global", 4),
        ("cp.async.ca.shared.global", 8),
        ("cp.async.ca.shared::cta.global.L2::128B", 16),
        ("cp.async.cg.shared.global", 16),
    ] {
        for (lane, found) in copied(opcode, "", "", len).into_iter().enumerate() {
            assert_eq!(found, source(lane, len), "{opcode} {len}");
        }
        // Lane i copies i bytes and fills the rest with zeros.
        let limited = copied(opcode, &format!("min.u32 %r9, %r0, {len};\n"), ", %r9", len);
        for (lane, found) in limited.into_iter().enumerate() {
            let mut want = source(lane, len);
            want[lane.min(len)..].fill(0);
            assert_eq!(found, want, "{opcode} {len}, lane {lane}");
        }
        for (lane, found) in copied(opcode, "", ", 3", len).into_iter().enumerate() {
            let mut want = source(lane, len);
            want[3..].fill(0);
            assert_eq!(found, want, "{opcode} {len}, lane {lane}");
        }
        for (operand, ignores) in [(", %p1", true), (", !%p1", false)] {
            let found = copied(opcode, "setp.lt.u32 %p1, %r0, 10;\n", operand, len);
            for (lane, found) in found.into_iter().enumerate() {
                let want = if (lane < 10) == ignores { vec![0; len] } else { source(lane, len) };
                assert_eq!(found, want, "{opcode} {len}, lane {lane}");
            }
        }
        // A guard leaves what was there.
        let guarded = copied(&format!("setp.lt.u32 %p1, %r0, 10;\n@%p1 {opcode}"), "mov.u32 %r9, 2;\n", ", %r9", len);
        for (lane, found) in guarded.into_iter().enumerate() {
            let mut want = source(lane, len);
            want[2..].fill(0);
            assert_eq!(found, if lane < 10 { want } else { vec![0xff; len] }, "{opcode} {len}, lane {lane}");
        }
    }
}

/// Bytes behind those that are copied need not exist.
#[test]
fn copies_at_the_end_of_a_buffer() {
    let body = |bytes: u32| {
        format!(
            ".shared .align 16 .b8 tile[16];\nmov.u32 %r1, tile;\nld.param.u64 %rd1, [in0];\nmov.u32 %r2, {bytes};\n\
             cp.async.cg.shared.global [%r1], [%rd1+16], 16, %r2;\ncp.async.wait_all;\nld.shared.u32 %r3, [%r1+4];\nld.param.u64 %rd2, [out];\nst.global.u32 [%rd2], %r3;\n"
        )
    };
    let input: Vec<u8> = (1..=23).collect();
    let text = body(7);
    let run = Run { body: &text, inputs: [&input, &[], &[]], block: [1, 1, 1], ..Run::default() };
    assert_eq!(run.words()[0], 0x0017_1615);
    let text = body(8);
    let fault = Run { body: &text, inputs: [&input, &[], &[]], block: [1, 1, 1], ..Run::default() }.fault();
    assert!(matches!(fault.kind, FaultKind::OutOfBounds { space: Space::Global, .. }), "{fault}");
}

const ASSERT: &str = ".extern .func __assertfail(.param .b64 a, .param .b64 b, .param .b32 c, .param .b64 d, .param .b64 e);\n\
    .extern .func (.param .b32 r) vprintf(.param .b64 a, .param .b64 b);\n";

#[test]
fn assertions() {
    let call = "{\n.param .b64 a;\n.param .b64 b;\n.param .b32 c;\n.param .b64 d;\n.param .b64 e;\nst.param.b64 [a], 0;\nst.param.b64 [b], 0;\nst.param.b32 [c], 7;\n\
        st.param.b64 [d], 0;\nst.param.b64 [e], 1;\ncall.uni __assertfail, (a, b, c, d, e);\n}\n";
    let body = format!("{PLACE}setp.ne.u32 %p1, %r0, 9;\n@%p1 bra FINE;\n{call}FINE:\nst.global.u32 [%rd59], 1;\n");
    let fault = Run { before: ASSERT, body: &body, ..Run::default() }.fault();
    assert_eq!((fault.kind, fault.thread), (FaultKind::Assertion, Some([9, 0, 0])));
    let body = body.replace("%r0, 9", "%r0, 99");
    assert_eq!(Run { before: ASSERT, body: &body, ..Run::default() }.words()[..32], [1; 32]);
    let text =
        module_text(ASSERT, "{\n.param .b64 a;\n.param .b64 b;\n.param .b32 r;\ncall.uni (r), vprintf, (a, b);\n}\n");
    let refusals = Module::parse(&text).unwrap().check();
    assert!(refusals.iter().any(|refusal| refusal.reason.contains("write to a buffer")), "{refusals:?}");
}

#[test]
fn hints_change_nothing() {
    let hints = "nanosleep.u32 100;\nprefetch.global.L2 [%rd60];\nprefetchu.L1 [%rd60];\napplypriority.global.L2::evict_normal [%rd60], 128;\npmevent 3;\nmembar.gl;\n\
        fence.acq_rel.gpu;\nld.volatile.global.u32 %r1, [%rd59];\nld.relaxed.gpu.global.u32 %r2, [%rd59];\nst.global.wb.u32 [%rd59], 5;\n";
    assert_eq!(run(32, hints), [5; 32]);
}

//! Registers that are read before they are written, where the interpreter checks them.

mod common;

use common::Run;
use tessera_ptx::{Checks, Effect, FaultKind};

const UNWRITTEN: Checks = Checks { unwritten: true, ..Checks::NONE };

const PLACE: &str =
    "mov.u32 %r0, %tid.x;\nld.param.u64 %rd60, [out];\nmul.wide.u32 %rd59, %r0, 4;\nadd.s64 %rd59, %rd59, %rd60;\n";

fn run(before: &str, body: &str) -> Vec<u32> {
    Run { before, body: &format!("{PLACE}{body}"), checks: UNWRITTEN, ..Run::default() }.words()
}

struct Found {
    /// The register that nobody wrote, and the one that brings its value to where it decides something.
    names: (String, Option<String>),
    effect: Effect,
    thread: u32,
    /// Lines that read it and that fault, counted from the first of the body.
    lines: (u32, u32),
}

fn undefined(before: &str, body: &str) -> Found {
    let fault = Run { before, body: &format!("{PLACE}{body}"), checks: UNWRITTEN, ..Run::default() }.fault();
    let first = common::module_text(before, PLACE).lines().count() as u32 - 3;
    match &fault.kind {
        FaultKind::UnwrittenRegister { name, decides } => Found {
            names: (name.to_string(), decides.register.as_ref().map(ToString::to_string)),
            effect: decides.effect,
            thread: fault.thread.unwrap()[0],
            lines: (decides.read.wrapping_sub(first), fault.line - first),
        },
        _ => panic!("{fault}"),
    }
}

/// The register that is named, the thread and the line of the fault.
fn fault(before: &str, body: &str) -> (String, u32, u32) {
    let Found { names, thread, lines, .. } = undefined(before, body);
    (names.0, thread, lines.1)
}

#[test]
fn registers_that_nothing_writes() {
    let cases = [
        ("add.s32 %r1, %r0, %r5;\nst.global.u32 [%rd59], %r1;\n", "%r5", "%r1", Effect::Store, (1, 2)),
        ("mov.u32 %r1, 1;\nst.global.u32 [%rd59], %r7;\n", "%r7", "%r7", Effect::Store, (2, 2)),
        ("ld.global.u32 %r1, [%rd3];\n", "%rd3", "%rd3", Effect::Address, (1, 1)),
        (
            "mul.wide.u32 %rd1, %r4, 4;\nadd.s64 %rd1, %rd1, %rd60;\nst.global.u32 [%rd1], 1;\n",
            "%r4",
            "%rd1",
            Effect::Address,
            (1, 3),
        ),
        ("red.global.add.u32 [%rd59], %r9;\n", "%r9", "%r9", Effect::Atomic, (1, 1)),
        ("@%p3 mov.u32 %r1, 1;\n", "%p3", "%p3", Effect::Guard, (1, 1)),
        ("@!%p4 bra L;\nL:\n", "%p4", "%p4", Effect::Branch, (1, 1)),
        ("setp.lt.u32 %p1, %r3, 5;\n@%p1 bra L;\nL:\n", "%r3", "%p1", Effect::Branch, (1, 2)),
        ("bar.sync %r8;\n", "%r8", "%r8", Effect::Barrier, (1, 1)),
        ("barrier.red.popc.u32 %r1, 0, %p1;\n", "%p1", "%p1", Effect::Barrier, (1, 1)),
        ("bar.warp.sync %r8;\n", "%r8", "%r8", Effect::Lanes, (1, 1)),
        ("rem.u32 %r1, %r0, %r8;\n", "%r8", "%r8", Effect::Divisor, (1, 1)),
        ("shfl.sync.idx.b32 %r1, %r2, 0, 31, -1;\nst.global.u32 [%rd59], %r1;\n", "%r2", "%r1", Effect::Store, (1, 2)),
        ("vote.sync.all.pred %p1, %p2, -1;\n@%p1 mov.u32 %r1, 1;\n", "%p2", "%p1", Effect::Guard, (1, 2)),
        ("T: .branchtargets A, B;\nbrx.idx %r4, T;\nA:\nB:\n", "%r4", "%r4", Effect::Branch, (2, 2)),
        (".reg .b32 alone;\nst.global.u32 [%rd59], alone;\n", "alone", "alone", Effect::Store, (2, 2)),
        ("addc.u32 %r1, %r0, 1;\nst.global.u32 [%rd59], %r1;\n", "CC.CF", "%r1", Effect::Store, (1, 2)),
    ];
    for (body, name, register, effect, lines) in cases {
        let at = undefined("", body);
        assert_eq!((at.names.0.as_str(), at.names.1.as_deref()), (name, Some(register)), "{body}");
        assert_eq!((at.effect, at.thread, at.lines), (effect, 0, lines), "{body}");
    }
    let body = format!("{PLACE}add.s32 %r1, %r0, %r5;\nst.global.u32 [%rd59], %r1;\n");
    let fault = Run { body: &body, checks: UNWRITTEN, ..Run::default() }.fault().to_string();
    let end = "line 18, block [0, 0, 0], thread [0, 0, 0]: what is stored (%r1) comes from register %r5, which line 17 reads before it is written";
    assert!(fault.starts_with("kernel test, ") && fault.ends_with(end), "{fault}");
}

/// Values that nobody wrote may be copied, computed with and kept, as long as nothing depends on them.
#[test]
fn what_decides_nothing() {
    let cases = [
        "mov.u32 %r1, %r5;\nadd.s32 %r2, %r1, %r0;\n",
        "mov.b64 %rd1, {%r5, %r0};\nmov.b64 {%r6, %r7}, %rd1;\nst.global.u32 [%rd59], %r7;\n",
        "mov.u32 %r9, 7;\nand.b32 %r1, %r5, 0;\nor.b32 %r1, %r1, %r9;\nst.global.u32 [%rd59], %r1;\n",
        "setp.ne.u32 %p1, 0, 0;\nand.pred %p2, %p1, %p5;\n@%p2 bra L;\nL:\n",
        "setp.eq.u32 %p1, 0, 0;\nselp.b32 %r1, %r0, %r5, %p1;\nst.global.u32 [%rd59], %r1;\n",
        "shfl.sync.idx.b32 %r1, %r5, 0, 31, -1;\n",
        ".local .align 8 .b8 depot[16];\nst.local.u32 [depot], %r5;\nst.local.u32 [depot+4], %r0;\nld.local.u64 %rd1, [depot];\n\
         shr.u64 %rd1, %rd1, 32;\nst.global.u32 [%rd59], %rd1;\n",
    ];
    for body in cases {
        run("", body);
    }
    // What was put into memory is followed there.
    let body = ".local .align 8 .b8 depot[16];\nst.local.u32 [depot], %r5;\nld.local.u32 %r1, [depot];\nst.global.u32 [%rd59], %r1;\n";
    assert_eq!(fault("", body), ("%r5".into(), 0, 4));
    let body = ".shared .align 4 .b8 tile[4];\nsetp.eq.u32 %p1, %r0, 0;\n@%p1 st.shared.u32 [tile], %r5;\nbar.sync 0;\n\
        ld.shared.u32 %r1, [tile];\nst.global.u32 [%rd59], %r1;\n";
    assert_eq!(fault("", body), ("%r5".into(), 0, 6));
    // Of a pair of halves one is set.
    let body = "mov.u16 %rs1, 3;\nmov.b32 %r1, {%rs1, %rs2};\nmov.b32 {%rs3, %rs4}, %r1;\n";
    run("", &format!("{body}st.global.u16 [%rd59], %rs3;\n"));
    assert_eq!(fault("", &format!("{body}st.global.u16 [%rd59], %rs4;\n")), ("%rs2".into(), 0, 4));
}

/// Only some threads take the path that does not write.
#[test]
fn registers_that_one_path_writes() {
    let body = "setp.lt.u32 %p1, %r0, 7;\n@!%p1 bra L;\nmov.u32 %r1, 5;\nL:\nst.global.u32 [%rd59], %r1;\n";
    assert_eq!(fault("", body), ("%r1".into(), 7, 5));
    // Here every thread that reads has written, though no proof along the paths shows it.
    let found = run("", &body.replace("st.global", "@%p1 st.global"));
    assert_eq!(found[..9], [5, 5, 5, 5, 5, 5, 5, 0, 0]);
    // A loop writes it in its first round.
    let found = run(
        "",
        "mov.u32 %r2, 0;\nA:\nsetp.eq.u32 %p1, %r2, 0;\n@!%p1 bra B;\nmov.u32 %r1, 3;\nB:\nadd.s32 %r2, %r2, %r1;\nsetp.lt.u32 %p1, %r2, 9;\n\
         @%p1 bra A;\nst.global.u32 [%rd59], %r2;\n",
    );
    assert_eq!(found[0], 9);
    // Written by a shuffle that only some lanes execute.
    let body = "setp.lt.u32 %p1, %r0, 16;\n@%p1 shfl.sync.idx.b32 %r1, %r0, 3, 31, 0xffff;\n";
    assert_eq!(run("", &format!("{body}@%p1 st.global.u32 [%rd59], %r1;\n"))[..2], [3, 3]);
    assert_eq!(fault("", &format!("{body}st.global.u32 [%rd59], %r1;\n")), ("%r1".into(), 16, 3));
}

#[test]
fn guards() {
    let set = "setp.lt.u32 %p1, %r0, 4;\n";
    // Under the same guard, and under both sides of it.
    assert_eq!(run("", &format!("{set}@%p1 mov.u32 %r1, 2;\n@%p1 st.global.u32 [%rd59], %r1;\n"))[3..5], [2, 0]);
    let both = format!("{set}@%p1 mov.u32 %r1, 2;\n@!%p1 mov.u32 %r1, 3;\nst.global.u32 [%rd59], %r1;\n");
    assert_eq!(run("", &both)[3..5], [2, 3]);
    // The guard has changed in between; the write changes its own guard.
    let body = format!("{set}@%p1 mov.u32 %r1, 2;\nsetp.lt.u32 %p1, %r0, 5;\n@%p1 st.global.u32 [%rd59], %r1;\n");
    assert_eq!(fault("", &body), ("%r1".into(), 4, 4));
    let body = "setp.lt.u32 %p2, %r0, 4;\nsetp.ne.u32 %p1, 0, 0;\n@%p2 setp.ne.u32 %p1, 0, 0;\n@!%p1 st.global.u32 [%rd59], %r0;\n";
    assert_eq!(run("", body)[3], 3);
    // A selection reads what it selects.
    let select = "setp.lt.u32 %p1, %r0, 4;\nselp.b32 %r2, %r0, %r5, %p1;\nst.global.u32 [%rd59], %r2;\n";
    assert_eq!(fault("", select), ("%r5".into(), 4, 3));
    assert_eq!(run("", &select.replace("%r0, 4", "%r0, 64"))[..3], [0, 1, 2]);
    let body = format!("{set}@!%p1 mov.u32 %r1, 2;\nst.global.u32 [%rd59], %r1;\n");
    assert_eq!(fault("", &body), ("%r1".into(), 0, 3));
}

/// Each call has registers of its own: what an earlier call left is not there.
#[test]
fn registers_of_functions() {
    let function = |body: &str| {
        format!(
            ".func (.param .b32 d) f(.param .b32 x)\n{{\n.reg .b32 %r<4>;\n.reg .pred %p<2>;\nld.param.u32 %r1, [x];\n{body}st.param.b32 [d], %r2;\nret;\n}}\n"
        )
    };
    let call = |value: &str| {
        format!(
            "{{\n.param .b32 a;\n.param .b32 b;\nst.param.b32 [a], {value};\ncall.uni (b), f, (a);\nld.param.b32 %r2, [b];\n}}\n"
        )
    };
    let some = function("setp.eq.u32 %p1, %r1, 0;\n@%p1 bra L;\nmov.u32 %r2, 6;\nL:\n");
    // The caller's registers stay.
    let found = run(
        &some,
        &format!("mov.u32 %r1, 1;\n{0}{0}add.s32 %r2, %r1, %r2;\nst.global.u32 [%rd59], %r2;\n", call("%r1")),
    );
    assert_eq!(found[0], 7);
    let body = format!("mov.u32 %r1, 1;\n{}mov.u32 %r1, 0;\n{}st.global.u32 [%rd59], %r2;\n", call("%r1"), call("%r1"));
    let at = undefined(&some, &body);
    assert_eq!((at.names.0.as_str(), at.effect), ("%r2", Effect::Store));
}

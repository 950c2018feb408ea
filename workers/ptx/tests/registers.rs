//! Registers that are read before they are written, where the interpreter checks them.

mod common;

use common::Run;
use tessera_ptx::{Checks, FaultKind};

const UNWRITTEN: Checks = Checks { unwritten: true, ..Checks::NONE };

const PLACE: &str =
    "mov.u32 %r0, %tid.x;\nld.param.u64 %rd60, [out];\nmul.wide.u32 %rd59, %r0, 4;\nadd.s64 %rd59, %rd59, %rd60;\n";

fn run(before: &str, body: &str) -> Vec<u32> {
    Run { before, body: &format!("{PLACE}{body}"), checks: UNWRITTEN, ..Run::default() }.words()
}

/// The register that is named, the thread and the line counted from the first of the body.
fn fault(before: &str, body: &str) -> (String, u32, u32) {
    let fault = Run { before, body: &format!("{PLACE}{body}"), checks: UNWRITTEN, ..Run::default() }.fault();
    let lines = common::module_text(before, PLACE).lines().count() as u32 - 3;
    match &fault.kind {
        FaultKind::UnwrittenRegister { name } => (name.clone(), fault.thread.unwrap()[0], fault.line - lines),
        _ => panic!("{fault}"),
    }
}

#[test]
fn registers_that_nothing_writes() {
    let named = |name: &str, line| (name.to_string(), 0, line);
    assert_eq!(fault("", "add.s32 %r1, %r0, %r5;\n"), named("%r5", 1));
    assert_eq!(fault("", "mov.u32 %r1, 1;\nst.global.u32 [%rd59], %r7;\n"), named("%r7", 2));
    assert_eq!(fault("", "ld.global.u32 %r1, [%rd3];\n"), named("%rd3", 1));
    assert_eq!(fault("", "red.global.add.u32 [%rd59], %r9;\n"), named("%r9", 1));
    assert_eq!(fault("", "@%p3 mov.u32 %r1, 1;\n"), named("%p3", 1));
    assert_eq!(fault("", "@!%p4 bra L;\nL:\n"), named("%p4", 1));
    assert_eq!(fault("", "bar.sync %r8;\n"), named("%r8", 1));
    assert_eq!(fault("", "shfl.sync.idx.b32 %r1, %r2, 0, 31, -1;\n"), named("%r2", 1));
    assert_eq!(fault("", "vote.sync.all.pred %p1, %p2, -1;\n"), named("%p2", 1));
    assert_eq!(fault("", "T: .branchtargets A, B;\nbrx.idx %r4, T;\nA:\nB:\n"), named("%r4", 2));
    assert_eq!(fault("", ".reg .b32 alone;\nmov.u32 %r1, alone;\n"), named("alone", 2));
    assert_eq!(fault("", "addc.u32 %r1, %r0, 1;\n"), named("CC.CF", 1));
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
    let select = "setp.lt.u32 %p1, %r0, 4;\nselp.b32 %r2, %r0, %r5, %p1;\n";
    assert_eq!(fault("", select), ("%r5".into(), 4, 2));
    assert_eq!(run("", &select.replace("%r0, 4", "%r0, 64"))[..2], [0, 0]);
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
    let body = format!("{PLACE}mov.u32 %r1, 1;\n{}mov.u32 %r1, 0;\n{}", call("%r1"), call("%r1"));
    let fault = Run { before: &some, body: &body, checks: UNWRITTEN, ..Run::default() }.fault();
    assert_eq!(fault.kind, FaultKind::UnwrittenRegister { name: "%r2".into() });
    assert_eq!(fault.line, 13);
}

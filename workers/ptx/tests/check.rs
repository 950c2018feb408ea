//! One test for each thing that the profile refuses, and for what it must not refuse.

mod common;

use common::module_text;
use proptest::prelude::*;
use tessera_ptx::{Module, Refusal};

fn check(before: &str, body: &str) -> Vec<Refusal> {
    let text = module_text(before, body);
    Module::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}")).check()
}

/// The instruction is refused, with its line, itself and this reason, and nothing else is.
fn refused(instruction: &str, reason: &str) {
    let refusals = check("", instruction);
    let [refusal] = &refusals[..] else { panic!("{instruction}: {refusals:?}") };
    assert!(refusal.reason.contains(reason), "{instruction}: {refusal}");
    let opcode = instruction.split(' ').find(|word| !word.starts_with('@')).unwrap().trim_end_matches(';');
    assert_eq!((refusal.line, refusal.instruction.as_str()), (13, opcode));
    assert!(refusal.column > 0 || refusal.instead.is_none(), "{refusal}");
}

#[test]
fn approximations() {
    refused("div.approx.f32 %f1, %f2, %f3;", ".approx");
    refused("div.full.f32 %f1, %f2, %f3;", ".full");
    refused("sqrt.approx.f32 %f1, %f2;", ".approx");
    refused("rcp.approx.f32 %f1, %f2;", ".approx");
    for name in
        ["sin.approx.f32", "cos.approx.f32", "ex2.approx.f32", "lg2.approx.f32", "tanh.approx.f32", "rsqrt.approx.f32"]
    {
        refused(&format!("{name} %f1, %f2;"), "differs between GPUs");
    }
}

#[test]
fn flushed_denormals() {
    refused("add.rn.ftz.f32 %f1, %f2, %f3;", "denormals");
    refused("setp.lt.ftz.f32 %p1, %f2, %f3;", "denormals");
    refused("min.xorsign.abs.f32 %f1, %f2, %f3;", ".xorsign: needs a newer GPU");
}

#[test]
fn a_refusal_says_where_and_what_instead() {
    let refusals = check("", "  @%p1 add.f32 %f1, %f2, %f3;");
    assert_eq!(
        refusals[0].to_string(),
        "line 13, column 8: `add.f32` is not reproducible: without a rounding mode the compiler may fuse it with another \
         operation; instead: add.rn.f32: compile with --fmad=false"
    );
}

#[test]
fn floats_without_rounding_mode() {
    for text in [
        "add.f32 %f1, %f2, %f3;",
        "sub.f32 %f1, %f2, %f3;",
        "mul.f32 %f1, %f2, %f3;",
        "mad.f32 %f1, %f2, %f3, %f1;",
        "mul.f64 %fd1, %fd2, %fd3;",
    ] {
        refused(text, "without a rounding mode");
    }
}

#[test]
fn atomics() {
    refused("red.global.add.f32 [%rd1], %f1;", "order");
    refused("atom.global.add.f64 %fd1, [%rd1], %fd2;", "order");
    refused("atom.global.exch.b32 %r1, [%rd1], %r2;", "order");
    refused("atom.global.cas.b32 %r1, [%rd1], %r2, %r3;", "order");
    refused("atom.global.add.u32 %r1, [%rd1], 1;\nst.global.u32 [%rd1], %r1;", "order in which threads reach it");
    refused("red.global.inc.u32 [%rd1], %r2;", "bounds that may differ");
    refused("atom.global.add.noftz.f16 %rs1, [%rd1], %rs2;", "float atomic");
    assert_eq!(check("", "red.global.inc.u32 [%rd1], 7;"), []);
    assert_eq!(check("", "atom.global.add.u32 %r1, [%rd1], 1;\nred.shared.max.s32 [%rd1], %r2;"), []);
}

#[test]
fn special_registers() {
    for (name, reason) in [
        ("%clock", "time"),
        ("%clock64", "time"),
        ("%globaltimer", "time"),
        ("%smid", "where a block runs"),
        ("%nsmid", "where a block runs"),
        ("%warpid", "where a warp runs"),
        ("%nwarpid", "where a block runs"),
        ("%gridid", "ran before"),
        ("%dynamic_smem_size", "the launch"),
        ("%envreg3", "driver"),
    ] {
        refused(&format!("mov.u32 %r1, {name};"), reason);
    }
    assert_eq!(check("", "mov.u32 %r1, %tid.x;\nmov.u32 %r1, %nctaid.z;\nmov.u32 %r1, %laneid;"), []);
}

#[test]
fn textures_tensors_and_newer_things() {
    for name in ["tex.2d.v4.f32.f32", "tld4.r.2d.v4.f32.f32", "suld.b.1d.b32.trap", "sust.b.1d.b32.trap"] {
        refused(&format!("{name} {{%f1, %f2, %f3, %f1}}, [%rd1, {{%f1, %f2}}];"), "textures");
    }
    refused("wmma.load.a.sync.aligned.row.m16n16k16.f16 {%r1}, [%rd1], %r2;", "float tensor cores");
    refused("mma.sp.sync.aligned.m16n8k64.row.col.s32.s8.s8.s32 {%r1}, {%r2}, {%r3}, {%r4}, %r5, 0x0;", "sparse");
    refused("elect.sync _|%p1, -1;", "newer GPU");
    refused("add.rn.bf16 %rs1, %rs2, %rs3;", "newer GPU");
    refused("discard.global.L2 [%rd1], 128;", "any contents");
    assert_eq!(check("", "nanosleep.u32 100;\nprefetch.global.L2::evict_last [%rd1];\nprefetchu.L1 [%rd1];"), []);
    refused("activemask.b32 %r1;", "not reproducible");
    refused("isspacep.shared %p1, %rd1;", "addresses");
    let matrix = "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f1}, {%r1, %r2, %r3, %r1}, {%r1, %r2}, {%f1, %f2, %f3, %f1};";
    assert!(check("", matrix).iter().any(|refusal| refusal.reason.contains("float tensor cores")));
}

#[test]
fn polling_unknown_and_partial() {
    refused("ld.acquire.gpu.global.u32 %r1, [%rd1];", ".acquire: waiting on memory depends on timing");
    assert_eq!(check("", "ld.volatile.global.u32 %r1, [%rd1];\nst.relaxed.gpu.global.u32 [%rd1], %r2;"), []);
    refused("frobnicate.u32 %r1, %r2;", "unknown instruction");
    refused("add.b32 %r1, %r2, %r3;", "not for type .b32");
    refused("bar.arrive 0, 64;", "split barriers");
    refused("shfl.down.b32 %r1, %r2, 1, 31;", ".sync");
    refused("mul.u32 %r1, %r2, %r3;", "`.lo`, `.hi` or `.wide`");
    refused("mov.u32 %r1, %rd1;", "register of type B64");
    refused("cvt.f32.u32 %f1, %r1;", "only with a rounding mode");
    refused("call %rd1, (%r1), TABLE;", "direct calls");
}

#[test]
fn recursion_and_module_variables() {
    let before = ".func (.param .b32 r) f(.param .b32 x)\n{\ncall (r), f, (x);\nret;\n}\n";
    let refusals = check(before, "{ .param .b32 a;\n.param .b32 b;\ncall (a), f, (b); }");
    assert!(refusals.iter().any(|r| r.reason.contains("recursion")), "{refusals:?}");
    let refusals = check(".global .align 4 .u32 counter;\n.global .u32 table[2] = {1, 2};\n", "");
    assert!(
        refusals.len() == 1
            && refusals[0].instruction == "counter"
            && refusals[0].instead.as_deref() == Some("a buffer"),
        "{refusals:?}"
    );
}

#[test]
fn targets_of_one_architecture() {
    let text = module_text("", "").replace("sm_80", "sm_90a");
    let refusals = Module::parse(&text).unwrap().check();
    assert!(refusals.len() == 1 && refusals[0].instead.as_deref() == Some("-arch=compute_80"), "{refusals:?}");
}

/// Opcodes that the profile refuses, one of every kind, with operands of every form: none ends the reading.
#[test]
fn opcodes_of_newer_gpus_are_refused_by_name() {
    for (instruction, reason) in [
        ("tcgen05.mma.cta_group::1.kind::f16 [%r1], %rd1, %rd2, %r3, {%r4, %r5, %r6, %r7}, %p1;", "newer GPU"),
        ("wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%f1, %f2}, %rd1, %rd2, 1, 1, 1, 0, 0;", "newer GPU"),
        (
            "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%r1], [%rd1, {%r2, %r3}], [%r4];",
            "newer GPU",
        ),
        ("cp.reduce.async.bulk.global.shared::cta.bulk_group.add.u32 [%rd1], [%r1], %r2;", "newer GPU"),
        ("mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r1], %r2;", "polling"),
        ("cp.async.mbarrier.arrive.shared.b64 [%r1];", "polling"),
        ("setmaxnreg.inc.sync.aligned.u32 232;", "newer GPU"),
        ("griddepcontrol.wait;", "newer GPU"),
        ("barrier.cluster.arrive.release.aligned;", "newer GPU"),
        ("multimem.ld_reduce.relaxed.gpu.global.add.v4.f32 {%f1, %f2, %f3, %f1}, [%rd1];", "newer GPU"),
        ("mapa.shared::cluster.u32 %r1, %r2, %r3;", "newer GPU"),
        ("getctarank.shared::cluster.u32 %r1, %r2;", "newer GPU"),
        ("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%r1], {%r2, %r3, %r4, %r5};", "newer GPU"),
        ("movmatrix.sync.aligned.m8n8.trans.b16 %r1, %r2;", "not in the profile"),
        ("red.async.relaxed.cluster.global.add.u32 [%rd1], %r1;", "newer GPU"),
        ("st.async.shared::cluster.mbarrier::complete_tx::bytes.u32 [%r1], %r2, [%r3];", "newer GPU"),
        ("st.bulk.weak.shared::cta [%r1], %rd2, 0;", "newer GPU"),
        ("clusterlaunchcontrol.query_cancel.is_canceled.pred.b128 %p1, %r1;", "newer GPU"),
        ("tensormap.replace.tile.global_address.global.b1024.b64 [%rd1], %rd2;", "newer GPU"),
        ("fence.proxy.async;", "newer GPU"),
        ("membar.proxy.alias;", "newer GPU"),
        ("createpolicy.fractional.L2::evict_last.b64 %rd1, 1.0;", "cache policies"),
        ("alloca.u32 %r1, %r2, 16;", "local memory"),
        ("stacksave.u64 %rd1;", "local memory"),
        ("istypep.texref %p1, %rd1;", "textures"),
        ("txq.width.b32 %r1, [%rd1];", "textures"),
        ("suq.height.b32 %r1, [%rd1];", "textures"),
        ("sured.b.add.1d.u32.trap [%rd1, {%r1}], %r2;", "textures"),
        ("vadd4.u32.u32.u32.add %r1, %r2, %r3, %r4;", "video"),
        ("vset2.s32.u32.ne %r1, %r2.h10, %r3, %r4;", "video"),
        ("brkpt;", "debugger"),
        ("cvt.pack.sat.u8.s32.b32 %r1, %r2, %r3, %r4;", "not in the profile"),
        ("cvt.rna.tf32.f32 %r1, %f2;", "not in the profile"),
        ("cvt.rn.satfinite.e4m3x2.f32 %rs1, %f1, %f2;", "not in the profile"),
        ("redux.sync.max.f32 %f1, %f2, -1;", "newer GPU"),
        ("ld.global.v8.f32 {%f1, %f2, %f3, %f4, %f5, %f6, %f7, %f8}, [%rd1];", "newer GPU"),
        ("ld.global.L2::cache_hint.u32 %r1, [%rd1], %rd2;", "cache policies"),
        ("add.rn.f32x2 %rd1, %rd2, %rd3;", "newer GPU"),
        ("atom.global.cas.b128 %rd1, [%rd1], %rd2, %rd3;", "order"),
    ] {
        refused(instruction, reason);
    }
}

/// The form a newer PTX may have is refused, and its operands are skipped.
#[test]
fn unknown_operands_of_refused_forms_are_skipped() {
    refused("ld.global.future {%r1 : %r2}, <%rd1>;", "");
    refused("future.op.b32 %undeclared, [%rd1, {%r1}], 5 ? 6;", "unknown instruction");
}

#[test]
fn pointers_become_addresses_only() {
    let load = "ld.param.u64 %rd1, [in0];\ncvta.to.global.u64 %rd2, %rd1;\nld.param.u64 %rd3, [in1];\nld.global.u32 %r1, [%rd3];\n";
    let found = |text: &str| check("", &format!("{load}{text}"));
    for (text, reason) in [
        ("st.global.u64 [%rd2], %rd1;", "stored to memory"),
        ("st.global.v2.u64 [%rd2], {%rd1, %rd4};", "stored to memory"),
        ("mul.lo.s64 %rd4, %rd2, 3;", "used as a number"),
        ("shr.u64 %rd4, %rd2, 4;", "used as a number"),
        ("and.b64 %rd4, %rd2, -16;", "used as a number"),
        ("xor.b64 %rd4, %rd2, %rd1;", "used as a number"),
        ("cvt.u32.u64 %r2, %rd2;", "cut or converted"),
        ("cvt.rn.f32.u64 %f1, %rd2;", "cut or converted"),
        ("mov.b64 {%r2, %r3}, %rd2;", "used as a number"),
        ("setp.lt.u64 %p1, %rd1, %rd3;", "different buffers"),
        ("setp.lt.u64 %p1, %rd1, 4096;", "compared with a number"),
        ("sub.s64 %rd4, %rd2, %rd3;", "different buffers"),
        ("add.s64 %rd4, %rd2, %rd3;", "sum of two pointers"),
        ("mad.lo.s64 %rd4, %rd2, 2, %rd3;", "used as a number"),
        ("selp.b64 %rd4, %rd2, %rd3, %p1;\nsetp.eq.s64 %p2, %rd4, %rd1;", "different buffers"),
        ("red.global.add.u64 [%rd3], %rd2;", "used as a number"),
        ("mov.u64 %rd4, shared;\ncvt.u32.u64 %r2, %rd4;\nst.global.u32 [%rd2], %r2;", "stored to memory"),
    ] {
        let before = ".shared .align 4 .b8 shared[64];";
        let refusals = check(before, &format!("{load}{text}"));
        assert!(refusals.len() == 1 && refusals[0].reason.contains(reason), "{text}: {refusals:?}");
    }
    for text in [
        "add.s64 %rd4, %rd2, 64;\nsetp.ne.s64 %p1, %rd2, %rd4;\nsub.s64 %rd5, %rd4, %rd1;\nshr.u64 %rd6, %rd5, 2;",
        "setp.eq.s64 %p1, %rd1, 0;",
        "mad.wide.u32 %rd4, %r1, 4, %rd2;\nst.global.u32 [%rd4+8], %r1;",
        // A number that is a parameter too.
        "ld.param.u64 %rd4, [in2];\nshl.b64 %rd5, %rd4, 2;\nadd.s64 %rd6, %rd2, %rd5;\nst.global.u64 [%rd6], %rd4;",
        "ld.param.u64 %rd4, [in2];\nadd.s64 %rd6, %rd2, %rd4;\nst.global.u64 [%rd6], %rd4;",
        // A register that is used again for a number.
        "mov.u64 %rd4, %rd2;\nst.global.u32 [%rd4], %r1;\nmov.u64 %rd4, 5;\nmul.lo.s64 %rd5, %rd4, 3;",
        "mov.u64 %rd4, 0;\n@%p1 add.s64 %rd4, %rd2, 8;\nsetp.ne.s64 %p2, %rd4, 0;",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn pointers_pass_through_local_memory_and_calls() {
    let before = ".func (.param .b64 r) f(.param .b64 p)\n{\n.reg .b64 %a<3>;\nld.param.b64 %a1, [p];\nadd.s64 %a2, %a1, 4;\nst.param.b64 [r], %a2;\nret;\n}\n";
    let body = ".local .align 8 .b8 stack[8];\nld.param.u64 %rd1, [in0];\ncvta.to.global.u64 %rd2, %rd1;\nst.local.u64 [stack], %rd2;\n\
                ld.local.u64 %rd3, [stack];\n{ .param .b64 x;\n.param .b64 y;\nst.param.b64 [x], %rd3;\ncall (y), f, (x);\nld.param.b64 %rd4, [y]; }\nst.global.u32 [%rd4], %r1;";
    assert_eq!(check(before, body), []);
}

#[test]
fn real_modules_pass() {
    for text in [
        include_str!("../examples/kernels/bench.ptx"),
        include_str!("../../executor/tests/kernels/suite.ptx"),
        include_str!("../../../sdk/workloads/render/kernels/render.ptx"),
    ] {
        assert_eq!(Module::parse(text).unwrap().check(), []);
    }
}

#[test]
fn what_is_not_ptx_is_an_error_with_its_line() {
    let error = |text: &str| Module::parse(text).map(|_| ()).unwrap_err();
    assert_eq!(error("\n\nfoo").line(), 3);
    assert!(error(&module_text("", "add.s32 %r1, %nothing, 1;")).to_string().contains("%nothing is not declared"));
    assert!(
        error(&module_text("", "add.s32 %r1 %r2;")).to_string().contains("line 13, column 13: expected `,` or `;`")
    );
    assert!(error(&module_text("", ".reg .b32 %x<2000000>;")).to_string().contains("number of registers is"));
    assert!(error(&module_text(".global .b8 huge[99999999999];", "")).to_string().contains("variables"));
    let twice = ".entry a()\n{\nret;\n}\n.entry a()\n{\nret;\n}\n";
    assert!(error(twice).to_string().contains("defined twice"));
    assert!(error(&"{".repeat(5000)).to_string().contains("line 1"));
    assert!(error(&module_text("", &"{".repeat(5000))).to_string().contains("nested"));
    let labels = Module::parse(&module_text("", "bra NOWHERE;")).unwrap().check();
    assert!(labels[0].reason.contains("not a label"), "{labels:?}");
    let labels = Module::parse(&module_text("", "A:\nA:\n")).unwrap().check();
    assert!(labels[0].reason.contains("twice"), "{labels:?}");
}

const SAMPLE: &str = include_str!("../examples/kernels/bench.ptx");

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Whatever strangers send, reading and checking it ends without a panic.
    #[test]
    fn mutated_text_never_panics(edits in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..40, "[ -~\n]{0,6}"), 1..8)) {
        let mut text = SAMPLE.to_string();
        for (at, len, with) in edits {
            let start = at.index(text.len());
            let end = (start + len).min(text.len());
            text.replace_range(start..end, &with);
        }
        if let Ok(module) = Module::parse(&text) {
            let _ = module.check();
        }
    }

    /// The same for lines that were swapped, dropped or doubled.
    #[test]
    fn shuffled_lines_never_panic(moves in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0u8..3), 1..12)) {
        let mut lines: Vec<&str> = SAMPLE.lines().collect();
        for (from, to, what) in moves {
            let (from, to) = (from.index(lines.len()), to.index(lines.len()));
            match what {
                0 => lines.swap(from, to),
                1 => { lines.remove(from); }
                _ => { let line = lines[from]; lines.insert(to, line); }
            }
        }
        if let Ok(module) = Module::parse(&lines.join("\n")) {
            let _ = module.check();
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in "[ -~\n]{0,200}") {
        if let Ok(module) = Module::parse(&text) {
            let _ = module.check();
        }
    }
}

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
fn flushed_denormals_and_other_roundings() {
    refused("add.rn.ftz.f32 %f1, %f2, %f3;", "denormals");
    refused("setp.lt.ftz.f32 %p1, %f2, %f3;", "denormals");
    refused("add.rz.f32 %f1, %f2, %f3;", ".rz: only round to nearest even");
    refused("fma.rm.f32 %f1, %f2, %f3, %f1;", ".rm");
    refused("cvt.rp.f32.f64 %f1, %fd1;", ".rp");
    refused("add.rn.sat.f32 %f1, %f2, %f3;", ".sat is not in the profile");
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
        refused(text, "--fmad=false");
    }
}

#[test]
fn atomics() {
    refused("red.global.add.f32 [%rd1], %f1;", "order");
    refused("atom.global.add.f64 %fd1, [%rd1], %fd2;", "order");
    refused("atom.global.exch.b32 %r1, [%rd1], %r2;", "order");
    refused("atom.global.cas.b32 %r1, [%rd1], %r2, %r3;", "order");
    refused("atom.global.add.u32 %r1, [%rd1], 1;\nst.global.u32 [%rd1], %r1;", "order in which threads reach it");
    assert_eq!(check("", "atom.global.add.u32 %r1, [%rd1], 1;\nred.shared.max.s32 [%rd1], %r2;"), []);
}

#[test]
fn special_registers() {
    for (name, reason) in [
        ("%clock", "time"),
        ("%clock64", "time"),
        ("%globaltimer", "time"),
        ("%smid", "where a block runs"),
        ("%nsmid", "the GPU"),
        ("%warpid", "where a warp runs"),
        ("%nwarpid", "the GPU"),
        ("%gridid", "ran before"),
        ("%dynamic_smem_size", "parameter"),
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
    refused("elect.sync _|%p1, -1;", "newer GPU");
    refused("add.rn.f16 %rs1, %rs2, %rs3;", "16-bit floating point");
    refused("activemask.b32 %r1;", "not reproducible");
    refused("isspacep.shared %p1, %rd1;", "addresses");
    let matrix = "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f1}, {%r1, %r2, %r3, %r1}, {%r1, %r2}, {%f1, %f2, %f3, %f1};";
    assert!(check("", matrix).iter().any(|refusal| refusal.reason.contains("float tensor cores")));
}

#[test]
fn polling_unknown_and_partial() {
    refused("ld.volatile.global.u32 %r1, [%rd1];", "polling");
    refused("ld.acquire.gpu.global.u32 %r1, [%rd1];", "");
    refused("frobnicate.u32 %r1, %r2;", "unknown instruction");
    refused("add.b32 %r1, %r2, %r3;", "not for type .b32");
    refused("bar.arrive 0, 64;", "");
    refused("shfl.down.b32 %r1, %r2, 1, 31;", ".sync");
    refused("mul.u32 %r1, %r2, %r3;", "`.lo`, `.hi` or `.wide`");
    refused("mov.u32 %r1, %rd1;", "register of type B64");
    refused("cvt.f32.u32 %f1, %r1;", "a rounding mode such as .rn");
    refused("call %rd1, (%r1), TABLE;", "direct calls");
}

#[test]
fn recursion_and_module_variables() {
    let before = ".func (.param .b32 r) f(.param .b32 x)\n{\ncall (r), f, (x);\nret;\n}\n";
    let refusals = check(before, "{ .param .b32 a;\n.param .b32 b;\ncall (a), f, (b); }");
    assert!(refusals.iter().any(|r| r.reason.contains("recursion")), "{refusals:?}");
    let refusals = check(".global .align 4 .u32 counter;\n.global .u32 table[2] = {1, 2};\n", "");
    assert!(
        refusals.len() == 1 && refusals[0].instruction == "counter" && refusals[0].reason.contains("buffer"),
        "{refusals:?}"
    );
}

#[test]
fn targets_of_one_architecture() {
    let text = module_text("", "").replace("sm_80", "sm_90a");
    let refusals = Module::parse(&text).unwrap().check();
    assert!(refusals.len() == 1 && refusals[0].reason.contains("compute_80"), "{refusals:?}");
}

#[test]
fn real_modules_pass() {
    let refusals = Module::parse(include_str!("../examples/kernels/bench.ptx")).unwrap().check();
    assert_eq!(refusals, []);
}

#[test]
fn what_is_not_ptx_is_an_error_with_its_line() {
    let error = |text: &str| Module::parse(text).map(|_| ()).unwrap_err();
    assert_eq!(error("\n\nfoo").line(), 3);
    assert!(error(&module_text("", "add.s32 %r1, %nothing, 1;")).to_string().contains("%nothing is not declared"));
    assert!(error(&module_text("", "add.s32 %r1 %r2;")).to_string().contains("line 13: expected `,` or `;`"));
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

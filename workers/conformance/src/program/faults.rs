//! Statements that fault on purpose.

use super::generate::Generator;
use super::text::INPUT;

/// The lines of a fault, and whether it takes a limit of gas to end it. `@q` stands for the guard of the thread that faults.
const FAULTS: &[(&str, bool)] = &[
    // Outside buffers.
    ("@q ld.global.u32 %r0, [%in+INPUT];", false),
    ("@q ld.global.u8 %h0, [%in+-1];", false),
    ("@q ld.global.v2.u64 {%d0, %d1}, [%in+INPUT];", false),
    ("mov.u64 %z3, 16;\n@q ld.global.f64 %g0, [%z3];", false),
    ("mov.u64 %z3, 0x5fffffff0;\n@q ld.u32 %r0, [%z3];", false),
    ("mov.u64 %z3, -8;\n@q st.global.u64 [%z3], %d0;", false),
    ("@q atom.global.add.u32 _, [%own+0x1000000], 1;", false),
    ("@q st.shared.u32 [%cell+49152], %r0;", false),
    ("@q ld.shared.v4.u32 {%r0, %r1, %r2, %r3}, [%cell+49152];", false),
    ("@q red.shared.add.u64 [%cell+65536], %d0;", false),
    ("@q ld.local.u32 %r0, [slots+65536];", false),
    ("@q st.local.v2.b64 [slots+65536], {%d0, %d1};", false),
    ("@q ld.const.u16 %h0, [table+0x100000];", false),
    ("mov.u64 %z3, given;\ncvta.param.u64 %z3, %z3;\n@q ld.u32 %r0, [%z3+4096];", false),
    // Not at a multiple of their size.
    ("@q ld.global.u16 %h0, [%in+1];", false),
    ("@q ld.global.u32 %r0, [%in+2];", false),
    ("@q ld.global.v4.f32 {%f0, %f1, %f2, %r0}, [%in+8];", false),
    ("@q st.global.u64 [%own+4], %d0;", false),
    ("@q st.shared.u32 [%cell+1], %r0;", false),
    ("@q ld.shared.v2.u32 {%r0, %r1}, [%cell+4];", false),
    ("@q ld.local.u64 %d0, [slots+4];", false),
    ("@q atom.global.add.u64 _, [%own+4], 1;", false),
    ("@q atom.shared.max.u32 _, [%cell+2], 1;", false),
    // Divisions by zero.
    ("mov.b16 %x3, 0;\n@q div.u16 %h0, %h1, %x3;", false),
    ("mov.b16 %x3, 0;\n@q rem.s16 %h0, %h1, %x3;", false),
    ("@q div.s32 %r0, %r1, 0;", false),
    ("mov.u32 %y3, 0;\n@q rem.u32 %r0, %r1, %y3;", false),
    ("mov.u64 %z3, 0;\n@q div.u64 %d0, %d1, %z3;", false),
    ("@q rem.s64 %d0, %d1, 0;", false),
    // Without end.
    ("FOREVER:\nadd.u32 %r0, %r0, 1;\n@q bra FOREVER;", true),
    ("FOREVER:\n@q st.global.u32 [%own], %r0;\n@q bra.uni FOREVER;", true),
    ("FOREVER:\nbar.warp.sync 0xffffffff;\nbra FOREVER;", true),
    ("FOREVER:\nbar.sync 0;\nbra FOREVER;", true),
    // Threads that wait for each other.
    ("@q bar.sync 1;\n@!q bar.sync 2;", false),
    ("@q bar.sync 1, 64;\n@!q bar.sync 1, 96;", false),
    ("@q bar.sync 3, 1024;", false),
    ("@q shfl.sync.idx.b32 %r0, %r1, 0, 31, 0xffffffff;\n@!q bar.sync 1;", false),
    // Warp instructions.
    ("shr.u32 %y3, 0xffffffff, %lane;\n@q shfl.sync.down.b32 %r0, %r1, 1, 31, 1;", false),
    (
        "and.b32 %y3, %me, 31;\nmov.u32 %y4, 1;\nshl.b32 %y4, %y4, %y3;\n@q shfl.sync.bfly.b32 %r0, %r1, 7, 31, %y4;",
        false,
    ),
    ("@q vote.sync.any.pred %p0, %p1, 0;", false),
    (
        "@q mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%r0, %r1, %r2, %r3}, {%r4, %r5}, {%r6}, {%r0, %r1, %r2, %r3};",
        false,
    ),
    // The rest.
    ("@q trap;", false),
    ("@q bra HERE;\nbra THERE;\nHERE:\ntrap;\nTHERE:", false),
    (
        "CHOICES: .branchtargets WAY_A, WAY_B;\nmov.u32 %y3, 0;\n@q mov.u32 %y3, 2;\nbrx.idx %y3, CHOICES;\nWAY_A:\nWAY_B:",
        false,
    ),
    (
        "CHOICES: .branchtargets WAY_A;\nmov.u32 %y3, 0;\n@q mov.u32 %y3, 0xffffffff;\nbrx.idx %y3, CHOICES;\nWAY_A:",
        false,
    ),
    ("@q st.global.u32 [%in], %r0;", false),
    ("@q st.global.v2.u32 [%in+16], {%r0, %r1};", false),
    ("@q atom.global.add.u32 _, [%in], 1;", false),
    ("@q st.global.u32 [words], %r0;", false),
    ("mov.u64 %z3, given;\ncvta.param.u64 %z3, %z3;\n@q st.u32 [%z3], %r0;", false),
];

/// The lines of a random fault in one of the threads, and whether the program ends only by its limit of gas.
pub(super) fn fault(generator: &mut Generator) -> (Vec<String>, bool) {
    let (text, limited) = FAULTS[generator.rng.usize(..FAULTS.len())];
    let who = match generator.rng.u8(..4) {
        0 => format!("setp.ge.u32 %q0, %me, {};", generator.rng.u32(..generator.threads)),
        1 => format!("setp.ne.u32 %q0, %bid, {};", generator.rng.u32(..4)),
        2 => format!("mov.pred %q0, %p{};", generator.rng.u32(..4)),
        _ => format!("setp.eq.u32 %q0, %me, {};", generator.rng.u32(..generator.threads)),
    };
    let text = text.replace("@q", "@%q0").replace("@!q", "@!%q0").replace("INPUT", &INPUT.to_string());
    let lines = std::iter::once(who).chain(text.lines().map(str::to_string));
    (lines.collect(), limited)
}

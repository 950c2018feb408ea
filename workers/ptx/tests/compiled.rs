//! What compiled code could do otherwise than the interpreter: every run here is one in both, which must agree.

mod common;

use common::Run;
use tessera_ptx::{Access, FaultKind, Interpreter, Launch, Limits, Machine, Memory, Module};

const PLACE: &str =
    "mov.u32 %r0, %tid.x;\nld.param.u64 %rd60, [out];\nmul.wide.u32 %rd59, %r0, 4;\nadd.s64 %rd59, %rd59, %rd60;\n";

fn run(body: &str) -> Vec<u32> {
    Run { body: &format!("{PLACE}{body}"), ..Run::default() }.words()
}

/// Divides zero by zero into `%f1`.
const NAN: &str = "mov.f32 %f0, 0f00000000;\ndiv.rn.f32 %f1, %f0, %f0;\n";

#[test]
fn bits_of_nan_show_alike_everywhere() {
    let nan = 0x7fff_ffff;
    let store = "st.global.u32 [%rd59], %r1;\n";
    assert_eq!(run(&format!("{NAN}st.global.f32 [%rd59], %f1;\n"))[0], nan);
    assert_eq!(run(&format!("{NAN}neg.f32 %f1, %f1;\nmov.b32 %r1, %f1;\nshr.u32 %r1, %r1, 1;\n{store}"))[0], nan >> 1);
    assert_eq!(
        run(&format!("{NAN}mov.f32 %f2, 0f3f800000;\ncopysign.f32 %f3, %f1, %f2;\nst.global.f32 [%rd59], %f3;\n"))[0],
        0x3f80_0000
    );
    assert_eq!(
        run(&format!("{NAN}mov.f32 %f2, 0fbf800000;\ncopysign.f32 %f3, %f2, %f1;\nst.global.f32 [%rd59], %f3;\n"))[0],
        u32::MAX
    );
    // A shuffle reads bits, and what comes back may be any.
    assert_eq!(
        run(&format!("{NAN}neg.f32 %f1, %f1;\nmov.b32 %r2, %f1;\nshfl.sync.bfly.b32 %r1, %r2, 1, 31, -1;\n{store}"))[0],
        nan
    );
    // A value that waits at a barrier.
    assert_eq!(run(&format!("{NAN}neg.f32 %f1, %f1;\nbar.sync 0;\nst.global.f32 [%rd59], %f1;\n"))[0], nan);
    // A register that holds a loaded number in one lane and a computed one in another.
    let body = format!(
        "{PLACE}{NAN}neg.f32 %f1, %f1;\nld.param.u64 %rd1, [in0];\nand.b32 %r2, %r0, 1;\nsetp.eq.u32 %p1, %r2, 0;\n@%p1 ld.global.f32 %f1, [%rd1];\nst.global.f32 [%rd59], %f1;\n"
    );
    let payload = 0xffc0_1234u32.to_le_bytes();
    let found = Run { body: &body, inputs: [&payload, &[], &[]], ..Run::default() }.words();
    assert_eq!(found[..2], [0xffc0_1234, nan]);
    // A selection between such numbers; a predicate that takes the loaded one keeps its bits.
    let body = body
        .replace("@%p1 ld.global.f32 %f1", "ld.global.f32 %f2")
        .replace("st.global.f32 [%rd59], %f1", "selp.f32 %f3, %f2, %f1, %p1;\nst.global.f32 [%rd59], %f3");
    let found = Run { body: &body, inputs: [&payload, &[], &[]], ..Run::default() }.words();
    assert_eq!(found[..2], [0xffc0_1234, nan]);
    let double = "mov.f64 %fd0, 0d0000000000000000;\ndiv.rn.f64 %fd1, %fd0, %fd0;\nneg.f64 %fd1, %fd1;\nst.global.f64 [%rd60], %fd1;\nmov.b64 %rd1, %fd1;\nst.global.u64 [%rd60+8], %rd1;\n";
    assert_eq!(
        Run { body: &format!("{PLACE}{double}"), block: [1; 3], ..Run::default() }.longs()[..2],
        [0x7fff_ffff_ffff_ffff; 2]
    );
}

#[test]
fn threads_keep_what_they_need_while_they_wait() {
    // Words, longs, floats, predicates, addresses and coordinates live across barriers in a loop.
    let body = format!(
        "{PLACE}cvt.rn.f32.u32 %f1, %r0;\nsetp.gt.u32 %p1, %r0, 9;\ncvt.u64.u32 %rd1, %r0;\nshl.b64 %rd1, %rd1, 40;\nmov.u32 %r1, 0;\nAGAIN:\nbar.sync 0;\n\
         add.f32 %f1, %f1, 0f3f800000;\nadd.s32 %r1, %r1, 1;\nadd.s64 %rd1, %rd1, 1;\nsetp.lt.u32 %p2, %r1, 5;\n@%p2 bra AGAIN;\n\
         shr.u64 %rd2, %rd1, 40;\ncvt.u32.u64 %r2, %rd2;\ncvt.u32.u64 %r3, %rd1;\ncvt.rzi.u32.f32 %r4, %f1;\nselp.u32 %r5, 1000, 0, %p1;\n\
         add.s32 %r2, %r2, %r3;\nadd.s32 %r2, %r2, %r4;\nadd.s32 %r2, %r2, %r5;\nmov.u32 %r6, %tid.x;\nadd.s32 %r2, %r2, %r6;\nst.global.u32 [%rd59], %r2;\n"
    );
    for threads in [1u32, 31, 33, 1024] {
        let found = Run { body: &body, block: [threads, 1, 1], out_len: 4096, ..Run::default() }.words();
        for (thread, found) in found[..threads as usize].iter().enumerate() {
            assert_eq!(*found as usize, 3 * thread + 10 + if thread > 9 { 1000 } else { 0 }, "{thread} of {threads}");
        }
    }
}

#[test]
fn lanes_that_part_meet_again() {
    let body = "mov.u32 %r1, %r0;\nmov.u32 %r2, 0;\nAGAIN:\nand.b32 %r3, %r1, 1;\nsetp.eq.u32 %p1, %r3, 1;\n@%p1 bra ODD;\nadd.s32 %r1, %r1, 3;\nbra MEET;\n\
        ODD:\nshr.u32 %r1, %r1, 1;\nMEET:\nshfl.sync.down.b32 %r4|%p2, %r1, 1, 31, -1;\nvote.sync.ballot.b32 %r5, %p1, -1;\nadd.s32 %r1, %r1, %r4;\nxor.b32 %r1, %r1, %r5;\n\
        add.s32 %r2, %r2, 1;\nsetp.lt.u32 %p3, %r2, 7;\n@%p3 bra AGAIN;\nst.global.u32 [%rd59], %r1;\n";
    let found = run(body);
    assert!(found[..32].iter().any(|word| *word != found[0]));
    Run { body: &format!("{PLACE}{body}"), block: [96, 2, 1], out_len: 4096, ..Run::default() }.words();
}

#[test]
fn faults_name_thread_and_line() {
    let fault = |body: &str| Run { body: &format!("{PLACE}{body}"), block: [8, 4, 1], ..Run::default() }.fault();
    let found =
        fault("mov.u32 %r1, %tid.y;\nsub.s32 %r2, 2, %r1;\ndiv.u32 %r3, 7, %r2;\nst.global.u32 [%rd59], %r3;\n");
    assert_eq!((found.thread, found.kind.clone()), (Some([0, 2, 0]), FaultKind::DivisionByZero));
    assert!(found.line > 10);
    let found = fault("setp.eq.u32 %p1, %r0, 5;\n@%p1 trap;\nst.global.u32 [%rd59], %r0;\n");
    assert_eq!((found.thread, found.kind), (Some([5, 0, 0]), FaultKind::Trap));
    let found = fault("mul.wide.u32 %rd1, %r0, 1000;\nadd.s64 %rd1, %rd1, %rd60;\nst.global.u32 [%rd1], %r0;\n");
    assert_eq!(found.thread, Some([2, 0, 0]));
    assert!(matches!(found.kind, FaultKind::OutOfBounds { len: 4, .. }), "{found}");
    // Just past the end with a vector of which the first half fits; and a misaligned one that would fit.
    assert!(matches!(
        fault("st.global.v4.u32 [%rd60+1016], {%r0, %r0, %r0, %r0};\n").kind,
        FaultKind::Misaligned { len: 16, .. }
    ));
    assert!(matches!(fault("ld.global.u32 %r1, [%rd60+1022];\n").kind, FaultKind::Misaligned { len: 4, .. }));
    assert!(matches!(fault("ld.global.u64 %rd1, [%rd60+1024];\n").kind, FaultKind::OutOfBounds { .. }));
    assert!(matches!(fault("ld.global.u64 %rd1, [%rd60+-8];\n").kind, FaultKind::OutOfBounds { .. }));
    let read_only = "ld.param.u64 %rd1, [in0];\nst.global.u8 [%rd1], %r0;\n";
    assert!(matches!(fault(read_only).kind, FaultKind::ReadOnly { .. }));
    assert!(matches!(
        fault(&read_only.replace("st.global.u8 [%rd1], %r0", "red.global.add.u32 [%rd1], 1")).kind,
        FaultKind::ReadOnly { .. }
    ));
    assert!(matches!(fault("mov.u64 %rd1, 64;\nld.global.u8 %r1, [%rd1];\n").kind, FaultKind::OutOfBounds { .. }));
    assert!(matches!(fault("mov.u32 %r1, 4;\nld.shared.u32 %r2, [%r1];\n").kind, FaultKind::OutOfBounds { .. }));
    // The gas of a thread that faults counts, so that the limit wins where it is passed before.
    let body = format!("{PLACE}setp.eq.u32 %p1, %r0, 31;\n@%p1 trap;\n");
    for gas in 200..280 {
        let run = Run { body: &body, gas: Some(gas), ..Run::default() };
        run.stats().unwrap_err();
    }
}

#[test]
fn limits_of_gas_hold_anywhere_in_a_loop() {
    let body = format!(
        "{PLACE}mov.u32 %r1, 0;\nAGAIN:\nadd.s32 %r1, %r1, 1;\nsetp.le.u32 %p1, %r1, %r0;\n@%p1 bra AGAIN;\nst.global.u32 [%rd59], %r1;\n"
    );
    let run = |gas| Run { body: &body, gas: Some(gas), grid: [3, 1, 1], ..Run::default() };
    let all = run(u64::MAX).stats().unwrap().1.gas;
    for gas in (0..all + 20).step_by(7).chain([all - 1, all]) {
        assert_eq!(run(gas).stats().is_ok(), gas >= all, "{gas} of {all}");
    }
}

#[test]
fn addresses_of_every_origin() {
    // From a table in memory, from a pointer that is not aligned, from the sum of two pointers less one.
    let text = common::module_text(
        "",
        "mov.u32 %r0, %tid.x;\nld.param.u64 %rd1, [in0];\nld.param.u64 %rd2, [out];\nld.global.u64 %rd3, [%rd1];\nmul.wide.u32 %rd4, %r0, 4;\nadd.s64 %rd5, %rd3, %rd4;\n\
         ld.global.u32 %r1, [%rd5];\nadd.s64 %rd6, %rd2, %rd4;\nst.global.u32 [%rd6], %r1;\n\
         ld.param.u64 %rd7, [in1];\nadd.s64 %rd8, %rd7, %rd4;\nld.global.u32 %r2, [%rd8];\nst.global.u32 [%rd6+256], %r2;\n\
         add.s64 %rd9, %rd7, %rd2;\nsub.s64 %rd9, %rd9, %rd7;\nadd.s64 %rd9, %rd9, %rd4;\nst.global.u32 [%rd9+512], %r0;\n\
         setp.eq.u64 %p1, %rd8, %rd7;\nselp.u32 %r3, 1, 0, %p1;\nst.global.u32 [%rd6+768], %r3;\nst.global.u64 [%rd2+1024], %rd8;\n",
    );
    let module = Module::parse(&text).unwrap();
    let kernel = module.kernel("test").unwrap();
    let mut results = Vec::new();
    for fast in [false, true] {
        let mut memory = Memory::new(&module);
        let data = memory.alloc(64 * 4 + 4, Access::Read).unwrap();
        let bytes: Vec<u8> = (0..65u32).flat_map(|i| (i * i).to_le_bytes()).collect();
        memory.write(data, &bytes).unwrap();
        let table = memory.alloc(8, Access::Read).unwrap();
        memory.write(table, &data.to_le_bytes()).unwrap();
        let out = memory.alloc(2048, Access::ReadWrite).unwrap();
        let params =
            kernel.pack(&[&table.to_le_bytes(), &(data + 4).to_le_bytes(), &[0; 8], &out.to_le_bytes()]).unwrap();
        let launch = Launch { grid: [1; 3], block: [64, 1, 1], shared_len: 0, params: &params };
        let stats = if fast {
            Machine.launch(&mut memory, kernel, &launch, Limits::default())
        } else {
            Interpreter::new().launch(&mut memory, kernel, &launch, Limits::default())
        };
        let mut bytes = vec![0; 2048];
        memory.read(out, &mut bytes).unwrap();
        let words: Vec<u32> = bytes.as_chunks::<4>().0.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect();
        for i in 0..64u32 {
            let at = i as usize;
            assert_eq!([words[at], words[at + 64], words[at + 128]], [i * i, (i + 1) * (i + 1), i]);
            assert_eq!(words[at + 192], u32::from(i == 0));
        }
        results.push((stats.unwrap().gas, words));
    }
    assert_eq!(results[0], results[1]);
}

#[test]
fn generic_addresses_reach_shared_and_local_memory() {
    let found = run(
        ".shared .align 8 .b8 tile[256];\n.local .align 8 .b8 own[16];\nmov.u64 %rd1, tile;\ncvta.shared.u64 %rd2, %rd1;\nmul.wide.u32 %rd3, %r0, 8;\nadd.s64 %rd2, %rd2, %rd3;\n\
         st.u32 [%rd2], %r0;\nmov.u64 %rd4, own;\ncvta.local.u64 %rd5, %rd4;\nst.u32 [%rd5+8], 7;\nld.local.u32 %r1, [%rd4+8];\nadd.s64 %rd6, %rd1, %rd3;\n\
         ld.shared.u32 %r2, [%rd6];\natom.add.u32 %r3, [%rd2], 5;\nld.u32 %r4, [%rd2];\nadd.s32 %r1, %r1, %r2;\nadd.s32 %r1, %r1, %r4;\nst.global.u32 [%rd59], %r1;\n",
    );
    for (lane, found) in found[..32].iter().enumerate() {
        assert_eq!(*found as usize, 7 + 2 * lane + 5);
    }
}

#[test]
fn guards_that_change_under_their_instructions() {
    let found = run(
        "and.b32 %r1, %r0, 1;\nsetp.eq.u32 %p1, %r1, 1;\nmov.u32 %r2, 0;\nmov.f32 %f1, 0f00000000;\n@%p1 add.s32 %r2, %r2, 1;\n@%p1 mov.f32 %f1, 0f3f800000;\n\
         @%p1 setp.gt.u32 %p1, %r0, 8;\n@%p1 add.s32 %r2, %r2, 10;\n@!%p1 add.s32 %r2, %r2, 100;\n@!%p1 st.global.u32 [%rd59+128], %r2;\n\
         cvt.rzi.u32.f32 %r3, %f1;\nmad.lo.s32 %r2, %r3, 1000, %r2;\nst.global.u32 [%rd59], %r2;\n",
    );
    for lane in 0..32usize {
        let odd = lane % 2 == 1;
        let kept = odd && lane > 8;
        let sum = u32::from(odd) + if kept { 10 } else { 100 };
        assert_eq!(found[lane], sum + if odd { 1000 } else { 0 }, "lane {lane}");
        assert_eq!(found[lane + 32], if kept { 0 } else { sum });
    }
}

#[test]
fn large_grids() {
    let body = "ld.param.u64 %rd60, [out];\nmov.u32 %r1, %ctaid.x;\nmov.u32 %r2, %tid.x;\nadd.s32 %r3, %r1, %r2;\nred.global.add.u32 [%rd60], %r3;\n\
        red.global.max.u32 [%rd60+4], %r3;\nand.b32 %r4, %r3, 7;\nred.global.inc.u32 [%rd60+8], 1000000;\n";
    let found = Run { body, grid: [20_000, 1, 1], block: [3, 1, 1], ..Run::default() }.words();
    let sum = (0..20_000u64).map(|block| 3 * block + 3).sum::<u64>() as u32;
    assert_eq!(found[..3], [sum, 20_001, 60_000]);
}

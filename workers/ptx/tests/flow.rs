//! Control flow: branches, loops, calls, barriers, warp instructions, grids, limits.

mod common;

use common::Run;
use tessera_ptx::{FaultKind, Launch, Limits, Machine, Memory, Module};

const PLACE: &str =
    "mov.u32 %r0, %tid.x;\nld.param.u64 %rd60, [out];\nmul.wide.u32 %rd59, %r0, 4;\nadd.s64 %rd59, %rd59, %rd60;\n";

fn run(before: &str, body: &str) -> Vec<u32> {
    Run { before, body: &format!("{PLACE}{body}"), ..Run::default() }.words()
}

#[test]
fn loops_of_different_length() {
    // The number of Collatz steps of lane + 1.
    let found = run(
        "",
        "add.s32 %r1, %r0, 1;\nmov.u32 %r2, 0;\nAGAIN:\nsetp.eq.u32 %p1, %r1, 1;\n@%p1 bra DONE;\nadd.s32 %r2, %r2, 1;\nand.b32 %r3, %r1, 1;\n\
         setp.eq.u32 %p2, %r3, 0;\n@%p2 bra EVEN;\nmad.lo.s32 %r1, %r1, 3, 1;\nbra.uni AGAIN;\nEVEN:\nshr.u32 %r1, %r1, 1;\nbra AGAIN;\n\
         DONE:\nst.global.u32 [%rd59], %r2;\n",
    );
    for (lane, found) in found[..32].iter().enumerate() {
        let (mut x, mut steps) = (lane as u32 + 1, 0);
        while x != 1 {
            x = if x % 2 == 0 { x / 2 } else { 3 * x + 1 };
            steps += 1;
        }
        assert_eq!(*found, steps, "lane {lane}");
    }
}

#[test]
fn early_exits_and_guarded_returns() {
    let found = run(
        "",
        "st.global.u32 [%rd59], 1;\nsetp.lt.u32 %p1, %r0, 5;\n@%p1 ret;\nsetp.gt.u32 %p2, %r0, 20;\n@%p2 exit;\nst.global.u32 [%rd59], %r0;\n",
    );
    let want: Vec<u32> = (0..32).map(|lane| if (5..=20).contains(&lane) { lane } else { 1 }).collect();
    assert_eq!(found[..32], want);
}

#[test]
fn indirect_branches() {
    let body = "rem.u32 %r1, %r0, 3;\nTABLE: .branchtargets A, B, C;\nbrx.idx %r1, TABLE;\nA:\nmov.u32 %r2, 10;\nbra END;\nB:\nmov.u32 %r2, 20;\nbra END;\n\
        C:\nmov.u32 %r2, 30;\nEND:\nst.global.u32 [%rd59], %r2;\n";
    let found = run("", body);
    assert_eq!(found[..6], [10, 20, 30, 10, 20, 30]);
    let fault =
        Run { body: &format!("{PLACE}{}", body.replace("rem.u32 %r1, %r0, 3", "mov.u32 %r1, %r0")), ..Run::default() }
            .fault();
    assert_eq!(fault.kind, FaultKind::BranchIndex { index: 3, targets: 3 });
}

const FUNCTIONS: &str = ".func (.param .b32 result) twice(.param .b32 x)\n{\n.reg .b32 %r<3>;\nld.param.u32 %r1, [x];\nshl.b32 %r2, %r1, 1;\nst.param.b32 [result], %r2;\nret;\n}\n\
    .func (.param .align 8 .b8 result[16]) both(.param .align 4 .b8 s[8], .param .b32 y)\n{\n.reg .b32 %r<9>;\n.reg .pred %p<2>;\n\
    ld.param.u32 %r1, [s];\nld.param.u32 %r2, [s+4];\nld.param.u32 %r3, [y];\nst.param.b32 [result], %r3;\nsetp.gt.u32 %p1, %r3, 15;\n@%p1 bra BIG;\n\
    { .param .b32 a;\nst.param.b32 [a], %r1;\n.param .b32 r;\ncall.uni (r), twice, (a);\nld.param.b32 %r4, [r]; }\nst.param.b32 [result+8], %r4;\nret;\n\
    BIG:\nst.param.b32 [result+8], %r2;\nret;\n}\n";

#[test]
fn calls() {
    let call = "{\n.param .align 4 .b8 s[8];\n.param .b32 y;\n.param .align 8 .b8 out[16];\nadd.s32 %r1, %r0, 100;\nst.param.b32 [s], %r1;\nst.param.b32 [s+4], 7;\nst.param.b32 [y], %r0;\n\
        call (out), both, (s, y);\nld.param.b32 %r2, [out];\nld.param.b32 %r3, [out+8];\n}\n";
    let found = run(FUNCTIONS, &format!("{call}mad.lo.s32 %r3, %r2, 1000, %r3;\nst.global.u32 [%rd59], %r3;\n"));
    for (lane, found) in found[..32].iter().enumerate() {
        let lane = lane as u32;
        assert_eq!(*found, lane * 1000 + if lane > 15 { 7 } else { 2 * (lane + 100) }, "lane {lane}");
    }
    // Lanes that call from different places, and lanes that do not call at all.
    let twice = |argument: &str, result: &str, guard: &str| {
        format!(
            "{{\n.param .b32 a;\n.param .b32 r;\nst.param.b32 [a], {argument};\n{guard}call (r), twice, (a);\n{guard}ld.param.b32 {result}, [r];\n}}\n"
        )
    };
    let body = format!(
        "mov.u32 %r5, 9;\nsetp.lt.u32 %p1, %r0, 8;\nsetp.gt.u32 %p2, %r0, 23;\n{}@%p1 bra JOIN;\nadd.s32 %r1, %r0, 1;\n{}JOIN:\nst.global.u32 [%rd59], %r5;\n",
        twice("%r0", "%r5", "@%p1 "),
        twice("%r1", "%r5", "@%p2 ")
    );
    let found = run(FUNCTIONS, &body);
    for (lane, found) in found[..32].iter().enumerate() {
        let lane = lane as u32;
        let want = if lane < 8 {
            2 * lane
        } else if lane > 23 {
            2 * (lane + 1)
        } else {
            9
        };
        assert_eq!(*found, want, "lane {lane}");
    }
}

#[test]
fn barriers_join_warps() {
    // 128 threads reverse an array through shared memory, twice.
    let body = format!(
        "{PLACE}.shared .align 4 .b8 tile[512];\nshl.b32 %r1, %r0, 2;\nmov.u32 %r2, tile;\nadd.s32 %r3, %r2, %r1;\nst.shared.u32 [%r3], %r0;\nbar.sync 0;\n\
         sub.s32 %r4, 508, %r1;\nadd.s32 %r4, %r4, %r2;\nld.shared.u32 %r5, [%r4];\nbarrier.sync 0;\nst.shared.u32 [%r3], %r5;\nbar.sync 0;\n\
         ld.shared.u32 %r6, [%r4];\nmad.lo.s32 %r6, %r5, 1000, %r6;\nst.global.u32 [%rd59], %r6;\n"
    );
    let found = Run { body: &body, block: [128, 1, 1], ..Run::default() }.words();
    for (thread, found) in found[..128].iter().enumerate() {
        assert_eq!(*found as usize, (127 - thread) * 1000 + thread);
    }
    // Threads that have left do not hold the others up; threads at another barrier do.
    let found = run("", "setp.gt.u32 %p1, %r0, 3;\n@%p1 ret;\nbar.sync 0;\nst.global.u32 [%rd59], 1;\n");
    assert_eq!(found[..5], [1, 1, 1, 1, 0]);
    let body = format!("{PLACE}setp.gt.u32 %p1, %r0, 31;\n@%p1 bra OTHER;\nbar.sync 0;\nret;\nOTHER:\nbar.sync 1;\n");
    assert_eq!(Run { body: &body, block: [64, 1, 1], ..Run::default() }.fault().kind, FaultKind::Deadlock);
}

#[test]
fn shuffles() {
    let shuffle = |mode: &str, b: u32, c: u32| {
        run("", &format!("mul.lo.s32 %r1, %r0, 10;\nshfl.sync.{mode}.b32 %r2|%p1, %r1, {b}, {c}, -1;\nselp.u32 %r3, 1000, 0, %p1;\nadd.s32 %r2, %r2, %r3;\nst.global.u32 [%rd59], %r2;\n"))[..32].to_vec()
    };
    let want = |from: &dyn Fn(u32) -> Option<u32>| {
        (0..32).map(|lane| from(lane).map_or(10 * lane, |other| 10 * other + 1000)).collect::<Vec<_>>()
    };
    assert_eq!(shuffle("down", 4, 31), want(&|lane| (lane + 4 < 32).then_some(lane + 4)));
    assert_eq!(shuffle("up", 4, 0), want(&|lane| lane.checked_sub(4)));
    assert_eq!(shuffle("bfly", 5, 31), want(&|lane| Some(lane ^ 5)));
    assert_eq!(shuffle("idx", 7, 31), want(&|_| Some(7)));
    // Segments of 8 lanes: the mask of c is 0x18.
    assert_eq!(shuffle("idx", 3, 0x181f), want(&|lane| Some(lane & 24 | 3)));
    assert_eq!(shuffle("down", 3, 0x181f), want(&|lane| ((lane & 7) + 3 < 8).then_some(lane + 3)));
    assert_eq!(shuffle("up", 3, 0x1800), want(&|lane| (lane & 7 >= 3).then(|| lane - 3)));
}

#[test]
fn votes_matches_and_reductions() {
    let found = run(
        "",
        "and.b32 %r1, %r0, 5;\nsetp.eq.u32 %p1, %r1, 5;\nvote.sync.ballot.b32 %r2, %p1, -1;\nvote.sync.any.pred %p2, %p1, -1;\nvote.sync.all.pred %p3, %p1, -1;\n\
         vote.sync.uni.pred %p4, !%p1, -1;\nselp.u32 %r3, 1, 0, %p2;\nselp.u32 %r4, 2, 0, %p3;\nselp.u32 %r5, 4, 0, %p4;\nadd.s32 %r3, %r3, %r4;\nadd.s32 %r3, %r3, %r5;\n\
         match.any.sync.b32 %r6, %r1, -1;\nmatch.all.sync.b32 %r7|%p5, %r1, -1;\nredux.sync.add.u32 %r8, %r0, -1;\nsub.s32 %r9, 3, %r0;\nredux.sync.min.s32 %r10, %r9, -1;\n\
         redux.sync.max.u32 %r11, %r9, -1;\nredux.sync.or.b32 %r12, %r1, -1;\nsetp.ne.u32 %p6, %r0, 9;\n@%p6 bra END;\n\
         st.global.v4.u32 [%rd60], {%r2, %r3, %r6, %r7};\nst.global.v4.u32 [%rd60+16], {%r8, %r10, %r11, %r12};\nEND:\n",
    );
    let ballot = (0..32).filter(|lane| lane & 5 == 5).fold(0, |bits, lane| bits | 1u32 << lane);
    let same = (0..32).filter(|lane| lane & 5 == 9 & 5).fold(0, |bits, lane| bits | 1u32 << lane);
    assert_eq!(found[..8], [ballot, 1, same, 0, 496, (-28i32) as u32, u32::MAX, 5]);
}

#[test]
fn warp_instructions_wait_for_their_lanes() {
    // The halves of the warp come along different ways and meet in the shuffle.
    let found = run(
        "",
        "setp.lt.u32 %p1, %r0, 16;\n@%p1 bra LOW;\nmul.lo.s32 %r1, %r0, 2;\nadd.s32 %r1, %r1, 1;\nbra.uni MEET;\nLOW:\nmov.u32 %r1, %r0;\nMEET:\nbar.warp.sync -1;\n\
         shfl.sync.bfly.b32 %r2, %r1, 16, 31, -1;\nst.global.u32 [%rd59], %r2;\n",
    );
    let want: Vec<u32> = (0..32).map(|lane: u32| if lane < 16 { 2 * (lane + 16) + 1 } else { lane - 16 }).collect();
    assert_eq!(found[..32], want);
    // Two halves with masks of their own, in different places.
    let found = run(
        "",
        "setp.lt.u32 %p1, %r0, 16;\n@%p1 bra LOW;\nredux.sync.add.u32 %r1, %r0, 0xffff0000;\nbra.uni MEET;\nLOW:\nredux.sync.add.u32 %r1, %r0, 0xffff;\nMEET:\nst.global.u32 [%rd59], %r1;\n",
    );
    assert_eq!((found[0], found[15], found[16], found[31]), (120, 120, 376, 376));
    let fault = |body: &str| Run { body: &format!("{PLACE}{body}"), ..Run::default() }.fault().kind;
    // Half of the lanes never come.
    assert_eq!(
        fault(
            "setp.lt.u32 %p1, %r0, 16;\n@%p1 bra LOW;\nbar.sync 0;\nret;\nLOW:\nshfl.sync.idx.b32 %r1, %r0, 0, 31, -1;\n"
        ),
        FaultKind::Deadlock
    );
    // A lane that has left is read.
    assert_eq!(
        fault("setp.eq.u32 %p1, %r0, 7;\n@%p1 ret;\nshfl.sync.idx.b32 %r1, %r0, 7, 31, -1;\n"),
        FaultKind::InactiveLane { lane: 7 }
    );
    assert!(matches!(fault("redux.sync.add.u32 %r1, %r0, 0xff;\n"), FaultKind::Warp(_)));
    assert_eq!(fault("setp.eq.u32 %p1, %r0, 7;\n@%p1 trap;\n"), FaultKind::Trap);
}

#[test]
fn matrix_products() {
    for (k, signs) in [(32u32, "s8.s8"), (32, "u8.s8"), (16, "s8.u8")] {
        let lane_word = |lane: u32, which: u32| lane.wrapping_mul(0x9e37_79b9).rotate_left(which * 5) ^ which;
        let (a_count, b_count) = (k / 8, k / 16);
        let mut body = String::new();
        for which in 0..a_count + b_count {
            body += &format!(
                "mul.lo.s32 %r3{which}, %r0, 0x9e3779b9;\nshf.l.wrap.b32 %r3{which}, %r3{which}, %r3{which}, {};\nxor.b32 %r3{which}, %r3{which}, {which};\n",
                which * 5
            );
        }
        let list = |range: std::ops::Range<u32>| range.map(|i| format!("%r3{i}")).collect::<Vec<_>>().join(", ");
        body += &format!(
            "mov.u32 %r10, 5;\nmov.u32 %r11, %r0;\nmma.sync.aligned.m16n8k{k}.row.col.s32.{signs}.s32 {{%r20, %r21, %r22, %r23}}, {{{}}}, {{{}}}, {{%r10, %r11, %r10, %r10}};\n\
             shl.b32 %r1, %r0, 4;\ncvt.u64.u32 %rd1, %r1;\nadd.s64 %rd1, %rd1, %rd60;\nst.global.v4.u32 [%rd1], {{%r20, %r21, %r22, %r23}};\n",
            list(0..a_count),
            list(a_count..a_count + b_count)
        );
        let found = run("", &body);
        let byte = |word: u32, i: u32, signed: bool| {
            let byte = (word >> (8 * i)) as u8;
            if signed { i64::from(byte as i8) } else { i64::from(byte) }
        };
        // As the manual lays out fragments: rows by group, columns by thread of the group.
        let a = |row: u32, column: u32| {
            let word = 2 * (column / 16) + u32::from(row >= 8);
            byte(lane_word(row % 8 * 4 + column % 16 / 4, word), column % 4, signs.starts_with('s'))
        };
        let b = |row: u32, column: u32| {
            byte(lane_word(column * 4 + row % 16 / 4, a_count + row / 16), row % 4, signs.ends_with("s8"))
        };
        for lane in 0..32u32 {
            for i in 0..4u32 {
                let (row, column) = (lane / 4 + 8 * (i / 2), lane % 4 * 2 + i % 2);
                let sum: i64 = (0..k).map(|at| a(row, at) * b(at, column)).sum();
                let c = if i == 1 { i64::from(lane) } else { 5 };
                assert_eq!(found[(4 * lane + i) as usize], (sum + c) as u32, "{signs}, lane {lane}, register {i}");
            }
        }
    }
    let fault = Run { body: &format!("{PLACE}mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {{%r1, %r2, %r3, %r4}}, {{%r0, %r0}}, {{%r0}}, {{%r0, %r0, %r0, %r0}};\n"), block: [16, 1, 1], ..Run::default() }.fault();
    assert!(matches!(fault.kind, FaultKind::Warp(_)), "{fault}");
}

#[test]
fn grids_and_blocks_in_three_dimensions() {
    let body = "ld.param.u64 %rd60, [out];\nmov.u32 %r1, %tid.x;\nmov.u32 %r2, %tid.y;\nmov.u32 %r3, %tid.z;\nmov.u32 %r4, %ctaid.x;\nmov.u32 %r5, %ctaid.y;\nmov.u32 %r6, %ctaid.z;\n\
        mad.lo.s32 %r7, %r3, %ntid.y, %r2;\nmad.lo.s32 %r7, %r7, %ntid.x, %r1;\nmad.lo.s32 %r8, %r6, %nctaid.y, %r5;\nmad.lo.s32 %r8, %r8, %nctaid.x, %r4;\n\
        mov.u32 %r9, %ntid.x;\nmul.lo.s32 %r9, %r9, %ntid.y;\nmul.lo.s32 %r9, %r9, %ntid.z;\nmad.lo.s32 %r7, %r8, %r9, %r7;\nmul.wide.u32 %rd1, %r7, 8;\nadd.s64 %rd1, %rd1, %rd60;\n\
        mov.u32 %r10, %laneid;\nmad.lo.s32 %r11, %r3, 10, %r2;\nmad.lo.s32 %r11, %r11, 10, %r1;\nmad.lo.s32 %r11, %r11, 10, %r6;\nmad.lo.s32 %r11, %r11, 10, %r5;\nmad.lo.s32 %r11, %r11, 10, %r4;\n\
        st.global.v2.u32 [%rd1], {%r11, %r10};\n";
    let (grid, block) = ([4u32, 3, 2], [5u32, 3, 4]);
    let found = Run { body, grid, block, out_len: 8 * 24 * 60, ..Run::default() }.words();
    let mut at = 0;
    for b in 0..24u32 {
        let [bx, by, bz] = [b % 4, b / 4 % 3, b / 12];
        for t in 0..60u32 {
            let [x, y, z] = [t % 5, t / 5 % 3, t / 15];
            assert_eq!(found[at..at + 2], [((((z * 10 + y) * 10 + x) * 10 + bz) * 10 + by) * 10 + bx, t % 32]);
            at += 2;
        }
    }
}

#[test]
fn gas_is_exact_limited_and_equal_for_all_schedules() {
    let body = format!(
        "{PLACE}mov.u32 %r1, 0;\nAGAIN:\nadd.s32 %r1, %r1, 1;\nsetp.lt.u32 %p1, %r1, %r0;\n@%p1 bra AGAIN;\nst.global.u32 [%rd59], %r1;\n"
    );
    let run = Run { body: &body, grid: [7, 1, 1], ..Run::default() };
    let (_, stats) = run.stats().unwrap();
    // mov, ld.param, mul.wide, add.s64 (2), mov; three instructions for each turn; a store (4), ret.
    let turns: u64 = (0..32).map(|lane: u64| lane.max(1)).sum();
    assert_eq!(
        (stats.gas, stats.instructions.unwrap()),
        (7 * (32 * (1 + 1 + 1 + 2 + 1 + 4 + 1) + 3 * turns), 7 * (32 * 7 + 3 * turns))
    );
    assert!(Run { gas: Some(stats.gas), ..run }.stats().is_ok());
    let run = Run { body: &body, grid: [7, 1, 1], gas: Some(stats.gas - 1), ..Run::default() };
    assert_eq!(run.fault().kind, FaultKind::GasLimit { limit: stats.gas - 1 });
    let endless = Run { body: "AGAIN:\nbra AGAIN;\n", gas: Some(1 << 24), ..Run::default() };
    assert_eq!(endless.fault().kind, FaultKind::GasLimit { limit: 1 << 24 });
}

#[test]
fn launches_that_do_not_fit_are_refused() {
    let text = ".version 7.0\n.target sm_80\n.address_size 64\n.entry fixed(.param .u32 n)\n.reqntid 8, 2, 1\n{\nret;\n}\n.entry most()\n.maxntid 64\n{\nret;\n}\n";
    let module = Module::parse(text).unwrap();
    let mut memory = Memory::new(&module);
    let mut launch = |kernel: &str, grid: [u32; 3], block: [u32; 3], shared_len: u32, params: &[u8]| {
        let launch = Launch { grid, block, shared_len, params };
        Machine
            .launch(&mut memory, module.kernel(kernel).unwrap(), &launch, Limits::default())
            .map_err(|fault| fault.to_string())
    };
    assert!(launch("fixed", [1; 3], [8, 2, 1], 0, &[0; 4]).is_ok());
    let error = |done: Result<_, String>| done.map(|_: tessera_ptx::Stats| ()).unwrap_err();
    assert!(error(launch("fixed", [1; 3], [8, 1, 1], 0, &[0; 4])).contains("requires blocks of [8, 2, 1]"));
    assert!(error(launch("fixed", [1; 3], [8, 2, 1], 0, &[0; 8])).contains("4 bytes of parameters, not 8"));
    assert!(error(launch("most", [1; 3], [65, 1, 1], 0, &[])).contains("allows 64 threads"));
    assert!(error(launch("most", [1; 3], [33, 33, 1], 0, &[])).contains("1 to 1024 threads"));
    assert!(error(launch("most", [1, 70_000, 1], [1; 3], 0, &[])).contains("grid"));
    assert!(error(launch("most", [1; 3], [1; 3], 48 << 10 | 1, &[])).contains("shared memory"));
}

/// A second launch sees what the first wrote; a cancelled one stops.
#[test]
fn cancelling() {
    let text = common::module_text("", "AGAIN:\nbra AGAIN;\n");
    let module = Module::parse(&text).unwrap();
    let mut memory = Memory::new(&module);
    let cancel = std::sync::atomic::AtomicBool::new(true);
    let launch = Launch { grid: [4, 1, 1], block: [32, 1, 1], shared_len: 0, params: &[0; 32] };
    let limits = Limits { cancel: Some(&cancel), ..Limits::default() };
    let fault = Machine.launch(&mut memory, module.kernel("test").unwrap(), &launch, limits).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Cancelled);
    let limits = Limits { deadline: Some(std::time::Instant::now()), ..Limits::default() };
    let fault = Machine.launch(&mut memory, module.kernel("test").unwrap(), &launch, limits).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Deadline);
}

//! Races, copies that nobody waits for, and memory that was never written.

mod common;

use common::module_text;
use tessera_ptx::{
    Access, Checks, Effect, Fault, FaultKind, Interpreter, Launch, Limits, Memory, Module, Space, Step, Touch, Watch,
    Written,
};

/// `%r0`: the thread; `%rd59`: its word of `out`, `%rd60`: `out`; `%r58`: its word of `tile`, `%r59`: `tile`.
const PLACE: &str = ".shared .align 8 .b8 tile[4096];\n.local .align 8 .b8 depot[16];\nmov.u32 %r0, %tid.x;\nld.param.u64 %rd60, [out];\n\
    mul.wide.u32 %rd59, %r0, 4;\nadd.s64 %rd59, %rd59, %rd60;\nmov.u32 %r59, tile;\nshl.b32 %r58, %r0, 2;\nadd.s32 %r58, %r58, %r59;\n";

struct Case<'a> {
    before: &'a str,
    body: &'a str,
    grid: u32,
    block: u32,
}

const CASE: Case<'static> = Case { before: "", body: "", grid: 1, block: 64 };

/// Block, thread, line of the body and kind of an access.
type Side = (u32, u32, u32, Touch);

impl Case<'_> {
    fn line(&self) -> u32 {
        module_text(self.before, PLACE).lines().count() as u32 - 3
    }

    /// Runs with 1, 2 and 8 threads of the host, which must do the same.
    fn run(&self) -> Result<Vec<u32>, Fault> {
        let text = module_text(self.before, &format!("{PLACE}{}", self.body));
        let module = Module::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let kernel = module.kernel("test").unwrap();
        let once = |threads| {
            let mut memory = Memory::new(&module);
            let out = memory.alloc(1 << 16, Access::ReadWrite).unwrap();
            let params = kernel.pack(&[&[0; 8], &[0; 8], &[0; 8], &out.to_le_bytes()]).unwrap();
            let launch = Launch { grid: [self.grid, 1, 1], block: [self.block, 1, 1], shared_len: 0, params: &params };
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let checked = Interpreter::new().with_checks(Checks::ALL);
            pool.install(|| checked.launch(&mut memory, kernel, &launch, Limits::default()))?;
            let mut bytes = vec![0; 1 << 16];
            memory.read(out, &mut bytes).unwrap();
            Ok(bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect())
        };
        let alone = once(1);
        for threads in [2, 8, 8, 8] {
            assert_eq!(alone, once(threads), "{threads} threads of the host\n{text}");
        }
        alone
    }

    fn words(&self) -> Vec<u32> {
        self.run().unwrap_or_else(|fault| panic!("{fault}\n{}", self.body))
    }

    /// The space and the two accesses.
    fn race(&self) -> (Space, Side, Side) {
        let fault = self.run().expect_err(self.body);
        let FaultKind::Race(race) = &fault.kind else { panic!("{fault}\n{}", self.body) };
        let side = |side: tessera_ptx::Toucher| (side.block[0], side.thread[0], side.line - self.line(), side.touch);
        (race.space, side(race.first), side(race.second))
    }

    fn unwritten(&self) -> (Space, u64) {
        match self.run().expect_err(self.body).kind {
            FaultKind::UnwrittenMemory { space, address, .. } => (space, address),
            other => panic!("{other}\n{}", self.body),
        }
    }
}

fn one(body: &str) -> Case<'_> {
    Case { body, ..CASE }
}

fn single(body: &str) -> Case<'_> {
    Case { block: 1, ..one(body) }
}

fn many(body: &str) -> Case<'_> {
    Case { grid: 200, block: 32, body, ..CASE }
}

use Touch::{Atomic, Read, Write};

#[test]
fn races_in_a_block() {
    // Neighbours without a barrier: the write first, or the read.
    let body = "st.shared.u32 [%r58], %r0;\nld.shared.u32 %r1, [tile];\n";
    assert_eq!(one(body).race(), (Space::Shared, (0, 0, 1, Write), (0, 1, 2, Read)));
    let fault = one(body).run().unwrap_err().to_string();
    let end = "race in shared memory at 0x0: nothing orders the write at line 22 by block [0, 0, 0], thread [0, 0, 0], \
               and the read at line 23 by block [0, 0, 0], thread [1, 0, 0]";
    assert!(fault.ends_with(end), "{fault}");
    let body = "st.shared.u32 [%r58], %r0;\nbar.sync 0;\nld.shared.u32 %r1, [tile];\nst.shared.u32 [%r58], %r1;\n";
    assert_eq!(one(body).race(), (Space::Shared, (0, 0, 4, Write), (0, 1, 3, Read)));
    let body = "st.shared.u32 [%r58], %r0;\nbar.sync 0;\nld.shared.u32 %r1, [tile+252];\nst.shared.u32 [%r58], %r1;\n";
    assert_eq!(one(body).race(), (Space::Shared, (0, 0, 3, Read), (0, 63, 4, Write)));
    // The same value is a race too.
    assert_eq!(one("st.shared.u32 [tile], 7;\n").race(), (Space::Shared, (0, 0, 1, Write), (0, 1, 1, Write)));
    // Atomics against what is none.
    let body = "setp.eq.u32 %p1, %r0, 0;\n@%p1 st.shared.u32 [tile], 0;\nred.shared.add.u32 [tile], 1;\n";
    assert_eq!(one(body).race(), (Space::Shared, (0, 0, 2, Write), (0, 1, 3, Atomic)));
    let body = "setp.eq.u32 %p1, %r0, 0;\n@%p1 st.shared.u32 [tile], 0;\nbar.sync 0;\nred.shared.add.u32 [tile], 1;\nld.shared.u32 %r1, [tile];\n";
    assert_eq!(one(body).race(), (Space::Shared, (0, 0, 5, Read), (0, 1, 4, Atomic)));
    // Global memory within a block; part of a word.
    assert_eq!(one("st.global.u32 [%rd60], %r0;\n").race(), (Space::Global, (0, 0, 1, Write), (0, 1, 1, Write)));
    let body = "setp.eq.u32 %p1, %r0, 9;\n@!%p1 bra L;\nst.global.u8 [%rd60+14], 1;\nL:\nst.global.u32 [%rd59], 1;\n";
    assert_eq!(one(body).race(), (Space::Global, (0, 3, 5, Write), (0, 9, 3, Write)));
}

#[test]
fn shuffles_order_no_memory() {
    let body = |sync: &str| {
        format!(
            "st.shared.u32 [%r58], %r0;\n{sync}\nxor.b32 %r1, %r58, 4;\nld.shared.u32 %r2, [%r1];\nst.global.u32 [%rd59], %r2;\n"
        )
    };
    assert_eq!(one(&body("bar.warp.sync -1;")).words()[..4], [1, 0, 3, 2]);
    let found = one(&body("shfl.sync.idx.b32 %r3, %r0, 0, 31, -1;")).race();
    assert_eq!(found, (Space::Shared, (0, 1, 1, Write), (0, 0, 4, Read)));
    // A warp's barrier does not reach the other warp; halves do not reach each other.
    let far = body("bar.warp.sync -1;").replace("xor.b32 %r1, %r58, 4", "xor.b32 %r1, %r58, 128");
    assert_eq!(one(&far).unwritten(), (Space::Shared, 128));
    let halves = "mov.u32 %r4, 0xffff;\nsetp.gt.u32 %p1, %r0, 15;\n@%p1 mov.u32 %r4, 0xffff0000;\nbar.warp.sync %r4;";
    assert_eq!(Case { block: 32, ..one(&body(halves)) }.words()[..4], [1, 0, 3, 2]);
    let far = body(halves).replace("xor.b32 %r1, %r58, 4", "xor.b32 %r1, %r58, 64");
    assert!(matches!(Case { block: 32, ..one(&far) }.race(), (Space::Shared, (0, 16, 1, Write), (0, 0, 7, Read))));
}

#[test]
fn readers_of_other_warps_are_remembered() {
    // All read a word; warp 0 meets and one of its lanes writes: warp 1 has not met.
    let body = "setp.eq.u32 %p1, %r0, 0;\n@%p1 st.shared.u32 [tile], 5;\nbar.sync 0;\nld.shared.u32 %r1, [tile];\nbar.warp.sync -1;\n\
        setp.eq.u32 %p1, %r0, 63;\n@%p1 st.shared.u32 [tile], 6;\n";
    assert_eq!(one(body).race(), (Space::Shared, (0, 0, 4, Read), (0, 63, 7, Write)));
    assert!(one(&body.replace("bar.warp.sync -1", "bar.sync 1")).run().is_ok());
}

#[test]
fn orders_that_hold() {
    // A reduction tree.
    let body = "st.shared.u32 [%r58], %r0;\nbar.sync 0;\nmov.u32 %r1, 32;\nA:\nsetp.ge.u32 %p1, %r0, %r1;\n@%p1 bra B;\nshl.b32 %r2, %r1, 2;\nadd.s32 %r2, %r2, %r58;\n\
        ld.shared.u32 %r3, [%r2];\nld.shared.u32 %r4, [%r58];\nadd.s32 %r3, %r3, %r4;\nst.shared.u32 [%r58], %r3;\nB:\nbar.sync 0;\nshr.u32 %r1, %r1, 1;\nsetp.ne.u32 %p1, %r1, 0;\n\
        @%p1 bra A;\nld.shared.u32 %r1, [tile];\nst.global.u32 [%rd59], %r1;\n";
    assert_eq!(one(body).words()[0], 63 * 32);
    // Two buffers in turn: one barrier a round is enough.
    let body = "mov.u32 %r1, 0;\nmov.u32 %r5, 0;\nA:\nand.b32 %r2, %r1, 1;\nshl.b32 %r2, %r2, 8;\nadd.s32 %r3, %r2, %r58;\nadd.s32 %r4, %r1, %r0;\nst.shared.u32 [%r3], %r4;\nbar.sync 0;\n\
        add.s32 %r3, %r2, %r59;\nld.shared.u32 %r4, [%r3+252];\nadd.s32 %r5, %r5, %r4;\nadd.s32 %r1, %r1, 1;\nsetp.lt.u32 %p1, %r1, 6;\n@%p1 bra A;\nst.global.u32 [%rd59], %r5;\n";
    assert_eq!(one(body).words()[0], 6 * 63 + 15);
    let single = one(&body.replace("shl.b32 %r2, %r2, 8", "mov.u32 %r2, 0")).race();
    assert_eq!(single.0, Space::Shared);
    // Bytes of a word belong to different threads.
    let body = "add.s32 %r1, %r59, %r0;\nst.shared.u8 [%r1], %r0;\ncvt.u64.u32 %rd1, %r0;\nadd.s64 %rd1, %rd1, %rd60;\nld.shared.u8 %r2, [%r1];\nst.global.u8 [%rd1], %r2;\n";
    assert_eq!(Case { grid: 1, ..one(body) }.words()[..2], [0x0302_0100, 0x0706_0504]);
    // Counting with atomics, in both memories, by many blocks.
    let body = "st.shared.u32 [%r58], 0;\nbar.sync 0;\nand.b32 %r1, %r0, 3;\nshl.b32 %r1, %r1, 2;\nadd.s32 %r1, %r1, %r59;\nred.shared.add.u32 [%r1], 1;\nbar.sync 0;\n\
        ld.shared.u32 %r2, [%r58];\nred.global.add.u32 [%rd59], %r2;\n";
    assert_eq!(Case { grid: 40, ..one(body) }.words()[..5], [640, 640, 640, 640, 0]);
    // Threads that leave early.
    let body = "setp.gt.u32 %p1, %r0, 40;\n@%p1 ret;\nst.shared.u32 [%r58], %r0;\nbar.sync 0;\nld.shared.u32 %r1, [tile+160];\nst.global.u32 [%rd59], %r1;\n";
    assert_eq!(one(body).words()[..2], [40, 40]);
}

#[test]
fn named_barriers() {
    // Warps 0 and 1 hand something over; warp 2 takes no part.
    let body = |barrier: &str, reader: u32| {
        format!(
            "setp.eq.u32 %p1, %r0, 0;\n@%p1 st.shared.u32 [tile], 9;\nsetp.gt.u32 %p2, %r0, 63;\n@%p2 bra OTHER;\n{barrier}\nOTHER:\n\
             setp.eq.u32 %p3, %r0, {reader};\n@!%p3 ret;\nld.shared.u32 %r1, [tile];\nst.global.u32 [%rd60], %r1;\n"
        )
    };
    let run = |barrier: &str, reader| Case { block: 96, ..one(&body(barrier, reader)) }.run();
    assert_eq!(run("barrier.sync 1, 64;", 40).unwrap()[0], 9);
    assert!(matches!(run("barrier.sync 1, 64;", 70).unwrap_err().kind, FaultKind::Race(_)));
    assert!(matches!(run("", 40).unwrap_err().kind, FaultKind::Race(_)));
    // What warp 0 did reaches warp 2 by way of warp 1.
    let body = "setp.eq.u32 %p1, %r0, 0;\n@%p1 st.shared.u32 [tile], 9;\nsetp.gt.u32 %p2, %r0, 63;\n@%p2 bra B;\nbarrier.sync 1, 64;\nB:\nsetp.lt.u32 %p2, %r0, 32;\n@%p2 ret;\nbarrier.sync 2, 64;\n\
        setp.eq.u32 %p3, %r0, 70;\n@!%p3 ret;\nld.shared.u32 %r1, [tile];\nst.global.u32 [%rd60], %r1;\n";
    assert_eq!(Case { block: 96, ..one(body) }.words()[0], 9);
}

#[test]
fn races_between_blocks() {
    let found = many("setp.eq.u32 %p1, %r0, 5;\n@%p1 st.global.u32 [%rd60], 1;\n").race();
    assert_eq!(found, (Space::Global, (0, 5, 2, Write), (1, 5, 2, Write)));
    // Only blocks 150 and 170 meet, and block 3 reads elsewhere.
    let body = "mov.u32 %r1, %ctaid.x;\nsetp.ne.u32 %p1, %r0, 0;\n@%p1 ret;\nmul.wide.u32 %rd1, %r1, 8;\nadd.s64 %rd1, %rd1, %rd60;\nsetp.eq.u32 %p2, %r1, 170;\n\
        @%p2 add.s64 %rd1, %rd60, 1204;\nst.global.u32 [%rd1+4], %r1;\nsetp.eq.u32 %p2, %r1, 150;\n@%p2 ld.global.u32 %r2, [%rd1+8];\n";
    assert_eq!(many(body).race(), (Space::Global, (150, 0, 10, Read), (170, 0, 8, Write)));
    assert!(many(&body.replace("1204", "9204")).run().is_ok());
    // Atomics and reads; a block that writes, meets and then reads has written.
    let body = "red.global.add.u32 [%rd60], 1;\nmov.u32 %r1, %ctaid.x;\nsetp.eq.u32 %p1, %r1, 199;\n@%p1 ld.global.u32 %r2, [%rd60];\n";
    let (_, first, second) = Case { block: 1, ..many(body) }.race();
    assert_eq!((first, second), ((0, 0, 1, Atomic), (199, 0, 4, Read)));
    let body = "mov.u32 %r1, %ctaid.x;\nsetp.eq.u32 %p1, %r1, 0;\n@%p1 st.global.u32 [%rd59], 1;\nbar.sync 0;\nld.global.u32 %r2, [%rd59];\n";
    assert_eq!(many(body).race(), (Space::Global, (0, 0, 3, Write), (1, 0, 5, Read)));
    // A fault of a lower block comes first, one of a higher block later.
    let trap = |at: u32| {
        format!(
            "mov.u32 %r1, %ctaid.x;\nsetp.eq.u32 %p1, %r1, {at};\n@%p1 trap;\nsetp.gt.u32 %p1, %r1, 80;\n@%p1 st.global.u32 [%rd59], 1;\n"
        )
    };
    let found = many(&trap(50)).run().unwrap_err();
    assert_eq!((found.kind, found.block), (FaultKind::Trap, [50, 0, 0]));
    assert_eq!(many(&trap(90)).race(), (Space::Global, (81, 0, 5, Write), (82, 0, 5, Write)));
}

/// Launches are ordered: two buffers may be read and written in turn.
#[test]
fn launches_are_ordered() {
    let text = module_text(
        "",
        "mov.u32 %r0, %ctaid.x;\nld.param.u64 %rd1, [in0];\nld.param.u64 %rd2, [out];\nxor.b32 %r1, %r0, 1;\nmul.wide.u32 %rd3, %r0, 4;\nmul.wide.u32 %rd4, %r1, 4;\n\
         add.s64 %rd1, %rd1, %rd4;\nadd.s64 %rd2, %rd2, %rd3;\nld.global.u32 %r2, [%rd1];\nadd.s32 %r2, %r2, %r0;\nst.global.u32 [%rd2], %r2;\n",
    );
    let module = Module::parse(&text).unwrap();
    let mut memory = Memory::new(&module);
    let kernel = module.kernel("test").unwrap();
    let buffers = [(); 2].map(|()| memory.alloc(256, Access::ReadWrite).unwrap().to_le_bytes());
    for round in 0..4 {
        let params = kernel.pack(&[&buffers[round % 2], &[0; 8], &[0; 8], &buffers[1 - round % 2]]).unwrap();
        let launch = Launch { grid: [64, 1, 1], block: [1, 1, 1], shared_len: 0, params: &params };
        Interpreter::new().with_checks(Checks::ALL).launch(&mut memory, kernel, &launch, Limits::default()).unwrap();
    }
    let params = kernel.pack(&[&buffers[0], &[0; 8], &[0; 8], &buffers[0]]).unwrap();
    let launch = Launch { grid: [64, 1, 1], block: [1, 1, 1], shared_len: 0, params: &params };
    let fault = Interpreter::new().with_checks(Checks::ALL).launch(&mut memory, kernel, &launch, Limits::default());
    assert!(matches!(fault.unwrap_err().kind, FaultKind::Race(_)));
    Interpreter::new().launch(&mut memory, kernel, &launch, Limits::default()).unwrap();
}

#[test]
fn memory_that_was_never_written() {
    let stored = |body: &str| format!("{body}st.global.u32 [%rd59], %r1;\n");
    let read = stored("ld.shared.u32 %r1, [tile+8];\n");
    assert_eq!(one(&read).unwritten(), (Space::Shared, 8));
    let fault = one(&read).run().unwrap_err();
    let FaultKind::UnwrittenMemory { decides, .. } = &fault.kind else { panic!("{fault}") };
    assert_eq!(
        (decides.effect, decides.register.as_deref(), decides.read + 1),
        (Effect::Store, Some("%r1"), fault.line)
    );
    assert!(
        fault.to_string().ends_with(
            "what is stored (%r1) comes from shared memory at 0x8, which line 22 reads before it is written"
        ),
        "{fault}"
    );
    // To read it is no fault while nothing depends on it.
    assert!(one("ld.shared.u32 %r1, [tile+8];\nadd.s32 %r1, %r1, 1;\n").run().is_ok());
    let read = stored("st.shared.u16 [tile+8], 1;\nld.shared.u32 %r1, [tile+8];\n");
    assert_eq!(single(&read).unwritten(), (Space::Shared, 10));
    assert_eq!(single("red.shared.add.u32 [tile], 1;\n").unwritten(), (Space::Shared, 0));
    let vector = "st.local.v2.u32 [depot], {%r0, %r0};\nld.local.v4.u32 {%r3, %r2, %r1, %r4}, [depot];\n";
    assert_eq!(single(&stored(vector)).unwritten(), (Space::Local, 8));
    assert!(single(&stored(&vector.replace("{%r3, %r2, %r1", "{%r1, %r2, %r3"))).run().is_ok());
    // Each block and each thread starts anew.
    let body = stored(
        "mov.u32 %r2, %ctaid.x;\nsetp.eq.u32 %p1, %r2, 0;\n@%p1 st.shared.u32 [tile], 1;\nld.shared.u32 %r1, [tile];\n",
    );
    let found = Case { block: 1, grid: 2, ..one(&body) };
    assert_eq!((found.run().unwrap_err().block, found.unwritten()), ([1, 0, 0], (Space::Shared, 0)));
    let body = stored("setp.eq.u32 %p1, %r0, 0;\n@%p1 st.local.u32 [depot], 1;\nld.local.u32 %r1, [depot];\n");
    assert_eq!(one(&body).run().unwrap_err().thread, Some([1, 0, 0]));
    // Parameters of functions take with them what is known of their bytes.
    let before = ".func (.param .b32 d) second(.param .align 4 .b8 s[8])\n{\n.reg .b32 %r<2>;\nld.param.u32 %r1, [s+4];\nst.param.b32 [d], %r1;\nret;\n}\n";
    let body = |offset: u32| {
        format!(
            "{{\n.param .align 4 .b8 a[8];\n.param .b32 b;\nst.param.b32 [a+{offset}], 5;\ncall.uni (b), second, (a);\nld.param.b32 %r2, [b];\n}}\nst.global.u32 [%rd59], %r2;\n"
        )
    };
    assert_eq!(Case { before, ..one(&body(4)) }.words()[0], 5);
    assert_eq!(Case { before, ..one(&body(0)) }.unwritten().0, Space::Local);
    // What a call left in its local memory is not there for the next.
    let before = ".func (.param .b32 d) keep(.param .b32 x)\n{\n.local .align 4 .b8 own[4];\n.reg .b32 %r<2>;\n.reg .pred %p<2>;\nld.param.u32 %r1, [x];\n\
        setp.ne.u32 %p1, %r1, 0;\n@%p1 st.local.u32 [own], 7;\nld.local.u32 %r1, [own];\nst.param.b32 [d], %r1;\nret;\n}\n";
    let call = |x: u32| {
        format!(
            "{{\n.param .b32 a;\n.param .b32 b;\nst.param.b32 [a], {x};\ncall.uni (b), keep, (a);\nld.param.b32 %r1, [b];\n}}\n"
        )
    };
    let (one_call, two) = (stored(&call(1)), stored(&(call(1) + &call(0))));
    assert_eq!(Case { before, ..one(&one_call) }.words()[0], 7);
    assert_eq!(Case { before, ..one(&two) }.unwritten().0, Space::Local);
}

/// Each thread copies its word of `out`, 4096 bytes on, to its word of `tile`.
#[test]
fn copies_that_nobody_waits_for() {
    let copy = "cp.async.ca.shared.global [%r58], [%rd59+4096], 4;\n";
    let (wait, read) = ("cp.async.wait_all;\n", "ld.shared.u32 %r1, [%r58];\nst.global.u32 [%rd59], %r1;\n");
    assert!(one(&format!("{copy}{wait}{read}")).run().is_ok());
    let unfinished = |body: &str| {
        let case = one(body);
        let fault = case.run().expect_err(body);
        let FaultKind::UnfinishedCopy(race) = &fault.kind else { panic!("{fault}\n{body}") };
        let side = |side: tessera_ptx::Toucher| (side.thread[0], side.line - case.line(), side.touch);
        (race.space, side(race.first), side(race.second))
    };
    let early = (Space::Shared, (0, 1, Write), (0, 2, Read));
    assert_eq!(unfinished(&format!("{copy}{read}")), early);
    assert_eq!(unfinished(&format!("{copy}{read}{wait}")), early);
    // Closing a group is not waiting, and a barrier does not wait for copies.
    assert_eq!(unfinished(&format!("{copy}cp.async.commit_group;\n{read}")).2, (0, 3, Read));
    assert_eq!(unfinished(&format!("{copy}bar.sync 0;\n{read}")).2, (0, 3, Read));
    // All but the last groups; what is in no group is not waited for.
    let two = format!(
        "{copy}cp.async.commit_group;\ncp.async.ca.shared.global [%r58+512], [%rd59+4096], 4;\ncp.async.commit_group;\n"
    );
    assert!(one(&format!("{two}cp.async.wait_group 1;\n{read}")).run().is_ok());
    assert_eq!(unfinished(&format!("{two}cp.async.wait_group 2;\n{read}")).1, (0, 1, Write));
    assert_eq!(unfinished(&format!("{copy}cp.async.wait_group 0;\n{read}")).1, (0, 1, Write));
    // The destination is written, the source changed.
    assert_eq!(unfinished(&format!("{copy}st.shared.u32 [%r58], 1;\n")).2, (0, 2, Write));
    let source = (Space::Global, (0, 1, Read), (0, 2, Write));
    assert_eq!(unfinished(&format!("{copy}st.global.u32 [%rd59+4096], 1;\n")), source);
    // Threads read each other's copies only behind a wait and a barrier.
    let other = "ld.shared.u32 %r1, [tile];\nst.global.u32 [%rd59], %r1;\n";
    assert!(one(&format!("{copy}{wait}bar.sync 0;\n{other}")).run().is_ok());
    assert!(matches!(one(&format!("{copy}{wait}{other}")).run().unwrap_err().kind, FaultKind::Race(_)));
    let late = one(&format!("{copy}bar.sync 0;\n{wait}{other}")).race();
    assert_eq!(late, (Space::Shared, (0, 0, 1, Write), (0, 1, 4, Read)));
}

#[test]
fn traces() {
    let text = module_text(
        "",
        "mov.u32 %r0, %tid.x;\nld.param.u64 %rd60, [out];\nmul.wide.u32 %rd59, %r0, 4;\nadd.s64 %rd59, %rd59, %rd60;\nmov.u32 %r1, 2;\nA:\nadd.s32 %r1, %r1, -1;\n\
        setp.ne.u32 %p1, %r1, 0;\n@%p1 bra A;\nshfl.sync.idx.b32 %r2, %r0, 7, 31, -1;\n@%p1 mov.u32 %r3, 1;\nst.global.u32 [%rd59], %r2;\n",
    );
    let module = Module::parse(&text).unwrap();
    let mut memory = Memory::new(&module);
    let out = memory.alloc(256, Access::ReadWrite).unwrap();
    let kernel = module.kernel("test").unwrap();
    let params = kernel.pack(&[&[0; 8], &[0; 8], &[0; 8], &out.to_le_bytes()]).unwrap();
    let launch = Launch { grid: [2, 1, 1], block: [32, 1, 1], shared_len: 0, params: &params };
    let mut steps = Vec::new();
    let mut report = |step: Step<'_>| {
        assert_eq!((step.block, step.thread), ([1, 0, 0], [3, 0, 0]));
        let written = step.written.iter().map(|written| match written {
            Written::Register { name, value } => format!("{name}={value:#x}"),
            Written::Memory { space, address, len, value } => format!("{space}[{}]:{len}={value}", address - out),
        });
        steps.push((
            text.lines().nth(step.line as usize - 1).unwrap().to_string(),
            written.collect::<Vec<_>>().join(" "),
        ));
    };
    let watch = Watch { block: [1, 0, 0], thread: Some([3, 0, 0]) };
    Interpreter::new().trace(&mut memory, kernel, &launch, Limits::default(), watch, &mut report).unwrap();
    let found: Vec<&str> = steps.iter().map(|(_, written)| written.as_str()).collect();
    let (base, own) = (format!("%rd60={out:#x}"), format!("%rd59={:#x}", out + 12));
    let want = [
        "%r0=0x3",
        &base,
        "%rd59=0xc",
        &own,
        "%r1=0x2",
        "%r1=0x1",
        "%p1=0x1",
        "%r1=0x0",
        "%p1=0x0",
        "%r2=0x7",
        "global[12]:4=7",
    ];
    assert_eq!(found, want);
    assert!(steps[9].0.starts_with("shfl.sync"), "{steps:?}");
    let watch = Watch { block: [2, 0, 0], thread: None };
    let fault = Interpreter::new().trace(&mut memory, kernel, &launch, Limits::default(), watch, &mut |_| {});
    assert!(matches!(fault.unwrap_err().kind, FaultKind::Launch(_)));
}

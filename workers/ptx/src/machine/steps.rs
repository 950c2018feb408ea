//! A program, step by step through `tessera-ptx-core` with a memory made of single bytes, gives what the interpreter gives.

use alloc::collections::BTreeMap;

use tessera_ptx_core::{Next, Reach};

use super::threads::{Shape, Threads};
use super::{Interpreter, Launch, Limits};
use crate::address::{OFFSET_BITS, VARIABLES};
use crate::error::{FaultKind, Space};
use crate::ir::{End, Program};
use crate::memory::{Access, Memory};
use crate::module::Module;

const THREADS: u32 = 8;

/// Bytes by thread (0 where all threads share them), space and address. There are those that were put here.
#[derive(Default)]
struct Bytes {
    bytes: BTreeMap<(usize, u8, u64), u8>,
    thread: usize,
}

impl Bytes {
    fn fill(&mut self, thread: usize, space: Space, address: u64, bytes: &[u8]) {
        self.bytes.extend((address..).zip(bytes).map(|(at, byte)| ((thread, space as u8, at), *byte)));
    }

    fn key(&self, space: Space, address: u64) -> (usize, u8, u64) {
        (if space == Space::Local { self.thread } else { 0 }, space as u8, address)
    }
}

impl Reach for Bytes {
    fn get(&mut self, space: Space, address: u64, len: u32) -> Result<u64, FaultKind> {
        let byte = |i: u32| self.bytes.get(&self.key(space, address + u64::from(i)));
        let number = (0..len).rev().try_fold(0, |number, i| Some(number << 8 | u64::from(*byte(i)?)));
        number.ok_or(FaultKind::OutOfBounds { space, address, len })
    }

    fn put(&mut self, space: Space, address: u64, len: u32, value: u64) -> Result<(), FaultKind> {
        self.get(space, address, len)?;
        let thread = self.key(space, address).0;
        self.fill(thread, space, address, &value.to_le_bytes()[..len as usize]);
        Ok(())
    }

    fn copy_local(&mut self, to: u32, from: u32, len: u32) {
        let bytes: Vec<u8> = (from..from + len).map(|at| self.bytes[&self.key(Space::Local, at.into())]).collect();
        self.fill(self.thread, Space::Local, to.into(), &bytes);
    }
}

/// Gas, or the line and the fault of the first thread that stops.
type Done = Result<u64, (u32, FaultKind)>;

/// Runs the threads of a block, one step after the other.
fn walk(program: &Program, memory: &mut Bytes) -> Done {
    let shape = Shape { grid: [1; 3], threads: [THREADS, 1, 1], block: [0; 3] };
    let mut threads = Threads::new(program, THREADS as usize);
    for thread in 0..THREADS as usize {
        threads.enter(program, thread, &shape);
        memory.fill(thread, Space::Local, 0, &vec![0; program.local_len]);
    }
    memory.fill(0, Space::Shared, 0, &vec![0; program.shared_len]);
    let (mut gas, mut places) = (0, vec![Some(program.entry); THREADS as usize]);
    while places.iter().any(Option::is_some) {
        for (thread, place) in places.iter_mut().enumerate() {
            memory.thread = thread;
            while let Some(at) = *place {
                let block = &program.blocks[at as usize];
                gas += u64::from(block.gas);
                for op in &program.ops[block.ops.start as usize..block.ops.end as usize] {
                    if op.acts(threads.frame(thread)) {
                        op.act(threads.frame(thread), memory).map_err(|kind| (op.line, kind))?;
                    }
                }
                match block.end.follow(threads.frame(thread)).map_err(|kind| (block.line, kind))? {
                    Next::Block(next) => *place = Some(next),
                    Next::Exited => *place = None,
                    Next::Barrier => {
                        let End::Barrier { next, .. } = &block.end else { panic!("no barrier") };
                        *place = Some(*next);
                        break;
                    }
                    Next::Collective => panic!("the program has none"),
                }
            }
        }
    }
    Ok(gas)
}

/// A table, a function with an array, shared memory on both sides of a barrier, an atomic, floats, a division, vectors.
const BODY: &str = r"
.global .align 4 .b8 table[8] = {1, 200, 3, 4, 5, 6, 7, 8};
.func (.param .b32 result) turned(.param .align 4 .b8 values[12], .param .b32 at)
{
    .local .align 4 .b8 own[12];
    .reg .b32 %r<8>;
    .reg .b64 %rd<4>;
    ld.param.u32 %r1, [values];
    ld.param.u32 %r2, [values+4];
    ld.param.u32 %r3, [values+8];
    ld.param.u32 %r4, [at];
    st.local.u32 [own], %r3;
    st.local.u32 [own+4], %r1;
    st.local.u32 [own+8], %r2;
    mov.u64 %rd1, own;
    rem.u32 %r5, %r4, 3;
    mad.wide.u32 %rd2, %r5, 4, %rd1;
    ld.local.u32 %r6, [%rd2];
    st.param.b32 [result], %r6;
    ret;
}
.visible .entry walked(.param .u64 in, .param .u64 out, .param .u32 divisor)
{
    .shared .align 4 .b8 pool[64];
    .reg .pred %p<4>;
    .reg .b32 %r<32>;
    .reg .f32 %f<8>;
    .reg .f64 %fd<4>;
    .reg .b64 %rd<16>;
    ld.param.u64 %rd1, [in];
    ld.param.u64 %rd2, [out];
    ld.param.u32 %r1, [divisor];
    mov.u32 %r2, %tid.x;
    mul.wide.u32 %rd3, %r2, 16;
    add.s64 %rd4, %rd1, %rd3;
    add.s64 %rd5, %rd2, %rd3;
    ld.global.v4.u32 {%r3, %r4, %r5, %r6}, [%rd4];
    mov.u64 %rd6, table;
    cvt.u64.u32 %rd7, %r2;
    add.s64 %rd8, %rd6, %rd7;
    ld.global.s8 %r7, [%rd8];
    mov.u32 %r8, 0;
again:
    add.s32 %r7, %r7, %r3;
    xor.b32 %r3, %r3, %r7;
    add.s32 %r8, %r8, 1;
    setp.le.u32 %p1, %r8, %r2;
    @%p1 bra again;
    shl.b32 %r9, %r2, 2;
    mov.u32 %r10, pool;
    add.s32 %r11, %r10, %r9;
    st.shared.u32 [%r11], %r7;
    red.shared.max.s32 [%r10+60], %r7;
    bar.sync 0;
    xor.b32 %r12, %r9, 28;
    add.s32 %r13, %r10, %r12;
    ld.shared.u32 %r14, [%r13];
    ld.shared.u32 %r15, [pool+60];
    setp.gt.u32 %p2, %r2, 2;
    @%p2 add.s32 %r15, %r15, 77;
    {
        .param .align 4 .b8 values[12];
        .param .b32 at;
        .param .b32 result;
        st.param.b32 [values], %r14;
        st.param.b32 [values+4], %r15;
        st.param.b32 [values+8], %r4;
        st.param.b32 [at], %r2;
        call (result), turned, (values, at);
        ld.param.b32 %r16, [result];
    }
    cvt.rn.f32.u32 %f1, %r5;
    sqrt.rn.f32 %f2, %f1;
    fma.rn.f32 %f3, %f2, %f1, %f2;
    cvt.f64.f32 %fd1, %f3;
    sqrt.rn.f64 %fd2, %fd1;
    cvt.rni.s32.f64 %r17, %fd2;
    div.s32 %r18, %r6, %r1;
    mov.b32 %r19, %f3;
    red.global.add.u32 [%rd2+128], %r16;
    st.global.v4.u32 [%rd5], {%r16, %r17, %r18, %r19};
    ret;
}
";

/// What the interpreter and single steps leave in the buffer, and how they end.
fn both(divisor: u32) -> [(Vec<u8>, Done); 2] {
    const LEN: usize = 16 * THREADS as usize + 4;
    let module = Module::parse(&format!(".version 7.0\n.target sm_80\n.address_size 64\n{BODY}")).unwrap();
    let kernel = module.kernel("walked").unwrap();
    let input: Vec<u8> = (0..16 * THREADS).map(|i| (i * 37 + 11) as u8).collect();
    let mut memory = Memory::new(&module);
    let from = memory.alloc(input.len() as u64, Access::Read).unwrap();
    memory.write(from, &input).unwrap();
    let to = memory.alloc(LEN as u64, Access::ReadWrite).unwrap();
    let params = kernel.pack(&[&from.to_le_bytes(), &to.to_le_bytes(), &divisor.to_le_bytes()]).unwrap();

    let mut own = Bytes::default();
    own.fill(0, Space::Global, VARIABLES << OFFSET_BITS, module.image());
    own.fill(0, Space::Global, from, &input);
    own.fill(0, Space::Global, to, &[0; LEN]);
    own.fill(0, Space::Param, 0, &params);
    let walked = walk(kernel.program().unwrap(), &mut own);
    let bytes = (to..to + LEN as u64).map(|at| own.bytes[&own.key(Space::Global, at)]).collect();

    let launch = Launch { grid: [1; 3], block: [THREADS, 1, 1], shared_len: 0, params: &params };
    let launched = Interpreter::new().launch(&mut memory, kernel, &launch, Limits::default());
    let mut found = vec![0; LEN];
    memory.read(to, &mut found).unwrap();
    [(found, launched.map(|stats| stats.gas).map_err(|fault| (fault.line, fault.kind))), (bytes, walked)]
}

#[test]
fn steps_give_what_the_interpreter_gives() {
    let [interpreted, walked] = both(7);
    assert_eq!(interpreted, walked);
    assert!(walked.1.is_ok() && walked.0.chunks(4).all(|word| word != [0; 4]), "{walked:x?}");
}

#[test]
fn steps_stop_where_the_interpreter_stops() {
    let [interpreted, walked] = both(0);
    assert_eq!(interpreted, walked);
    assert!(matches!(walked.1, Err((_, FaultKind::DivisionByZero))), "{walked:x?}");
}

//! What random programs and tables of instructions are made of: one line for each family of instructions.
//!
//! A line is an opcode and its operands, separated by spaces. `{a,b}` stands for `a` or `b`, and every combination is a form
//! of its own. Several instructions that belong together are separated by `;`.
//!
//! | operand | meaning |
//! | --- | --- |
//! | `u32` | reads a value of that type: a register or a number |
//! | `@u32` | reads a register, never a number |
//! | `=u32` | writes a register |
//! | `t`, `t1`, `w` | the last type of the opcode, its first type, an integer twice as wide as the last |
//! | `b32*4`, `t*v` | a vector of registers: 4, or as many as `.v2` and `.v4` say |
//! | `=b32\|pred` | writes two registers |
//! | `t!0` | as `t`, never zero |
//! | `!pred` | a predicate, negated |
//! | `#255` | a number from 0 to 255 |
//! | `'17` | just this text |
//! | `[own]` | an address: see [`crate::pattern::Place`] |
//! | `members`, `source` | the mask of lanes that are here; lane and clamp of a shuffle among them |
//! | `barrier`, `threads` | number of a barrier; threads of the block in whole warps |
//!
//! In an opcode `~` is the last type of the line's first instruction.
//!
//! **To add an operation, add a line.** A test compares this list with the table of opcodes of `tessera-ptx`.

/// Where a family of instructions may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// Anywhere, lanes may go different ways.
    Anywhere,
    /// Where the lanes that are here are known.
    KnownLanes,
    /// Where all 32 lanes of every warp are.
    WholeWarps,
    /// Where all threads of the block are.
    WholeBlock,
}

/// The families.
pub const FAMILIES: &[(Where, &[&str])] = &[
    (Where::Anywhere, ARITHMETIC),
    (Where::Anywhere, BITS),
    (Where::Anywhere, COMPARISONS),
    (Where::Anywhere, MOVES),
    (Where::Anywhere, CONVERSIONS),
    (Where::Anywhere, MEMORY),
    (Where::Anywhere, ATOMICS),
    (Where::Anywhere, FENCES),
    (Where::KnownLanes, COLLECTIVES),
    (Where::WholeWarps, MATRICES),
    (Where::WholeBlock, BARRIERS),
];

const ARITHMETIC: &[&str] = &[
    "{add,sub,mul,div}.{rz,rm,rp}.{f32,f64} =t t t",
    "{add,sub,mul}.{rn,rz,rm,rp}.sat.f32 =t t t",
    "{mad,fma}.{rz,rm,rp}.{f32,f64} =t t t t",
    "fma.{rn,rz,rm,rp}.sat.f32 =t t t t",
    "{rcp,sqrt}.{rz,rm,rp}.{f32,f64} =t t",
    "{add,sub,mul}.rn{,.sat}.{f16,f16x2} =t t t",
    "fma.rn{,.sat,.relu}.{f16,f16x2} =t t t t",
    "fma.rn{,.relu}.{bf16,bf16x2} =t t t t",
    "{neg,abs}.{f16,f16x2,bf16,bf16x2} =t t",
    "{min,max}{,.NaN}.{f16,f16x2,bf16,bf16x2} =t t t",
    "{min,max}.NaN.f32 =t t t",
    "{add,sub}.{u16,s16,u32,s32,u64,s64} =t t t",
    "{add,sub}.rn.{f32,f64} =t t t",
    "add.cc.{u32,s32,u64,s64} =t t t; addc.cc.~ =t t t; addc.~ =t t t",
    "sub.cc.{u32,s32,u64,s64} =t t t; subc.cc.~ =t t t; subc.~ =t t t",
    "mad.lo.cc.{u32,s32,u64,s64} =t t t t; madc.lo.cc.~ =t t t t; madc.hi.~ =t t t t",
    "mad.hi.cc.{u32,s32,u64,s64} =t t t t; madc.hi.cc.~ =t t t t; addc.~ =t t t",
    "mul.{lo,hi}.{u16,s16,u32,s32,u64,s64} =t t t",
    "mul.wide.{u16,s16,u32,s32} =w t t",
    "mul.rn.{f32,f64} =t t t",
    "mad.lo.{u16,s16,u32,s32,u64,s64} =t t t t",
    "mad.hi.{u32,s32,u64,s64} =t t t t",
    "mad.wide.{u16,s16,u32,s32} =w t t w",
    "{mad,fma}.rn.{f32,f64} =t t t t",
    "mad.hi.sat.s32 =t t t t",
    "mul24.{lo,hi}.{u32,s32} =t t t",
    "mad24.{lo,hi}.{u32,s32} =t t t t",
    "mad24.hi.sat.s32 =t t t t",
    "{div,rem}.{u16,s16,u32,s32,u64,s64} =t t t!0",
    "div.rn.{f32,f64} =t t t",
    "{rcp,sqrt}.rn.{f32,f64} =t t",
    "{neg,abs}.{s16,s32,s64,f32,f64} =t t",
    "copysign.{f32,f64} =t t t",
    "{min,max}.{u16,s16,u32,s32,u64,s64,f32,f64} =t t t",
    "sad.{u16,s16,u32,s32,u64,s64} =t t t t",
    "dp4a.{u32,s32}.{u32,s32} =b32 t1 t b32",
    "dp2a.{lo,hi}.{u32,s32}.{u32,s32} =b32 t1 t b32",
];

const BITS: &[&str] = &[
    "bmsk.{clamp,wrap}.b32 =t u32 u32",
    "szext.{clamp,wrap}.{u32,s32} =t t u32",
    "fns.b32 =b32 b32 #31 s32",
    "{and,or,xor}.{b16,b32,b64,pred} =t t t",
    "not.{b16,b32,b64,pred} =t t",
    "cnot.{b16,b32,b64} =t t",
    "shl.{b16,b32,b64} =t t u32",
    "shr.{b16,b32,b64,u16,u32,u64,s16,s32,s64} =t t u32",
    "shf.{l,r}.{wrap,clamp}.b32 =t t t u32",
    "{popc,clz}.{b32,b64} =u32 t",
    "brev.{b32,b64} =t t",
    "bfind{,.shiftamt}.{u32,s32,u64,s64} =u32 t",
    "bfe.{u32,s32,u64,s64} =t t @u32 @u32",
    "bfi.{b32,b64} =t t t @u32 @u32",
    "prmt.b32 =t t t u32",
    "prmt.b32.{f4e,b4e,rc8,ecl,ecr,rc16} =t t t u32",
    "lop3.b32 =t t t t #255",
    "lop3.{and,or}.b32 =t|pred t t t #255 {,!}pred",
];

const COMPARISONS: &[&str] = &[
    "setp.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}.f16 =pred t t",
    "setp.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}.f16x2 =pred|pred t t",
    "set.{eq,ne}.{u32,s32,f32}.{b16,b32,b64} =t1 t t",
    "set.{eq,ne,lt,le,gt,ge}.{u32,s32,f32}.{u16,s16,u32,s32,u64,s64} =t1 t t",
    "set.{lo,ls,hi,hs}.{u32,f32}.{u16,u32,u64} =t1 t t",
    "set.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}.{u32,s32,f32}.{f32,f64} =t1 t t",
    "set.{lt,geu}.{and,or,xor}.{u32,f32}.f64 =t1 t t {,!}pred",
    "set.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}.{u16,s16,u32,s32,f16}.f16 =t1 t t",
    "set.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}.{u32,s32,f16x2}.f16x2 =t1 t t",
    "set.{lt,geu}.{and,or,xor}.{f16,u16}.f16 =t1 t t {,!}pred",
    "set.{lt,geu}.{and,or,xor}.{f16x2,u32}.f16x2 =t1 t t {,!}pred",
    "set.{eq,lt,ge}.f16.{u16,s16,u32,s32,u64,s64,f32,f64} =t1 t t",
    "setp.{eq,ne}.{b16,b32,b64} =pred{,|pred} t t",
    "setp.{eq,ne,lt,le,gt,ge}.{u16,s16,u32,s32,u64,s64} =pred{,|pred} t t",
    "setp.{lo,ls,hi,hs}.{u16,u32,u64} =pred{,|pred} t t",
    "setp.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}.{f32,f64} =pred{,|pred} t t",
    "setp.{lt,ge,ne}.{and,or,xor}.{u16,s16,u32,s32,u64,s64,f32,f64} =pred{,|pred} t t {,!}pred",
    "testp.{finite,infinite,number,notanumber,normal,subnormal}.{f32,f64} =pred t",
    "selp.{b16,b32,b64,u16,u32,u64,s16,s32,s64,f32,f64} =t t t pred",
    "slct.{b16,b32,b64,u16,u32,u64,s16,s32,s64,f32,f64}.{s32,f32} =t1 t1 t1 t",
];

const MOVES: &[&str] = &[
    "mov.u32 =u32 {%lanemask_eq,%lanemask_le,%lanemask_lt,%lanemask_ge,%lanemask_gt}",
    "mov.{b16,b32,b64,u16,u32,u64,s16,s32,s64,f32,f64,pred} =t t",
    "mov.u32 =u32 {%tid,%ntid,%ctaid,%nctaid}.{x,y,z}",
    "mov.u32 =u32 %laneid",
    "mov.b32 =b32 b16*2",
    "mov.b32 =b16*2 b32",
    "mov.b64 =b64 b32*2",
    "mov.b64 =b32*2 b64",
    "mov.b64 =b64 b16*4",
    "mov.b64 =b16*4 b64",
];

const CONVERSIONS: &[&str] = &[
    "cvt.{rz,rm,rp}.{f32,f64}.{u8,u16,u32,u64,s8,s16,s32,s64} =t1 t",
    "cvt.{rn,rz,rm,rp}.f16.{u8,u16,u32,u64,s8,s16,s32,s64} =t1 t",
    "cvt.{rz,rm,rp}{,.sat}.f32.f64 =t1 t",
    "cvt.{rn,rz,rm,rp}.f16.{f32,f64} =t1 t",
    "cvt.{rn,rz}.relu.{f16.f32,bf16.f32} =t1 t",
    "cvt.{rn,rz}.bf16.f32 =t1 t",
    "cvt.{f32,f64}.f16 =t1 t",
    "cvt.f32.bf16 =t1 t",
    "cvt.{rni,rzi,rmi,rpi}.f16.f16 =t1 t",
    "cvt.{rni,rzi,rmi,rpi}.{u8,u16,u32,u64,s8,s16,s32,s64}.f16 =t1 t",
    "cvt.{rn,rz}{,.relu}.{f16x2,bf16x2}.f32 =t1 t t",
    "cvt.{u8,u16,u32,u64,s8,s16,s32,s64}.{u8,u16,u32,u64,s8,s16,s32,s64} =t1 t",
    // Only where the source may lie outside the range of the target.
    "cvt.sat.u8.{u16,u32,s8,s16,s32} =t1 t",
    "cvt.sat.u16.{u32,s8,s16,s32} =t1 t",
    "cvt.sat.u32.{s8,s16,s32} =t1 t",
    "cvt.sat.s8.{u8,u16,u32,s16,s32} =t1 t",
    "cvt.sat.s16.{u16,u32,s32} =t1 t",
    "cvt.sat.s32.u32 =t1 t",
    "cvt.rn.{f32,f64}.{u8,u16,u32,u64,s8,s16,s32,s64} =t1 t",
    "cvt.{rni,rzi,rmi,rpi}.{u8,u16,u32,u64,s8,s16,s32,s64}.{f32,f64} =t1 t",
    "cvt.{rni,rzi,rmi,rpi}{,.sat}.{f32.f32,f64.f64} =t1 t",
    "cvt.rn{,.sat}.f32.f64 =t1 t",
    "cvt{,.sat}.f64.f32 =t1 t",
    "cvt.sat.{f32.f32,f64.f64} =t1 t",
];

const MEMORY: &[&str] = &[
    "cp.async.ca.{shared,shared::cta}.global [shared] [in] {'4,'8,'16}; cp.async.commit_group; cp.async.wait_group '0",
    "cp.async.cg.{shared,shared::cta}.global [shared] [in] '16; cp.async.wait_all",
    "cp.async.ca.shared.global [shared] [in] {'4 #4,'8 #8,'16 #16}; cp.async.wait_all",
    "cp.async.cg.shared.global [shared] [in] '16 #16; cp.async.wait_all",
    "prefetchu.L1 [generic]",
    "ld{,.weak}.global{,.v2,.v4}.{b8,u8,s8,b16,u16,s16,b32,u32,s32,f32} =t*v [in]",
    "ld{,.weak}.global{,.v2}.{b64,u64,s64,f64} =t*v [in]",
    "ld.global{.nc,.ca,.cg,.cs,.lu,.cv}{,.v2}.{u8,s16,b32,f64} =t*v [in]",
    "ldu.global{,.v2,.v4}.{b8,u8,s8,b16,u16,s16,b32,u32,s32,f32} =t*v [in]",
    "ldu.global{,.v2}.{b64,u64,s64,f64} =t*v [in]",
    "{ld,st}.global{,.v2,.v4}.{b8,u8,s8,b16,u16,s16,b32,u32,s32,f32} {=t*v [own],[own] t*v}",
    "{ld,st}.{volatile,relaxed.cta,relaxed.gpu,relaxed.sys}.{global,shared}{,.v2}.{u8,s16,b32,f64} {=t*v [space],[space] t*v}",
    "ld.{shared,shared::cta}{,.v2,.v4}.{b8,u8,s8,b16,u16,s16,b32,u32,s32,f32} =t*v [shared]",
    "ld.local{,.v2,.v4}.{b8,u8,s8,b16,u16,s16,b32,u32,s32,f32} =t*v [local]",
    "ld.{shared,local}{,.v2}.{b64,u64,s64,f64} =t*v [space]",
    "ld.global{,.v2}.{b64,u64,s64,f64} =t*v [own]",
    "ld{,.v2,.v4}.{b8,u8,s8,b16,u16,s16,b32,u32,s32,f32} =t*v [generic]",
    "ld{,.v2}.{b64,u64,s64,f64} =t*v [generic]",
    "st{,.weak}.global{,.v2}.{b64,u64,s64,f64} [own] t*v",
    "st.global{.wb,.cg,.cs,.wt}.{u8,s16,b32,f64} [own] t",
    "st.{shared,shared::cta}{,.v2,.v4}.{b8,u8,s8,b16,u16,s16,b32,u32,s32,f32} [shared] t*v",
    "st.local{,.v2,.v4}.{b8,u8,s8,b16,u16,s16,b32,u32,s32,f32} [local] t*v",
    "st.{shared,local}{,.v2}.{b64,u64,s64,f64} [space] t*v",
    "st{,.v2,.v4}.{b8,u8,s8,b16,u16,s16,b32,u32,s32,f32} [generic] t*v",
    "st{,.v2}.{b64,u64,s64,f64} [generic] t*v",
    "ld.const{,.v2,.v4}.{b8,u8,s8,b16,u16,s16,b32,u32,s32,f32} =t*v [const]",
    "ld.const{,.v2}.{b64,u64,s64,f64} =t*v [const]",
    "ld.global{,.v2}.{u8,s16,b32,u64} =t*v [variable]",
    "ld.{param,param::entry}{,.v2}.{b8,u8,s8,b16,u16,s16,b32,u32,s32,f32,b64,u64,s64,f64} =t*v [param]",
    "prefetch.{global,local}.{L1,L2} [space]",
    // Lines of 128 bytes.
    "applypriority.global.L2::evict_normal '[%in+128] '128",
];

const ATOMICS: &[&str] = &[
    "red.{global,shared}.add.{u32,s32,u64} [tally] t",
    "red.{global,shared}.{min,max}.{u32,s32,u64,s64} [tally] t",
    "red.{global,shared,shared::cta}.{and,or,xor}.{b32,b64} [tally] t",
    "red.{global,shared}.{inc,dec}.u32 [tally] '17",
    "red.relaxed.{gpu,sys}.global.add.u32 [tally] t",
    "red.relaxed.cta.shared.add.u64 [tally] t",
    "atom.{global,shared}.add.{u32,s32,u64} '_ [tally] t",
    "atom.{global,shared}.{min,max}.{u32,s32,u64,s64} '_ [tally] t",
    "atom.{global,shared,shared::cta}.{and,or,xor}.{b32,b64} '_ [tally] t",
    "atom.{global,shared}.{inc,dec}.u32 '_ [tally] '17",
    "atom.relaxed.{gpu,sys}.global.add.u32 '_ [tally] t",
    "atom.relaxed.cta.shared.add.u64 '_ [tally] t",
    // Not in the profile, because of the order of threads; here every thread has a cell to itself.
    "atom.{global,shared}.exch.{b32,b64} =t [space] t",
    "atom.{global,shared}.cas.{b32,b64} =t [space] t t",
    "atom.{global,shared}.add.{u32,s32,u64} =t [space] t",
    "atom.{global,shared}.{min,max}.{u32,s32,u64,s64} =t [space] t",
];

const FENCES: &[&str] = &[
    "nanosleep.u32 #255",
    "fence.{acq_rel,sc}.{cta,gpu,sys}",
    "membar.{cta,gl,sys}",
    "pmevent #15",
    "pmevent.mask #255",
];

const COLLECTIVES: &[&str] = &[
    "shfl.sync.{up,down,bfly,idx}.b32 =b32{,|pred} b32 source members",
    "vote.sync.{all,any,uni}.pred =pred {,!}pred members",
    "vote.sync.ballot.b32 =b32 {,!}pred members",
    "match.any.sync.{b32,b64} =b32 t members",
    "match.all.sync.{b32,b64} =b32{,|pred} t members",
    "redux.sync.{add,min,max}.{u32,s32} =t t members",
    "redux.sync.{and,or,xor}.b32 =t t members",
    "bar.warp.sync members",
];

const MATRICES: &[&str] = &[
    "ldmatrix.sync.aligned.m8n8.x1{,.trans}.{shared,shared::cta}.b16 =b32*1 [shared]",
    "ldmatrix.sync.aligned.m8n8.x2{,.trans}.{shared,shared::cta}.b16 =b32*2 [shared]",
    "ldmatrix.sync.aligned.m8n8.x4{,.trans}.{shared,shared::cta}.b16 =b32*4 [shared]",
    "mma.sync.aligned.m8n8k16.row.col{,.satfinite}.s32.{s8,u8}.{s8,u8}.s32 =b32*2 b32*1 b32*1 b32*2",
    "mma.sync.aligned.m16n8k16.row.col.satfinite.s32.{s8,u8}.{s8,u8}.s32 =b32*4 b32*2 b32*1 b32*4",
    "mma.sync.aligned.m16n8k32.row.col.satfinite.s32.{s8,u8}.{s8,u8}.s32 =b32*4 b32*4 b32*2 b32*4",
    "mma.sync.aligned.m8n8k32.row.col{,.satfinite}.s32.{s4,u4}.{s4,u4}.s32 =b32*2 b32*1 b32*1 b32*2",
    "mma.sync.aligned.m16n8k32.row.col{,.satfinite}.s32.{s4,u4}.{s4,u4}.s32 =b32*4 b32*2 b32*1 b32*4",
    "mma.sync.aligned.m16n8k64.row.col{,.satfinite}.s32.{s4,u4}.{s4,u4}.s32 =b32*4 b32*4 b32*2 b32*4",
    "mma.sync.aligned.m8n8k128.row.col.s32.b1.b1.s32.{xor,and}.popc =b32*2 b32*1 b32*1 b32*2",
    "mma.sync.aligned.m16n8k128.row.col.s32.b1.b1.s32.{xor,and}.popc =b32*4 b32*2 b32*1 b32*4",
    "mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.{xor,and}.popc =b32*4 b32*4 b32*2 b32*4",
    "mma.sync.aligned.m16n8k16.row.col.s32.{s8,u8}.{s8,u8}.s32 =b32*4 b32*2 b32*1 b32*4",
    "mma.sync.aligned.m16n8k32.row.col.s32.{s8,u8}.{s8,u8}.s32 =b32*4 b32*4 b32*2 b32*4",
];

const BARRIERS: &[&str] = &[
    "{bar,bar.cta,barrier,barrier.cta}.red.popc.u32 =u32 barrier {,!}pred",
    "{bar,bar.cta,barrier,barrier.cta}.red.{and,or}.pred =pred barrier {,!}pred",
    "bar.red.popc.u32 =u32 barrier threads {,!}pred",
    "barrier{,.cta}.red.{and,or}.aligned.pred =pred barrier threads {,!}pred",
    "bar{,.cta}.sync barrier",
    "bar{,.cta}.sync barrier threads",
    "barrier{,.cta}.sync{,.aligned} barrier",
    "barrier{,.cta}.sync{,.aligned} barrier threads",
];

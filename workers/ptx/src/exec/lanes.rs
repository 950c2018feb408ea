//! The state of a warp and how one operation runs over its 32 lanes.
//!
//! A register is an array of 32 values, one for each lane, so an operation is a loop that the compiler turns into
//! vector instructions. Every operation exists for the plain target and, on x86-64, for AVX2 with FMA; both give the
//! same bits.

use super::env::Env;
use crate::error::FaultKind;

/// Lanes of a warp.
pub(crate) const LANES: usize = 32;
/// The mask of all lanes.
pub(crate) const ALL: u32 = u32::MAX;

#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Word(pub [u32; LANES]);

#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Long(pub [u64; LANES]);

/// What the threads of one warp own.
#[derive(Default)]
pub(crate) struct Registers {
    /// Registers of at most 32 bits; shorter ones are zero-extended.
    pub words: Vec<Word>,
    /// Registers of 64 bits.
    pub longs: Vec<Long>,
    /// Predicates: one bit for each lane.
    pub masks: Vec<u32>,
    /// Local memory: `Env::local_len` bytes for each lane.
    pub local: Vec<u8>,
}

/// A fault, before the launch adds where it was.
#[derive(Clone, Debug)]
pub(crate) struct LaneFault {
    pub lane: Option<u32>,
    pub line: u32,
    pub kind: FaultKind,
}

/// What an operation can reach.
pub(crate) struct Context<'a> {
    pub registers: Registers,
    pub shared: Vec<u8>,
    pub env: &'a Env<'a>,
    pub fault: Option<LaneFault>,
}

impl Context<'_> {
    /// Records a fault; the first one stays.
    #[cold]
    pub fn fail(&mut self, op: &Op, lane: u32, kind: FaultKind) {
        self.fault.get_or_insert(LaneFault { lane: Some(lane), line: op.line, kind });
    }
}

/// Runs one operation for the lanes of a mask.
///
/// Unsafe to call only because some of these functions need CPU features: lowering picks those that the machine has.
pub(crate) type Run = unsafe fn(&mut Context<'_>, &Op, u32);

/// No guard.
pub(crate) const NO_GUARD: u32 = u32::MAX;

/// One lowered operation.
#[derive(Clone)]
pub(crate) struct Op {
    /// For a warp whose living lanes are all active.
    pub full: Run,
    /// For any mask.
    pub masked: Run,
    /// Slot of a predicate times two, plus one where it is negated; or [`NO_GUARD`].
    pub guard: u32,
    pub line: u32,
    /// Slots: destination, then sources. Memory operations: up to 4 data slots, then the address.
    pub r: [u32; 5],
    /// Elements of a vector access, or a small parameter.
    pub n: u32,
    /// An immediate: address offset, truth table.
    pub imm: u64,
}

/// Which vector instructions to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vectors {
    /// The best that this machine has.
    #[default]
    Detect,
    /// Only what every machine of this architecture has.
    Portable,
}

impl Vectors {
    /// Whether the AVX2 variants may run.
    pub(crate) fn wide(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            self == Self::Detect
                && is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt")
                && is_x86_feature_detected!("popcnt")
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            false
        }
    }
}

/// A value of one lane that operations read.
pub(crate) trait Source: Copy {
    type View<'a>;
    fn view(registers: &Registers, slot: u32) -> Self::View<'_>;
    fn get(view: &Self::View<'_>, lane: usize) -> Self;
}

impl Source for u32 {
    type View<'a> = &'a [u32; LANES];
    #[inline(always)]
    fn view(registers: &Registers, slot: u32) -> Self::View<'_> {
        &registers.words[slot as usize].0
    }
    #[inline(always)]
    fn get(view: &Self::View<'_>, lane: usize) -> Self {
        view[lane]
    }
}

impl Source for u64 {
    type View<'a> = &'a [u64; LANES];
    #[inline(always)]
    fn view(registers: &Registers, slot: u32) -> Self::View<'_> {
        &registers.longs[slot as usize].0
    }
    #[inline(always)]
    fn get(view: &Self::View<'_>, lane: usize) -> Self {
        view[lane]
    }
}

impl Source for bool {
    type View<'a> = u32;
    #[inline(always)]
    fn view(registers: &Registers, slot: u32) -> u32 {
        registers.masks[slot as usize]
    }
    #[inline(always)]
    fn get(view: &u32, lane: usize) -> bool {
        view >> lane & 1 != 0
    }
}

impl Source for () {
    type View<'a> = ();
    #[inline(always)]
    fn view(_: &Registers, _: u32) {}
    #[inline(always)]
    fn get((): &(), _: usize) {}
}

/// A value of one lane that operations write.
pub(crate) trait Target: Copy {
    type Lanes;
    const ZERO: Self::Lanes;
    fn put(lanes: &mut Self::Lanes, lane: usize, value: Self);
    fn commit<const FULL: bool>(registers: &mut Registers, slot: u32, lanes: &Self::Lanes, mask: u32);
}

impl Target for u32 {
    type Lanes = [u32; LANES];
    const ZERO: Self::Lanes = [0; LANES];
    #[inline(always)]
    fn put(lanes: &mut Self::Lanes, lane: usize, value: Self) {
        lanes[lane] = value;
    }
    #[inline(always)]
    fn commit<const FULL: bool>(registers: &mut Registers, slot: u32, lanes: &Self::Lanes, mask: u32) {
        let target = &mut registers.words[slot as usize].0;
        for lane in 0..LANES {
            target[lane] = if FULL || mask >> lane & 1 != 0 { lanes[lane] } else { target[lane] };
        }
    }
}

impl Target for u64 {
    type Lanes = [u64; LANES];
    const ZERO: Self::Lanes = [0; LANES];
    #[inline(always)]
    fn put(lanes: &mut Self::Lanes, lane: usize, value: Self) {
        lanes[lane] = value;
    }
    #[inline(always)]
    fn commit<const FULL: bool>(registers: &mut Registers, slot: u32, lanes: &Self::Lanes, mask: u32) {
        let target = &mut registers.longs[slot as usize].0;
        for lane in 0..LANES {
            target[lane] = if FULL || mask >> lane & 1 != 0 { lanes[lane] } else { target[lane] };
        }
    }
}

impl Target for bool {
    type Lanes = u32;
    const ZERO: u32 = 0;
    #[inline(always)]
    fn put(lanes: &mut u32, lane: usize, value: Self) {
        *lanes |= u32::from(value) << lane;
    }
    #[inline(always)]
    fn commit<const FULL: bool>(registers: &mut Registers, slot: u32, lanes: &u32, mask: u32) {
        let target = &mut registers.masks[slot as usize];
        *target = if FULL { *lanes } else { (*target & !mask) | (lanes & mask) };
    }
}

/// An operation on the values of one lane.
pub(crate) trait Lanewise: 'static {
    type A: Source;
    type B: Source;
    type C: Source;
    type D: Target;
    fn lane(a: Self::A, b: Self::B, c: Self::C, imm: u32) -> Self::D;
}

#[inline(always)]
fn body<O: Lanewise, const FULL: bool>(context: &mut Context<'_>, op: &Op, mask: u32) {
    let mut lanes = O::D::ZERO;
    {
        let registers = &context.registers;
        let a = O::A::view(registers, op.r[1]);
        let b = O::B::view(registers, op.r[2]);
        let c = O::C::view(registers, op.r[3]);
        let imm = op.imm as u32;
        for lane in 0..LANES {
            O::D::put(&mut lanes, lane, O::lane(O::A::get(&a, lane), O::B::get(&b, lane), O::C::get(&c, lane), imm));
        }
    }
    O::D::commit::<FULL>(&mut context.registers, op.r[0], &lanes, mask);
}

fn full<O: Lanewise>(context: &mut Context<'_>, op: &Op, mask: u32) {
    body::<O, true>(context, op, mask);
}

fn masked<O: Lanewise>(context: &mut Context<'_>, op: &Op, mask: u32) {
    body::<O, false>(context, op, mask);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,bmi2,lzcnt,popcnt")]
fn full_wide<O: Lanewise>(context: &mut Context<'_>, op: &Op, mask: u32) {
    body::<O, true>(context, op, mask);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,bmi2,lzcnt,popcnt")]
fn masked_wide<O: Lanewise>(context: &mut Context<'_>, op: &Op, mask: u32) {
    body::<O, false>(context, op, mask);
}

/// The functions for an operation: with all lanes active, and with any mask.
pub(crate) fn pick<O: Lanewise>(wide: bool) -> (Run, Run) {
    #[cfg(target_arch = "x86_64")]
    if wide {
        return (full_wide::<O>, masked_wide::<O>);
    }
    let _ = wide;
    (full::<O>, masked::<O>)
}

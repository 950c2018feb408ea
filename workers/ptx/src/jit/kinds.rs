//! What is known of slots for the whole program: in which registers they live, whether they may hold any NaN, from which
//! buffer an address counts, by which power of two a number can be divided.

use cranelift_codegen::ir::Type;
use cranelift_codegen::ir::types::{F32, F64, I8, I32, I64};

use super::prepare::Prepared;
use super::slots::{self, Use};
use crate::ir::{Class, End, Program, Slot, Special, What};
use crate::scalar::{Kind, Scalar};

/// Log2 of the largest access: more is not asked of an alignment.
pub(super) const MOST_ALIGN: u8 = 4;

/// Where addresses come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Root {
    /// The parameter at this offset.
    Param(u32),
    /// The variables of the module.
    Variables,
}

/// What is known of a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Type of the values that hold it.
    pub ty: Type,
    pub constant: Option<u64>,
    pub special: Option<Special>,
    /// Any NaN in it stands for the canonical one.
    pub loose: bool,
    /// Number of the root from whose buffer's start it counts.
    pub root: Option<usize>,
    /// Log2 of a power of two that divides it.
    pub align: u8,
}

/// What is known of all slots.
#[derive(Debug)]
pub(super) struct Kinds {
    pub slots: Vec<Known>,
    pub roots: Vec<Root>,
}

impl Kinds {
    pub fn new(prepared: &Prepared, params_len: usize) -> Self {
        let program = &prepared.program;
        let blank = Known { ty: I32, constant: None, special: None, loose: false, root: None, align: 0 };
        let mut kinds = Self { slots: vec![blank; program.slots.len()], roots: Vec::new() };
        for (slot, value) in &program.constants {
            kinds.slots[*slot as usize].constant = Some(*value);
        }
        for (special, slot) in &program.specials {
            kinds.slots[*slot as usize].special = Some(*special);
        }
        kinds.types(program);
        kinds.loose(program);
        kinds.find_roots(program, params_len);
        kinds.find_alignments(program);
        kinds
    }

    pub fn of(&self, slot: Slot) -> &Known {
        &self.slots[slot as usize]
    }

    /// Slots live in registers for floats where most of what touches them computes with floats.
    fn types(&mut self, program: &Program) {
        let mut votes = vec![0i32; self.slots.len()];
        let mut copies = Vec::new();
        for op in &program.ops {
            match &op.what {
                What::Scalar { f: Scalar::Mov32 | Scalar::Mov64, d, s, .. } => copies.push((*d, s[0])),
                What::Scalar { f: Scalar::Select32 | Scalar::Select64, d, s, .. } => {
                    copies.extend([(*d, s[0]), (*d, s[1])]);
                }
                What::Scalar { f, d, s, .. } => {
                    let vote = |kind| if matches!(kind, Kind::Single | Kind::Double) { 1 } else { -1 };
                    for (slot, kind) in s.iter().zip(f.operands()) {
                        votes[*slot as usize] += vote(*kind);
                    }
                    votes[*d as usize] += vote(f.result());
                }
                What::Load(transfer) | What::Store(transfer) => {
                    votes[transfer.at.base as usize] -= 1;
                    for slot in transfer.data.iter().take(transfer.count.into()).filter(|_| transfer.size < 4) {
                        votes[*slot as usize] -= 1;
                    }
                }
                what => slots::of(what, |slot, _| votes[slot as usize] -= 1),
            }
        }
        for block in &program.blocks {
            slots::of_end(&block.end, |slot, _| {
                votes[slot as usize] -= i32::from(!matches!(block.end, End::Collective { .. }))
            });
        }
        // What only moves goes where it comes from or goes to.
        for _ in 0..3 {
            for (a, b) in &copies {
                for (a, b) in [(*a as usize, *b as usize), (*b as usize, *a as usize)] {
                    if votes[a] == 0 && self.slots[b].constant.is_none() {
                        votes[a] = votes[b].signum();
                    }
                }
            }
        }
        for ((known, class), votes) in self.slots.iter_mut().zip(&program.slots).zip(votes) {
            let float = votes > 0 && known.constant.is_none() && known.special.is_none();
            known.ty = match (class, float) {
                (Class::Word, false) => I32,
                (Class::Word, true) => F32,
                (Class::Long, false) => I64,
                (Class::Long, true) => F64,
                (Class::Mask, _) => I8,
            };
        }
    }

    fn loose(&mut self, program: &Program) {
        for known in &mut self.slots {
            known.loose = known.ty.is_float();
        }
        let mut changed = true;
        while changed {
            changed = false;
            let mut strict = |kinds: &mut Self, slot: Slot| {
                changed |= std::mem::take(&mut kinds.slots[slot as usize].loose);
            };
            for op in &program.ops {
                match &op.what {
                    What::Scalar { f: Scalar::Mov32 | Scalar::Mov64, d, s, .. } => {
                        if !self.is_loose(s[0]) {
                            strict(self, *d);
                        }
                    }
                    What::Scalar { f: Scalar::Select32 | Scalar::Select64, d, s, .. } => {
                        if !self.is_loose(s[0]) || !self.is_loose(s[1]) {
                            strict(self, *d);
                        }
                    }
                    What::Scalar { f, d, .. } if gives_canonical_nan(*f) => debug_assert!(self.of(*d).ty.bits() >= 32),
                    what => slots::of(what, |slot, how| {
                        if how == Use::Write {
                            strict(self, slot)
                        }
                    }),
                }
            }
            for block in &program.blocks {
                slots::of_end(&block.end, |slot, how| {
                    if how == Use::Write {
                        strict(self, slot)
                    }
                });
            }
        }
    }

    /// Whether a NaN in a slot can only be the canonical one.
    fn is_loose(&self, slot: Slot) -> bool {
        let known = self.of(slot);
        match known.constant {
            // A NaN among constants is rare enough.
            Some(bits) => !f32::from_bits(bits as u32).is_nan() && !f64::from_bits(bits).is_nan(),
            None => known.loose,
        }
    }
}

/// Whether it gives a float that, where it is a NaN, is the canonical one; only for operations whose machine code may
/// give another instead.
fn gives_canonical_nan(f: Scalar) -> bool {
    use Scalar as S;
    matches!(
        f,
        S::AddF32
            | S::SubF32
            | S::MulF32
            | S::FmaF32
            | S::DivF32
            | S::RcpF32
            | S::SqrtF32
            | S::NegF32
            | S::AbsF32
            | S::MinF32
            | S::MaxF32
            | S::NearestF32
            | S::TruncF32
            | S::FloorF32
            | S::CeilF32
            | S::SaturateF32
            | S::F32FromU32
            | S::F32FromS32
            | S::F32FromU64
            | S::F32FromS64
            | S::F32FromF64
            | S::AddF64
            | S::SubF64
            | S::MulF64
            | S::FmaF64
            | S::DivF64
            | S::RcpF64
            | S::SqrtF64
            | S::NegF64
            | S::AbsF64
            | S::MinF64
            | S::MaxF64
            | S::NearestF64
            | S::TruncF64
            | S::FloorF64
            | S::CeilF64
            | S::SaturateF64
            | S::F64FromU32
            | S::F64FromS32
            | S::F64FromU64
            | S::F64FromS64
            | S::F64FromF32
    )
}

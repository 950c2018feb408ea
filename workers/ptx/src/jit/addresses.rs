//! Addresses: which count from a parameter or from the module's variables, and how they are aligned.

use cranelift_codegen::ir::types::I64;

use super::kinds::{Kinds, MOST_ALIGN, Root};
use super::slots::{self, Use};
use crate::address::{OFFSET_BITS, VARIABLES};
use crate::ir::{Class, Place, Program, Slot, Transfer, Via, What};
use crate::scalar::Scalar;

impl Kinds {
    /// Finds the addresses that count from a parameter or from the module's variables.
    pub fn find_roots(&mut self, program: &Program, params_len: usize) {
        #[derive(Clone, Copy, PartialEq)]
        enum From {
            Nothing,
            One(Root),
            Many,
        }
        let mut from = vec![From::Nothing; self.slots.len()];
        for (known, from) in self.slots.iter().zip(&mut from) {
            *from = match known.constant {
                Some(value) if value >> OFFSET_BITS == VARIABLES => From::One(Root::Variables),
                Some(_) => From::Many,
                None if known.special.is_some() || known.ty != I64 => From::Many,
                None => From::Nothing,
            };
        }
        let join = |a: From, b: From| match (a, b) {
            (From::Nothing, other) | (other, From::Nothing) => other,
            (a, b) if a == b => a,
            _ => From::Many,
        };
        let mut changed = true;
        while changed {
            changed = false;
            let mut define = |from: &mut Vec<From>, slot: Slot, new: From| {
                let new = join(from[slot as usize], new);
                changed |= new != from[slot as usize];
                from[slot as usize] = new;
            };
            for op in &program.ops {
                match &op.what {
                    What::Scalar { f, d, s, .. } if self.of(*d).ty == I64 => {
                        let of = |i: usize| from[s[i] as usize];
                        let new = match f {
                            Scalar::Mov64 => of(0),
                            Scalar::Select64 => join(of(0), of(1)),
                            Scalar::Add64 => match (of(0), of(1)) {
                                (From::One(Root::Variables), From::One(root)) | (From::One(root), _) => From::One(root),
                                (_, From::One(root)) => From::One(root),
                                (From::Nothing, _) | (_, From::Nothing) => From::Nothing,
                                _ => From::Many,
                            },
                            Scalar::Sub64 if matches!(of(1), From::One(_)) => From::Many,
                            Scalar::Sub64 => of(0),
                            Scalar::MadWideU32 | Scalar::MadWideS32 | Scalar::Mad64 => of(2),
                            _ => From::Many,
                        };
                        define(&mut from, *d, new);
                    }
                    What::Load(transfer) => {
                        for (i, slot) in transfer.data.iter().take(transfer.count.into()).enumerate() {
                            let new = match self.param(transfer, i, params_len) {
                                Some(at) if transfer.size == 8 => From::One(Root::Param(at)),
                                _ => From::Many,
                            };
                            define(&mut from, *slot, new);
                        }
                    }
                    what => slots::of(what, |slot, how| {
                        if how == Use::Write {
                            define(&mut from, slot, From::Many)
                        }
                    }),
                }
            }
            for block in &program.blocks {
                slots::of_end(&block.end, |slot, how| {
                    if how == Use::Write {
                        define(&mut from, slot, From::Many)
                    }
                });
            }
        }
        // Of these, only what ends in an address is worth it.
        let root = |slot: Slot| match from[slot as usize] {
            From::One(root) => Some(root),
            _ => None,
        };
        let mut wanted = vec![false; self.slots.len()];
        let mut changed = true;
        while changed {
            changed = false;
            let mut want = |wanted: &mut Vec<bool>, slot: Slot| {
                if root(slot).is_some() {
                    changed |= !std::mem::replace(&mut wanted[slot as usize], true);
                }
            };
            for op in program.ops.iter().rev() {
                if let Some(Place { via: Via::Generic | Via::Global, base, short: false, .. }) = slots::place(&op.what)
                {
                    want(&mut wanted, *base);
                }
                if let What::Scalar { f, d, s, .. } = &op.what
                    && wanted[*d as usize]
                {
                    match f {
                        Scalar::Mov64 | Scalar::Sub64 => want(&mut wanted, s[0]),
                        Scalar::Select64 => s[..2].iter().for_each(|slot| want(&mut wanted, *slot)),
                        Scalar::Add64 => {
                            let passes = s[..2].iter().find(|slot| root(**slot) == root(*d));
                            passes.into_iter().for_each(|slot| want(&mut wanted, *slot));
                        }
                        Scalar::MadWideU32 | Scalar::MadWideS32 | Scalar::Mad64 => want(&mut wanted, s[2]),
                        _ => {}
                    }
                }
            }
        }
        let rooted =
            (0..).zip(&wanted).filter(|(_, wanted)| **wanted).filter_map(|(slot, _)| Some((slot, root(slot)?)));
        for (slot, root) in rooted.collect::<Vec<_>>() {
            let number = self.roots.iter().position(|other| *other == root).unwrap_or_else(|| {
                self.roots.push(root);
                self.roots.len() - 1
            });
            self.slots[slot as usize].root = Some(number);
        }
    }

    /// The offset of the parameter that a load reads as its element `i`, if that is known.
    pub fn param(&self, transfer: &Transfer, i: usize, params_len: usize) -> Option<u32> {
        let (Via::Param, Some(base)) = (transfer.at.via, self.of(transfer.at.base).constant) else { return None };
        let at = transfer.at.address(base);
        let fits = at.checked_add(transfer.bytes().into()).is_some_and(|end| end <= params_len as u64);
        (fits && at.is_multiple_of(transfer.bytes().into())).then(|| at as u32 + i as u32 * u32::from(transfer.size))
    }

    /// Which operand hands its root on to the result.
    pub fn passes(&self, f: Scalar, d: Slot, s: [Slot; 3]) -> Option<usize> {
        let root = self.of(d).root?;
        let candidates: &[usize] = match f {
            Scalar::Mov64 | Scalar::Sub64 => &[0],
            Scalar::Add64 => &[0, 1],
            Scalar::MadWideU32 | Scalar::MadWideS32 | Scalar::Mad64 => &[2],
            _ => &[],
        };
        candidates.iter().copied().find(|i| self.of(s[*i]).root == Some(root))
    }

    pub fn find_alignments(&mut self, program: &Program) {
        for (slot, known) in self.slots.iter_mut().enumerate() {
            known.align = match known.constant {
                // What counts from the variables has an aligned start.
                Some(value) => (value.trailing_zeros() as u8).min(MOST_ALIGN),
                None if known.special.is_some() || program.slots[slot] == Class::Mask => 0,
                None => MOST_ALIGN,
            };
        }
        let mut changed = true;
        while changed {
            changed = false;
            let mut define = |kinds: &mut Self, slot: Slot, align: u8| {
                let known = &mut kinds.slots[slot as usize];
                if align < known.align {
                    known.align = align;
                    changed = true;
                }
            };
            for op in &program.ops {
                match &op.what {
                    What::Scalar { f, d, s, .. } => {
                        let align = self.alignment(*f, *d, *s);
                        define(self, *d, align);
                    }
                    What::Load(transfer) => {
                        for slot in transfer.data.iter().take(transfer.count.into()) {
                            // Roots that start elsewhere than at a multiple of 16 have no limits but 0.
                            let align = if self.of(*slot).root.is_some() { MOST_ALIGN } else { 0 };
                            define(self, *slot, align);
                        }
                    }
                    what => slots::of(what, |slot, how| {
                        if how == Use::Write {
                            define(self, slot, 0)
                        }
                    }),
                }
            }
            for block in &program.blocks {
                slots::of_end(&block.end, |slot, how| {
                    if how == Use::Write {
                        define(self, slot, 0)
                    }
                });
            }
        }
    }

    fn alignment(&self, f: Scalar, d: Slot, s: [Slot; 3]) -> u8 {
        let passes = self.passes(f, d, s);
        let root = self.of(d).root;
        let of = |i: usize| {
            let known = self.of(s[i]);
            // That the parameter behind a root is aligned is only sure where accesses count from this root.
            let trusted = known.root.is_none()
                || known.constant.is_some()
                || passes == Some(i)
                || (f == Scalar::Select64 && known.root == root);
            if trusted { known.align } else { 0 }
        };
        let shift = |i: usize| self.of(s[i]).constant.map_or(0, |n| if n < 32 { n as u8 } else { MOST_ALIGN });
        let align = match f {
            Scalar::Mov32 | Scalar::Mov64 | Scalar::ZeroExtend32 | Scalar::SignExtend32 | Scalar::Low32 => of(0),
            Scalar::Neg32 | Scalar::Neg64 => of(0),
            Scalar::Select32 | Scalar::Select64 | Scalar::Add32 | Scalar::Add64 | Scalar::Sub32 | Scalar::Sub64 => {
                of(0).min(of(1))
            }
            Scalar::Or32 | Scalar::Or64 | Scalar::Xor32 | Scalar::Xor64 => of(0).min(of(1)),
            Scalar::And32 | Scalar::And64 => of(0).max(of(1)),
            Scalar::Mul32 | Scalar::Mul64 | Scalar::MulWideU32 | Scalar::MulWideS32 => of(0) + of(1),
            Scalar::Mad32 | Scalar::Mad64 | Scalar::MadWideU32 | Scalar::MadWideS32 => (of(0) + of(1)).min(of(2)),
            Scalar::Shl32 | Scalar::Shl64 => of(0) + shift(1),
            _ => 0,
        };
        align.min(MOST_ALIGN)
    }
}

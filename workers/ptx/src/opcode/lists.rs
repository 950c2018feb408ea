//! Lists of types that several rows share.

use crate::ast::Type::{
    self, B8, B16, B32, B64, Bf16, Bf16x2, F16, F16x2, F32, F64, Pred, S8, S16, S32, S64, U8, U16, U32, U64,
};

pub(super) const INT: &[Type] = &[U16, U32, U64, S16, S32, S64];
pub(super) const WORD: &[Type] = &[U32, S32, U64, S64];
pub(super) const SHORT: &[Type] = &[U32, S32];
pub(super) const BITS: &[Type] = &[B16, B32, B64];
pub(super) const WIDE_BITS: &[Type] = &[B32, B64];
pub(super) const LOGIC: &[Type] = &[B16, B32, B64, Pred];
pub(super) const REAL: &[Type] = &[F32, F64];
pub(super) const HALF: &[Type] = &[F16, F16x2];
pub(super) const SELECT: &[Type] = &[B16, B32, B64, U16, U32, U64, S16, S32, S64, F32, F64];
pub(super) const MEM: &[Type] = &[B8, B16, B32, B64, U8, U16, U32, U64, S8, S16, S32, S64, F32, F64];
pub(super) const MOVE: &[Type] = &[B16, B32, B64, U16, U32, U64, S16, S32, S64, F32, F64, Pred];
pub(super) const SHIFT: &[Type] = &[B16, B32, B64, U16, U32, U64, S16, S32, S64];
pub(super) const ATOM: &[Type] = &[U32, S32, U64, S64, B32, B64];
pub(super) const CVT: &[Type] = &[U8, U16, U32, U64, S8, S16, S32, S64, F16, F16x2, Bf16, Bf16x2, F32, F64];

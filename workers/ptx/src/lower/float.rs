//! Lowers arithmetic on floating point of every width and rounding mode.

use super::builder::Builder;
use crate::ast::{Instruction, Type};
use crate::error::Error;
use crate::opcode::Kind;
use crate::scalar::{Mode, Scalar};

type Result<T> = std::result::Result<T, Error>;

/// The rounding mode that an instruction names.
pub(super) fn mode(ins: &Instruction) -> Option<Mode> {
    ins.modifiers().find_map(|modifier| match modifier {
        "rn" => Some(Mode::Nearest),
        "rz" => Some(Mode::Zero),
        "rm" => Some(Mode::Down),
        "rp" => Some(Mode::Up),
        _ => None,
    })
}

impl Builder<'_> {
    pub(super) fn float(&mut self, ins: &Instruction, kind: Kind, ty: Type) -> Result<()> {
        use Type::{Bf16, Bf16x2, F32, F64};
        if ins.types().count() > 1 {
            return Err(ins.unsupported("operands of different types need a newer GPU than sm_80"));
        }
        let extreme = matches!(kind, Kind::Min | Kind::Max);
        if extreme && ins.operands.len() > 3 {
            return Err(ins.unsupported("three operands need a newer GPU than sm_80"));
        }
        if ins.has("xorsign") {
            return Err(ins.unsupported(".xorsign.abs needs a newer GPU than sm_80"));
        }
        if ins.has("NaN") && ty == F64 {
            return Err(ins.unsupported(".NaN is not for f64"));
        }
        if matches!(ty, Bf16 | Bf16x2) && matches!(kind, Kind::Add | Kind::Sub | Kind::Mul) {
            return Err(ins.unsupported("bf16 needs a newer GPU than sm_80 for this: use fma.rn with -0.0 or 1.0"));
        }
        let mode = mode(ins).unwrap_or(Mode::Nearest);
        let f = match (ty, mode) {
            (F32 | F64, Mode::Nearest) => nearest(kind, ty == F64, ins.has("NaN")),
            (F32 | F64, _) => directed(kind, ty == F64),
            (_, Mode::Nearest) => half(kind, ty, ins.has("NaN")),
            _ => return Err(ins.unsupported("16-bit floats are rounded with .rn alone")),
        };
        let f = f.ok_or_else(|| ins.unsupported("not in this combination of types and modifiers"))?;
        let d = self.apply_imm(f, ins, ty, mode as u32)?;
        self.clamp(ins, ty, d)
    }

    /// `.sat` and `.relu` of a result.
    pub(super) fn clamp(&mut self, ins: &Instruction, ty: Type, d: u32) -> Result<()> {
        use Type::{Bf16, Bf16x2, F16, F16x2, F32, F64};
        if ins.has("sat") {
            let f = match ty {
                F32 => Scalar::SaturateF32,
                F64 => Scalar::SaturateF64,
                F16 => Scalar::SaturateF16,
                F16x2 => Scalar::SaturateF16x2,
                _ => return Err(ins.unsupported(".sat is not for bf16")),
            };
            self.emit(f, d, [d, 0, 0]);
        }
        if ins.has("relu") {
            let f = match ty {
                F16 => Scalar::ReluF16,
                F16x2 => Scalar::ReluF16x2,
                Bf16 => Scalar::ReluBf16,
                Bf16x2 => Scalar::ReluBf16x2,
                _ => return Err(ins.unsupported(".relu is for 16-bit floats")),
            };
            self.emit(f, d, [d, 0, 0]);
        }
        Ok(())
    }
}

/// What the arithmetic of the host computes.
fn nearest(kind: Kind, long: bool, nan: bool) -> Option<Scalar> {
    let (single, double) = match kind {
        Kind::Add => (Scalar::AddF32, Scalar::AddF64),
        Kind::Sub => (Scalar::SubF32, Scalar::SubF64),
        Kind::Mul => (Scalar::MulF32, Scalar::MulF64),
        Kind::Fma | Kind::Mad => (Scalar::FmaF32, Scalar::FmaF64),
        Kind::Div => (Scalar::DivF32, Scalar::DivF64),
        Kind::Rcp => (Scalar::RcpF32, Scalar::RcpF64),
        Kind::Sqrt => (Scalar::SqrtF32, Scalar::SqrtF64),
        Kind::Neg => (Scalar::NegF32, Scalar::NegF64),
        Kind::Abs => (Scalar::AbsF32, Scalar::AbsF64),
        Kind::Copysign => (Scalar::CopysignF32, Scalar::CopysignF64),
        Kind::Min if nan => (Scalar::MinNanF32, Scalar::MinF64),
        Kind::Max if nan => (Scalar::MaxNanF32, Scalar::MaxF64),
        Kind::Min => (Scalar::MinF32, Scalar::MinF64),
        Kind::Max => (Scalar::MaxF32, Scalar::MaxF64),
        _ => return None,
    };
    Some(if long { double } else { single })
}

fn directed(kind: Kind, long: bool) -> Option<Scalar> {
    let (single, double) = match kind {
        Kind::Add => (Scalar::AddModeF32, Scalar::AddModeF64),
        Kind::Sub => (Scalar::SubModeF32, Scalar::SubModeF64),
        Kind::Mul => (Scalar::MulModeF32, Scalar::MulModeF64),
        Kind::Fma | Kind::Mad => (Scalar::FmaModeF32, Scalar::FmaModeF64),
        Kind::Div => (Scalar::DivModeF32, Scalar::DivModeF64),
        Kind::Rcp => (Scalar::RcpModeF32, Scalar::RcpModeF64),
        Kind::Sqrt => (Scalar::SqrtModeF32, Scalar::SqrtModeF64),
        _ => return None,
    };
    Some(if long { double } else { single })
}

fn half(kind: Kind, ty: Type, nan: bool) -> Option<Scalar> {
    use Type::{Bf16, Bf16x2, F16, F16x2};
    macro_rules! pick {
        ($f16:ident, $f16x2:ident) => {
            match ty {
                F16 => Scalar::$f16,
                F16x2 => Scalar::$f16x2,
                _ => return None,
            }
        };
        ($f16:ident, $f16x2:ident, $bf16:ident, $bf16x2:ident) => {
            match ty {
                F16 => Scalar::$f16,
                F16x2 => Scalar::$f16x2,
                Bf16 => Scalar::$bf16,
                Bf16x2 => Scalar::$bf16x2,
                _ => return None,
            }
        };
    }
    Some(match kind {
        Kind::Add => pick!(AddF16, AddF16x2),
        Kind::Sub => pick!(SubF16, SubF16x2),
        Kind::Mul => pick!(MulF16, MulF16x2),
        Kind::Fma => pick!(FmaF16, FmaF16x2, FmaBf16, FmaBf16x2),
        Kind::Neg => pick!(NegF16, NegF16x2, NegBf16, NegBf16x2),
        Kind::Abs => pick!(AbsF16, AbsF16x2, AbsBf16, AbsBf16x2),
        Kind::Min if nan => pick!(MinNanF16, MinNanF16x2, MinNanBf16, MinNanBf16x2),
        Kind::Max if nan => pick!(MaxNanF16, MaxNanF16x2, MaxNanBf16, MaxNanBf16x2),
        Kind::Min => pick!(MinF16, MinF16x2, MinBf16, MinBf16x2),
        Kind::Max => pick!(MaxF16, MaxF16x2, MaxBf16, MaxBf16x2),
        _ => return None,
    })
}

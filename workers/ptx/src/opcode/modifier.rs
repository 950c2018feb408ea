//! Modifiers and types that are refused wherever they stand.

use super::{Advice, Kind, warp};
use crate::ast::Type;

const NEWER: &str = "needs a newer GPU than sm_80";
const POLLING: Advice = Advice {
    reason: "waiting on memory depends on timing",
    instead: "bar.sync inside a block; between blocks, a kernel of its own",
};
const ORDER: Advice = Advice {
    reason: "the order in which threads reach a float atomic is not reproducible",
    instead: "an integer atomic on fixed-point numbers, or a sum in a fixed order through shared memory",
};

/// Why a modifier that no form of an opcode takes is refused, where more can be said than that.
pub(crate) fn advice(kind: Kind, modifier: &str) -> Option<Advice> {
    if let Some(ty) = Type::parse(modifier) {
        return type_advice(kind, ty);
    }
    let (reason, instead) = match modifier {
        "approx" => ("approximate results differ between GPUs", "`.rn`: compile with --prec-div=true --prec-sqrt=true"),
        "full" => ("full-range approximate division differs between GPUs", "`.rn`: compile with --prec-div=true"),
        "ftz" => ("denormals must be kept", "the instruction without `.ftz`: compile with --ftz=false"),
        "acquire" | "release" | "acq_rel" | "mmio" => return Some(POLLING),
        "cluster" | "shared::cluster" | "multicast::cluster" => (NEWER, "`.cta` or `.gpu`, and `.shared::cta`"),
        "xorsign" | "abs" => (NEWER, "abs and copysign around the plain instruction"),
        "oob" => (NEWER, "a comparison and selp"),
        "v8" => (NEWER, "two accesses with `.v4`"),
        "async" | "bulk" | "mbarrier::complete_tx::bytes" => (NEWER, "plain accesses and bar.sync"),
        "L2::cache_hint" => ("cache policies are opaque values that depend on the GPU", "the access without a policy"),
        "satfinite" => ("it is for formats that are not in the profile", "min and max before the conversion"),
        "rna" | "rs" => ("it is for formats that are not in the profile", "`.rn`"),
        _ => return None,
    };
    Some(Advice { reason, instead })
}

fn type_advice(kind: Kind, ty: Type) -> Option<Advice> {
    let (reason, instead) = match (kind, ty) {
        (Kind::Atom | Kind::Red, _) if ty.is_float() => return Some(ORDER),
        (Kind::Mma, _) if ty.is_float() => return Some(warp::FLOAT_MATRIX),
        (Kind::Redux, _) if ty.is_float() => (NEWER, "shfl.sync and max or min"),
        (Kind::Add, Type::Bf16 | Type::Bf16x2) => (NEWER, "fma.rn with a factor of 1.0"),
        (Kind::Sub, Type::Bf16 | Type::Bf16x2) => (NEWER, "fma.rn of the second operand with -1.0"),
        (Kind::Mul, Type::Bf16 | Type::Bf16x2) => (NEWER, "fma.rn with a summand of -0.0"),
        (_, Type::Bf16 | Type::Bf16x2) => (NEWER, "cvt.f32.bf16 (exact), then the instruction in f32"),
        (_, Type::F16 | Type::F16x2) => ("is not for 16-bit floating point", "cvt.f32.f16 (exact), then f32"),
        (_, Type::Tf32) => ("it is the format of float tensor cores", "f32"),
        (_, Type::Fp8) => (NEWER, "integers of 8 bits, or f16"),
        (_, Type::B128) => ("128-bit values are not in the profile", "two of `.b64`"),
        (_, Type::U16x2 | Type::S16x2 | Type::F32x2) => (NEWER, "two instructions, one for each part"),
        _ => return None,
    };
    Some(Advice { reason, instead })
}

/// Hints to caches change no result.
pub(crate) fn is_cache_hint(kind: Kind, modifier: &str) -> bool {
    let level = modifier.strip_prefix("L1::").or_else(|| modifier.strip_prefix("L2::"));
    matches!(kind, Kind::Ld | Kind::St | Kind::CpAsync | Kind::Nop | Kind::Atom | Kind::Red)
        && level
            .is_some_and(|hint| matches!(hint, "64B" | "128B" | "256B" | "no_allocate") || hint.starts_with("evict_"))
}

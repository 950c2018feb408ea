//! Which bits of a result are unwritten where bits of its operands are.

use crate::scalar::{Kind, Scalar};

/// How the bits of a result come from those of the operands.
enum Way {
    /// Each bit is one of the first so many operands or a constant; the other operands say where it comes from.
    Moved(usize),
    /// Each bit comes from the bits of the operands at the same place.
    Bitwise,
    /// The first or the second operand.
    Selected,
    /// Every bit may come from every bit.
    Mixed,
}

fn way(f: Scalar) -> Way {
    use Scalar::*;
    match f {
        Mov32 | Mov64 | MovP | ZeroExtend8 | ZeroExtend16 | ZeroExtend32 | SignExtend8 | SignExtend16
        | SignExtend32 | Low32 | High32 | High16 | Join32 | Join16 | Brev32 | Brev64 | PackBytes => Way::Moved(3),
        Shl32 | Shl64 | ShrU32 | ShrU64 | ShrS32 | ShrS64 | BfeU32 | BfeS32 | BfeU64 | BfeS64 | SzextU32 | SzextS32 => {
            Way::Moved(1)
        }
        Bfi32 | Bfi64 | Prmt | PrmtMode | ShfLeftWrap | ShfLeftClamp | ShfRightWrap | ShfRightClamp => Way::Moved(2),
        And32 | And64 | AndP | Or32 | Or64 | OrP | Xor32 | Xor64 | XorP | Not32 | Not64 | NotP | Lop3 => Way::Bitwise,
        Select32 | Select64 => Way::Selected,
        _ => Way::Mixed,
    }
}

/// All bits of a kind of value.
pub(super) fn all(kind: Kind) -> u64 {
    match kind {
        Kind::Mask => 1,
        Kind::Word | Kind::Single => u32::MAX.into(),
        Kind::Long | Kind::Double => u64::MAX,
    }
}

/// The unwritten bits of a result, and the operand that they come from. `unwritten`: those of the operands, some of which
/// there are.
pub(super) fn unwritten(f: Scalar, imm: u32, values: [u64; 3], mut unwritten: [u64; 3]) -> (u64, usize) {
    // Operands that the operation does not have repeat one that it has.
    unwritten[f.operands().len()..].fill(0);
    let first = unwritten.iter().position(|bits| *bits != 0).unwrap_or_default();
    let bits = match way(f) {
        Way::Moved(count) if unwritten[count..].iter().all(|bits| *bits == 0) => {
            let mut operands = unwritten;
            operands[count..].copy_from_slice(&values[count..]);
            f.eval(operands, imm)
        }
        Way::Bitwise => {
            // A bit is known if no choice of the unwritten ones changes it.
            let found = f.eval(values, imm);
            (1..8).fold(0, |bits, choice: u64| {
                let flip = |i: usize| values[i] ^ if choice >> i & 1 != 0 { unwritten[i] } else { 0 };
                bits | found ^ f.eval([flip(0), flip(1), flip(2)], imm)
            })
        }
        Way::Selected if unwritten[2] == 0 => {
            let taken = usize::from(values[2] == 0);
            return (unwritten[taken], taken);
        }
        Way::Selected => return (unwritten[0] | unwritten[1] | values[0] ^ values[1], 2),
        Way::Moved(_) | Way::Mixed => all(f.result()),
    };
    (bits, first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(f: Scalar, values: [u64; 3], of: [u64; 3]) -> u64 {
        unwritten(f, 0, values, of).0
    }

    #[test]
    fn bits_go_where_the_value_goes() {
        assert_eq!(bits(Scalar::Join32, [0; 3], [0xff, 0, 0]), 0xff);
        assert_eq!(bits(Scalar::Join16, [0; 3], [u32::MAX.into(), 0, 0]), 0xffff);
        assert_eq!(bits(Scalar::ZeroExtend16, [0; 3], [0xffff_0000, 0, 0]), 0);
        assert_eq!(bits(Scalar::SignExtend16, [0; 3], [0x8000, 0, 0]), 0xffff_8000);
        assert_eq!(bits(Scalar::Shl32, [0, 8, 0], [0xff, 0, 0]), 0xff00);
        assert_eq!(bits(Scalar::Shl32, [1, 0, 0], [0, 1, 0]), u32::MAX.into());
        assert_eq!(bits(Scalar::ShrU64, [0, 32, 0], [0xff, 0, 0xff]), 0);
        assert_eq!(bits(Scalar::Add64, [0; 3], [1, 0, 0]), u64::MAX);
        assert_eq!(bits(Scalar::LtU32, [0; 3], [1, 0, 0]), 1);
    }

    #[test]
    fn a_known_bit_may_decide_alone() {
        assert_eq!(bits(Scalar::AndP, [0, 0, 0], [0, 1, 0]), 0);
        assert_eq!(bits(Scalar::AndP, [1, 0, 0], [0, 1, 0]), 1);
        assert_eq!(bits(Scalar::OrP, [1, 0, 0], [0, 1, 0]), 0);
        assert_eq!(bits(Scalar::And32, [0xff, 0, 0], [0, u32::MAX.into(), 0]), 0xff);
        assert_eq!(bits(Scalar::NotP, [0; 3], [1, 0, 0]), 1);
        assert_eq!(bits(Scalar::Select32, [5, 0, 1], [0, u32::MAX.into(), 0]), 0);
        assert_eq!(unwritten(Scalar::Select32, 0, [5, 0, 0], [0, 7, 0]), (7, 1));
        assert_eq!(unwritten(Scalar::Select32, 0, [5, 4, 0], [0, 0, 1]), (1, 2));
    }
}

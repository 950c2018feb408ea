//! Matrices whose parts lie in the registers of the lanes of a warp.

use super::{LANES, Warp};
use crate::ir::{NO_SLOT, Slot};

/// Bytes of a row that `ldmatrix` reads: 8 elements of 16 bits.
pub const ROW: usize = 16;

/// What elements of A and B are, and how they are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Four bytes in a register.
    Bytes {
        /// Those of A have signs.
        a_signed: bool,
        /// Those of B have signs.
        b_signed: bool,
    },
    /// Eight numbers of 4 bits.
    Nibbles {
        /// Those of A have signs.
        a_signed: bool,
        /// Those of B have signs.
        b_signed: bool,
    },
    /// 32 bits, of which those that differ are counted.
    Xor,
    /// 32 bits, of which those that both have are counted.
    And,
}

/// The shape of a product of matrices.
///
/// A register holds elements that lie side by side in a row of A or a column of B. Lane 4·i + j holds row i of A and column
/// i of B, the j-th register of it; a deep tile has a second such half, a tall one a second set of eight rows. So the
/// documented layouts of all shapes are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// What the elements are, and how they are combined.
    pub product: Product,
    /// A and D have 16 rows, else 8.
    pub tall: bool,
    /// The sum goes over eight registers, else over four.
    pub deep: bool,
    /// The exact sum is limited to what 32 bits hold, once; else it wraps.
    pub saturate: bool,
}

/// A number of four bits at place `i` of a register.
fn nibble(word: u32, i: u32, signed: bool) -> i64 {
    let nibble = word >> (4 * i) & 15;
    if signed { i64::from((nibble << 28) as i32 >> 28) } else { i64::from(nibble) }
}

fn byte(word: u32, i: u32, signed: bool) -> i64 {
    let byte = (word >> (8 * i)) as u8;
    if signed { i64::from(byte as i8) } else { i64::from(byte) }
}

impl Product {
    /// The sum over the elements of a register.
    fn of(self, a: u32, b: u32) -> i64 {
        match self {
            Self::Bytes { a_signed, b_signed } => (0..4).map(|i| byte(a, i, a_signed) * byte(b, i, b_signed)).sum(),
            Self::Nibbles { a_signed, b_signed } => {
                (0..8).map(|i| nibble(a, i, a_signed) * nibble(b, i, b_signed)).sum()
            }
            Self::Xor => i64::from((a ^ b).count_ones()),
            Self::And => i64::from((a & b).count_ones()),
        }
    }
}

impl Tile {
    /// Registers of D, A, B and C.
    #[must_use]
    pub fn registers(self) -> [usize; 4] {
        let (tall, deep) = (1 + usize::from(self.tall), 1 + usize::from(self.deep));
        [2 * tall, tall * deep, deep, 2 * tall]
    }

    /// D = A × B + C.
    pub(super) fn run(self, warp: &mut Warp<'_>, d: [Slot; 4], a: [Slot; 4], b: [Slot; 2], c: [Slot; 4]) {
        let signed = Product::Bytes { a_signed: true, b_signed: true };
        if self == (Self { product: signed, tall: true, deep: true, saturate: false }) {
            return signed_bytes(warp, d, a, b, c);
        }
        let (tall, deep) = (1 + usize::from(self.tall), 1 + usize::from(self.deep));
        let mut results = [[0u32; LANES]; 4];
        for lane in 0..LANES {
            let (group, thread) = (lane >> 2, lane & 3);
            for (i, result) in results.iter_mut().enumerate().take(2 * tall) {
                let (row_half, column) = (i >> 1, thread * 2 + (i & 1));
                let mut sum = i64::from(warp.word(c[i], lane) as i32);
                for half in 0..deep {
                    for j in 0..4 {
                        let left = warp.word(a[tall * half + row_half], 4 * group + j);
                        sum += self.product.of(left, warp.word(b[half], 4 * column + j));
                    }
                }
                result[lane] = match self.saturate {
                    true => sum.clamp(i32::MIN.into(), i32::MAX.into()) as u32,
                    false => sum as u32,
                };
            }
        }
        for (slot, result) in d.iter().zip(results).take(2 * tall) {
            result.into_iter().enumerate().for_each(|(lane, value)| warp.put(*slot, lane, value));
        }
    }
}

/// The product of 16 × 32 signed bytes and 32 × 8, which is that of quantised models, in a form that compilers make vectors of.
fn signed_bytes(warp: &mut Warp<'_>, d: [Slot; 4], a: [Slot; 4], b: [Slot; 2], c: [Slot; 4]) {
    const DEPTH: usize = 32;
    let (mut rows, mut columns) = ([[0i16; DEPTH]; 16], [[0i16; DEPTH]; 8]);
    let unpack = |word: u32, to: &mut [i16]| {
        to.iter_mut().zip(word.to_le_bytes()).for_each(|(to, byte)| *to = i16::from(byte as i8));
    };
    for lane in 0..LANES {
        let (group, thread) = (lane >> 2, lane & 3);
        for half in 0..2 {
            let at = 16 * half + 4 * thread..16 * half + 4 * thread + 4;
            unpack(warp.word(b[half], lane), &mut columns[group][at.clone()]);
            for row_half in 0..2 {
                unpack(warp.word(a[2 * half + row_half], lane), &mut rows[group + 8 * row_half][at.clone()]);
            }
        }
    }
    for lane in 0..LANES {
        let (group, thread) = (lane >> 2, lane & 3);
        for i in 0..4 {
            let (row, column) = (&rows[group + 8 * (i >> 1)], &columns[thread * 2 + (i & 1)]);
            // At most 32 · 2^14 in size.
            let sum: i32 = row.iter().zip(column).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
            let sum = (warp.word(c[i], lane) as i32).wrapping_add(sum);
            warp.put(d[i], lane, sum as u32);
        }
    }
}

/// Gives lane 4·i + j elements 2·j and 2·j + 1 of row i of each matrix, or of column i.
pub(super) fn load(warp: &mut Warp<'_>, rows: &[[u8; ROW]; LANES], transposed: bool, d: [Slot; 4]) {
    for (matrix, slot) in d.into_iter().enumerate().filter(|(_, slot)| *slot != NO_SLOT) {
        for lane in 0..LANES {
            let (group, thread) = (lane >> 2, lane & 3);
            let element = |row: usize, column: usize| {
                let bytes = &rows[8 * matrix + row][2 * column..];
                u32::from(bytes[0]) | u32::from(bytes[1]) << 8
            };
            let (low, high) = if transposed {
                (element(2 * thread, group), element(2 * thread + 1, group))
            } else {
                (element(group, 2 * thread), element(group, 2 * thread + 1))
            };
            warp.put(slot, lane, high << 16 | low);
        }
    }
}

//! The blob of a model's weights, laid out as the kernels read it.

use crate::{
    error::{NnError, Result},
    fixed_point::Integers,
};

/// Columns of a panel of weights, as in `kernels/gemm.cuh`.
pub(crate) const PANEL: usize = 16;
/// Most inputs of a matrix of bytes: sums of so many products of -127 to 127 are exact in 32 bits.
const MAX_BYTES_K: usize = 131_072;
/// Where parts of the blob begin: at multiples of this.
const ALIGN: usize = 256;

/// How the matrices of a model are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// As floats of 32 bits: what the model's files say, exactly.
    #[default]
    F32,
    /// Weights in 8 bits with one scale for each output, activations in 8 bits with one scale for each token, exact sums.
    /// Embeddings, norms and a decoder's head stay floats.
    Int8,
    /// Weights and activations as whole numbers of 26 to 30 bits, each row of them in a unit of its own, exact sums that are rounded
    /// once: about as near to what floats of 32 bits mean as these are themselves, and computed on tensor cores for bytes (Ozaki scheme
    /// II). A decoder's head too; embeddings and norms stay floats.
    FixedPoint,
}

impl Precision {
    /// How a decoder's head is kept, which costs most when it is rounded.
    pub(crate) fn of_head(self) -> Self {
        match self {
            Self::F32 | Self::Int8 => Self::F32,
            Self::FixedPoint => Self::FixedPoint,
        }
    }
}

/// A part of the blob, by its first byte.
pub(crate) type Place = u64;

/// A matrix in the blob: `n` outputs, each a sum over `k` inputs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix {
    pub at: Place,
    pub numbers: Numbers,
    pub n: usize,
    pub k: usize,
}

/// What a matrix is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Numbers {
    Floats,
    /// One scale for each output.
    Bytes {
        scales: Place,
    },
    /// One unit for each output, one power for each input: [`Integers`].
    Integers {
        units: Place,
        powers: Place,
    },
}

/// A matrix, and what is added to its product.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linear {
    pub matrix: Matrix,
    pub bias: Option<Place>,
}

/// A blob being written.
#[derive(Default)]
pub(crate) struct Blob {
    pub bytes: Vec<u8>,
}

impl Blob {
    fn begin(&mut self, len: usize) -> Result<Place> {
        let at = self.bytes.len().next_multiple_of(ALIGN);
        let failed = |_| NnError::Setting(format!("not enough memory for {} bytes of weights", at + len));
        self.bytes.try_reserve(at + len - self.bytes.len()).map_err(failed)?;
        self.bytes.resize(at, 0);
        Ok(at as Place)
    }

    /// Numbers one behind the other.
    pub fn floats(&mut self, values: &[f32]) -> Result<Place> {
        let at = self.begin(values.len() * 4)?;
        self.bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        Ok(at)
    }

    /// A matrix whose rows are those of several, each with its number of rows of `k` values.
    pub fn matrix(&mut self, parts: &[Vec<f32>], k: usize, precision: Precision) -> Result<Matrix> {
        let rows: Vec<&[f32]> = parts.iter().flat_map(|part| part.chunks_exact(k)).collect();
        match precision {
            Precision::F32 => self.panels(&rows, k),
            Precision::Int8 => self.bytes(&rows, k),
            Precision::FixedPoint => self.fixed_point(&rows, k),
        }
    }

    fn integers(&mut self, values: &[i32]) -> Result<Place> {
        let at = self.begin(values.len() * 4)?;
        self.bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        Ok(at)
    }

    /// Floats in panels.
    fn panels(&mut self, rows: &[&[f32]], k: usize) -> Result<Matrix> {
        let at = self.words(rows, k, f32::to_le_bytes)?;
        Ok(Matrix { at, numbers: Numbers::Floats, n: rows.len(), k })
    }

    /// Whole numbers in panels, with units and powers.
    fn fixed_point(&mut self, rows: &[&[f32]], k: usize) -> Result<Matrix> {
        let Integers { values, units, powers } = Integers::of(rows, k)?;
        let values: Vec<&[i32]> = values.chunks_exact(k).collect();
        let at = self.words(&values, k, i32::to_le_bytes)?;
        let numbers = Numbers::Integers { units: self.integers(&units)?, powers: self.integers(&powers)? };
        Ok(Matrix { at, numbers, n: rows.len(), k })
    }

    /// Panels of [`PANEL`] outputs, in each of them input by input; the last one is filled up with zeros.
    fn words<T: Copy + Default>(&mut self, rows: &[&[T]], k: usize, bytes: fn(T) -> [u8; 4]) -> Result<Place> {
        let at = self.begin(rows.len().next_multiple_of(PANEL) * k * 4)?;
        for panel in rows.chunks(PANEL) {
            for i in 0..k {
                for j in 0..PANEL {
                    let value = panel.get(j).map_or(T::default(), |row| row[i]);
                    self.bytes.extend(bytes(value));
                }
            }
        }
        Ok(at)
    }

    /// Panels of [`PANEL`] outputs, in each of them four inputs by four, each in a byte; the last one is filled up with zeros. And a
    /// scale for each output: the largest of its values becomes 127.
    fn bytes(&mut self, rows: &[&[f32]], k: usize) -> Result<Matrix> {
        if k > MAX_BYTES_K {
            let reason = format!("a matrix of {k} inputs cannot be computed in 8 bits, at most {MAX_BYTES_K}");
            return Err(NnError::Setting(format!("{reason}: take floats of 32 bits")));
        }
        let n = rows.len();
        let scales: Vec<f32> = rows.iter().map(|row| scale(row)).collect();
        let at = self.begin(n.next_multiple_of(PANEL) * k)?;
        let scaled: Vec<(&[f32], f32)> = rows.iter().copied().zip(scales.iter().copied()).collect();
        for panel in scaled.chunks(PANEL) {
            for i in (0..k).step_by(4) {
                for j in 0..PANEL {
                    let byte = |(row, scale): &(&[f32], f32), at| quantised(row[i + at], *scale).cast_unsigned();
                    let four = panel.get(j).map_or([0; 4], |row| std::array::from_fn(|at| byte(row, at)));
                    self.bytes.extend(four);
                }
            }
        }
        Ok(Matrix { at, numbers: Numbers::Bytes { scales: self.floats(&scales)? }, n, k })
    }
}

/// What one step of 8 bits means in a row; 1 for a row of zeros.
fn scale(row: &[f32]) -> f32 {
    let most = row.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let scale = most / 127.0;
    if scale.is_normal() { scale } else { 1.0 }
}

/// The nearest step, the even one of two that are as near.
fn quantised(value: f32, scale: f32) -> i8 {
    (value / scale).round_ties_even().clamp(-127.0, 127.0) as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_hold_every_weight_once() {
        let (n, k) = (18, 4);
        let values: Vec<f32> = (0..n * k).map(|i| i as f32 + 1.0).collect();
        let mut blob = Blob { bytes: vec![9] };
        let matrix = blob.matrix(&[values[..8].to_vec(), values[8..].to_vec()], k, Precision::F32).unwrap();
        assert_eq!((matrix.at, matrix.n, matrix.k), (256, n, k));
        let stored: Vec<f32> = blob.bytes[256..].as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        assert_eq!(stored.len(), 32 * k);
        for row in 0..n {
            for i in 0..k {
                assert_eq!(stored[(row / 16 * k + i) * 16 + row % 16], values[row * k + i]);
            }
        }
        assert_eq!(stored.iter().filter(|value| **value != 0.0).count(), n * k);
    }

    #[test]
    fn bytes_round_to_the_nearest_even_step() {
        let mut blob = Blob::default();
        let rows = vec![127.0, 0.5, 1.5, -2.5, 0.0, 0.0, 0.0, 0.0, 254.0, 2.0, 0.0, 0.0];
        let matrix = blob.matrix(&[rows], 4, Precision::Int8).unwrap();
        let stored: Vec<i8> = blob.bytes[..16 * 4].iter().map(|byte| byte.cast_signed()).collect();
        assert_eq!(stored[..12], [127, 0, 2, -2, 0, 0, 0, 0, 127, 1, 0, 0]);
        assert!(stored[12..].iter().all(|byte| *byte == 0));
        let Numbers::Bytes { scales } = matrix.numbers else { panic!("{matrix:?}") };
        let at = scales as usize;
        assert_eq!(blob.bytes[at..at + 12], [1.0f32, 1.0, 2.0].map(f32::to_le_bytes).concat());
    }

    #[test]
    fn sums_that_would_not_be_exact_are_refused() {
        let mut blob = Blob::default();
        let row = vec![1.0; MAX_BYTES_K + 4];
        assert!(blob.matrix(&[row[4..].to_vec()], MAX_BYTES_K, Precision::Int8).is_ok());
        let refused = blob.matrix(&[row], MAX_BYTES_K + 4, Precision::Int8).unwrap_err().to_string();
        assert!(refused.contains("at most 131072"), "{refused}");
    }
}

//! Texts as the kernels read them: tokens packed into units, without padding.

use bytes::Bytes;

use crate::{
    config::MAX_ENDS,
    error::{NnError, Result},
};

/// Words before the units, as in `kernels/rows.cuh`.
const HEAD: usize = 1 + MAX_ENDS;
/// Words of a row.
const ROW: usize = 4;
/// Most texts of a job, and most of one unit.
const MAX_TEXTS: usize = 1 << 28;
pub(crate) const MAX_BATCH: usize = 1024;
/// Most tokens of a unit: rows are one dimension of a grid, and their buffers must be addressable.
const MAX_ROWS: usize = 1 << 20;

/// Tokens of texts, cut into units of `batch` texts.
#[derive(Debug)]
pub(crate) struct Texts {
    pub words: Bytes,
    /// Words of a unit.
    pub stride: u32,
    /// Number of units.
    pub units: u64,
    /// Texts of a unit; the last one may have fewer.
    pub batch: u32,
    /// Most tokens of a unit.
    pub rows: u32,
    /// Tokens of the longest text.
    pub longest: u32,
}

impl Texts {
    /// Packs texts. `ends` are the tokens that end an answer; `most` is how many tokens a text may have.
    pub fn pack(texts: &[Vec<u32>], batch: usize, ends: &[u32], most: usize) -> Result<Self> {
        let refused = |reason: String| Err(NnError::Setting(reason));
        if texts.is_empty() || texts.len() > MAX_TEXTS {
            return refused(format!("expected 1 to {MAX_TEXTS} texts, found {}", texts.len()));
        }
        if !(1..=MAX_BATCH).contains(&batch) {
            return refused(format!("batch: expected 1 to {MAX_BATCH} texts in a unit, found {batch}"));
        }
        let batch = batch.min(texts.len());
        for (number, text) in texts.iter().enumerate() {
            if text.is_empty() {
                return refused(format!("text {number} has no tokens; leave it out"));
            }
            if text.len() > most {
                let found = text.len();
                return refused(format!("text {number}: expected at most {most} tokens, found {found}; shorten it"));
            }
        }
        let rows = texts.chunks(batch).map(|unit| unit.iter().map(Vec::len).sum()).max().unwrap_or(0);
        if rows > MAX_ROWS {
            return refused(format!("a unit has {rows} tokens, at most {MAX_ROWS}: take a smaller batch"));
        }
        let stride = ROW + (2 * batch).next_multiple_of(ROW) + rows * ROW;
        let units = texts.len().div_ceil(batch);
        let mut words = vec![0u32; HEAD + units * stride];
        words[0] = ends.len() as u32;
        words[1..1 + ends.len()].copy_from_slice(ends);
        for (unit, texts) in texts.chunks(batch).enumerate() {
            let (head, rest) = words[HEAD + unit * stride..][..stride].split_at_mut(ROW);
            let (sequences, rows) = rest.split_at_mut((2 * batch).next_multiple_of(ROW));
            let mut row = 0;
            for (sequence, text) in texts.iter().enumerate() {
                sequences[2 * sequence..][..2].copy_from_slice(&[row, text.len() as u32]);
                for (position, token) in text.iter().enumerate() {
                    rows[row as usize * ROW..][..ROW].copy_from_slice(&[*token, position as u32, sequence as u32, row]);
                    row += 1;
                }
            }
            head[0] = row;
        }
        Ok(Self {
            words: words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>().into(),
            stride: stride as u32,
            units: units as u64,
            batch: batch as u32,
            rows: rows as u32,
            longest: texts.iter().map(Vec::len).max().unwrap_or(0) as u32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_hold_their_texts_one_behind_the_other() {
        let texts = Texts::pack(&[vec![7, 8], vec![9], vec![5]], 2, &[3], 10).unwrap();
        assert_eq!((texts.units, texts.stride, texts.rows, texts.longest), (2, 4 + 4 + 12, 3, 2));
        let words: Vec<u32> = texts.words.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        assert_eq!((words[0], words[1], words.len()), (1, 3, 16 + 2 * 20));
        assert_eq!(words[16..36], [3, 0, 0, 0, 0, 2, 2, 1, 7, 0, 0, 0, 8, 1, 0, 1, 9, 0, 1, 2]);
        assert_eq!(words[36..], [1, 0, 0, 0, 0, 1, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let refused = |texts: &[Vec<u32>], batch| Texts::pack(texts, batch, &[], 2).unwrap_err().to_string();
        assert!(refused(&[], 1).contains("found 0"));
        assert!(refused(&[vec![1], vec![]], 1).contains("text 1 has no tokens"));
        assert!(refused(&[vec![1; 3]], 1).contains("at most 2 tokens, found 3"));
        assert!(refused(&[vec![1]], 0).contains("batch"));
        assert!(refused(&[vec![1]], 1025).contains("batch"));
    }
}

//! A product of rows and a matrix alone, for measurements: the launches that a layer of a model makes for it.

use bytes::Bytes;
use tessera_protocol::spec::LaunchPlan;

use crate::{
    error::{NnError, Result},
    pack::{Blob, Linear, Precision},
    plan::Planner,
    texts::Texts,
};

/// A program that computes y = x wᵀ for rows `x` of `k` values and a matrix `w` of `n` outputs with `k` weights each, both row by
/// row. Its output is `y`, row by row, floats of 32 bits. It runs with [`MODULE`](crate::MODULE).
#[derive(Clone, Debug)]
pub struct Product {
    /// The launches: what sets the rows up, then what the precision needs; of floats and of bytes the last one is the product itself.
    pub plan: LaunchPlan,
    /// What the plan reads.
    pub inputs: Vec<Bytes>,
}

impl Product {
    /// The product as a model in this precision computes it; many rows with tensor cores or without, where it can have them.
    ///
    /// # Errors
    /// If `k` is not a multiple of 4, `x` or `w` are not whole rows of `k` values, there are too many of them, or a value of `w` is not
    /// finite.
    pub fn new(x: &[f32], w: Vec<f32>, k: usize, precision: Precision, tensor_cores: bool) -> Result<Self> {
        for (name, values) in [("x", x), ("w", &w)] {
            if k == 0 || !k.is_multiple_of(4) || values.is_empty() || !values.len().is_multiple_of(k) {
                let found = values.len();
                let expected = format!("expected whole rows of {k} values, and these a multiple of 4");
                return Err(NnError::Setting(format!("a product: {expected}; {name} has {found} values")));
            }
        }
        if let Some(value) = w.iter().find(|value| !value.is_finite()) {
            return Err(NnError::Setting(format!("a product: expected finite weights, found {value}")));
        }
        let (rows, n) = (x.len() / k, w.len() / k);
        let texts = Texts::pack(&[vec![0; rows]], 1, &[], rows)?;
        let mut blob = Blob::default();
        let matrix = blob.matrix(&[w], k, precision)?;
        let mut planner = Planner::new(blob.bytes.len(), tensor_cores, &texts);
        let x: Bytes = x.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into();
        let rows = planner.input(2, x.len());
        let y = planner.row_buffer(n);
        planner.linear(&Linear { matrix, bias: None }, rows, y, None);
        Ok(Self { plan: planner.finish(y), inputs: vec![blob.bytes.into(), texts.words, x] })
    }

    /// The last kernel: of floats and of bytes the one that multiplies.
    #[must_use]
    pub fn kernel(&self) -> &str {
        self.plan.launches.last().map_or("", |launch| &launch.kernel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_the_one_of_the_precision() {
        let kernel = |rows: usize, precision, tensor_cores| {
            let product = Product::new(&vec![1.0; rows * 8], vec![1.0; 24], 8, precision, tensor_cores).unwrap();
            assert_eq!(product.plan.buffers[usize::from(product.plan.output)].len, rows as u64 * 3 * 4);
            product.kernel().to_owned()
        };
        assert_eq!(kernel(17, Precision::F32, true), "multiply");
        assert_eq!(kernel(17, Precision::Int8, true), "multiply_bytes");
        assert_eq!(kernel(17, Precision::Int8, false), "multiply_few_bytes");
        assert_eq!(kernel(16, Precision::Int8, true), "multiply_few_bytes");
    }

    #[test]
    fn rows_that_are_not_whole_are_refused() {
        for (x, w, k) in [(8, 8, 0), (6, 6, 6), (12, 8, 8), (8, 0, 8), (8, 12, 8)] {
            let refused = Product::new(&vec![1.0; x], vec![1.0; w], k, Precision::F32, true).unwrap_err();
            assert!(refused.to_string().contains("expected whole rows"), "{refused}");
        }
    }
}

//! What a product is called where columns of matrices lie one behind the other.

use std::ffi::c_int;

use crate::ExecError;

/// A product y = x wᵀ, all row by row: `rows` rows of `k` values, `n` outputs with `k` weights each, `rows` rows of `n` sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows of x and of y.
    pub rows: usize,
    /// Outputs: rows of w, columns of y.
    pub n: usize,
    /// Values of a row of x and of w.
    pub k: usize,
}

/// The same as C = op(A) op(B) with columns one behind the other, where A is w, B is x and C is y. Rows of one order are columns of
/// the other: C is yᵀ = w xᵀ, and w, whose rows lie as columns, has to be transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    pub transpose_a: bool,
    pub transpose_b: bool,
    /// Rows of op(A) and of C, columns of op(B) and of C, columns of op(A) and rows of op(B).
    pub m: c_int,
    pub n: c_int,
    pub k: c_int,
    /// Values from one column to the next.
    pub lda: c_int,
    pub ldb: c_int,
    pub ldc: c_int,
}

impl Shape {
    pub(super) fn columns(&self) -> Result<Columns, ExecError> {
        let number = |value: usize| {
            let wrong = |_| ExecError::Plan(format!("a product of {self:?}: expected sizes below 2^31"));
            c_int::try_from(value).map_err(wrong)
        };
        let (rows, n, k) = (number(self.rows)?, number(self.n)?, number(self.k)?);
        Ok(Columns { transpose_a: true, transpose_b: false, m: n, n: rows, k, lda: k, ldb: k, ldc: n })
    }

    /// Values of x, w and y.
    pub(super) fn values(&self) -> [usize; 3] {
        [self.rows * self.k, self.n * self.k, self.rows * self.n]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C = op(A) op(B) as the reference of the BLAS has it: element (i, j) of a matrix is at i + j ld.
    fn by_columns(of: &Columns, a: &[i32], b: &[i32], c: &mut [i32]) {
        let at = |i: c_int, j: c_int, ld: c_int| (i + j * ld) as usize;
        for i in 0..of.m {
            for j in 0..of.n {
                let product = |l: c_int| {
                    let a = a[if of.transpose_a { at(l, i, of.lda) } else { at(i, l, of.lda) }];
                    a * b[if of.transpose_b { at(j, l, of.ldb) } else { at(l, j, of.ldb) }]
                };
                c[at(i, j, of.ldc)] = (0..of.k).map(product).sum();
            }
        }
    }

    #[test]
    fn rows_are_columns_of_the_other_order() {
        let shape = Shape { rows: 3, n: 5, k: 4 };
        let [x, w, _] = shape.values().map(|len| (0..len as i32).map(|i| i * i % 23 - 9).collect::<Vec<i32>>());
        let mut y = vec![0; 15];
        by_columns(&shape.columns().unwrap(), &w, &x, &mut y);
        for row in 0..3 {
            for output in 0..5 {
                let sum: i32 = (0..4).map(|i| x[row * 4 + i] * w[output * 4 + i]).sum();
                assert_eq!(y[row * 5 + output], sum, "row {row}, output {output}");
            }
        }
    }

    /// Products of bytes need it so: A transposed and B not.
    #[test]
    fn the_first_matrix_alone_is_transposed() {
        let columns = Shape { rows: 8, n: 16, k: 32 }.columns().unwrap();
        assert_eq!((columns.transpose_a, columns.transpose_b), (true, false));
        assert_eq!([columns.m, columns.n, columns.k, columns.lda, columns.ldb, columns.ldc], [16, 8, 32, 32, 32, 16]);
        let wrong = Shape { rows: 1 << 31, n: 16, k: 32 }.columns().unwrap_err().to_string();
        assert!(wrong.contains("below 2^31"), "{wrong}");
    }
}

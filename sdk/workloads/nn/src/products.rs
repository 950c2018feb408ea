//! The launches of products with matrices of weights, and the memory that they need besides.

use tessera_front_end::number;
use tessera_protocol::spec::Arg;

use crate::{
    fixed_point::{self, MODULI},
    pack::{Linear, Matrix, Numbers, PANEL},
    plan::{Memory, Planner, ROW_THREADS, at, weight},
};

/// Rows and columns of a thread of a product, as in `kernels/gemm.cuh`.
const TILE: [u32; 2] = [8, 4];
/// Threads of a block of a product, along the columns.
const ACROSS: u32 = 16;
/// Most of them along the rows.
const DOWN: u32 = 4;
/// Rows and columns of a block of a product of bytes, and its threads, as in `kernels/bytes.cuh`.
const BYTES_TILE: u32 = 64;
const BYTES_THREADS: u32 = 128;
/// Rows and columns of a thread of a product without tensor cores, as in `kernels/bytes.cuh` and `kernels/integers.cuh`.
const FEW_TILE: [u32; 2] = [4, 4];
const INTEGER_TILE: [u32; 2] = [4, 4];
/// How many rows are so few that they are multiplied without tensor cores.
const FEW: u32 = 16;
/// Flags of a product, as in `kernels/gemm.cuh`.
const ADD_BIAS: u32 = 1;
const ADD_RESIDUAL: u32 = 2;

/// Memory that all products of a plan use one after the other, as long as the largest of them needs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Room {
    /// Activations as bytes or whole numbers.
    Rounded,
    /// What a step of them means, for each row.
    Scales,
    /// Residues of activations, of weights, and of the sums of their products.
    RowResidues,
    WeightResidues,
    SumResidues,
}

/// For each [`Room`] the buffer, where there is one, and its length.
pub(crate) type Rooms = [Option<(Memory, u64)>; 5];

impl Planner {
    /// y = x times the matrix, plus bias, plus the residual if there is one.
    pub fn linear(&mut self, linear: &Linear, x: Memory, y: Memory, residual: Option<Memory>) {
        let Linear { matrix, bias } = linear;
        let (k, n) = (matrix.k as u32, matrix.n as u32);
        let flags = if bias.is_some() { ADD_BIAS } else { 0 } | if residual.is_some() { ADD_RESIDUAL } else { 0 };
        // Where a flag is not set the pointer is not used; it must point somewhere.
        let added = [weight(bias.unwrap_or(0)), at(residual.unwrap_or(y)), at(y)];
        let rows = at(self.at_work);
        let whole = |read: &[Arg]| [std::slice::from_ref(&rows), read, &added, &[k, n, flags].map(number)].concat();
        match matrix.numbers {
            Numbers::Floats => self.tiles("multiply", TILE, n, whole(&[at(x), weight(matrix.at)])),
            Numbers::Bytes { scales } => {
                let [bytes, of_rows] = self.rounded(k, 1);
                self.by_row("to_bytes", vec![at(x), at(bytes), at(of_rows), number(k)]);
                let args = whole(&[at(bytes), at(of_rows), weight(matrix.at), weight(scales)]);
                if self.on_tensor_cores() {
                    self.launch("multiply_bytes", self.grid_of_bytes(n, 1), [BYTES_THREADS, 1, 1], args);
                } else {
                    self.tiles("multiply_few_bytes", FEW_TILE, n, args);
                }
            }
            Numbers::Integers { units, powers } => {
                let [integers, of_rows] = self.rounded(k, 4);
                let bits = number(fixed_point::bits(matrix.k));
                self.by_row("to_integers", vec![at(x), weight(powers), at(integers), at(of_rows), number(k), bits]);
                if self.on_tensor_cores() {
                    let left = self.residues(matrix, integers);
                    let read = [at(self.at_work), at(left), at(of_rows), weight(units)];
                    let args = [&read[..], &added, &[n, flags].map(number)].concat();
                    let grid = [self.rows, n.div_ceil(ROW_THREADS), 1];
                    self.launch("from_residues", grid, [ROW_THREADS, 1, 1], args);
                } else {
                    let args = whole(&[at(integers), at(of_rows), weight(matrix.at), weight(units)]);
                    self.tiles("multiply_integers", INTEGER_TILE, n, args);
                }
            }
        }
    }

    fn on_tensor_cores(&self) -> bool {
        self.tensor_cores && self.rows > FEW
    }

    /// Memory for rounded activations of `size` bytes each, and for the scale of each row.
    fn rounded(&mut self, k: u32, size: u64) -> [Memory; 2] {
        let rows = u64::from(self.rows);
        [self.room(Room::Rounded, rows * u64::from(k) * size), self.room(Room::Scales, rows * 4)]
    }

    /// Residues of activations and of the weights, and what is left of their products; where that is.
    ///
    /// Weights are stored as whole numbers, and become residues in every unit: so they take 4 bytes each, as floats do, and not one for
    /// each modulus, and the memory for residues is that of the largest matrix.
    fn residues(&mut self, matrix: &Matrix, integers: Memory) -> Memory {
        let Matrix { at: weights, n, k, .. } = *matrix;
        let (rows, moduli) = (u64::from(self.rows), MODULI.len() as u64);
        let panels = n.div_ceil(PANEL);
        let of_rows = self.room(Room::RowResidues, rows * moduli * k as u64);
        let of_weights = self.room(Room::WeightResidues, (panels * PANEL * k) as u64 * moduli);
        let left = self.room(Room::SumResidues, rows * moduli * n as u64);
        self.by_row("rows_to_residues", vec![at(integers), at(of_rows), number(k as u32)]);
        let words = (k / 4 * PANEL) as u32;
        // Panels along x, of which a launch may have more than along y.
        let grid = [panels as u32, words.div_ceil(ROW_THREADS), 1];
        let args = vec![at(self.at_work), weight(weights), at(of_weights), number(k as u32)];
        self.launch("weights_to_residues", grid, [ROW_THREADS, 1, 1], args);
        let args = [self.at_work, of_rows, of_weights, left].map(at).into_iter();
        let args = args.chain([number(k as u32), number(n as u32)]).collect();
        self.launch("multiply_residues", self.grid_of_bytes(n as u32, moduli as u32), [BYTES_THREADS, 1, 1], args);
        left
    }

    /// Blocks of a product on tensor cores.
    fn grid_of_bytes(&self, n: u32, moduli: u32) -> [u32; 3] {
        [self.rows.div_ceil(BYTES_TILE), n.div_ceil(BYTES_TILE), moduli]
    }

    /// A launch with a thread for each tile of some rows and columns of a product.
    fn tiles(&mut self, kernel: &str, [rows, columns]: [u32; 2], n: u32, args: Vec<Arg>) {
        let down = self.rows.div_ceil(rows).min(DOWN);
        let grid = [self.rows.div_ceil(rows * down), n.div_ceil(columns * ACROSS), 1];
        self.launch(kernel, grid, [ACROSS, down, 1], args);
    }
}

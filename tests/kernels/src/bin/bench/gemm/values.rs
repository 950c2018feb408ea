//! What is multiplied, and what has to come out.

use bytes::Bytes;
use tessera_nn::Precision;

/// What a matrix is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Floats,
    Bytes,
}

impl Kind {
    /// How a model keeps such a matrix.
    pub fn precision(self) -> Precision {
        match self {
            Self::Floats => Precision::F32,
            Self::Bytes => Precision::Int8,
        }
    }
}

/// A matrix of a product, with rows of `k` values. Every value can be made alone.
#[derive(Clone, Copy)]
pub struct Matrix {
    rows: usize,
    k: usize,
    kind: Kind,
    seed: u64,
}

impl Matrix {
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// x and w of a product of squares.
    pub fn pair(size: usize, kind: Kind) -> [Self; 2] {
        [1, 2].map(|seed| Self { rows: size, k: size, kind, seed })
    }

    /// Floats from -1 to 1; or whole numbers from -127 to 127 of which each row has one 127, so that a step of 8 bits is 1 and the
    /// bytes are these numbers.
    fn value(&self, row: usize, column: usize) -> f32 {
        let random = mixed(self.seed << 56 ^ (row as u64) << 28 ^ column as u64);
        match self.kind {
            Kind::Floats => (random >> 40) as f32 / (1 << 23) as f32 - 1.0,
            Kind::Bytes if column == row % self.k => 127.0,
            Kind::Bytes => (random % 255) as f32 - 127.0,
        }
    }

    /// Some rows, in this order.
    pub fn some(&self, rows: impl IntoIterator<Item = usize>) -> Vec<f32> {
        rows.into_iter().flat_map(|row| (0..self.k).map(move |column| self.value(row, column))).collect()
    }

    /// All rows.
    pub fn all(&self) -> Vec<f32> {
        self.some(0..self.rows)
    }

    /// All rows as the libraries of the vendor read them: floats, or bytes with signs.
    pub fn plain(&self) -> Vec<u8> {
        let values = self.all().into_iter();
        match self.kind {
            Kind::Floats => values.flat_map(f32::to_le_bytes).collect(),
            Kind::Bytes => values.map(|value| (value as i8).cast_unsigned()).collect(),
        }
    }
}

/// The finalizer of SplitMix64.
fn mixed(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Rows and columns of the product that are compared, the first and the last with them: more rows than the front end calls few.
const SAMPLED: [usize; 2] = [20, 80];

/// A part of the product.
pub struct Sample {
    pub rows: Vec<usize>,
    pub columns: Vec<usize>,
}

impl Sample {
    pub fn of(size: usize) -> Self {
        let [rows, columns] = SAMPLED.map(|count| spread(size, count));
        Self { rows, columns }
    }

    /// This part of a whole product, row by row.
    pub fn from(&self, y: &[f32], size: usize) -> Vec<f32> {
        self.rows.iter().flat_map(|row| self.columns.iter().map(move |column| y[row * size + column])).collect()
    }

    /// What the part has to be: one chain of fused multiply-adds from 0 up, or an exact sum that is rounded once.
    pub fn expected(&self, [x, w]: &[Matrix; 2]) -> Vec<f32> {
        let [x_rows, w_rows] = [x.some(self.rows.iter().copied()), w.some(self.columns.iter().copied())];
        let product = |a: &[f32], b: &[f32]| match x.kind {
            Kind::Floats => a.iter().zip(b).fold(0.0f32, |sum, (a, b)| a.mul_add(*b, sum)),
            Kind::Bytes => a.iter().zip(b).map(|(a, b)| *a as i32 * *b as i32).sum::<i32>() as f32,
        };
        let of_row = |a| w_rows.chunks_exact(w.k).map(move |b| product(a, b));
        x_rows.chunks_exact(x.k).flat_map(of_row).collect()
    }
}

/// Up to `count` of `len` places, as far from each other as can be.
fn spread(len: usize, count: usize) -> Vec<usize> {
    let count = count.min(len);
    (0..count).map(|i| i * (len - 1) / (count - 1).max(1)).collect()
}

/// The floats of an output.
pub fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// The program of a product, as the front end makes it; of bytes with tensor cores or without.
pub fn program(x: &[f32], w: Vec<f32>, k: usize, kind: Kind, tensor_cores: bool) -> tessera_nn::Product {
    tessera_nn::Product::new(x, w, k, kind.precision(), tensor_cores).unwrap_or_else(|error| panic!("{error}"))
}

/// The sampled part as the processor's compiled code gives it, from a product of these rows and columns alone.
pub fn by_processor(sample: &Sample, [x, w]: &[Matrix; 2]) -> Vec<f32> {
    let rows = x.some(sample.rows.iter().copied());
    let product = program(&rows, w.some(sample.columns.iter().copied()), x.k, x.kind, true);
    let cpu = tessera_executor::open(tessera_executor::Backend::Cpu).unwrap_or_else(|error| panic!("{error}"));
    let outputs = tessera_executor::outputs(&*cpu, 0, &runnable(&product.plan, &product.inputs), 0..1);
    floats(&outputs.unwrap_or_else(|error| panic!("{error}"))[0])
}

/// A plan of the front end, as an executor takes it.
pub fn runnable<'a>(
    plan: &'a tessera_protocol::spec::LaunchPlan,
    inputs: &'a [Bytes],
) -> tessera_executor::Program<'a> {
    let unit_time = std::time::Duration::from_secs(3600);
    tessera_executor::Program { module: tessera_nn::MODULE, plan, inputs, unit_gas: 0, unit_time }
}

/// Stops where one value has other bits than it should have.
pub fn same(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}: values");
    let bits = |value: &f32| value.to_bits();
    let wrong = found.iter().zip(expected).position(|(found, expected)| bits(found) != bits(expected));
    if let Some(at) = wrong {
        panic!("{what}: expected {}, found {} as value {at}", expected[at], found[at]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_the_values_and_steps_are_1() {
        let [x, _] = Matrix::pair(40, Kind::Bytes);
        let values = x.all();
        for row in values.chunks_exact(40) {
            assert_eq!(row.iter().copied().fold(0.0, f32::max), 127.0);
            assert!(row.iter().all(|value| value.abs() <= 127.0 && value.fract() == 0.0));
        }
        let plain: Vec<f32> = x.plain().iter().map(|byte| f32::from(byte.cast_signed())).collect();
        assert_eq!(plain, values);
    }

    #[test]
    fn floats_have_both_signs_and_are_not_the_same_in_both_matrices() {
        let [x, w] = Matrix::pair(32, Kind::Floats).map(|matrix| matrix.all());
        assert!(x.iter().all(|value| (-1.0..1.0).contains(value)));
        assert!(x.iter().any(|value| *value < -0.9) && x.iter().any(|value| *value > 0.9));
        assert_ne!(x, w);
        assert_eq!(Matrix::pair(32, Kind::Floats)[0].plain().len(), 4 * 32 * 32);
    }

    #[test]
    fn samples_have_the_first_and_the_last_place() {
        assert_eq!(spread(100, 4), [0, 33, 66, 99]);
        assert_eq!(spread(3, 20), [0, 1, 2]);
        assert_eq!(spread(1, 20), [0]);
    }

    #[test]
    fn compiled_code_gives_what_is_expected() {
        for kind in [Kind::Floats, Kind::Bytes] {
            let pair = Matrix::pair(96, kind);
            let sample = Sample::of(96);
            let expected = sample.expected(&pair);
            assert_eq!(expected.len(), 20 * 80);
            same("compiled code", &by_processor(&sample, &pair), &expected);
            // The same part of the whole product.
            let [x, w] = &pair;
            let whole = program(&x.all(), w.all(), 96, kind, true);
            let cpu = tessera_executor::open(tessera_executor::Backend::Cpu).unwrap();
            let outputs = tessera_executor::outputs(&*cpu, 0, &runnable(&whole.plan, &whole.inputs), 0..1).unwrap();
            same("the whole", &sample.from(&floats(&outputs[0]), 96), &expected);
        }
    }

    #[test]
    #[should_panic(expected = "expected -0, found 0 as value 1")]
    fn a_wrong_sign_of_zero_is_seen() {
        same("test", &[1.0, 0.0], &[1.0, -0.0]);
    }
}

//! Products on the GPU: this repository's kernels, and the vendor's libraries.

use tessera_executor::ExecError;
use tessera_executor::measure::{Blas, Math, Shape, Stopwatch, TimedProgram};

use super::in_turn;
use super::values::{Kind, Matrix, Sample, by_processor, floats, program, runnable, same};
use crate::measure::Seconds;

/// About how long a measurement takes at least.
const LEAST: f64 = 0.02;
/// Most that cuBLAS' sums may differ from ours, as a part of the largest: they have another order. With TF32 they differ by some 10^-4.
const FAR: f64 = 2e-5;
/// Bytes for everything but the matrices: cuBLASLt's workspace, the rows' descriptions, blocks that are larger than asked for.
const BESIDES: u64 = 512 << 20;

/// Seconds of a product of squares.
pub struct Times {
    pub floats: Seconds,
    pub bytes: Seconds,
    pub vendor: Option<Vendor>,
}

/// Seconds of the vendor's.
pub struct Vendor {
    pub floats: Seconds,
    pub tf32: Seconds,
    pub bytes: Seconds,
    /// How far its floats are from ours at most, as a part of the largest.
    pub apart: f64,
}

/// What was measured of one size, or why it was not.
pub struct Line {
    pub size: usize,
    pub times: Result<Times, String>,
}

/// Measures products of squares of this size, unless the GPU has too little memory.
///
/// # Panics
/// If a value has other bits than it should have, or something of the driver or a library fails.
pub fn measure(watch: &Stopwatch, blas: Option<&Blas<'_>>, size: usize, repetitions: usize) -> Line {
    let times = || {
        let (needed, available) = (needed(size, blas.is_some()), expect(watch.available()));
        if needed > available {
            let [needed, available] = [needed, available].map(|bytes| bytes >> 20);
            return Err(format!("it needs {needed} MiB of the GPU, which has {available}"));
        }
        let [of_floats, of_bytes] = [Kind::Floats, Kind::Bytes].map(|kind| Matrix::pair(size, kind));
        let (floats, of_vendor) = measure_floats(watch, blas, size, &of_floats, repetitions);
        let (bytes, vendor_bytes) = measure_bytes(watch, blas, size, &of_bytes, repetitions);
        let vendor =
            of_vendor.zip(vendor_bytes).map(|((floats, tf32, apart), bytes)| Vendor { floats, tf32, bytes, apart });
        Ok(Times { floats, bytes, vendor })
    };
    Line { size, times: times() }
}

/// Bytes of the GPU that a size needs: of floats three matrices, and with the vendor's three more; of bytes at most as many.
fn needed(size: usize, vendor: bool) -> u64 {
    let matrix = size as u64 * size as u64 * 4;
    matrix * if vendor { 6 } else { 3 } + BESIDES
}

type OfFloats = (Seconds, Seconds, f64);

fn measure_floats(
    watch: &Stopwatch,
    blas: Option<&Blas<'_>>,
    size: usize,
    pair: &[Matrix; 2],
    repetitions: usize,
) -> (Seconds, Option<OfFloats>) {
    let ours = Ours::new(watch, size, pair);
    let theirs = blas.map(|blas| {
        let [x, w] = pair;
        let theirs = expect(blas.floats(square(size), &x.plain(), &w.plain()));
        expect(theirs.time(Math::Floats, 1));
        let apart = apart(&ours.y, &floats(&expect(theirs.output())));
        assert!(apart < FAR, "cuBLAS' floats are {apart:.1e} of the largest away from ours: expected below {FAR:.0e}");
        (theirs, apart)
    });
    let mut ways: Vec<super::Way<'_>> = vec![Box::new(|times| ours.seconds(times))];
    if let Some((theirs, _)) = &theirs {
        ways.push(Box::new(|times| expect(theirs.time(Math::Floats, times))));
        ways.push(Box::new(|times| expect(theirs.time(Math::Tf32, times))));
    }
    let mut found = in_turn(&mut ways, repetitions, LEAST).into_iter();
    drop(ways);
    ours.check_again();
    let of_ours = found.next().expect("our own");
    (of_ours, found.next().zip(found.next()).zip(theirs).map(|((floats, tf32), (_, apart))| (floats, tf32, apart)))
}

fn measure_bytes(
    watch: &Stopwatch,
    blas: Option<&Blas<'_>>,
    size: usize,
    pair: &[Matrix; 2],
    repetitions: usize,
) -> (Seconds, Option<Seconds>) {
    let ours = Ours::new(watch, size, pair);
    let theirs = blas.map(|blas| {
        let [x, w] = pair;
        let theirs = expect(blas.bytes(square(size), &x.plain(), &w.plain()));
        expect(theirs.time(1));
        // Scales are 1, so that ours are the sums, rounded to floats.
        let sums = expect(theirs.output());
        let sums: Vec<f32> = sums.as_chunks().0.iter().map(|bytes| i32::from_le_bytes(*bytes) as f32).collect();
        same("sums of bytes by cuBLASLt and ours", &sums, &ours.y);
        theirs
    });
    let mut ways: Vec<super::Way<'_>> = vec![Box::new(|times| ours.seconds(times))];
    if let Some(theirs) = &theirs {
        ways.push(Box::new(|times| expect(theirs.time(times))));
    }
    let mut found = in_turn(&mut ways, repetitions, LEAST).into_iter();
    drop(ways);
    ours.check_again();
    (found.next().expect("our own"), found.next())
}

fn square(size: usize) -> Shape {
    Shape { rows: size, n: size, k: size }
}

/// A product of ours on the GPU.
struct Ours<'a> {
    program: TimedProgram<'a>,
    kernel: String,
    y: Vec<f32>,
}

impl<'a> Ours<'a> {
    /// Computes it once, and compares a part with what the processor computes.
    fn new(watch: &'a Stopwatch, size: usize, pair: &[Matrix; 2]) -> Self {
        let [x, w] = pair;
        let product = program(&x.all(), w.all(), size, x.kind(), true);
        let timed = expect(watch.program(&runnable(&product.plan, &product.inputs)));
        let y = floats(&expect(timed.output()));
        let sample = Sample::of(size);
        let (expected, kernel) = (by_processor(&sample, pair), product.kernel().to_owned());
        same("the processor's compiled code", &expected, &sample.expected(pair));
        same(&format!("{kernel} of {size} rows on the GPU"), &sample.from(&y, size), &expected);
        Self { program: timed, kernel, y }
    }

    fn seconds(&self, times: u32) -> f64 {
        expect(self.program.time(&self.kernel, times))
    }

    /// All values are still the same after all runs.
    fn check_again(&self) {
        same(&format!("{}, run again", self.kernel), &floats(&expect(self.program.output())), &self.y);
    }
}

/// The largest difference of two outputs, as a part of the largest value of the first.
fn apart(ours: &[f32], theirs: &[f32]) -> f64 {
    assert_eq!(ours.len(), theirs.len(), "values of both products");
    let largest = ours.iter().fold(0.0f64, |most, value| most.max(f64::from(value.abs())));
    let pairs = ours.iter().zip(theirs).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    // What is no number counts as far away.
    pairs.fold(0.0, |most: f64, found| if most.is_nan() || found <= most { most } else { found }) / largest
}

fn expect<T>(found: Result<T, ExecError>) -> T {
    found.unwrap_or_else(|error| panic!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_parts_of_the_largest_value() {
        assert_eq!(apart(&[1.0, -4.0, 2.0], &[1.0, -4.0, 2.0]), 0.0);
        assert_eq!(apart(&[1.0, -4.0, 2.0], &[1.5, -4.0, 3.0]), 0.25);
        assert!(apart(&[1.0, 2.0], &[f32::NAN, 2.0]).is_nan());
    }

    #[test]
    fn large_sizes_need_gibibytes() {
        assert_eq!(needed(16384, true), (6 << 30) + BESIDES);
        assert_eq!(needed(1024, false), (12 << 20) + BESIDES);
    }
}

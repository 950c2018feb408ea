//! Single products: one value by both ways, how far off, and what becomes of values that are no ordinary ones.

use std::time::Duration;

use tessera_executor::{Backend, Checks, Options, Program, open_with, outputs};

use super::*;
use crate::{alone::Product, job::MODULE, pack::Precision};

/// Rows of activations and columns of weights, each of `k` values.
struct Case {
    x: Vec<Vec<f32>>,
    w: Vec<Vec<f32>>,
}

/// Numbers between -1 and 1 that look random.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as f32 / 2f32.powi(31) - 1.0
    }

    /// A power of two of at most 2^`most` and at least its inverse.
    fn power(&mut self, most: f32) -> f32 {
        (self.next() * most).round().exp2()
    }

    fn rows(&mut self, count: usize, k: usize) -> Vec<Vec<f32>> {
        (0..count).map(|_| (0..k).map(|_| self.next()).collect()).collect()
    }
}

impl Case {
    fn random(rows: usize, n: usize, k: usize) -> Self {
        let mut numbers = Numbers((rows + n * k) as u64);
        Self { x: numbers.rows(rows, k), w: numbers.rows(n, k) }
    }

    fn k(&self) -> usize {
        self.x[0].len()
    }

    /// All elements, row by row, as the kernels compute them.
    fn product(&self, precision: Precision, tensor_cores: bool, checks: Checks) -> Vec<f32> {
        let product = Product::new(&self.x.concat(), self.w.concat(), self.k(), precision, tensor_cores).unwrap();
        let (plan, inputs) = (&product.plan, &product.inputs);
        let unit_time = Duration::from_secs(600);
        let program = Program { module: MODULE, plan, inputs, unit_gas: 0, unit_time };
        let executor = open_with(Backend::Cpu, &Options { checks, ..Options::default() }).unwrap();
        let output = &outputs(&*executor, 0, &program, 0..1).unwrap()[0];
        output.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }

    /// The product in fixed point, as it stands.
    fn plain(&self) -> Vec<f32> {
        self.product(Precision::FixedPoint, false, Checks::NONE)
    }

    /// The same, which is what it is by residues.
    fn fixed_point(&self) -> Vec<f32> {
        let plain = self.plain();
        assert!(self.x.len() > 16, "fewer rows are not multiplied by residues");
        let by_residues = self.product(Precision::FixedPoint, true, Checks::NONE);
        assert_eq!(bits_of(&by_residues), bits_of(&plain));
        plain
    }

    fn pairs(&self) -> impl Iterator<Item = (&Vec<f32>, &Vec<f32>)> {
        self.x.iter().flat_map(|x| self.w.iter().map(move |w| (x, w)))
    }

    /// The same by this processor's own arithmetic, for results that are not denormal.
    fn in_128_bits(&self) -> Vec<f32> {
        let k = self.k();
        let weights = Integers::of(&self.w.iter().map(Vec::as_slice).collect::<Vec<_>>(), k).unwrap();
        let mut found = vec![];
        for x in &self.x {
            let exponents = x.iter().zip(&weights.powers).filter_map(|(value, power)| Some(exponent(*value)? + power));
            let unit = exponents.max().unwrap() + 1 - bits(k) as i32;
            let x: Vec<i32> =
                x.iter().zip(&weights.powers).map(|(value, power)| integer(*value, power - unit)).collect();
            for (w, of_w) in weights.values.chunks_exact(k).zip(&weights.units) {
                let sum: i128 = x.iter().zip(w).map(|(x, w)| i128::from(*x) * i128::from(*w)).sum();
                found.push(libm::ldexp(f64::from(sum as f32), unit + of_w) as f32);
            }
        }
        found
    }

    /// The elements with an error of about 2^-53 of the sum of the products' magnitudes, and that sum.
    fn exact(&self) -> Vec<(f64, f64)> {
        let products = |(x, w): (&Vec<f32>, &Vec<f32>)| {
            let products = x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w));
            products.fold((0.0, 0.0), |(sum, size), product| (sum + product, size + product.abs()))
        };
        self.pairs().map(products).collect()
    }
}

fn bits_of(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// The largest error, as a part of the sum of the products' magnitudes.
fn worst(found: &[f32], exact: &[(f64, f64)]) -> f64 {
    found.iter().zip(exact).map(|(found, (sum, size))| (f64::from(*found) - sum).abs() / size).fold(0.0, f64::max)
}

#[test]
fn nothing_wraps() {
    let product: u128 = MODULI.iter().map(|modulus| u128::from(*modulus)).product();
    for (number, a) in MODULI.iter().enumerate() {
        assert!(MODULI[..number].iter().all(|b| (2..=*a).all(|d| a % d != 0 || b % d != 0)));
    }
    let limits = [
        (1, 30),
        (1364, 30),
        (1365, 29),
        (5458, 29),
        (5459, 28),
        (21_835, 28),
        (21_836, 27),
        (87_342, 27),
        (MAX_K, 26),
    ];
    for (k, expected) in limits {
        assert_eq!(bits(k), expected, "{k}");
        assert!((k as u128) << (2 * expected) < product / 2);
    }
    const { assert!(MAX_K * 128 * 128 < 1 << 31) };
    let row = vec![1.0; MAX_K + 1];
    assert!(Integers::of(&[&row[1..]], MAX_K).is_ok());
    let refused = Integers::of(&[&row], MAX_K + 1).unwrap_err().to_string();
    assert!(refused.contains("at most 131071"), "{refused}");
}

/// Sums as large as they can be, and of both signs.
#[test]
fn the_largest_sums_are_exact() {
    // Of 1364 and 5456 they are nearly half of the product of all moduli.
    for (k, by_residues) in [(8, true), (1364, true), (5456, true), (131_068, false)] {
        let just = f32::from_bits(1.0f32.to_bits() - 1);
        let w = vec![vec![just; k], vec![-just; k]];
        let mut x = vec![vec![just; k]; 17];
        x[1] = vec![-just; k];
        x[2][k - 3] = 0.25;
        let expected = |signs: f64| (f64::from(just).powi(2) * k as f64 * signs) as f32;
        let case = Case { x, w };
        // By residues the longest would take most of the time of these tests.
        let found = if by_residues { case.fixed_point() } else { case.plain() };
        // `just` has 24 bits, so nothing is rounded but the sum.
        assert_eq!(found[..4], [1.0, -1.0, -1.0, 1.0].map(expected), "{k}");
        let less = f64::from(just).powi(2) * (k - 1) as f64 + f64::from(just) * 0.25;
        assert_eq!(found[4], less as f32, "{k}");
    }
}

#[test]
fn each_element_has_one_value() {
    // One row, few rows, and more rows and columns than a tile of tensor cores, whose last ones are not full.
    for (rows, n, k) in [(1, 3, 4), (16, 17, 36), (70, 66, 40)] {
        // Values of so different sizes that most of them are rounded.
        let (mut case, mut numbers) = (Case::random(rows, n, k), Numbers(k as u64));
        for value in case.x.iter_mut().chain(&mut case.w).flatten() {
            *value *= numbers.power(12.0);
        }
        let plain = bits_of(&case.plain());
        assert_eq!(bits_of(&case.in_128_bits()), plain);
        for tensor_cores in [false, true] {
            let found = bits_of(&case.product(Precision::FixedPoint, tensor_cores, Checks::ALL));
            assert_eq!(found, plain, "{rows} x {n} x {k}, tensor cores: {tensor_cores}");
        }
        let first = Case { x: case.x[..1].to_vec(), w: case.w.clone() };
        assert_eq!(bits_of(&first.product(Precision::FixedPoint, true, Checks::NONE)), plain[..n]);
        // In another order of the inputs too.
        let reversed = |rows: &[Vec<f32>]| rows.iter().map(|row| row.iter().rev().copied().collect()).collect();
        let turned = Case { x: reversed(&case.x), w: reversed(&case.w) };
        assert_eq!(bits_of(&turned.product(Precision::FixedPoint, true, Checks::NONE)), plain);
    }
}

#[test]
fn errors_are_a_twelfth_of_those_of_floats() {
    let (rows, n, k) = (20, 24, 256);
    let mut numbers = Numbers(5);
    let even = Case::random(rows, n, k);
    let scaled = |x: &dyn Fn(usize, usize) -> f32, w: &dyn Fn(usize, usize) -> f32| {
        let with = |values: &[Vec<f32>], scale: &dyn Fn(usize, usize) -> f32| {
            let of_row = |(i, row): (usize, &Vec<f32>)| row.iter().enumerate().map(|(j, v)| v * scale(i, j)).collect();
            values.iter().enumerate().map(of_row).collect()
        };
        Case { x: with(&even.x, x), w: with(&even.w, w) }
    };
    let one = |_, _| 1.0;
    let of_rows: Vec<f32> = (0..rows.max(n)).map(|_| numbers.power(40.0)).collect();
    let of_inputs: Vec<f32> = (0..k).map(|_| numbers.power(20.0)).collect();
    let steep: Vec<f32> = (0..k).map(|_| numbers.next().powi(9) * 100.0).collect();
    let mut cancelling = Case::random(rows, n, k);
    for (x, w) in cancelling.x.iter_mut().zip(&mut cancelling.w) {
        for i in 0..k / 2 {
            x[i + k / 2] = x[i];
            w[i + k / 2] = -w[i] * (1.0 + 1e-4 * numbers.next());
        }
    }
    let cases = [
        ("rows and columns of any size", scaled(&|i, _| of_rows[i], &|i, _| 1.0 / of_rows[i])),
        ("inputs of any size", scaled(&|_, j| of_inputs[j], &one)),
        (
            "inputs and their weights of opposite sizes, outputs of any size",
            scaled(&|_, j| of_inputs[j], &|i, j| of_rows[i] / of_inputs[j]),
        ),
        ("a few inputs far larger", scaled(&|_, j| if j % 100 == 3 { 3000.0 } else { 1.0 }, &one)),
        ("most values small", scaled(&|i, j| steep[(i * 7 + j) % k], &|i, j| steep[(i * 5 + j) % k])),
        ("sums that cancel", cancelling),
        ("even", scaled(&one, &one)),
    ];
    for (name, case) in cases {
        let exact = case.exact();
        let (floats, fixed) = (case.product(Precision::F32, false, Checks::NONE), case.fixed_point());
        let (of_floats, of_fixed) = (worst(&floats, &exact), worst(&fixed, &exact));
        assert!(12.0 * of_fixed <= of_floats, "{name}: {of_fixed:e}, floats {of_floats:e}");
        for ((found, (sum, size)), bound) in fixed.iter().zip(&exact).zip(bounds(&case)) {
            let error = (f64::from(*found) - sum).abs();
            assert!(error <= sum.abs() * 2f64.powi(-24) + bound + size * 1e-13, "{name}: {error:e}, {bound:e}");
        }
    }
}

/// For each element, what the module's documentation says that it may be off before it is rounded.
fn bounds(case: &Case) -> Vec<f64> {
    let k = case.k();
    let rows: Vec<&[f32]> = case.w.iter().map(Vec::as_slice).collect();
    let powers = Integers::of(&rows, k).unwrap().powers;
    let sizes = |row: &[f32], sign: i32| {
        let sizes = row.iter().zip(&powers).map(|(value, power)| libm::ldexp(f64::from(value.abs()), sign * power));
        sizes.fold((0.0, 0.0), |(most, sum): (f64, f64), size| (most.max(size), sum + size))
    };
    let step = 2f64.powi(-(bits(k) as i32));
    let bound = |(x, w): (&Vec<f32>, &Vec<f32>)| {
        let ((x_most, x_sum), (w_most, w_sum)) = (sizes(x, 1), sizes(w, -1));
        step * (x_most * w_sum + w_most * x_sum) + k as f64 * step * step * x_most * w_most
    };
    case.pairs().map(bound).collect()
}

/// All results are rounded once: denormal ones, and those that are too large.
#[test]
fn results_of_any_size_are_rounded_once() {
    let tiny = f32::from_bits(1);
    // Products of two values that need no rounding before: all that matters is the last one.
    let values = [
        [1.0, 1.0],
        [f32::MAX, 1.0],
        [f32::MAX, 1.000_000_1],
        [-f32::MAX, 2.0],
        [tiny, 0.5],
        [tiny, 0.75],
        [tiny, 1.5],
        [-tiny, 2.5],
        [tiny, tiny],
        [f32::MIN_POSITIVE, 0.999_999_94],
        [1.1754942e-38, 1.000_000_1],
        [3e-30, -7e-12],
        [1.234_567_9, 3e-39],
        [1e30, -1e-30],
        [0.0, 5.0],
        [-0.0, 5.0],
        [f32::MAX, tiny],
    ];
    let x = values.iter().map(|[x, _]| vec![*x, 0.0, -0.0, 0.0]).collect();
    let w = values.iter().map(|[_, w]| vec![*w, 0.0, 0.0, 0.0]).collect();
    let case = Case { x, w };
    // Doubles hold these products exactly. A sum of zero has no sign.
    let once = |product: f64| if product == 0.0 { 0.0 } else { product as f32 };
    let expected: Vec<f32> = case.pairs().map(|(x, w)| once(f64::from(x[0]) * f64::from(w[0]))).collect();
    assert_eq!(bits_of(&case.fixed_point()), bits_of(&expected));
    assert!(expected.iter().any(|value| value.is_infinite()) && expected.iter().any(|value| value.is_subnormal()));
}

/// Halves go to the even float, unless the smallest bit of a sum above 2^64 says that it is more than a half.
#[test]
fn the_smallest_bit_of_a_sum_counts() {
    let (k, tiny) = (132, 2f32.powi(-29));
    let mut half = vec![1.0; k];
    half[128..].copy_from_slice(&[2f32.powi(-17), 0.0, 0.0, 0.0]);
    let mut more = half.clone();
    more[129] = tiny;
    // Its last input is 1 in another column, so it keeps its power.
    let mut w = vec![1.0; k];
    w[129] = tiny;
    let found = Case { x: [vec![half; 9], vec![more; 9]].concat(), w: vec![w, vec![1.0; k]] }.fixed_point();
    assert_eq!([found[0], found[18]], [128.0, 128.0 + 2f32.powi(-16)]);
}

#[test]
fn rows_without_a_number_are_nan_alone() {
    let mut case = Case::random(20, 5, 8);
    case.w[3] = vec![0.0; 8];
    case.x[4] = vec![0.0; 8];
    // An input that no output reads is as good as none, unless it is no number.
    case.w.iter_mut().for_each(|w| w[6] = 0.0);
    let plain = case.fixed_point();
    assert!(plain[20..25].iter().chain([&plain[3], &plain[98]]).all(|value| value.to_bits() == 0));
    case.x[1][6] = f32::MAX;
    assert_eq!(bits_of(&case.fixed_point()), bits_of(&plain));
    for (row, value) in [(2, f32::NAN), (5, f32::INFINITY), (19, f32::NEG_INFINITY)] {
        case.x[row][6] = value;
    }
    for (place, (found, plain)) in case.fixed_point().iter().zip(&plain).enumerate() {
        let expected = if [2, 5, 19].contains(&(place / 5)) { 0x7fff_ffff } else { plain.to_bits() };
        assert_eq!(found.to_bits(), expected, "{place}");
    }
}

//! The functions of the standard library and those of `libm` give the same bits.

use super::{native, soft};

/// A generator that gives the same numbers everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }
}

macro_rules! compared {
    ($name:ident, $float:ident, $bits:ident, $exponent:expr, $fraction:expr) => {
        mod $name {
            use super::super::$name as real;
            use super::Random;
            use super::native::$name as native;
            use super::soft::$name as soft;
            use std::vec::Vec;

            const FRACTION: u32 = $fraction;
            const BIAS: $bits = (1 << ($exponent - 1)) - 1;
            const TOP: $bits = (1 << $exponent) - 1;
            /// Random operands of each test.
            const COUNT: usize = 3_000_000;

            /// Zeros, denormals, infinities, NaNs with payloads, the largest, halves and their neighbours, each with both
            /// signs.
            fn edges() -> Vec<$bits> {
                let one = BIAS << FRACTION;
                let at = |exponent: u32, fraction: $bits| (BIAS + $bits::from(exponent)) << FRACTION | fraction;
                let low = (1 << FRACTION) - 1;
                let mut edges = std::vec![0, 1, 2, 3, low, low - 1, 1 << FRACTION, 1 << FRACTION | 1, 2 << FRACTION];
                edges.extend([one - 2, one - 1, one, one + 1, one + 2, one | low]);
                // Halves, thirds and what lies next to them.
                for value in [0.25, 0.5, 0.75, 1.5, 2.5, 3.5, 1.0 / 3.0, 2.0, 3.0, 4.0, 9.0, 0.1, 1e10, 1e-10] {
                    let bits = $float::to_bits(value);
                    edges.extend([bits - 1, bits, bits + 1]);
                }
                // Where the last bits of the significand are worth one half, one and two.
                for exponent in [FRACTION - 2, FRACTION - 1, FRACTION, FRACTION + 1] {
                    edges.extend([0, 1, 2, 3, low, low - 1, low - 2].map(|fraction| at(exponent, fraction)));
                }
                let infinity = TOP << FRACTION;
                edges.extend([infinity - 1, infinity - 2, infinity - (1 << FRACTION), infinity, infinity | 1]);
                edges.extend([infinity | 1 << (FRACTION - 1), infinity | low, infinity | 0x1234]);
                edges.iter().flat_map(|bits| [*bits, *bits | real::SIGN]).collect()
            }

            /// An operand: any bits, one near 1 or near the ends, an edge, a number with few significant bits.
            fn operand(random: &mut Random, edges: &[$bits]) -> $bits {
                let (kind, x, by) = (random.next() % 8, random.next() as $bits, random.next());
                let fraction = x & (real::SIGN | ((1 << FRACTION) - 1));
                match kind {
                    0 | 1 => x,
                    2 => fraction | (BIAS + (by % 8) as $bits - 4) << FRACTION,
                    3 => fraction | ((by % 4) as $bits) << FRACTION,
                    4 => fraction | (TOP - (by % 4) as $bits) << FRACTION,
                    5 => fraction | (BIAS + (by % (FRACTION as u64 + 4)) as $bits) << FRACTION,
                    6 => x & ($bits::MAX << (by % u64::from(FRACTION))),
                    _ => edges[(by % edges.len() as u64) as usize],
                }
            }

            fn one(x: $bits) {
                let value = real::of(x);
                let compare = |what: &str, native: $float, soft: $float| {
                    assert_eq!(real::bits(native), real::bits(soft), "{what} of {x:#x}");
                };
                compare("sqrt", native::sqrt(value), soft::sqrt(value));
                compare("nearest", native::nearest(value), soft::nearest(value));
                compare("trunc", native::trunc(value), soft::trunc(value));
                compare("floor", native::floor(value), soft::floor(value));
                compare("ceil", native::ceil(value), soft::ceil(value));
            }

            fn three(x: $bits, y: $bits, z: $bits) {
                let [a, b, c] = [x, y, z].map(real::of);
                let (native, soft) = (native::fma(a, b, c), soft::fma(a, b, c));
                assert_eq!(real::bits(native), real::bits(soft), "fma of {x:#x}, {y:#x}, {z:#x}");
            }

            #[test]
            fn edges_give_the_same() {
                let edges = edges();
                edges.iter().for_each(|x| one(*x));
                for x in &edges {
                    for y in &edges {
                        edges.iter().for_each(|z| three(*x, *y, *z));
                    }
                }
            }

            #[test]
            fn random_operands_give_the_same() {
                let (mut random, edges) = (Random(7), edges());
                (0..COUNT).for_each(|_| one(operand(&mut random, &edges)));
            }

            #[test]
            fn random_sums_give_the_same() {
                let (mut random, edges) = (Random(8), edges());
                for _ in 0..COUNT {
                    let [x, y, z] = [(); 3].map(|()| operand(&mut random, &edges));
                    three(x, y, z);
                    // Almost nothing is left of the product, or half of its last bit.
                    let product = real::mul(x, y);
                    let near = (product ^ real::SIGN).wrapping_add((random.next() % 5) as $bits).wrapping_sub(2);
                    three(x, y, near);
                    let less = ($bits::from(FRACTION) + (random.next() % 4) as $bits) << FRACTION;
                    three(x, y, product.wrapping_sub(less) & !(z & ((1 << FRACTION) - 1)));
                    three(x, BIAS << FRACTION, (x.wrapping_sub(less) ^ z & real::SIGN) & ($bits::MAX << FRACTION));
                }
            }

            #[test]
            fn random_roots_of_squares_give_the_same() {
                let (mut random, edges) = (Random(9), edges());
                for _ in 0..COUNT {
                    let x = operand(&mut random, &edges);
                    let square = real::mul(x, x);
                    (0..3).for_each(|i| one(square.wrapping_add(i).wrapping_sub(1)));
                }
            }
        }
    };
}

compared!(single, f32, u32, 8, 23);
compared!(double, f64, u64, 11, 52);

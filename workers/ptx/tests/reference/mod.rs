//! Rounding by its definition, in whole numbers of any length: the value of every bit pattern is a whole multiple of the
//! smallest denormal, and the result is found among the patterns by bisection.
#![allow(dead_code)] // Each test file uses a part of it.

use std::cmp::Ordering;

use num_bigint::{BigInt, BigUint, Sign};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Nearest,
    Zero,
    Down,
    Up,
}

pub const MODES: [(&str, Mode); 4] = [("rn", Mode::Nearest), ("rz", Mode::Zero), ("rm", Mode::Down), ("rp", Mode::Up)];

/// A binary format: bits of the stored fraction, and of the exponent.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    pub fraction: u32,
    pub exponent: u32,
}

pub const F16: Format = Format { fraction: 10, exponent: 5 };
pub const BF16: Format = Format { fraction: 7, exponent: 8 };
pub const F32: Format = Format { fraction: 23, exponent: 8 };
pub const F64: Format = Format { fraction: 52, exponent: 11 };

impl Format {
    fn sign_bit(self) -> u64 {
        1 << (self.fraction + self.exponent)
    }

    pub fn infinity(self) -> u64 {
        self.sign_bit() - (1 << self.fraction)
    }

    pub fn nan(self) -> u64 {
        self.sign_bit() - 1
    }

    /// The smallest denormal is 2 to minus this.
    fn scale(self) -> u32 {
        (1 << (self.exponent - 1)) - 2 + self.fraction
    }

    pub fn is_nan(self, bits: u64) -> bool {
        bits & self.nan() > self.infinity()
    }

    fn is_infinite(self, bits: u64) -> bool {
        bits & self.nan() == self.infinity()
    }

    pub fn negative(self, bits: u64) -> bool {
        bits & self.sign_bit() != 0
    }

    /// A magnitude in smallest denormals; that of infinity is what would come next.
    fn units(self, magnitude: u64) -> BigUint {
        let (field, fraction) = (magnitude >> self.fraction, magnitude & ((1 << self.fraction) - 1));
        match field {
            0 => BigUint::from(fraction),
            _ => BigUint::from(fraction | 1 << self.fraction) << (field - 1),
        }
    }

    fn signed(self, bits: u64) -> BigInt {
        let sign = if self.negative(bits) { Sign::Minus } else { Sign::Plus };
        BigInt::from_biguint(sign, self.units(bits & self.nan()))
    }

    /// Rounds a number other than zero. `compare` orders its magnitude against halves of the smallest denormal.
    fn round(self, negative: bool, mode: Mode, compare: impl Fn(&BigUint) -> Ordering) -> u64 {
        let (mut below, mut above) = (0, self.infinity() + 1);
        while above - below > 1 {
            let middle = (below + above) / 2;
            if compare(&(self.units(middle) << 1u8)) == Ordering::Less { above = middle } else { below = middle }
        }
        let sign = if negative { self.sign_bit() } else { 0 };
        let away = match mode {
            Mode::Zero => false,
            Mode::Down => negative,
            Mode::Up => !negative,
            Mode::Nearest => true,
        };
        if below == self.infinity() {
            return sign | if away { below } else { below - 1 };
        }
        if compare(&(self.units(below) << 1u8)) == Ordering::Equal {
            return sign | below;
        }
        let up = match (mode, compare(&(self.units(below) + self.units(below + 1)))) {
            (Mode::Nearest, Ordering::Less) => false,
            (Mode::Nearest, Ordering::Equal) => below & 1 != 0,
            (Mode::Nearest, Ordering::Greater) => true,
            _ => away,
        };
        sign | (below + u64::from(up))
    }

    /// Rounds `n / d` halves of the smallest denormal; `zero` is the sign of a zero.
    fn ratio(self, n: &BigInt, d: &BigUint, zero: bool, mode: Mode) -> u64 {
        if n.sign() == Sign::NoSign {
            return if zero { self.sign_bit() } else { 0 };
        }
        self.round(n.sign() == Sign::Minus, mode, |half| n.magnitude().cmp(&(half * d)))
    }

    fn sum_zero(self, x: bool, y: bool, mode: Mode) -> bool {
        if x == y { x } else { mode == Mode::Down }
    }

    pub fn add(self, a: u64, b: u64, mode: Mode) -> u64 {
        if self.is_nan(a) || self.is_nan(b) {
            return self.nan();
        }
        match (self.is_infinite(a), self.is_infinite(b)) {
            (true, true) => return if a == b { a } else { self.nan() },
            (true, false) => return a,
            (false, true) => return b,
            _ => {}
        }
        let zero = self.sum_zero(self.negative(a), self.negative(b), mode);
        self.ratio(&((self.signed(a) + self.signed(b)) * 2), &BigUint::from(1u8), zero, mode)
    }

    pub fn sub(self, a: u64, b: u64, mode: Mode) -> u64 {
        self.add(a, b ^ self.sign_bit(), mode)
    }

    /// The product where it is not a finite number.
    fn special_product(self, a: u64, b: u64) -> Option<u64> {
        let zero = |bits: u64| bits & self.nan() == 0;
        if self.is_nan(a) || self.is_nan(b) {
            return Some(self.nan());
        }
        if self.is_infinite(a) || self.is_infinite(b) {
            let sign = (a ^ b) & self.sign_bit();
            return Some(if zero(a) || zero(b) { self.nan() } else { sign | self.infinity() });
        }
        None
    }

    pub fn mul(self, a: u64, b: u64, mode: Mode) -> u64 {
        if let Some(special) = self.special_product(a, b) {
            return special;
        }
        let d = BigUint::from(1u8) << (self.scale() - 1);
        self.ratio(&(self.signed(a) * self.signed(b)), &d, self.negative(a ^ b), mode)
    }

    pub fn fma(self, a: u64, b: u64, c: u64, mode: Mode) -> u64 {
        if let Some(special) = self.special_product(a, b) {
            return self.add(special, c, mode);
        }
        if self.is_nan(c) {
            return self.nan();
        }
        if self.is_infinite(c) {
            return c;
        }
        let exact = self.signed(a) * self.signed(b) + (self.signed(c) << self.scale());
        let zero = self.sum_zero(self.negative(a ^ b), self.negative(c), mode);
        self.ratio(&exact, &(BigUint::from(1u8) << (self.scale() - 1)), zero, mode)
    }

    pub fn div(self, a: u64, b: u64, mode: Mode) -> u64 {
        let (sign, zero) = ((a ^ b) & self.sign_bit(), |bits: u64| bits & self.nan() == 0);
        if self.is_nan(a) || self.is_nan(b) {
            return self.nan();
        }
        match (self.is_infinite(a), self.is_infinite(b)) {
            (true, true) => return self.nan(),
            (true, false) => return sign | self.infinity(),
            (false, true) => return sign,
            _ => {}
        }
        match (zero(a), zero(b)) {
            (true, true) => self.nan(),
            (true, false) => sign,
            (false, true) => sign | self.infinity(),
            _ => {
                let n = self.units(a & self.nan()) << (self.scale() + 1);
                let d = self.units(b & self.nan());
                self.ratio(&BigInt::from_biguint(if sign == 0 { Sign::Plus } else { Sign::Minus }, n), &d, false, mode)
            }
        }
    }

    pub fn sqrt(self, a: u64, mode: Mode) -> u64 {
        if a & self.nan() == 0 || a == self.infinity() {
            return a;
        }
        if self.is_nan(a) || self.negative(a) {
            return self.nan();
        }
        let square = self.units(a) << (self.scale() + 2);
        self.round(false, mode, |half| square.cmp(&(half * half)))
    }

    /// A number of another format.
    pub fn of(self, from: Format, bits: u64, mode: Mode) -> u64 {
        if from.is_nan(bits) {
            return self.nan();
        }
        let sign = if from.negative(bits) { self.sign_bit() } else { 0 };
        if from.is_infinite(bits) {
            return sign | self.infinity();
        }
        let (n, d) = (from.signed(bits) << (self.scale() + 1), BigUint::from(1u8) << from.scale());
        self.ratio(&n, &d, sign != 0, mode)
    }

    pub fn of_integer(self, value: i128, mode: Mode) -> u64 {
        self.ratio(&(BigInt::from(value) << (self.scale() + 1)), &BigUint::from(1u8), false, mode)
    }

    /// Numbers that sit on edges: zeros, ends of the denormals, powers of two and their neighbours, the largest, infinity, NaN.
    pub fn edges(self) -> Vec<u64> {
        let least = 1 << self.fraction;
        let one = (self.infinity() / 2) & !(least - 1);
        let fields =
            [one, one + 3 * least, one - 2 * least, one + u64::from(self.fraction) * least, self.infinity() - least];
        let mut edges = vec![0, 1, 2, 3, least - 1, least, least + 1, least / 2, self.infinity() - 1, self.infinity()];
        edges.extend(fields.iter().flat_map(|bits| [*bits, bits + 1, bits - 1, bits + least / 2, bits + least / 3]));
        edges.push(self.nan());
        edges.push(self.infinity() + 1);
        let signed: Vec<u64> = edges.iter().flat_map(|bits| [*bits, bits | self.sign_bit()]).collect();
        signed
    }

    /// Any number, often one near 1 so that sums cancel.
    pub fn random(self, random: &mut Random) -> u64 {
        let bits = random.next() & (self.sign_bit() | self.nan());
        if random.next().is_multiple_of(3) {
            return bits;
        }
        let one = (self.infinity() / 2) >> self.fraction;
        let field = one + random.next() % (2 * u64::from(self.fraction)) - u64::from(self.fraction).min(one - 1);
        (bits & (self.sign_bit() | ((1 << self.fraction) - 1))) | field << self.fraction
    }
}

/// Numbers that are the same in every run (xorshift).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

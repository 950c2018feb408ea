//! Directed rounding of f32 and f64, saturation, and conversions in every rounding mode, against exact arithmetic.

mod common;
mod reference;

use common::{LONGS, Number, SINGLES, WORDS, lanewise, pairs, singles};
use reference::{F16, F32, F64, Format, MODES, Mode, Random};

/// A width of floating point as tests see it.
trait Width: Number {
    const FORMAT: Format;
    const TYPE: &'static str;
    const REGISTER: &'static str;
    fn bits(self) -> u64;
    fn of(bits: u64) -> Self;
}

impl Width for u32 {
    const FORMAT: Format = F32;
    const TYPE: &'static str = "f32";
    const REGISTER: &'static str = "f";
    fn bits(self) -> u64 {
        self.into()
    }
    fn of(bits: u64) -> Self {
        bits as Self
    }
}

impl Width for u64 {
    const FORMAT: Format = F64;
    const TYPE: &'static str = "f64";
    const REGISTER: &'static str = "fd";
    fn bits(self) -> u64 {
        self
    }
    fn of(bits: u64) -> Self {
        bits
    }
}

/// Edges with edges, and random numbers.
fn two<T: Width>(seed: u64, count: usize) -> Vec<(T, T, u32)> {
    let edges: Vec<T> = T::FORMAT.edges().into_iter().map(T::of).collect();
    let mut random = Random::new(seed);
    let mut operands = pairs(&edges);
    operands
        .extend((0..count).map(|_| (T::of(T::FORMAT.random(&mut random)), T::of(T::FORMAT.random(&mut random)), 0)));
    operands
}

fn binary<T: Width>(op: &str, seed: u64, reference: fn(Format, u64, u64, Mode) -> u64) {
    let operands = two::<T>(seed, 2000);
    for (name, mode) in MODES {
        let (ty, r) = (T::TYPE, T::REGISTER);
        lanewise(&format!("{op}.{name}.{ty} %{r}9, %{r}1, %{r}2;"), [ty, ty, ""], ty, &operands, |a: T, b: T, _| {
            T::of(reference(T::FORMAT, a.bits(), b.bits(), mode))
        });
    }
}

#[test]
fn sums() {
    binary::<u32>("add", 1, Format::add);
    binary::<u64>("add", 2, Format::add);
    binary::<u32>("sub", 3, Format::sub);
    binary::<u64>("sub", 4, Format::sub);
}

#[test]
fn products() {
    binary::<u32>("mul", 5, Format::mul);
    binary::<u64>("mul", 6, Format::mul);
}

#[test]
fn quotients() {
    binary::<u32>("div", 7, Format::div);
    binary::<u64>("div", 8, Format::div);
}

fn fused<T: Width>(seed: u64) {
    let edges = T::FORMAT.edges();
    let mut random = Random::new(seed);
    let mut operands: Vec<(T, T, T)> = Vec::new();
    let pick = |random: &mut Random| T::of(edges[random.next() as usize % edges.len()]);
    for _ in 0..3000 {
        operands.push((pick(&mut random), pick(&mut random), pick(&mut random)));
        let [a, b, c] = [(); 3].map(|()| T::FORMAT.random(&mut random));
        operands.push((T::of(a), T::of(b), T::of(c)));
        // What a product leaves when its own rounding is taken away: the lower half of its bits, or nothing.
        let product = T::FORMAT.mul(a, b, Mode::Nearest);
        operands.push((T::of(a), T::of(b), T::of(T::FORMAT.sub(0, product, Mode::Nearest))));
    }
    for (name, mode) in MODES {
        for op in ["fma", "mad"] {
            let (ty, r) = (T::TYPE, T::REGISTER);
            let text = format!("{op}.{name}.{ty} %{r}9, %{r}1, %{r}2, %{r}3;");
            lanewise(&text, [ty; 3], ty, &operands, |a: T, b: T, c: T| {
                T::of(T::FORMAT.fma(a.bits(), b.bits(), c.bits(), mode))
            });
        }
    }
}

#[test]
fn fused_products() {
    fused::<u32>(9);
    fused::<u64>(10);
}

fn unary<T: Width>(op: &str, seed: u64, reference: fn(Format, u64, Mode) -> u64) {
    let mut random = Random::new(seed);
    let mut operands: Vec<T> = T::FORMAT.edges().into_iter().map(T::of).collect();
    operands.extend((0..2000).map(|_| T::of(T::FORMAT.random(&mut random))));
    // Squares have roots without rounding.
    operands.extend((1..50u64).map(|i| T::of(T::FORMAT.of_integer((i * i).into(), Mode::Nearest))));
    for (name, mode) in MODES {
        let (ty, r) = (T::TYPE, T::REGISTER);
        lanewise(&format!("{op}.{name}.{ty} %{r}9, %{r}1;"), [ty, "", ""], ty, &singles(&operands), |a: T, _, _| {
            T::of(reference(T::FORMAT, a.bits(), mode))
        });
    }
}

#[test]
fn roots_and_reciprocals() {
    unary::<u32>("sqrt", 11, Format::sqrt);
    unary::<u64>("sqrt", 12, Format::sqrt);
    let reciprocal = |format: Format, a, mode| format.div(format.of_integer(1, mode), a, mode);
    unary::<u32>("rcp", 13, reciprocal);
    unary::<u64>("rcp", 14, reciprocal);
}

/// The reference itself, against the arithmetic of the host.
#[test]
fn reference_rounds_as_the_host() {
    let single = |x: f32| if x.is_nan() { 0x7fff_ffff } else { u64::from(x.to_bits()) };
    for (a, b, _) in two::<u32>(15, 3000) {
        let (x, y) = (f32::from_bits(a), f32::from_bits(b));
        let (a, b) = (u64::from(a), u64::from(b));
        assert_eq!(F32.add(a, b, Mode::Nearest), single(x + y));
        assert_eq!(F32.mul(a, b, Mode::Nearest), single(x * y));
        assert_eq!(F32.div(a, b, Mode::Nearest), single(x / y));
        assert_eq!(F32.sqrt(a, Mode::Nearest), single(x.sqrt()));
        assert_eq!(F32.fma(a, b, a, Mode::Nearest), single(x.mul_add(y, x)));
        assert_eq!(F64.of(F32, a, Mode::Nearest), if x.is_nan() { F64.nan() } else { f64::from(x).to_bits() });
    }
}

#[test]
fn signs_of_zero() {
    let zeros = [(0x3f80_0000u32, 0xbf80_0000u32, 0u32), (0, 0x8000_0000, 0), (0x8000_0000, 0, 0), (1, 0x8000_0001, 0)];
    for (mode, want) in [("rn", 0u32), ("rz", 0), ("rm", 0x8000_0000), ("rp", 0)] {
        lanewise(&format!("add.{mode}.f32 %f9, %f1, %f2;"), ["f32", "f32", ""], "f32", &zeros, |_, _, _| want);
    }
}

#[test]
fn saturation() {
    let sat = |bits: u64| {
        let x = f32::from_bits(bits as u32);
        if x > 0.0 { x.min(1.0).to_bits() } else { 0 }
    };
    for (name, mode) in MODES {
        let operands = two::<u32>(16, 500);
        for (op, reference) in
            [("add", Format::add as fn(Format, u64, u64, Mode) -> u64), ("sub", Format::sub), ("mul", Format::mul)]
        {
            let text = format!("{op}.{name}.sat.f32 %f9, %f1, %f2;");
            lanewise(&text, ["f32", "f32", ""], "f32", &operands, |a, b, _| {
                sat(reference(F32, a.into(), b.into(), mode))
            });
        }
        let text = format!("fma.{name}.sat.f32 %f9, %f1, %f2, %f1;");
        lanewise(&text, ["f32", "f32", ""], "f32", &operands, |a, b, _| {
            sat(F32.fma(a.into(), b.into(), a.into(), mode))
        });
    }
}

#[test]
fn integers_to_floats() {
    let mut random = Random::new(17);
    let mut longs = LONGS.to_vec();
    longs.extend((0..1000).map(|_| random.next() >> (random.next() % 64)));
    let mut words = WORDS.to_vec();
    words.extend((0..1000).map(|_| (random.next() >> 32) as u32 >> (random.next() % 32)));
    for (name, mode) in MODES {
        for (ty, format, register, class) in
            [("f16", F16, "%rs9", "u16"), ("f32", F32, "%f9", "f32"), ("f64", F64, "%fd9", "f64")]
        {
            let long = |signed: bool, a: u64| if signed { i128::from(a as i64) } else { i128::from(a) };
            let word = |signed: bool, a: u32| if signed { i128::from(a as i32) } else { i128::from(a) };
            for (signed, from) in [(false, 'u'), (true, 's')] {
                let wide = format!("cvt.{name}.{ty}.{from}64 {register}, %rd1;");
                let short = format!("cvt.{name}.{ty}.{from}32 {register}, %r1;");
                let long = |a: u64| format.of_integer(long(signed, a), mode);
                let word = |a: u32| format.of_integer(word(signed, a), mode);
                let (long_in, word_in) = (["u64", "", ""], ["u32", "", ""]);
                match class {
                    "u16" => {
                        lanewise(&wide, long_in, class, &singles(&longs), |a, _, _| long(a) as u16);
                        lanewise(&short, word_in, class, &singles(&words), |a, _, _| word(a) as u16);
                    }
                    "f32" => {
                        lanewise(&wide, long_in, class, &singles(&longs), |a, _, _| long(a) as u32);
                        lanewise(&short, word_in, class, &singles(&words), |a, _, _| word(a) as u32);
                    }
                    _ => {
                        lanewise(&wide, long_in, class, &singles(&longs), |a, _, _| long(a));
                        lanewise(&short, word_in, class, &singles(&words), |a, _, _| word(a));
                    }
                }
            }
        }
    }
    lanewise("cvt.rp.f16.s8 %rs9, %r1;", ["u32", "", ""], "u16", &singles(WORDS), |a, _, _| {
        F16.of_integer((a as i8).into(), Mode::Up) as u16
    });
    lanewise("cvt.rn.sat.f32.s32 %f9, %r1;", ["u32", "", ""], "f32", &singles(WORDS), |a, _, _| {
        if a as i32 > 0 { 1f32.to_bits() } else { 0 }
    });
}

#[test]
fn doubles_to_singles() {
    let mut random = Random::new(18);
    let mut operands = F64.edges();
    // Around every edge of f32, too.
    for edge in F32.edges() {
        let bits = F64.of(F32, edge, Mode::Nearest);
        operands.extend([bits, bits.wrapping_add(1), bits.wrapping_sub(1), bits | 1 << 28, bits | 3 << 28]);
    }
    operands.extend((0..2000).map(|_| F64.random(&mut random)));
    for (name, mode) in MODES {
        let text = format!("cvt.{name}.f32.f64 %f9, %fd1;");
        lanewise(&text, ["f64", "", ""], "f32", &singles(&operands), |a, _, _| F32.of(F64, a, mode) as u32);
        let text = format!("cvt.{name}.f16.f64 %rs9, %fd1;");
        lanewise(&text, ["f64", "", ""], "u16", &singles(&operands), |a, _, _| F16.of(F64, a, mode) as u16);
    }
}

#[test]
fn nan_kept_by_extremes() {
    for (op, less) in [("min", true), ("max", false)] {
        let text = format!("{op}.NaN.f32 %f9, %f1, %f2;");
        lanewise(&text, ["f32", "f32", ""], "f32", &pairs(SINGLES), |a, b, _| {
            let (x, y) = (f32::from_bits(a), f32::from_bits(b));
            if x.is_nan() || y.is_nan() {
                0x7fff_ffff
            } else if (x.total_cmp(&y).is_lt()) == less {
                a
            } else {
                b
            }
        });
    }
}

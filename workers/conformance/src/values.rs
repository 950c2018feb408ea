//! Types of PTX as far as they matter here, and the values at which arithmetic goes wrong first.

/// A type of PTX: its name, its bits, and how its values are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type {
    /// Its name without the dot.
    pub name: &'static str,
    /// Bits of a value; 1 for a predicate.
    pub bits: u32,
    /// Whether its values are floating-point numbers.
    pub float: bool,
    /// Whether it is written as a bare number in an instruction; there is no notation for 16-bit floats.
    pub literal: bool,
}

const fn ty(name: &'static str, bits: u32, float: bool, literal: bool) -> Type {
    Type { name, bits, float, literal }
}

const TYPES: &[Type] = &[
    ty("pred", 1, false, false),
    ty("u8", 8, false, false),
    ty("s8", 8, false, false),
    ty("b8", 8, false, false),
    ty("u16", 16, false, true),
    ty("s16", 16, false, true),
    ty("b16", 16, false, true),
    ty("f16", 16, true, false),
    ty("bf16", 16, true, false),
    ty("u32", 32, false, true),
    ty("s32", 32, false, true),
    ty("b32", 32, false, true),
    ty("f32", 32, true, true),
    ty("tf32", 32, true, false),
    ty("f16x2", 32, true, false),
    ty("bf16x2", 32, true, false),
    ty("u64", 64, false, true),
    ty("s64", 64, false, true),
    ty("b64", 64, false, true),
    ty("f64", 64, true, true),
];

impl Type {
    /// The type with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        TYPES.iter().copied().find(|ty| ty.name == name)
    }

    /// Whether it is a predicate.
    #[must_use]
    pub fn is_predicate(self) -> bool {
        self.bits == 1
    }

    /// Bytes in memory.
    #[must_use]
    pub fn bytes(self) -> u32 {
        (self.bits / 8).max(1)
    }

    /// The unsigned, signed or untyped integer of twice its bits.
    #[must_use]
    pub fn wide(self) -> Option<Self> {
        TYPES.iter().copied().find(|ty| ty.bits == 2 * self.bits && ty.name.as_bytes()[0] == self.name.as_bytes()[0])
    }

    /// Zeros, ones, extremes, denormals, infinities, NaN with payload and sign, numbers around powers of two.
    #[must_use]
    pub fn edges(self) -> Vec<u64> {
        match (self.name, self.bits) {
            ("f64", _) => EDGES_F64.to_vec(),
            ("f32" | "tf32", _) => EDGES_F32.iter().map(|bits| u64::from(*bits)).collect(),
            ("f16x2", _) => twice(EDGES_F16),
            ("bf16x2", _) => twice(EDGES_BF16),
            ("f16", _) => EDGES_F16.iter().map(|bits| u64::from(*bits)).collect(),
            ("bf16", _) => EDGES_BF16.iter().map(|bits| u64::from(*bits)).collect(),
            (_, 1) => vec![0, 1],
            (_, bits) => integers(bits),
        }
    }

    /// As it is written in an instruction.
    #[must_use]
    pub fn literal(self, bits: u64) -> String {
        match self.name {
            "f32" => format!("0f{:08X}", bits as u32),
            "f64" => format!("0d{bits:016X}"),
            _ if self.bits == 64 => format!("{bits:#x}"),
            _ => format!("{:#x}", bits & ((1 << self.bits) - 1)),
        }
    }
}

fn twice(halves: &[u16]) -> Vec<u64> {
    let shifted = halves.iter().cycle().skip(5);
    halves.iter().zip(shifted).map(|(low, high)| u64::from(*low) | u64::from(*high) << 16).collect()
}

/// Edges of integers; small ones are shift amounts at and beyond the width, too.
fn integers(bits: u32) -> Vec<u64> {
    let mask = u64::MAX >> (64 - bits);
    let top = 1u64 << (bits - 1);
    let mut edges = vec![0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 0xaaaa_aaaa_aaaa_aaaa];
    edges.extend([top, top - 1, top + 1, mask, mask - 1, mask - 31, mask >> (bits / 2), (mask >> (bits / 2)) + 1]);
    edges.iter_mut().for_each(|edge| *edge &= mask);
    edges.sort_unstable();
    edges.dedup();
    edges
}

const EDGES_F16: &[u16] = &[
    0x0000, 0x8000, 0x0001, 0x8001, 0x03ff, 0x83ff, 0x0400, 0x3bff, 0x3c00, 0xbc00, 0x3c01, 0x4200, 0x6400, 0x6bff,
    0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7e00, 0xfe01, 0x7c01, 0x7fff,
];

const EDGES_BF16: &[u16] = &[
    0x0000, 0x8000, 0x0001, 0x8001, 0x007f, 0x807f, 0x0080, 0x3f7f, 0x3f80, 0xbf80, 0x3f81, 0x4040, 0x4300, 0x4f00,
    0x7f7f, 0xff7f, 0x7f80, 0xff80, 0x7fc0, 0xffc1, 0x7f81, 0x7fff,
];

const EDGES_F32: &[u32] = &[
    0x0000_0000,
    0x8000_0000,
    0x0000_0001,
    0x8000_0001,
    0x007f_ffff,
    0x807f_ffff,
    0x0080_0000,
    0x3f00_0000,
    0x3f7f_ffff,
    0x3f80_0000,
    0xbf80_0000,
    0x3f80_0001,
    0x4040_0000,
    0x3fc0_0000,
    0xc020_0000,
    0x4b00_0001,
    0x4eff_ffff,
    0x4f00_0000,
    0xcf00_0000,
    0x4f80_0000,
    0x5f00_0000,
    0x7f7f_ffff,
    0xff7f_ffff,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0xffc0_1234,
    0x7f80_0001,
    0x7fff_ffff,
];

const EDGES_F64: &[u64] = &[
    0x0000_0000_0000_0000,
    0x8000_0000_0000_0000,
    0x0000_0000_0000_0001,
    0x8000_0000_0000_0001,
    0x000f_ffff_ffff_ffff,
    0x0010_0000_0000_0000,
    0x3fe0_0000_0000_0000,
    0x3fef_ffff_ffff_ffff,
    0x3ff0_0000_0000_0000,
    0xbff0_0000_0000_0000,
    0x3ff0_0000_0000_0001,
    0x4008_0000_0000_0000,
    0x3ff8_0000_0000_0000,
    0xc004_0000_0000_0000,
    0x36a0_0000_0000_0000,
    0x3810_0000_0000_0000,
    0x41df_ffff_ffc0_0000,
    0x41e0_0000_0000_0000,
    0x41f0_0000_0000_0000,
    0x43e0_0000_0000_0000,
    0x47ef_ffff_efff_ffff,
    0x7fef_ffff_ffff_ffff,
    0xffef_ffff_ffff_ffff,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_0000,
    0xfff8_0000_0000_1234,
    0x7ff0_0000_0000_0001,
    0x7fff_ffff_ffff_ffff,
];

/// Bytes in which loads of every type find edges, and numbers without meaning.
#[must_use]
pub fn mixture(rng: &mut fastrand::Rng, len: usize) -> Vec<u8> {
    let integers: [Vec<u64>; 3] = [16, 32, 64].map(integers);
    let choose = |rng: &mut fastrand::Rng, list: &[u64]| list[rng.usize(..list.len())];
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        let word: u64 = match rng.u32(..8) {
            0 => choose(rng, &integers[2]),
            1 => choose(rng, EDGES_F64),
            2 | 3 => {
                let [low, high] = [(); 2].map(|()| u64::from(EDGES_F32[rng.usize(..EDGES_F32.len())]));
                low | high << 32
            }
            4 => choose(rng, &integers[1]) | choose(rng, &integers[1]) << 32,
            5 => (0..4).fold(0, |word, _| {
                let half = match rng.u32(..3) {
                    0 => u64::from(EDGES_F16[rng.usize(..EDGES_F16.len())]),
                    1 => u64::from(EDGES_BF16[rng.usize(..EDGES_BF16.len())]),
                    _ => choose(rng, &integers[0]),
                };
                word << 16 | half
            }),
            // Floats of ordinary size: sums and products that round.
            6 => {
                let [low, high] = [(); 2].map(|()| u64::from((rng.f32() * 64.0 - 32.0).to_bits()));
                low | high << 32
            }
            _ => rng.u64(..),
        };
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

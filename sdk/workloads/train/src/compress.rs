//! Compressed vectors: their sizes, and what they say. `kernels/compress.cuh` describes the form.

use crate::{
    plan::Compression,
    planner::{Place, Planner, at, number, seed},
};

/// No value that is sent is larger, as in the kernels.
const LARGEST: f32 = 65_536.0;
/// Threads of a block of `select`, as there.
const SELECT_THREADS: u32 = 64;
/// Words of what `select` finds in a block.
const SELECTED: usize = 4;

/// How a vector of so many parameters is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code {
    /// Parameters.
    pub count: usize,
    /// None: as floats.
    blocks: Option<Blocks>,
}

/// How blocks are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Blocks {
    /// Parameters of a block; the last one may have fewer.
    len: usize,
    /// Words of a block.
    slot: usize,
    /// Most entries of a block.
    most: usize,
    /// Low bits of a gap.
    rice: u32,
    /// Bits of a value, its sign with them.
    bits: u32,
}

/// On whose behalf values are rounded by chance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rounding {
    /// What random numbers are for, as in `kernels/steps.cuh`.
    pub purpose: u32,
    pub round: u32,
    pub seed: u64,
    /// Whether they depend on the unit.
    pub by_unit: bool,
}

impl Code {
    pub fn new(count: usize, compression: &Compression) -> Self {
        if compression.density >= 1.0 {
            return Self { count, blocks: None };
        }
        let len = (compression.block as usize).min(count);
        let most = ((len as f64 * compression.density).round() as usize).clamp(1, len);
        let bits = compression.bits;
        // The number of low bits that makes the longest code of `most` gaps shortest.
        let longest = |rice: u32| most * (1 + rice as usize + bits as usize) + ((len - most) >> rice);
        let rice = (0..12).min_by_key(|rice| longest(*rice)).unwrap_or(0);
        let slot = 1 + longest(rice).div_ceil(32);
        Self { count, blocks: Some(Blocks { len, slot, most, rice, bits }) }
    }

    /// Words of a vector.
    pub fn words(&self) -> usize {
        match self.blocks {
            None => self.count,
            Some(of) => self.count.div_ceil(of.len) * of.slot,
        }
    }

    /// Writes `x` to `to`; what was not sent stays in `x`.
    pub fn encode(&self, planner: &mut Planner, x: Place, to: Place, rounding: Rounding) {
        let Some(of) = self.blocks else {
            planner.each("take", self.count, vec![at(x), at(to), number(self.count as u32)]);
            return;
        };
        let blocks = self.count.div_ceil(of.len);
        let selected = planner.words(SELECTED * blocks);
        let sizes = [self.count, of.len, of.most].map(|size| number(size as u32));
        let args = [x, selected].map(at).into_iter().chain(sizes).chain([number(of.bits)]).collect();
        planner.launch("select", [blocks as u32, 1, 1], [SELECT_THREADS, 1, 1], args);
        let sizes = [self.count, of.len, of.slot].map(|size| number(size as u32));
        let unit = if rounding.by_unit { tessera_protocol::spec::Arg::Unit32 } else { number(0) };
        let args = [x, selected, to].map(at).into_iter().chain(sizes);
        let args = args.chain([number(of.rice), number(of.bits), unit, number(rounding.round), number(rounding.purpose)]);
        planner.each("encode", blocks, args.chain(seed(rounding.seed)).collect());
    }

    /// Adds to `y` what `from` says.
    pub fn decode(&self, planner: &mut Planner, from: Place, y: Place) {
        match self.blocks {
            None => planner.each("add_dense", self.count, vec![at(from), at(y), number(self.count as u32)]),
            Some(of) => {
                let sizes = [self.count, of.len, of.slot, of.most].map(|size| number(size as u32));
                let args = [from, y].map(at).into_iter().chain(sizes).chain([number(of.rice), number(of.bits)]);
                planner.each("decode", self.count.div_ceil(of.len), args.collect());
            }
        }
    }

    /// The same on the host, bit by bit.
    pub fn add_to(&self, words: &[u32], y: &mut [f32]) {
        let Some(of) = self.blocks else {
            for (y, word) in y.iter_mut().zip(words) {
                *y += tame(f32::from_bits(*word));
            }
            return;
        };
        for (slot, y) in words.chunks_exact(of.slot).zip(y.chunks_mut(of.len)) {
            let step = tame(f32::from_bits(slot[0] & 0xffff_0000));
            let entries = (slot[0] & 0xffff) as usize;
            let mut reader = Reader { words: &slot[1..], at: 0 };
            let mut place = 0;
            for _ in 0..entries.min(of.most) {
                let mut zeros = 0;
                while zeros <= of.len >> of.rice && reader.take(1) == 0 {
                    zeros += 1;
                }
                place += (zeros << of.rice) + reader.take(of.rice) as usize;
                let Some(y) = y.get_mut(place) else { break };
                let code = reader.take(of.bits);
                let value = tame(((code >> 1) + 1) as f32 * step);
                *y += if code & 1 == 1 { -value } else { value };
                place += 1;
            }
        }
    }
}

/// A value that may be sent: 0 in place of NaN, and none too large.
fn tame(x: f32) -> f32 {
    if x.is_nan() { 0.0 } else { x.clamp(-LARGEST, LARGEST) }
}

/// Bits that are read one behind the other; beyond the last word there are zeros.
struct Reader<'a> {
    words: &'a [u32],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, bits: u32) -> u32 {
        (0..bits).fold(0, |value, bit| {
            let word = self.words.get(self.at / 32).copied().unwrap_or(0);
            let found = word >> (self.at % 32) & 1;
            self.at += 1;
            value | found << bit
        })
    }
}

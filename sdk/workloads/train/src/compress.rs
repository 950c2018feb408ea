//! Compressed vectors: their sizes, and what they say. `kernels/compress.cuh` describes the form.

use tessera_protocol::spec::Arg;

use crate::{
    plan::{Compression, FLOAT_BITS},
    planner::{Place, Planner, at, number, seed},
};

/// No value that is sent is larger, as in the kernels.
const LARGEST: f32 = 65_536.0;
/// Threads of a block of `select`, as there.
const SELECT_THREADS: u32 = 64;
/// Words of what `select` finds in a block.
const SELECTED: usize = 4;

/// Which parameters a round trains: one of every `part`, as in `kernels/steps.cuh`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subset {
    pub part: u32,
    pub round: u32,
    pub seed: u64,
    /// How many parameters there are.
    pub total: usize,
}

impl Subset {
    /// Every parameter of a vector.
    pub fn all(total: usize) -> Self {
        Self { part: 1, round: 0, seed: 0, total }
    }

    /// How many have their turn.
    pub fn count(&self) -> usize {
        self.total.div_ceil(self.part as usize)
    }

    /// Parameter number j of them; beyond the last one where the last few do not fill a whole part.
    fn chosen(&self, j: usize) -> usize {
        if self.part == 1 {
            return j;
        }
        let place = (hash(j as u32 ^ self.seed as u32) % self.part + self.round % self.part) % self.part;
        j * self.part as usize + place as usize
    }

    /// As arguments: how many have their turn, how many there are, which.
    pub fn args(&self) -> [Arg; 5] {
        [self.count() as u32, self.total as u32, self.part, self.round, self.seed as u32].map(number)
    }
}

/// An integer hash, as `t_hash`.
fn hash(mut x: u32) -> u32 {
    x = (x ^ x >> 16).wrapping_mul(0x7feb_352d);
    x = (x ^ x >> 15).wrapping_mul(0x846c_a68b);
    x ^ x >> 16
}

/// How a vector of so many values is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code {
    pub count: usize,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As floats.
    Floats,
    /// All values in a few bits.
    All { blocks: Blocks },
    /// The `most` largest values of a block; gaps have `rice` low bits.
    Largest { blocks: Blocks, most: usize, rice: u32 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Blocks {
    /// Values of a block; the last one may have fewer.
    len: usize,
    /// Words of a block.
    slot: usize,
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
        let &Compression { density, bits, block } = compression;
        let len = (block as usize).min(count);
        let form = if bits == FLOAT_BITS {
            Form::Floats
        } else if density >= 1.0 {
            let slot = 1 + len.div_ceil(32 / bits as usize);
            Form::All { blocks: Blocks { len, slot, bits } }
        } else {
            let most = ((len as f64 * density).round() as usize).clamp(1, len);
            // The number of low bits that makes the longest code of `most` gaps shortest.
            let longest = |rice: u32| most * (1 + rice as usize + bits as usize) + ((len - most) >> rice);
            let rice = (0..12).min_by_key(|rice| longest(*rice)).unwrap_or(0);
            let slot = 1 + longest(rice).div_ceil(32);
            Form::Largest { blocks: Blocks { len, slot, bits }, most, rice }
        };
        Self { count, form }
    }

    /// Words of a vector.
    pub fn words(&self) -> usize {
        match self.form {
            Form::Floats => self.count,
            Form::All { blocks } | Form::Largest { blocks, .. } => self.count.div_ceil(blocks.len) * blocks.slot,
        }
    }

    /// Writes `x` to `to`; what was not sent stays in `x`.
    pub fn encode(&self, planner: &mut Planner, x: Place, to: Place, rounding: Rounding) {
        let numbers = |sizes: &[usize]| sizes.iter().map(|size| number(*size as u32)).collect::<Vec<_>>();
        let unit = if rounding.by_unit { Arg::Unit32 } else { number(0) };
        let chance = [unit, number(rounding.round), number(rounding.purpose)].into_iter().chain(seed(rounding.seed));
        match self.form {
            Form::Floats => planner.each("take", self.count, vec![at(x), at(to), number(self.count as u32)]),
            Form::All { blocks: Blocks { len, slot, bits } } => {
                let blocks = self.count.div_ceil(len);
                let sizes = numbers(&[self.count, len, slot, bits as usize]);
                planner.each("measure", blocks, [x, to].map(at).into_iter().chain(sizes.clone()).collect());
                let args = [x, to].map(at).into_iter().chain(sizes).chain(chance).collect();
                planner.each("encode_all", blocks * (slot - 1), args);
            }
            Form::Largest { blocks: Blocks { len, slot, bits }, most, rice } => {
                let blocks = self.count.div_ceil(len);
                let selected = planner.words(SELECTED * blocks);
                let sizes = numbers(&[self.count, len, most, bits as usize]);
                let args = [x, selected].map(at).into_iter().chain(sizes).collect();
                planner.launch("select", [blocks as u32, 1, 1], [SELECT_THREADS, 1, 1], args);
                let sizes = numbers(&[self.count, len, slot, rice as usize, bits as usize]);
                let args = [x, selected, to].map(at).into_iter().chain(sizes).chain(chance).collect();
                planner.each("encode", blocks, args);
            }
        }
    }

    /// Adds what `from` says to the parameters of `y` that have their turn: `times` vectors one behind the other, the first one of the
    /// subset's round, each other one of the round after the one before it.
    pub fn decode(&self, planner: &mut Planner, from: Place, y: Place, subset: Subset, times: usize) {
        let first = planner.position();
        let args = [from, y].map(at).into_iter().chain(subset.args()).chain([Arg::Round32]);
        let numbers = |sizes: &[usize]| sizes.iter().map(|size| number(*size as u32)).collect::<Vec<_>>();
        match self.form {
            Form::Floats => planner.each("add_dense", self.count, args.collect()),
            Form::All { blocks: Blocks { len, slot, bits } } => {
                planner.each("decode_all", self.count, args.chain(numbers(&[len, slot, bits as usize])).collect());
            }
            Form::Largest { blocks: Blocks { len, slot, bits }, most, rice } => {
                let sizes = numbers(&[len, slot, most, rice as usize, bits as usize]);
                planner.each("decode", self.count.div_ceil(len), args.chain(sizes).collect());
            }
        }
        if times > 1 {
            planner.repeat(first, times as u32);
        }
    }

    /// The same on the host, bit by bit.
    pub fn add_to(&self, words: &[u32], y: &mut [f32], subset: Subset) {
        let mut add = |j: usize, value: f32| {
            if let Some(y) = y.get_mut(subset.chosen(j)) {
                *y += value;
            }
        };
        match self.form {
            Form::Floats => words.iter().enumerate().for_each(|(j, word)| add(j, tame(f32::from_bits(*word)))),
            Form::All { blocks: Blocks { len, slot, bits } } => {
                for j in 0..self.count {
                    let from = &words[j / len * slot..][..slot];
                    let step = tame(f32::from_bits(from[0] & 0xffff_0000));
                    let (each, place) = (32 / bits as usize, j % len);
                    let code = from[1 + place / each] >> (place % each * bits as usize) << (32 - bits);
                    let steps = code.cast_signed() >> (32 - bits);
                    add(j, tame((steps as f32 + 0.5) * step));
                }
            }
            Form::Largest { blocks: Blocks { len, slot, bits }, most, rice } => {
                for (block, slot) in words.chunks_exact(slot).enumerate() {
                    let first = block * len;
                    let count = len.min(self.count - first);
                    let step = tame(f32::from_bits(slot[0] & 0xffff_0000));
                    let entries = (slot[0] & 0xffff) as usize;
                    let mut reader = Reader { words: &slot[1..], at: 0 };
                    let mut place = 0;
                    for _ in 0..entries.min(most) {
                        let mut zeros = 0;
                        while zeros <= len >> rice && reader.take(1) == 0 {
                            zeros += 1;
                        }
                        place += (zeros << rice) + reader.take(rice) as usize;
                        if place >= count {
                            break;
                        }
                        let code = reader.take(bits);
                        let value = tame(((code >> 1) + 1) as f32 * step);
                        add(first + place, if code & 1 == 1 { -value } else { value });
                        place += 1;
                    }
                }
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

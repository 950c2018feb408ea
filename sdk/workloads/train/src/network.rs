//! A network as launches: layers forward, then their gradients in reverse.

use std::ops::Range;

use tessera_protocol::spec::Arg;

use crate::{
    plan::{Activation, Pool},
    planner::{Added, Factor, Place, Planner, at, float, number},
};

/// Threads that share a row, as in `kernels/layers.cuh`.
const ROW_THREADS: u32 = 32;
/// What RMS norms add to the mean square.
pub(crate) const EPSILON: f32 = 1e-5;

/// Rows of values that a layer makes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value {
    at: Place,
    pub rows: usize,
    pub width: usize,
    id: usize,
}

/// A linear layer: places of its first weight and bias among the parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linear {
    pub weight: usize,
    pub bias: Option<usize>,
    pub outputs: usize,
    pub inputs: usize,
}

/// Shapes of attention.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads {
    /// Values of all queries of a row, and of all its keys.
    pub queries: usize,
    pub keys: usize,
    /// Values of a head.
    pub head: usize,
    /// Tokens of a text.
    pub context: usize,
}

/// Sizes of images.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Image {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

enum Op {
    Linear { x: Value, y: Value, of: Linear, more: Option<Value> },
    Activation { x: Value, y: Value, kind: Activation },
    Embed { y: Value, table: usize, words: usize, tokens: Place },
    Norm { x: Value, y: Value, scale: usize, inverses: Place },
    Turn { parts: Value, turns: Place, of: Heads },
    Attend { parts: Value, y: Value, of: Heads, probabilities: Place },
    Gate { x: Value, y: Value },
    Patches { x: Value, y: Value, of: Image },
    Pool { x: Value, y: Value, of: Image, kind: Pool },
    ChannelsFirst { x: Value, y: Value, of: Image },
}

/// A network being written into a plan.
pub(crate) struct Network<'a> {
    pub planner: &'a mut Planner,
    weights: Place,
    /// Gradients of the weights, in their order; without them there is no way back.
    slopes: Option<Place>,
    ops: Vec<Op>,
    /// Gradients of values, by id.
    of_values: Vec<Option<Place>>,
    /// Values that need none: what a batch holds.
    leaves: Range<usize>,
}

fn numbers<const N: usize>(values: [usize; N]) -> [Arg; N] {
    values.map(|value| number(value as u32))
}

impl<'a> Network<'a> {
    pub fn new(planner: &'a mut Planner, weights: Place, slopes: Option<Place>) -> Self {
        Self { planner, weights, slopes, ops: vec![], of_values: vec![], leaves: 0..0 }
    }

    fn named(&mut self, at: Place, rows: usize, width: usize) -> Value {
        self.of_values.push(None);
        Value { at, rows, width, id: self.of_values.len() - 1 }
    }

    fn value(&mut self, rows: usize, width: usize) -> Value {
        let at = self.planner.words(rows * width);
        self.named(at, rows, width)
    }

    /// Rows of a batch, whose gradient nobody needs.
    pub fn batch(&mut self, at: Place, rows: usize, width: usize) -> Value {
        let value = self.named(at, rows, width);
        self.leaves = 0..value.id + 1;
        value
    }

    /// A batch of images that lie channel by channel, as rows of pixels.
    pub fn pixels(&mut self, x: Value, of: Image) -> Value {
        let pixels = of.height * of.width;
        let at = self.planner.words(x.rows * x.width);
        let rows = self.reshaped(x, x.rows * pixels, of.channels);
        self.transpose(x.at, at, rows, of, true, 0);
        self.batch(at, rows.rows, rows.width)
    }

    /// The same values as other rows.
    pub fn reshaped(&self, value: Value, rows: usize, width: usize) -> Value {
        Value { rows, width, ..value }
    }

    pub fn place(&self, value: Value) -> Place {
        value.at
    }

    /// y = x times the weights, plus bias, plus `more`.
    pub fn linear(&mut self, x: Value, of: Linear, more: Option<Value>) -> Value {
        let y = self.value(x.rows, of.outputs);
        let added = Added { bias: of.bias.map(|bias| self.weights.plus(bias)), more: more.map(|more| more.at) };
        let weights = Factor { at: self.weights.plus(of.weight), stride: of.inputs, along_k: true };
        let rows = Factor { at: x.at, stride: of.inputs, along_k: true };
        self.planner.multiply([x.rows, of.outputs, of.inputs], rows, weights, y.at, added);
        self.ops.push(Op::Linear { x, y, of, more });
        y
    }

    pub fn activation(&mut self, x: Value, kind: Activation) -> Value {
        let y = self.value(x.rows, x.width);
        let kernel = match kind {
            Activation::Relu => "relu",
            Activation::Gelu => "gelu",
        };
        let count = x.rows * x.width;
        self.planner.each(kernel, count, vec![at(x.at), at(y.at), number(count as u32)]);
        self.ops.push(Op::Activation { x, y, kind });
        y
    }

    pub fn embed(&mut self, tokens: Place, rows: usize, table: usize, words: usize, width: usize) -> Value {
        let y = self.value(rows, width);
        let places = [self.weights.plus(table), tokens, y.at].map(at);
        let args = places.into_iter().chain(numbers([rows, width])).collect();
        self.planner.each("embed", rows * width, args);
        self.ops.push(Op::Embed { y, table, words, tokens });
        y
    }

    pub fn norm(&mut self, x: Value, scale: usize) -> Value {
        let y = self.value(x.rows, x.width);
        let inverses = self.planner.words(x.rows);
        let places = [x.at, self.weights.plus(scale), y.at, inverses].map(at);
        let args = places.into_iter().chain([number(x.width as u32), float(EPSILON)]).collect();
        self.planner.launch("rms_norm", [x.rows as u32, 1, 1], [ROW_THREADS, 1, 1], args);
        self.ops.push(Op::Norm { x, y, scale, inverses });
        y
    }

    /// Turns queries and keys by their positions, in place.
    pub fn turn(&mut self, parts: Value, turns: Place, of: Heads) {
        self.turned(parts.at, parts, turns, of, false);
        self.ops.push(Op::Turn { parts, turns, of });
    }

    fn turned(&mut self, place: Place, parts: Value, turns: Place, of: Heads, back: bool) {
        let turned = of.queries + of.keys;
        let sizes = numbers([parts.rows, turned, parts.width, of.head, of.context, usize::from(back)]);
        let args = [place, turns].map(at).into_iter().chain(sizes).collect();
        self.planner.each("turn", parts.rows * turned / 2, args);
    }

    fn attention(&self, of: Heads, rows: usize) -> impl Iterator<Item = Arg> + use<> {
        let scale = (1.0 / libm::sqrt(of.head as f64)) as f32;
        let sizes = numbers([of.queries, of.keys, of.head, of.queries / of.keys, of.context, rows]);
        sizes.into_iter().chain([float(scale)])
    }

    pub fn attend(&mut self, parts: Value, of: Heads) -> Value {
        let y = self.value(parts.rows, of.queries);
        let heads = of.queries / of.head;
        let probabilities = self.planner.words(heads * parts.rows * of.context);
        let places = [parts.at, probabilities, y.at].map(at);
        let args = places.into_iter().chain(self.attention(of, parts.rows)).collect();
        self.planner.each_of("attend", parts.rows, heads, args);
        self.ops.push(Op::Attend { parts, y, of, probabilities });
        y
    }

    /// silu(gate) * up, where x holds gates and ups.
    pub fn gate(&mut self, x: Value) -> Value {
        let y = self.value(x.rows, x.width / 2);
        let count = y.rows * y.width;
        let args = [x.at, y.at].map(at).into_iter().chain(numbers([count, y.width])).collect();
        self.planner.each("gate", count, args);
        self.ops.push(Op::Gate { x, y });
        y
    }

    /// The 3 x 3 pixels around each, as its row.
    pub fn patches(&mut self, x: Value, of: Image) -> Value {
        let y = self.value(x.rows, of.channels * 9);
        let sizes = numbers([x.rows, of.height, of.width, of.channels]);
        let args = [x.at, y.at].map(at).into_iter().chain(sizes).collect();
        self.planner.each("patches", x.rows * y.width, args);
        self.ops.push(Op::Patches { x, y, of });
        y
    }

    pub fn pool(&mut self, x: Value, of: Image, kind: Pool) -> Value {
        let y = self.value(x.rows / 4, x.width);
        let count = y.rows * y.width;
        let sizes = numbers([count, of.width, of.channels, usize::from(kind == Pool::Max)]);
        let args = [x.at, y.at].map(at).into_iter().chain(sizes).collect();
        self.planner.each("pool", count, args);
        self.ops.push(Op::Pool { x, y, of, kind });
        y
    }

    /// Each image as one row, channel by channel.
    pub fn channels_first(&mut self, x: Value, of: Image) -> Value {
        let pixels = of.height * of.width;
        let y = self.value(x.rows / pixels, pixels * of.channels);
        self.transpose(x.at, y.at, x, of, false, 0);
        self.ops.push(Op::ChannelsFirst { x, y, of });
        y
    }

    fn transpose(&mut self, from: Place, to: Place, x: Value, of: Image, back: bool, add: u32) {
        let count = x.rows * x.width;
        let sizes = numbers([count, of.height * of.width, of.channels, usize::from(back)]);
        let args = [from, to].map(at).into_iter().chain(sizes).chain([number(add)]).collect();
        self.planner.each("channels_first", count, args);
    }

    /// Where the gradient of a value goes, and whether it is added to one that is there. None where nobody needs it.
    fn slope(&mut self, value: Value) -> Option<(Place, u32)> {
        if self.leaves.contains(&value.id) {
            return None;
        }
        if let Some(place) = self.of_values[value.id] {
            return Some((place, 1));
        }
        let place = self.planner.words(value.rows * value.width);
        self.of_values[value.id] = Some(place);
        Some((place, 0))
    }

    /// Gradients of all weights, from that of the last value, which its maker has written to `slope`.
    pub fn back(&mut self, last: Value, slope: Place) {
        let Some(slopes) = self.slopes else { return };
        self.of_values[last.id] = Some(slope);
        for op in std::mem::take(&mut self.ops).into_iter().rev() {
            self.op_back(&op, slopes);
        }
    }

    fn op_back(&mut self, op: &Op, slopes: Place) {
        let dy = |this: &Self, y: Value| this.of_values[y.id].unwrap_or(y.at);
        match *op {
            Op::Linear { x, y, of, more } => {
                let dy = dy(self, y);
                self.linear_back(x, dy, of, slopes);
                // What is added has the same gradient, which nothing reads as that of y from here on.
                if let Some(more) = more.filter(|more| self.of_values[more.id].is_none()) {
                    self.of_values[more.id] = Some(dy);
                }
            }
            Op::Activation { x, y, kind } => {
                let kernel = match kind {
                    Activation::Relu => "relu_back",
                    Activation::Gelu => "gelu_back",
                };
                let count = x.rows * x.width;
                self.back_to(x, kernel, count, [x.at, dy(self, y)], [count]);
            }
            Op::Embed { y, table, words, tokens } => {
                let places = [tokens, dy(self, y), slopes.plus(table)].map(at);
                let args = places.into_iter().chain(numbers([y.rows, y.width, words])).collect();
                self.planner.each("embed_back", words * y.width / 4, args);
            }
            Op::Norm { x, y, scale, inverses } => {
                let dy = dy(self, y);
                let places = [x.at, inverses, dy, slopes.plus(scale)].map(at);
                let args = places.into_iter().chain(numbers([x.rows, x.width])).collect();
                self.planner.each("rms_scale_back", x.width, args);
                if let Some((dx, add)) = self.slope(x) {
                    let places = [x.at, self.weights.plus(scale), inverses, dy, dx].map(at);
                    let args = places.into_iter().chain([number(x.width as u32), number(add)]).collect();
                    self.planner.launch("rms_norm_back", [x.rows as u32, 1, 1], [ROW_THREADS, 1, 1], args);
                }
            }
            Op::Turn { parts, turns, of } => self.turned(dy(self, parts), parts, turns, of, true),
            Op::Attend { parts, y, of, probabilities } => self.attend_back(parts, dy(self, y), of, probabilities),
            Op::Gate { x, y } => {
                let dy = dy(self, y);
                if let Some((dx, _)) = self.slope(x) {
                    let count = y.rows * y.width;
                    let places = [x.at, dy, dx].map(at);
                    let args = places.into_iter().chain(numbers([count, y.width])).collect();
                    self.planner.each("gate_back", count, args);
                }
            }
            Op::Patches { x, y, of } => {
                let sizes = [x.rows, of.height, of.width, of.channels];
                self.back_to(x, "patches_back", x.rows * x.width, [dy(self, y)], sizes);
            }
            Op::Pool { x, y, of, kind } => {
                let count = y.rows * y.width;
                let sizes = [count, of.width, of.channels, usize::from(kind == Pool::Max)];
                self.back_to(x, "pool_back", count, [x.at, dy(self, y)], sizes);
            }
            Op::ChannelsFirst { x, y, of } => {
                let dy = dy(self, y);
                if let Some((dx, add)) = self.slope(x) {
                    self.transpose(dy, dx, x, of, true, add);
                }
            }
        }
    }

    /// A launch that writes the gradient of x: places, the gradient, sizes, whether it adds.
    fn back_to<const P: usize, const N: usize>(
        &mut self,
        x: Value,
        kernel: &str,
        count: usize,
        places: [Place; P],
        sizes: [usize; N],
    ) {
        if let Some((dx, add)) = self.slope(x) {
            let places = places.into_iter().chain([dx]).map(at);
            self.planner.each(kernel, count, places.chain(numbers(sizes)).chain([number(add)]).collect());
        }
    }

    fn linear_back(&mut self, x: Value, dy: Place, of: Linear, slopes: Place) {
        let Linear { weight, bias, outputs, inputs } = of;
        let across = |at, stride| Factor { at, stride, along_k: false };
        let none = Added::default();
        let of_weights = slopes.plus(weight);
        self.planner.multiply([outputs, inputs, x.rows], across(dy, outputs), across(x.at, inputs), of_weights, none);
        if let Some(bias) = bias {
            let places = [dy, slopes.plus(bias)].map(at);
            let args = places.into_iter().chain(numbers([x.rows, outputs])).collect();
            self.planner.each("bias_back", outputs, args);
        }
        if let Some((dx, add)) = self.slope(x) {
            let rows = Factor { at: dy, stride: outputs, along_k: true };
            let weights = across(self.weights.plus(weight), inputs);
            let added = Added { bias: None, more: Some(dx).filter(|_| add == 1) };
            self.planner.multiply([x.rows, inputs, outputs], rows, weights, dx, added);
        }
    }

    fn attend_back(&mut self, parts: Value, dy: Place, of: Heads, probabilities: Place) {
        let heads = of.queries / of.head;
        let Some((dparts, _)) = self.slope(parts) else { return };
        let scores = self.planner.words(heads * parts.rows * of.context);
        let places = [parts.at, probabilities, dy, scores, dparts].map(at);
        let args = places.into_iter().chain(self.attention(of, parts.rows)).collect();
        self.planner.each_of("attend_back", parts.rows, heads, args);
        let places = [parts.at, probabilities, scores, dy, dparts].map(at);
        let args = places.into_iter().chain(self.attention(of, parts.rows)).collect();
        self.planner.each("attend_back_keys", parts.rows * of.keys / 4, args);
    }
}

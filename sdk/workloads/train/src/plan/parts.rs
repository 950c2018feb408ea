//! The parts of a plan.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The shape of the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Model {
    /// Linear layers with activations in between.
    Mlp {
        /// Values of each layer between inputs and classes.
        hidden: Vec<usize>,
        /// What is between layers.
        #[serde(default)]
        activation: Activation,
    },
    /// Convolutions of 3 x 3 pixels, each with an activation and, while the image can be halved, a pool of 2 x 2; a linear layer.
    Cnn {
        /// Rows and columns of an image; features are its channels, one behind the other.
        image: [usize; 2],
        /// Channels that come out of each convolution.
        channels: Vec<usize>,
        /// How four pixels become one.
        #[serde(default)]
        pool: Pool,
        /// What is behind each convolution.
        #[serde(default)]
        activation: Activation,
    },
    /// A Llama-style decoder of bytes.
    Decoder {
        /// Values of a row.
        width: usize,
        /// Number of layers.
        layers: usize,
        /// Heads of queries.
        heads: usize,
        /// Heads of keys and values, which divide `heads`; as many as there are of queries if absent.
        key_heads: Option<usize>,
        /// Values between the two halves of a feed-forward layer.
        inner: usize,
        /// Tokens of a text.
        context: usize,
    },
}

/// What stands between linear layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// The larger of x and 0.
    #[default]
    Relu,
    /// x half of 1 + erf(x / sqrt 2).
    Gelu,
}

/// How four pixels become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pool {
    /// The largest.
    #[default]
    Max,
    /// The mean.
    Average,
}

/// Where the data is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Data {
    /// Features and labels.
    Samples {
        /// Files: `.npy` (features; labels beside it in `labels`), `.csv` (a sample a line, its label last) or `.safetensors` (tensors
        /// `features` and `labels`).
        files: Vec<PathBuf>,
        /// Files of labels, one for each `.npy` file of features.
        #[serde(default)]
        labels: Vec<PathBuf>,
        /// Features are multiplied by this.
        #[serde(default = "one")]
        scale: f32,
        /// Which part of the samples is held out, drawn by the seed.
        #[serde(default = "tenth")]
        held_out: f64,
        /// Files that are held out as a whole, `.csv` or `.safetensors`; none of the others' samples are then.
        #[serde(default)]
        test: Vec<PathBuf>,
    },
    /// Text, byte by byte.
    Text {
        /// Files.
        files: Vec<PathBuf>,
        /// Which part of the text is held out: the end of every stretch of 4096 bytes.
        #[serde(default = "tenth")]
        held_out: f64,
    },
}

fn one() -> f32 {
    1.0
}

fn tenth() -> f64 {
    0.1
}

/// How data is divided.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shards {
    /// How many shards, 1 to 64.
    pub count: usize,
    /// Which sample goes where.
    #[serde(default)]
    pub by: Division,
    /// For `dirichlet`: small values make shards that have few of the labels.
    #[serde(default = "half")]
    pub alpha: f64,
}

fn half() -> f64 {
    0.5
}

/// Which sample goes to which shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Division {
    /// Drawn: all shards are alike. Text is cut into as many stretches as there are shards.
    #[default]
    Iid,
    /// Sorted by label, then cut: a shard has few labels.
    Labels,
    /// Each label is divided in proportions that are drawn from a Dirichlet distribution.
    Dirichlet,
    /// One file for each shard.
    Files,
}

/// What a unit does: local steps over its shard.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    /// Number of steps.
    pub count: u32,
    /// Samples of a step, or texts.
    pub batch: u32,
    /// How slopes become steps.
    pub optimiser: Optimiser,
    /// Rounds in which the rate grows to its value.
    #[serde(default)]
    pub warmup: u32,
    /// What is left of the rate in the last round, which it reaches along a cosine.
    #[serde(default = "one")]
    pub last: f32,
}

/// How slopes become steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Optimiser {
    /// Stochastic gradient descent.
    Sgd {
        /// The rate of learning.
        rate: f32,
        /// How much of the last step goes on.
        #[serde(default)]
        momentum: f32,
        /// Which part of the weights is added to their slopes.
        #[serde(default)]
        decay: f32,
    },
    /// Adam with decoupled decay of the weights.
    Adamw {
        /// The rate of learning.
        rate: f32,
        /// Memory of the slopes.
        #[serde(default = "beta1")]
        beta1: f32,
        /// Memory of their squares.
        #[serde(default = "beta2")]
        beta2: f32,
        /// Added to the root of the squares.
        #[serde(default = "epsilon")]
        epsilon: f32,
        /// Which part of the weights is lost in a step of rate 1.
        #[serde(default)]
        decay: f32,
    },
}

fn beta1() -> f32 {
    0.9
}

fn beta2() -> f32 {
    0.999
}

fn epsilon() -> f32 {
    1e-8
}

impl Optimiser {
    /// The rate of learning.
    #[must_use]
    pub fn rate(&self) -> f32 {
        match self {
            Self::Sgd { rate, .. } | Self::Adamw { rate, .. } => *rate,
        }
    }
}

/// Bits of a value that is sent as it is.
pub(crate) const FLOAT_BITS: u32 = 32;

/// How a vector is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compression {
    /// Which part of the values of a block is sent, the largest ones; 1: all of them, which takes no bits for their places.
    #[serde(default = "every")]
    pub density: f64,
    /// Bits of a value, 1 to 8; or 32: floats.
    #[serde(default = "floats")]
    pub bits: u32,
    /// Values of a block, which has a scale of its own: 64 to 4096.
    #[serde(default = "block")]
    pub block: u32,
}

fn every() -> f64 {
    1.0
}

fn floats() -> u32 {
    FLOAT_BITS
}

fn block() -> u32 {
    1024
}

impl Default for Compression {
    fn default() -> Self {
        Self { density: every(), bits: floats(), block: block() }
    }
}

/// How updates become a change of the weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aggregation {
    /// What is made of all updates.
    #[serde(default)]
    pub rule: Rule,
    /// `norm-bound`, `agreement`, `standing`: no update is longer than this times the middle one. `centered-clip`: no distance from the centre is.
    #[serde(default = "one")]
    pub factor: f32,
    /// `trimmed-mean`: how many updates are left out at each end.
    #[serde(default)]
    pub cut: u32,
    /// `centered-clip`: how often the centre moves. `agreement`, `standing`: how often updates are weighed by the mean so far.
    #[serde(default = "five")]
    pub iterations: u32,
    /// The outer rate.
    #[serde(default = "one")]
    pub rate: f32,
    /// The outer momentum.
    #[serde(default)]
    pub momentum: f32,
}

fn five() -> u32 {
    5
}

impl Default for Aggregation {
    fn default() -> Self {
        Self { rule: Rule::Mean, factor: 1.0, cut: 0, iterations: five(), rate: 1.0, momentum: 0.0 }
    }
}

/// What is made of all updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The mean, weighted by samples.
    #[default]
    Mean,
    /// The same, after longer updates were shortened.
    NormBound,
    /// Of each parameter the mean without the smallest and largest values; not weighted.
    TrimmedMean,
    /// Centered clipping (Karimireddy, He, Jaggi 2021), with a centre that begins at zero; not weighted.
    CenteredClip,
    /// The mean, after longer updates were shortened, weighted by how far each points where the mean so far points. Not weighted by
    /// samples.
    Agreement,
    /// The mean, after longer updates were shortened, of those whose updates pointed where the others' did, in this round and in those
    /// before. Not weighted by samples.
    Standing,
}

/// How the model is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Rounds from one trial to the next; 0: none.
    pub every: u32,
    /// Samples or texts of a unit.
    pub batch: u32,
}

impl Default for Evaluation {
    fn default() -> Self {
        Self { every: 1, batch: 64 }
    }
}

/// How updates of private shards are bounded and rounded.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Private {
    /// No update is longer.
    pub clip: f32,
    /// Whole numbers from 0 to 1: an update is multiplied by this and rounded.
    pub steps: f32,
}

impl Default for Private {
    fn default() -> Self {
        Self { clip: 1.0, steps: 1_048_576.0 }
    }
}

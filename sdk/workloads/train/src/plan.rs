//! The plan of a training: a TOML file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::error::{Result, TrainError, setting};

/// Most updates of a round, as in `kernels/aggregate.cuh`.
pub const MAX_SHARDS: usize = 64;
/// Most rounds of a training.
const MAX_ROUNDS: u32 = 1 << 20;
/// Most rounds between two dense copies of the weights: each change is a buffer of the jobs until then.
const MAX_BASE_EVERY: u32 = 100;

/// What is trained, on which data, and how. Paths are seen from the folder of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// A name for people.
    pub name: String,
    /// What all draws depend on: weights, batches, shards, roundings.
    #[serde(default)]
    pub seed: u64,
    /// How many rounds.
    pub rounds: u32,
    /// What is trained.
    pub model: Model,
    /// What it is trained on.
    pub data: Data,
    /// How the data is divided.
    pub shards: Shards,
    /// What a unit does.
    pub steps: Steps,
    /// How updates are compressed.
    #[serde(default)]
    pub updates: Compression,
    /// How the changes of the weights are compressed.
    #[serde(default)]
    pub changes: Compression,
    /// How updates become a change of the weights.
    #[serde(default)]
    pub aggregation: Aggregation,
    /// How the model is tried on data that it was not trained on.
    #[serde(default)]
    pub evaluation: Evaluation,
    /// How updates of private shards are bounded and rounded.
    #[serde(default)]
    pub private: Private,
    /// Rounds between two dense copies of the weights, 1 to 100. Jobs in between name the last copy and the changes since then.
    #[serde(default = "base_every")]
    pub base_every: u32,
    /// A round trains one of so many parts of the parameters, and the next round the next one: updates and changes are shorter by
    /// as much. 1: all parameters in every round.
    #[serde(default = "whole")]
    pub rotation: u32,
}

fn whole() -> u32 {
    1
}

fn base_every() -> u32 {
    MAX_BASE_EVERY
}

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
    /// `norm-bound`: no update is longer than this times the middle one. `centered-clip`: no distance from the centre is.
    #[serde(default = "one")]
    pub factor: f32,
    /// `trimmed-mean`: how many updates are left out at each end.
    #[serde(default)]
    pub cut: u32,
    /// `centered-clip`: how often the centre moves.
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
    /// Deviation of the noise that each participant adds to each parameter, as a part of `clip`.
    #[serde(default)]
    pub noise: f32,
}

impl Default for Private {
    fn default() -> Self {
        Self { clip: 1.0, steps: 1_048_576.0, noise: 0.0 }
    }
}

impl Plan {
    /// Reads a plan; its paths become those seen from here.
    ///
    /// # Errors
    /// If it cannot be read, or a setting does not fit.
    pub fn load(path: &Path) -> Result<Self> {
        let remedy = "a plan is a TOML file; docs/training.md describes it";
        let failed = |source| TrainError::File { action: "read", path: path.into(), source, remedy };
        let text = fs::read_to_string(path).map_err(failed)?;
        let content = |reason: String| TrainError::Content { path: path.into(), reason };
        let mut plan: Self = toml::from_str(&text).map_err(|error| content(error.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let lists = match &mut plan.data {
            Data::Samples { files, labels, test, .. } => vec![files, labels, test],
            Data::Text { files, .. } => vec![files],
        };
        for file in lists.into_iter().flatten() {
            *file = folder.join(&*file);
        }
        plan.check().map_err(|error| content(error.to_string()))?;
        Ok(plan)
    }

    /// Whether all settings are within their bounds.
    ///
    /// # Errors
    /// Names the first that is not.
    pub fn check(&self) -> Result<()> {
        within("rounds", self.rounds, 1, MAX_ROUNDS)?;
        within("base_every", self.base_every, 1, MAX_BASE_EVERY)?;
        within("rotation", self.rotation, 1, 1024)?;
        within("shards.count", self.shards.count, 1, MAX_SHARDS)?;
        within("shards.alpha", self.shards.alpha, 1e-3, 1e6)?;
        within("steps.count", self.steps.count, 1, 10_000)?;
        within("steps.batch", self.steps.batch, 1, 65_536)?;
        within("steps.last", self.steps.last, 0.0, 1.0)?;
        within("evaluation.batch", self.evaluation.batch, 1, 65_536)?;
        match self.steps.optimiser {
            Optimiser::Sgd { rate, momentum, decay } => {
                within("steps.optimiser.rate", rate, 0.0, 1e3)?;
                within("steps.optimiser.momentum", momentum, 0.0, 0.9999)?;
                within("steps.optimiser.decay", decay, 0.0, 1.0)?;
            }
            Optimiser::Adamw { rate, beta1, beta2, epsilon, decay } => {
                within("steps.optimiser.rate", rate, 0.0, 1e3)?;
                within("steps.optimiser.beta1", beta1, 0.0, 0.9999)?;
                within("steps.optimiser.beta2", beta2, 0.0, 0.999_999)?;
                within("steps.optimiser.epsilon", epsilon, 1e-20, 1.0)?;
                within("steps.optimiser.decay", decay, 0.0, 1.0)?;
            }
        }
        for (name, compression) in [("updates", self.updates), ("changes", self.changes)] {
            within(&format!("{name}.density"), compression.density, 1e-6, 1.0)?;
            if compression.density < 1.0 || compression.bits != FLOAT_BITS {
                within(&format!("{name}.bits"), compression.bits, 1, 8)?;
            }
            within(&format!("{name}.block"), compression.block, 64, 4096)?;
        }
        let aggregation = &self.aggregation;
        within("aggregation.factor", aggregation.factor, 1e-3, 1e3)?;
        within("aggregation.iterations", aggregation.iterations, 1, 100)?;
        within("aggregation.rate", aggregation.rate, 0.0, 100.0)?;
        within("aggregation.momentum", aggregation.momentum, 0.0, 0.9999)?;
        within("private.clip", self.private.clip, 1e-6, 1e6)?;
        within("private.noise", self.private.noise, 0.0, 1e3)?;
        // So that no sum of all shards leaves 32 bits.
        let most =
            f64::from(self.private.clip) * (1.0 + 8.0 * f64::from(self.private.noise)) * self.shards.count as f64;
        within("private.steps", f64::from(self.private.steps), 1.0, 2_147_483_647.0 / most)?;
        match &self.data {
            Data::Samples { held_out, scale, .. } => {
                within("data.held_out", *held_out, 0.0, 0.9)?;
                within("data.scale", *scale, -1e6, 1e6)?;
            }
            Data::Text { held_out, .. } => within("data.held_out", *held_out, 0.0, 0.9)?,
        }
        match (&self.model, &self.data) {
            (Model::Decoder { .. }, Data::Samples { .. }) => setting("a decoder is trained on text: set data.kind"),
            (Model::Mlp { .. } | Model::Cnn { .. }, Data::Text { .. }) => {
                setting("this model is trained on samples: set data.kind, or model.kind = \"decoder\"")
            }
            _ => Ok(()),
        }
    }

    /// The rate of learning in a round: it grows in the first rounds, then falls along a cosine.
    pub(crate) fn rate(&self, round: u32) -> f32 {
        let steps = &self.steps;
        let grown = if round < steps.warmup { f64::from(round + 1) / f64::from(steps.warmup + 1) } else { 1.0 };
        let part = f64::from(round) / f64::from(self.rounds.saturating_sub(1).max(1));
        let last = f64::from(steps.last);
        let left = last + (1.0 - last) * 0.5 * (1.0 + libm::cos(std::f64::consts::PI * part));
        (f64::from(steps.optimiser.rate()) * grown * left) as f32
    }
}

/// Whether a setting lies between two values; NaN does not.
fn within<T: PartialOrd + std::fmt::Display>(name: &str, value: T, least: T, most: T) -> Result<()> {
    if value >= least && value <= most {
        return Ok(());
    }
    setting(format!("{name}: expected {least} to {most}, found {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = r#"
        name = "digits"
        rounds = 10
        model = { kind = "mlp", hidden = [32] }
        data = { kind = "samples", files = ["x.csv"] }
        shards = { count = 8, by = "dirichlet" }
        steps = { count = 5, batch = 16, optimiser = { kind = "sgd", rate = 0.1 }, warmup = 1, last = 0.1 }
    "#;

    fn plan() -> Plan {
        toml::from_str(PLAN).unwrap()
    }

    #[test]
    fn plans_say_what_does_not_fit() {
        assert_eq!(plan().check().map_err(|error| error.to_string()), Ok(()));
        let refused = |change: fn(&mut Plan)| {
            let mut plan = plan();
            change(&mut plan);
            plan.check().unwrap_err().to_string()
        };
        assert_eq!(refused(|plan| plan.rounds = 0), "rounds: expected 1 to 1048576, found 0");
        assert!(refused(|plan| plan.shards.count = 65).contains("shards.count"));
        assert!(refused(|plan| plan.updates.density = f64::NAN).contains("updates.density"));
        assert!(refused(|plan| plan.changes.bits = 9).contains("changes.bits"));
        assert!(refused(|plan| plan.private.steps = 1e9).contains("private.steps"));
        assert!(refused(|plan| plan.data = Data::Text { files: vec![], held_out: 0.1 }).contains("data.kind"));
        assert!(toml::from_str::<Plan>(&PLAN.replace("rounds", "round")).is_err());
    }

    #[test]
    fn rates_grow_then_fall() {
        let rates: Vec<f32> = (0..10).map(|round| plan().rate(round)).collect();
        assert!((rates[0] - 0.05).abs() < 1e-6 && rates[1] > 0.09, "{rates:?}");
        assert!(rates[1..].is_sorted_by(|a, b| a > b) && (rates[9] - 0.01).abs() < 1e-6, "{rates:?}");
    }
}

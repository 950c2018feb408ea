//! The plan of a training: a TOML file.

mod parts;

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

pub(crate) use self::parts::FLOAT_BITS;
pub use self::parts::{
    Activation, Aggregation, Compression, Data, Division, Evaluation, Model, Optimiser, Pool, Private, Rule, Shards,
    Steps,
};
use crate::error::{Result, TrainError, setting};

/// Most updates of a round, as in `kernels/aggregate.cuh`.
pub const MAX_SHARDS: usize = 64;
/// Most rounds of a training.
const MAX_ROUNDS: u32 = 1 << 20;
/// Most rounds between two dense copies of the weights: each change is a buffer of the jobs until then.
const MAX_BASE_EVERY: u32 = 200;

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
    /// Rounds between two dense copies of the weights, 1 to 200. Jobs in between name the last copy and the changes since then.
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
        // So that no sum of all shards leaves 32 bits.
        let most = f64::from(self.private.clip) * self.shards.count as f64;
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
        // Noise is drawn by participants' machines, with the masks: no unit knows it.
        assert!(
            toml::from_str::<Plan>(&format!("{PLAN}private = {{ clip = 1.0, steps = 9.0, noise = 1.0 }}")).is_err()
        );
    }

    #[test]
    fn rates_grow_then_fall() {
        let rates: Vec<f32> = (0..10).map(|round| plan().rate(round)).collect();
        assert!((rates[0] - 0.05).abs() < 1e-6 && rates[1] > 0.09, "{rates:?}");
        assert!(rates[1..].is_sorted_by(|a, b| a > b) && (rates[9] - 0.01).abs() < 1e-6, "{rates:?}");
    }
}

//! A training, round by round.

mod masked;
mod private;
#[cfg(test)]
mod tests;

use std::path::Path;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_front_end::{Blob, Inputs, PreparedJob};

use crate::{
    aggregate::{Round, Update},
    data::{self, Divided},
    error::{Result, TrainError, setting},
    job::{AGGREGATION_FRONT_END, EVALUATION_FRONT_END, STEPS_FRONT_END, job, words},
    lineage::Lineage,
    model::Model,
    plan::Plan,
    planner::Shape,
    steps::{Data, Setting, UPDATE_HEAD, Weights},
    store::{self, Saved},
};
pub use private::{Agreement, Own, private_inputs, private_task, training_id};

/// A training: a plan, its data, and how far it is.
///
/// A round is a job of [`Training::steps`], a job of [`Training::aggregation`] over its outputs, and [`Training::advance`] with
/// the output of that.
#[derive(Clone, Debug)]
pub struct Training {
    plan: Plan,
    divided: Divided,
    model: Model,
    shape: Shape,
    data: Blob,
    held_out: Blob,
    lineage: Lineage,
    /// State of the outer optimiser.
    state: Option<Bytes>,
    weights: Vec<f32>,
    history: Vec<Progress>,
}

/// What a round came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The round, from 0 up.
    pub round: u32,
    /// Mean loss of the round's local steps, as the updates tell it; sums of private updates tell none.
    pub loss: Option<f32>,
    /// Updates that came.
    pub updates: usize,
    /// What a participant sent and got.
    pub traffic: Traffic,
    /// What the model does with data that it was not trained on, where that was tried.
    pub trial: Option<Trial>,
}

/// Bytes of one participant in one round, besides the data, which it fetches once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Its update.
    pub up: u64,
    /// The change of the weights since the round before, and earlier ones where they are put together anew; or a dense copy of
    /// them where there is a new one.
    pub down: u64,
    /// What both would be in floats of 32 bits.
    pub dense: u64,
    /// The specification of its local steps.
    #[serde(default)]
    pub specification: u64,
}

/// How well a model does on data that it was not trained on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Mean loss of a sample, or of a byte of text; [`f64::MAX`] where it is no number.
    pub loss: f64,
    /// Which part of the answers was right.
    pub accuracy: f64,
    /// How many answers there were.
    pub count: u64,
}

impl Training {
    /// Begins a training.
    ///
    /// # Errors
    /// If the plan's data cannot be read, or does not fit the model.
    pub fn start(plan: Plan) -> Result<Self> {
        plan.check()?;
        let divided = Divided::read(&plan)?;
        let model = Model::new(&plan, divided.width, divided.classes)?;
        divided.check(model.least_samples() as usize)?;
        let data = Blob::of(&data::blob(&divided.shards.iter().collect::<Vec<_>>(), divided.width, 0));
        let held_out = Blob::of(&data::blob(&[&divided.held_out], divided.width, 0));
        let weights = model.parameters.start(plan.seed);
        let shape = Shape::default();
        let lineage = Lineage { gather: plan.gather as usize, ..Lineage::default() };
        let (state, history) = (None, vec![]);
        Ok(Self { plan, divided, model, shape, data, held_out, lineage, state, weights, history })
    }

    /// Goes on with a training that was saved in a folder.
    ///
    /// # Errors
    /// If the folder holds another plan's training, or is damaged.
    pub fn resume(plan: Plan, folder: &Path) -> Result<Self> {
        let mut this = Self::start(plan)?;
        this.load(folder)?;
        Ok(this)
    }

    /// Takes up what was saved in a folder by a training of the same plan; what this one has done so far is forgotten.
    ///
    /// # Errors
    /// If the folder holds another plan's training, or is damaged. The training is as it was then.
    pub fn load(&mut self, folder: &Path) -> Result<()> {
        let saved = store::load(folder, &self.plan)?;
        let mut weights = self.model.parameters.start(self.plan.seed);
        let content = |reason: String| TrainError::Content { path: store::index(folder), reason };
        if let Some(base) = &saved.base {
            if base.len() != weights.len() * 4 {
                return Err(content(format!("weights of {} bytes, expected {}", base.len(), weights.len() * 4)));
            }
            weights = words(base).into_iter().map(f32::from_bits).collect();
        }
        let code = self.setting().changes();
        for change in &saved.changes {
            if change.len() != code.words() * 4 {
                return Err(content(format!("a change of {} bytes, expected {}", change.len(), code.words() * 4)));
            }
        }
        // Those of before the base are in it.
        let rounds = saved.history.len() as u32;
        let since = rounds.checked_sub(saved.changes.len() as u32);
        let Some(since) = since else { return Err(content("there are more changes than rounds".into())) };
        for (change, round) in saved.changes.iter().zip(since..) {
            let subset = self.setting().subset(round);
            code.add_to(&words(change), &mut weights, subset);
        }
        if saved.state.as_ref().is_some_and(|state| state.len() != self.outer().state_words() * 4) {
            return Err(content("the state of the aggregation has another length than the plan's".into()));
        }
        (self.lineage.base, self.lineage.changes) = (saved.base.as_ref().map(Blob::of), saved.changes);
        self.state = saved.state;
        self.history = saved.history;
        self.weights = weights;
        Ok(())
    }

    /// Writes everything that [`Training::resume`] needs into a folder, and the weights as published ones into its folder `model`.
    /// What was there stays whole until the new is.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let saved = Saved {
            base: self.lineage.base.as_ref().and_then(Blob::bytes).cloned(),
            changes: self.lineage.changes.clone(),
            state: self.state.clone(),
            history: self.history.clone(),
        };
        store::save(folder, &self.plan, &saved)?;
        self.checkpoint(&folder.join("model"))
    }

    /// Writes the weights into a folder: `model.safetensors`, for a decoder with the configuration and the tokenizer of a published
    /// model.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn checkpoint(&self, folder: &Path) -> Result<()> {
        crate::checkpoint::write(folder, &self.model, &self.weights)
    }

    /// The round that comes next, from 0 up.
    #[must_use]
    pub fn round(&self) -> u32 {
        self.history.len() as u32
    }

    /// How many rounds the plan has.
    #[must_use]
    pub fn rounds(&self) -> u32 {
        self.plan.rounds
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The rounds so far.
    #[must_use]
    pub fn history(&self) -> &[Progress] {
        &self.history
    }

    /// All weights, one tensor behind the other.
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    fn setting(&self) -> Setting<'_> {
        let Self { plan, divided, model, shape, .. } = self;
        Setting { plan, model, width: divided.width, classes: divided.classes, shape: *shape }
    }

    /// The weights as jobs are given them.
    fn given(&self) -> Weights {
        self.lineage.weights(self.round())
    }

    /// The job of the round's local steps: a unit for each shard, whose output is a compressed update.
    ///
    /// # Errors
    /// If the job is too large.
    pub fn steps(&self) -> Result<PreparedJob> {
        let shards = self.divided.shards.len();
        let mut inputs = Inputs::default();
        let data = Data { blob: self.data.clone(), records: data::records_at(shards) };
        let plan = self.setting().update(&mut inputs, &self.given(), &data, self.round());
        job(inputs, STEPS_FRONT_END, plan, shards as u64, vec![])
    }

    /// The job that makes a change of the weights out of the round's updates: the outputs of [`Training::steps`] by shard. Those that
    /// are missing count nothing.
    ///
    /// # Errors
    /// If there is no update, or one has another length.
    pub fn aggregation(&self, updates: &[Option<Bytes>]) -> Result<PreparedJob> {
        let shards = &self.divided.shards;
        if updates.len() != shards.len() {
            return setting(format!("expected {} updates, found {}", shards.len(), updates.len()));
        }
        let expected = (UPDATE_HEAD + self.setting().updates().words()) * 4;
        let mut present = vec![];
        for (shard, update) in updates.iter().enumerate() {
            let Some(update) = update else { continue };
            if update.len() != expected {
                let found = update.len();
                return Err(TrainError::Output(format!("update {shard}: expected {expected} bytes, found {found}")));
            }
            let (name, samples) = (format!("update.{shard}"), shards[shard].count());
            present.push(Update { name, shard, samples, blob: Blob::of(update) });
        }
        if present.is_empty() {
            return Err(TrainError::Output("no update came: post the round's steps again".into()));
        }
        let count = present.len();
        let mut inputs = Inputs::default();
        let plan = self.outer().of_updates(&mut inputs, present);
        job(inputs, AGGREGATION_FRONT_END, plan, 1, (count as u32).to_le_bytes().into())
    }

    fn outer(&self) -> Round<'_> {
        let setting = self.setting();
        Round {
            aggregation: &self.plan.aggregation,
            updates: setting.updates(),
            changes: setting.changes(),
            state: self.state.as_ref().map(Blob::of),
            subset: setting.subset(self.round()),
            shards: self.plan.shards.count,
            shape: self.shape,
        }
    }

    /// Takes the output of [`Training::aggregation`] of so many updates, or of that of a sum: the round is over.
    ///
    /// # Errors
    /// If the output has another length.
    pub fn advance(&mut self, output: &[u8], updates: usize) -> Result<Progress> {
        let expected = self.outer().output_words() * 4;
        if output.len() != expected {
            let found = output.len();
            return Err(TrainError::Output(format!("aggregation: expected {expected} bytes, found {found}")));
        }
        let code = self.setting().changes();
        let (head, rest) = output.split_at(UPDATE_HEAD * 4);
        let (change, state) = rest.split_at(code.words() * 4);
        let specification = self.specification()?;
        let subset = self.setting().subset(self.round());
        code.add_to(&words(change), &mut self.weights, subset);
        self.lineage.changes.push(Bytes::copy_from_slice(change));
        self.state = Some(Bytes::copy_from_slice(state));
        let dense = self.weights.len() as u64 * 4;
        let mut down = self.lineage.newest() as u64;
        let full = self.lineage.changes.len() >= self.plan.base_every as usize && self.round() + 1 < self.rounds();
        // What is no longer is better for those who come later.
        if full || down >= dense {
            self.lineage.settle(&self.weights);
            down = dense;
        }
        let up = ((UPDATE_HEAD + self.setting().updates().words()) * 4) as u64;
        let progress = Progress {
            round: self.round(),
            loss: words(head).first().map(|bits| f32::from_bits(*bits)).filter(|loss| loss.is_finite()),
            updates,
            traffic: Traffic { up, down, dense: 2 * dense, specification },
            trial: None,
        };
        self.history.push(progress.clone());
        Ok(progress)
    }

    /// Bytes of the specification of a participant's local steps; on a private shard it has some more, for the mask.
    fn specification(&self) -> Result<u64> {
        Ok(self.steps()?.spec.encode()?.len() as u64)
    }

    /// The job that tries the weights on what is held out, if the plan wants that now: after every so many rounds, and after the
    /// last one. Units are batches.
    ///
    /// # Errors
    /// If the job is too large.
    pub fn evaluation(&self) -> Result<Option<PreparedJob>> {
        let every = self.plan.evaluation.every;
        let wanted = every > 0 && (self.round().is_multiple_of(every) || self.round() >= self.rounds());
        if wanted { self.trial() } else { Ok(None) }
    }

    /// The same job at any time; none where nothing is held out.
    ///
    /// # Errors
    /// If the job is too large.
    pub fn trial(&self) -> Result<Option<PreparedJob>> {
        let context = self.setting().context();
        let held_out = self.divided.held_out.count();
        let samples = if self.model.decoder().is_some() { held_out.saturating_sub(1) / context } else { held_out };
        if samples == 0 {
            return Ok(None);
        }
        let batch = (self.plan.evaluation.batch as usize).min(samples);
        let mut inputs = Inputs::default();
        let data = Data { blob: self.held_out.clone(), records: data::records_at(1) };
        let plan = self.setting().trial(&mut inputs, &self.given(), &data, batch, samples);
        job(inputs, EVALUATION_FRONT_END, plan, samples.div_ceil(batch) as u64, vec![]).map(Some)
    }

    /// Puts the outputs of an evaluation together, and notes them with the last round.
    ///
    /// # Errors
    /// If an output has another length, or there is none.
    pub fn evaluated(&mut self, outputs: &[Bytes]) -> Result<Trial> {
        let (mut loss, mut right, mut count) = (0.0f64, 0u64, 0u64);
        for (unit, output) in outputs.iter().enumerate() {
            let &[of_loss, of_right, of_count, _] = words(output).as_slice() else {
                return Err(TrainError::Output(format!("unit {unit}: expected 16 bytes, found {}", output.len())));
            };
            loss += f64::from(f32::from_bits(of_loss));
            right += u64::from(of_right);
            count += u64::from(of_count);
        }
        if count == 0 {
            return Err(TrainError::Output("expected outputs of an evaluation, found none".into()));
        }
        let trial = Trial { loss: (loss / count as f64).min(f64::MAX), accuracy: right as f64 / count as f64, count };
        if let Some(last) = self.history.last_mut() {
            last.trial = Some(trial);
        }
        Ok(trial)
    }

    /// Number of parameters.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.weights.len()
    }
}

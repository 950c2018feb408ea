//! Private shards: the job that a participant computes, what it checks of that before its data is read, and sums of several groups.

use std::path::Path;

use tessera_front_end::{Blob, Inputs, PreparedJob};
use tessera_protocol::{
    cid::Cid,
    hash::{Digest, sha256},
    spec::{BufferInit, JobSpec},
};

use super::Training;
use crate::{
    data::{self, Shape},
    error::{Result, TrainError, setting},
    job::{AGGREGATION_FRONT_END, PRIVATE_FRONT_END, job},
    model::{Model, is_text},
    plan::{MAX_SHARDS, Plan},
    planner,
    steps::{Data, Setting, Weights},
};

/// Names of the inputs that a participant alone has.
const DATA: &str = "data";
const MASK: &str = "mask";
/// Name of the dense copy of the weights among the inputs.
const BASE: &str = "base";
/// How the names of changes of the weights begin.
const CHANGE: &str = "change.";
/// Most values of a sample, and most classes, that a job may speak of.
const MAX_WIDTH: u32 = 1 << 20;

/// What a job of private steps says of itself: round, values of a sample and classes, which its launch plan follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Notes {
    round: u32,
    width: u32,
    classes: u32,
}

impl Notes {
    fn to_bytes(self) -> Vec<u8> {
        [self.round, self.width, self.classes].into_iter().flat_map(u32::to_le_bytes).collect()
    }

    fn of(bytes: &[u8]) -> Result<Self> {
        let (&[round, width, classes], []) = bytes.as_chunks::<4>() else {
            return setting(format!("notes of {} bytes, expected 12", bytes.len()));
        };
        let [round, width, classes] = [round, width, classes].map(u32::from_le_bytes);
        if !(1..=MAX_WIDTH).contains(&width) || !(1..=MAX_WIDTH).contains(&classes) {
            return setting(format!("samples of {width} values and {classes} classes, expected 1 to {MAX_WIDTH}"));
        }
        Ok(Self { round, width, classes })
    }
}

/// A private input of a job: its content id and bytes.
pub type Own = (Cid, u64);

/// What a participant has agreed to compute: the steps of a plan, and nothing else. Paths in the plan do not matter.
#[derive(Clone, Debug)]
pub struct Agreement {
    plan: Plan,
}

impl Agreement {
    /// To the plan in a file.
    ///
    /// # Errors
    /// As [`Plan::load`].
    pub fn load(path: &Path) -> Result<Self> {
        Ok(Self { plan: Plan::load(path)? })
    }

    /// To a plan.
    #[must_use]
    pub const fn new(plan: Plan) -> Self {
        Self { plan }
    }

    /// The shape of a shard of this machine, from its blob in a file.
    ///
    /// # Errors
    /// As [`Shape::read`].
    pub fn shape(&self, path: &Path) -> Result<Shape> {
        Shape::read(path, &self.plan)
    }

    /// Whether a job is one of private steps of this plan, of the round whose task is `task`, on these data and under this mask: the
    /// same module, launch plan and rates as are made here, the weights that everybody in the round has.
    ///
    /// The first keeps a client from a plan that puts data out as it is; the second from giving one participant other weights or
    /// rates than the others, so that the sum would be its update alone (Pasquini, Francati and Ateniese, "Eluding Secure Aggregation
    /// in Federated Learning via Model Inconsistency", CCS 2022). Nor may it say of the shard what is not so, or set a limit of gas:
    /// whether a unit faults would then tell something of the data that no mask hides.
    ///
    /// # Errors
    /// With what differs.
    pub fn check(&self, spec: &JobSpec, task: &Digest, data: Own, shape: Shape, mask: Own) -> Result<()> {
        let notes = Notes::of(&spec.front_end.data)?;
        if notes.round >= self.plan.rounds {
            return setting(format!("round {}, the plan has {}", notes.round, self.plan.rounds));
        }
        if private_task(spec) != *task {
            return setting(
                "it computes something else than what its round was agreed on for: other weights, rates or steps",
            );
        }
        let is_text = is_text(&self.plan);
        if notes.width != shape.width || shape.classes > notes.classes || data.1 != shape.blob_len(is_text) {
            let Shape { width, classes, count } = shape;
            let found = format!("the shard has {count} of {width} values and {classes} classes, in {} bytes", data.1);
            return setting(format!(
                "it is for samples of {} values and {} classes; {found}",
                notes.width, notes.classes
            ));
        }
        let named = |name: &str| spec.inputs.iter().find(|input| input.name == name);
        let elsewhere = |input: &tessera_protocol::spec::Input| Blob::Elsewhere(input.cid, input.len);
        let changes: Vec<Blob> =
            spec.inputs.iter().filter(|input| input.name.starts_with(CHANGE)).map(elsewhere).collect();
        let model = Model::new(&self.plan, notes.width as usize, notes.classes as usize)?;
        let least = model.least_samples();
        if shape.count < least {
            return setting(format!("the shard has {} samples or bytes, expected at least {least}", shape.count));
        }
        let (width, classes) = (notes.width as usize, notes.classes as usize);
        let setting_here =
            Setting { plan: &self.plan, model: &model, width, classes, shape: planner::Shape::default() };
        let one = 4 * setting_here.changes().words() as u64;
        if let Some(blob) = changes.iter().find(|blob| blob.is_empty() || !blob.len().is_multiple_of(one)) {
            return setting(format!("changes of {} bytes, expected a multiple of {one}", blob.len()));
        }
        let rounds = changes.iter().map(|blob| blob.len() / one).sum::<u64>();
        let Some(since) = u64::from(notes.round).checked_sub(rounds) else {
            return setting(format!("{rounds} changes of the weights in round {}", notes.round));
        };
        let weights = Weights { since: since as u32, base: named(BASE).map(elsewhere), changes };
        let mut inputs = Inputs::default();
        let blob = Data { blob: Blob::Elsewhere(data.0, data.1), records: data::records_at(1) };
        let plan = setting_here.private(&mut inputs, &weights, &blob, Blob::Elsewhere(mask.0, mask.1), notes.round);
        let expected = job(inputs, PRIVATE_FRONT_END, plan, 1, notes.to_bytes())?.spec;
        if expected == *spec {
            return Ok(());
        }
        let differs = if expected.module != spec.module {
            "module: it is of another version"
        } else if expected.plan != spec.plan {
            "launch plan"
        } else if expected.inputs != spec.inputs {
            "inputs"
        } else {
            "units, limit of gas or description"
        };
        setting(format!("it is not what the agreed plan makes of its round: another {differs}"))
    }
}

/// What the members of a round agree on before there is a mask: everything that a job of [`Training::private_job`] says but for the
/// participant's own inputs.
#[must_use]
pub fn private_task(spec: &JobSpec) -> Digest {
    let mut bare = spec.clone();
    for (number, input) in bare.inputs.iter_mut().enumerate().filter(|(_, input)| [DATA, MASK].contains(&&*input.name))
    {
        (input.cid, input.len) = (Cid([0; 32]), 0);
        let of_input = |init: BufferInit| match init {
            BufferInit::Input(n) | BufferInit::Copy(n) => usize::from(n) == number,
            _ => false,
        };
        for buffer in bare.plan.buffers.iter_mut().filter(|buffer| of_input(buffer.init)) {
            buffer.len = 0;
        }
    }
    let bytes = borsh::to_vec(&bare).unwrap_or_default();
    sha256(&[b"tessera-train-private-1", &bytes])
}

/// The id of a training among private shards, from the wallet that trains and the name that it gave it.
#[must_use]
pub fn training_id(client: &[u8; 32], name: &str) -> Digest {
    sha256(&[b"tessera-training-1", client, name.as_bytes()])
}

/// Where the inputs that a participant alone has stand among those of a job: data and mask.
#[must_use]
pub fn private_inputs(spec: &JobSpec) -> Option<[u16; 2]> {
    let place = |name: &str| spec.inputs.iter().position(|input| input.name == name)?.try_into().ok();
    Some([place(DATA)?, place(MASK)?])
}

impl Training {
    /// The job of one participant's local steps, as [`Training::private_steps`], in a form that it can check by itself
    /// ([`Agreement::check`]). `data` is its blob, as [`Training::private_data`] makes it, `mask` one of [`Training::private_words`] words.
    ///
    /// # Errors
    /// If the job is too large.
    pub fn private_job(&self, data: Own, mask: Cid) -> Result<PreparedJob> {
        let mut job = self.private_steps(data, mask)?;
        let (width, classes) = (self.divided.width as u32, self.divided.classes as u32);
        job.spec.front_end.data = Notes { round: self.round(), width, classes }.to_bytes();
        job.spec.encode()?;
        Ok(job)
    }

    /// What the members of the next round agree on.
    ///
    /// # Errors
    /// As [`Training::private_job`].
    pub fn task(&self) -> Result<Digest> {
        let none = Cid([0; 32]);
        // Any length will do: it does not count.
        Ok(private_task(&self.private_job((none, data::records_at(1)), none)?.spec))
    }

    /// The job that makes a change of the weights out of the sums of several groups, each of so many private updates, the masks taken
    /// away: the rule of the plan decides what is made of the groups' means. One group is as [`Training::private_aggregation`].
    ///
    /// # Errors
    /// If there is no sum or more than [`MAX_SHARDS`], one has another length, or is one of no updates.
    pub fn groups_aggregation(&self, groups: &[(Vec<u32>, usize)]) -> Result<PreparedJob> {
        let expected = self.private_words();
        if let Some((sum, updates)) = groups.iter().find(|(sum, updates)| sum.len() != expected || *updates == 0) {
            let found = sum.len();
            return setting(format!("expected sums of {expected} words, found one of {found}, of {updates} updates"));
        }
        if groups.len() > MAX_SHARDS {
            return setting(format!("{} groups, an aggregation takes {MAX_SHARDS} at the most", groups.len()));
        }
        match groups {
            [] => Err(TrainError::Output("no group came to a sum: begin the round anew".into())),
            [(sum, updates)] => self.private_aggregation(sum, *updates),
            groups => {
                let updates: usize = groups.iter().map(|(_, updates)| updates).sum();
                let sums = groups.iter().map(|(sum, updates)| (Blob::words(sum.iter().copied()), *updates)).collect();
                let mut inputs = Inputs::default();
                let plan = self.outer().of_sums(&mut inputs, sums, self.plan.private.steps);
                job(inputs, AGGREGATION_FRONT_END, plan, 1, (updates as u32).to_le_bytes().into())
            }
        }
    }

    /// The blob of a participant's data: what these files hold, all of it. See [`Training::private_data`].
    ///
    /// # Errors
    /// If the files cannot be read, or do not fit the plan.
    pub fn shard_of_files(plan: &Plan, secret: u64) -> Result<bytes::Bytes> {
        let mut plan = plan.clone();
        plan.shards = crate::plan::Shards { count: 1, by: crate::plan::Division::Iid, alpha: plan.shards.alpha };
        match &mut plan.data {
            crate::plan::Data::Samples { held_out, test, .. } => {
                *held_out = 0.0;
                test.clear();
            }
            crate::plan::Data::Text { held_out, .. } => *held_out = 0.0,
        }
        Self::private_data(&plan, secret)
    }
}

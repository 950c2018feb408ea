//! Jobs: a specification with its blobs, and what the front end notes to itself.

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use tessera_front_end::{Blob, Inputs, PreparedJob};
use tessera_protocol::spec::{FrontEnd, JobSpec, LaunchPlan};

use crate::{
    error::{NnError, Result},
    model::Model,
    texts::Texts,
};

/// The kernels, in the reproducible profile. Built by `scripts/build-kernels`.
pub const MODULE: &str = include_str!("../kernels/nn.ptx");

/// The job that runs this plan over texts; `more` are inputs behind the weights and the texts. The weights are the same blob for
/// all jobs of a model.
pub(crate) fn job(
    model: &Model,
    texts: &Texts,
    more: Vec<(&str, Bytes)>,
    plan: LaunchPlan,
    name: &str,
    notes: &Notes,
) -> Result<PreparedJob> {
    let mut inputs = Inputs::default();
    inputs.add("weights", Blob::There(model.cid, model.weights.clone()));
    for (name, bytes) in [("texts", texts.words.clone())].into_iter().chain(more) {
        inputs.add(name, Blob::of(&bytes));
    }
    let data = borsh::to_vec(notes).map_err(|error| NnError::Setting(format!("cannot note a job: {error}")))?;
    Ok(inputs.job(MODULE, plan, texts.units, FrontEnd { name: name.into(), data })?)
}

/// What merging needs to know of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Notes {
    /// Texts of all units.
    pub texts: u64,
    /// Texts of a unit, the last one excepted.
    pub batch: u32,
    /// Words of the output for each text.
    pub words: u32,
}

impl Notes {
    /// The notes of a job that the front end `name` made.
    pub fn read(spec: &JobSpec, name: &str) -> Result<Self> {
        let refused = |reason: String| NnError::Merge(reason);
        if spec.front_end.name != name {
            let found = &spec.front_end.name;
            return Err(refused(format!("the job was made by the front end {found:?}, expected {name:?}")));
        }
        let notes = Self::try_from_slice(&spec.front_end.data)
            .map_err(|error| refused(format!("the front end's notes in the job are damaged: {error}")))?;
        let whole = notes.texts.div_ceil(u64::from(notes.batch).max(1)) == spec.units
            && u64::from(notes.batch) * u64::from(notes.words) * 4 == spec.output_len();
        if !whole || notes.batch == 0 || notes.words == 0 {
            return Err(refused("the front end's notes do not fit the job's units".into()));
        }
        Ok(notes)
    }
}

/// Outputs of units, one behind the other, as they come in any order.
#[derive(Debug)]
pub(crate) struct Gathered {
    notes: Notes,
    units: Vec<Option<Vec<u32>>>,
}

impl Gathered {
    pub fn new(spec: &JobSpec, name: &str) -> Result<Self> {
        let notes = Notes::read(spec, name)?;
        let count = usize::try_from(spec.units).unwrap_or(usize::MAX);
        let mut units = vec![];
        units.try_reserve_exact(count).map_err(|_| NnError::Merge(format!("no memory for {count} units")))?;
        units.resize(count, None);
        Ok(Self { notes, units })
    }

    /// Takes the output of a unit; whether it was not there yet.
    pub fn add(&mut self, unit: u64, output: &[u8]) -> Result<bool> {
        let count = self.units.len();
        let place = usize::try_from(unit).ok().and_then(|unit| self.units.get_mut(unit));
        let place = place.ok_or_else(|| NnError::Merge(format!("unit {unit} is none of the job's {count}")))?;
        let expected = self.notes.batch as usize * self.notes.words as usize * 4;
        if output.len() != expected {
            let found = output.len();
            return Err(NnError::Merge(format!("unit {unit}: expected {expected} bytes, found {found}")));
        }
        if place.is_some() {
            return Ok(false);
        }
        *place = Some(output.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect());
        Ok(true)
    }

    /// The words of each text, once all units are there.
    pub fn texts(&self) -> Result<impl Iterator<Item = &[u32]> + '_> {
        let missing = self.units.iter().filter(|unit| unit.is_none()).count();
        if missing > 0 {
            return Err(NnError::Merge(format!("{missing} of {} units are missing", self.units.len())));
        }
        let texts = usize::try_from(self.notes.texts).unwrap_or(usize::MAX);
        let words = self.notes.words as usize;
        Ok(self.units.iter().flatten().flat_map(move |unit| unit.chunks_exact(words)).take(texts))
    }

    /// The words of each text of a unit, if it is there.
    pub fn unit(&self, unit: u64) -> Option<impl Iterator<Item = &[u32]> + '_> {
        let words = self.units.get(usize::try_from(unit).ok()?)?.as_deref()?;
        let batch = u64::from(self.notes.batch);
        // The last unit may have fewer texts than there is room for.
        let texts = self.notes.texts.saturating_sub(unit.saturating_mul(batch)).min(batch);
        Some(words.chunks_exact(self.words()).take(texts as usize))
    }

    pub fn words(&self) -> usize {
        self.notes.words as usize
    }
}

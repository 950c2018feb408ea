//! Jobs that are ready to be posted, or to be run here.

use bytes::Bytes;
use tessera_protocol::spec::JobSpec;

/// A job that is ready to be posted, or to be run here. [`Inputs::job`](crate::Inputs::job) makes it.
#[derive(Clone, Debug)]
pub struct PreparedJob {
    /// What workers run.
    pub spec: JobSpec,
    pub(crate) module: String,
    /// In the order of the specification; none where somebody else has it.
    pub(crate) inputs: Vec<Option<Bytes>>,
}

/// An input that only somebody else has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("input {name:?} of the job is not here: only who has it can run the job")]
pub struct MissingInput {
    /// Its name.
    pub name: String,
}

impl PreparedJob {
    /// The module, PTX.
    #[must_use]
    pub fn module(&self) -> &str {
        &self.module
    }

    /// The blobs that are posted with the job: the module, then the inputs in their order, but those that somebody else has.
    #[must_use]
    pub fn blobs(&self) -> Vec<Bytes> {
        [Bytes::from(self.module.clone())].into_iter().chain(self.inputs.iter().flatten().cloned()).collect()
    }

    /// The inputs in the order of [`JobSpec::inputs`].
    ///
    /// # Errors
    /// If one of them is not here.
    pub fn inputs(&self) -> Result<Vec<Bytes>, MissingInput> {
        self.inputs_with(&[])
    }

    /// The inputs in the order of [`JobSpec::inputs`], where some that are not the job's own are given by their names.
    ///
    /// # Errors
    /// If one of them is not here and not given.
    pub fn inputs_with(&self, given: &[(&str, &Bytes)]) -> Result<Vec<Bytes>, MissingInput> {
        let named = self.spec.inputs.iter().zip(&self.inputs).map(|(input, own)| {
            let given = || given.iter().find(|(name, _)| *name == input.name).map(|(_, bytes)| *bytes);
            let found = own.as_ref().or_else(given).cloned();
            found.ok_or_else(|| MissingInput { name: input.name.clone() })
        });
        named.collect()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tessera_protocol::{cid::Cid, spec::FrontEnd};

    use crate::{Blob, Inputs, PlanWriter, at};

    #[test]
    fn what_others_have_is_not_posted_and_must_be_given_to_run() {
        let mut inputs = Inputs::default();
        let mut writer = PlanWriter::default();
        let mine = Bytes::from_static(b"mine");
        let theirs = Bytes::from_static(b"theirs!!");
        let data = inputs.add("data", Blob::Elsewhere(Cid::of(&theirs), theirs.len() as u64));
        let data = writer.input(data);
        let weights = inputs.add("weights", Blob::of(&mine));
        let weights = writer.copy_of(weights);
        writer.launch("kernel", [1; 3], [1; 3], vec![at(data, 0), at(weights, 0)]);
        let front_end = FrontEnd { name: "test".into(), data: vec![] };
        let job = inputs.job("module", writer.finish(weights), 1, front_end).unwrap();

        assert_eq!(job.spec.inputs[0].cid, Cid::of(&theirs));
        assert_eq!(job.blobs(), [&b"module"[..], b"mine"]);
        assert!(job.inputs().unwrap_err().to_string().contains("input \"data\""));
        assert_eq!(job.inputs_with(&[("data", &theirs)]).unwrap(), [theirs, mine]);
    }
}

//! Private jobs: those inputs that only this machine has.

use std::sync::Arc;

use tessera_protocol::spec::JobSpec;
use tessera_sdk::Job;

use super::{Jobs, PrepareError};
use crate::private::{Inputs, PrivateError, UsedError};

impl From<PrivateError> for PrepareError {
    fn from(e: PrivateError) -> Self {
        match e {
            PrivateError::Refused(reason) => Self::Refused(reason),
            PrivateError::Used(e) => e.into(),
            PrivateError::Missing(_) | PrivateError::Gone(_) | PrivateError::Io { .. } => Self::Later(e.to_string()),
        }
    }
}

impl From<UsedError> for PrepareError {
    fn from(e: UsedError) -> Self {
        match e {
            UsedError::Used { .. } => Self::Refused(e.to_string()),
            UsedError::Io { .. } => Self::Later(e.to_string()),
        }
    }
}

/// What keeps a job from being prepared.
fn refusal(e: PrivateError, leased: bool) -> PrepareError {
    match e {
        PrivateError::Gone(reason) if leased => PrepareError::Refused(reason),
        e => e.into(),
    }
}

impl Jobs {
    /// Those inputs of a private job that are private files, if it is allowed; none of any other job. A file that serves one job and is
    /// gone may come while nobody has leased that; of a job that is `leased` here, nothing will come.
    pub(super) async fn own(&self, job: &Job, spec: &JobSpec, leased: bool) -> Result<Inputs, PrepareError> {
        if !job.is_private() {
            return Ok(Inputs::default());
        }
        let config = self.context.live.get();
        let of_training = self.context.trainings.allowance(&job.wallet, spec);
        let allowed = of_training.unwrap_or_else(|| config.private.allowance(&job.wallet, spec).cloned());
        let allowance = allowed.map_err(PrepareError::Refused)?;
        let (private, address, spec) = (Arc::clone(&self.context.private), job.address, spec.clone());
        // Files that are new are read.
        let found = tokio::task::spawn_blocking(move || private.inputs(&allowance, &address, &spec)).await;
        let found = found.map_err(|e| PrepareError::Later(e.to_string()))?;
        let inputs = found.map_err(|e| refusal(e, leased))?;
        tracing::info!(job = %job.address, client = %job.wallet, files = inputs.all().count(), "private job is allowed");
        Ok(inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_serves_one_job_is_waited_for_only_before_it_is_leased() {
        let gone = || PrivateError::Gone("mask".into());
        assert!(matches!(refusal(gone(), true), PrepareError::Refused(_)));
        assert!(matches!(refusal(gone(), false), PrepareError::Later(_)));
        assert!(matches!(refusal(PrivateError::Missing("data".into()), true), PrepareError::Later(_)));
    }
}

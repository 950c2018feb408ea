//! Trainings in which a private shard of this machine takes part: a task for each, which waits to be invited, puts the mask of the
//! round where the job finds it, and helps to take the masks off the sum. The job is claimed and computed like any other.

mod member;
mod turn;

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use tessera_protocol::spec::JobSpec;
use tessera_sdk::Tessera;
use tessera_train::PRIVATE_FRONT_END;
use tokio::task::JoinSet;

use super::report::TrainingReport;
use crate::{
    backoff,
    config::{Allowance, PrivateSettings},
    private::Private,
};
use member::Member;

/// Folder of the data directory that says which rounds were taken part in.
const ROUNDS: &str = "trainings";
/// How often a coordinator that does not answer is spoken of in the log, in failures.
const SPOKEN_OF: u32 = 60;
/// How often it is looked whether masks that an earlier process has left can go.
const LOOK: Duration = Duration::from_secs(300);

/// All of them.
#[derive(Default)]
pub struct Trainings(Vec<Arc<Member>>);

impl Trainings {
    /// Reads the plans that were agreed on, and which turn was under way. What must outlive the process is kept in `data`.
    ///
    /// # Errors
    /// If a plan or the folder cannot be read.
    pub fn open(settings: &PrivateSettings, data: &Path) -> Result<Self> {
        let Some(folder) = settings.folder.as_ref().filter(|_| !settings.training.is_empty()) else {
            return Ok(Self::default());
        };
        for (name, remark) in settings.training.iter().filter_map(|training| Some((&training.name, training.remark()?)))
        {
            tracing::warn!(training = name, "{remark}");
        }
        let rounds = data.join(ROUNDS);
        std::fs::create_dir_all(&rounds).with_context(|| format!("cannot make {}", rounds.display()))?;
        let open = |training| Member::open(training, folder, &rounds).map(Arc::new);
        Ok(Self(settings.training.iter().map(open).collect::<Result<_>>()?))
    }

    /// Takes part in all of them until this is dropped, and clears what an earlier process has left of a turn.
    #[must_use]
    pub fn start(&self, operator: &Keypair, tessera: &Tessera, private: &Arc<Private>) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        tasks.spawn(clear(self.0.clone(), tessera.clone(), Arc::clone(private)));
        for member in &self.0 {
            tasks.spawn(take_part(Arc::clone(member), ed25519_dalek::SigningKey::from_bytes(operator.secret_bytes())));
        }
        tasks
    }

    /// What allows a private job of `client`, if it is one of a turn under way.
    ///
    /// # Errors
    /// With the reason why it is refused, if it asks for the mask of a turn for anything else than what was agreed on.
    pub fn allowance(&self, client: &Pubkey, spec: &JobSpec) -> Option<Result<Allowance, String>> {
        if spec.front_end.name != PRIVATE_FRONT_END {
            return None;
        }
        self.0.iter().find_map(|member| member.allowance(client, spec))
    }

    /// How each of them goes.
    #[must_use]
    pub fn reports(&self) -> Vec<TrainingReport> {
        self.0.iter().map(|member| member.report()).collect()
    }
}

/// Clears what an earlier process has left of turns, as soon as it is of no more use.
async fn clear(members: Vec<Arc<Member>>, tessera: Tessera, private: Arc<Private>) {
    loop {
        let left: Vec<_> = members.iter().filter_map(|member| Some((member, member.left()?))).collect();
        if left.is_empty() {
            return;
        }
        for (member, mask) in left {
            let is_gone = match private.served(&mask) {
                Ok(Some(job)) => matches!(tessera.job(&job).await, Ok(None)),
                // Nothing was computed with it yet, or that cannot be told.
                Ok(None) | Err(_) => false,
            };
            member.clear_left(is_gone);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Takes part in round after round, for ever. A coordinator that is away is asked again after pauses of up to a minute.
async fn take_part(member: Arc<Member>, key: ed25519_dalek::SigningKey) {
    let mut failures = 0u32;
    loop {
        let Err(error) = member.rounds(&key, &mut failures).await;
        let wait = backoff::after(failures.saturating_add(1));
        let text = format!("{error:#}");
        if failures.is_multiple_of(SPOKEN_OF) {
            tracing::warn!(training = member.name(), error = text, ?wait, failures, "cannot take part now");
        }
        failures = failures.saturating_add(1);
        member.failed(text);
        tokio::time::sleep(wait.max(Duration::from_secs(1))).await;
    }
}

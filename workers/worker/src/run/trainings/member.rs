//! One training.

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result};
use ed25519_dalek::SigningKey;
use solana_pubkey::Pubkey;
use tessera_federation::{Ended, Offer, Participant, ParticipantConfig, Turn, WORK};
use tessera_protocol::{cid::Cid, spec::JobSpec};
use tessera_train::{Agreement, Own, Shape, private_inputs};

use super::turn::{Kept, Masks};
use crate::{
    cache::hash,
    config::{Allowance, PrivateInput, TrainingSettings},
    private,
    run::report::TrainingReport,
};

/// How long an invitation is waited for before it is asked anew whether the coordinator is still there.
const WAIT: Duration = Duration::from_secs(120);

/// A training, and how far this machine is in it.
pub(super) struct Member {
    settings: TrainingSettings,
    agreement: Agreement,
    /// The shard as a path, and the folder in which jobs find it within the private one.
    shard: PathBuf,
    shard_folder: PathBuf,
    masks: Masks,
    /// File of [`Participant`] with the rounds that were taken part in.
    rounds: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    turn: Option<Kept>,
    /// When that turn was noted, if an earlier process did: it ends without this one.
    left: Option<SystemTime>,
    report: TrainingReport,
}

impl Member {
    /// Of a training, with the private files in `folder` and what must outlive the process in `data`.
    pub fn open(settings: &TrainingSettings, folder: &Path, data: &Path) -> Result<Self> {
        let name = &settings.name;
        let agreement = Agreement::load(&settings.plan).with_context(|| format!("private.training {name}: plan"))?;
        let id = settings.id_text();
        let masks = Masks::new(folder.to_owned(), settings.masks(), data.join(format!("{id}.turn")));
        let turn = masks.read().with_context(|| format!("private.training {name}"))?;
        let left = turn.is_some().then(|| masks.written()).transpose()?;
        let report = TrainingReport {
            name: name.clone(),
            client: settings.client.to_string(),
            coordinator: settings.coordinator.clone(),
            state: "starting".into(),
            ..TrainingReport::default()
        };
        Ok(Self {
            agreement,
            shard: folder.join(&settings.shard),
            shard_folder: settings.shard.parent().unwrap_or(Path::new("")).to_owned(),
            masks,
            rounds: data.join(format!("{id}.rounds")),
            state: Mutex::new(State { turn, left, report }),
            settings: settings.clone(),
        })
    }

    pub fn name(&self) -> &str {
        &self.settings.name
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn report(&self) -> TrainingReport {
        self.state().report.clone()
    }

    /// Notes why nothing goes on.
    pub fn failed(&self, error: String) {
        let mut state = self.state();
        state.report.state = "cannot take part now, trying again".into();
        state.report.error = Some(error);
    }

    fn is(&self, now: String) {
        let mut state = self.state();
        state.report.state = now;
        state.report.error = None;
    }

    /// See [`super::Trainings::allowance`].
    pub fn allowance(&self, client: &Pubkey, spec: &JobSpec) -> Option<Result<Allowance, String>> {
        if self.settings.client != *client {
            return None;
        }
        let turn = self.state().turn.clone()?;
        let [number_of_data, number_of_mask] = private_inputs(spec)?;
        let (data, mask) = (turn.data(), turn.mask());
        if spec.inputs.get(usize::from(number_of_mask))?.cid != mask.0 {
            return None;
        }
        if let Err(error) = self.agreement.check(spec, &turn.task, data, turn.shape, mask) {
            return Some(Err(format!("it is private, of training {}, and {error}", self.name())));
        }
        let inputs = vec![
            PrivateInput { number: number_of_data, folder: self.shard_folder.clone(), once: false },
            PrivateInput { number: number_of_mask, folder: self.masks.folder().to_owned(), once: true },
        ];
        let plan = Some(spec.plan.cid());
        Some(Ok(Allowance { client: *client, module: spec.module, plan, max_units: 1, inputs, of_training: true }))
    }

    /// The mask of a turn that an earlier process has left, if it is still here.
    pub fn left(&self) -> Option<Cid> {
        let state = self.state();
        state.left?;
        state.turn.as_ref().map(|turn| turn.mask().0)
    }

    /// Clears a turn that an earlier process has left, if its job is gone or it is older than rounds are waited for. Until then the job
    /// may have been leased.
    pub fn clear_left(&self, job_is_gone: bool) {
        // Held to the end: a new turn begins by taking this one away.
        let mut state = self.state();
        let Some(since) = state.left else { return };
        // The clock may have been set back meanwhile.
        if !job_is_gone && since.elapsed().unwrap_or_default() < WORK {
            return;
        }
        match self.masks.clear() {
            Ok(()) => {
                (state.turn, state.left) = (None, None);
                tracing::info!(training = self.name(), "the mask of a round that was left is removed");
            }
            Err(error) => self.cannot_clear(&error),
        }
    }

    fn cannot_clear(&self, error: &std::io::Error) {
        tracing::error!(training = self.name(), %error, "a mask cannot be removed: remove it by hand");
    }

    /// Takes part in round after round, until the coordinator is away or refuses. `failures` is set to 0 when it answers.
    pub async fn rounds(&self, key: &SigningKey, failures: &mut u32) -> Result<Infallible> {
        let (url, id, policy) = (self.settings.url()?, self.settings.id(), self.settings.policy());
        let config = ParticipantConfig::new(url, key.clone(), id, policy, self.rounds.clone());
        let mut participant = Participant::new(config)?;
        loop {
            let turn = participant.round(WAIT).await?;
            *failures = 0;
            match turn {
                None => self.is("waiting to be invited".into()),
                Some(turn) => self.take(turn).await,
            }
        }
    }

    /// One turn, whatever becomes of it.
    async fn take(&self, turn: Turn<'_>) {
        let (number, others) = (turn.round().round, turn.round().members.len().saturating_sub(1));
        self.is(format!("in round {number} with {others} others"));
        tracing::info!(training = self.name(), round = number, others, "takes part in a round");
        let ended = self.go_through(turn).await;
        let cleared = self.masks.clear();
        let mut state = self.state();
        state.turn = None;
        let report = &mut state.report;
        report.last_round = number;
        report.state = "waiting to be invited".into();
        match ended {
            Ok(Ended::Summed(members)) => {
                report.summed += 1;
                report.error = None;
                tracing::info!(training = self.name(), round = number, members = members.count(), "round has its sum");
            }
            Ok(Ended::Dropped) => {
                report.dropped += 1;
                tracing::warn!(training = self.name(), round = number, "round went on without this machine");
            }
            Ok(Ended::Void(reason)) => {
                report.void += 1;
                tracing::warn!(training = self.name(), round = number, reason, "round came to nothing");
            }
            Err(error) => {
                report.dropped += 1;
                report.error = Some(format!("round {number}: {error:#}"));
                tracing::warn!(training = self.name(), round = number, error = format!("{error:#}"), "round is left");
            }
        }
        if let Err(error) = cleared {
            self.cannot_clear(&error);
        }
    }

    async fn go_through(&self, mut turn: Turn<'_>) -> Result<Ended> {
        let (data, shape) = self.data().await?;
        let mask = turn.take_mask().context("the round has no mask")?;
        let (masks, bytes, task) = (self.masks.clone(), mask.to_bytes(), turn.round().task);
        drop(mask);
        self.state().left = None;
        let kept = tokio::task::spawn_blocking(move || -> Result<Kept> {
            masks.clear()?;
            let len = bytes.len() as u64;
            let cid = private::put(&masks.path(), &bytes).context("cannot keep the mask")?;
            let kept = Kept::new(task, data, shape, (cid, len));
            masks.keep(&kept)?;
            Ok(kept)
        });
        let kept = kept.await??;
        let mask = kept.mask();
        // The job may come as soon as its names are told.
        self.state().turn = Some(kept);
        let offer = |(cid, len): Own| Offer { cid: cid.0, len };
        turn.offer(vec![offer(data), offer(mask)]).await?;
        Ok(turn.finish().await?)
    }

    /// The shard as it is now.
    async fn data(&self) -> Result<(Own, Shape)> {
        let (path, agreement) = (self.shard.clone(), self.agreement.clone());
        let read = move || -> Result<(Own, Shape)> {
            let shape = agreement.shape(&path)?;
            let own = || -> std::io::Result<Own> { Ok((hash(&path)?, std::fs::metadata(&path)?.len())) };
            Ok((own().with_context(|| format!("cannot read the shard {}", path.display()))?, shape))
        };
        tokio::task::spawn_blocking(read).await?
    }
}

#[cfg(test)]
mod tests;

//! Private jobs that were posted: each is noted before money moves, and stays noted until nothing of it is in an escrow.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use futures_util::future::join_all;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;
use tessera_train::PreparedJob;

use super::settings::Member;
use crate::{
    begun::Begun,
    commands::job::cancel::{self, Patience},
    folder::Folder,
    posted,
    posting::close,
    session::Session,
};

/// Folder of the notes.
const JOBS: &str = "participants";

/// A job, with the folder of its note.
struct Errand {
    folder: Folder,
    job: Pubkey,
    is_delivered: bool,
}

/// All that are not closed yet.
pub struct Errands {
    path: PathBuf,
    open: Vec<Errand>,
}

impl Errands {
    /// Their notes lie in `folder`.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(JOBS);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { path, open: vec![] })
    }

    /// Finds those that an earlier command has posted, or this one without hearing of it.
    async fn find(&mut self, session: &Session<'_>) -> Result<()> {
        let entries = fs::read_dir(&self.path).with_context(|| format!("cannot read {}", self.path.display()))?;
        let is_new = |path: &PathBuf| path.is_dir() && !self.open.iter().any(|errand| errand.folder.path() == path);
        let paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_new).collect();
        for path in paths {
            let folder = Folder::create(&path)?;
            let job = match posted::note(&folder)? {
                Some(note) => posted::find(session.tessera(), &session.wallet().pubkey(), &folder, note).await?,
                None => None,
            };
            match job {
                Some(job) => self.open.push(Errand { folder, job, is_delivered: false }),
                None => remove(&folder)?,
            }
        }
        Ok(())
    }

    /// Posts a job for one participant.
    pub async fn post(
        &mut self,
        session: &Session<'_>,
        round: u64,
        member: &Member,
        job: &PreparedJob,
    ) -> Result<Pubkey> {
        let folder = Folder::create(&self.path.join(format!("{round}-{}", member.provider)))?;
        let deal = session.private_deal(member.provider)?;
        let posted = posted::post(session.tessera(), session.wallet(), deal, &job.spec, job.blobs(), &folder).await?;
        self.open.push(Errand { folder, job: posted.job, is_delivered: false });
        Ok(posted.job)
    }

    /// The output of a job is there.
    pub fn delivered(&mut self, job: &Pubkey) {
        self.open.iter_mut().filter(|errand| errand.job == *job).for_each(|errand| errand.is_delivered = true);
    }

    /// Ends all jobs that can be ended: those that have delivered are closed when they are paid, others are cancelled, and closed
    /// at once if nobody has leased them. To `wait`: those that somebody has leased, too, when that has run its course.
    pub async fn settle(&mut self, session: &Session<'_>, begun: &mut Begun, wait: bool) -> Result<()> {
        self.find(session).await?;
        let patience = if wait { Patience::UntilItEnds } else { Patience::None };
        let ended = self.open.iter().map(|errand| async move {
            let (tessera, wallet) = (session.tessera(), session.wallet());
            if errand.is_delivered {
                close(tessera, wallet, &errand.job).await?;
            } else {
                cancel::end(tessera, wallet, session.market(), errand.job, patience).await?;
            }
            anyhow::Ok(tessera.job(&errand.job).await?.is_none())
        });
        let ended = join_all(ended).await;
        for (errand, ended) in std::mem::take(&mut self.open).into_iter().zip(ended) {
            match ended {
                Ok(true) => {
                    let ledger = session.tessera().ledger(&errand.job).await?;
                    begun.ended_beside(&errand.job, ledger.deposited.saturating_sub(ledger.refunded))?;
                    remove(&errand.folder)?;
                }
                Ok(false) => self.open.push(errand),
                Err(error) => {
                    eprintln!("warning: job {} is not ended yet: {error:#}", errand.job);
                    self.open.push(errand);
                }
            }
        }
        if wait && !self.open.is_empty() {
            session.say("some jobs are still open: `tessera reclaim` brings back what is left in them")?;
        }
        Ok(())
    }
}

fn remove(folder: &Folder) -> Result<()> {
    fs::remove_dir_all(folder.path()).with_context(|| format!("cannot remove {}", folder.path().display()))
}

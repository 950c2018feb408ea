//! Private jobs that were posted: each is noted before money moves, and stays noted until nothing of it is in an escrow.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result};
use futures_util::future::join_all;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;
use tessera_sdk::pda;
use tessera_train::PreparedJob;
use tokio::time::sleep;

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
/// For so long a transaction may land that was sent but not heard of: longer than a blockhash lives.
const LANDING: Duration = Duration::from_secs(150);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_secs(5);

/// A job, with the folder of its note.
struct Errand {
    folder: Folder,
    job: Pubkey,
    is_delivered: bool,
    /// What it may cost, in base units: what it has in its escrow and has paid.
    cost: u64,
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

    /// Most that those which are not closed cost, in base units.
    pub fn cost(&self) -> u64 {
        self.open.iter().fold(0, |cost, errand| cost.saturating_add(errand.cost))
    }

    /// Finds those that an earlier command has posted, or this one without hearing of it. Returns how many may still land: their notes
    /// are kept.
    async fn find(&mut self, session: &Session<'_>) -> Result<usize> {
        let mut landing = 0;
        let entries = fs::read_dir(&self.path).with_context(|| format!("cannot read {}", self.path.display()))?;
        let is_new = |path: &PathBuf| path.is_dir() && !self.open.iter().any(|errand| errand.folder.path() == path);
        let paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_new).collect();
        for path in paths {
            let folder = Folder::create(&path)?;
            let Some(note) = posted::note(&folder)? else {
                remove(&folder)?;
                continue;
            };
            // In this order: a job that has the number is seen.
            let next = next_number(session, &note).await?;
            let (number, wallet) = (note.number, session.wallet().pubkey());
            match posted::find(session.tessera(), &wallet, &folder, note).await? {
                Some(job) => {
                    let ledger = session.tessera().ledger(&job).await?;
                    let cost = ledger.spent();
                    self.open.push(Errand { folder, job, is_delivered: false, cost });
                }
                None if may_land(number, next, age(&folder)) => landing += 1,
                None => remove(&folder)?,
            }
        }
        Ok(landing)
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
        self.open.push(Errand { folder, job: posted.job, is_delivered: false, cost: posted.deposited });
        Ok(posted.job)
    }

    /// The output of a job is there.
    pub fn delivered(&mut self, job: &Pubkey) {
        self.open.iter_mut().filter(|errand| errand.job == *job).for_each(|errand| errand.is_delivered = true);
    }

    /// Ends all jobs that can be ended: those that have delivered are closed when they are paid, others are cancelled, and closed
    /// at once if nobody has leased them. To `wait`: those that somebody has leased, too, when that has run its course.
    pub async fn settle(&mut self, session: &Session<'_>, begun: &mut Begun, wait: bool) -> Result<()> {
        // Ends: what does not land becomes too old for it.
        while self.find(session).await? > 0 && wait {
            sleep(LOOK).await;
        }
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
                    begun.ended_beside(&errand.job, ledger.spent())?;
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

/// The number that the wallet's next job has now.
async fn next_number(session: &Session<'_>, note: &posted::Note) -> Result<u64> {
    let (market, wallet) = (session.market().address, session.wallet().pubkey());
    if note.wallet != wallet.to_string() || note.market != market.to_string() {
        return Ok(u64::MAX);
    }
    let client = session.tessera().client(&pda::client(&market, &wallet)).await?;
    Ok(client.map_or(0, |client| client.next_job))
}

/// How long ago a job's note was written.
fn age(folder: &Folder) -> Duration {
    let written = || fs::metadata(folder.path().join(posted::NOTE))?.modified();
    // A clock that was set back makes it young.
    written().map_or(Duration::MAX, |at| SystemTime::now().duration_since(at).unwrap_or_default())
}

/// Whether a job that is not on chain may come there: nobody has its number yet, and its transaction may still be on its way.
fn may_land(number: u64, next: u64, age: Duration) -> bool {
    next <= number && age < LANDING
}

fn remove(folder: &Folder) -> Result<()> {
    fs::remove_dir_all(folder.path()).with_context(|| format!("cannot remove {}", folder.path().display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_may_still_land_is_not_forgotten() {
        let second = Duration::from_secs(1);
        assert!(may_land(7, 7, second), "sent, and not to be seen yet");
        assert!(!may_land(7, 8, second), "the number is another job's, or it was closed already");
        assert!(!may_land(7, 7, 2 * LANDING), "it cannot land any more");
    }

    #[test]
    fn notes_have_an_age() {
        let dir = tempfile::TempDir::new().unwrap();
        let folder = Folder::create(dir.path()).unwrap();
        assert_eq!(age(&folder), Duration::MAX, "there is none");
        folder.write(posted::NOTE, b"{}").unwrap();
        assert!(age(&folder) < LANDING);
        let note = fs::File::options().write(true).open(dir.path().join(posted::NOTE)).unwrap();
        note.set_modified(SystemTime::now() - 2 * LANDING).unwrap();
        assert!(age(&folder) > LANDING);
    }
}

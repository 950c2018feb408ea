//! Posting a job once. A note is written before money moves, and says afterwards which job it was: a program that is
//! stopped at any moment and started again finds the job instead of paying for another.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;
use tessera_protocol::{cid::Cid, spec::JobSpec};
use tessera_sdk::{AnySigner, JobFilter, Posted, Tessera, pda};

use crate::{folder::Folder, posting::Deal};

/// The note's file.
pub const NOTE: &str = "job.json";

/// Which job a folder belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The job's address; nothing while it is being posted.
    pub job: Option<String>,
    /// The market's address.
    pub market: String,
    /// The address of the wallet that pays.
    pub wallet: String,
    /// The number that the wallet's next job had before this one was posted.
    pub number: u64,
    /// Content id of the job's specification.
    pub spec: String,
    /// The limit of gas in it.
    pub unit_gas: u64,
    /// The store's address.
    pub store: String,
}

/// The note in a folder, if there is one.
pub fn note(folder: &Folder) -> Result<Option<Note>> {
    folder.read(NOTE, "a note of a job")
}

/// Removes the note, whose job is of no interest any more.
pub fn forget(folder: &Folder) -> Result<()> {
    folder.remove(NOTE)
}

/// The job that a note speaks of, if it was posted.
pub async fn find(tessera: &Tessera, wallet: &Pubkey, folder: &Folder, note: Note) -> Result<Option<Pubkey>> {
    let address = |text: &str| text.parse::<Pubkey>().with_context(|| format!("{NOTE}: {text:?} is no address"));
    if let Some(job) = &note.job {
        return address(job).map(Some);
    }
    // A program was stopped between posting and writing that down.
    if note.wallet != wallet.to_string() {
        return Ok(None);
    }
    let jobs = tessera.jobs(&address(&note.market)?, JobFilter::Wallet(*wallet)).await?;
    let is_it = |job: &tessera_sdk::Job| job.number >= note.number && Cid(job.spec).to_string() == note.spec;
    let Some(job) = jobs.into_iter().find(is_it) else { return Ok(None) };
    folder.keep(NOTE, &Note { job: Some(job.address.to_string()), ..note })?;
    Ok(Some(job.address))
}

/// Posts a job with a note in `folder`.
pub async fn post(
    tessera: &Tessera,
    wallet: &AnySigner,
    deal: Deal,
    spec: &JobSpec,
    blobs: Vec<Bytes>,
    folder: &Folder,
) -> Result<Posted> {
    let client = tessera.client(&pda::client(&deal.market, &wallet.pubkey())).await?;
    let mut note = Note {
        job: None,
        market: deal.market.to_string(),
        wallet: wallet.pubkey().to_string(),
        number: client.map_or(0, |client| client.next_job),
        spec: Cid::of(&spec.encode()?).to_string(),
        unit_gas: spec.unit_gas,
        store: deal.terms.store_url.clone(),
    };
    let recorded = deal.spend()?;
    // Before the money moves, so that it never moves twice.
    folder.keep(NOTE, &note)?;
    let posted = tessera.post_job(wallet, &deal.market, spec, blobs, deal.terms).await;
    let posted = posted.map_err(|error| recorded.failed(error)).context("cannot post the job")?;
    note.job = Some(posted.job.to_string());
    folder.keep(NOTE, &note)?;
    Ok(posted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_is_kept() {
        let dir = tempfile::TempDir::new().unwrap();
        let folder = Folder::create(dir.path()).unwrap();
        assert_eq!(note(&folder).unwrap(), None);
        let kept = Note {
            job: None,
            market: "m".into(),
            wallet: "w".into(),
            number: 3,
            spec: "s".into(),
            unit_gas: 9,
            store: "http://store".into(),
        };
        folder.keep(NOTE, &kept).unwrap();
        assert_eq!(note(&Folder::open(dir.path())).unwrap(), Some(kept));
        folder.write(NOTE, b"{}").unwrap();
        assert!(note(&folder).unwrap_err().to_string().contains("job.json"));
        forget(&folder).unwrap();
        assert_eq!(note(&folder).unwrap(), None);
    }
}

//! Sealed outputs, until their seat is paid or gone: the store may be slow to take them, or lose them, and the client may
//! demand them.

use std::{collections::HashSet, path::Path};

use tessera_protocol::cid::Cid;

use crate::journal::{Entry, Phase};

/// The sealed outputs with this content id, if they are here and whole.
pub async fn read(outbox: &Path, cid: &Cid) -> Option<Vec<u8>> {
    let blob = tokio::fs::read(outbox.join(cid.to_string())).await.ok()?;
    let (cid, check) = (*cid, move |blob: Vec<u8>| (Cid::of(&blob), blob));
    let (found, blob) = tokio::task::spawn_blocking(move || check(blob)).await.ok()?;
    (found == cid).then_some(blob)
}

/// Removes what belonged to a seat that is paid or gone.
pub fn forget(outbox: &Path, entry: &Entry) {
    let Some(result) = &entry.result else { return };
    match std::fs::remove_file(outbox.join(result.cid.to_string())) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            tracing::debug!(cid = %result.cid, error = %e, "cannot remove sealed outputs that nobody needs");
        }
        _ => {}
    }
}

/// Removes what no lease in hand needs: results of a worker that was killed between writing a file and its journal.
pub fn tidy(outbox: &Path, entries: &[Entry]) {
    let needed = entries.iter().filter(|entry| entry.phase != Phase::Leaving);
    let needed: HashSet<String> = needed.filter_map(|e| Some(e.result.as_ref()?.cid.to_string())).collect();
    let Ok(files) = std::fs::read_dir(outbox) else { return };
    for file in files.flatten() {
        let name = file.file_name();
        if name.to_str().is_none_or(|name| !needed.contains(name))
            && let Err(e) = std::fs::remove_file(file.path())
        {
            tracing::debug!(file = %file.path().display(), error = %e, "cannot remove sealed outputs that nobody needs");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{LeaseId, Sealed};

    #[tokio::test]
    async fn what_a_lease_needs_stays() {
        let dir = tempfile::tempdir().unwrap();
        let cid = Cid::of(b"sealed");
        let key = solana_pubkey::Pubkey::new_from_array([1; 32]);
        let mut entry = Entry::claiming(LeaseId::new(&key, 0), &key, 0);
        let digest = [0; 32];
        entry.result = Some(Sealed { result_root: digest, work_root: digest, key: digest, nonce: digest, cid, len: 6 });
        for name in [cid.to_string(), Cid::of(b"other").to_string(), "x.part".to_owned()] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let left = || -> Vec<_> {
            std::fs::read_dir(dir.path())
                .unwrap()
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .collect()
        };
        tidy(dir.path(), &[entry.clone()]);
        assert_eq!(left(), [cid.to_string()]);
        assert_eq!(read(dir.path(), &cid).await, None, "damaged");
        std::fs::write(dir.path().join(cid.to_string()), "sealed").unwrap();
        assert_eq!(read(dir.path(), &cid).await.as_deref(), Some(b"sealed".as_slice()));
        forget(dir.path(), &entry);
        forget(dir.path(), &entry);
        assert_eq!(left(), [""; 0]);
        std::fs::write(dir.path().join(cid.to_string()), "sealed").unwrap();
        entry.phase = Phase::Leaving;
        tidy(dir.path(), &[entry]);
        assert_eq!(left(), [""; 0]);
    }
}

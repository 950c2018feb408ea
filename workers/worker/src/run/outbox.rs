//! Sealed outputs that are not committed yet.

use std::{collections::HashSet, path::Path};

use crate::journal::Entry;

/// Removes what no lease in hand needs: results of a worker that was killed between writing a file and its journal.
pub fn tidy(outbox: &Path, entries: &[Entry]) {
    let needed: HashSet<String> = entries.iter().filter_map(|e| Some(e.result.as_ref()?.cid.to_string())).collect();
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
    use tessera_protocol::cid::Cid;

    #[test]
    fn what_a_lease_needs_stays() {
        let dir = tempfile::tempdir().unwrap();
        let cid = Cid::of(b"sealed");
        let key = solana_pubkey::Pubkey::new_from_array([1; 32]);
        let mut entry = Entry::claiming(LeaseId::new(&key, 0), &key, 0);
        let digest = [0; 32];
        entry.result = Some(Sealed { result_root: digest, work_root: digest, key: digest, nonce: digest, cid, len: 6 });
        for name in [cid.to_string(), Cid::of(b"other").to_string(), "x.part".to_owned()] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        tidy(dir.path(), &[entry]);
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(left, [cid.to_string().as_str()]);
    }
}

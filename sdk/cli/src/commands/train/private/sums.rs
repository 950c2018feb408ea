//! The sums of a round whose aggregation is not over: what participants are told there is must not be lost.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::folder::Folder;

/// How the names of the files begin, one for each group.
const SUM: &str = "sum-";

/// The sum of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sum {
    /// Round of the training.
    pub round: u32,
    /// Modulo 2^32.
    pub words: Vec<u32>,
    /// Of so many updates.
    pub updates: usize,
    /// Participants that were invited to the round, in all groups.
    pub invited: usize,
}

/// The sums of a round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// For each group the sum, and of how many updates it is.
    pub groups: Vec<(Vec<u32>, usize)>,
    /// Participants of the round.
    pub invited: usize,
}

impl Sum {
    /// Keeps it as that of group `number`.
    pub fn keep(&self, folder: &Folder, number: u32) -> Result<()> {
        folder.keep(&format!("{SUM}{number:03}.json"), self)
    }
}

impl Sums {
    /// Those of a round, if there are any.
    pub fn read(folder: &Folder, round: u32) -> Result<Option<Self>> {
        let mut sums = Self::default();
        for path in files(folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let Some(sum) = folder.read::<Sum>(&name, "the sum of a group")? else { continue };
            if sum.round == round {
                sums.invited = sum.invited;
                sums.groups.push((sum.words, sum.updates));
            }
        }
        Ok((!sums.groups.is_empty()).then_some(sums))
    }

    /// Removes all that there are.
    pub fn remove(folder: &Folder) -> Result<()> {
        for path in files(folder)? {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }

    /// Updates in them.
    pub fn updates(&self) -> usize {
        self.groups.iter().map(|(_, updates)| updates).sum()
    }
}

/// The files, in the order of groups.
fn files(folder: &Folder) -> Result<Vec<PathBuf>> {
    let path = folder.path();
    let entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let is_sum = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(SUM);
    let mut files: Vec<PathBuf> = entries.flatten().filter(is_sum).map(|entry| entry.path()).collect();
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_their_round_in_the_order_of_groups() {
        let dir = tempfile::TempDir::new().unwrap();
        let folder = Folder::create(dir.path()).unwrap();
        let sum = |round, words: u32, updates| Sum { round, words: vec![words], updates, invited: 9 };
        assert_eq!(Sums::read(&folder, 3).unwrap(), None);
        sum(3, 10, 4).keep(&folder, 10).unwrap();
        sum(3, 2, 3).keep(&folder, 2).unwrap();
        sum(2, 7, 2).keep(&folder, 1).unwrap();
        let sums = Sums::read(&folder, 3).unwrap().unwrap();
        assert_eq!((sums.groups.clone(), sums.invited, sums.updates()), (vec![(vec![2], 3), (vec![10], 4)], 9, 7));
        Sums::remove(&folder).unwrap();
        assert_eq!(Sums::read(&folder, 3).unwrap(), None);
    }
}

//! Limits on what this client puts into escrows: set by whoever owns the wallet, kept across commands.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};
use directories::ProjectDirs;
use serde::Deserialize;
use solana_pubkey::Pubkey;
use tessera_migrate::amount::{base_units, tokens};

use crate::folder::Folder;

/// How long another command may hold the record.
const PATIENCE: Duration = Duration::from_secs(10);
/// For how long something that was spent counts, in seconds.
const DAY: u64 = 86_400;
/// The record's file.
const RECORD: &str = "spent.json";

/// The settings file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    limits: Bounds,
}

/// Tokens, for each mint by itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    per_job: Option<String>,
    per_day: Option<String>,
}

/// Limits on what is spent, and the record of what was.
#[derive(Clone, Debug)]
pub struct Limits {
    bounds: Bounds,
    /// Where they stand.
    file: PathBuf,
    /// Where the record is kept.
    folder: PathBuf,
}

/// Tokens that are about to go into an escrow.
#[derive(Clone, Copy, Debug)]
pub struct Spend<'a> {
    /// The mint, and the digits after its point.
    pub mint: &'a Pubkey,
    pub decimals: u8,
    /// Base units.
    pub amount: u64,
    /// With what the same job has cost before.
    pub of_job: u64,
    /// Most that the user allows on the command line, in base units.
    pub most: Option<u64>,
}

/// What was spent in the last day, by mint: Unix time and base units.
type Record = BTreeMap<String, Vec<(u64, u64)>>;

/// An amount that is on record. It stays there unless it is taken back.
#[must_use]
#[derive(Debug)]
pub struct Recorded {
    limits: Option<Limits>,
    mint: String,
    entry: (u64, u64),
}

impl Limits {
    /// The limits of `file`, or of the place where they are kept.
    pub fn load(file: Option<&Path>) -> Result<Self> {
        let dirs = ProjectDirs::from("", "", "tessera");
        // Each file of limits has a record of its own: one that was given stands beside its record.
        let (place, folder) = match (file, &dirs) {
            (Some(file), _) => (file.to_owned(), file.with_extension("spent")),
            (None, Some(dirs)) => {
                let folder = dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir());
                (dirs.config_dir().join("client.toml"), folder.to_owned())
            }
            // Where nobody is at home, nobody has left limits.
            (None, None) => {
                return Ok(Self { bounds: Bounds::default(), file: PathBuf::new(), folder: PathBuf::new() });
            }
        };
        let text = match fs::read_to_string(&place) {
            Ok(text) => text,
            Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", place.display())),
        };
        let settings: Settings = toml::from_str(&text).with_context(|| format!("{}", place.display()))?;
        Ok(Self { bounds: settings.limits, file: place, folder })
    }

    /// Checks an amount against the limits, and puts it on record before it is spent.
    pub fn spend(&self, spend: &Spend<'_>) -> Result<Recorded> {
        let Spend { mint, decimals, amount, of_job, most } = *spend;
        let shown = |amount| tokens(amount, decimals);
        let job = of_job.saturating_add(amount);
        if let Some(most) = most.filter(|most| amount > *most) {
            bail!("this takes {} tokens, and --max-spend is {}; nothing was spent", shown(amount), shown(most));
        }
        let bound = |name: &str, text: &Option<String>| -> Result<Option<u64>> {
            let parse = |text: &String| base_units(text, decimals).with_context(|| self.names(name));
            text.as_ref().map(parse).transpose()
        };
        if let Some(most) = bound("per_job", &self.bounds.per_job)?.filter(|most| job > *most) {
            bail!(
                "the job would have {} tokens in escrow, and {} is {}; nothing was spent",
                shown(job),
                self.names("per_job"),
                shown(most)
            );
        }
        let (mint, entry) = (mint.to_string(), (now()?, amount));
        let Some(most) = bound("per_day", &self.bounds.per_day)? else {
            return Ok(Recorded { limits: None, mint, entry });
        };
        self.change(|record| {
            let list = record.entry(mint.clone()).or_default();
            let sum = list.iter().fold(0u64, |sum, (_, amount)| sum.saturating_add(*amount));
            if sum.saturating_add(amount) > most {
                bail!(
                    "this takes {} tokens, {} were spent in the last 24 hours, and {} is {}; nothing was spent",
                    shown(amount),
                    shown(sum),
                    self.names("per_day"),
                    shown(most)
                );
            }
            list.push(entry);
            Ok(())
        })?;
        Ok(Recorded { limits: Some(self.clone()), mint, entry })
    }

    fn names(&self, name: &str) -> String {
        format!("limits.{name} of {}", self.file.display())
    }

    /// Changes the record while nobody else does. What is older than a day goes.
    fn change(&self, change: impl FnOnce(&mut Record) -> Result<()>) -> Result<()> {
        fs::create_dir_all(&self.folder).with_context(|| format!("cannot create {}", self.folder.display()))?;
        let lock = self.folder.join("lock");
        let file = File::options().create(true).append(true).open(&lock);
        let file = file.with_context(|| format!("cannot open {}", lock.display()))?;
        let give_up = Instant::now() + PATIENCE;
        while let Err(TryLockError::WouldBlock) = file.try_lock() {
            if Instant::now() > give_up {
                bail!("another command holds {}; wait until it has ended, or stop it", lock.display());
            }
            thread::sleep(Duration::from_millis(20));
        }
        let folder = Folder::open(&self.folder);
        let mut record: Record = folder.read(RECORD, "a record of what was spent")?.unwrap_or_default();
        let since = now()?.saturating_sub(DAY);
        record.values_mut().for_each(|list| list.retain(|(at, _)| *at > since));
        record.retain(|_, list| !list.is_empty());
        change(&mut record)?;
        folder.keep(RECORD, &record)
    }
}

impl Recorded {
    /// Takes it off the record: what it was for is known not to have happened.
    pub fn take_back(self) -> Result<()> {
        let Self { limits, mint, entry } = self;
        let Some(limits) = limits else { return Ok(()) };
        limits.change(|record| {
            if let Some(list) = record.get_mut(&mint)
                && let Some(place) = list.iter().position(|one| *one == entry)
            {
                list.remove(place);
            }
            Ok(())
        })
    }

    /// Takes it off the record if `error` says that nothing was spent; returns the error.
    pub fn failed(self, error: tessera_sdk::Error) -> anyhow::Error {
        if !matches!(error, tessera_sdk::Error::Unknown { .. })
            && let Err(also) = self.take_back()
        {
            eprintln!("warning: {also:#}");
        }
        error.into()
    }
}

fn now() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH).context("the clock of this machine is before 1970")?.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINT: Pubkey = Pubkey::new_from_array([7; 32]);

    fn spend(amount: u64) -> Spend<'static> {
        Spend { mint: &MINT, decimals: 1, amount, of_job: 0, most: None }
    }

    fn limits(dir: &Path, text: &str) -> Limits {
        let file = dir.join("limits.toml");
        fs::write(&file, text).unwrap();
        Limits::load(Some(&file)).unwrap()
    }

    #[test]
    fn a_day_has_a_limit_that_commands_share() {
        let dir = tempfile::TempDir::new().unwrap();
        let text = "[limits]\nper_job = \"4\"\nper_day = \"10\"\n";
        let (one, other) = (limits(dir.path(), text), limits(dir.path(), text));
        let _kept = one.spend(&spend(40)).unwrap();
        let given_up = other.spend(&spend(40)).unwrap();
        let error = one.spend(&spend(30)).unwrap_err().to_string();
        assert!(error.contains("takes 3 tokens, 8 were") && error.contains("per_day of"), "{error}");
        given_up.take_back().unwrap();
        let _kept = one.spend(&spend(30)).unwrap();
        // Another mint is another matter.
        let _kept = one.spend(&Spend { mint: &Pubkey::default(), ..spend(40) }).unwrap();
        let error = other.spend(&spend(41)).unwrap_err().to_string();
        assert!(error.contains("4.1 tokens in escrow") && error.contains("per_job of"), "{error}");
        let error = other.spend(&Spend { of_job: 40, ..spend(1) }).unwrap_err().to_string();
        assert!(error.contains("4.1 tokens in escrow"), "{error}");
        let error = other.spend(&Spend { most: Some(2), ..spend(3) }).unwrap_err().to_string();
        assert!(error.contains("--max-spend is 0.2"), "{error}");
    }

    #[test]
    fn what_is_a_day_old_does_not_count() {
        let dir = tempfile::TempDir::new().unwrap();
        let limits = limits(dir.path(), "[limits]\nper_day = \"1\"\n");
        fs::create_dir_all(&limits.folder).unwrap();
        let old = Record::from([(MINT.to_string(), vec![(now().unwrap() - DAY, 10)])]);
        Folder::open(&limits.folder).keep(RECORD, &old).unwrap();
        let _kept = limits.spend(&spend(10)).unwrap();
        assert!(limits.spend(&spend(1)).is_err());
    }

    #[test]
    fn only_limits_that_are_understood_are_taken() {
        let dir = tempfile::TempDir::new().unwrap();
        let file = dir.path().join("limits.toml");
        assert!(Limits::load(Some(&file)).unwrap_err().to_string().contains("cannot read"));
        fs::write(&file, "[limits]\nper_hour = \"1\"\n").unwrap();
        let error = format!("{:#}", Limits::load(Some(&file)).unwrap_err());
        assert!(error.contains("limits.toml") && error.contains("per_hour"), "{error}");
        let unread = limits(dir.path(), "[limits]\nper_job = \"much\"\n");
        let error = format!("{:#}", unread.spend(&spend(1)).unwrap_err());
        assert!(error.contains("per_job of") && error.contains("much"), "{error}");
    }
}

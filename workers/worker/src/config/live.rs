//! Settings of a running worker. When it is told to read its file again, what can change while it runs does.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use arc_swap::ArcSwap;

use super::{Config, read_file};

/// Sections that may change, but for those of their settings that need a restart.
const LIVE: [&str; 3] = ["work.", "gpu.", "private."];
const NEED_RESTART: [&str; 3] = ["work.unit_seconds", "private.folder", "private.training"];

/// The settings as they are now.
pub struct Live {
    path: PathBuf,
    current: ArcSwap<Config>,
    /// Every setting of the file as it was read last.
    shown: Mutex<Shown>,
}

/// Settings by name, as the file has them.
type Shown = BTreeMap<String, String>;

/// A setting that is another than before; `None`: the file does not say, so that it is the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// For example `work.prefetch`.
    pub name: String,
    /// What it was.
    pub from: Option<String>,
    /// What it is.
    pub to: Option<String>,
    /// Whether it only counts from the next start on.
    pub needs_restart: bool,
}

impl Live {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn read(path: PathBuf) -> Result<Self> {
        let (config, table) = read_file(&path)?;
        Ok(Self { path, current: ArcSwap::from_pointee(config), shown: Mutex::new(shown(&table)) })
    }

    /// The settings as they are now.
    #[must_use]
    pub fn get(&self) -> Arc<Config> {
        self.current.load_full()
    }

    /// Reads the file again, and says what is another than before.
    ///
    /// # Errors
    /// If it cannot be read or a setting makes no sense; then all stays as it was.
    pub fn reload(&self) -> Result<Vec<Change>> {
        let (new, table) = read_file(&self.path)?;
        let new_shown = shown(&table);
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = compare(&shown, &new_shown);
        let mut config = Config::clone(&self.current.load());
        let unit_seconds = config.work.unit_seconds;
        (config.work, config.gpu, config.private.allow) = (new.work, new.gpu, new.private.allow);
        config.work.unit_seconds = unit_seconds;
        self.current.store(Arc::new(config));
        *shown = new_shown;
        Ok(changes)
    }
}

fn shown(table: &toml::Table) -> Shown {
    let sections = table.iter().filter_map(|(section, settings)| Some((section, settings.as_table()?)));
    sections
        .flat_map(|(section, settings)| {
            settings.iter().map(move |(name, value)| (format!("{section}.{name}"), value.to_string()))
        })
        .collect()
}

fn compare(before: &Shown, after: &Shown) -> Vec<Change> {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let change = |name: &String| {
        let (from, to) = (before.get(name).cloned(), after.get(name).cloned());
        let is_live = LIVE.iter().any(|section| name.starts_with(section)) && !NEED_RESTART.contains(&name.as_str());
        (from != to).then(|| Change { name: name.clone(), from, to, needs_restart: !is_live })
    };
    names.into_iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
[cluster]
rpc = ["http://a"]
market = "11111111111111111111111111111111"
[provider]
authority = "11111111111111111111111111111111"
[work]
prefetch = 2
"#;

    #[test]
    fn what_can_change_does_and_the_rest_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("worker.toml");
        std::fs::write(&path, FILE).unwrap();
        let live = Live::read(path.clone()).unwrap();
        assert_eq!(live.reload().unwrap(), []);

        let new =
            FILE.replace("prefetch = 2", "min_price_per_unit = 7\nunit_seconds = 9").replace("http://a", "http://b");
        let key = "11111111111111111111111111111111";
        let entry = format!("{{ client = \"{key}\", module = \"{}\" }}", "0".repeat(64));
        let private = format!("[private]\nfolder = \"own\"\nallow = [{entry}]\n");
        std::fs::write(&path, new + "[gpu]\nmax_celsius = 80\n" + &private).unwrap();
        let changes = live.reload().unwrap();
        let names: Vec<_> = changes.iter().map(|change| (change.name.as_str(), change.needs_restart)).collect();
        let expected = [
            ("cluster.rpc", true),
            ("gpu.max_celsius", false),
            ("private.allow", false),
            ("private.folder", true),
            ("work.min_price_per_unit", false),
            ("work.prefetch", false),
            ("work.unit_seconds", true),
        ];
        assert_eq!(names, expected);
        assert_eq!((changes[5].from.as_deref(), changes[5].to.as_deref()), (Some("2"), None));
        let config = live.get();
        assert_eq!((config.private.allow.len(), &config.private.folder), (1, &None));
        assert_eq!((config.work.min_price_per_unit, config.work.prefetch, config.gpu.max_celsius), (7, 1, 80));
        assert_eq!((config.cluster.rpc[0].as_str(), config.work.unit_seconds), ("http://a", 600));
    }

    #[test]
    fn a_bad_file_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("worker.toml");
        std::fs::write(&path, FILE).unwrap();
        let live = Live::read(path.clone()).unwrap();
        std::fs::write(&path, FILE.replace("prefetch = 2", "prefetch = \"many\"")).unwrap();
        assert!(format!("{:#}", live.reload().unwrap_err()).contains("prefetch"));
        std::fs::remove_file(&path).unwrap();
        live.reload().unwrap_err();
        assert_eq!(live.get().work.prefetch, 2);
    }
}

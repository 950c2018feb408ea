//! Private files, and who may have them read.

use std::os::unix::fs::PermissionsExt;

use super::Checks;
use crate::{config::Config, private::Folder};

const NAME: &str = "private";

/// Checks the folder of private files, and says which jobs may read them.
pub(super) fn private_checks(checks: &mut Checks, config: &Config) {
    let settings = &config.private;
    let Some(path) = &settings.folder else {
        return checks.ok(NAME, "private jobs are left to others: private.folder is not set");
    };
    let (folder, mode) = match (Folder::open(path), std::fs::metadata(path)) {
        (Ok(folder), Ok(data)) => (folder, data.permissions().mode()),
        (Err(e), _) | (_, Err(e)) => {
            let found = format!("cannot read {}: {e}", path.display());
            return checks.missing(NAME, found, "make it, or change private.folder");
        }
    };
    let found = format!("{} files in {}", folder.count(), path.display());
    if mode & 0o077 == 0 {
        checks.ok(NAME, found);
    } else {
        checks.warn(
            NAME,
            format!("{found}, which others on this machine may read"),
            format!("chmod 700 {}", path.display()),
        );
    }
    for training in &settings.training {
        let shard = path.join(&training.shard);
        match tessera_train::Agreement::load(&training.plan) {
            _ if !shard.is_file() => {
                let remedy = "make it with `tessera shard PLAN FILE.. --out FILE`";
                checks.missing(
                    NAME,
                    format!("training {}: there is no shard {}", training.name, shard.display()),
                    remedy,
                );
            }
            Ok(agreement) => match (agreement.shape(&shard), training.remark()) {
                (Err(e), _) => checks.missing(
                    NAME,
                    format!("training {}: {e}", training.name),
                    "make it of the data that the agreed plan is for",
                ),
                (Ok(_), None) => checks.ok(NAME, training.describe()),
                (Ok(_), Some(remark)) => checks.warn(NAME, training.describe(), remark),
            },
            Err(e) => {
                let found = format!("training {}: {e}", training.name);
                checks.missing(NAME, found, "take the plan that all participants have agreed on");
            }
        }
    }
    if settings.allow.is_empty() && settings.training.is_empty() {
        checks.ok(NAME, "private jobs are left to others: private.allow is empty");
    }
    for (allowance, said) in settings.allow.iter().zip(settings.describe()) {
        if allowance.plan.is_none() || allowance.inputs.is_empty() {
            let remedy = "name plan and inputs in private.allow: without them the client may have the module's kernels do what it likes with any of the files";
            checks.warn(NAME, said, remedy);
        } else if allowance.inputs.iter().any(|input| input.folder.as_os_str().is_empty()) {
            let remedy = "name the folder of each input in private.allow: without it the client may have any of the files in its place";
            checks.warn(NAME, said, remedy);
        } else {
            checks.ok(NAME, said);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{commands::checks::State, config};

    #[test]
    fn what_is_allowed_is_said_and_what_is_risky_too() {
        let dir = tempfile::tempdir().unwrap();
        let states = |private: &str| {
            let path = dir.path().join("worker.toml");
            let key = solana_pubkey::Pubkey::default();
            let rpc = ["http://127.0.0.1:8899".to_owned()];
            let text = config::template(&rpc, &key, &key, "operator.json".as_ref(), "data".as_ref());
            std::fs::write(&path, text.replace("[private]", &format!("[private]\n{private}"))).unwrap();
            let mut checks = Checks::default();
            private_checks(&mut checks, &Config::read(&path).unwrap());
            checks.0.into_iter().map(|check| check.state).collect::<Vec<_>>()
        };
        assert_eq!(states(""), [State::Ok]);
        assert_eq!(states("folder = \"own\""), [State::Missing]);
        let own = dir.path().join("own");
        std::fs::create_dir(&own).unwrap();
        let mode = |mode| std::fs::set_permissions(&own, PermissionsExt::from_mode(mode)).unwrap();
        mode(0o755);
        assert_eq!(states("folder = \"own\""), [State::Warning, State::Ok]);
        mode(0o700);
        let cid = tessera_protocol::cid::Cid::of(b"");
        let key = solana_pubkey::Pubkey::default();
        let entry =
            |more: &str| format!("folder = \"own\"\nallow = [{{ client = \"{key}\", module = \"{cid}\"{more} }}]");
        assert_eq!(states(&entry("")), [State::Ok, State::Warning]);
        let strict = |input: &str| entry(&format!(", plan = \"{cid}\", inputs = [{{ number = 0{input} }}]"));
        assert_eq!(states(&strict("")), [State::Ok, State::Warning]);
        assert_eq!(states(&strict(", folder = \"data\"")), [State::Ok, State::Ok]);
    }
}

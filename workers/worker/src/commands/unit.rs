//! `tessera-worker unit`: a systemd unit for this worker.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::unistd::{Uid, User};

use crate::config::Config;

/// The unit as the package of a distribution installs it.
const PACKAGED: &str = include_str!("../../packaging/tessera-worker.service");
/// Where an administrator's units lie.
const DIRECTORY: &str = "/etc/systemd/system";
/// Name of the unit.
const NAME: &str = "tessera-worker.service";

/// Prints the unit for the configuration at `path`.
///
/// # Errors
/// If a path cannot be found out.
pub fn print(path: &Path, config: &Config) -> Result<()> {
    print!("{}", unit(path, config)?);
    Ok(())
}

/// Installs the unit: for the system where this is root, for this user otherwise.
///
/// # Errors
/// If the file cannot be written.
pub fn install(path: &Path, config: &Config) -> Result<()> {
    let (directory, manager) = if Uid::effective().is_root() {
        (PathBuf::from(DIRECTORY), "systemctl")
    } else {
        let dirs = directories::BaseDirs::new().context("this user has no home directory")?;
        (dirs.config_dir().join("systemd/user"), "systemctl --user")
    };
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let file = directory.join(NAME);
    std::fs::write(&file, unit(path, config)?).with_context(|| format!("cannot write {}", file.display()))?;
    println!("unit       {}", file.display());
    println!();
    println!("All is ready: `{manager} daemon-reload && {manager} enable --now tessera-worker` starts the worker.");
    if manager != "systemctl" {
        println!("`loginctl enable-linger` lets it run while nobody is logged in.");
    }
    Ok(())
}

fn unit(path: &Path, config: &Config) -> Result<String> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let path = std::path::absolute(path)?;
    let user = if Uid::effective().is_root() {
        User::from_uid(Uid::effective()).ok().flatten().map(|user| user.name)
    } else {
        // The manager of a user runs everything as that user.
        None
    };
    Ok(adapted(&program, &path, &config.data.directory, user.as_deref()))
}

/// The packaged unit for another program, configuration, data directory and user.
fn adapted(program: &Path, config: &Path, data: &Path, user: Option<&str>) -> String {
    let of_user = user.is_none();
    let line = |line: &str| match line.split_once('=').map_or("", |(name, _)| name) {
        "ExecStart" => Some(format!("ExecStart={} --config {} run", quoted(program), quoted(config))),
        "User" => user.map(|user| format!("User={user}")),
        "Group" | "ConditionPathExists" => None,
        // What the manager of a user may not do.
        "CapabilityBoundingSet" | "StateDirectory" if of_user => None,
        name if of_user && (name.starts_with("Protect") || name.starts_with("Private")) => None,
        "StateDirectory" => Some(format!("ReadWritePaths={}", quoted(data))),
        // Home directories hold the configuration, and perhaps the data.
        "ProtectHome" => Some("ProtectHome=read-only".to_owned()),
        "WantedBy" if of_user => Some("WantedBy=default.target".to_owned()),
        // The manager of a user has no such targets.
        "After" | "Wants" if of_user => None,
        _ => Some(line.to_owned()),
    };
    PACKAGED.lines().filter_map(line).map(|line| line + "\n").collect()
}

/// A path as systemd reads it: quoted, and without specifiers.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy().replace('%', "%%").replace('\\', "\\\\").replace('"', "\\\"");
    if text.contains([' ', '"', '\\']) { format!("\"{text}\"") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packaged_unit_is_adapted() {
        let unit = adapted(
            Path::new("/opt/a b/tessera-worker"),
            Path::new("/root/worker.toml"),
            Path::new("/data"),
            Some("x"),
        );
        assert!(unit.contains("\nExecStart=\"/opt/a b/tessera-worker\" --config /root/worker.toml run\n"), "{unit}");
        assert!(unit.contains("\nUser=x\n") && unit.contains("\nReadWritePaths=/data\n"));
        assert!(unit.contains("\nType=notify\n") && !unit.contains("StateDirectory"));
        let of_user = adapted(Path::new("/bin/w"), Path::new("/home/a/w.toml"), Path::new("/home/a/100%"), None);
        assert!(!of_user.contains("\nUser=") && of_user.contains("WantedBy=default.target"));
        assert!(!of_user.contains("Protect") && of_user.contains("\nNoNewPrivileges=yes\n"));
        assert_eq!(quoted(Path::new("/home/a/100%")), "/home/a/100%%");
    }
}

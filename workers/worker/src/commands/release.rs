//! `tessera-worker release-device`: out of quarantine, if it passes a test.

use anyhow::{Context, Result, bail};

use crate::{config::Config, health, run::report};

/// Has a device in quarantine, or all of them, tested again.
///
/// # Errors
/// If it is not in quarantine.
pub fn run(config: &Config, device: Option<&str>) -> Result<()> {
    let directory = &config.data.directory;
    let use_it = || format!("cannot use the list of devices in quarantine in {}", directory.display());
    let released = health::try_again(directory, device).with_context(use_it)?;
    if released.is_empty() {
        let all: Vec<String> = health::read_from(directory).with_context(use_it)?.into_keys().collect();
        match device {
            Some(device) if !all.is_empty() => bail!("{device} is not in quarantine; {} are", all.join(", ")),
            _ => bail!("no device is in quarantine"),
        }
    }
    for device in released {
        println!("{device} is tested thoroughly before it computes again");
    }
    if !report::is_running(directory) {
        println!("the worker does not run: the test begins when it does");
    }
    Ok(())
}

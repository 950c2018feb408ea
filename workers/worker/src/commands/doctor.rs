//! `tessera-worker doctor`: what is missing on this machine, and how to get it.

use std::path::Path;

use anyhow::{Result, bail};

use super::checks::{Checks, chain_checks, machine_checks};
use crate::{config::Config, hint};

/// Checks everything and prints what was found.
///
/// # Errors
/// If something is missing that the worker needs.
pub async fn run(path: &Path, json: bool) -> Result<()> {
    let mut checks = Checks::default();
    let config = match Config::read(path) {
        Ok(config) => {
            checks.ok("configuration", path.display().to_string());
            Some(config)
        }
        Err(e) => {
            let remedy = match path.exists() {
                true => "correct it there".to_owned(),
                false => format!("run {}", hint::command("setup --market MARKET")),
            };
            checks.missing("configuration", format!("{e:#}"), remedy);
            None
        }
    };
    machine_checks(&mut checks, config.as_ref());
    if let Some(config) = &config {
        chain_checks(&mut checks, config).await;
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&checks.0)?);
    } else {
        checks.show(0);
    }
    if checks.is_missing_something() {
        bail!("something is missing that the worker needs");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_missing_configuration_is_an_error() {
        let e = run(Path::new("/nowhere/worker.toml"), true).await.unwrap_err();
        assert!(e.to_string().contains("missing"));
    }
}

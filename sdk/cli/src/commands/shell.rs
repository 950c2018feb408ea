//! `tessera completions` and `tessera man`.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use clap::Command;
use clap_complete::Shell;

use crate::output::line;

/// Prints what makes a shell complete the words of `command`.
pub fn completions(mut command: Command, shell: Shell) -> Result<()> {
    let name = command.get_name().to_owned();
    let mut script = vec![];
    clap_complete::generate(shell, &mut command, name, &mut script);
    line(String::from_utf8_lossy(&script).trim_end())
}

/// Writes a man page for `command` and each of its commands into a folder.
pub fn man(command: Command, dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    clap_mangen::generate_to(command, dir).with_context(|| format!("cannot write man pages into {}", dir.display()))
}

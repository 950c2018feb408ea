//! `tessera shard`.

use std::{io::Write as _, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use tempfile::NamedTempFile;
use tessera_protocol::cid::Cid;
use tessera_train::{Data, Plan, Training};

use crate::{options::Options, output::print};

#[derive(clap::Args, Debug)]
pub struct Args {
    /// The plan of the training
    #[arg(value_name = "PLAN.toml")]
    plan: PathBuf,
    /// Files with the data, in a form that plans take: all of it is trained on
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Files of labels, one for each .npy file of features
    #[arg(long, value_name = "FILES", value_delimiter = ',')]
    labels: Vec<PathBuf>,
    /// The blob: a file in the folder private.folder of the worker
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// What was made.
#[derive(Serialize)]
struct Made {
    file: PathBuf,
    bytes: u64,
    /// Its content id, which the client will see.
    cid: String,
}

pub fn run(options: &Options, args: &Args) -> Result<()> {
    let mut plan = Plan::load(&args.plan)?;
    match &mut plan.data {
        Data::Samples { files, labels, .. } => {
            files.clone_from(&args.files);
            labels.clone_from(&args.labels);
        }
        Data::Text { files, .. } if args.labels.is_empty() => files.clone_from(&args.files),
        Data::Text { .. } => bail!("--labels: the plan trains on text, which has none"),
    }
    if args.out.exists() {
        bail!("{} is there already; remove it, or give another --out", args.out.display());
    }
    // What rounding depends on, and what keeps others from knowing the data by their content id.
    let secret = getrandom::u64().context("the system gives no random numbers")?;
    let blob = Training::shard_of_files(&plan, secret)?;
    let folder = match args.out.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => ".".as_ref(),
    };
    let write = || -> std::io::Result<()> {
        // Readable by this user alone.
        let mut file = NamedTempFile::with_prefix_in(".tessera-", folder)?;
        file.write_all(&blob)?;
        file.as_file().sync_all()?;
        file.persist(&args.out)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", args.out.display()))?;
    let made = Made { file: args.out.clone(), bytes: blob.len() as u64, cid: Cid::of(&blob).to_string() };
    print(options.json, &made, |made| format!("{}: {} bytes, {}", made.file.display(), made.bytes, made.cid))
}

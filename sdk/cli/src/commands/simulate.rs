//! `tessera simulate`.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use tessera_simulate::{Size, matrix, plots, report};

use crate::options::Options;

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Leases of each run
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    leases: u32,
    /// Runs of each row; ten times as many where friends seldom lie
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// First seed; the same seed gives the same table
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Also draw profit.svg and audits.svg into a folder
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// Also replace the table between the markers of a Markdown file
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
}

pub fn run(options: &Options, args: &Args) -> Result<()> {
    // Before what takes minutes.
    let old = match &args.document {
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            report::replace(&text, "")?;
            text
        }
        None => String::new(),
    };
    let matrix = matrix(&Size { leases: args.leases, runs: args.runs, seed: args.seed });
    let table = report::markdown(&matrix);
    if options.json {
        println!("{}", serde_json::to_string_pretty(&matrix).context("cannot write the results as JSON")?);
    } else {
        print!("{table}");
    }
    if let Some(folder) = &args.plots {
        plots::write(&matrix, folder)?;
    }
    if let Some(path) = &args.document {
        let new = report::replace(&old, &table)?;
        fs::write(path, new).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

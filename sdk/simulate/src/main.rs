//! `tessera-simulate`: runs the simulation and prints its table.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use tessera_simulate::{Size, matrix, plots, report};

const USAGE: &str = "\
Simulates a market of honest and cheating providers, and prints what each way of cheating earns.

  tessera-simulate [--leases N] [--runs N] [--seed N] [--json FILE] [--plots FOLDER] [--document FILE]

  --leases    leases of each run (100000)
  --runs      runs of each row (1; ten times as many where friends seldom lie)
  --seed      first seed (1); the same seed gives the same table
  --json      also writes everything that was counted
  --plots     also draws profit.svg and audits.svg
  --document  also replaces the table between the markers of a Markdown file";

/// What the command line asks for.
struct Options {
    size: Size,
    json: Option<PathBuf>,
    plots: Option<PathBuf>,
    document: Option<PathBuf>,
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Options> {
    let size = Size { leases: 100_000, runs: 1, seed: 1 };
    let mut options = Options { size, json: None, plots: None, document: None };
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} wants a value\n\n{USAGE}"))?;
        let number = || value.parse::<u32>().with_context(|| format!("{word} wants a number, not {value:?}"));
        match word.as_str() {
            "--leases" => options.size.leases = number()?.max(1),
            "--runs" => options.size.runs = number()?.max(1),
            "--seed" => options.size.seed = number()?.into(),
            "--json" => options.json = Some(value.into()),
            "--plots" => options.plots = Some(value.into()),
            "--document" => options.document = Some(value.into()),
            _ => bail!("unknown option {word}\n\n{USAGE}"),
        }
    }
    Ok(options)
}

fn run() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--help" || word == "-h") {
        println!("{USAGE}");
        return Ok(());
    }
    let options = parse(words.into_iter())?;
    let matrix = matrix(&options.size);
    let table = report::markdown(&matrix);
    print!("{table}");
    if let Some(path) = &options.json {
        let json = serde_json::to_vec_pretty(&matrix)?;
        std::fs::write(path, json).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(folder) = &options.plots {
        plots::write(&matrix, folder)?;
    }
    if let Some(path) = &options.document {
        let old = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let new = report::replace(&old, &table)?;
        std::fs::write(path, new).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

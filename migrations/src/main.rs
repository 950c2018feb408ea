//! `tessera-migrate`: makes a cluster look as a settings file says.

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Parser;
use tessera_migrate::{Cluster, Migration, Progress, Settings};

/// Deploys or upgrades the Tessera program and creates or updates a market, as a settings file says.
///
/// Shows what it will do and asks first. Run again, it does only what is still missing; interrupted, the next run goes
/// on where it stopped.
#[derive(Parser)]
#[command(name = "tessera-migrate", version)]
struct Args {
    /// Settings file (see migrations/*.toml)
    settings: PathBuf,
    /// JSON-RPC endpoint, instead of the one in the settings
    #[arg(long, short)]
    url: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Only show what would be done
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<()> {
    let mut settings = Settings::load(&args.settings)?;
    if let Some(url) = &args.url {
        settings.url.clone_from(url);
    }
    let migration = Migration::prepare(&settings).await?;
    println!("{}", migration.plan());
    if migration.plan().is_empty() {
        return Ok(());
    }
    if let Err(error) = migration.plan().check_funds() {
        println!("\n{error}");
    }
    if args.dry_run {
        return Ok(());
    }
    migration.plan().check_funds()?;
    if !args.yes {
        confirm(settings.cluster)?;
    }
    println!();
    let mut show = Show { terminal: io::stdout().is_terminal(), line_open: false, tenth: 0 };
    let applied = migration.apply(&mut |progress| show.progress(&progress)).await;
    show.end_line();
    let deployment = applied.with_context(|| {
        format!(
            "not finished; what must be remembered is in {}; run the same command again",
            migration.state_dir().display()
        )
    })?;
    println!("\ndone: program {}, mint {}, market {}", deployment.program, deployment.mint, deployment.market);
    Ok(())
}

/// Asks for leave. On mainnet a mere `y` is not enough.
fn confirm(cluster: Cluster) -> Result<()> {
    if !io::stdin().is_terminal() {
        bail!("nobody is there to ask: say --yes to go on without, or --dry-run to only look");
    }
    let expected = if cluster == Cluster::Mainnet { "mainnet" } else { "y" };
    print!("\ntype {expected} to go on: ");
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("cannot read the answer")?;
    if !answer.trim().eq_ignore_ascii_case(expected) {
        bail!("nothing was done");
    }
    Ok(())
}

/// Progress as a line that is written over on a terminal, and as a few lines elsewhere.
struct Show {
    terminal: bool,
    line_open: bool,
    tenth: usize,
}

impl Show {
    fn progress(&mut self, progress: &Progress) {
        match progress {
            Progress::Step { number, of, what } => {
                self.end_line();
                println!("{number}/{of} {what}");
                self.tenth = 0;
            }
            Progress::Upload(written, of) if self.terminal => {
                print!("\r    {written} of {of}");
                // A line that cannot be shown is no reason to stop.
                let _ = io::stdout().flush();
                self.line_open = true;
            }
            Progress::Upload(written, of) => {
                let tenth = written * 10 / (*of).max(1);
                if tenth > self.tenth {
                    println!("    {written} of {of}");
                    self.tenth = tenth;
                }
            }
        }
    }

    fn end_line(&mut self) {
        if std::mem::take(&mut self.line_open) {
            println!();
        }
    }
}

//! The command line.

use std::{
    fs,
    io::{IsTerminal, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use tessera_executor::{Checks, Cubins, Options};
use tracing_subscriber::EnvFilter;

use crate::{
    commands::{
        doctor, earnings, init::Init, register::Register, release, setup::Setup, stake::Stake, status, top, unit,
        withdraw::Withdraw,
    },
    config::{self, Backend, Config, Sandbox},
    device,
    execution::{self, sandbox::Room},
    hint, run,
};

/// Computes jobs of a Tessera market on this machine and gets paid for it
#[derive(Parser)]
#[command(name = "tessera-worker", version, propagate_version = true)]
struct Arguments {
    /// Configuration file
    #[arg(long, global = true, env = "TESSERA_WORKER_CONFIG", default_value_os_t = config::default_path())]
    config: PathBuf,
    /// How logs are written, to the standard error
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Human)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    /// Lines for people
    Human,
    /// One JSON object per line
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Set everything up: configuration, keys, registration, funds and stake. What is done already stays as it is
    Setup(Setup),
    /// Write a configuration file, and make a key for the worker
    Init(Init),
    /// Announce this machine to the market, or bring what is announced up to date
    Register(Register),
    /// Add to the stake
    Stake(Stake),
    /// Work until told to stop: SIGTERM or Ctrl-C finish what has begun, twice return it
    Run {
        /// Take over seats of this provider that the journal does not know, after it was lost. No other worker of this provider may run
        #[arg(long)]
        adopt_orphans: bool,
    },
    /// Show provider and worker
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Watch a running worker: leases, GPUs, earnings, reputation; `q` quits
    Top,
    /// Show what was earned, by day
    Earnings(earnings::Show),
    /// Have a device in quarantine tested again; it is out if it passes
    ReleaseDevice {
        /// Its id as `status` shows it. Default: all
        device: Option<String>,
    },
    /// Withdraw earnings, or stake
    Withdraw(Withdraw),
    /// Find out what is missing on this machine
    Doctor {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print what makes a shell complete this command
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write man pages of this command into a folder
    Man {
        /// The folder
        dir: PathBuf,
    },
    /// Print a systemd unit for this worker
    Unit,
    /// Run units for the worker, which starts this itself
    #[command(hide = true)]
    Execute {
        #[arg(long, value_enum)]
        backend: Backend,
        #[arg(long)]
        unit_seconds: u64,
        /// Directory for modules that the GPU driver has compiled
        #[arg(long, requires = "cubins_mib")]
        cubins: Option<PathBuf>,
        /// Most space in it
        #[arg(long, requires = "cubins")]
        cubins_mib: Option<u64>,
        /// Use only these devices
        #[arg(long, value_parser = device::read_id)]
        only: Vec<[u8; 16]>,
        /// Leave these devices alone
        #[arg(long, value_parser = device::read_id)]
        without: Vec<[u8; 16]>,
        /// Whether to be locked in
        #[arg(long, value_enum, default_value_t = Sandbox::Off)]
        sandbox: Sandbox,
        /// Folders from which files of jobs are read
        #[arg(long)]
        readable: Vec<PathBuf>,
        /// Look for races and for what nobody wrote, which only the processor can
        #[arg(long)]
        checks: bool,
    },
}

/// Runs the command that this process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let matches = Arguments::command().get_matches();
    hint::remember(&matches);
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,tessera_worker=info"));
    let colours = std::io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr);
    match arguments.log_format {
        LogFormat::Human => logs.init(),
        LogFormat::Json => logs.json().init(),
    }
    match start(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: Arguments) -> anyhow::Result<()> {
    let path = &arguments.config;
    match arguments.command {
        // Without a runtime: the child has nothing to wait for but its orders.
        Command::Execute { backend, unit_seconds, cubins, cubins_mib, only, without, sandbox, readable, checks } => {
            let quota = cubins_mib.unwrap_or_default().saturating_mul(1 << 20);
            let cubins = cubins.filter(|_| quota > 0).map(|directory| Cubins { directory, quota });
            let checks = if checks { Checks::ALL } else { Checks::NONE };
            let writable = cubins.iter().map(|cubins| cubins.directory.clone()).collect();
            let missing = execution::sandbox::enter(sandbox, &Room { readable, writable })?;
            let options = Options { cubins, checks, only, without, ..Options::default() };
            return execution::child::run(backend, &options, Duration::from_secs(unit_seconds), missing);
        }
        Command::Init(init) => return init.run(path),
        Command::Completions { shell } => return completions(shell),
        Command::Man { dir } => return man(&dir),
        Command::Top => return top::run(&Config::read(path)?),
        Command::Earnings(show) => return show.run(&Config::read(path)?),
        Command::ReleaseDevice { device } => return release::run(&Config::read(path)?, device.as_deref()),
        Command::Unit => return unit::print(path, &Config::read(path)?),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match arguments.command {
            Command::Setup(setup) => setup.run(path).await,
            Command::Register(register) => register.run(&Config::read(path)?).await,
            Command::Stake(stake) => stake.run(&Config::read(path)?).await,
            Command::Run { adopt_orphans } => run::run(path, adopt_orphans).await,
            Command::Status { json } => status::run(&Config::read(path)?, json).await,
            Command::Withdraw(withdraw) => withdraw.run(&Config::read(path)?).await,
            Command::Doctor { json } => doctor::run(path, json).await,
            Command::Init(_)
            | Command::Unit
            | Command::Earnings(_)
            | Command::Top
            | Command::Completions { .. }
            | Command::Man { .. }
            | Command::ReleaseDevice { .. }
            | Command::Execute { .. } => Ok(()),
        }
    })
}

fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut script = vec![];
    clap_complete::generate(shell, &mut Arguments::command(), "tessera-worker", &mut script);
    std::io::stdout().write_all(&script).context("cannot write to standard output")
}

fn man(dir: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    clap_mangen::generate_to(Arguments::command(), dir)
        .with_context(|| format!("cannot write man pages into {}", dir.display()))
}

//! `tessera`: post work to a Tessera market, follow it, collect the results; run a network of one's own to try it.
#![forbid(unsafe_code)]

mod children;
mod commands;
mod network;
mod options;
mod output;
mod progress;
mod views;

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use commands::{demo, job, localnet, market, provider, render, store};
use options::Options;

/// A marketplace on Solana where strangers' GPUs compute and are paid for results that anyone can check bit for bit.
#[derive(Parser, Debug)]
#[command(name = "tessera", version, propagate_version = true, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run a network of one's own on this machine: node, program, token, market, funded keys and store
    Localnet(localnet::Args),
    /// Create or look at markets
    #[command(subcommand)]
    Market(market::Command),
    /// Render a glTF scene
    Render(render::Args),
    /// Look after jobs
    #[command(subcommand)]
    Job(job::Command),
    /// Look at providers
    #[command(subcommand)]
    Provider(provider::Command),
    /// Run a content store
    #[command(subcommand)]
    Store(store::Command),
    /// Show the whole network at work: node, store, workers, a rendering that is paid for, and the ledger of it
    Demo(demo::Args),
    /// Runs a command and ends it when standard input closes
    #[command(hide = true, name = children::SUPERVISE)]
    Supervise {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::Supervise { command } = &cli.command {
        return children::supervise(command).unwrap_or_else(|error| fail(&error));
    }
    let default =
        if cli.options.verbose { "warn,tessera=debug,tessera_sdk=debug,tessera_store=debug" } else { "error" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::anyhow!("cannot start: {error}")),
    };
    let options = &cli.options;
    let done = runtime.block_on(async {
        match cli.command {
            Command::Localnet(args) => localnet::run(args).await,
            Command::Market(command) => market::run(options, command).await,
            Command::Render(args) => render::run(options, args).await,
            Command::Job(command) => job::run(options, command).await,
            Command::Provider(command) => provider::run(options, command).await,
            Command::Store(command) => store::run(options, command).await,
            Command::Demo(args) => demo::run(options, args).await,
            Command::Supervise { .. } => Ok(()),
        }
    });
    done.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}

/// One line that says what went wrong and what to do.
fn fail(error: &anyhow::Error) -> ExitCode {
    let mut text = String::new();
    for cause in error.chain() {
        // Errors of libraries often repeat their cause in their own text.
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text += if text.is_empty() { "" } else { ": " };
            text += &cause;
        }
    }
    eprintln!("error: {}", text.split_whitespace().collect::<Vec<_>>().join(" "));
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_may_follow_the_command() {
        let cli = Cli::parse_from(["tessera", "job", "list", "-u", "localhost", "--json"]);
        assert!(cli.options.json);
    }

    #[test]
    fn a_later_scene_replaces_an_earlier_one() {
        let cli = Cli::parse_from(["tessera", "demo", "--scene", "a.glb", "--scene", "b.glb"]);
        let Command::Demo(args) = cli.command else { panic!("another command") };
        assert_eq!(args.picture.scene.as_deref(), Some(std::path::Path::new("b.glb")));
    }
}

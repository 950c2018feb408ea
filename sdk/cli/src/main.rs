//! `tessera`: post work to a Tessera market, follow it, collect the results; run a network of one's own to try it.
#![forbid(unsafe_code)]

mod begun;
mod children;
mod commands;
mod computing;
mod folder;
mod here;
mod hint;
mod jobfile;
mod limits;
mod money;
mod network;
mod options;
mod output;
mod outputs;
mod posted;
mod posting;
mod progress;
mod session;
mod takers;
mod views;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use tracing_subscriber::EnvFilter;

use commands::{
    demo, denoise, embed, estimate, generate, job, localnet, market, module, provider, reclaim, render, run, score,
    shard, shell, simulate, store, train, verify, wallet,
};
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
    /// Remove the noise that is left in rendered pictures
    Denoise(denoise::Args),
    /// Turn texts into vectors, by an encoder such as BERT
    Embed(embed::Args),
    /// Answer prompts, by a decoder such as Llama
    Generate(generate::Args),
    /// Say how well a decoder predicts texts: its perplexity
    Score(score::Args),
    /// Train a model in rounds, each by many providers with a part of the data
    Train(train::Args),
    /// Make the blob of a private shard, for the worker of whoever takes part in a training with it
    Shard(shard::Args),
    /// Look at GPU programs
    #[command(subcommand)]
    Module(module::Command),
    /// Run kernels of your own: post the job of a plan, follow it, write its outputs
    Run(run::Args),
    /// Run some units of a plan on this machine, and say what all of them would cost; no money moves
    Estimate(estimate::Args),
    /// Compute units of a job again on this machine, and compare with what was paid for
    Verify(verify::Args),
    /// Look after jobs
    #[command(subcommand)]
    Job(job::Command),
    /// Show what a wallet holds, in jobs and besides, and what of it can be had back
    Wallet(wallet::Args),
    /// Get back everything that is due to the wallet: settles, expires, advances and closes what can be
    Reclaim(reclaim::Args),
    /// Look at providers
    #[command(subcommand)]
    Provider(provider::Command),
    /// Run a content store
    #[command(subcommand)]
    Store(store::Command),
    /// Play a market of honest and cheating providers by the rules of audits, and print what each way of cheating earns
    Simulate(simulate::Args),
    /// Show the whole network at work: node, store, workers, a rendering that is paid for, and the ledger of it
    Demo(demo::Args),
    /// Print what makes a shell complete this command: `tessera completions bash > /etc/bash_completion.d/tessera`
    Completions { shell: Shell },
    /// Write man pages of this command into a folder, such as ~/.local/share/man/man1
    Man { dir: PathBuf },
    /// Runs a command and ends it when standard input closes
    #[command(hide = true, name = children::SUPERVISE)]
    Supervise {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<OsString>,
    },
}

/// What is logged where nothing else is said: what failed, and why somebody has to sign once more.
const QUIET: &str = "error,tessera_sdk::send=warn";

fn main() -> ExitCode {
    let matches = match jobfile::expand(std::env::args_os().collect(), &Cli::command()) {
        Ok(args) => Cli::command().get_matches_from(args),
        Err(error) => return fail(&error),
    };
    hint::remember(&matches);
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    if let Command::Supervise { command } = &cli.command {
        return children::supervise(command).unwrap_or_else(|error| fail(&error));
    }
    let default = if cli.options.verbose { "warn,tessera=debug,tessera_sdk=debug,tessera_store=debug" } else { QUIET };
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
            Command::Denoise(args) => denoise::run(options, args).await,
            Command::Embed(args) => embed::run(options, args).await,
            Command::Generate(args) => generate::run(options, args).await,
            Command::Score(args) => score::run(options, args).await,
            Command::Train(args) => train::run(options, args).await,
            Command::Shard(args) => shard::run(options, &args),
            Command::Module(command) => module::run(options, command),
            Command::Run(args) => run::run(options, args).await,
            Command::Estimate(args) => estimate::run(options, args).await,
            Command::Verify(args) => verify::run(options, args).await,
            Command::Job(command) => job::run(options, command).await,
            Command::Wallet(args) => wallet::run(options, args).await,
            Command::Reclaim(args) => reclaim::run(options, args).await,
            Command::Provider(command) => provider::run(options, command).await,
            Command::Store(command) => store::run(options, command).await,
            Command::Simulate(args) => simulate::run(options, &args),
            Command::Demo(args) => demo::run(options, args).await,
            Command::Completions { shell } => shell::completions(Cli::command(), shell),
            Command::Man { dir } => shell::man(Cli::command(), &dir),
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

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    fn accepted(line: &str) {
        parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }

    fn refused(line: &str, word: &str) {
        let error = parse(line).map(drop).unwrap_err().to_string();
        assert!(error.contains(word), "{line} should speak of {word}: {error}");
    }

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
    fn kernels_of_ones_own_have_their_commands() {
        let job = "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi";
        for line in [
            "tessera run plan.toml --in a=b.bin --in c=d=e --out dir --price 0.5 --replicas 3 --yes",
            "tessera estimate plan.toml --units 1,2,3",
            "tessera estimate plan.toml --sample 5 --price 0.1 --json",
            "tessera estimate plan.toml --all",
            "tessera module check k.cu --ptx k.ptx --json",
            &format!("tessera verify {job} 1 2 3 --outputs dir"),
        ] {
            accepted(line);
        }
        for (line, word) in [
            ("tessera run plan.toml", "--out"),
            ("tessera run plan.toml --out dir --in a", "NAME=FILE"),
            ("tessera run plan.toml --out dir --in =a", "NAME=FILE"),
            ("tessera estimate plan.toml --all --units 1", "cannot be used with"),
            ("tessera estimate plan.toml --sample 0", "0"),
            ("tessera verify somewhere", "somewhere"),
            ("tessera module check", "FILE"),
        ] {
            refused(line, word);
        }
    }

    #[test]
    fn trainings_on_private_shards_have_their_own_deadlines() {
        accepted("tessera train plan.toml --out dir --round-seconds 60 --least 3 --try 0 --yes");
        let private = "tessera train plan.toml --out dir --participants who.toml";
        accepted(private);
        for option in ["--round-seconds 60", "--least 3", "--try 0"] {
            let line = format!("{private} {option}");
            refused(&line, "cannot be used with");
        }
    }

    #[test]
    fn shells_complete_every_command_and_each_has_a_man_page() {
        let dir = tempfile::TempDir::new().unwrap();
        shell::man(Cli::command(), dir.path()).unwrap();
        for command in ["", "-wallet", "-reclaim", "-job-watch", "-render", "-generate"] {
            let page = std::fs::read_to_string(dir.path().join(format!("tessera{command}.1"))).unwrap();
            assert!(page.contains("SYNOPSIS"), "{command}: {page}");
        }
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = vec![];
            clap_complete::generate(shell, &mut Cli::command(), "tessera", &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("reclaim") && script.contains("raise-to"), "{shell}");
        }
    }

    #[test]
    fn clients_look_after_their_money() {
        let job = "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi";
        for line in [
            "tessera wallet",
            &format!("tessera wallet {job} --json"),
            "tessera reclaim --dry-run",
            "tessera reclaim --yes --limits limits.toml",
            &format!("tessera job raise {job} --price 0.5"),
            &format!("tessera job raise {job} --deadline-seconds 600 --max-spend 3 --yes"),
            &format!("tessera job watch {job} --raise-to 2 --every 60 --raise-by 0.1"),
            &format!("tessera job cancel {job} --wait"),
            "tessera run plan.toml --out dir --price 1 --max-spend 5",
            "tessera run plan.toml --out dir --price 1 --max-price 5 --restart",
            "tessera denoise a.exr b.exr --out dir --price 1 --max-price 5 --restart --keep-open",
        ] {
            accepted(line);
        }
        for (line, word) in [
            (format!("tessera job raise {job}"), "--price"),
            (format!("tessera job watch {job} --raise-to 2"), "--every"),
            (format!("tessera job watch {job} --every 20"), "--raise-to"),
            ("tessera reclaim --dry-run --yes".to_owned(), "cannot be used with"),
        ] {
            let error = parse(&line).map(drop).unwrap_err().to_string();
            assert!(error.contains(word), "{line} should speak of {word}: {error}");
        }
    }

    #[test]
    fn outputs_can_be_demanded() {
        let job = "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi";
        for line in [
            &format!("tessera job demand {job} 3"),
            &format!("tessera job demand {job} 3 --provider {job} --chunk 17 --yes --no-wait"),
            "tessera run plan.toml --out dir --challenge-seconds 600",
            "tessera render a.glb --out a.png --challenge-seconds 600",
        ] {
            accepted(line);
        }
        assert!(parse(&format!("tessera job demand {job}")).is_err());
    }

    #[test]
    fn animations_are_rendered_with_one_command() {
        for line in [
            "tessera render a.glb",
            "tessera render a.glb --frames 1-48 --fps 24 --animation Run --camera Main --size 1920x1080 --samples 512 --noise 0.01 --rounds 4 --shutter 0.5 --lens 0.1 --focus 3 --aovs --max-price 5 --price 0.01 --out frames/%04d.exr --mp4 a.mp4 --yes",
            "tessera render a.glb --turntable --frames 0-23 --out a/%d.png --out b/%d.exr --frames-per-job 4 --try 0 --restart",
            "tessera demo b.glb --size 64x48",
            "tessera demo",
        ] {
            accepted(line);
        }
        for (line, word) in [
            ("tessera render", "SCENE"),
            ("tessera render a.glb --size 1920", "1920x1080"),
            ("tessera render a.glb --frames 9-1", "backwards"),
            ("tessera render a.glb --turntable", "--frames"),
            ("tessera render a.glb --turntable --frames 1-2 --animation Run", "cannot be used with"),
            ("tessera render a.glb --focus 1", "--lens"),
            ("tessera render a.glb --rounds 3", "--noise"),
        ] {
            refused(line, word);
        }
    }

    #[test]
    fn models_read_texts_with_one_command() {
        for line in [
            "tessera embed a.jsonl --model dir --out v.npy --price 0.01",
            "tessera embed - --model dir --out v.npy --int8 --batch 64 --texts-per-job 1000 --max-price 5 --try 0 --restart",
            "tessera generate a.jsonl --model dir --max-tokens 64 --out a.jsonl --yes --keep-open",
            "tessera generate a.jsonl --model dir --max-tokens 64 --out b.jsonl --temperature 0.7 --top-k 40 --top-p 0.9 --seed 7",
            "tessera score a.jsonl --model dir --price 0.01",
            "tessera score a.jsonl --model dir --int8 --no-tensor-cores --out b.jsonl --max-price 5 --restart",
            "tessera score a.jsonl --model dir --fixed-point --no-tensor-cores",
        ] {
            accepted(line);
        }
        for (line, word) in [
            ("tessera embed a.jsonl --out v.npy", "--model"),
            ("tessera embed a.jsonl --model dir", "--out"),
            ("tessera embed a.jsonl --model dir --out v.npy --batch 1025", "1025"),
            ("tessera score a.jsonl --model dir --no-tensor-cores", "--int8"),
            ("tessera score a.jsonl --model dir --int8 --fixed-point", "--fixed-point"),
            ("tessera generate a.jsonl --model dir --out b.jsonl", "--max-tokens"),
            ("tessera generate a.jsonl --model dir --out b.jsonl --max-tokens 0", "0"),
            ("tessera generate a.jsonl --model dir --out b.jsonl --max-tokens 9 --top-k 4", "--temperature"),
        ] {
            refused(line, word);
        }
    }

    #[test]
    fn wallets_are_funded_where_a_local_network_runs() {
        accepted("tessera localnet --dir net --providers 2");
        accepted("tessera localnet airdrop 4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi --sol 5 --tokens 0.5 --dir net");
        refused("tessera localnet airdrop", "ADDRESS");
        refused("tessera localnet --reset airdrop 4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi", "cannot be used with");
    }

    #[test]
    fn models_are_trained_with_one_command() {
        accepted("tessera train plan.toml --out dir --price 0.01 --max-price 5 --try 0 --yes");
        accepted("tessera train plan.toml --out dir --round-seconds 600 --least 6 --restart");
        accepted("tessera train plan.toml --out dir --price 0.01 --aggregation-price 0.001");
        accepted("tessera train plan.toml --out dir --participants who.toml --price 0.01 --yes");
        accepted("tessera shard plan.toml a.npy b.npy --labels c.npy,d.npy --out own.shard");
        refused("tessera shard plan.toml --out own.shard", "FILE");
        refused("tessera train plan.toml", "--out");
        refused(
            "tessera train plan.toml --out dir --participants who.toml --aggregation-price 1",
            "cannot be used with",
        );
        refused("tessera train plan.toml --out dir --least 0", "0");
    }
}

//! Measurements of a whole network. They take minutes and want a machine that does nothing else, so tests leave them out;
//! `scripts/bench` and `scripts/soak` run them.

mod idle;
mod overhead;
mod plot;
mod soak;
pub mod spin;
mod usage;

use std::{fmt::Write as _, fs, path::PathBuf};

use tessera_sdk::JobTerms;

use crate::{examples::post_and_await, network::Network, process::Process};

/// Where `scripts/bench` wants the result as Markdown.
const REPORT: &str = "TESSERA_REPORT";

/// What is offered for work that has one replica and whose price does not matter.
fn terms(network: &Network, units_per_lease: u32) -> JobTerms {
    let terms = post_and_await::terms(1_000, network.env("TESSERA_STORE"));
    JobTerms { units_per_lease, lease_seconds: 120, ..terms }
}

/// Starts worker `n` as a provider's that has set nothing: other tests have theirs look for news more often.
fn run_worker_as_set_up(network: &Network, n: u16) -> Process {
    let config = network.config(n);
    let mut settings: toml::Table = fs::read_to_string(&config).unwrap().parse().unwrap();
    settings["cluster"].as_table_mut().unwrap().remove("poll_seconds").unwrap();
    fs::write(&config, settings.to_string()).unwrap();
    network.run_worker(n)
}

/// Prints a table, and writes it to where it is wanted.
fn report(head: [&str; 2], rows: &[(String, String)]) {
    let mut text = format!("| {} | {} |\n| --- | ---: |\n", head[0], head[1]);
    for (what, value) in rows {
        let _ = writeln!(text, "| {what} | {value} |");
    }
    println!("{text}");
    if let Some(path) = std::env::var_os(REPORT).map(PathBuf::from) {
        fs::write(&path, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
    }
}

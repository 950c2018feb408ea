//! Plays a sample of what `tessera simulate` plays again on the built program, and says where they differ:
//! `simulation-sample [STORIES [SEED]]`. The program is that of `target/deploy`, or of `TESSERA_DEPLOY_DIR`.

use std::{env, process::ExitCode};

use tessera_tests::sample::{Row, run};

/// A number on the command line.
fn number(place: usize, default: u64) -> Result<u64, String> {
    match env::args().nth(place) {
        Some(text) => text.parse().map_err(|_| format!("{text:?} is not a number")),
        None => Ok(default),
    }
}

fn line(name: &str, row: &Row) {
    let mean = row.compute_units.checked_div(row.sent).unwrap_or(0);
    println!(
        "{name:<12} {:>8} {:>8} {:>13} {:>12} {:>14}",
        row.stories,
        row.seats,
        row.sent,
        row.differences.len(),
        mean
    );
}

fn main() -> ExitCode {
    let (stories, seed) = match number(1, 200).and_then(|stories| Ok((stories, number(2, 1)?))) {
        Ok(numbers) => numbers,
        Err(error) => {
            eprintln!("error: {error}; usage: simulation-sample [STORIES [SEED]]");
            return ExitCode::FAILURE;
        }
    };
    let rows = run(&tessera_simulate::sample(seed, stories as usize));
    println!("strategy      stories    seats  instructions  differences  compute units");
    let mut all = Row::default();
    for (strategy, row) in rows {
        line(strategy.name(), &row);
        all.add(row);
    }
    line("all", &all);
    all.differences.iter().for_each(|difference| println!("{difference}"));
    if all.differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

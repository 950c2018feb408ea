//! `tessera-worker earnings`: what was paid, by day.

use anyhow::{Context, Result};

use super::amount;
use crate::{config::Config, journal::Day, run::report};

/// How earnings are shown.
#[derive(Debug, clap::Args)]
pub struct Show {
    /// As comma-separated values, for spreadsheets
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    /// Shows what this worker has earned, as it wrote last; it need not run.
    ///
    /// # Errors
    /// If it never ran with this data directory.
    pub fn run(&self, config: &Config) -> Result<()> {
        let directory = &config.data.directory;
        let earnings = report::read_earnings(directory).with_context(|| {
            format!("there is no record of earnings in {}: has the worker run?", directory.display())
        })?;
        let tokens = |units| amount::format(units, earnings.decimals);
        if self.json {
            println!("{}", serde_json::to_string_pretty(&earnings)?);
        } else if self.csv {
            println!("date,leases,audits,disputes,tokens,base_units");
            for Day { date, leases, audits, disputes, pay } in &earnings.days {
                println!("{date},{leases},{audits},{disputes},{},{pay}", tokens(*pay));
            }
        } else {
            println!("{:<12} {:>8} {:>8} {:>8} {:>20}", "day (UTC)", "leases", "audits", "disputes", "tokens");
            for Day { date, leases, audits, disputes, pay } in &earnings.days {
                println!("{date:<12} {leases:>8} {audits:>8} {disputes:>8} {:>20}", tokens(*pay));
            }
            let (leases, pay) = earnings
                .days
                .iter()
                .fold((0, 0u64), |(leases, pay), day| (leases + day.leases, pay.saturating_add(day.pay)));
            println!("{:<12} {leases:>8} {:>8} {:>8} {:>20}", "all", "", "", tokens(pay));
        }
        Ok(())
    }
}

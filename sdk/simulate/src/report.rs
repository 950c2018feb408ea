//! The results as a table for people.

use std::fmt::Write as _;

use anyhow::{Context, Result};

use crate::{
    matrix::{Matrix, Row},
    scenario::{PAY, Scenario},
    tally::PARTS,
};

/// Begin of the generated part of a document.
const BEGIN: &str = "<!-- simulation: begin -->";
/// End of the generated part of a document.
const END: &str = "<!-- simulation: end -->";

/// The results in Markdown.
#[must_use]
pub fn markdown(matrix: &Matrix) -> String {
    let mut text = String::new();
    let [steady, young] = &matrix.honest;
    let mut line = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    line(
        "| strategy | stake | rate | leases | profit per seat | honest | margin | found after | audits | disputes |"
            .into(),
    );
    line("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |".into());
    matrix.rows.iter().for_each(|row| line(table_row(row)));
    line(String::new());
    let all = || matrix.rows.iter().chain(&matrix.honest);
    let sum = |count: fn(&Row) -> u64| all().map(count).sum::<u64>();
    let (disputes, undecided) = (sum(|row| row.counts.disputes), sum(|row| row.counts.undecided));
    line(format!(
        "- Stake that honest providers lost in all {} leases: {}; bonds that they burned: {:.1} pays.",
        sum(|row| row.leases),
        sum(|row| row.counts.honest_slashed),
        sum(|row| row.counts.honest_bonds) as f64 / PAY as f64
    ));
    line(format!(
        "- Disputes: {disputes}, of which {undecided} undecided ({:.2} %).",
        100.0 * undecided as f64 / disputes.max(1) as f64
    ));
    line(format!(
        "- A market of honest providers past its warm-up: audits cost {:.2} % of the work. Audits that nobody read in time: {}.",
        100.0 * steady.audits,
        steady.counts.missed
    ));
    line(format!(
        "- One that has just begun: {:.1} % over its first {} leases ({} per provider), {:.1} % over the last {}.",
        100.0 * young.counts.audit_share_of(0),
        young.leases / PARTS as u64,
        young.leases / PARTS as u64 / u64::from(Scenario::default().providers),
        100.0 * young.counts.audit_share_of(PARTS - 1),
        young.leases / PARTS as u64
    ));
    line(format!(
        "- Profit per seat of honest providers: {}; on bad machines: {}.",
        interval(steady.honest.profit, steady.honest.profit_ci),
        interval(steady.flaky.profit, steady.flaky.profit_ci)
    ));
    text
}

fn interval(mean: f64, half: f64) -> String {
    format!("{mean:.4} ± {half:.4}")
}

fn table_row(row: &Row) -> String {
    let (margin, margin_ci) = row.margin();
    let mut found = String::from("never");
    if let (Some(seats), Some(hours)) = (row.cheaters.seats_until_found, row.cheaters.hours_until_found) {
        found.clear();
        let _ = write!(found, "{seats:.1} lies, {hours:.1} h");
    }
    format!(
        "| {} | {:.0} % | {} % | {} | {} | {:.4} | {} | {found} | {:.2} % | {:.2} % |",
        row.strategy.name(),
        100.0 * row.share,
        100.0 * row.rate,
        row.leases,
        interval(row.cheaters.profit, row.cheaters.profit_ci),
        row.honest.profit,
        interval(margin, margin_ci),
        100.0 * row.audits,
        100.0 * row.disputes
    )
}

/// `document` with its generated part replaced.
pub fn replace(document: &str, table: &str) -> Result<String> {
    let (before, rest) = document.split_once(BEGIN).with_context(|| format!("the document has no line {BEGIN}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("the document has no line {END} after {BEGIN}"))?;
    Ok(format!("{before}{BEGIN}\n{}\n{END}{after}", table.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_between_the_markers_changes() {
        let old = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let new = replace(&old, "new\n\n").unwrap();
        assert_eq!(new, format!("a\n{BEGIN}\nnew\n{END}\nb\n"));
        assert_eq!(replace(&new, "new").unwrap(), new);
        assert!(replace("a", "b").unwrap_err().to_string().contains("begin"));
        assert!(replace(BEGIN, "b").unwrap_err().to_string().contains("end"));
    }
}

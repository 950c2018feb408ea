//! What commands print: JSON for programs, aligned lines for people.

use std::io::Write;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// Prints `value` as JSON, or as `plain` writes it.
pub fn print<T: Serialize>(json: bool, value: &T, plain: impl FnOnce(&T) -> String) -> Result<()> {
    let text = if json { serde_json::to_string_pretty(value).context("cannot write JSON")? } else { plain(value) };
    line(text.trim_end())
}

/// Prints a line. A reader that has gone away (as `head` does) is no error worth a message.
pub fn line(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        done => done.context("cannot write to standard output"),
    }
}

/// Lines of a name and a value each, aligned.
#[derive(Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Adds a line.
    pub fn add(&mut self, name: impl Into<String>, value: impl ToString) -> &mut Self {
        self.0.push((name.into(), value.to_string()));
        self
    }

    /// The lines.
    pub fn text(&self) -> String {
        let width = self.0.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        self.0.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
    }
}

/// A table with a head; every column as wide as its widest cell.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let write = |cells: Vec<&str>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let body: String = rows.iter().map(|row| write(row.iter().map(String::as_str).collect())).collect();
    write(head.to_vec()) + &body
}

/// A moment of the chain's clock relative to its present.
pub fn relative(at: i64, now: i64) -> String {
    let span = |seconds: i64| match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    };
    if at >= now { format!("in {}", span(at - now)) } else { format!("{} ago", span(now - at)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["long".to_owned(), "22".to_owned()]];
        assert_eq!(table(&["name", "n"], &rows), "name  n\na     1\nlong  22\n");
        let mut fields = Fields::default();
        fields.add("a", 1).add("long", "x");
        assert_eq!(fields.text(), "a     1\nlong  x\n");
    }

    #[test]
    fn moments_are_relative() {
        assert_eq!(relative(100, 40), "in 60 s");
        assert_eq!(relative(0, 600), "10 min ago");
        assert_eq!(relative(0, 86_400 * 3), "3 days ago");
    }
}

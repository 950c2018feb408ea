//! `tessera-worker top`: a running worker, looked at every second.

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
    sync::mpsc,
    time::Duration,
};

use anyhow::{Result, ensure};
use console::{Key, Term, measure_text_width, style, truncate_str};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use super::amount;
use crate::{
    config::Config,
    hint,
    run::report::{self, Earnings, GpuReport, Report},
};

/// How often the screen is drawn.
const EVERY: Duration = Duration::from_secs(1);
/// Days of which earnings are shown.
const DAYS: usize = 5;
/// The other screen of a terminal, and back.
const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";

/// Shows the worker of this configuration until `q` is pressed.
///
/// # Errors
/// If this is no terminal.
pub fn run(config: &Config) -> Result<()> {
    let term = Term::stdout();
    ensure!(
        term.is_term() && io::stdin().is_terminal(),
        "`top` needs a terminal: {} is for scripts",
        hint::command("status --json")
    );
    let _screen = Screen::enter(term.clone())?;
    let keys = listen(term.clone());
    loop {
        let (rows, columns) = term.size();
        draw(&term, &view(&config.data.directory, columns.into()), rows.into())?;
        match keys.recv_timeout(EVERY) {
            Ok(Key::Char('q' | 'Q') | Key::Escape | Key::CtrlC) => return Ok(()),
            Ok(_) | Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// Keys as they are pressed, from a thread of their own.
fn listen(term: Term) -> mpsc::Receiver<Key> {
    let (to, keys) = mpsc::channel();
    std::thread::spawn(move || {
        // Ctrl-C comes as a key, so that the screen is left in order.
        while let Ok(key) = term.read_key_raw() {
            if to.send(key).is_err() {
                return;
            }
        }
    });
    keys
}

/// The other screen, without a cursor, until this is dropped: in a panic, too.
struct Screen {
    term: Term,
    /// How the terminal was: the thread that waits for a key has it pass on every key at once.
    before: Option<Termios>,
}

impl Screen {
    fn enter(term: Term) -> io::Result<Self> {
        let before = tcgetattr(io::stdin()).ok();
        let mut screen = Self { term, before };
        screen.term.write_all(ENTER.as_bytes())?;
        screen.term.hide_cursor()?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs no order.
        let _ = self.term.show_cursor();
        let _ = self.term.write_all(LEAVE.as_bytes());
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

fn draw(mut term: &Term, lines: &[String], rows: usize) -> io::Result<()> {
    let mut text = String::from("\x1b[H");
    for line in lines.iter().take(rows.saturating_sub(1)) {
        text += line;
        text += "\x1b[K\r\n";
    }
    text += "\x1b[J";
    term.write_all(text.as_bytes())?;
    term.flush()
}

/// What is to be seen, each line at most `columns` wide.
fn view(directory: &Path, columns: usize) -> Vec<String> {
    let lines = match report::read(directory) {
        None => vec![format!("no worker has run with {}", directory.display())],
        Some(report) => {
            lines(&report, &report::read_earnings(directory).unwrap_or_default(), report.is_fresh(), columns)
        }
    };
    lines.iter().map(|line| truncate_str(line, columns, "…").into_owned()).collect()
}

fn lines(report: &Report, earnings: &Earnings, runs: bool, columns: usize) -> Vec<String> {
    let tokens = |units| amount::format(units, report.decimals);
    let mut lines = Vec::new();
    let mood = if runs { style(report.mood.as_str()).green() } else { style("not running").red() };
    lines.push(format!(
        "{} {mood}, process {}, {} of {} jobs can be taken{}",
        style("tessera-worker").bold(),
        report.pid,
        report.jobs.1,
        report.jobs.0,
        " ".repeat(2) + &style("q quits").dim().to_string(),
    ));
    lines.extend(report.obstacle.iter().map(|obstacle| style(obstacle).yellow().to_string()));
    lines.extend(
        report.devices.pauses.iter().map(|(_, pause)| style(format!("claiming pauses: {pause}")).yellow().to_string()),
    );
    for (id, device) in &report.devices.quarantine {
        lines.push(style(format!("{} {id} is in quarantine: {}", device.name, device.reason)).red().to_string());
    }
    lines.push(String::new());
    lines.push(format!("stake       {}, {} of it locked", tokens(report.stake.0), tokens(report.stake.1)));
    lines.push(format!("earned      {} to withdraw, {} ever", tokens(report.earned.0), tokens(report.earned.1)));
    lines.push(format!("operator    {} SOL", amount::format(report.lamports, 9)));
    lines.push(format!("reputation  {}", report.reputation));
    lines.push(format!("proof       {}", report.proof.describe(report::unix_now())));
    let counts = &report.counts;
    lines.push(format!(
        "since start {} leases paid {}, {} audits, {} disputes, {} ended without pay",
        counts.paid,
        tokens(counts.pay),
        counts.audits,
        counts.disputes,
        counts.gone
    ));
    if !report.devices.gpus.is_empty() {
        lines.push(String::new());
        lines.extend(report.devices.gpus.iter().map(|gpu| gpu_line(gpu, columns)));
    }
    if !earnings.days.is_empty() {
        lines.push(String::new());
        lines.push(style(format!("{:<12} {:>8} {:>20}", "day (UTC)", "leases", "tokens")).bold().to_string());
        let days = earnings.days.iter().rev().take(DAYS);
        lines.extend(days.map(|day| format!("{:<12} {:>8} {:>20}", day.date, day.leases, tokens(day.pay))));
    }
    lines.push(String::new());
    lines.push(style(format!("{:<10} {:<8} {:>16}  lease", "phase", "kind", "tokens")).bold().to_string());
    lines.extend(report.leases.iter().map(|lease| {
        format!("{:<10} {:<8} {:>16}  {}/{}", lease.phase, lease.kind, tokens(lease.pay), lease.job, lease.index)
    }));
    if report.leases.is_empty() {
        lines.push("none in hand".to_owned());
    }
    lines
}

/// A GPU: its load as a bar, and what else is known.
fn gpu_line(gpu: &GpuReport, columns: usize) -> String {
    let unknown = || "?".to_owned();
    let mut line = format!(
        "{:>4} °C {:>5} W {:>13} {} ",
        gpu.celsius.map_or_else(unknown, |celsius| celsius.to_string()),
        gpu.watts.map_or_else(unknown, |watts| format!("{watts:.0}")),
        gpu.memory.map_or_else(unknown, |(used, all)| format!("{}/{} MiB", used >> 20, all >> 20)),
        gpu.name,
    );
    if let Some(busy) = gpu.busy {
        let width = columns.saturating_sub(measure_text_width(&line) + 6).min(40);
        let full = width * busy.min(100) as usize / 100;
        line += &format!("{}{} {busy:>3} %", "█".repeat(full), "·".repeat(width - full));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        journal::Day,
        proof::Proof,
        run::report::{DeviceReport, LeaseReport},
    };

    #[test]
    fn everything_is_shown_and_nothing_is_too_wide() {
        let dir = tempfile::tempdir().unwrap();
        assert!(view(dir.path(), 80)[0].contains("no worker"));
        let gpu =
            GpuReport { name: "GPU".into(), busy: Some(50), memory: Some((1 << 30, 2 << 30)), ..GpuReport::default() };
        let lease = LeaseReport { job: "J".repeat(44), index: 7, kind: "audit".into(), phase: "leased".into(), pay: 5 };
        let devices = DeviceReport {
            gpus: vec![gpu],
            pauses: vec![("heat".into(), "too hot".into())],
            ..DeviceReport::default()
        };
        let proof = Proof { seconds: 60, ..Proof::default() };
        let report = Report { leases: vec![lease], devices, proof, ..Report::default() };
        let day = |n| Day { date: format!("2026-01-{n:02}"), leases: n, audits: 0, disputes: 0, pay: n };
        let earnings = Earnings { decimals: 0, days: (1..=9).map(day).collect() };
        let text = lines(&report, &earnings, true, 200).join("\n");
        for part in [
            "claiming pauses: too hot",
            "none yet: jobs that ask for memory",
            "█",
            "50 %",
            "1024/2048 MiB",
            "2026-01-09",
            "2026-01-05",
            "audit",
            "JJ/7",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains("2026-01-04") && !text.contains("not running"));
        assert!(lines(&report, &earnings, false, 200)[0].contains("not running"));

        std::fs::write(dir.path().join(report::FILE), serde_json::to_vec(&report).unwrap()).unwrap();
        for columns in [10, 40] {
            assert!(view(dir.path(), columns).iter().all(|line| measure_text_width(line) <= columns));
        }
    }
}

//! Progress: a bar with the time left on a terminal, plain lines elsewhere.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Seconds between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Progress of something that has a known length.
pub struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    total: u64,
    done: u64,
    started: Instant,
    line: Instant,
    note: String,
}

impl Progress {
    /// Starts at 0 of `total`.
    pub fn new(what: &'static str, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let style =
                ProgressStyle::with_template("{prefix:10} [{bar:32}] {pos}/{len} {elapsed} (left: {eta}) {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
            bar.set_prefix(what);
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        let now = Instant::now();
        Self { bar, what, total, done: 0, started: now, line: now, note: String::new() }
    }

    /// Says what happens now, beside the bar or behind the next line.
    pub fn note(&mut self, text: String) {
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None => self.note = text,
        }
    }

    /// Something more is done.
    pub fn add(&mut self, more: u64) {
        self.done += more;
        match &self.bar {
            Some(bar) => bar.set_position(self.done),
            None if self.line.elapsed() >= LINE_EVERY || self.done == self.total => {
                self.line = Instant::now();
                let beside = if self.note.is_empty() { String::new() } else { format!("; {}", self.note) };
                eprintln!("{}{beside}", line(self.what, self.done, self.total, self.started.elapsed()));
            }
            None => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn line(what: &str, done: u64, total: u64, elapsed: Duration) -> String {
    let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
    if done == 0 || done >= total {
        return format!("{what}: {done}/{total} ({percent} %), {} s", elapsed.as_secs());
    }
    let left = elapsed.as_secs_f64() / done as f64 * (total - done) as f64;
    format!("{what}: {done}/{total} ({percent} %), {} s, about {left:.0} s left", elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_how_long_it_will_take() {
        assert_eq!(
            line("rendering", 25, 100, Duration::from_secs(10)),
            "rendering: 25/100 (25 %), 10 s, about 30 s left"
        );
        assert_eq!(line("rendering", 100, 100, Duration::from_secs(40)), "rendering: 100/100 (100 %), 40 s");
        assert_eq!(line("rendering", 0, 0, Duration::ZERO), "rendering: 0/0 (100 %), 0 s");
    }
}

//! What the node says while it runs, kept to a bounded number of lines.

use std::time::{Duration, Instant};

use surfpool_types::SimnetEvent;
use tracing::{debug, error, warn};

/// Most lines in a window.
const LINES: u32 = 50;
const WINDOW: Duration = Duration::from_secs(10);
/// Longest line, in bytes: the node repeats whole requests in some messages.
const LINE_LEN: usize = 500;

/// Writes the node's warnings and errors to the log, at most [`LINES`] of them every [`WINDOW`].
pub(crate) struct EventLog {
    window: Instant,
    lines: u32,
    dropped: u32,
}

impl Default for EventLog {
    fn default() -> Self {
        Self { window: Instant::now(), lines: 0, dropped: 0 }
    }
}

impl EventLog {
    /// Logs an event, if it is worth a line and there is room for one.
    pub(crate) fn record(&mut self, event: &SimnetEvent) {
        let now = Instant::now();
        match event {
            SimnetEvent::ErrorLog(_, text) if self.admit(now) => error!("{}", shorten(text)),
            SimnetEvent::WarnLog(_, text) if self.admit(now) => warn!("{}", shorten(text)),
            SimnetEvent::InfoLog(_, text) | SimnetEvent::DebugLog(_, text) => debug!("{}", shorten(text)),
            _ => {}
        }
    }

    fn admit(&mut self, now: Instant) -> bool {
        if now.duration_since(self.window) >= WINDOW {
            if self.dropped > 0 {
                warn!("{} more lines were left out", self.dropped);
            }
            *self = Self { window: now, lines: 0, dropped: 0 };
        }
        if self.lines < LINES {
            self.lines += 1;
            return true;
        }
        self.dropped += 1;
        false
    }
}

fn shorten(text: &str) -> &str {
    match text.char_indices().take_while(|(at, _)| *at <= LINE_LEN).last() {
        Some((at, _)) if text.len() > LINE_LEN => &text[..at],
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_in_each_window() {
        let mut log = EventLog::default();
        let start = log.window;
        assert_eq!((0..1_000).filter(|_| log.admit(start)).count(), LINES as usize);
        assert_eq!(log.dropped, 1_000 - LINES);
        assert!(log.admit(start + WINDOW));
        assert_eq!(log.dropped, 0);
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        assert_eq!(shorten("short"), "short");
        let cut = shorten(&"é".repeat(LINE_LEN)).len();
        assert!(cut <= LINE_LEN && cut > LINE_LEN - 4, "{cut}");
    }
}

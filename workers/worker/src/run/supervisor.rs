//! What a service manager is told (systemd's protocol). Without one nothing is sent.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Instant;

/// How often the manager hears that the worker is alive.
const EVERY: Duration = Duration::from_secs(10);

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, state) {
        tracing::debug!(%error, "cannot tell the service manager");
    }
}

/// The worker works.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The worker finishes what it has begun, and ends.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells now and then that the worker is alive, and what it does.
#[derive(Debug, Default)]
pub struct Heartbeat {
    last: Option<Instant>,
    said: String,
}

impl Heartbeat {
    /// It is alive now; `status` says what it does.
    pub fn beat(&mut self, status: impl FnOnce() -> String) {
        let now = Instant::now();
        if self.last.is_some_and(|last| now < last + EVERY) {
            return;
        }
        self.last = Some(now);
        let status = status();
        if status == self.said {
            tell(&[NotifyState::Watchdog]);
        } else {
            tell(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
            self.said = status;
        }
    }
}

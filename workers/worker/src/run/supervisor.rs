//! What a service manager is told (systemd's protocol). Without one nothing is sent.

use std::{env, fmt::Write as _, io, os::unix::net::UnixDatagram, path::Path, time::Duration};

use sd_notify::NotifyState;
use tokio::time::Instant;

/// How often the manager hears that the worker is alive.
const EVERY: Duration = Duration::from_secs(10);
/// How long a manager that does not listen may hold up the worker, which has deadlines of its own.
const PATIENCE: Duration = Duration::from_millis(100);

fn tell(state: &[NotifyState<'_>]) {
    let Some(manager) = env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(Path::new(&manager), state) {
        tracing::debug!(%error, "cannot tell the service manager");
    }
}

/// Sends a message, unless what the manager has not read yet leaves no room for it ([`sd_notify::notify`] waits for that
/// without end).
fn send(manager: &Path, state: &[NotifyState<'_>]) -> io::Result<()> {
    let mut message = String::new();
    for line in state {
        let _ = writeln!(message, "{line}");
    }
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.send_to(message.as_bytes(), manager)?;
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_that_does_not_listen_holds_nobody_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        // More than any system keeps for somebody who does not read.
        let sent = (0..100_000).find_map(|_| send(&path, &[NotifyState::Watchdog, NotifyState::Status("works")]).err());
        assert_eq!(sent.map(|error| error.kind()), Some(io::ErrorKind::WouldBlock));
        let mut message = [0; 64];
        let len = manager.recv(&mut message).unwrap();
        assert_eq!(&message[..len], b"WATCHDOG=1\nSTATUS=works\n");
    }
}

//! Bytes from here to there, and what happens to them on the way.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    time::sleep,
};

use super::{Fault, Rule, Shared};
use crate::rng::Rng;

/// Most bytes in a piece.
const PIECE: usize = 16 << 10;
/// After how long a sender notices a loss, and how much longer it waits each time, at most so often.
const LOSS: (Duration, u32) = (Duration::from_millis(200), 4);

/// Makes the end of a connection a reset, as of a process that is gone.
pub(super) fn reset(stream: &TcpStream) {
    // If that cannot be set, the connection ends politely, which is bad enough.
    let _ = stream.set_zero_linger();
}

/// Passes on what comes from both sides, until one of them ends or a fault ends both.
pub(super) async fn join<S>(mut client: TcpStream, mut upstream: S, shared: &Shared, number: u64) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let _ = client.set_nodelay(true);
    let mut rng = shared.chance(number);
    let (up, down) = (Pump::new(shared, &mut rng, false), Pump::new(shared, &mut rng, true));
    let passed = {
        let (from_client, to_client) = client.split();
        let (from_upstream, to_upstream) = tokio::io::split(&mut upstream);
        tokio::try_join!(up.run(from_client, to_upstream), down.run(from_upstream, to_client))
    };
    if passed.is_err() {
        reset(&client);
    }
    passed.map(drop)
}

/// One direction of a connection.
struct Pump {
    rules: watch::Receiver<Arc<Vec<Rule>>>,
    rng: Rng,
    /// Whether it carries answers.
    down: bool,
    /// Bytes until it breaks, once that is decided.
    left: Option<u64>,
}

fn broken() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

impl Pump {
    fn new(shared: &Shared, rng: &mut Rng, down: bool) -> Self {
        Self { rules: shared.rules.subscribe(), rng: Rng::new(rng.bits()), down, left: None }
    }

    async fn run(mut self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
        let mut buffer = vec![0; PIECE];
        self.decide();
        loop {
            let most = self.piece();
            let len = tokio::select! {
                len = from.read(&mut buffer[..most]) => len?,
                changed = self.rules.changed() => {
                    changed.map_err(|_| broken())?;
                    let cut = self.rules.borrow_and_update().iter().any(|rule| matches!(rule.fault, Fault::Cut { .. }));
                    if cut {
                        return Err(broken());
                    }
                    self.left = None;
                    continue;
                }
            };
            if len == 0 {
                self.hold(0).await;
                // The other direction may go on.
                let _ = to.shutdown().await;
                return Ok(());
            }
            self.hold(len).await;
            let pass = self.left.map_or(len, |left| len.min(usize::try_from(left).unwrap_or(usize::MAX)));
            to.write_all(&buffer[..pass]).await?;
            to.flush().await?;
            if let Some(left) = &mut self.left {
                *left -= pass as u64;
                if *left == 0 {
                    return Err(broken());
                }
            }
        }
    }

    /// Decides where a new connection breaks.
    fn decide(&mut self) {
        let rules = self.rules.borrow_and_update().clone();
        let within = rules.iter().find_map(|rule| match rule.fault {
            Fault::Cut { within } => Some(within),
            _ => None,
        });
        self.left = within.filter(|_| self.down).map(|within| 1 + self.rng.below(within.max(1)));
    }

    /// Most bytes to take at once: what passes slowly passes evenly.
    fn piece(&self) -> usize {
        let rules = self.rules.borrow();
        let slow = rules.iter().filter_map(|rule| match rule.fault {
            Fault::Throttle { bytes_per_second } => usize::try_from(bytes_per_second / 10).ok(),
            _ => None,
        });
        slow.min().unwrap_or(PIECE).clamp(1, PIECE)
    }

    /// Keeps a piece of so many bytes back for as long as the faults want.
    async fn hold(&mut self, len: usize) {
        let rules = self.rules.borrow().clone();
        for rule in rules.iter() {
            match rule.fault {
                Fault::Delay { ms, jitter_ms } => {
                    sleep(Duration::from_millis(ms + self.rng.below(jitter_ms + 1))).await;
                }
                Fault::Lossy { percent } => {
                    let mut wait = LOSS.0;
                    for _ in 0..LOSS.1 {
                        if self.rng.below(100) >= u64::from(percent) {
                            break;
                        }
                        sleep(wait).await;
                        wait *= 2;
                    }
                }
                Fault::Throttle { bytes_per_second } => {
                    sleep(Duration::from_secs_f64(len as f64 / bytes_per_second.max(1) as f64)).await;
                }
                _ => {}
            }
        }
        let stalls = |rules: &Arc<Vec<Rule>>| rules.iter().any(|rule| rule.fault == Fault::Stall);
        // If nobody can end it any more, the proxy is gone and its connections with it.
        let _ = self.rules.wait_for(|rules| !stalls(rules)).await;
    }
}

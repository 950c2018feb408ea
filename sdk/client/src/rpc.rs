//! Several RPC endpoints as one: a request goes to the next endpoint when one fails, and is tried again for a while
//! when all do.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use solana_rpc_client_api::{
    client_error::{self, ErrorKind},
    request::RpcError,
};
use tokio::time::{Instant, sleep};

use crate::{Config, Error};

/// First and longest pause between two rounds over all endpoints.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Answers by which a node says that it is not (yet) able to serve a request, not that the request is wrong:
/// block not available, node behind, slot not available, no snapshot, minimum context slot not reached.
const NOT_ABLE: [i64; 5] = [-32004, -32005, -32014, -32007, -32016];

pub(crate) struct Pool {
    nodes: Vec<Arc<RpcClient>>,
    current: AtomicUsize,
    patience: Duration,
}

/// What to do about a failed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retry {
    /// The request is at fault.
    No,
    /// This endpoint does not serve us; another may.
    Elsewhere,
    /// The endpoint or the way to it is out of order.
    Later,
}

fn retry(error: &client_error::Error) -> Retry {
    match error.kind() {
        ErrorKind::Io(_) | ErrorKind::Middleware(_) | ErrorKind::SerdeJson(_) => Retry::Later,
        ErrorKind::Reqwest(e) => match e.status().map(|status| status.as_u16()) {
            Some(429) | None => Retry::Later,
            Some(400..=499) => Retry::Elsewhere,
            Some(_) => Retry::Later,
        },
        ErrorKind::RpcError(RpcError::RpcResponseError { code, .. }) if NOT_ABLE.contains(code) => Retry::Later,
        ErrorKind::RpcError(RpcError::RpcRequestError(_)) => Retry::Later,
        _ => Retry::No,
    }
}

impl Pool {
    pub fn new(config: &Config) -> Result<Self, Error> {
        if config.rpc_urls.is_empty() {
            return Err(Error::Config("no RPC endpoint is configured; give --url".into()));
        }
        for url in &config.rpc_urls {
            let parsed = url::Url::parse(url).ok().filter(|parsed| matches!(parsed.scheme(), "http" | "https"));
            parsed.ok_or_else(|| {
                Error::Config(format!("RPC endpoint {url:?}, expected http://host:port or https://host"))
            })?;
        }
        let node = |url: &String| {
            Arc::new(RpcClient::new_with_timeout_and_commitment(url.clone(), config.timeout, config.commitment))
        };
        Ok(Self {
            nodes: config.rpc_urls.iter().map(node).collect(),
            current: AtomicUsize::new(0),
            patience: config.patience,
        })
    }

    /// Asks one endpoint after the other until one answers.
    pub async fn call<T, F, Fut>(&self, ask: F) -> Result<T, Error>
    where
        F: Fn(Arc<RpcClient>) -> Fut,
        Fut: Future<Output = Result<T, client_error::Error>>,
    {
        let give_up = Instant::now() + self.patience;
        let mut pause = PAUSE.0;
        loop {
            let mut later = false;
            let mut failed = None;
            for _ in 0..self.nodes.len() {
                let at = self.current.load(Ordering::Relaxed);
                let node = &self.nodes[at % self.nodes.len()];
                let error = match ask(Arc::clone(node)).await {
                    Ok(answer) => return Ok(answer),
                    Err(error) => error,
                };
                let url = node.url();
                match retry(&error) {
                    Retry::No => return Err(Error::Rpc { url, source: Box::new(error) }),
                    Retry::Elsewhere => {}
                    Retry::Later => later = true,
                }
                tracing::debug!(url, %error, "RPC endpoint failed");
                // Another task may have moved on already; then its choice stands.
                let next = at.wrapping_add(1);
                let _ = self.current.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed);
                failed = Some((url, Box::new(error)));
            }
            let Some((url, source)) = failed else {
                return Err(Error::Config("no RPC endpoint is configured; give --url".into()));
            };
            if !later {
                return Err(Error::Rpc { url, source });
            }
            if Instant::now() + pause > give_up {
                return Err(Error::Unreachable { url, seconds: self.patience.as_secs(), source });
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn pool(urls: &[&str]) -> Pool {
        let mut config = Config::localnet();
        config.rpc_urls = urls.iter().map(ToString::to_string).collect();
        config.patience = Duration::ZERO;
        Pool::new(&config).unwrap()
    }

    fn refused() -> client_error::Error {
        std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into()
    }

    fn wrong() -> client_error::Error {
        ErrorKind::Custom("wrong".into()).into()
    }

    #[tokio::test]
    async fn the_next_endpoint_is_asked_and_kept() {
        let pool = pool(&["http://a", "http://b"]);
        let asked = Mutex::new(vec![]);
        for _ in 0..2 {
            let answer = pool.call(|node| {
                asked.lock().unwrap().push(node.url());
                async move { if node.url() == "http://a" { Err(refused()) } else { Ok(7) } }
            });
            assert_eq!(answer.await.unwrap(), 7);
        }
        assert_eq!(*asked.lock().unwrap(), ["http://a", "http://b", "http://b"]);
    }

    #[tokio::test]
    async fn a_wrong_request_is_asked_once() {
        let asked = Mutex::new(0);
        let pool = pool(&["http://a", "http://b"]);
        let answer = pool.call(|_| {
            *asked.lock().unwrap() += 1;
            async { Err::<(), _>(wrong()) }
        });
        assert!(matches!(answer.await, Err(Error::Rpc { .. })));
        assert_eq!(*asked.lock().unwrap(), 1);
    }

    #[tokio::test]
    async fn silence_ends() {
        let pool = pool(&["http://a", "http://b"]);
        let answer = pool.call(|_| async { Err::<(), _>(refused()) });
        assert!(matches!(answer.await, Err(Error::Unreachable { .. })));
        let mut config = Config::localnet();
        config.rpc_urls.clear();
        assert!(Pool::new(&config).is_err());
    }
}

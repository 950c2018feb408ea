//! Requests and answers, and what happens to them on the way.

use std::{
    convert::Infallible,
    io,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    serve::Listener,
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::{io::DuplexStream, sync::mpsc};

use super::{
    Fault, Shared,
    stale::{Call, Memory},
};
use crate::rng::Rng;

/// Longest request or answer that is looked into.
const LONGEST: usize = 256 << 20;
/// Headers that are of one connection, or will be set anew.
const OF_CONNECTION: [HeaderName; 3] = [header::HOST, header::CONNECTION, header::TRANSFER_ENCODING];

/// Connections as they come.
struct Inbox(mpsc::Receiver<DuplexStream>);

impl Listener for Inbox {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.0.recv().await {
            Some(stream) => (stream, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(())
    }
}

struct Relay {
    shared: Arc<Shared>,
    upstream: reqwest::Client,
    memory: Mutex<Memory>,
}

/// Serves connections for as long as they come.
pub(super) async fn serve(shared: Arc<Shared>, inbox: mpsc::Receiver<DuplexStream>) {
    let relay = Relay { shared, upstream: reqwest::Client::new(), memory: Mutex::default() };
    let router = Router::new().fallback(answer).with_state(Arc::new(relay));
    // It does not end by itself.
    let _ = axum::serve(Inbox(inbox), router).await;
}

async fn answer(State(relay): State<Arc<Relay>>, request: Request) -> Result<Response, Infallible> {
    let number = relay.shared.requests.fetch_add(1, Ordering::Relaxed);
    // Those of connections count from the other end.
    let mut rng = relay.shared.chance(!number);
    let (parts, body) = request.into_parts();
    let Ok((call, body)) = relay.look(&parts, body).await else { return Ok(breaking()) };
    let method = call.as_ref().map_or(parts.method.as_str(), |call| &call.method).to_owned();
    let rules = relay.shared.rules.borrow().clone();
    let fault = rules.iter().find(|rule| rule.hits(&method, &mut rng)).map(|rule| &rule.fault);
    relay.shared.faulty.fetch_add(u64::from(fault.is_some()), Ordering::Relaxed);
    Ok(match fault {
        None => relay.pass(&parts, body, call.as_ref()).await,
        Some(Fault::Limit { retry_after, date }) => limit(*retry_after, *date),
        Some(Fault::Status { code }) => StatusCode::from_u16(*code).unwrap_or(StatusCode::BAD_GATEWAY).into_response(),
        Some(Fault::Garble) => garbled(call.as_ref(), &mut rng),
        Some(Fault::LoseAnswer) => {
            let _ = relay.pass(&parts, body, call.as_ref()).await;
            breaking()
        }
        Some(Fault::Stale) => relay.stale(&parts, body, call.as_ref()).await,
        Some(_) => {
            let mut rules = relay.shared.rules.subscribe();
            // If nobody can end it any more, the proxy is gone.
            let _ = rules.wait_for(|rules| !rules.iter().any(|rule| rule.fault == Fault::Silent)).await;
            breaking()
        }
    })
}

impl Relay {
    /// Looks into what may be JSON; all else just passes.
    async fn look(&self, parts: &Parts, body: Body) -> Result<(Option<Call>, reqwest::Body), axum::Error> {
        if !is_json(&parts.headers) {
            return Ok((None, reqwest::Body::wrap_stream(body.into_data_stream())));
        }
        let body = to_bytes(body, LONGEST).await?;
        Ok((Call::parse(&body), body.into()))
    }

    async fn send(&self, parts: &Parts, body: reqwest::Body) -> reqwest::Result<reqwest::Response> {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let url = format!("http://{}{path}", self.shared.upstream);
        let request = self.upstream.request(parts.method.clone(), url);
        request.headers(passed(&parts.headers)).body(body).send().await
    }

    /// Passes a request on, and the answer back.
    async fn pass(&self, parts: &Parts, body: reqwest::Body, call: Option<&Call>) -> Response {
        let Ok(answer) = self.send(parts, body).await else { return breaking() };
        let (status, headers) = (answer.status(), passed(answer.headers()));
        let Some(call) = call else {
            return (status, headers, Body::from_stream(answer.bytes_stream())).into_response();
        };
        let Ok(body) = answer.bytes().await else { return breaking() };
        if !self.shared.has(|fault| *fault == Fault::Stale) {
            self.memory.lock().unwrap_or_else(PoisonError::into_inner).keep(call, &body);
        }
        (status, headers, body).into_response()
    }

    /// Answers as before the fault began.
    async fn stale(&self, parts: &Parts, body: reqwest::Body, call: Option<&Call>) -> Response {
        let Some(call) = call else { return self.pass(parts, body, None).await };
        let memory = || self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let before = memory().answer(call);
        if let Some(before) = before {
            return json_response(before.to_string().into());
        }
        let Ok(answer) = self.send(parts, body).await else { return breaking() };
        let Ok(mut answer) = answer.json::<Value>().await else { return breaking() };
        memory().age(call, &mut answer);
        json_response(answer.to_string().into())
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/json"))
}

fn passed(headers: &HeaderMap) -> HeaderMap {
    let passed = headers.iter().filter(|(name, _)| !OF_CONNECTION.contains(name));
    passed.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn json_response(body: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// An answer that breaks off at once, and the connection with it. Its head arrives, and is one that promises more than comes.
fn breaking() -> Response {
    let nothing = stream::once(async { Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionReset)) });
    Body::from_stream(nothing).into_response()
}

fn limit(retry_after: Option<u64>, date: bool) -> Response {
    let when = |seconds: u64| match date {
        true => httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(seconds)),
        false => seconds.to_string(),
    };
    let status = StatusCode::TOO_MANY_REQUESTS;
    match retry_after {
        Some(seconds) => (status, [(header::RETRY_AFTER, when(seconds))]).into_response(),
        None => status.into_response(),
    }
}

fn garbled(call: Option<&Call>, rng: &mut Rng) -> Response {
    let id = call.map_or(Value::Null, |call| call.id.clone());
    let whole = json!({ "jsonrpc": "2.0", "id": id, "result": "nonsense" }).to_string();
    json_response(match rng.below(4) {
        0 => whole[..whole.len() / 2].to_owned().into(),
        1 => "<html><body>Bad gateway</body></html>".into(),
        2 => "[]".into(),
        _ => whole.into(),
    })
}

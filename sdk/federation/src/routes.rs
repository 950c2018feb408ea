//! The coordinator's requests: read the next letter, say something in a round, offer inputs.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Path, Query, Request, State},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tessera_secure_sum::{
    Error as SumError, Key,
    message::{MAX_MESSAGE_LEN, Signed, from_bytes},
};
use tokio::time::{Instant, timeout, timeout_at};

use crate::{
    auth::{Claim, Signable, name, unix_now},
    desk::{Desks, Found, Session},
    letter::{Offer, Position},
};

/// What the handlers share.
pub(crate) struct Service {
    pub(crate) training: String,
    pub(crate) desks: Arc<Desks>,
    /// How long a reader waits for a letter.
    pub(crate) poll: Duration,
    /// How long a body may take.
    pub(crate) body: Duration,
}

/// An answer that is a refusal, with the reason as its text.
type Refusal = (StatusCode, String);

pub(crate) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/v1/trainings/{training}/letters", get(letters))
        .route("/v1/trainings/{training}/rounds/{round}/messages", post(messages))
        .route("/v1/trainings/{training}/rounds/{round}/offers", post(offers))
        .route("/v1/trainings/{training}/rounds/{round}/refusals", post(refusals))
        .with_state(service)
}

/// Who sends a request: its body is read only if that is a participant, and only so far as messages go.
async fn admit(service: &Service, parts: &Parts, body: Body) -> Result<(Key, Bytes), Refusal> {
    let unsigned = |text: String| (StatusCode::UNAUTHORIZED, text);
    let value = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let value = value.ok_or_else(|| unsigned("expected an Authorization header".into()))?;
    let claim = Claim::read(value, unix_now()).map_err(|e| unsigned(e.to_string()))?;
    if !service.desks.knows(&claim.key) {
        let text = format!("{} is not a participant of this training", name(&claim.key));
        return Err((StatusCode::FORBIDDEN, text));
    }
    let body = match timeout(service.body, to_bytes(body, MAX_MESSAGE_LEN)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            return Err((
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("a body that is broken or over {MAX_MESSAGE_LEN} bytes"),
            ));
        }
        Err(_) => return Err((StatusCode::REQUEST_TIMEOUT, format!("no whole body within {:?}", service.body))),
    };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Signable { method: parts.method.as_str(), path, body: &body };
    claim.check(request).map_err(|e| unsigned(e.to_string()))?;
    Ok((claim.key, body))
}

fn right_training(service: &Service, training: &str) -> Result<(), Refusal> {
    if training == service.training {
        return Ok(());
    }
    Err((StatusCode::NOT_FOUND, format!("training {training} is not run here, but {}", service.training)))
}

/// `epoch` and `after` of a reader.
#[derive(Debug)]
struct After(Position);

impl After {
    fn parse(query: &[(String, String)]) -> Result<Self, Refusal> {
        let number = |key: &str| {
            let value = query.iter().find(|(name, _)| name == key).map(|(_, value)| value.parse::<u64>());
            match value {
                Some(Ok(value)) => Ok(value),
                _ => Err((
                    StatusCode::BAD_REQUEST,
                    format!("expected the query epoch=NUMBER&after=NUMBER, {key} is not"),
                )),
            }
        };
        Ok(Self(Position { epoch: number("epoch")?, number: number("after")? }))
    }
}

/// The next letter, as soon as there is one; 204 if none comes for a while.
async fn letters(
    State(service): State<Arc<Service>>,
    Path(training): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    request: Request,
) -> Result<Response, Refusal> {
    right_training(&service, &training)?;
    let (parts, body) = request.into_parts();
    let (key, _) = admit(&service, &parts, body).await?;
    let After(after) = After::parse(&query)?;
    let gone = || (StatusCode::CONFLICT, "the same participant reads elsewhere: run it once".to_owned());
    let (reader, mut changed) = service.desks.reader(&key).ok_or_else(gone)?;
    let until = Instant::now() + service.poll;
    loop {
        changed.mark_unchanged();
        match service.desks.read(&key, reader, after) {
            Found::Letter(bytes) => {
                return Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response());
            }
            Found::Replaced => return Err(gone()),
            Found::Nothing => {}
        }
        if timeout_at(until, changed.changed()).await.is_err() {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
    }
}

/// Who says something in a round, and what.
async fn heard(
    service: &Service,
    training: &str,
    round: &str,
    request: Request,
) -> Result<(Key, Bytes, Arc<Session>), Refusal> {
    right_training(service, training)?;
    let (parts, body) = request.into_parts();
    let (key, body) = admit(service, &parts, body).await?;
    match service.desks.session(&key) {
        Some(session) if hex::encode(session.id) == round => Ok((key, body, session)),
        _ => Err((StatusCode::GONE, format!("round {round} is over, or not this participant's"))),
    }
}

/// Tells that something was taken, or why not.
fn answered(key: &Key, session: &Session, taken: Result<(), SumError>) -> Result<StatusCode, Refusal> {
    match taken {
        Ok(()) => {
            session.taken.send_replace(());
            Ok(StatusCode::NO_CONTENT)
        }
        Err(error) => {
            tracing::info!(participant = name(key), %error, "a message was refused");
            Err((status(&error), error.to_string()))
        }
    }
}

/// Takes what a participant says.
async fn messages(
    State(service): State<Arc<Service>>,
    Path((training, round)): Path<(String, String)>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let (key, body, session) = heard(&service, &training, &round, request).await?;
    let taken = from_bytes::<Signed>(&body).and_then(|signed| {
        session.with(|server| {
            if server.round().place(&key) != Some(signed.from) {
                return Err(SumError::Signature(signed.from));
            }
            server.take(signed)
        })
    });
    answered(&key, &session, taken)
}

/// Takes what a participant offers.
async fn offers(
    State(service): State<Arc<Service>>,
    Path((training, round)): Path<(String, String)>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let (key, body, session) = heard(&service, &training, &round, request).await?;
    let taken = from_bytes::<Vec<Offer>>(&body).and_then(|offers| session.offer(&key, offers));
    answered(&key, &session, taken)
}

/// Takes note that a participant does not take part, and why: the body as text.
async fn refusals(
    State(service): State<Arc<Service>>,
    Path((training, round)): Path<(String, String)>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let (key, body, session) = heard(&service, &training, &round, request).await?;
    answered(&key, &session, session.refuse(&key, &String::from_utf8_lossy(&body)))
}

/// What a refusal is in HTTP: 409 what was said before, 410 what comes too late, 403 what is forged.
const fn status(error: &SumError) -> StatusCode {
    match error {
        SumError::Repeated { .. } => StatusCode::CONFLICT,
        SumError::Order { .. } | SumError::Dropped(_) => StatusCode::GONE,
        SumError::Signature(_) => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_REQUEST,
    }
}

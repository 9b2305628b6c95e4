//! Telnyx's API under `/v2`: the bearer key, the faults, sending and retrieving messages.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::fault::{FaultEffect, Subject};
use crate::http::accept::CutConnection;
use crate::http::gate::has_key;
use crate::http::idempotency::{IdempotencyKey, Verdict};
use crate::http::profiles;
use crate::message::Stage;
use crate::refusal::Refusal;
use crate::send_request::{SendRequest, json_object};
use crate::world::{Shared, World};

/// More than any documented request; Telnyx's own limit is not published.
const MAX_BODY: usize = 1024 * 1024;
const IDEMPOTENCY_KEY: &str = "idempotency-key";

pub(crate) fn router(shared: Arc<Shared>) -> Router<Arc<Shared>> {
    Router::new()
        .route("/messages", post(send_message).fallback(not_emulated))
        .route("/messages/{id}", get(show_message).fallback(not_emulated))
        .route("/messaging_profiles", get(profiles::list).fallback(not_emulated))
        .route("/messaging_profiles/{id}", get(profiles::show).patch(profiles::change).fallback(not_emulated))
        .fallback(not_emulated)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(shared, guard))
}

/// Answers a refusal with the documented envelope.
pub(crate) fn refuse(refusal: &Refusal, shared: &Shared) -> Response {
    let status = StatusCode::from_u16(refusal.status(&shared.config)).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = (status, Json(refusal.envelope())).into_response();
    if let Some(seconds) = refusal.retry_after_seconds {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    if !has_key(request.headers(), &shared) {
        return refuse(&Refusal::new("10009", "The API key is missing or is not this account's."), &shared);
    }
    // A send looks for faults itself, because it knows whom it concerns.
    let is_send = request.method() == Method::POST && request.uri().path() == "/messages";
    if !is_send && let Some(response) = early_fault(&shared, &[]).await {
        return response;
    }
    next.run(request).await
}

async fn not_emulated(State(shared): State<Arc<Shared>>, method: Method, uri: Uri) -> Response {
    refuse(&Refusal::not_emulated(format_args!("`{method} /v2{}`", uri.path())), &shared)
}

async fn show_message(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    let now = shared.clock.now();
    let shown = shared.read(|world| {
        world.messages.find(&id, now).map(|message| message.payload(message.stage_at(now), &shared.view()))
    });
    match shown {
        Some(data) => Json(json!({ "data": data })).into_response(),
        None => refuse(&Refusal::new("10005", format!("There is no message '{id}'.")), &shared),
    }
}

async fn send_message(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Body) -> Response {
    let Ok(body) = body else { return refuse(&too_large(), &shared) };
    let key = headers.get(IDEMPOTENCY_KEY).map(|value| IdempotencyKey::parse(value.as_bytes())).transpose();
    let running = match key.and_then(|key| Running::begin(&shared, key, &body)) {
        Err(refusal) => return refuse(&refusal, &shared),
        Ok(Begun::Replay(answer)) => return Json(answer).into_response(),
        Ok(Begun::Running(running)) => running,
    };
    let numbers = named_numbers(&body);
    if let Some(response) = early_fault(&shared, &numbers).await {
        return response;
    }
    match shared.change(|world| send(&shared, world, &body)) {
        Err(refusal) => refuse(&refusal, &shared),
        Ok(answer) => {
            running.succeed(&answer);
            match late_fault(&shared, &numbers).await {
                Some(response) => response,
                None => Json(answer).into_response(),
            }
        }
    }
}

/// A body within its limit, or the reason why it is not.
pub(crate) type Body = Result<Bytes, BytesRejection>;

/// The answer to a body that is too large or broke off.
pub(crate) fn too_large() -> Refusal {
    Refusal::new("10025", format!("The request body is incomplete or longer than {MAX_BODY} bytes."))
}

fn send(shared: &Shared, world: &mut World, body: &[u8]) -> Result<Value, Refusal> {
    let request = SendRequest::check(&json_object(body)?, world, shared)?;
    let message = shared.accept(world, request)?;
    Ok(json!({ "data": message.payload(Stage::Queued, &shared.view()) }))
}

/// A request under an idempotency key, or under none. Dropping it unfinished frees the key.
struct Running {
    shared: Arc<Shared>,
    key: Option<IdempotencyKey>,
    life: CancellationToken,
}

enum Begun {
    Running(Running),
    Replay(Value),
}

impl Running {
    fn begin(shared: &Arc<Shared>, key: Option<IdempotencyKey>, body: &[u8]) -> Result<Begun, Refusal> {
        let now = shared.clock.now();
        let (verdict, life) = shared.quietly(|world| {
            let verdict =
                key.as_ref().map_or(Ok(Verdict::Run), |key| world.idempotency.begin(key, body, now));
            (verdict, world.life.clone())
        });
        match verdict? {
            Verdict::Replay(answer) => Ok(Begun::Replay(answer)),
            Verdict::Run => Ok(Begun::Running(Self { shared: shared.clone(), key, life })),
        }
    }

    fn succeed(self, answer: &Value) {
        self.finish(|world, key| world.idempotency.succeed(key, answer.clone()));
    }

    fn finish(&self, finish: impl FnOnce(&mut World, &IdempotencyKey)) {
        let Some(key) = &self.key else { return };
        self.shared.quietly(|world| {
            if !self.life.is_cancelled() {
                finish(world, key);
            }
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After a success this finds an answer and leaves it.
        self.finish(|world, key| world.idempotency.abandon(key));
    }
}

// Faults concern numbers, so the body is looked at before it is checked.
fn named_numbers(body: &[u8]) -> Vec<String> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    ["from", "to"].iter().filter_map(|name| body[*name].as_str()).map(str::to_owned).collect()
}

/// Faults that strike before anything is done.
async fn early_fault(shared: &Shared, numbers: &[String]) -> Option<Response> {
    enum Strike {
        Status(Box<Refusal>),
        Hang,
    }
    let subject = Subject { numbers, event_type: None };
    let strike = shared.quietly(|world| {
        world.faults.strike(&mut world.random, subject, |effect| match effect {
            FaultEffect::ApiStatus { status, code, retry_after_seconds } => {
                let mut refusal =
                    Refusal::new(code.as_deref().unwrap_or(code_for(*status)), "A fault was asked for.");
                refusal.retry_after_seconds = *retry_after_seconds;
                Some(Strike::Status(Box::new(refusal.with_status(*status))))
            }
            FaultEffect::ApiHang {} => Some(Strike::Hang),
            _ => None,
        })
    });
    match strike? {
        Strike::Status(refusal) => Some(refuse(&refusal, shared)),
        Strike::Hang => Some(hang(shared).await),
    }
}

/// Faults that strike after the message was accepted.
async fn late_fault(shared: &Shared, numbers: &[String]) -> Option<Response> {
    let subject = Subject { numbers, event_type: None };
    let hangs = shared.quietly(|world| {
        world.faults.strike(&mut world.random, subject, |effect| match effect {
            FaultEffect::ApiDropAfterAccept {} => Some(false),
            FaultEffect::ApiHangAfterAccept {} => Some(true),
            _ => None,
        })
    })?;
    Some(if hangs { hang(shared).await } else { CutConnection::response() })
}

// Ends when the client goes away, because hyper then drops the handler, or when the sandbox stops.
async fn hang(shared: &Shared) -> Response {
    const LONGEST: Duration = Duration::from_secs(15 * 60);
    tokio::select! {
        () = shared.cancel.cancelled() => {}
        () = tokio::time::sleep(LONGEST) => {}
    }
    CutConnection::response()
}

fn code_for(status: u16) -> &'static str {
    match status {
        401 => "10009",
        403 => "10010",
        404 => "10005",
        409 => "10012",
        422 => "10027",
        429 => "10011",
        400..500 => "10015",
        _ => "10007",
    }
}

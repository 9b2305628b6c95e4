//! The control API under `/sandbox/v1`: text in, look at deliveries and sent messages, steer clock and faults.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::{Method, StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock;
use crate::delivery::{Delivery, DeliveryStatus};
use crate::fault::Fault;
use crate::http::gate::key_beyond_loopback;
use crate::http::problem::{Code, Problem, read_json};
use crate::message::Message;
use crate::text::{InboundText, RawEvent};
use crate::world::{Shared, World};

/// Ten attachments of a megabyte, as base64, with room.
const MAX_BODY: usize = 32 * 1024 * 1024;
/// Entries of a list when no number is asked for, and the largest number.
const PAGE_SIZE: (usize, usize) = (100, 1000);
/// The longest a caller can make the sandbox wait.
const MAX_WAIT: Duration = Duration::from_secs(10 * 60);
/// The clock moves by a century at most.
const MAX_ADVANCE_SECONDS: u64 = 100 * 366 * 24 * 60 * 60;

pub(crate) fn router(shared: Arc<Shared>) -> Router<Arc<Shared>> {
    Router::new()
        .route("/texts", post(inject_text))
        .route("/events", post(inject_raw))
        .route("/deliveries", get(list_deliveries))
        .route("/deliveries/{event_id}", get(show_delivery))
        .route("/messages", get(list_messages))
        .route("/account", get(show_account))
        .route("/wait-idle", post(wait_idle))
        .route("/clock", get(show_clock))
        .route("/clock/advance", post(advance_clock))
        .route("/faults", get(list_faults).put(replace_faults).delete(clear_faults))
        .route("/reset", post(reset))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(shared, key_beyond_loopback))
}

type Body = Result<Bytes, BytesRejection>;
type MaybeQuery<T> = Result<Query<T>, QueryRejection>;

async fn inject_text(State(shared): State<Arc<Shared>>, body: Body) -> Response {
    let injected = read_json::<InboundText>(body).and_then(|text| Ok(shared.receive_text(text)?));
    match injected {
        Ok(injected) => (StatusCode::ACCEPTED, Json(injected)).into_response(),
        Err(problem) => problem.respond(&shared),
    }
}

async fn inject_raw(State(shared): State<Arc<Shared>>, body: Body) -> Response {
    let injected = read_json::<RawEvent>(body).and_then(|event| Ok(shared.send_raw(event)?));
    match injected {
        Ok(injected) => (StatusCode::ACCEPTED, Json(injected)).into_response(),
        Err(problem) => problem.respond(&shared),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeliveryFilter {
    event_type: Option<String>,
    event_id: Option<String>,
    message_id: Option<String>,
    status: Option<DeliveryStatus>,
    after: Option<u64>,
    limit: Option<usize>,
    wait_ms: Option<u64>,
}

impl DeliveryFilter {
    fn admits(&self, delivery: &Delivery) -> bool {
        self.event_type.as_ref().is_none_or(|wanted| *wanted == delivery.event_type)
            && self.event_id.as_ref().is_none_or(|wanted| *wanted == delivery.event_id)
            && self.message_id.as_ref().is_none_or(|wanted| *wanted == delivery.message_id)
            && self.status.is_none_or(|wanted| wanted == delivery.status)
    }

    /// Oldest first: those after a place in the log, or else the latest ones.
    fn apply(&self, world: &World) -> Vec<Delivery> {
        let limit = page_size(self.limit);
        let admitted =
            world.deliveries.all_after(self.after.unwrap_or(0)).filter(|delivery| self.admits(delivery));
        if self.after.is_some() {
            return admitted.take(limit).cloned().collect();
        }
        let mut latest: Vec<Delivery> = admitted.rev().take(limit).cloned().collect();
        latest.reverse();
        latest
    }
}

async fn list_deliveries(State(shared): State<Arc<Shared>>, filter: MaybeQuery<DeliveryFilter>) -> Response {
    let Ok(Query(filter)) = filter else { return bad_query(filter.err(), &shared) };
    let wait = limited(filter.wait_ms.unwrap_or(0));
    let data =
        shared.wait_for(wait, |world| Some(filter.apply(world)).filter(|found| !found.is_empty())).await;
    let (pending, dropped) = shared.read(|world| (world.deliveries.pending(), world.deliveries.dropped));
    Json(json!({ "data": data.unwrap_or_default(), "pending": pending, "dropped": dropped })).into_response()
}

async fn show_delivery(State(shared): State<Arc<Shared>>, Path(event_id): Path<String>) -> Response {
    match shared.read(|world| world.deliveries.find(&event_id).cloned()) {
        Some(delivery) => Json(delivery).into_response(),
        None => Problem::new(Code::NotFound, format!("no delivery of event `{event_id}` is kept"))
            .respond(&shared),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageFilter {
    from: Option<String>,
    to: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
    wait_ms: Option<u64>,
}

impl MessageFilter {
    fn admits(&self, message: &Message) -> bool {
        self.from.as_ref().is_none_or(|wanted| *wanted == message.from)
            && self.to.as_ref().is_none_or(|wanted| *wanted == message.to)
    }

    /// Oldest first: those after a place in the log, or else the latest ones.
    fn apply(&self, world: &World, after: Option<u64>) -> Vec<Message> {
        let limit = page_size(self.limit);
        let admitted = world.messages.sent(after).filter(|message| self.admits(message));
        if after.is_some() {
            return admitted.take(limit).cloned().collect();
        }
        let mut latest: Vec<Message> = admitted.rev().take(limit).cloned().collect();
        latest.reverse();
        latest
    }
}

async fn list_messages(State(shared): State<Arc<Shared>>, filter: MaybeQuery<MessageFilter>) -> Response {
    let Ok(Query(filter)) = filter else { return bad_query(filter.err(), &shared) };
    let after = filter.after.as_deref().map(|id| shared.read(|world| world.messages.place_of(id)));
    if after == Some(None) {
        return Problem::new(Code::NotFound, "the message named by `after` is not kept".to_owned())
            .respond(&shared);
    }
    let find = |world: &World| Some(filter.apply(world, after.flatten())).filter(|found| !found.is_empty());
    let messages = shared.wait_for(limited(filter.wait_ms.unwrap_or(0)), find).await.unwrap_or_default();
    let now = shared.clock.now();
    let shown = |message: &Message| message.payload(message.stage_at(now), &shared.view());
    let data: Vec<Value> = messages.iter().map(shown).collect();
    let dropped = shared.read(|world| world.messages.dropped);
    Json(json!({ "data": data, "dropped": dropped })).into_response()
}

async fn show_account(State(shared): State<Arc<Shared>>) -> Response {
    let webhook_url =
        shared.read(|world| world.profiles.first().and_then(|profile| profile.webhook_url.clone()));
    let answer = json!({
        "api_key": shared.account.api_key,
        "api_url": format!("{}/v2", shared.origin),
        "messaging_profile_id": shared.account.default_profile_id,
        "numbers": shared.numbers,
        "organization_id": shared.account.organization_id,
        "public_key": shared.account.public_key().to_base64(),
        "webhook_url": webhook_url,
    });
    Json(answer).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WaitRequest {
    timeout_ms: u64,
}

async fn wait_idle(State(shared): State<Arc<Shared>>, body: Body) -> Response {
    let timeout = match read_json::<WaitRequest>(body) {
        Ok(request) => limited(request.timeout_ms),
        Err(problem) => return problem.respond(&shared),
    };
    let idle = shared.wait_for(timeout, |world| (world.deliveries.pending() == 0).then_some(())).await;
    let pending = shared.read(|world| world.deliveries.pending());
    match idle {
        Some(()) => Json(json!({ "idle": true })).into_response(),
        None => {
            Problem::new(Code::NotIdle, format!("{pending} events are still on their way")).respond(&shared)
        }
    }
}

async fn show_clock(State(shared): State<Arc<Shared>>) -> Response {
    Json(json!({ "now": clock::rfc3339(shared.clock.now()) })).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdvanceRequest {
    seconds: u64,
}

async fn advance_clock(State(shared): State<Arc<Shared>>, body: Body) -> Response {
    match read_json::<AdvanceRequest>(body) {
        Ok(AdvanceRequest { seconds }) if seconds <= MAX_ADVANCE_SECONDS => {
            shared.clock.advance(Duration::from_secs(seconds));
            Json(json!({ "now": clock::rfc3339(shared.clock.now()) })).into_response()
        }
        Ok(_) => Problem::new(Code::InvalidBody, format!("`seconds` is more than {MAX_ADVANCE_SECONDS}"))
            .respond(&shared),
        Err(problem) => problem.respond(&shared),
    }
}

async fn list_faults(State(shared): State<Arc<Shared>>) -> Response {
    Json(json!({ "data": shared.read(|world| world.faults.all().to_vec()) })).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultsRequest {
    data: Vec<Fault>,
}

async fn replace_faults(State(shared): State<Arc<Shared>>, body: Body) -> Response {
    match read_json::<FaultsRequest>(body) {
        Ok(FaultsRequest { data }) => {
            shared.change(|world| world.faults.replace(data));
            list_faults(State(shared)).await
        }
        Err(problem) => problem.respond(&shared),
    }
}

async fn clear_faults(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.change(|world| world.faults.replace(Vec::new()));
    StatusCode::NO_CONTENT
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResetRequest {
    #[serde(default)]
    restart_ids: bool,
}

async fn reset(State(shared): State<Arc<Shared>>, body: Body) -> Response {
    let is_empty = body.as_ref().is_ok_and(Bytes::is_empty);
    let request = if is_empty { Ok(ResetRequest::default()) } else { read_json(body) };
    match request {
        Ok(ResetRequest { restart_ids }) => {
            shared.reset(restart_ids);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(problem) => problem.respond(&shared),
    }
}

async fn not_found(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    Problem::new(Code::NotFound, format!("the control API has no `{}`", uri.path())).respond(&shared)
}

async fn method_not_allowed(State(shared): State<Arc<Shared>>, method: Method, uri: Uri) -> Response {
    Problem::new(Code::MethodNotAllowed, format!("`{}` does not take `{method}`", uri.path()))
        .respond(&shared)
}

fn bad_query(rejection: Option<QueryRejection>, shared: &Shared) -> Response {
    let detail = rejection.map(|rejection| rejection.body_text()).unwrap_or_default();
    Problem::new(Code::InvalidQuery, detail).respond(shared)
}

fn page_size(limit: Option<usize>) -> usize {
    limit.unwrap_or(PAGE_SIZE.0).min(PAGE_SIZE.1)
}

fn limited(wait_ms: u64) -> Duration {
    Duration::from_millis(wait_ms).min(MAX_WAIT)
}

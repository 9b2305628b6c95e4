//! Sending and retrieving messages.

use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde_json::{Value, json};

use crate::account::{Account, World};
use crate::http::api::answer::Answer;
use crate::http::api::faults;
use crate::http::api::idempotency::{Begun, IdempotencyKey, Running};
use crate::http::api::request::Body;
use crate::http::gate::Tenant;
use crate::message::Stage;
use crate::message::send_request::{SendRequest, json_object};
use crate::refusal::Refusal;

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Shows a message, whichever way it went.
pub(crate) async fn show(Tenant(account): Tenant, Path(id): Path<String>) -> Answer {
    let now = account.clock.now();
    let shown = account.read(|world| {
        world.messages.find(&id, now).map(|message| message.payload(message.stage_at(now), &account.view()))
    });
    let data = shown.ok_or_else(|| Refusal::new("10005", format!("There is no message '{id}'.")))?;
    Ok(Json(json!({ "data": data })))
}

/// Sends a message.
pub(crate) async fn send(
    Tenant(account): Tenant,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Refusal> {
    let key =
        headers.get(IDEMPOTENCY_KEY).map(|value| IdempotencyKey::parse(value.as_bytes())).transpose()?;
    let running = match Running::begin(&account, key, &body)? {
        Begun::Replay(answer) => return Ok(Json(answer).into_response()),
        Begun::Running(running) => running,
    };
    let numbers = named_numbers(&body);
    if let Some(response) = faults::early(&account, &numbers).await {
        return Ok(response);
    }
    let answer = account.change(|world| accept(&account, world, &body))?;
    running.succeed(&answer);
    Ok(match faults::late(&account, &numbers).await {
        Some(response) => response,
        None => Json(answer).into_response(),
    })
}

fn accept(account: &Account, world: &mut World, body: &[u8]) -> Result<Value, Refusal> {
    let request = SendRequest::check(&json_object(body)?, world, account)?;
    let message = account.accept(world, request)?;
    Ok(json!({ "data": message.payload(Stage::Queued, &account.view()) }))
}

// Faults concern numbers, so the body is looked at before it is checked.
fn named_numbers(body: &[u8]) -> Vec<String> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    ["from", "to"].iter().filter_map(|name| body[*name].as_str()).map(str::to_owned).collect()
}

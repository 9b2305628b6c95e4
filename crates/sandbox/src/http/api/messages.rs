//! Sending, retrieving and cancelling messages.

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
use crate::message::send_request::{Endpoint, SendRequest, json_object};
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

/// Shows the messages of a group conversation, by its id or by that of one of them.
pub(crate) async fn show_group(Tenant(account): Tenant, Path(id): Path<String>) -> Answer {
    let now = account.clock.now();
    let shown: Vec<Value> = account.read(|world| {
        let group = world.messages.find(&id, now).and_then(|message| message.group_id());
        let group = group.unwrap_or(&id);
        let messages = world.messages.all_after(None).filter(|message| message.group_id() == Some(group));
        let kept = messages.filter(|message| world.messages.find(&message.id, now).is_some());
        kept.map(|message| message.payload(message.stage_at(now), &account.view())).collect()
    });
    match shown.is_empty() {
        true => Err(Refusal::new("10005", format!("There is no group message '{id}'."))),
        false => Ok(Json(json!({ "data": shown }))),
    }
}

/// Cancels a scheduled message.
pub(crate) async fn cancel(Tenant(account): Tenant, Path(id): Path<String>) -> Answer {
    let message = account.change(|world| account.cancel(world, &id))?;
    let payload = message.payload(Stage::Accepted, &account.view());
    Ok(Json(match account.host.config.carrier.cancel_in_envelope {
        true => json!({ "data": payload }),
        false => payload,
    }))
}

/// Sends a message by one of the calls that do so.
pub(crate) async fn send(
    endpoint: Endpoint,
    Tenant(account): Tenant,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Refusal> {
    let key = headers.get(IDEMPOTENCY_KEY);
    let key = key.map(|value| IdempotencyKey::parse(endpoint.path(), value.as_bytes())).transpose()?;
    let running = match Running::begin(&account, key, &body)? {
        Begun::Replay(answer) => return Ok(Json(answer).into_response()),
        Begun::Running(running) => running,
    };
    let numbers = named_numbers(&body);
    if let Some(response) = faults::early(&account, &numbers).await {
        return Ok(response);
    }
    let answer = account.change(|world| accept(endpoint, &account, world, &body))?;
    running.succeed(&answer);
    Ok(match faults::late(&account, &numbers).await {
        Some(response) => response,
        None => Json(answer).into_response(),
    })
}

fn accept(endpoint: Endpoint, account: &Account, world: &mut World, body: &[u8]) -> Result<Value, Refusal> {
    let request = SendRequest::check(endpoint, &json_object(body)?, world, account)?;
    let message = account.accept(world, request)?;
    Ok(json!({ "data": message.payload(Stage::Accepted, &account.view()) }))
}

// Faults concern numbers, so the body is looked at before it is checked.
fn named_numbers(body: &[u8]) -> Vec<String> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let group = body["to"].as_array().into_iter().flatten();
    let named = [&body["from"], &body["to"]].into_iter().chain(group);
    named.filter_map(Value::as_str).map(str::to_owned).collect()
}

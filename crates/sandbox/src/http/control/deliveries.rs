//! Shows what was sent to receivers, attempt by attempt, and sends it again.

use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::account::changes::Change;
use crate::account::{Account, World};
use crate::http::control::request::{JsonQuery, limited, page_size};
use crate::http::control::shown::ShownDelivery;
use crate::http::gate::Tenant;
use crate::http::problem::{Code, Problem};
use crate::webhook::delivery::{Delivery, DeliveryStatus};
use crate::webhook::request::signature_headers;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliveryFilter {
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
        self.after.is_none_or(|after| delivery.sequence > after)
            && self.event_type.as_ref().is_none_or(|wanted| *wanted == delivery.event_type)
            && self.message_id.as_ref().is_none_or(|wanted| *wanted == delivery.message_id)
            && self.status.is_none_or(|wanted| wanted == delivery.status)
    }

    /// Oldest first: those after a place in the log, or else the latest ones.
    fn apply(&self, world: &World) -> Vec<ShownDelivery> {
        match &self.event_id {
            Some(event_id) => self.choose(world.deliveries.of_event(event_id)),
            None => self.choose(world.deliveries.all_after(self.after.unwrap_or(0))),
        }
    }

    /// Whether anything has changed after a revision that could be in the list.
    fn is_touched(&self, world: &World, revision: u64) -> bool {
        let is_admitted = |delivery: &Delivery| {
            self.event_id.as_ref().is_none_or(|wanted| *wanted == delivery.event_id) && self.admits(delivery)
        };
        let Some(mut changes) = world.changes.after(revision) else { return true };
        changes.any(|(_, change)| match change {
            Change::Delivery(sequence) => world.deliveries.get(sequence).is_some_and(is_admitted),
            Change::Message(_) => false,
        })
    }

    fn choose<'a>(&self, deliveries: impl DoubleEndedIterator<Item = &'a Delivery>) -> Vec<ShownDelivery> {
        let limit = page_size(self.limit);
        let admitted = deliveries.filter(|delivery| self.admits(delivery));
        if self.after.is_some() {
            return admitted.take(limit).map(ShownDelivery::new).collect();
        }
        let mut latest: Vec<ShownDelivery> = admitted.rev().take(limit).map(ShownDelivery::new).collect();
        latest.reverse();
        latest
    }
}

/// Lists deliveries, and waits for one where asked.
pub(crate) async fn list(
    Tenant(account): Tenant,
    JsonQuery(filter): JsonQuery<DeliveryFilter>,
) -> Json<Value> {
    let wait = limited(filter.wait_ms.unwrap_or(0));
    let mut seen = None;
    let find = |world: &World| {
        let before: Option<u64> = seen.replace(world.changes.revision());
        let is_worth_a_look = before.is_none_or(|before| filter.is_touched(world, before));
        is_worth_a_look.then(|| filter.apply(world)).filter(|found| !found.is_empty())
    };
    let data = account.wait_for(wait, find).await;
    let (pending, dropped) = account.read(|world| (world.deliveries.pending(), world.deliveries.dropped));
    Json(json!({ "data": data.unwrap_or_default(), "pending": pending, "dropped": dropped }))
}

/// Which delivery of an event is meant; the latest when nothing is said.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    sequence: Option<u64>,
}

/// Shows a delivery of an event, with the requests of its attempts.
pub(crate) async fn show(
    Tenant(account): Tenant,
    Path(event_id): Path<String>,
    JsonQuery(which): JsonQuery<Which>,
) -> Result<Json<ShownDelivery>, Problem> {
    let delivery = find(&account, &event_id, &which)?;
    Ok(Json(ShownDelivery::with_requests(&delivery, &account)))
}

/// Where an event that is sent again can be followed.
#[derive(Serialize)]
pub(crate) struct Resent {
    id: String,
    event_id: String,
    sequence: u64,
}

/// Sends an event again: the same event, signed afresh, with all its tries before it.
pub(crate) async fn resend(
    Tenant(account): Tenant,
    Path(event_id): Path<String>,
    JsonQuery(which): JsonQuery<Which>,
) -> Result<(StatusCode, Json<Resent>), Problem> {
    let delivery = find(&account, &event_id, &which)?;
    let sequence = account.send_again(&delivery)?;
    Ok((StatusCode::ACCEPTED, Json(Resent { id: delivery.message_id, event_id, sequence })))
}

/// The body of a delivery's latest attempt, with headers that vouch for it now.
pub(crate) async fn signed(
    Tenant(account): Tenant,
    Path(event_id): Path<String>,
    JsonQuery(which): JsonQuery<Which>,
) -> Result<Response, Problem> {
    let delivery = find(&account, &event_id, &which)?;
    let not_tried = || {
        let detail = format!("event `{event_id}` has not been tried yet, so there are no bytes to sign");
        Problem::new(Code::NotFound, detail)
    };
    let attempt = delivery.attempts.last().ok_or_else(not_tried)?;
    let body = delivery.content.body(attempt.number, &attempt.url, account.host.config.compact_json);
    let mut response = body.clone().into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let inert = (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    let timestamp = account.signing_second();
    let signature = signature_headers(&account.identity, &delivery.content, timestamp, &body, false);
    response.headers_mut().extend(signature);
    response.headers_mut().extend([inert]);
    Ok(response)
}

fn find(account: &Account, event_id: &str, which: &Which) -> Result<Delivery, Problem> {
    let found = account.read(|world| {
        let is_meant = |delivery: &&Delivery| which.sequence.is_none_or(|wanted| wanted == delivery.sequence);
        world.deliveries.of_event(event_id).rfind(is_meant).cloned()
    });
    let missing = match which.sequence {
        None => format!("no delivery of event `{event_id}` is kept"),
        Some(sequence) => format!("no delivery {sequence} of event `{event_id}` is kept"),
    };
    found.ok_or_else(|| Problem::new(Code::NotFound, missing))
}

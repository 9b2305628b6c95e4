//! Tells followers of an account what changes, as server-sent events that can be resumed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt};
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::account::changes::Change;
use crate::account::{Account, World};
use crate::http::control::request::JsonQuery;
use crate::http::control::shown::ShownDelivery;
use crate::http::gate::Tenant;

/// Changes that are told in one go; a follower that does not read costs no more than these.
const BATCH: usize = 64;
const HEARTBEAT: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamQuery {
    after: Option<u64>,
}

/// Follows the account, from a revision on or from now.
pub(crate) async fn follow(
    Tenant(account): Tenant,
    JsonQuery(query): JsonQuery<StreamQuery>,
    headers: HeaderMap,
) -> Response {
    // An id that is not ours is older than everything remembered: its follower has to fetch anew.
    let last_seen =
        headers.get("last-event-id").map(|id| id.to_str().unwrap_or_default().parse().unwrap_or(0));
    let sse = Sse::new(events(account, last_seen.or(query.after)));
    let mut response = sse.keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

// The next batch is only made when the last one has left, so nothing piles up for a slow reader.
fn events(
    account: Arc<Account>,
    after: Option<u64>,
) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
    let now = account.read(|world| world.changes.revision());
    let start = after.unwrap_or(now);
    // An event without data only tells the follower where it stands, should it have to come back.
    let hello = Event::default().id(start.to_string()).comment("following");
    let batches = stream::unfold((account, start), |(account, revision)| async move {
        let batch = account.wait_as_long(|world| next_batch(&account, world, revision)).await?;
        let reached = batch.reached;
        Some((stream::iter(batch.events), (account, reached)))
    });
    stream::iter([hello]).chain(batches.flatten()).map(Ok)
}

struct Batch {
    reached: u64,
    events: Vec<Event>,
}

/// What has changed after a revision; nothing when the follower is up to date.
fn next_batch(account: &Account, world: &World, revision: u64) -> Option<Batch> {
    let Some(changes) = world.changes.after(revision) else {
        let reached = world.changes.revision();
        return Some(Batch { reached, events: vec![event(reached, "reset", &serde_json::json!({}))] });
    };
    let mut batch = Batch { reached: revision, events: Vec::new() };
    for (revision, change) in changes.take(BATCH) {
        batch.reached = revision;
        batch.events.extend(shown(account, world, revision, change));
    }
    (batch.reached > revision).then_some(batch)
}

// What has been dropped from its log since is not told any more.
fn shown(account: &Account, world: &World, revision: u64, change: Change) -> Option<Event> {
    match change {
        Change::Message(place) => {
            let message = world.messages.get(place)?;
            let payload = message.payload(message.stage_at(account.clock.now()), &account.view());
            Some(event(revision, "message", &payload))
        }
        Change::Delivery(sequence) => {
            let delivery = world.deliveries.get(sequence)?;
            Some(event(revision, "delivery", &ShownDelivery::new(delivery)))
        }
    }
}

fn event(revision: u64, name: &str, data: &impl Serialize) -> Event {
    let event = Event::default().id(revision.to_string()).event(name);
    event.json_data(data).expect("what is shown always serialises")
}

//! Shows what was sent to receivers, attempt by attempt.

use axum::Json;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::account::World;
use crate::http::control::request::{JsonQuery, limited, page_size};
use crate::http::gate::Tenant;
use crate::http::problem::{Code, Problem};
use crate::webhook::delivery::{Delivery, DeliveryStatus};

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

/// Lists deliveries, and waits for one where asked.
pub(crate) async fn list(
    Tenant(account): Tenant,
    JsonQuery(filter): JsonQuery<DeliveryFilter>,
) -> Json<Value> {
    let wait = limited(filter.wait_ms.unwrap_or(0));
    let data =
        account.wait_for(wait, |world| Some(filter.apply(world)).filter(|found| !found.is_empty())).await;
    let (pending, dropped) = account.read(|world| (world.deliveries.pending(), world.deliveries.dropped));
    Json(json!({ "data": data.unwrap_or_default(), "pending": pending, "dropped": dropped }))
}

/// Shows the latest delivery of an event.
pub(crate) async fn show(
    Tenant(account): Tenant,
    Path(event_id): Path<String>,
) -> Result<Json<Delivery>, Problem> {
    let found = account.read(|world| world.deliveries.find(&event_id).cloned());
    let missing = || Problem::new(Code::NotFound, format!("no delivery of event `{event_id}` is kept"));
    found.map(Json).ok_or_else(missing)
}

//! Shows the messages that the account has sent.

use axum::Json;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::account::World;
use crate::http::control::request::{JsonQuery, limited, page_size};
use crate::http::gate::Tenant;
use crate::http::problem::{Code, Problem};
use crate::message::Message;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageFilter {
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

/// Lists messages, and waits for one where asked.
pub(crate) async fn list(
    Tenant(account): Tenant,
    JsonQuery(filter): JsonQuery<MessageFilter>,
) -> Result<Json<Value>, Problem> {
    let after = filter.after.as_deref().map(|id| account.read(|world| world.messages.place_of(id)));
    if after == Some(None) {
        return Err(Problem::new(Code::NotFound, "the message named by `after` is not kept"));
    }
    let find = |world: &World| Some(filter.apply(world, after.flatten())).filter(|found| !found.is_empty());
    let messages = account.wait_for(limited(filter.wait_ms.unwrap_or(0)), find).await.unwrap_or_default();
    let now = account.clock.now();
    let shown = |message: &Message| message.payload(message.stage_at(now), &account.view());
    let data: Vec<Value> = messages.iter().map(shown).collect();
    let dropped = account.read(|world| world.messages.dropped);
    Ok(Json(json!({ "data": data, "dropped": dropped })))
}

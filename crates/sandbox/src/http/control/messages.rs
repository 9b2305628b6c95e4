//! Shows the messages of the account, sent and received.

use axum::Json;
use axum::extract::Path;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::account::World;
use crate::account::unseen::Unseen;
use crate::expectation::{WantedDirection, place_after};
use crate::http::control::request::{JsonQuery, limited, page_size};
use crate::http::gate::Tenant;
use crate::http::problem::{Code, Problem};
use crate::message::Message;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageFilter {
    #[serde(default)]
    direction: WantedDirection,
    from: Option<String>,
    to: Option<String>,
    party: Option<String>,
    /// Only what Telnyx itself answered to a keyword, or everything but that.
    autoresponse: Option<bool>,
    after: Option<String>,
    limit: Option<usize>,
    wait_ms: Option<u64>,
}

impl MessageFilter {
    fn admits(&self, message: &Message) -> bool {
        self.direction.admits(message)
            && self.from.as_ref().is_none_or(|wanted| *wanted == message.from)
            && self.to.as_ref().is_none_or(|wanted| message.is_to(wanted))
            && self.party.as_ref().is_none_or(|party| message.concerns(party))
            && self.autoresponse.is_none_or(|wanted| message.answers().is_some() == wanted)
    }

    /// Those among some messages that are admitted, oldest first: the first ones after a message, else the latest.
    fn choose<'a>(&self, messages: impl DoubleEndedIterator<Item = &'a Message>) -> Vec<Message> {
        let limit = page_size(self.limit);
        let admitted = messages.filter(|message| self.admits(message));
        if self.after.is_some() {
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
    let after = account.read(|world| place_after(world, filter.after.as_deref()))?;
    let mut unseen = Unseen::after(after);
    // What earlier looks have seen was not admitted, so what is unseen is all there is to choose from.
    let find = |world: &World| {
        unseen.begins_anew(world);
        Some(filter.choose(unseen.take(world))).filter(|found| !found.is_empty())
    };
    let messages = account.wait_for(limited(filter.wait_ms.unwrap_or(0)), find).await.unwrap_or_default();
    let now = account.clock.now();
    let shown = |message: &Message| message.payload(message.stage_at(now), &account.view());
    let data: Vec<Value> = messages.iter().map(shown).collect();
    let dropped = account.read(|world| world.messages.dropped);
    Ok(Json(json!({ "data": data, "dropped": dropped })))
}

/// Tells that a sent message was read.
pub(crate) async fn read(
    Tenant(account): Tenant,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let missing = || Problem::new(Code::NotFound, format!("no sent message `{id}` is kept"));
    let event_id = account.publish_read(&id).ok_or_else(missing)?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "event_id": event_id }))))
}

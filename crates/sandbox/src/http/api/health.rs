//! How the account's numbers fare, counted from their messages.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::account::World;
use crate::message::Direction;

/// Codes of messages that a carrier took for spam.
const SPAM: [&str; 2] = ["40002", "40003"];

/// What came to a number and went from it.
#[derive(Default)]
struct Tally {
    received: u32,
    sent: u32,
    delivered: u32,
    spam: u32,
}

/// The health of every number, counted in one pass over the messages.
pub(super) struct Health<'a>(HashMap<&'a str, Tally>);

impl<'a> Health<'a> {
    pub(super) fn of(world: &'a World, now: Timestamp) -> Self {
        let mut tallies: HashMap<&str, Tally> = HashMap::new();
        for record in world.records(now) {
            if record.message.direction == Direction::Inbound {
                tallies.entry(&record.recipient.number).or_default().received += 1;
                continue;
            }
            let error = record.recipient.journey.as_ref().and_then(|journey| journey.error.as_deref());
            let tally = tallies.entry(&record.message.from).or_default();
            tally.sent += 1;
            tally.delivered += u32::from(record.status == "delivered");
            tally.spam += u32::from(error.is_some_and(|code| SPAM.contains(&code)));
        }
        Self(tallies)
    }

    /// As a number's settings show it. A number that has sent nothing has ratios of 0.
    pub(super) fn shown(&self, number: &str) -> Value {
        let nothing = Tally::default();
        let tally = self.0.get(number).unwrap_or(&nothing);
        let ratio = |count: u32| f64::from(count) / f64::from(tally.sent.max(1));
        json!({
            "inbound_outbound_ratio": ratio(tally.received),
            "message_count": tally.received + tally.sent,
            "spam_ratio": ratio(tally.spam),
            "success_ratio": ratio(tally.delivered),
        })
    }
}

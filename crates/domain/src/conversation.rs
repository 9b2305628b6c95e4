//! A conversation: all messages between one of our numbers and one other party, or one group.

use serde::{Deserialize, Serialize};

use crate::message::{Direction, Message};
use crate::time::Timestamp;

/// The two sides of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConversationKey {
    /// Our number.
    pub ours: String,
    /// The other party; of a group, all others in ascending order, joined by commas.
    pub party: String,
}

impl ConversationKey {
    /// The key of a message; `None` where a side is missing.
    pub fn of(message: &Message) -> Option<Self> {
        let recipients = message.to.iter().map(|recipient| recipient.phone_number.as_str());
        let (ours, mut others): (&str, Vec<&str>) = match message.direction {
            Direction::Inbound => {
                let ours = recipients.clone().next()?;
                (ours, recipients.skip(1).chain([message.from.as_str()]).collect())
            }
            Direction::Outbound => (message.from.as_str(), recipients.collect()),
        };
        others.extend(message.cc.iter().map(String::as_str));
        others.retain(|other| !other.is_empty() && *other != ours);
        others.sort_unstable();
        others.dedup();
        let complete = !ours.is_empty() && !others.is_empty();
        complete.then(|| Self { ours: ours.to_owned(), party: others.join(",") })
    }
}

/// A conversation as lists, the API and commands show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its number.
    pub id: i64,
    /// Our number.
    pub our_number: String,
    /// The other party or parties.
    pub party: String,
    /// How many messages it has.
    pub messages: i64,
    /// How many inbound ones have not been marked read.
    pub unread: i64,
    /// When its latest message was received.
    pub last_message_at: Timestamp,
    /// The text of its latest message.
    pub last_text: Option<String>,
}

//! A message: one SMS or MMS, inbound or outbound, as the sum of what its events say.

use inlet_telnyx::ApiError;
use serde::{Deserialize, Serialize};

use crate::conversation::ConversationKey;
use crate::job::{UnknownWord, words};
use crate::media::Media;
use crate::search::Search;
use crate::time::Timestamp;

words! {
    /// Who wrote a message.
    Direction {
        /// Somebody texted us.
        Inbound = "inbound",
        /// We texted somebody.
        Outbound = "outbound",
    }
}

/// One recipient and how far the message got to them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// As Telnyx writes it.
    pub phone_number: String,
    /// The highest-ranked status seen; an open list.
    pub status: Option<String>,
    /// The recipient's carrier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// The kind of line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_type: Option<String>,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Telnyx's `payload.id`; where an inbound event has none, the event's own id.
    pub id: String,
    /// Who wrote it.
    pub direction: Direction,
    /// `SMS`, `MMS`, …; an open list.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The sender, as Telnyx writes it. May be empty.
    pub from: String,
    /// The recipients.
    pub to: Vec<Recipient>,
    /// The other members of a group.
    pub cc: Vec<String>,
    /// What was written. U+0000 is replaced.
    pub text: Option<String>,
    /// The lowest-ranked status among the recipients; of inbound messages `received`.
    pub status: Option<String>,
    /// Attachments, in order. Filled by the store from its own table.
    #[serde(default)]
    pub media: Vec<Media>,
    /// The other party's carrier.
    pub carrier: Option<String>,
    /// The other party's kind of line.
    pub line_type: Option<String>,
    /// `GSM-7`, `UCS-2`, …
    pub encoding: Option<String>,
    /// Number of parts.
    pub parts: Option<i64>,
    /// The messaging profile.
    pub messaging_profile_id: Option<String>,
    /// The conversation it belongs to; `None` where a party is missing. Filled by the store.
    #[serde(default)]
    pub conversation_id: Option<i64>,
    /// Telnyx's `received_at` where it can be read, else when its first event arrived.
    pub received_at: Timestamp,
    /// What went wrong with it.
    pub errors: Vec<ApiError>,
    /// `STOP`, `START` or `HELP` when Telnyx itself has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoresponse_type: Option<String>,
    /// Whether it came in by an event without a signature.
    #[serde(default)]
    pub unsigned: bool,
}

impl Message {
    /// Whether more than one other party takes part.
    pub fn is_group(&self) -> bool {
        !self.cc.is_empty() || self.to.len() > 1
    }

    /// The conversation's two sides, where both are known.
    pub fn conversation(&self) -> Option<ConversationKey> {
        ConversationKey::of(self)
    }
}

/// Which messages a list means. Every given part must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MessageFilter {
    /// Inbound or outbound.
    pub direction: Option<Direction>,
    /// Exactly this sender.
    pub from: Option<String>,
    /// Exactly this first recipient.
    pub to: Option<String>,
    /// Messages of this conversation.
    pub conversation_id: Option<i64>,
    /// Messages in this status.
    pub status: Option<String>,
    /// `SMS`, `MMS`, …
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Received at this moment or later.
    pub after: Option<Timestamp>,
    /// Received before this moment.
    pub before: Option<Timestamp>,
    /// With attachments, or without.
    pub has_media: Option<bool>,
    /// What else is asked, in the language of the search box.
    #[serde(skip)]
    pub search: Search,
}

//! An event: one verified webhook from Telnyx, as bytes, and what is read out of it later.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::job::{UnknownWord, words};
use crate::time::Timestamp;

/// Position of an event in commit order, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventSeq(pub i64);

words! {
    /// Where an event came from.
    Source {
        /// A verified webhook.
        Telnyx = "telnyx",
        /// Accepted by `inlet dev` without a signature, from loopback.
        Unsigned = "unsigned",
        /// Fetched from Telnyx's list of webhook deliveries.
        Backfill = "backfill",
    }
}

/// A verified body on its way into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Telnyx's `data.id`, or its stand-in: the key of deduplication.
    pub id: String,
    /// Where it came from.
    pub source: Source,
    /// When its last byte arrived.
    pub received_at: Timestamp,
    /// The exact bytes.
    pub body: Bytes,
}

/// What became of a [`NewEvent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is stored, at this position.
    New(EventSeq),
    /// An event with this id was stored before, at this position; the repeat is counted.
    Duplicate(EventSeq),
}

/// An event with its bytes, as the store gives it to routing and delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Position in commit order.
    pub seq: EventSeq,
    /// Telnyx's id or its stand-in.
    pub id: String,
    /// Where it came from.
    pub source: Source,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The exact bytes.
    pub body: Bytes,
}

/// What routing reads out of an event's bytes, kept beside them for lists and filters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFacts {
    /// `data.event_type`.
    pub event_type: Option<String>,
    /// `data.payload.id` of message events; of inbound ones without it, the event's own id.
    pub message_id: Option<String>,
    /// `data.occurred_at`, as written.
    pub occurred_at: Option<String>,
    /// `meta.attempt` of the try that was stored.
    pub attempt: Option<i64>,
    /// `meta.delivered_to` of the try that was stored.
    pub delivered_to: Option<String>,
    /// Why the bytes cannot be read; `None` when they can.
    pub unreadable: Option<String>,
}

/// An event as lists, the API and commands show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Telnyx's id or its stand-in.
    pub id: String,
    /// Position in commit order.
    pub seq: EventSeq,
    /// `message.received` and others; an open list.
    pub event_type: Option<String>,
    /// The message it speaks of.
    pub message_id: Option<String>,
    /// When it happened, as Telnyx wrote it.
    pub occurred_at: Option<String>,
    /// When it arrived.
    pub received_at: Timestamp,
    /// Which of Telnyx's tries was stored.
    pub attempt: Option<i64>,
    /// The URL Telnyx sent it to.
    pub delivered_to: Option<String>,
    /// How often it came again.
    pub duplicates: i64,
    /// Where it came from.
    pub source: Source,
    /// Whether its bytes could be read. Until it is routed, true.
    pub readable: bool,
    /// Why they could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable_reason: Option<String>,
    /// Length of the stored bytes.
    pub size_bytes: i64,
}

/// Which events a list or a replay means. Every given part must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventFilter {
    /// Exactly this type.
    pub event_type: Option<String>,
    /// Events that speak of this message.
    pub message_id: Option<String>,
    /// Events from this source.
    pub source: Option<Source>,
    /// Readable or unreadable ones.
    pub readable: Option<bool>,
    /// Received at this moment or later.
    pub after: Option<Timestamp>,
    /// Received before this moment.
    pub before: Option<Timestamp>,
}

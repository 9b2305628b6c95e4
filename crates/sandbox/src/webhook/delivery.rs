//! One event on its way to a receiver, with every attempt.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;

use crate::webhook::event;
use crate::webhook::hold::Hold;
use crate::webhook::route::Route;

/// How the delivery of an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// Not tried yet, or to be tried again.
    Pending,
    /// A receiver answered with success.
    Delivered,
    /// All tries failed.
    Failed,
    /// Neither the request nor the profile names a URL.
    NoUrl,
    /// A fault swallowed it, or webhook API version 1 has no form for it (a message to a group).
    Dropped,
}

/// One event and all attempts to deliver it. The control API shows it in a form of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Delivery {
    /// Place in the log; later deliveries have greater ones.
    pub sequence: u64,
    /// The event's id, `data.id`.
    pub event_id: String,
    /// The event's type.
    pub event_type: String,
    /// The message it speaks of.
    pub message_id: String,
    /// How it stands.
    pub status: DeliveryStatus,
    /// Primary URL.
    pub url: Option<Url>,
    /// Failover URL.
    pub failover_url: Option<Url>,
    /// When the event came to be.
    pub started_at: Timestamp,
    /// When its delivery ended.
    pub finished_at: Option<Timestamp>,
    /// Attempts in the order in which they ended.
    pub attempts: Vec<Attempt>,
    pub(crate) content: Content,
    /// The numbers of its message, by which faults find it.
    pub(crate) numbers: Vec<String>,
    /// Copies whose delivery has not ended.
    pub(crate) outstanding: u32,
}

/// What the receiver gets.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Content {
    /// An event's `data`; each attempt adds its own `meta`. Text takes a fifth of the memory of a tree.
    Event(Box<RawValue>),
    /// The whole body of a webhook of API version 1, and the secret that signs it.
    Flat { body: Box<RawValue>, secret: String },
    /// Bytes that are sent as they are, at each attempt.
    Raw(#[serde(with = "crate::base64_bytes")] Bytes),
}

/// One try to deliver an event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Attempt {
    /// `meta.attempt` of the body.
    pub number: u32,
    /// 0 for the event itself; duplicates made by a fault count from 1.
    pub copy: u32,
    /// The URL it went to, `meta.delivered_to`.
    pub url: Url,
    /// Unix second that was signed.
    pub timestamp: i64,
    /// When it began, on the sandbox's clock.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// How long it took in truth, however the sandbox's clock moved.
    pub duration_ms: u64,
    /// Whether the receiver took it.
    pub delivered: bool,
    /// The receiver's HTTP status, if it answered.
    pub response_status: Option<u16>,
    /// Names and values of the receiver's headers, as far as they fit into eight kilobytes.
    pub response_headers: Vec<(String, String)>,
    /// The first ten kilobytes of the receiver's answer.
    pub response_body: String,
    /// Why it counts as failed, or as odd.
    pub error: Option<AttemptError>,
    /// What was made wrong on purpose.
    pub(crate) forgery: Forgery,
}

/// What a fault makes wrong in one attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Forgery {
    /// A stranger signs.
    pub(crate) foreign_key: bool,
    /// The body is altered after it was signed.
    pub(crate) altered: bool,
}

/// What went wrong with an attempt, by Telnyx's delivery codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptError {
    /// From 75000 on.
    pub code: String,
    /// A few words.
    pub title: String,
}

/// An event that is to be delivered.
pub(crate) struct NewEvent {
    pub(crate) content: Content,
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    pub(crate) message_id: String,
    /// The numbers of its message, by which faults find it.
    pub(crate) numbers: Vec<String>,
    pub(crate) route: Route,
    pub(crate) due_at: Timestamp,
    /// How often it is sent in all.
    pub(crate) copies: u32,
    /// Lets it go only behind another event.
    pub(crate) hold: Option<Hold>,
    pub(crate) is_dropped: bool,
}

impl Content {
    pub(crate) fn event(data: &Value) -> Self {
        Self::Event(raw(data))
    }

    pub(crate) fn flat(body: &Value, secret: &str) -> Self {
        Self::Flat { body: raw(body), secret: secret.to_owned() }
    }

    /// The version of Telnyx's webhooks that it has the form of.
    pub(crate) fn api_version(&self) -> &'static str {
        match self {
            Self::Flat { .. } => "1",
            Self::Event(_) | Self::Raw(_) => "2",
        }
    }

    /// The body of one attempt.
    pub(crate) fn body(&self, attempt: u32, delivered_to: &Url, is_compact: bool) -> Vec<u8> {
        match self {
            Self::Event(_) => event::body(&self.data(), attempt, delivered_to.as_str(), is_compact),
            Self::Flat { .. } => event::bytes(&self.data(), is_compact),
            Self::Raw(bytes) => bytes.to_vec(),
        }
    }

    /// Replaces a text that JSON writes as it is, as URLs.
    pub(crate) fn replace(&mut self, from: &str, to: &str) {
        if let Self::Event(data) | Self::Flat { body: data, .. } = self {
            let replaced = RawValue::from_string(data.get().replace(from, to));
            *data = replaced.expect("a URL in the place of a URL leaves JSON as it was");
        }
    }

    /// How much memory it takes.
    fn size_bytes(&self) -> usize {
        match self {
            Self::Event(data) | Self::Flat { body: data, .. } => data.get().len(),
            Self::Raw(bytes) => bytes.len(),
        }
    }

    fn data(&self) -> Value {
        match self {
            Self::Event(data) | Self::Flat { body: data, .. } => {
                serde_json::from_str(data.get()).expect("kept as the text of a JSON value")
            }
            Self::Raw(_) => Value::Null,
        }
    }
}

fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("a JSON value always serialises")
}

impl Attempt {
    /// About how much memory it takes.
    pub(crate) fn size_bytes(&self) -> usize {
        let headers = self.response_headers.iter().map(|(name, value)| name.len() + value.len());
        size_of_val(self) + self.response_body.len() + headers.sum::<usize>()
    }
}

impl Delivery {
    /// The event's `data`, the same at each attempt; the whole body of API version 1; null when raw bytes were sent.
    pub fn data(&self) -> Value {
        self.content.data()
    }

    /// About how much memory it takes, but for its attempts.
    pub(crate) fn size_bytes(&self) -> usize {
        size_of_val(self) + self.content.size_bytes()
    }

    pub(crate) fn opened(
        event: NewEvent,
        sequence: u64,
        ended: Option<DeliveryStatus>,
        now: Timestamp,
    ) -> Self {
        Self {
            sequence,
            event_id: event.event_id,
            event_type: event.event_type,
            message_id: event.message_id,
            status: ended.unwrap_or(DeliveryStatus::Pending),
            url: event.route.primary,
            failover_url: event.route.failover,
            started_at: now,
            finished_at: ended.map(|_| now),
            attempts: Vec::new(),
            content: event.content,
            numbers: event.numbers,
            outstanding: if ended.is_some() { 0 } else { event.copies },
        }
    }

    pub(crate) fn route(&self) -> Route {
        Route { primary: self.url.clone(), failover: self.failover_url.clone() }
    }

    /// The same event once more, due now.
    pub(crate) fn again(&self, route: Route, now: Timestamp) -> NewEvent {
        NewEvent {
            content: self.content.clone(),
            event_id: self.event_id.clone(),
            event_type: self.event_type.clone(),
            message_id: self.message_id.clone(),
            numbers: self.numbers.clone(),
            route,
            due_at: now,
            copies: 1,
            hold: None,
            is_dropped: false,
        }
    }
}

//! One webhook body: its key for deduplication, read tolerantly, and its envelope, read strictly.

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::json::{self, Unreadable};
use crate::payload::{self, MessagePayload};
use crate::signature::hex;

// Longer ids are not Telnyx's (36 characters); they would only bloat an index.
const MAX_ID_BYTES: usize = 255;

/// What identifies an event: `data.id`, or a digest that stands in for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKey {
    /// The text of `data.id`.
    Id(String),
    /// `sha256-` and the hexadecimal SHA-256 of the bytes of `data`, or of the whole body where there is no `data`.
    /// `meta` is left out where possible, because `meta.attempt` changes between tries of one event.
    StandIn(String),
}

impl EventKey {
    /// The key's text, whichever kind it is.
    pub fn into_text(self) -> String {
        match self {
            Self::Id(text) | Self::StandIn(text) => text,
        }
    }
}

#[derive(Deserialize)]
struct Outer<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Data {
    id: Option<Value>,
}

/// Finds the key of any bytes whatever; never fails. Invalid UTF-8 is read with replacement characters.
pub fn find_event_key(body: &[u8]) -> EventKey {
    let text = String::from_utf8_lossy(body);
    let Some(data) = serde_json::from_str::<Outer<'_>>(&text).ok().and_then(|outer| outer.data) else {
        return stand_in(body);
    };
    let id = serde_json::from_str::<Data>(data.get()).ok().and_then(|data| data.id).and_then(id_text);
    id.map_or_else(|| stand_in(data.get().as_bytes()), EventKey::Id)
}

fn id_text(id: Value) -> Option<String> {
    let text = match id {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let usable = !text.is_empty() && text.len() <= MAX_ID_BYTES && !text.chars().any(char::is_control);
    usable.then_some(text)
}

fn stand_in(bytes: &[u8]) -> EventKey {
    EventKey::StandIn(format!("sha256-{}", hex(digest(&SHA256, bytes).as_ref())))
}

/// What Telnyx says of the delivery itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventMeta {
    /// Which try this body was, from 1; Telnyx counts per URL.
    pub attempt: Option<i64>,
    /// The URL Telnyx sent it to.
    pub delivered_to: Option<String>,
}

/// The envelope of a readable event. Every member may be missing: three documented events have no `data` at all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Event {
    /// `data.event_type`, or the top-level `event_type` of the flat events.
    pub event_type: Option<String>,
    /// `data.occurred_at` as written; formats vary.
    pub occurred_at: Option<String>,
    /// `meta`.
    pub meta: EventMeta,
    /// `data.payload`, or the top-level `payload`.
    pub payload: Option<Value>,
}

impl Event {
    /// Reads a body. Only broken JSON, repeated keys and broken UTF-8 are errors; odd shapes are not.
    pub fn read(body: &[u8]) -> Result<Self, Unreadable> {
        let mut root = json::parse(body)?;
        let meta = EventMeta {
            attempt: payload::integer(&root["meta"], "attempt"),
            delivered_to: payload::text(&root["meta"], "delivered_to"),
        };
        let has_data = root["data"].is_object();
        let data = if has_data { &mut root["data"] } else { &mut root };
        Ok(Self {
            event_type: payload::text(data, "event_type"),
            occurred_at: payload::text(data, "occurred_at"),
            meta,
            payload: data.get_mut("payload").map(Value::take).filter(Value::is_object),
        })
    }

    /// The payload as a message, when it is one: `record_type` `message`, or an event type beginning `message.`.
    pub fn message(&self) -> Option<MessagePayload> {
        let payload = self.payload.as_ref()?;
        let named = self.event_type.as_deref().is_some_and(|name| name.starts_with("message."));
        let is_message = named || payload::text(payload, "record_type").as_deref() == Some("message");
        is_message.then(|| MessagePayload::read(payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> EventKey {
        EventKey::Id(text.to_owned())
    }

    #[test]
    fn id_is_found_whatever_stands_around_it() {
        assert_eq!(find_event_key(br#"{"data":{"id":"e-1","payload":{"a":1,"a":2}}}"#), id("e-1"));
        assert_eq!(find_event_key(b"{\"data\":{\"id\":\"e-1\",\"x\":\"\xff\\u0000\"}}"), id("e-1"));
        assert_eq!(find_event_key(br#"{"data":{"id":7}}"#), id("7"));
        assert_eq!(find_event_key(br#"{"meta":[[[]]],"data":{"id":"e"}} "#), id("e"));
    }

    #[test]
    fn stand_in_ignores_meta_and_covers_everything() {
        let first = find_event_key(br#"{"data":{"text":"x"},"meta":{"attempt":1}}"#);
        let second = find_event_key(br#"{"data":{"text":"x"},"meta":{"attempt":2}}"#);
        assert!(matches!(first, EventKey::StandIn(_)));
        assert_eq!(first, second);
        let long = format!(r#"{{"data":{{"id":"{}"}}}}"#, "x".repeat(256));
        for body in [
            "",
            "[]",
            "{",
            "null",
            r#"{"data":3}"#,
            r#"{"data":{"id":""}}"#,
            r#"{"data":{"id":"a\nb"}}"#,
            r#"{"data":{"id":"a","id":"b"}}"#,
            r#"{"data":{"id":{}}}"#,
            &long,
        ] {
            assert!(matches!(find_event_key(body.as_bytes()), EventKey::StandIn(_)), "{body}");
        }
    }

    #[test]
    fn flat_events_without_data_are_readable() {
        let event =
            Event::read(br#"{"event_type":"whatsapp.template.approved","payload":{"id":"t"}}"#).unwrap();
        assert_eq!(event.event_type.as_deref(), Some("whatsapp.template.approved"));
        assert!(event.message().is_none());
        assert!(Event::read(b"[1]").unwrap().event_type.is_none());
    }

    #[test]
    fn attempt_may_be_a_string() {
        let event = Event::read(br#"{"data":{},"meta":{"attempt":"2","delivered_to":"u"}}"#).unwrap();
        assert_eq!(event.meta.attempt, Some(2));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_have_the_same_key_twice(body in proptest::collection::vec(0u8.., 0..300)) {
            let _ = Event::read(&body);
            proptest::prop_assert_eq!(find_event_key(&body), find_event_key(&body));
        }
    }
}

//! Strict JSON: a key twice in one object, at any depth, makes the whole body unreadable.
//!
//! Parsers disagree about which of two equal keys counts; a body that means different things to different
//! readers is stored, shown as unreadable, and never acted on.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Nesting beyond this depth is unreadable; the limit of `serde_json`.
pub const MAX_DEPTH: usize = 128;

/// Why stored bytes cannot be read as an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unreadable {
    /// One sentence without the content itself.
    pub reason: String,
}

impl Unreadable {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

/// Parses bytes as one JSON value without repeated keys.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Unreadable> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| Unreadable::new(format!("body is not UTF-8 at byte {}", e.valid_up_to())))?;
    let strict: Strict = serde_json::from_str(text)
        .map_err(|e| Unreadable::new(format!("body is not strict JSON: {}", describe(&e))))?;
    Ok(strict.0)
}

// serde_json's message may quote the content, which must not reach logs.
fn describe(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Data => "an object has a key twice",
        _ if error.to_string().starts_with("recursion limit") => "it is nested more than 128 deep",
        _ => "syntax error",
    };
    format!("{what} at line {} column {}", error.line(), error.column())
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value without repeated keys")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E: Error>(self, v: i64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_u64<E: Error>(self, v: u64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_f64<E: Error>(self, v: f64) -> Result<Value, E> {
        Ok(Number::from_f64(v).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let Strict(value) = map.next_value()?;
            if members.insert(key, value).is_some() {
                return Err(A::Error::custom("repeated key"));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_keys_are_unreadable_at_any_depth() {
        assert!(parse(br#"{"a":1,"a":2}"#).unwrap_err().reason.contains("twice"));
        assert!(parse(br#"{"a":[{"b":{"c":1,"c":1}}]}"#).is_err());
        assert!(parse(br#"{"a":1,"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn depth_and_encoding_are_named() {
        let deep = "[".repeat(100_000);
        assert!(parse(deep.as_bytes()).unwrap_err().reason.contains("128"));
        assert!(parse(b"{\"a\":\"\xff\"}").unwrap_err().reason.contains("UTF-8 at byte 6"));
    }

    #[test]
    fn reasons_do_not_quote_the_content() {
        let reason = parse(br#"{"text": "my secret" oops}"#).unwrap_err().reason;
        assert!(!reason.contains("secret"), "{reason}");
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_serde_json_where_no_key_repeats(text in "[\\[\\]{}:,0-9a-c\" ]{0,40}") {
            if let Ok(strict) = parse(text.as_bytes()) {
                proptest::prop_assert_eq!(strict, serde_json::from_str::<Value>(&text).unwrap());
            }
        }
    }
}

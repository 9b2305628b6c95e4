//! The bytes of a webhook: pretty-printed, keys sorted, as captured bodies of Telnyx are.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::clock;

/// The `data` of an event, which is the same at every attempt.
pub(crate) fn data(id: &str, event_type: &str, occurred_at: Timestamp, payload: Value) -> Value {
    json!({
        "event_type": event_type,
        "id": id,
        "occurred_at": clock::format(occurred_at),
        "payload": payload,
        "record_type": "event",
    })
}

/// The body of one attempt. `meta` is inside what is signed, so each attempt has other bytes.
pub(crate) fn body(data: &Value, attempt: u32, delivered_to: &str, is_compact: bool) -> Vec<u8> {
    let meta = json!({ "attempt": attempt, "delivered_to": delivered_to });
    bytes(&json!({ "data": data, "meta": meta }), is_compact)
}

/// A body on the wire: in two-space indentation, or without any white space.
pub(crate) fn bytes(body: &Value, is_compact: bool) -> Vec<u8> {
    let bytes = if is_compact { serde_json::to_vec(body) } else { serde_json::to_vec_pretty(body) };
    bytes.expect("a JSON value always serialises")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_indented_by_two_and_their_keys_are_sorted() {
        let data = data("1", "message.received", Timestamp::UNIX_EPOCH, json!({"to": [], "from": null}));
        insta::assert_snapshot!(String::from_utf8(body(&data, 2, "http://localhost/", false)).unwrap(), @r#"
        {
          "data": {
            "event_type": "message.received",
            "id": "1",
            "occurred_at": "1970-01-01T00:00:00.000+00:00",
            "payload": {
              "from": null,
              "to": []
            },
            "record_type": "event"
          },
          "meta": {
            "attempt": 2,
            "delivered_to": "http://localhost/"
          }
        }
        "#);
    }
}

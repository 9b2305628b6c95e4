//! A message inside an event, read tolerantly: every field may be absent, null, or of another type than documented.

use serde_json::Value;

use crate::api_error::ApiError;

/// One party of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Party {
    /// As written: E.164, a short code (sometimes with `+`), or an alphanumeric sender.
    pub phone_number: Option<String>,
    /// Free text, may be empty.
    pub carrier: Option<String>,
    /// `Wireless`, `long_code`, … ; an open list.
    pub line_type: Option<String>,
    /// Delivery status of this recipient; an open list.
    pub status: Option<String>,
}

/// One attachment as the event declares it. Nothing here is trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MediaItem {
    /// Where it can be fetched.
    pub url: String,
    /// Declared media type.
    pub content_type: Option<String>,
    /// Declared size in bytes.
    pub size_bytes: Option<u64>,
    /// Declared digest (`sha256`, or `hash_sha256` as real bodies call it), as written.
    pub sha256: Option<String>,
}

/// The payload of `message.*` events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessagePayload {
    /// The message's id, equal to the one `GET /v2/messages/{id}` takes.
    pub id: Option<String>,
    /// `inbound` or `outbound`.
    pub direction: Option<String>,
    /// `SMS`, `MMS`, `RCS`, `WHATSAPP`; an open list.
    pub kind: Option<String>,
    /// The sender.
    pub from: Option<Party>,
    /// The recipients.
    pub to: Vec<Party>,
    /// The other members of a group; may contain our own number.
    pub cc: Vec<Party>,
    /// The text; of RCS, `body.text`.
    pub text: Option<String>,
    /// MMS subject.
    pub subject: Option<String>,
    /// The attachments; of RCS, `body.user_file`.
    pub media: Vec<MediaItem>,
    /// The messaging profile.
    pub messaging_profile_id: Option<String>,
    /// `GSM-7`, `UCS-2`; an open list.
    pub encoding: Option<String>,
    /// Number of parts.
    pub parts: Option<i64>,
    /// When Telnyx received it, as written.
    pub received_at: Option<String>,
    /// What went wrong.
    pub errors: Vec<ApiError>,
    /// `STOP`, `START` or `HELP` when Telnyx itself has answered.
    pub autoresponse_type: Option<String>,
    /// The webhook URL of this one message, as given when it was sent.
    pub webhook_url: Option<String>,
}

impl MessagePayload {
    /// Reads whatever of a payload can be read.
    pub fn read(payload: &Value) -> Self {
        let body = &payload["body"];
        let mut media = list(&payload["media"]).filter_map(media_item).collect::<Vec<_>>();
        media.extend(rcs_file(body));
        Self {
            id: text(payload, "id").filter(|id| !id.is_empty()),
            direction: text(payload, "direction"),
            kind: text(payload, "type"),
            from: party(&payload["from"]),
            to: list(&payload["to"]).filter_map(party).collect(),
            cc: list(&payload["cc"]).filter_map(party).collect(),
            text: text(payload, "text").or_else(|| text(body, "text")),
            subject: text(payload, "subject"),
            media,
            messaging_profile_id: text(payload, "messaging_profile_id"),
            encoding: text(payload, "encoding"),
            parts: integer(payload, "parts"),
            received_at: text(payload, "received_at"),
            errors: list(&payload["errors"]).filter_map(ApiError::read).collect(),
            autoresponse_type: text(payload, "autoresponse_type").filter(|kind| !kind.is_empty()),
            webhook_url: text(payload, "webhook_url").filter(|url| !url.is_empty()),
        }
    }
}

// An array, one lone item, or nothing: real bodies have had all three for `to`.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        Value::Null => &[],
        one => std::slice::from_ref(one),
    };
    items.iter()
}

fn party(value: &Value) -> Option<Party> {
    match value {
        Value::String(number) => Some(Party { phone_number: Some(number.clone()), ..Party::default() }),
        Value::Object(_) => Some(Party {
            phone_number: text(value, "phone_number").or_else(|| text(value, "agent_id")),
            carrier: text(value, "carrier"),
            line_type: text(value, "line_type"),
            status: text(value, "status"),
        }),
        _ => None,
    }
}

fn media_item(value: &Value) -> Option<MediaItem> {
    if let Value::String(url) = value {
        return Some(MediaItem { url: url.clone(), ..MediaItem::default() });
    }
    Some(MediaItem {
        url: text(value, "url")?,
        content_type: text(value, "content_type").or_else(|| text(value, "type")),
        size_bytes: integer(value, "size").and_then(|size| u64::try_from(size).ok()),
        sha256: text(value, "hash_sha256").or_else(|| text(value, "sha256")),
    })
}

fn rcs_file(body: &Value) -> Option<MediaItem> {
    let file = &body["user_file"]["payload"];
    Some(MediaItem {
        url: text(file, "file_uri")?,
        content_type: text(file, "mime_type"),
        size_bytes: integer(file, "file_size_bytes").and_then(|size| u64::try_from(size).ok()),
        sha256: None,
    })
}

/// A member as text; numbers and booleans are rendered.
pub(crate) fn text(object: &Value, key: &str) -> Option<String> {
    match object.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// A member as an integer; numeric strings are read.
pub(crate) fn integer(object: &Value, key: &str) -> Option<i64> {
    match object.get(key)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn numbers(parties: &[Party]) -> Vec<&str> {
        parties.iter().filter_map(|party| party.phone_number.as_deref()).collect()
    }

    #[test]
    fn recipients_may_be_a_list_an_object_or_a_text() {
        let shapes = [
            json!([{"phone_number": "+15550100"}]),
            json!({"phone_number": "+15550100"}),
            json!("+15550100"),
        ];
        for to in shapes {
            assert_eq!(numbers(&MessagePayload::read(&json!({ "to": to })).to), ["+15550100"]);
        }
        assert!(MessagePayload::read(&json!({"to": 3, "cc": null})).to.is_empty());
        assert_eq!(
            numbers(&MessagePayload::read(&json!({"cc": ["+1", {"phone_number": "+2"}]})).cc),
            ["+1", "+2"]
        );
    }

    #[test]
    fn both_digest_names_are_read() {
        let media = json!([{"url": "u", "sha256": "a"}, {"url": "v", "hash_sha256": "b", "size": "12"}, "w", {"x": 1}]);
        let read = MessagePayload::read(&json!({ "media": media })).media;
        assert_eq!(
            read.iter().map(|item| item.sha256.as_deref()).collect::<Vec<_>>(),
            [Some("a"), Some("b"), None]
        );
        assert_eq!(read[1].size_bytes, Some(12));
    }

    #[test]
    fn rcs_text_and_file_are_read() {
        let payload = json!({"body": {"text": "hi", "user_file": {"payload": {"file_uri": "u", "mime_type": "image/png"}}}});
        let read = MessagePayload::read(&payload);
        assert_eq!((read.text.as_deref(), read.media.len()), (Some("hi"), 1));
    }
}

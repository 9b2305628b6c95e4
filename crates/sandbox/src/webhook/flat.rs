//! Webhooks of API version 1: one flat object, made from what version 2 would have as its payload.

use inlet_telnyx::{Encoding, Segments};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::media::sha256;

/// The body that tells of a message; none for a message to a group, of which only version 2 can tell.
pub(crate) fn body(payload: &Value, updated_at: Timestamp) -> Option<Value> {
    let is_group = ["cc", "to"]
        .iter()
        .zip([0, 1])
        .any(|(name, most)| payload[*name].as_array().is_some_and(|parties| parties.len() > most));
    match payload["direction"].as_str() {
        _ if is_group => None,
        Some("inbound") => Some(inbound(payload)),
        _ => Some(status(payload, updated_at)),
    }
}

fn inbound(payload: &Value) -> Value {
    let mut body = json!({
        "direction": "inbound",
        "from": payload["from"]["phone_number"],
        "sms_id": payload["id"],
        "to": payload["to"][0]["phone_number"],
    });
    let parts = ["subject", "text"].iter().filter_map(|name| payload[*name].as_str());
    let text = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n");
    // It is never empty, so a message of pictures alone has none.
    if !text.is_empty() {
        body["body"] = json!(text);
    }
    if payload["type"] == "MMS" {
        body["media"] = payload["media"].clone();
    }
    body
}

// How far `status` and `delivery_status` agree is not published; a sent message has an empty second one.
fn status(payload: &Value, updated_at: Timestamp) -> Value {
    let to = &payload["to"][0];
    let status = to["status"].as_str().unwrap_or_default();
    let is_final = !matches!(status, "queued" | "sending" | "sent");
    let created_at = payload["received_at"].as_str().and_then(|text| text.parse().ok()).unwrap_or(updated_at);
    let cost = if is_final { payload["cost"].clone() } else { Value::Null };
    json!({
        "body": text_facts(payload["text"].as_str().unwrap_or_default()),
        "carrier": to["carrier"],
        "cost": cost["amount"],
        "created": created_at.as_millisecond(),
        "currency": cost["currency"],
        "date_created": date(created_at),
        "date_updated": date(updated_at),
        "delivery_status": if is_final { status } else { "" },
        "direction": "outbound",
        "errors": payload["errors"],
        "from": payload["from"]["phone_number"],
        "line_type": to["line_type"],
        "on_net": to["carrier"] == "Telnyx",
        "profile_id": payload["messaging_profile_id"],
        "sms_gw_id": payload["id"],
        "sms_id": payload["id"],
        "status": status,
        "to": to["phone_number"],
        "type": payload["type"],
        "updated": updated_at.as_millisecond(),
        "user_id": payload["organization_id"],
    })
}

fn text_facts(text: &str) -> Value {
    let segments = Segments::of(text);
    let (coding, bytes): (u8, Vec<u8>) = match segments.encoding {
        Encoding::Ucs2 => (8, text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        Encoding::Gsm7 => (0, text.bytes().collect()),
    };
    json!({
        "bytes_hash": sha256(&bytes),
        "coding": coding,
        "num_bytes": bytes.len(),
        "num_chars": text.chars().count(),
        "parts": segments.parts,
        "text": text,
        "text_hash": sha256(text.as_bytes()),
    })
}

// Microseconds and no zone.
fn date(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_every_name_of_the_published_one() {
        let payload = json!({
            "cc": [], "direction": "outbound", "received_at": "2026-07-01T00:00:00.000+00:00", "text": "Hé",
            "to": [{"phone_number": "+15551234567", "status": "delivered"}], "type": "SMS",
        });
        let body = body(&payload, "2026-07-01T00:00:01.5Z".parse().unwrap()).unwrap();
        let names =
            |value: &Value| value.as_object().map(|object| object.keys().cloned().collect::<Vec<_>>());
        let expected = "body carrier cost created currency date_created date_updated delivery_status direction \
                        errors from line_type on_net profile_id sms_gw_id sms_id status to type updated user_id";
        assert_eq!(names(&body).unwrap().join(" "), expected);
        let expected = "bytes_hash coding num_bytes num_chars parts text text_hash";
        assert_eq!(names(&body["body"]).unwrap().join(" "), expected);
        assert_eq!(body["date_updated"], "2026-07-01T00:00:01.500000");
        assert_eq!(body["updated"].as_i64().unwrap() - body["created"].as_i64().unwrap(), 1500);
    }

    #[test]
    fn a_text_has_its_parts_in_lines_and_pictures_alone_have_no_body() {
        let text = |subject: Value, text: &str| json!({"direction": "inbound", "subject": subject, "text": text, "type": "MMS", "media": [], "to": [{}]});
        let body_of = |payload: Value| body(&payload, Timestamp::UNIX_EPOCH).unwrap().get("body").cloned();
        assert_eq!(body_of(text(json!("Hi"), "there")), Some(json!("Hi\nthere")));
        assert_eq!(body_of(text(Value::Null, "")), None);
    }

    #[test]
    fn a_group_has_no_form() {
        let group = json!({"direction": "inbound", "cc": ["+15550000001"], "to": [{}]});
        assert_eq!(body(&group, Timestamp::UNIX_EPOCH), None);
    }
}

//! Webhooks as Telnyx sends them, signed beforehand, so that the clock measures the gateway alone.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use bytes::Bytes;
use inlet_telnyx::SigningKey;
use serde_json::json;

/// Everything that will be sent.
pub(crate) struct Requests {
    /// The key that verifies them, base64.
    pub(crate) public_key: String,
    /// Unique events.
    pub(crate) events: Vec<Signed>,
    /// Which event each request carries, in the order of sending.
    pub(crate) order: Vec<u32>,
}

/// One event, ready to send.
pub(crate) struct Signed {
    pub(crate) id: String,
    pub(crate) body: Bytes,
    pub(crate) signature: String,
    pub(crate) timestamp: String,
}

/// Signs `count` unique events and mixes in repeats, every `1/duplicates`-th request.
#[expect(clippy::disallowed_methods, reason = "the driver stands outside: it signs at the real time")]
pub(crate) fn sign(count: usize, duplicates: f64) -> anyhow::Result<Requests> {
    let key = SigningKey::from_seed(&[42; 32]).context("the seed makes a key")?;
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let events = (0..count).map(|number| one(&key, now, number)).collect::<Result<_, _>>()?;
    Ok(Requests { public_key: key.public().to_base64(), events, order: order(count, duplicates) })
}

fn order(count: usize, duplicates: f64) -> Vec<u32> {
    let (mut order, mut owed, mut noise) = (Vec::new(), 0.0, 0x9e37_79b9_7f4a_7c15_u64);
    for number in 0..u32::try_from(count).unwrap_or(u32::MAX) {
        order.push(number);
        owed += duplicates / (1.0 - duplicates);
        while owed >= 1.0 {
            // Xorshift: any earlier event, the same in every run.
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            order.push(u32::try_from(noise % u64::from(number + 1)).unwrap_or(0));
            owed -= 1.0;
        }
    }
    order
}

fn one(key: &SigningKey, now: i64, number: usize) -> anyhow::Result<Signed> {
    // Random-looking ids, as Telnyx's are: they cost an index more than ascending ones.
    let scattered = (number as u128 + 1).wrapping_mul(0x2545_f491_4f6c_dd1d_9e37_79b9_7f4a_7c15);
    let hex = format!("{scattered:032x}");
    let id = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    let body = serde_json::to_vec_pretty(&json!({
        "data": {
            "event_type": "message.received", "id": id, "occurred_at": "2026-01-15T20:16:07.588+00:00",
            "payload": {
                "direction": "inbound", "encoding": "GSM-7", "errors": [], "id": format!("m{id}"), "media": [],
                "from": {"carrier": "T-Mobile USA", "line_type": "Wireless", "phone_number": format!("+1555{:07}", number % 10_000_000)},
                "messaging_profile_id": "740572b6-099c-44a1-89b9-6c92163bc68d", "organization_id": "47a530f8-4362-4526-829b-bcee17fd9f7a",
                "parts": 1, "received_at": "2026-01-15T20:16:07.503+00:00", "record_type": "message", "tags": [],
                "text": format!("Could you move my appointment to {}?", number), "type": "SMS", "webhook_url": null,
                "to": [{"carrier": "Telnyx", "line_type": "Wireless", "phone_number": "+17735550002", "status": "webhook_delivered"}]
            },
            "record_type": "event"
        },
        "meta": {"attempt": 1, "delivered_to": "https://texts.example.com/webhooks"}
    }))?;
    let signature = key.sign(now, &body);
    Ok(Signed { id, body: body.into(), signature, timestamp: now.to_string() })
}

//! Webhooks as Telnyx sends them, rendered and signed beforehand, so that the clock measures the server alone.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use inlet_telnyx::SigningKey;
use serde_json::json;

use crate::cores;

// Longer than an event takes: the driver's core is free for most of the time.
const LEISURE: Duration = Duration::from_millis(1);

/// Where every server takes webhooks.
pub(crate) const PATH: &str = "/webhooks";

/// Everything that will be sent.
pub(crate) struct Requests {
    /// Unique events.
    pub(crate) events: Vec<Signed>,
    /// Which event each request carries, in the order of sending.
    pub(crate) order: Vec<u32>,
}

/// One event as the bytes of its whole request.
pub(crate) struct Signed {
    /// `data.id` as the number its hexadecimal digits write.
    pub(crate) id: u128,
    /// Head and body, ready to be written to a socket.
    pub(crate) wire: Box<[u8]>,
    body_at: usize,
}

impl Signed {
    /// The bytes that must be stored.
    pub(crate) fn body(&self) -> &[u8] {
        &self.wire[self.body_at..]
    }
}

/// Which events to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Make {
    /// Unique events.
    pub(crate) count: usize,
    /// Number of the first one: events of different numbers (or seeds) have different ids.
    pub(crate) first: u64,
    /// Share of requests that repeat an earlier event of this set, from 0 up to below 1.
    pub(crate) duplicates: f64,
    /// Where the ids begin.
    pub(crate) seed: u64,
    /// Seconds added to the time of signing, for sets that are sent over minutes; the window is ±300 s.
    pub(crate) ahead_s: i64,
}

impl Make {
    /// `count` unique events signed now.
    pub(crate) fn unique(count: usize, seed: u64) -> Self {
        Self { count, first: 0, duplicates: 0.0, seed, ahead_s: 0 }
    }
}

/// The key that verifies all events of this driver, base64.
pub(crate) fn public_key() -> anyhow::Result<String> {
    Ok(key()?.public().to_base64())
}

fn key() -> anyhow::Result<SigningKey> {
    SigningKey::from_seed(&[42; 32]).context("the seed makes a key")
}

impl Requests {
    /// Signs on all cores; about 30 µs an event and core.
    pub(crate) fn sign(make: Make) -> anyhow::Result<Self> {
        Self::build(make, true)
    }

    /// Signs on the calling thread alone, about one event a millisecond: for a set that is needed while another is sent,
    /// which must notice nothing of it.
    pub(crate) fn sign_at_leisure(make: Make) -> anyhow::Result<Self> {
        let (key, template, now) = (key()?, Template::new()?, now()? + make.ahead_s);
        let event = |number| {
            thread::sleep(LEISURE);
            template.event(&key, make, now, number, true)
        };
        let events = (0..make.count).map(event).collect::<anyhow::Result<_>>()?;
        Ok(Self { events, order: order(make) })
    }

    /// The same as [`Requests::sign`] with signatures of the right form that no key has made.
    pub(crate) fn forge(make: Make) -> anyhow::Result<Self> {
        Self::build(make, false)
    }

    fn build(make: Make, genuine: bool) -> anyhow::Result<Self> {
        let (workers, template, now) = (cores::count(), Template::new()?, now()? + make.ahead_s);
        let share = make.count.div_ceil(workers).max(1);
        let events = thread::scope(|scope| {
            let starts = (0..make.count).step_by(share);
            let parts: Vec<_> = starts
                .map(|start| {
                    let (template, range) = (&template, start..(start + share).min(make.count));
                    scope.spawn(move || {
                        cores::pin_anywhere();
                        let key = key()?;
                        range.map(|number| template.event(&key, make, now, number, genuine)).collect()
                    })
                })
                .collect();
            let mut events = Vec::with_capacity(make.count);
            for part in parts {
                let part: anyhow::Result<Vec<Signed>> = part.join().expect("signing does not panic");
                events.extend(part?);
            }
            anyhow::Ok(events)
        })?;
        Ok(Self { events, order: order(make) })
    }

    /// The number of the event with this `data.id`.
    pub(crate) fn by_id(&self) -> HashMap<u128, u32> {
        self.events.iter().zip(0..).map(|(event, number)| (event.id, number)).collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "the driver stands outside: it signs at the real time")]
pub(crate) fn now() -> anyhow::Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?)
}

fn order(make: Make) -> Vec<u32> {
    let (mut order, mut owed) = (Vec::with_capacity(make.count), 0.0);
    let mut noise = make.seed ^ 0x9e37_79b9_7f4a_7c15;
    for number in 0..u32::try_from(make.count).unwrap_or(u32::MAX) {
        order.push(number);
        owed += make.duplicates / (1.0 - make.duplicates);
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

/// Random-looking, as Telnyx's ids are: they cost an index more than ascending ones. A product with an odd number
/// repeats only after 2^128, so no two are equal.
pub(crate) fn id(seed: u64, number: u64) -> u128 {
    (u128::from(seed) << 64 | u128::from(number + 1)).wrapping_mul(0x2545_f491_4f6c_dd1d_9e37_79b9_7f4a_7c15)
}

/// Writes an id as Telnyx does.
pub(crate) fn id_text(id: u128) -> String {
    let hex = format!("{id:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// The inverse of [`id_text`].
pub(crate) fn parse_id(text: &str) -> Option<u128> {
    u128::from_str_radix(&text.replace('-', ""), 16).ok()
}

/// A pretty-printed event, cut where one differs from the next.
pub(crate) struct Template {
    /// Text before the event's id, the message's id, the sender's digits, the text's number, and the rest.
    pieces: Vec<String>,
}

const CUT: &str = "@@";
/// Telephones that text us: every event of a set comes from another one.
const SENDERS: u64 = 10_000_000;

impl Template {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let text = serde_json::to_string_pretty(&json!({
            "data": {
                "event_type": "message.received", "id": CUT, "occurred_at": "2026-01-15T20:16:07.588+00:00",
                "payload": {
                    "direction": "inbound", "encoding": "GSM-7", "errors": [],
                    "from": {"carrier": "T-Mobile USA", "line_type": "Wireless", "phone_number": format!("+1555{CUT}")},
                    "id": format!("m{CUT}"), "media": [],
                    "messaging_profile_id": "740572b6-099c-44a1-89b9-6c92163bc68d", "organization_id": "47a530f8-4362-4526-829b-bcee17fd9f7a",
                    "parts": 1, "received_at": "2026-01-15T20:16:07.503+00:00", "record_type": "message", "tags": [],
                    "text": format!("Could you move my appointment to {CUT}?"),
                    "to": [{"carrier": "Telnyx", "line_type": "Wireless", "phone_number": "+17735550002", "status": "webhook_delivered"}],
                    "type": "SMS", "webhook_url": null
                },
                "record_type": "event"
            },
            "meta": {"attempt": 1, "delivered_to": "https://texts.example.com/webhooks"}
        }))?;
        let pieces: Vec<String> = text.split(CUT).map(str::to_owned).collect();
        anyhow::ensure!(pieces.len() == 5, "an event has four places that differ");
        Ok(Self { pieces })
    }

    /// The bytes of an event; its message's id is the event's with an `m` before it.
    pub(crate) fn body(&self, id: &str, from: u64, number: u64) -> anyhow::Result<String> {
        let [before_id, before_from, before_message, before_text, rest] = &self.pieces[..] else {
            anyhow::bail!("a template has five pieces")
        };
        Ok(format!("{before_id}{id}{before_from}{from:07}{before_message}{id}{before_text}{number}{rest}"))
    }

    fn event(
        &self,
        key: &SigningKey,
        make: Make,
        now: i64,
        number: usize,
        genuine: bool,
    ) -> anyhow::Result<Signed> {
        let number = make.first + u64::try_from(number)?;
        let (id, signed_at) = (id(make.seed, number), if genuine { now } else { now + 1 });
        let body = self.body(&id_text(id), number % SENDERS, number)?;
        // A forged one is signed at another second than it says.
        let signature = key.sign(signed_at, body.as_bytes());
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: telnyx-webhooks\r\n\
             content-type: application/json\r\naccept: */*\r\ncontent-length: {}\r\n\
             telnyx-signature-ed25519: {signature}\r\ntelnyx-timestamp: {now}\r\n\r\n",
            body.len()
        );
        let body_at = head.len();
        Ok(Signed { id, wire: (head + &body).into_bytes().into_boxed_slice(), body_at })
    }
}

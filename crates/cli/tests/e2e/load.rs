//! Signed webhooks under load, and the outside ledger of what was acknowledged.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use inlet_telnyx::SigningKey;
use serde_json::json;
use tokio::task::JoinSet;

/// Every `REPEAT_EVERY`-th request carries an earlier event: a share of 20 %.
const REPEAT_EVERY: u64 = 5;

/// Telnyx, as the gateway sees it: one key, and events that never repeat by accident.
pub(crate) struct Sender {
    key: SigningKey,
    next: AtomicU64,
    ledger: Mutex<Ledger>,
}

/// What was sent, and what was acknowledged.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Bodies by event id, in the order of sending.
    pub(crate) sent: Vec<(String, Vec<u8>)>,
    /// How often each id was acknowledged.
    pub(crate) acknowledged: HashMap<String, u64>,
    /// Answers that were neither 200 nor 503.
    pub(crate) surprising: Vec<u16>,
}

impl Sender {
    pub(crate) fn new() -> Arc<Self> {
        let key = SigningKey::from_seed(&[9; 32]).unwrap();
        Arc::new(Self { key, next: AtomicU64::new(1), ledger: Mutex::default() })
    }

    /// The public key, base64.
    pub(crate) fn public_key(&self) -> String {
        self.key.public().to_base64()
    }

    /// Reads the ledger.
    pub(crate) fn ledger<T>(&self, read: impl FnOnce(&Ledger) -> T) -> T {
        read(&self.ledger.lock().unwrap())
    }

    /// Sends from this many connections, each with this pause after an answer, until told to stop or the gateway is
    /// gone. Returns when all have ended.
    pub(crate) async fn load(
        self: Arc<Self>,
        url: String,
        connections: usize,
        pause: Duration,
        stop: Arc<AtomicBool>,
    ) {
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let (sender, url, stop) = (Arc::clone(&self), url.clone(), Arc::clone(&stop));
            tasks.spawn(async move {
                let http = reqwest::Client::new();
                while !stop.load(Ordering::Relaxed) && sender.send_next(&http, &url).await {
                    tokio::time::sleep(pause).await;
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    }

    /// Sends one event, new or repeated. False when there was no answer: the gateway is gone.
    async fn send_next(&self, http: &reqwest::Client, url: &str) -> bool {
        let (id, body) = self.draw();
        let Ok(answer) = self.post(http, url, body).await else { return false };
        let mut ledger = self.ledger.lock().unwrap();
        match answer.status().as_u16() {
            200 => *ledger.acknowledged.entry(id).or_default() += 1,
            503 => {}
            other => ledger.surprising.push(other),
        }
        true
    }

    /// Signs and posts any bytes, as Telnyx would.
    pub(crate) async fn post(
        &self,
        http: &reqwest::Client,
        url: &str,
        body: Vec<u8>,
    ) -> reqwest::Result<reqwest::Response> {
        let now = unix_now();
        let request = http
            .post(url)
            .header("telnyx-timestamp", now)
            .header("telnyx-signature-ed25519", self.key.sign(now, &body))
            .header("content-type", "application/json");
        request.body(body).send().await
    }

    fn draw(&self) -> (String, Vec<u8>) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut ledger = self.ledger.lock().unwrap();
        if number.is_multiple_of(REPEAT_EVERY) && !ledger.sent.is_empty() {
            let place = usize::try_from(number.wrapping_mul(0x9e37_79b9) % ledger.sent.len() as u64).unwrap();
            return ledger.sent[place].clone();
        }
        let event = inbound(number);
        ledger.sent.push(event.clone());
        event
    }
}

/// The id and bytes of an inbound SMS from a phone of its own.
pub(crate) fn inbound(number: u64) -> (String, Vec<u8>) {
    let id = format!("{:016x}-{number}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let body = json!({
        "data": {
            "event_type": "message.received", "id": id, "occurred_at": "2026-01-15T20:16:07.588+00:00", "record_type": "event",
            "payload": {
                "direction": "inbound", "encoding": "GSM-7", "errors": [], "id": format!("message-{number}"), "media": [],
                "from": {"phone_number": phone(number), "carrier": "T-Mobile USA", "line_type": "Wireless"},
                "to": [{"phone_number": "+17735550002", "carrier": "Telnyx", "line_type": "Wireless", "status": "webhook_delivered"}],
                "messaging_profile_id": "740572b6-099c-44a1-89b9-6c92163bc68d", "parts": 1, "record_type": "message",
                "received_at": "2026-01-15T20:16:07.503+00:00", "text": format!("text number {number}"), "type": "SMS"
            }
        },
        "meta": {"attempt": 1, "delivered_to": "https://texts.example.com/webhooks"}
    });
    (id, serde_json::to_vec_pretty(&body).unwrap())
}

/// The phone that event `number` comes from.
pub(crate) fn phone(number: u64) -> String {
    format!("+1{:010}", 2_000_000_000 + number)
}

/// The wall clock: Telnyx signs at its own time.
#[expect(
    clippy::disallowed_methods,
    reason = "the sender stands outside the gateway and signs at the real time"
)]
pub(crate) fn unix_now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

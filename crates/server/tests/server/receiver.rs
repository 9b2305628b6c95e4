//! A webhook listener on a free port, and requests for it.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use inlet_domain::{Clock, Entropy, Timestamp};
use inlet_server::{Ingest, IngestConfig, IngestStatus};
use inlet_store::Store;
use inlet_telnyx::SigningKey;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use crate::wire::{Reply, exchange};

pub const NOW: i64 = 1_700_000_000;

/// A clock that stands still at [`NOW`].
pub struct StillClock;

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(NOW)
    }
}

/// Counts instead of guessing.
#[derive(Default)]
pub struct CountingEntropy(AtomicU8);

impl Entropy for CountingEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
        if let Some(last) = buffer.last_mut() {
            *last = self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

pub fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

pub struct World {
    pub ingest: Ingest,
    pub status: Arc<IngestStatus>,
    pub address: SocketAddr,
    registry: Registry,
}

impl World {
    pub async fn start(store: Arc<dyn Store>) -> Self {
        Self::start_with(store, |_| {}).await
    }

    pub async fn start_with(store: Arc<dyn Store>, change: impl FnOnce(&mut IngestConfig)) -> Self {
        let mut config = IngestConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            keys: vec![key().public().clone()],
            ..IngestConfig::default()
        };
        change(&mut config);
        let mut registry = Registry::with_prefix("inlet");
        let entropy = Arc::new(CountingEntropy::default());
        let ingest =
            Ingest::start(config, store, Arc::new(StillClock), entropy, &mut registry).await.unwrap();
        Self { status: ingest.status(), address: ingest.local_addr(), ingest, registry }
    }

    pub async fn post(&self, body: &[u8]) -> Option<Reply> {
        exchange(self.address, &signed(body)).await
    }

    /// The value of one metric with its labels, as `/metrics` shows it.
    pub fn metric(&self, name_and_labels: &str) -> f64 {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name_and_labels)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }
}

/// Headers of a genuine signature over a body, made at [`NOW`] plus `offset`.
pub fn signature(body: &[u8], offset: i64) -> String {
    let time = NOW + offset;
    let signature = key().sign(time, body);
    format!("telnyx-signature-ed25519: {signature}\r\ntelnyx-timestamp: {time}\r\n")
}

/// A request with these header lines (each with its line end) and a declared length.
pub fn request(headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut head = format!("POST /webhooks HTTP/1.1\r\nhost: localhost\r\n{headers}");
    write!(head, "content-length: {length}\r\n\r\n").unwrap();
    [head.as_bytes(), body].concat()
}

pub fn signed(body: &[u8]) -> Vec<u8> {
    request(&signature(body, 0), body)
}

/// Short enough for a test, long enough for a loaded machine to answer a good request.
pub const SHORT: Duration = Duration::from_millis(400);

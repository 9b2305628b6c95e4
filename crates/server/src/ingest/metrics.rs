//! What is counted about webhooks.

use std::time::Duration;

use inlet_domain::{Recorded, RejectionCode};
use inlet_telnyx::{KeyFingerprint, PublicKey};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::listener::ListenerMetrics;

// Around what matters: one fsync, our own deadline of 1.5 s, and Telnyx's limit of 2 s.
const ACK_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabel {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyLabel {
    key: String,
}

/// Counters of the webhook listener.
#[derive(Debug)]
pub(crate) struct IngestMetrics {
    received: Counter,
    new: Counter,
    duplicate: Counter,
    rejected: Family<CodeLabel, Counter>,
    rejections_dropped: Counter,
    refused: Family<CodeLabel, Counter>,
    unavailable: Family<CodeLabel, Counter>,
    unsigned: Counter,
    verified: Family<KeyLabel, Counter>,
    // Looked up by each request, so held ready.
    keys: Vec<(KeyFingerprint, Counter)>,
    ack: Histogram,
    skew: Gauge,
    pub(super) connections: ListenerMetrics,
}

impl Default for IngestMetrics {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl IngestMetrics {
    pub(super) fn new(keys: &[PublicKey]) -> Self {
        let verified = Family::<KeyLabel, Counter>::default();
        let counter = |key: &PublicKey| {
            let fingerprint = key.fingerprint();
            (fingerprint, verified.get_or_create(&KeyLabel { key: fingerprint.to_string() }).clone())
        };
        Self {
            received: Counter::default(),
            new: Counter::default(),
            duplicate: Counter::default(),
            rejected: Family::default(),
            rejections_dropped: Counter::default(),
            refused: Family::default(),
            unavailable: Family::default(),
            unsigned: Counter::default(),
            keys: keys.iter().map(counter).collect(),
            verified,
            ack: Histogram::new(ACK_BUCKETS),
            skew: Gauge::default(),
            connections: ListenerMetrics::default(),
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("webhooks");
        registry.register("received", "Requests to the webhook path", self.received.clone());
        registry.register("new", "Events stored", self.new.clone());
        registry.register("duplicate", "Repeats of stored events", self.duplicate.clone());
        registry.register("rejected", "Requests refused, by reason", self.rejected.clone());
        registry.register(
            "rejections_dropped",
            "Rejections counted but not kept, because there were too many at once",
            self.rejections_dropped.clone(),
        );
        registry.register("refused", "Requests that were not webhooks at all", self.refused.clone());
        registry.register(
            "unavailable",
            "Requests answered 503, which Telnyx tries again",
            self.unavailable.clone(),
        );
        registry.register("unsigned", "Events taken without a signature", self.unsigned.clone());
        registry.register("verified", "Requests verified, by key fingerprint", self.verified.clone());
        registry.register_with_unit(
            "ack",
            "From the first byte of a request to its 200",
            Unit::Seconds,
            self.ack.clone(),
        );
        registry.register_with_unit(
            "clock_skew",
            "Our clock minus the signed time, median of the latest genuine requests",
            Unit::Seconds,
            self.skew.clone(),
        );
        self.connections.register(registry);
    }

    pub(super) fn received(&self) {
        self.received.inc();
    }

    pub(super) fn acknowledged(&self, recorded: Recorded, latency: Duration) {
        match recorded {
            Recorded::New(_) => self.new.inc(),
            Recorded::Duplicate(_) => self.duplicate.inc(),
        };
        self.ack.observe(latency.as_secs_f64());
    }

    pub(super) fn rejected(&self, code: RejectionCode) {
        self.rejected.get_or_create(&CodeLabel { code: code.as_str() }).inc();
    }

    pub(super) fn rejections_dropped(&self, count: u64) {
        self.rejections_dropped.inc_by(count);
    }

    pub(super) fn refused(&self, code: &'static str) {
        self.refused.get_or_create(&CodeLabel { code }).inc();
    }

    pub(super) fn unavailable(&self, code: &'static str) {
        self.unavailable.get_or_create(&CodeLabel { code }).inc();
    }

    pub(super) fn unsigned(&self) {
        self.unsigned.inc();
    }

    pub(super) fn verified(&self, fingerprint: KeyFingerprint) {
        if let Some((_, counter)) = self.keys.iter().find(|(key, _)| *key == fingerprint) {
            counter.inc();
        }
    }

    pub(super) fn set_skew(&self, skew_seconds: i64) {
        self.skew.set(skew_seconds);
    }

    pub(crate) fn snapshot(&self) -> IngestCounts {
        let rejected = |code: &RejectionCode| {
            self.rejected.get(&CodeLabel { code: code.as_str() }).map_or(0, |counter| counter.get())
        };
        IngestCounts {
            received: self.received.get(),
            new: self.new.get(),
            duplicate: self.duplicate.get(),
            rejected: RejectionCode::ALL.iter().map(rejected).sum(),
            rejections_dropped: self.rejections_dropped.get(),
            connections_open: self.connections.open_connections(),
        }
    }
}

/// The counters that `stats` shows, since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub(crate) struct IngestCounts {
    received: u64,
    new: u64,
    duplicate: u64,
    rejected: u64,
    rejections_dropped: u64,
    connections_open: i64,
}

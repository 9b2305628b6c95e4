//! What the webhook listener lets others see: whether it drains, what it has refused, how far the clocks are apart.

use std::sync::atomic::{AtomicBool, Ordering};

use inlet_domain::Rejection;
use inlet_store::EventLog;
use inlet_telnyx::PublicKey;

use super::metrics::IngestMetrics;
use super::outage::Outage;
use super::rejections::{self, RejectionRing};
use super::skew::SkewEstimate;

/// The state of the webhook listener, shared with the admin listener.
#[derive(Debug, Default)]
pub struct IngestStatus {
    draining: AtomicBool,
    pub(super) rejections: RejectionRing,
    pub(super) skew: SkewEstimate,
    pub(super) outage: Outage,
    pub(crate) metrics: IngestMetrics,
}

impl IngestStatus {
    pub(super) fn new(keys: &[PublicKey]) -> Self {
        Self { metrics: IngestMetrics::new(keys), ..Self::default() }
    }

    /// Whether the listener has stopped accepting.
    pub fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Rejections that are not in the store yet, newest first.
    pub fn fresh_rejections(&self) -> Vec<Rejection> {
        self.rejections.newest_first()
    }

    /// Hands those rejections to the store, where they can be paged through. False if it cannot take them at present.
    pub(crate) async fn flush_rejections(&self, store: &dyn EventLog) -> bool {
        rejections::flush_all(self, store).await
    }

    /// Our clock minus Telnyx's, in seconds, over the latest genuine requests; `None` before the first.
    pub fn skew_seconds(&self) -> Option<i64> {
        self.skew.median()
    }

    pub(super) fn begin_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

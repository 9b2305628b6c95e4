//! What the engine counts. Labels are names from the configuration and closed words; never numbers or ids.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

// Seconds; from a local endpoint to the longest usual timeout.
const ATTEMPT_BUCKETS: [f64; 10] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];

/// Whose attempt it was and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct AttemptLabels {
    pub(crate) kind: &'static str,
    /// Empty where the kind has none.
    pub(crate) destination: String,
    pub(crate) outcome: &'static str,
}

/// The kind of an attempt alone: a histogram per destination would be too much.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct KindLabel {
    pub(crate) kind: &'static str,
}

/// A destination.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct DestinationLabel {
    pub(crate) destination: String,
}

/// A destination or reply rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OwnerLabel {
    pub(crate) owner: String,
}

/// Everything the engine counts.
pub(crate) struct Metrics {
    pub(crate) events_routed: Counter,
    pub(crate) events_unreadable: Counter,
    pub(crate) condition_errors: Family<OwnerLabel, Counter>,
    pub(crate) attempts: Family<AttemptLabels, Counter>,
    pub(crate) attempt_seconds: Family<KindLabel, Histogram, fn() -> Histogram>,
    pub(crate) breaker_open: Family<DestinationLabel, Gauge>,
    pub(crate) leases_expired: Counter,
    pub(crate) leases_lost: Counter,
    pub(crate) sends_lost: Counter,
    pub(crate) addresses_blocked: Counter,
    pub(crate) jobs_purged: Counter,
    pub(crate) events_purged: Counter,
    pub(crate) messages_purged: Counter,
    pub(crate) media_purged: Counter,
    /// Past their time, but unfinished jobs or dead letters need them.
    pub(crate) events_overdue: Gauge,
    pub(crate) messages_overdue: Gauge,
    pub(crate) store_errors: Counter,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            events_routed: Counter::default(),
            events_unreadable: Counter::default(),
            condition_errors: Family::default(),
            attempts: Family::default(),
            attempt_seconds: Family::new_with_constructor(|| Histogram::new(ATTEMPT_BUCKETS)),
            breaker_open: Family::default(),
            leases_expired: Counter::default(),
            leases_lost: Counter::default(),
            sends_lost: Counter::default(),
            addresses_blocked: Counter::default(),
            jobs_purged: Counter::default(),
            events_purged: Counter::default(),
            messages_purged: Counter::default(),
            media_purged: Counter::default(),
            events_overdue: Gauge::default(),
            messages_overdue: Gauge::default(),
            store_errors: Counter::default(),
        };
        metrics.register_events(registry);
        metrics.register_jobs(registry);
        metrics.register_retention(registry);
        metrics
    }

    fn register_events(&self, registry: &mut Registry) {
        registry.register(
            "events_routed",
            "Events turned into messages, media and jobs",
            self.events_routed.clone(),
        );
        registry.register(
            "events_unreadable",
            "Routed events whose bytes could not be read",
            self.events_unreadable.clone(),
        );
        registry.register(
            "condition_errors",
            "Conditions and templates that failed while they were evaluated",
            self.condition_errors.clone(),
        );
        registry.register(
            "engine_store_errors",
            "Store operations of the engine that failed",
            self.store_errors.clone(),
        );
        registry.register(
            "addresses_blocked",
            "Outgoing connections refused because of their address",
            self.addresses_blocked.clone(),
        );
    }

    fn register_jobs(&self, registry: &mut Registry) {
        registry.register("attempts", "Finished tries of jobs", self.attempts.clone());
        registry.register("attempt_duration_seconds", "How long tries took", self.attempt_seconds.clone());
        registry.register(
            "destination_breaker_open",
            "1 while a failing destination gets one probe at a time",
            self.breaker_open.clone(),
        );
        registry.register(
            "leases_expired",
            "Jobs returned to the queue because their lease ended",
            self.leases_expired.clone(),
        );
        registry.register(
            "leases_lost",
            "Attempts whose outcome came after the lease had gone to somebody else",
            self.leases_lost.clone(),
        );
        registry.register(
            "sends_lost",
            "Messages of which nobody knows whether they were sent, because their lease ended",
            self.sends_lost.clone(),
        );
        registry.register("jobs_purged", "Finished jobs deleted after their time", self.jobs_purged.clone());
    }

    fn register_retention(&self, registry: &mut Registry) {
        for (name, help, counter) in [
            ("events_purged", "Events deleted after their time", &self.events_purged),
            ("messages_purged", "Messages deleted after their time", &self.messages_purged),
            ("media_purged", "Attachments deleted because no message has them any more", &self.media_purged),
        ] {
            registry.register(name, help, counter.clone());
        }
        for (name, help, gauge) in [
            (
                "events_overdue",
                "Events past their time, kept for unfinished jobs or dead letters",
                &self.events_overdue,
            ),
            (
                "messages_overdue",
                "Messages past their time, kept for unfinished jobs or dead letters",
                &self.messages_overdue,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
    }
}

//! What is counted about connections.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// Counters of one listener; clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct ListenerMetrics {
    open: Gauge,
    shed: Family<ReasonLabel, Counter>,
    failed: Family<ReasonLabel, Counter>,
    accept_failures: Counter,
}

impl ListenerMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("connections_open", "Connections open now", self.open.clone());
        registry.register(
            "connections_shed",
            "Connections closed at once because a limit was reached",
            self.shed.clone(),
        );
        registry.register(
            "connections_failed",
            "Connections that ended otherwise than by a proper close",
            self.failed.clone(),
        );
        registry.register(
            "accept_failures",
            "Times the operating system refused to hand over a connection",
            self.accept_failures.clone(),
        );
    }

    pub(crate) fn open_connections(&self) -> i64 {
        self.open.get()
    }

    pub(super) fn opened(&self) {
        self.open.inc();
    }

    pub(super) fn closed(&self) {
        self.open.dec();
    }

    pub(super) fn shed(&self, reason: &'static str) {
        self.shed.get_or_create(&ReasonLabel { reason }).inc();
    }

    pub(super) fn connection_failed(&self, reason: &'static str) {
        self.failed.get_or_create(&ReasonLabel { reason }).inc();
    }

    pub(super) fn accept_failed(&self) {
        self.accept_failures.inc();
    }
}

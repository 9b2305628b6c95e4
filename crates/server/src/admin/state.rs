//! What every handler of the API may use.

use std::sync::Arc;

use inlet_domain::{Clock, Destination, Entropy};
use inlet_store::{Blobs, Store};
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::AdminConfig;
use super::metrics::AdminMetrics;
use crate::ingest::IngestStatus;

pub(super) type Shared = Arc<AdminState>;

pub(super) struct AdminState {
    pub(super) store: Arc<dyn Store>,
    pub(super) blobs: Blobs,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) ingest: Arc<IngestStatus>,
    /// The metrics of the whole process.
    pub(super) registry: Arc<Registry>,
    /// Those of this listener, which starts after the registry is closed.
    pub(super) metrics: AdminMetrics,
    pub(super) config: AdminConfig,
    /// Cancelled when the listener drains; streams end then.
    pub(super) stop: CancellationToken,
    /// One permit for each follower of the stream.
    pub(super) followers: Arc<Semaphore>,
}

impl AdminState {
    pub(super) fn destination(&self, name: &str) -> Option<&Destination> {
        self.config.destinations.iter().find(|destination| destination.name == name)
    }
}

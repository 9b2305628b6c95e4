//! Turns stored events into messages, media and jobs, in commit order, behind the acknowledgement.

use std::sync::Arc;
use std::time::Duration;

use inlet_domain::{Clock, Router};
use inlet_store::{RouteBatch, Store, StoreError};
use tracing::{debug, warn};

use crate::metrics::{Metrics, OwnerLabel};
use crate::wake::Wake;

// One transaction's worth: long enough to amortise the commit, short enough not to hold up claims and outcomes.
const BATCH: u32 = 500;

/// The routing loop.
pub(crate) struct RouterTask {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) router: Arc<Router>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) wake: Wake,
    pub(crate) poll: Duration,
}

impl RouterTask {
    pub(crate) async fn run(mut self) {
        loop {
            self.wake.register();
            match self.route_all().await {
                Ok(()) => {}
                Err(StoreError::Closed) => return,
                Err(error) => {
                    self.metrics.store_errors.inc();
                    warn!(%error, "cannot route events, will try again: {error}");
                    if !self.wake.pause(self.poll).await {
                        return;
                    }
                }
            }
            if !self.wake.wait(self.poll, std::future::pending()).await {
                return;
            }
        }
    }

    async fn route_all(&self) -> Result<(), StoreError> {
        while !self.wake.stopped() {
            let batch = self.store.route_events(Arc::clone(&self.router), BATCH, self.clock.now()).await?;
            self.count(&batch);
            if !batch.more {
                break;
            }
        }
        Ok(())
    }

    fn count(&self, batch: &RouteBatch) {
        self.metrics.events_routed.inc_by(batch.routed.into());
        self.metrics.events_unreadable.inc_by(batch.unreadable.into());
        if batch.unreadable > 0 {
            warn!(count = batch.unreadable, "stored {} events that cannot be read", batch.unreadable);
        }
        for (owner, reason) in &batch.condition_errors {
            warn!(owner = %owner, reason = %reason, "condition or template of {owner} failed: {reason}");
            self.metrics.condition_errors.get_or_create(&OwnerLabel { owner: owner.clone() }).inc();
        }
        if batch.routed > 0 {
            debug!(events = batch.routed, jobs = batch.jobs, "routed {} events", batch.routed);
        }
    }
}

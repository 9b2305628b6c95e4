//! Keeps house: returns jobs whose lease has ended, makes the jobs of replays.

use std::sync::Arc;
use std::time::Duration;

use inlet_domain::{Clock, Router};
use inlet_store::{Store, StoreError};
use tokio::time::Instant;
use tracing::warn;

use crate::metrics::Metrics;
use crate::wake::Wake;

const EXPIRE_EVERY: Duration = Duration::from_secs(5);
// A small step: it holds the writer of everything but acknowledgements.
const REPLAY_STEP: u32 = 500;

/// The housekeeping loop.
pub(crate) struct Maintenance {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) router: Arc<Router>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) wake: Wake,
    pub(crate) poll: Duration,
}

impl Maintenance {
    pub(crate) async fn run(self) {
        let mut expired_at = None;
        while self.wake.pause(self.poll).await {
            match self.tick(&mut expired_at).await {
                Ok(()) => {}
                Err(StoreError::Closed) => return,
                Err(error) => {
                    self.metrics.store_errors.inc();
                    warn!(%error, "housekeeping failed, will try again: {error}");
                }
            }
        }
    }

    async fn tick(&self, expired_at: &mut Option<Instant>) -> Result<(), StoreError> {
        if is_due(expired_at, EXPIRE_EVERY.min(self.poll * 5)) {
            self.expire().await?;
        }
        while self.advance_replays().await? && !self.wake.stopped() {}
        Ok(())
    }

    async fn advance_replays(&self) -> Result<bool, StoreError> {
        self.store.advance_replays(Arc::clone(&self.router), REPLAY_STEP, self.clock.now()).await
    }

    async fn expire(&self) -> Result<(), StoreError> {
        let progress = self.store.expire_leases(self.clock.now()).await?;
        self.metrics.leases_expired.inc_by(progress.returned.into());
        self.metrics.sends_lost.inc_by(progress.unknown.into());
        if progress.returned > 0 {
            warn!(
                count = progress.returned,
                "leases of {} jobs ended; they are tried again", progress.returned
            );
        }
        if progress.dead > 0 {
            warn!(
                count = progress.dead,
                "{} jobs became dead letters: none of their attempts ever ended", progress.dead
            );
        }
        if progress.unknown > 0 {
            warn!(count = progress.unknown, "{} messages may or may not have been sent", progress.unknown);
        }
        Ok(())
    }
}

fn is_due(last: &mut Option<Instant>, every: Duration) -> bool {
    let due = last.is_none_or(|at| at.elapsed() >= every);
    if due {
        *last = Some(Instant::now());
    }
    due
}

//! Deletes finished jobs, events, messages and attachments after their time, in small steps with rests between them.

use std::sync::Arc;
use std::time::Duration;

use inlet_domain::{Clock, Timestamp};
use inlet_store::{Blobs, Purged, Store, StoreError};
use tracing::{info, warn};

use crate::metrics::Metrics;
use crate::wake::Wake;

const EVERY: Duration = Duration::from_secs(60);
// At most; a step ends after some milliseconds, too. The rest after it is for everybody else.
const STEP: u32 = 200;
const REST: Duration = Duration::from_millis(20);

/// The loop.
pub(crate) struct Retention {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) blobs: Blobs,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) wake: Wake,
    pub(crate) poll: Duration,
    pub(crate) keep_jobs: Option<Duration>,
    pub(crate) keep_events: Option<Duration>,
    pub(crate) keep_messages: Option<Duration>,
}

impl Retention {
    pub(crate) async fn run(self) {
        let every = EVERY.min(self.poll * 60);
        loop {
            // One after the other; what cannot be deleted keeps nothing else from it.
            let ended =
                [self.jobs().await, self.messages().await, self.events().await, self.purge_media().await];
            if !ended.into_iter().all(|result| self.goes_on(result)) || !self.wake.pause(every).await {
                return;
            }
        }
    }

    fn goes_on(&self, result: Result<(), StoreError>) -> bool {
        match result {
            Ok(()) => true,
            Err(StoreError::Closed) => false,
            Err(error) => {
                self.metrics.store_errors.inc();
                warn!(%error, "cannot delete what is past its time, will try again: {error}");
                true
            }
        }
    }

    async fn jobs(&self) -> Result<(), StoreError> {
        let Some(keep) = self.keep_jobs else { return Ok(()) };
        self.purge_jobs(self.clock.now().before(keep)).await
    }

    async fn messages(&self) -> Result<(), StoreError> {
        let Some(keep) = self.keep_messages else { return Ok(()) };
        let kept = self.purge_messages(self.clock.now().before(keep)).await?;
        self.metrics.messages_overdue.set(kept);
        Ok(())
    }

    async fn events(&self) -> Result<(), StoreError> {
        let Some(keep) = self.keep_events else { return Ok(()) };
        let kept = self.purge_events(self.clock.now().before(keep)).await?;
        self.metrics.events_overdue.set(kept);
        Ok(())
    }

    async fn purge_jobs(&self, before: Timestamp) -> Result<(), StoreError> {
        let mut total = Total::default();
        loop {
            let deleted = self.store.purge_jobs(before, STEP).await?;
            self.metrics.jobs_purged.inc_by(deleted.into());
            total.deleted += u64::from(deleted);
            if deleted == 0 || !self.wake.pause(REST).await {
                break;
            }
        }
        total.tell("finished jobs", before);
        Ok(())
    }

    async fn purge_events(&self, before: Timestamp) -> Result<i64, StoreError> {
        let mut total = Total::default();
        while let Some(from) = total.next {
            let step = self.store.purge_events(before, from, STEP).await?;
            self.metrics.events_purged.inc_by(step.deleted.into());
            total.add(step);
            if !self.wake.pause(REST).await {
                break;
            }
        }
        total.tell("events", before);
        Ok(total.kept)
    }

    async fn purge_messages(&self, before: Timestamp) -> Result<i64, StoreError> {
        let mut total = Total::default();
        while let Some(from) = total.next {
            let step = self.store.purge_messages(before, from, STEP).await?;
            self.metrics.messages_purged.inc_by(step.deleted.into());
            total.add(step);
            if !self.wake.pause(REST).await {
                break;
            }
        }
        total.tell("messages", before);
        Ok(total.kept)
    }

    /// Deletes the bytes first: a digest that is still remembered is tried again, and one that is gone already is fine.
    async fn purge_media(&self) -> Result<(), StoreError> {
        let mut after = String::new();
        loop {
            let unused = self.store.unused_media(&after, STEP).await?;
            let Some(last) = unused.last() else { return Ok(()) };
            after.clone_from(last);
            let gone = self.delete_bytes(unused).await;
            let count = gone.len() as u64;
            if count > 0 {
                self.store.forget_media(gone).await?;
                self.metrics.media_purged.inc_by(count);
            }
            if !self.wake.pause(REST).await {
                return Ok(());
            }
        }
    }

    /// Returns the digests whose bytes are gone.
    async fn delete_bytes(&self, unused: Vec<String>) -> Vec<String> {
        let mut gone = Vec::new();
        for sha256 in unused {
            match self.blobs.delete(&sha256).await {
                Ok(true) => gone.push(sha256),
                Ok(false) => {}
                Err(error) => warn!(%error, "cannot delete an attachment: {error}"),
            }
        }
        gone
    }
}

/// What a pass did so far.
struct Total {
    deleted: u64,
    kept: i64,
    next: Option<i64>,
}

impl Default for Total {
    fn default() -> Self {
        Self { deleted: 0, kept: 0, next: Some(0) }
    }
}

impl Total {
    fn add(&mut self, step: Purged) {
        self.deleted += u64::from(step.deleted);
        self.kept += i64::from(step.kept);
        self.next = step.next;
    }

    fn tell(&self, what: &str, before: Timestamp) {
        let Self { deleted, kept, .. } = self;
        if *deleted > 0 {
            info!(count = deleted, "deleted {deleted} {what} from before {before}");
        }
        if *kept > 0 {
            info!(
                count = kept,
                "kept {kept} {what} from before {before}: they have unfinished jobs or dead letters"
            );
        }
    }
}

//! Claims due jobs, per lane up to its free slots, and has each run in a task of its own.
//!
//! All lanes are claimed for in one transaction. A lane without a free slot is left out, so ten thousand due jobs of
//! a hung destination are neither looked at nor in anybody's way. Wake-ups (a commit, a freed slot, a due time) make
//! it quick; looking again after the poll interval makes it right.

use std::sync::Arc;
use std::time::Duration;

use inlet_domain::{ClaimedJob, Clock, Timestamp};
use inlet_store::{Claim, DestinationSwitch, Store, StoreError};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::job_run::JobRunner;
use crate::lanes::Lanes;
use crate::metrics::{DestinationLabel, Metrics};
use crate::wake::Wake;

/// The claiming loop.
pub(crate) struct Dispatcher {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) runner: Arc<JobRunner>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) wake: Wake,
    /// Owns the tasks of the jobs.
    pub(crate) tracker: TaskTracker,
    pub(crate) poll: Duration,
    pub(crate) lease: Duration,
}

impl Dispatcher {
    pub(crate) async fn run(mut self) {
        if !self.recover().await {
            return;
        }
        let mut states_read_at = None;
        loop {
            self.wake.register();
            self.heed_retries(&mut states_read_at).await;
            let pause = match self.claim().await {
                Ok(next_at) => self.pause_until(next_at),
                Err(StoreError::Closed) => return,
                Err(error) => {
                    self.metrics.store_errors.inc();
                    warn!(%error, "cannot claim jobs, will try again: {error}");
                    if !self.wake.pause(self.poll).await {
                        return;
                    }
                    continue;
                }
            };
            if !self.wake.wait(pause, self.lanes.slot_freed()).await {
                return;
            }
        }
    }

    /// Takes over what a crash has left behind. False when the engine is stopping.
    async fn recover(&self) -> bool {
        loop {
            match self.store.recover_leases(self.clock.now()).await {
                Ok(progress) => {
                    if progress.returned + progress.unknown > 0 {
                        info!(
                            returned = progress.returned,
                            unknown = progress.unknown,
                            "took over {} jobs of the last run; {} messages may or may not have been sent",
                            progress.returned,
                            progress.unknown
                        );
                    }
                    return true;
                }
                Err(StoreError::Closed) => return false,
                Err(error) => {
                    self.metrics.store_errors.inc();
                    warn!(%error, "cannot take over jobs of the last run, will try again: {error}");
                }
            }
            if !self.wake.pause(self.poll).await {
                return false;
            }
        }
    }

    /// Claims and starts jobs. Returns when there will be something to do by itself, as far as is known.
    async fn claim(&self) -> Result<Option<Timestamp>, StoreError> {
        let now = self.clock.now();
        let free = self.lanes.free(now);
        if !free.lanes.is_empty() {
            let claim = Claim { lanes: free.lanes, now, lease: self.lease };
            self.start(self.store.claim_due(claim).await?).await;
        }
        let longest_pause = self.lanes.breaker_pause_max();
        if !free.overdue.is_empty() {
            // The same claim as of a moment ago: what was due then, under a lease that ends as any other.
            let lease = self.lease.saturating_add(longest_pause);
            let claim = Claim { lanes: free.overdue, now: now.before(longest_pause), lease };
            self.start(self.store.claim_due(claim).await?).await;
        }
        // Work that is due already waits for a slot, which wakes us, or for its turn under an open breaker.
        let next_due = self.store.next_due(now).await?;
        let next_overdue = match self.lanes.any_open() {
            true => self.store.next_due(now.before(longest_pause)).await?,
            false => None,
        };
        let next_overdue = next_overdue.map(|due_at| due_at.after(longest_pause));
        Ok(next_due.into_iter().chain(next_overdue).chain(free.next_probe_at).min())
    }

    async fn start(&self, jobs: Vec<ClaimedJob>) {
        if self.wake.stopped() && !jobs.is_empty() {
            let untried = jobs.iter().map(|job| (job.id, job.fence)).collect();
            if let Err(error) = self.store.release(untried).await {
                warn!(%error, "cannot return {} claimed jobs: {error}", jobs.len());
            }
            return;
        }
        for job in jobs {
            let (runner, slot) = (Arc::clone(&self.runner), self.lanes.occupy(&job.lane));
            self.tracker.spawn(async move { runner.run(job, slot).await });
        }
    }

    /// Closes breakers that a person's retry is newer than. Looks only while one is open, once per poll interval.
    async fn heed_retries(&self, read_at: &mut Option<Instant>) {
        let is_fresh = read_at.is_some_and(|at| at.elapsed() < self.poll);
        if is_fresh || !self.lanes.any_open() {
            return;
        }
        *read_at = Some(Instant::now());
        let switches = match self.store.destination_switches().await {
            Ok(switches) => switches,
            Err(error) => {
                warn!(%error, "cannot read the states of destinations: {error}");
                return;
            }
        };
        for DestinationSwitch { name, retried_at, .. } in switches {
            let Some(retried_at) = retried_at else { continue };
            if self.lanes.retried(&name, retried_at) == Some(false) {
                info!(destination = %name, "{name} is tried again as a person asked");
                self.metrics.breaker_open.get_or_create(&DestinationLabel { destination: name }).set(0);
            }
        }
    }

    fn pause_until(&self, next_at: Option<Timestamp>) -> Duration {
        next_at.map_or(self.poll, |at| at.since(self.clock.now()).min(self.poll))
    }
}

//! Claims due jobs, per lane for its free slots and, where jobs end quickly, ahead of them, and has each run in a task.
//!
//! All lanes are claimed for in one transaction. A lane without need is left out, so ten thousand due jobs of a hung
//! destination are neither looked at nor in anybody's way. Wake-ups (a commit, a freed slot, a due time) make it
//! quick; looking again after the poll interval makes it right. What was claimed ahead and must not be begun, because
//! its destination is paused or fails, goes back untried.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use inlet_domain::{ClaimedJob, Clock, Lane};
use inlet_store::{Claim, ClaimLane, DestinationSwitch, Store, StoreError};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::job_run::JobRunner;
use crate::lanes::{Claimed, Lanes, Slot};
use crate::metrics::{DestinationLabel, Metrics};
use crate::wake::Wake;

// Under load there is a commit every few milliseconds; what people have switched, and when the next job is due, is not
// read as often.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
// A destination that is down fails fast. A million jobs that are overdue there, tried as fast as slots are free, would
// take the machine from the others; so the slots are filled with them five times a second and no more often.
const OVERDUE_EVERY: Duration = Duration::from_millis(200);

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
        if self.recover().await {
            self.work().await;
        }
        self.lanes.stop_all();
        self.give_back(self.lanes.take_unwanted(self.clock.now())).await;
    }

    async fn work(&mut self) {
        let mut looks = Looks::default();
        loop {
            self.wake.register();
            self.heed_switches(&mut looks).await;
            let pause = match self.claim(&mut looks).await {
                Ok(pause) => pause,
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

    /// Claims and begins jobs. Returns for how long there will be nothing to do by itself, as far as is known.
    async fn claim(&self, looks: &mut Looks) -> Result<Duration, StoreError> {
        let now = self.clock.now();
        self.give_back(self.lanes.take_unwanted(now)).await;
        self.begin(self.lanes.begin_held(now));
        let free = self.lanes.free(now);
        if !free.lanes.is_empty() {
            self.claim_for(Claim { lanes: free.lanes, now, lease: self.lease }, false).await?;
        }
        let longest_pause = self.lanes.breaker_pause_max();
        looks.overdue_remain &= !free.overdue.is_empty();
        if !free.overdue.is_empty() && is_time(&mut looks.overdue, OVERDUE_EVERY) {
            // The same claim as of a moment ago: what was due then, under a lease that ends as any other.
            let lease = self.lease.saturating_add(longest_pause);
            let claim = Claim { lanes: free.overdue, now: now.before(longest_pause), lease };
            looks.overdue_remain = self.claim_for(claim, true).await? > 0;
        }
        let longest_wait = if looks.overdue_remain { OVERDUE_EVERY.min(self.poll) } else { self.poll };
        if !is_time(&mut looks.due_at, LOOK_AGAIN) {
            return Ok(LOOK_AGAIN);
        }
        // Work that is due already waits for a slot, which wakes us, or for its turn under an open breaker.
        let next_due = self.store.next_due(now).await?;
        let next_overdue = match self.lanes.any_open() {
            true => self.store.next_due(now.before(longest_pause)).await?,
            false => None,
        };
        let next_overdue = next_overdue.map(|due_at| due_at.after(longest_pause));
        let next_at = next_due.into_iter().chain(next_overdue).chain(free.next_probe_at).min();
        Ok(next_at.map_or(longest_wait, |at| at.since(self.clock.now()).min(longest_wait)))
    }

    /// Makes a claim and begins what it brings. Returns how many jobs that is.
    async fn claim_for(&self, claim: Claim, overdue: bool) -> Result<usize, StoreError> {
        let lanes = claim.lanes.clone();
        let jobs = self.store.claim_due(claim).await?;
        if self.wake.stopped() {
            self.give_back(jobs).await;
            return Ok(0);
        }
        let (now, count) = (self.clock.now(), jobs.len());
        for (lane, jobs) in by_lane(lanes, jobs) {
            self.begin(self.lanes.take_in(&Claimed { lane, overdue }, jobs, now));
        }
        Ok(count)
    }

    fn begin(&self, jobs: Vec<(ClaimedJob, Slot)>) {
        for (job, slot) in jobs {
            let runner = Arc::clone(&self.runner);
            self.tracker.spawn(async move { runner.run(job, slot).await });
        }
    }

    /// Returns claimed jobs untried. Where that fails, their leases will end.
    async fn give_back(&self, jobs: Vec<ClaimedJob>) {
        if jobs.is_empty() {
            return;
        }
        let untried = jobs.iter().map(|job| (job.id, job.fence)).collect();
        if let Err(error) = self.store.release(untried).await {
            warn!(%error, "cannot return {} claimed jobs: {error}", jobs.len());
        }
    }

    /// Heeds what people have done to destinations: a pause concerns what is in hand, a retry closes a breaker. Looks
    /// only where there is one or the other.
    async fn heed_switches(&self, looks: &mut Looks) {
        let every = match (self.lanes.heeds_pauses(), self.lanes.any_open()) {
            (true, _) => LOOK_AGAIN.min(self.poll),
            (false, true) => self.poll,
            (false, false) => return,
        };
        if !is_time(&mut looks.switches, every) {
            return;
        }
        match self.store.destination_switches().await {
            Ok(switches) => self.apply_switches(switches),
            Err(error) => warn!(%error, "cannot read the states of destinations: {error}"),
        }
    }

    fn apply_switches(&self, switches: Vec<DestinationSwitch>) {
        let mut paused = BTreeSet::new();
        for DestinationSwitch { name, paused_at, retried_at, .. } in switches {
            if let Some(retried_at) = retried_at
                && self.lanes.retried(&name, retried_at) == Some(false)
            {
                info!(destination = %name, "{name} is tried again as a person asked");
                self.metrics
                    .breaker_open
                    .get_or_create(&DestinationLabel { destination: name.clone() })
                    .set(0);
            }
            if paused_at.is_some() {
                paused.insert(name);
            }
        }
        self.lanes.stop_only(&paused);
    }
}

/// When something was last looked at.
#[derive(Default)]
struct Looks {
    switches: Option<Instant>,
    due_at: Option<Instant>,
    overdue: Option<Instant>,
    /// Whether the last look found any, so that there may be more.
    overdue_remain: bool,
}

fn is_time(last: &mut Option<Instant>, every: Duration) -> bool {
    let is_time = last.is_none_or(|at| at.elapsed() >= every);
    if is_time {
        *last = Some(Instant::now());
    }
    is_time
}

/// What a claim has brought, for each lane it asked for, in the order of the claim.
fn by_lane(lanes: Vec<ClaimLane>, jobs: Vec<ClaimedJob>) -> Vec<(ClaimLane, Vec<ClaimedJob>)> {
    let mut sorted: HashMap<Lane, Vec<ClaimedJob>> = HashMap::new();
    for job in jobs {
        sorted.entry(job.lane.clone()).or_default().push(job);
    }
    let take = |claim: ClaimLane| {
        let jobs = sorted.remove(&claim.lane).unwrap_or_default();
        (claim, jobs)
    };
    lanes.into_iter().map(take).collect()
}

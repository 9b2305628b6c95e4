//! Runs claimed jobs, one after the other in one slot, and hands on how they ended, whatever happens to the handler.
//!
//! A panic is one failed attempt. The slot is free for the next job as soon as the handler has ended: its outcome is
//! the recorder's. At shutdown a handler that does not end is cut off: its job goes back to the queue, unless it may
//! already have asked Telnyx for a message.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use inlet_domain::{Attempt, ClaimedJob, Clock, Entropy, JobKind, Lane, Outcome, RetrySchedule, Timestamp};
use inlet_store::{FinishedAttempt, Store};
use tokio::sync::mpsc::Sender;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::config::HELD_AT_MOST;
use crate::deliver::DeliverHandler;
use crate::lanes::{Lanes, Slot};
use crate::media::MediaHandler;
use crate::metrics::{AttemptLabels, DestinationLabel, KindLabel, Metrics};
use crate::recorder::Ended;
use crate::report::{Ending, Report, after_failure};
use crate::send::{SendHandler, SendMark};

// At most a tenth of the lease; less than the engine adds to the longest timeout, which is to end a handler first.
const LEFT_FOR_RECORDING: Duration = Duration::from_secs(10);

/// Knows which handler runs which job.
pub(crate) struct Handlers {
    pub(crate) deliver: DeliverHandler,
    pub(crate) media: MediaHandler,
    pub(crate) send: SendHandler,
}

impl Handlers {
    async fn run(&self, job: &ClaimedJob, mark: &SendMark) -> Ending {
        match job.kind {
            JobKind::Deliver | JobKind::Test => self.deliver.run(job).await.into(),
            JobKind::FetchMedia => self.media.run(job).await.into(),
            JobKind::Send => self.send.run(job, mark).await,
        }
    }

    fn schedule(&self, job: &ClaimedJob) -> Option<&RetrySchedule> {
        match job.kind {
            JobKind::Deliver | JobKind::Test => self.deliver.schedule(job),
            JobKind::FetchMedia => Some(&self.media.config.retry),
            JobKind::Send => Some(&self.send.retry),
        }
    }
}

/// Runs jobs.
pub(crate) struct JobRunner {
    pub(crate) handlers: Arc<Handlers>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) lanes: Arc<Lanes>,
    /// To the recorder.
    pub(crate) outcomes: Sender<Ended>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) lease: Duration,
    /// Cancelled when the grace is over: handlers are cut off.
    pub(crate) abort: CancellationToken,
}

// Dropping the runner's future must not leave its handler running without an owner.
struct Owned(JoinHandle<Ending>);

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl JobRunner {
    /// Runs the job, and after it whatever its lane has in hand, unless the grace is over. The slot is free when this
    /// returns.
    pub(crate) async fn run(&self, job: ClaimedJob, slot: Slot) {
        let mut next = Some(job);
        while let Some(job) = next {
            if let Some(ended) = self.attempt(job).await
                && let Err(unsent) = self.outcomes.send(ended).await
            {
                let id = unsent.0.job.id.0;
                error!(job.id = id, "cannot record outcome of job {id}: the engine has been dropped");
            }
            next = if self.abort.is_cancelled() { None } else { slot.next(self.clock.now()) };
        }
    }

    /// Tries the job once. `None` when there is nothing left to record.
    pub(crate) async fn attempt(&self, job: ClaimedJob) -> Option<Ended> {
        let started_at = self.clock.now();
        let (job, mark) = (Arc::new(job), Arc::new(SendMark::default()));
        match self.handle(&job, &mark).await {
            Some(Ending::Report(report)) => return Some(self.ended(&job, started_at, *report)),
            Some(Ending::Recorded) => {}
            None if mark.is_set() => {
                warn!(job.id = job.id.0, "cut off a message on its way; job {} becomes unknown", job.id.0);
            }
            None => self.release(&job).await,
        }
        None
    }

    /// Runs the handler; `None` when it was cut off by the end of the grace.
    async fn handle(&self, job: &Arc<ClaimedJob>, mark: &Arc<SendMark>) -> Option<Ending> {
        let (handlers, its_job, its_mark) = (Arc::clone(&self.handlers), Arc::clone(job), Arc::clone(mark));
        let mut handler = Owned(tokio::spawn(async move { handlers.run(&its_job, &its_mark).await }));
        let limit = self.time_limit();
        let joined = tokio::select! {
            joined = tokio::time::timeout(limit, &mut handler.0) => joined,
            () = self.abort.cancelled() => {
                handler.0.abort();
                // It may have ended just before.
                let joined = (&mut handler.0).await;
                return joined.ok();
            }
        };
        Some(match joined {
            Ok(Ok(ending)) => ending,
            Ok(Err(panic)) => self.broken(job, mark, &panicked(&panic)).into(),
            Err(_) => self.broken(job, mark, &format!("the handler did not end within {limit:?}")).into(),
        })
    }

    /// What a lease leaves for the handler of a job that has waited in hand, and whose outcome is still to be recorded.
    fn time_limit(&self) -> Duration {
        self.lease.saturating_sub(HELD_AT_MOST).saturating_sub((self.lease / 10).min(LEFT_FOR_RECORDING))
    }

    /// The report of a handler that gave none.
    fn broken(&self, job: &ClaimedJob, mark: &SendMark, reason: &str) -> Report {
        error!(job.id = job.id.0, kind = %job.kind, "handler of job {} failed: {reason}", job.id.0);
        let outcome = match self.handlers.schedule(job) {
            _ if mark.is_set() => Outcome::Unknown,
            Some(schedule) => {
                after_failure(schedule, job.schedule_attempt, None, &*self.clock, &*self.entropy)
            }
            None => Outcome::Dead,
        };
        Report::failure(reason, outcome)
    }

    fn ended(&self, job: &ClaimedJob, started_at: Timestamp, report: Report) -> Ended {
        let finished_at = self.clock.now();
        self.count(job, &report, finished_at.since(started_at));
        self.tell_breaker(job, &report, finished_at);
        let attempt = Attempt {
            number: job.attempt,
            started_at,
            finished_at,
            succeeded: report.succeeded(),
            status: report.status.map(i64::from),
            error: report.error.clone(),
            response: report.response.clone(),
        };
        let outcome = report.outcome.clone();
        let finished = FinishedAttempt { job: job.id, fence: job.fence, attempt, outcome };
        Ended { job: without_bytes(job), report, finished, record_by: Instant::now() + self.lease }
    }

    async fn release(&self, job: &ClaimedJob) {
        match self.store.release(vec![(job.id, job.fence)]).await {
            Ok(()) => info!(job.id = job.id.0, "returned job {} to the queue", job.id.0),
            // Its lease will end by itself.
            Err(cause) => warn!(job.id = job.id.0, error = %cause, "cannot return job {}: {cause}", job.id.0),
        }
    }

    fn count(&self, job: &ClaimedJob, report: &Report, took: Duration) {
        let kind = job.kind.as_str();
        let destination = destination(job).unwrap_or_default().to_owned();
        let labels = AttemptLabels { kind, destination, outcome: report.word() };
        self.metrics.attempts.get_or_create(&labels).inc();
        self.metrics.attempt_seconds.get_or_create(&KindLabel { kind }).observe(took.as_secs_f64());
    }

    fn tell_breaker(&self, job: &ClaimedJob, report: &Report, now: Timestamp) {
        let due_again_at = match report.outcome {
            Outcome::Retry { due_at } => Some(due_at),
            _ => None,
        };
        let changed = if report.succeeded() {
            self.lanes.succeeded(&job.lane)
        } else {
            self.lanes.failed(&job.lane, now, due_again_at)
        };
        let Some(is_open) = changed else { return };
        let name = destination(job).unwrap_or_default();
        let label = DestinationLabel { destination: name.to_owned() };
        self.metrics.breaker_open.get_or_create(&label).set(is_open.into());
        if is_open {
            warn!(destination = name, "{name} keeps failing; it is tried with one job at a time");
        } else {
            info!(destination = name, "{name} answers again");
        }
    }
}

fn destination(job: &ClaimedJob) -> Option<&str> {
    match &job.lane {
        Lane::Destination(name) => Some(name),
        Lane::Media | Lane::Send => None,
    }
}

fn panicked(error: &JoinError) -> String {
    // The panic's own words may quote a message; they have gone to standard error.
    if error.is_panic() { "the handler panicked".to_owned() } else { "the handler was cancelled".to_owned() }
}

// Outcomes may have to wait for the store, and a megabyte each is too much to wait with.
fn without_bytes(job: &ClaimedJob) -> ClaimedJob {
    let mut job = job.clone();
    if let Some(event) = &mut job.event {
        event.body = Bytes::new();
    }
    job
}

//! Runs one claimed job in its own task and records how it ended, whatever happens to the handler.
//!
//! A panic is one failed attempt. An outcome is recorded again and again while the lease holds, because a lost
//! outcome means that the effect takes place twice. At shutdown a handler that does not end is cut off: its job goes
//! back to the queue, unless it may already have asked Telnyx for a message.

use std::sync::Arc;
use std::time::Duration;

use inlet_domain::{Attempt, ClaimedJob, Clock, Entropy, JobKind, Lane, Outcome, RetrySchedule, Timestamp};
use inlet_store::{Store, StoreError};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::deliver::DeliverHandler;
use crate::lanes::{Lanes, Slot};
use crate::media::MediaHandler;
use crate::metrics::{AttemptLabels, DestinationLabel, KindLabel, Metrics};
use crate::report::{Ending, Report, after_failure, without_numbers};
use crate::send::{SendHandler, SendMark};

const FIRST_RECORDING_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_RECORDING_PAUSE: Duration = Duration::from_secs(5);
// Part of the lease that a handler leaves for recording.
const RECORDING_SHARE: u32 = 10;

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
    /// Runs the job to its end. The slot is free when this returns.
    pub(crate) async fn run(&self, job: ClaimedJob, slot: Slot) {
        let started_at = self.clock.now();
        let (job, mark) = (Arc::new(job), Arc::new(SendMark::default()));
        match self.handle(&job, &mark).await {
            Some(Ending::Report(report)) => self.record(&job, started_at, *report).await,
            Some(Ending::Recorded) => {}
            None if mark.is_set() => {
                warn!(job.id = job.id.0, "cut off a message on its way; job {} becomes unknown", job.id.0);
            }
            None => self.release(&job).await,
        }
        drop(slot);
    }

    /// Runs the handler; `None` when it was cut off by the end of the grace.
    async fn handle(&self, job: &Arc<ClaimedJob>, mark: &Arc<SendMark>) -> Option<Ending> {
        let (handlers, its_job, its_mark) = (Arc::clone(&self.handlers), Arc::clone(job), Arc::clone(mark));
        let mut handler = Owned(tokio::spawn(async move { handlers.run(&its_job, &its_mark).await }));
        let limit = self.lease.saturating_sub(self.lease / RECORDING_SHARE);
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

    async fn record(&self, job: &ClaimedJob, started_at: Timestamp, report: Report) {
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
        match self.finish(job, attempt, &report.outcome).await {
            Ok(()) => log(job, &report),
            Err(StoreError::LeaseLost { .. }) => {
                self.metrics.leases_lost.inc();
                warn!(job.id = job.id.0, "lease of job {} was lost; its outcome is dropped", job.id.0);
            }
            Err(cause) => {
                error!(job.id = job.id.0, error = %cause, "cannot record outcome of job {}: {cause}", job.id.0);
            }
        }
    }

    async fn finish(&self, job: &ClaimedJob, attempt: Attempt, outcome: &Outcome) -> Result<(), StoreError> {
        let deadline = Instant::now() + self.lease;
        let mut pause = FIRST_RECORDING_PAUSE;
        loop {
            let result = self.store.finish_attempt(job.id, job.fence, attempt.clone(), outcome.clone()).await;
            match result {
                Err(cause) if cause.is_transient() && Instant::now() + pause < deadline => {
                    self.metrics.store_errors.inc();
                    tokio::select! {
                        () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_RECORDING_PAUSE),
                        () = self.abort.cancelled() => return Err(cause),
                    }
                }
                result => return result,
            }
        }
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

fn log(job: &ClaimedJob, report: &Report) {
    let event = job.event.as_ref().map_or("-", |event| event.id.as_str());
    let place = destination(job).unwrap_or(job.kind.as_str());
    let reason = without_numbers(report.error.as_deref().unwrap_or("no reason"));
    let (id, attempt) = (job.id.0, job.attempt);
    match &report.outcome {
        Outcome::Done => {
            info!(
                job.id = id,
                event.id = event,
                destination = place,
                attempt,
                "delivered event {event} to {place}"
            );
        }
        Outcome::Archived(media) => {
            info!(job.id = id, event.id = event, media.sha256 = %media.sha256, "archived attachment of event {event}");
        }
        Outcome::Retry { due_at } => {
            info!(
                job.id = id, event.id = event, destination = place, attempt, due_at = %due_at,
                "attempt {attempt} of event {event} at {place} failed, next at {due_at}: {reason}"
            );
        }
        Outcome::Dead | Outcome::DeadOptedOut | Outcome::DeadAndPause { .. } => {
            warn!(
                job.id = id,
                event.id = event,
                destination = place,
                attempt,
                "gave up event {event} at {place} after attempt {attempt}: {reason}"
            );
        }
        // Their handler has said it.
        Outcome::Sent(_) | Outcome::Unknown => {}
    }
}

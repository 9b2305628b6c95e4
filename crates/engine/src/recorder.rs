//! Records how attempts ended, as many as there are in one transaction, so that no slot waits for a commit.
//!
//! An outcome is recorded again and again while the lease holds, because a lost outcome means that the effect takes
//! place twice. How many wait is bounded: beyond that, slots stay taken.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use inlet_domain::{ClaimedJob, Lane, Outcome};
use inlet_store::{FinishedAttempt, Store, StoreError};
use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::metrics::Metrics;
use crate::report::{Report, without_numbers};

/// Outcomes that may wait to be recorded; after a crash so many attempts are made again.
pub(crate) const WAITING_OUTCOMES: usize = 512;
// One transaction's worth: a few milliseconds of the writer's time.
const MOST_TOGETHER: usize = 256;
// Where outcomes come in numbers, waiting this long for more of them saves most of the commits.
const BREATHER: Duration = Duration::from_millis(5);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// An attempt that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The job, without the bytes of its event.
    pub(crate) job: ClaimedJob,
    pub(crate) report: Report,
    pub(crate) finished: FinishedAttempt,
    /// When its lease is over.
    pub(crate) record_by: Instant,
}

/// Records outcomes and tells of them.
pub(crate) struct Recorder {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) metrics: Arc<Metrics>,
    /// Cancelled when the grace is over: what cannot be recorded at once is left to its lease.
    pub(crate) abort: CancellationToken,
}

impl Recorder {
    /// Records whatever comes, until nobody is left to send anything.
    pub(crate) async fn run(self, mut outcomes: Receiver<Ended>) {
        let mut together = Vec::new();
        while outcomes.recv_many(&mut together, MOST_TOGETHER).await > 0 {
            if together.len() > 1 {
                tokio::time::sleep(BREATHER).await;
                while together.len() < MOST_TOGETHER
                    && let Ok(ended) = outcomes.try_recv()
                {
                    together.push(ended);
                }
            }
            self.record(std::mem::take(&mut together)).await;
        }
    }

    /// Records these outcomes.
    pub(crate) async fn record(&self, mut together: Vec<Ended>) {
        let mut pause = FIRST_PAUSE;
        while !together.is_empty() {
            let finished = together.iter().map(|ended| ended.finished.clone()).collect();
            match self.store.finish_attempts(finished).await {
                Ok(results) => return self.recorded(together, results),
                Err(cause) if cause.is_transient() && !self.abort.is_cancelled() => {
                    self.metrics.store_errors.inc();
                    let next_try = Instant::now() + pause;
                    let late = together.extract_if(.., |ended| ended.record_by <= next_try);
                    late.for_each(|ended| not_recorded(&ended.job, &cause));
                    tokio::select! {
                        () = tokio::time::sleep_until(next_try) => {}
                        () = self.abort.cancelled() => {}
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(cause) => return together.iter().for_each(|ended| not_recorded(&ended.job, &cause)),
            }
        }
    }

    fn recorded(&self, together: Vec<Ended>, results: Vec<Result<(), StoreError>>) {
        let mut delivered: BTreeMap<String, Vec<Ended>> = BTreeMap::new();
        for (ended, result) in together.into_iter().zip(results) {
            match (result, &ended.report.outcome) {
                (Ok(()), Outcome::Done) => {
                    delivered.entry(place(&ended.job).to_owned()).or_default().push(ended);
                }
                (Ok(()), _) => tell(&ended.job, &ended.report),
                (Err(StoreError::LeaseLost { .. }), _) => {
                    self.metrics.leases_lost.inc();
                    let id = ended.job.id.0;
                    warn!(job.id = id, "lease of job {id} was lost; its outcome is dropped");
                }
                (Err(cause), _) => not_recorded(&ended.job, &cause),
            }
        }
        for (place, ended) in delivered {
            tell_delivered(&place, &ended);
        }
    }
}

fn not_recorded(job: &ClaimedJob, cause: &StoreError) {
    error!(job.id = job.id.0, error = %cause, "cannot record outcome of job {}: {cause}", job.id.0);
}

fn place(job: &ClaimedJob) -> &str {
    match &job.lane {
        Lane::Destination(name) => name,
        Lane::Media | Lane::Send => job.kind.as_str(),
    }
}

fn event_id(job: &ClaimedJob) -> &str {
    job.event.as_ref().map_or("-", |event| event.id.as_str())
}

// A line for each of thousands in a second would tell nobody anything and cost as much as the deliveries.
fn tell_delivered(place: &str, delivered: &[Ended]) {
    let count = delivered.len();
    if count > 1 {
        info!(destination = place, count, "delivered {count} events to {place}");
    }
    for Ended { job, .. } in delivered {
        let (id, event, attempt) = (job.id.0, event_id(job), job.attempt);
        if count > 1 {
            debug!(
                job.id = id,
                event.id = event,
                destination = place,
                attempt,
                "delivered event {event} to {place}"
            );
        } else {
            info!(
                job.id = id,
                event.id = event,
                destination = place,
                attempt,
                "delivered event {event} to {place}"
            );
        }
    }
}

fn tell(job: &ClaimedJob, report: &Report) {
    let (id, event, place, attempt) = (job.id.0, event_id(job), place(job), job.attempt);
    let reason = without_numbers(report.error.as_deref().unwrap_or("no reason"));
    match &report.outcome {
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
        // Of deliveries many are told at once; of the others their handler has told.
        Outcome::Done | Outcome::Sent(_) | Outcome::Unknown => {}
    }
}

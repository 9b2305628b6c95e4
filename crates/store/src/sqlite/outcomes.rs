//! What follows from a finished attempt.

use inlet_domain::{Attempt, JobId, JobState, Outcome, Timestamp, Transition};
use rusqlite::{Connection, Row, params};

use super::by_hand::pause_destination;
use super::failure::Failure;
use super::jobs::Standing;
use super::messages::archive_media;
use super::rows::{all, clean_optional, execute, named, time};
use super::sends::{record_opt_out, record_sent};
use crate::error::StoreError;
use crate::store::FinishedAttempt;

/// Records attempts and their outcomes. A lost lease concerns its own attempt alone; any other failure all of them, and
/// the caller tries each by itself.
pub(super) fn finish_attempts(
    connection: &Connection,
    finished: &[FinishedAttempt],
) -> Result<Vec<Result<(), StoreError>>, Failure> {
    let recorded = finished.iter().map(|one| match finish_attempt(connection, one) {
        Err(Failure::Store(error @ StoreError::LeaseLost { .. })) => Ok(Err(error)),
        Err(failure) => Err(failure),
        Ok(()) => Ok(Ok(())),
    });
    recorded.collect()
}

// A lost lease is found before anything is written.
fn finish_attempt(connection: &Connection, finished: &FinishedAttempt) -> Result<(), Failure> {
    let FinishedAttempt { job: id, fence, attempt, outcome } = finished;
    let job = Standing::of(connection, *id)?.filter(|job| job.fence == *fence);
    let job = job.ok_or(StoreError::LeaseLost { job: id.0 })?;
    record_attempt(connection, *id, attempt)?;
    match (job.state, outcome) {
        // The lease of a send ran out while Telnyx was slow; its late answer proves as much as a receipt.
        (JobState::Unknown, Outcome::Sent(message)) => {
            record_sent(connection, *id, message)?;
            job.follow(connection, Transition::Receipt, None, attempt.finished_at)?;
            Ok(())
        }
        (JobState::Running | JobState::Sending, _) => conclude(connection, &job, attempt, outcome),
        // Proven by a receipt meanwhile, or unknown for good: the attempt is recorded, the state stays.
        _ => Ok(()),
    }
}

fn record_attempt(connection: &Connection, job: JobId, attempt: &Attempt) -> Result<(), Failure> {
    let sql = "insert into attempts (job_id, number, started_at, finished_at, succeeded, status, error, response) \
        values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let values = params![
        job.0,
        attempt.number,
        attempt.started_at.as_micros(),
        attempt.finished_at.as_micros(),
        attempt.succeeded,
        attempt.status,
        clean_optional(attempt.error.as_deref()),
        clean_optional(attempt.response.as_deref()),
    ];
    execute(connection, sql, values)?;
    Ok(())
}

fn conclude(
    connection: &Connection,
    job: &Standing,
    attempt: &Attempt,
    outcome: &Outcome,
) -> Result<(), Failure> {
    let now = attempt.finished_at;
    let transition = match outcome {
        Outcome::Done | Outcome::Archived(_) | Outcome::Sent(_) => Transition::Succeed,
        Outcome::Retry { .. } => Transition::RetryLater,
        Outcome::Dead | Outcome::DeadOptedOut | Outcome::DeadAndPause { .. } => Transition::GiveUp,
        Outcome::Unknown => Transition::LoseAnswer,
    };
    job.follow(connection, transition, attempt.error.as_deref(), now)?;
    carry_out(connection, job, outcome, now)
}

/// What an outcome changes besides the job's state.
fn carry_out(
    connection: &Connection,
    job: &Standing,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<(), Failure> {
    match outcome {
        Outcome::Done | Outcome::Dead | Outcome::Unknown => Ok(()),
        Outcome::Archived(stored) => {
            let message = job.message_id.as_deref().unwrap_or_default();
            archive_media(connection, message, job.media_position.unwrap_or_default(), stored, now)
        }
        Outcome::Sent(message) => record_sent(connection, job.id, message),
        Outcome::Retry { due_at } => job.due(connection, *due_at),
        Outcome::DeadOptedOut => {
            let request = job.send_request()?;
            record_opt_out(connection, &request.from, &request.to, "40300", now)
        }
        Outcome::DeadAndPause { reason } => match job.destination.as_deref() {
            Some(name) => pause_destination(connection, name, reason, now),
            None => Ok(()),
        },
    }
}

/// The attempts of a job, oldest first.
pub(super) fn attempts(connection: &Connection, job: JobId) -> Result<Vec<Attempt>, Failure> {
    let sql = "select id, number, started_at, finished_at, succeeded, status, error, response from attempts \
        where job_id = ?1 order by id";
    all(connection, sql, [job.0], decode)
}

/// Reads a row of `attempts`.
pub(super) fn decode(row: &Row<'_>) -> Result<Attempt, Failure> {
    let id = row.get("id")?;
    named("attempts", id, decode_columns(row).map_err(Failure::from))
}

fn decode_columns(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    Ok(Attempt {
        number: row.get("number")?,
        started_at: time(row, "started_at")?,
        finished_at: time(row, "finished_at")?,
        succeeded: row.get("succeeded")?,
        status: row.get("status")?,
        error: row.get("error")?,
        response: row.get("response")?,
    })
}

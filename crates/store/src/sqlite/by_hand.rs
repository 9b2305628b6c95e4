//! What a person does: retry, discard, pause, resume, test.

use inlet_domain::{JobId, JobKind, JobState, Lane, Timestamp, Transition};
use rusqlite::{Connection, params};

use super::failure::Failure;
use super::filters::{JobSearch, job_conditions};
use super::jobs::{NewRow, Standing};
use super::rows::{clean, execute, value, values};
use crate::store::{BulkAction, BulkResult};

const BULK_STEP: usize = 1_000;

/// Makes a job that hands a sample to a destination.
pub(super) fn enqueue_test(
    connection: &Connection,
    destination: &str,
    now: Timestamp,
) -> Result<JobId, Failure> {
    let lane = Lane::Destination(destination.to_owned());
    let made =
        NewRow::new(JobKind::Test, &lane, now).insert(connection)?.expect("no unique key covers tests");
    // Somebody waits for its answer, so it is claimed before everything else that its lane holds.
    execute(connection, "update jobs set claim_at = 0 where id = ?1", [made.0])?;
    Ok(made)
}

/// Retries or discards one job.
pub(super) fn change_job(
    connection: &Connection,
    id: JobId,
    action: BulkAction,
    now: Timestamp,
) -> Result<Option<bool>, Failure> {
    let Some(job) = Standing::of(connection, id)? else { return Ok(None) };
    if job.state.next(transition_of(action)).is_none() {
        return Ok(Some(false));
    }
    change(connection, &job, action, now)?;
    Ok(Some(true))
}

const fn transition_of(action: BulkAction) -> Transition {
    match action {
        BulkAction::Retry => Transition::RetryByHand,
        BulkAction::Discard => Transition::Discard,
    }
}

fn change(
    connection: &Connection,
    job: &Standing,
    action: BulkAction,
    now: Timestamp,
) -> Result<(), Failure> {
    // What the job met last stays to be read until the next attempt.
    let last_error: Option<String> =
        value(connection, "select last_error from jobs where id = ?1", [job.id.0])?;
    job.follow(connection, transition_of(action), last_error.as_deref(), now)?;
    // A late outcome of an earlier claim must not count any more.
    execute(connection, "update jobs set fence = fence + 1 where id = ?1", [job.id.0])?;
    if action == BulkAction::Discard {
        return Ok(());
    }
    job.due(connection, now)?;
    execute(connection, "update jobs set schedule_attempts = 0, lost_leases = 0 where id = ?1", [job.id.0])?;
    job.destination.as_deref().map_or(Ok(()), |name| note_retry(connection, name, now))
}

fn note_retry(connection: &Connection, destination: &str, now: Timestamp) -> Result<(), Failure> {
    let sql = "insert into destinations (name, retried_at) values (?1, ?2) \
        on conflict (name) do update set retried_at = excluded.retried_at";
    execute(connection, sql, params![clean(destination), now.as_micros()])?;
    Ok(())
}

/// One step of a bulk action.
pub(super) fn change_jobs(
    connection: &Connection,
    search: &JobSearch,
    action: BulkAction,
    from: Option<JobId>,
    now: Timestamp,
) -> Result<BulkResult, Failure> {
    let mut conditions = job_conditions(connection, &bulk_search(search))?;
    conditions.add("id > ?", from.map_or(0, |id| id.0));
    let sql = format!("select id from jobs{} order by id limit {BULK_STEP}", conditions.sql());
    let ids: Vec<i64> = values(connection, &sql, conditions.params())?;
    let mut matched = 0;
    for &id in &ids {
        let changed = change_job(connection, JobId(id), action, now)?;
        matched += i64::from(changed == Some(true));
    }
    if let (BulkAction::Retry, Some(name)) = (action, &search.filter.destination) {
        note_retry(connection, name, now)?;
    }
    let next = if ids.len() == BULK_STEP { ids.last().copied().map(JobId) } else { None };
    Ok(BulkResult { matched, next })
}

/// What a bulk action would change.
pub(super) fn count_bulk(
    connection: &Connection,
    search: &JobSearch,
    action: BulkAction,
) -> Result<BulkResult, Failure> {
    let search = bulk_search(search);
    if search.filter.state.is_some_and(|state| state.next(transition_of(action)).is_none()) {
        return Ok(BulkResult::default());
    }
    let conditions = job_conditions(connection, &search)?;
    let sql = format!("select count(*) from jobs{}", conditions.sql());
    Ok(BulkResult { matched: value(connection, &sql, conditions.params())?, next: None })
}

// Without a state, dead letters: a careless filter must not discard what is still being tried.
fn bulk_search(search: &JobSearch) -> JobSearch {
    let mut search = search.clone();
    search.filter.state.get_or_insert(JobState::Dead);
    search
}

/// Pauses a destination. One that is paused keeps the date and gets the new reason.
pub(super) fn pause_destination(
    connection: &Connection,
    name: &str,
    reason: &str,
    now: Timestamp,
) -> Result<(), Failure> {
    let sql = "insert into destinations (name, paused_at, paused_reason) values (?1, ?2, ?3) \
        on conflict (name) do update set paused_at = coalesce(paused_at, excluded.paused_at), \
        paused_reason = excluded.paused_reason";
    execute(connection, sql, params![clean(name), now.as_micros(), clean(reason)])?;
    Ok(())
}

/// Resumes a destination, and closes its breaker. False when it was not paused.
pub(super) fn resume_destination(
    connection: &Connection,
    name: &str,
    now: Timestamp,
) -> Result<bool, Failure> {
    let sql = "update destinations set paused_at = null, paused_reason = null \
        where name = ?1 and paused_at is not null";
    let was_paused = execute(connection, sql, [clean(name)])? == 1;
    note_retry(connection, name, now)?;
    Ok(was_paused)
}

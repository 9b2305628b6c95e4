//! Replays: stored events handed to a destination again, in short steps over the events' positions.

use std::time::{Duration, Instant};

use inlet_domain::{
    Destination, EventFilter, EventSeq, JobKind, Lane, NewReplay, Replay, ReplayId, ReplayState, Router,
    Timestamp,
};
use rusqlite::{Connection, Row, params};

use super::failure::{Failure, Severity};
use super::filters::replay_conditions;
use super::jobs::NewRow;
use super::routing::{plan, routed_seq, stored_event};
use super::rows::{all, clean, execute, first, json, named, optional_time, time, to_json, value, word};

// Positions looked at in one step, whether they match or not: a filter that matches nothing must not hold the writer.
const WINDOW: i64 = 10_000;
// For conditions, which read the event. Routing, claims and outcomes wait for the writer meanwhile.
const BUDGET: Duration = Duration::from_millis(50);

/// The columns of [`decode`].
pub(super) const COLUMNS: &str =
    "id, destination, filter, state, total, made, created_at, finished_at, position, until_seq";

/// Reads a row.
pub(super) fn decode(row: &Row<'_>) -> Result<Replay, Failure> {
    let id = row.get("id")?;
    named("replays", id, decode_columns(row, id).map_err(Failure::from))
}

fn decode_columns(row: &Row<'_>, id: i64) -> rusqlite::Result<Replay> {
    Ok(Replay {
        id: ReplayId(id),
        destination: row.get("destination")?,
        filter: json(row, "filter")?,
        state: word(row, "state")?,
        total: row.get("total")?,
        made: row.get("made")?,
        created_at: time(row, "created_at")?,
        finished_at: optional_time(row, "finished_at")?,
    })
}

/// One replay.
pub(super) fn replay(connection: &Connection, id: ReplayId) -> Result<Option<Replay>, Failure> {
    first(connection, &format!("select {COLUMNS} from replays where id = ?1"), [id.0], decode)
}

/// How many routed events match.
pub(super) fn count(
    connection: &Connection,
    filter: &EventFilter,
    events: &[String],
) -> Result<i64, Failure> {
    let conditions = replay_conditions(filter, events);
    let sql = format!("select count(*) from event_facts{}", conditions.sql());
    value(connection, &sql, conditions.params())
}

/// Starts a replay of the events routed so far. They have been counted before: that takes long when there are many.
pub(super) fn start(
    connection: &Connection,
    new: &NewReplay,
    total: i64,
    now: Timestamp,
) -> Result<Replay, Failure> {
    let until = routed_seq(connection)?;
    let sql = "insert into replays (destination, filter, state, total, until_seq, created_at) \
        values (?1, ?2, ?3, ?4, ?5, ?6)";
    let state = ReplayState::Running.as_str();
    let values = params![clean(&new.destination), to_json(&new.filter), state, total, until, now.as_micros()];
    execute(connection, sql, values)?;
    let id = ReplayId(connection.last_insert_rowid());
    let kept = replay(connection, id)?;
    Ok(kept.expect("it was inserted in this transaction"))
}

/// A replay that still makes jobs.
struct Running {
    replay: Replay,
    position: i64,
    until: i64,
}

/// Makes jobs of running replays. True when more remain.
pub(super) fn advance(
    connection: &Connection,
    router: &Router,
    limit: u32,
    now: Timestamp,
) -> Result<bool, Failure> {
    let sql = format!("select {COLUMNS} from replays where state = 'running' order by id limit 1");
    let running = first(connection, &sql, [], |row| {
        Ok(Running { replay: decode(row)?, position: row.get("position")?, until: row.get("until_seq")? })
    })?;
    let Some(running) = running else { return Ok(false) };
    step(connection, router, &running, limit, now)?;
    value(connection, "select exists (select 1 from replays where state = 'running')", [])
}

fn step(
    connection: &Connection,
    router: &Router,
    running: &Running,
    limit: u32,
    now: Timestamp,
) -> Result<(), Failure> {
    let destination = router.destination(&running.replay.destination);
    let end = running.until.min(running.position + WINDOW);
    let events = matching(connection, running, destination, end, limit)?;
    let (only, started, mut made, mut looked_at) = (asked(destination), Instant::now(), 0, 0);
    for event in &events {
        if only.as_ref().map_or(Ok(true), |only| is_wanted(connection, only, event))? {
            let ordered = router.keeps_order(&running.replay.destination);
            let conversation = event.conversation_id.filter(|_| ordered);
            made += i64::from(make_job(connection, running, event, conversation, now)?);
        }
        looked_at += 1;
        if started.elapsed() > BUDGET {
            break;
        }
    }
    // A full or interrupted step may have left events in the window.
    let all_seen = looked_at == events.len() && events.len() < limit as usize;
    let reached = events[..looked_at].last().map(|event| event.seq);
    let position = if all_seen { end } else { reached.unwrap_or(end) };
    let sql = "update replays set position = ?2, made = made + ?3 where id = ?1";
    execute(connection, sql, [running.replay.id.0, position, made])?;
    if position >= running.until {
        finish(connection, running.replay.id, ReplayState::Done, now)?;
    }
    Ok(())
}

/// The destination alone, where its condition must be asked; without one, the search has decided.
fn asked(destination: Option<&Destination>) -> Option<Router> {
    let destination = destination.filter(|destination| destination.when.is_some())?;
    Some(Router { destinations: vec![destination.clone()], ..Router::default() })
}

/// Whether the only destination of a router gets an event: planned as when it was routed, so that the bytes tell of a
/// message that is not kept any more. Better an event too many than one too few.
fn is_wanted(connection: &Connection, only: &Router, event: &Match) -> Result<bool, Failure> {
    let Some(stored) = stored_event(connection, event.seq)? else { return Ok(false) };
    let (errors, is_wanted) = match plan(connection, only, &stored) {
        Ok((plan, _)) => (plan.condition_errors, !plan.jobs.is_empty()),
        Err(failure) if failure.severity() == Severity::Row => {
            let name = only.destinations.iter().map(|destination| destination.name.clone()).collect();
            (vec![(name, failure.to_string())], true)
        }
        Err(failure) => return Err(failure),
    };
    for (name, reason) in errors {
        tracing::warn!(destination = %name, reason, "condition of {name} failed: {reason}");
    }
    Ok(is_wanted)
}

/// An event to be replayed.
struct Match {
    seq: i64,
    /// None where the log no longer has the event: `inlet.db` was restored from an older backup than the log.
    id: Option<String>,
    message_id: Option<String>,
    conversation_id: Option<i64>,
}

fn matching(
    connection: &Connection,
    running: &Running,
    destination: Option<&Destination>,
    end: i64,
    limit: u32,
) -> Result<Vec<Match>, Failure> {
    let events = destination.map_or(&[][..], |destination| &destination.events);
    let mut conditions = replay_conditions(&running.replay.filter, events);
    conditions.add("seq > ?", running.position);
    conditions.add("seq <= ?", end);
    let sql = format!(
        "select seq, message_id, (select id from events where events.seq = event_facts.seq) as id, \
         (select conversation_id from messages where messages.id = event_facts.message_id) as conversation_id \
         from event_facts{} order by seq limit {limit}",
        conditions.sql()
    );
    all(connection, &sql, conditions.params(), |row| {
        Ok(Match {
            seq: row.get("seq")?,
            id: row.get("id")?,
            message_id: row.get("message_id")?,
            conversation_id: row.get("conversation_id")?,
        })
    })
}

fn make_job(
    connection: &Connection,
    running: &Running,
    event: &Match,
    conversation_id: Option<i64>,
    now: Timestamp,
) -> Result<bool, Failure> {
    let Some(id) = &event.id else { return Ok(false) };
    let lane = Lane::Destination(running.replay.destination.clone());
    let row = NewRow {
        event: Some((EventSeq(event.seq), id)),
        message_id: event.message_id.as_deref(),
        conversation_id,
        replay: Some(running.replay.id),
        ..NewRow::new(JobKind::Deliver, &lane, now)
    };
    Ok(row.insert(connection)?.is_some())
}

/// Stops a replay. Jobs made so far stay.
pub(super) fn cancel(connection: &Connection, id: ReplayId, now: Timestamp) -> Result<Option<bool>, Failure> {
    let Some(replay) = replay(connection, id)? else { return Ok(None) };
    if replay.state != ReplayState::Running {
        return Ok(Some(false));
    }
    finish(connection, id, ReplayState::Cancelled, now)?;
    Ok(Some(true))
}

fn finish(connection: &Connection, id: ReplayId, state: ReplayState, now: Timestamp) -> Result<(), Failure> {
    let sql = "update replays set state = ?2, finished_at = ?3 where id = ?1";
    execute(connection, sql, params![id.0, state.as_str(), now.as_micros()])?;
    Ok(())
}

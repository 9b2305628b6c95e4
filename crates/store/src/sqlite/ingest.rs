//! The ack path: stores events once, and rejections.

use aws_lc_rs::digest::{SHA256, digest};
use inlet_domain::{EventSeq, NewRejection, Recorded};
use rusqlite::{Connection, params};

use super::failure::Failure;
use super::queue::EventTask;
use super::rows::{clean, execute, first, value};

const REJECTIONS_KEPT: i64 = 1_000;

/// The digest by which an id is found.
pub(super) fn hash_of(id: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, id.as_bytes()).as_ref());
    hash
}

/// Stores a group of events, in order.
pub(super) fn record_events(connection: &Connection, tasks: &[EventTask]) -> Result<Vec<Recorded>, Failure> {
    if tasks.is_empty() {
        return Ok(Vec::new());
    }
    let mut next = next_seq(connection)?;
    let mut recorded = Vec::with_capacity(tasks.len());
    for task in tasks {
        let outcome = record_event(connection, task, next)?;
        if matches!(outcome, Recorded::New(_)) {
            next += 1;
        }
        recorded.push(outcome);
    }
    Ok(recorded)
}

// Positions have no gaps, and one that an event has had is never given again, even if the event is deleted some day.
fn next_seq(connection: &Connection) -> Result<i64, Failure> {
    let sql = "select max(coalesce((select max(seq) from events), 0), (select routed_seq from routing)) + 1";
    value(connection, sql, [])
}

// The unique key of `seen` decides, not a look beforehand. Its 16 bytes are half of the digest; should two ids ever
// share the first half, the second half is theirs.
fn record_event(connection: &Connection, task: &EventTask, seq: i64) -> Result<Recorded, Failure> {
    for hash in task.hash.chunks(16) {
        let sql = "insert into seen (hash, seq) values (?1, ?2) on conflict do nothing";
        if execute(connection, sql, params![hash, seq])? == 1 {
            insert_event(connection, task, seq)?;
            return Ok(Recorded::New(EventSeq(seq)));
        }
        if let Some(known) = count_duplicate(connection, task, hash)? {
            return Ok(Recorded::Duplicate(EventSeq(known)));
        }
    }
    // Reached only if both halves of a SHA-256 collide with other ids.
    Err(super::rows::broken("seen", seq, "two ids have the same digest"))
}

fn insert_event(connection: &Connection, task: &EventTask, seq: i64) -> Result<(), Failure> {
    let sql = "insert into events (seq, id, source, received_at, body) values (?1, ?2, ?3, ?4, ?5)";
    let event = &task.event;
    let body: &[u8] = &event.body;
    let received_at = event.received_at.as_micros();
    execute(connection, sql, params![seq, clean(&event.id), event.source.as_str(), received_at, body])?;
    Ok(())
}

/// Counts a repeat. `None` when the event under this hash has another id. An event that is gone left its tombstone.
fn count_duplicate(connection: &Connection, task: &EventTask, hash: &[u8]) -> Result<Option<i64>, Failure> {
    let sql =
        "select seen.seq, events.id from seen left join events on events.seq = seen.seq where hash = ?1";
    let found = first(connection, sql, [hash], |row| Ok((row.get(0)?, row.get::<_, Option<String>>(1)?)))?;
    let Some((seq, id)) = found else { return Ok(None) };
    if id.is_some_and(|id| id != clean(&task.event.id)) {
        return Ok(None);
    }
    execute(connection, "update seen set duplicates = duplicates + 1 where hash = ?1", [hash])?;
    Ok(Some(seq))
}

/// Keeps rejections, and of all only the newest.
pub(super) fn record_rejections(connection: &Connection, rejections: &[NewRejection]) -> Result<(), Failure> {
    let sql =
        "insert into rejections (code, reason, received_at, size_bytes, peer) values (?1, ?2, ?3, ?4, ?5)";
    for rejection in rejections {
        let received_at = rejection.received_at.as_micros();
        let (reason, peer) = (clean(&rejection.reason), clean(&rejection.peer));
        let values = params![rejection.code.as_str(), reason, received_at, rejection.size_bytes, peer];
        execute(connection, sql, values)?;
    }
    let sql = "delete from rejections where id <= (select max(id) from rejections) - ?1";
    execute(connection, sql, [REJECTIONS_KEPT])?;
    Ok(())
}

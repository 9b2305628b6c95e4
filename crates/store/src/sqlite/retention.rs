//! Deletes what is older than it is wanted, from the oldest on, in steps of bounded size; never what still has work.

use std::collections::BTreeSet;

use inlet_domain::Timestamp;
use rusqlite::{Connection, params};

use super::failure::Failure;
use super::routing::routed_seq;
use super::rows::{execute, first, value, values};
use super::texts;
use super::time_map::{self, EVENTS, MESSAGES, Mapped};
use crate::store::Purged;

// Keys that one step looks at, whether their rows are old enough or not.
const WINDOW: i64 = 20_000;
// Unread messages that are counted one by one; of more, the number of messages bounds them well enough.
const UNREAD_COUNTED: i64 = 1_000;
// Jobs that may still need what they were made of.
const UNFINISHED: &str = "state in ('waiting', 'running', 'sending', 'dead', 'unknown')";

/// Lets go of events received before a moment: their facts are deleted, and their positions kept until the event log has
/// deleted them too. Returns these positions, with those that an earlier step may have left.
pub(super) fn purge_events(
    connection: &Connection,
    before: Timestamp,
    from: i64,
    limit: u32,
) -> Result<(Purged, Vec<i64>), Failure> {
    let below = routed_seq(connection)? + 1;
    let step = old_rows(connection, EVENTS, before, (from, below), limit)?;
    let (mut deleted, mut kept) = (0, 0);
    for seq in step.keys {
        if is_needed(connection, seq)? {
            kept += 1;
            continue;
        }
        execute(connection, "delete from event_facts where seq = ?1", [seq])?;
        execute(connection, "insert into forgotten_events (seq) values (?1) on conflict do nothing", [seq])?;
        deleted += 1;
    }
    let forgotten = values(connection, "select seq from forgotten_events order by seq limit ?1", [limit])?;
    Ok((Purged { deleted, kept, next: step.next }, forgotten))
}

/// The event log has deleted the events at these positions.
pub(super) fn events_are_gone(connection: &Connection, seqs: &[i64]) -> Result<(), Failure> {
    for seq in seqs {
        execute(connection, "delete from forgotten_events where seq = ?1", [seq])?;
    }
    Ok(())
}

/// Whether an event has unfinished jobs or dead letters, or a replay is on its way to it.
fn is_needed(connection: &Connection, seq: i64) -> Result<bool, Failure> {
    let sql = format!(
        "select exists (select 1 from jobs indexed by jobs_event where event_seq = ?1 and {UNFINISHED}) or exists (select 1 from replays \
         where state = 'running' and position < ?1 and until_seq >= ?1)"
    );
    value(connection, &sql, [seq])
}

/// Deletes messages received before a moment, with their attachments and texts.
pub(super) fn purge_messages(
    connection: &Connection,
    before: Timestamp,
    from: i64,
    limit: u32,
) -> Result<Purged, Failure> {
    let below: i64 = value(connection, "select coalesce(max(number), 0) + 1 from messages", [])?;
    let step = old_rows(connection, MESSAGES, before, (from, below), limit)?;
    let (mut deleted, mut kept, mut conversations) = (0, 0, BTreeSet::new());
    for number in step.keys {
        let Some(message) = Old::read(connection, number)? else { continue };
        if message.is_needed(connection)? {
            kept += 1;
            continue;
        }
        message.delete(connection)?;
        conversations.extend(message.conversation);
        deleted += 1;
    }
    for conversation in conversations {
        recount(connection, conversation)?;
    }
    // The newest number may be given again.
    let sql = "update behind set position = min(position, (select coalesce(max(number), 0) from messages)) \
        where name = ?1";
    execute(connection, sql, [MESSAGES.list])?;
    Ok(Purged { deleted, kept, next: step.next })
}

/// Keys of rows that are old enough, ascending.
struct Step {
    keys: Vec<i64>,
    next: Option<i64>,
}

fn old_rows(
    connection: &Connection,
    mapped: Mapped,
    before: Timestamp,
    (from, below): (i64, i64),
    limit: u32,
) -> Result<Step, Failure> {
    let before = before.as_micros();
    let mut ranges = time_map::ranges(connection, mapped.list, (None, Some(before)), below)?;
    ranges.reverse();
    for (low, high) in ranges {
        let low = low.max(from + 1);
        if low >= high {
            continue;
        }
        let end = high.min(low.saturating_add(WINDOW));
        let sql = mapped.old_rows();
        let keys: Vec<i64> = values(connection, &sql, params![low, end, before, limit])?;
        let reached = if keys.len() == limit as usize { keys.last().copied() } else { None };
        return Ok(Step { keys, next: Some(reached.unwrap_or(end - 1)) });
    }
    Ok(Step { keys: Vec::new(), next: None })
}

/// A message that is old enough to go.
struct Old {
    number: i64,
    id: String,
    conversation: Option<i64>,
}

impl Old {
    fn read(connection: &Connection, number: i64) -> Result<Option<Self>, Failure> {
        let sql = "select id, conversation_id from messages where number = ?1";
        first(connection, sql, [number], |row| {
            Ok(Self { number, id: row.get(0)?, conversation: row.get(1)? })
        })
    }

    fn is_needed(&self, connection: &Connection) -> Result<bool, Failure> {
        let sql = format!(
            "select exists (select 1 from jobs indexed by jobs_event where event_seq in \
             (select seq from event_facts where message_id = ?1) and {UNFINISHED}) \
             or exists (select 1 from jobs indexed by jobs_sent_message where sent_message_id = ?1 and {UNFINISHED})"
        );
        value(connection, &sql, [&self.id])
    }

    fn delete(&self, connection: &Connection) -> Result<(), Failure> {
        let sql =
            "select sha256 from media where message_id = ?1 and state = 'archived' and sha256 is not null";
        let digests: Vec<String> = values(connection, sql, [&self.id])?;
        execute(connection, "delete from media where message_id = ?1", [&self.id])?;
        for digest in digests {
            let sql = "insert into unused_media (sha256) select ?1 where not exists \
                (select 1 from media where sha256 = ?1 and state = 'archived') on conflict do nothing";
            execute(connection, sql, [digest])?;
        }
        texts::remove(connection, self.number)?;
        execute(connection, "delete from messages where number = ?1", [self.number])?;
        let Some(conversation) = self.conversation else { return Ok(()) };
        execute(
            connection,
            "update conversations set messages = messages - 1 where id = ?1",
            [conversation],
        )?;
        Ok(())
    }
}

/// Makes a conversation agree with the messages that it has left. One without any keeps its row, which jobs may name.
fn recount(connection: &Connection, conversation: i64) -> Result<(), Failure> {
    let sql = "select unread from conversations where id = ?1";
    let unread: i64 = value(connection, sql, [conversation])?;
    let sql = "update conversations set unread = min(unread, case when ?2 > ?3 then messages else \
        (select count(*) from (select 1 from messages where conversation_id = ?1 and direction = 'inbound' \
        order by number desc limit ?2)) end) where id = ?1";
    execute(connection, sql, [conversation, unread, UNREAD_COUNTED])?;
    let sql = "select not exists (select 1 from messages where number = last_number) from conversations where id = ?1";
    if !first(connection, sql, [conversation], |row| Ok(row.get::<_, bool>(0)?))?.unwrap_or(false) {
        return Ok(());
    }
    let latest = "select number, received_at, text from messages where conversation_id = ?1 \
        order by number desc limit 1";
    let latest = first(connection, latest, [conversation], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<String>>(2)?))
    })?;
    let (number, at, text) = latest.unwrap_or((0, i64::MIN, None));
    let sql = "update conversations set last_number = ?2, last_message_at = ?3, last_text = ?4 where id = ?1";
    execute(connection, sql, params![conversation, number, at, text])?;
    Ok(())
}

/// Digests that no attachment has any more, ascending, after one.
pub(super) fn unused_media(connection: &Connection, after: &str, limit: u32) -> Result<Vec<String>, Failure> {
    let sql = "select sha256 from unused_media where sha256 > ?1 and not exists \
        (select 1 from media where media.sha256 = unused_media.sha256 and state = 'archived') \
        order by sha256 limit ?2";
    values(connection, sql, params![after, limit])
}

/// Forgets digests whose bytes are gone.
pub(super) fn forget_media(connection: &Connection, digests: &[String]) -> Result<(), Failure> {
    for digest in digests {
        execute(connection, "delete from unused_media where sha256 = ?1", [digest])?;
    }
    Ok(())
}

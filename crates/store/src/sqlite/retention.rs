//! Deletes what is older than it is wanted, from the oldest on, in steps of bounded size; never what still has work.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use std::vec;

use inlet_domain::Timestamp;
use rusqlite::{Connection, params};

use super::failure::Failure;
use super::routing::routed_seq;
use super::rows::{execute, first, value, values};
use super::texts;
use super::time_map::{self, EVENTS, MESSAGES, Mapped};
use crate::store::Purged;

// Claims and outcomes wait for the writer meanwhile, as they do for a step of routing.
const BUDGET: Duration = Duration::from_millis(15);
// Keys that one step looks at, whether their rows are old enough or not.
const WINDOW: i64 = 20_000;
// What the event log deletes in one commit; whoever waits for an acknowledgement waits for that, too.
const FORGOTTEN_EVENTS: usize = 200;
const FORGOTTEN_BYTES: usize = 1 << 20;
// Jobs that may still need what they were made of.
const UNFINISHED: &str = "state in ('waiting', 'running', 'sending', 'dead', 'unknown')";
// `indexed by` wherever a state is looked for: SQLite would rather read every job in that state.
const FINISHED: &str = "select id from jobs indexed by jobs_finished \
    where state in ('done', 'skipped', 'discarded') and finished_at < ?1 limit ?2";

/// How much a step deletes or looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    rows: u32,
    time: Duration,
}

impl Bounds {
    /// So many rows, and no more than take the time of a step.
    pub(super) fn of(rows: u32) -> Self {
        Self { rows, time: BUDGET }
    }
}

/// Lets go of events received before a moment: their facts are deleted, and their positions kept until the event log has
/// deleted them too. Returns these positions, with those that an earlier step may have left.
pub(super) fn purge_events(
    connection: &Connection,
    before: Timestamp,
    from: i64,
    bounds: Bounds,
) -> Result<(Purged, Vec<i64>), Failure> {
    let below = routed_seq(connection)? + 1;
    let mut step = Step::begin(connection, EVENTS, before, (from, below), bounds)?;
    let (mut deleted, mut kept) = (0, 0);
    while let Some(seq) = step.take() {
        if is_needed(connection, seq)? {
            kept += 1;
            continue;
        }
        execute(connection, "delete from event_facts where seq = ?1", [seq])?;
        execute(connection, "insert into forgotten_events (seq) values (?1) on conflict do nothing", [seq])?;
        deleted += 1;
    }
    let sql = "select seq from forgotten_events order by seq limit ?1";
    let forgotten = values(connection, sql, [bounds.rows])?;
    Ok((Purged { deleted, kept, next: step.next }, forgotten))
}

/// How many of the events at these positions the event log may delete in one commit. Reads them on the way, so that it
/// need not wait for the disk.
pub(super) fn deletable_together(connection: &Connection, seqs: &[i64]) -> Result<usize, Failure> {
    let mut bytes = 0;
    for (count, seq) in seqs.iter().enumerate().take(FORGOTTEN_EVENTS) {
        let sql = "select body from events where seq = ?1";
        let length =
            first(connection, sql, [seq], |row| Ok(row.get_ref(0)?.as_bytes().map_or(0, <[u8]>::len)))?;
        bytes += length.unwrap_or_default();
        if bytes > FORGOTTEN_BYTES {
            return Ok(count.max(1));
        }
    }
    Ok(seqs.len().min(FORGOTTEN_EVENTS))
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
    bounds: Bounds,
) -> Result<Purged, Failure> {
    let below: i64 = value(connection, "select coalesce(max(number), 0) + 1 from messages", [])?;
    let mut step = Step::begin(connection, MESSAGES, before, (from, below), bounds)?;
    let (mut deleted, mut kept, mut conversations) = (0, 0, BTreeSet::new());
    while let Some(number) = step.take() {
        let Some(message) = Old::read(connection, number)? else { continue };
        if message.is_needed(connection)? {
            kept += 1;
            continue;
        }
        message.delete(connection)?;
        deleted += 1;
        conversations.extend(message.conversation);
    }
    for conversation in conversations {
        find_latest(connection, conversation)?;
    }
    // The newest number may be given again.
    let sql = "update behind set position = min(position, (select coalesce(max(number), 0) from messages)) \
        where name = ?1";
    execute(connection, sql, [MESSAGES.list])?;
    Ok(Purged { deleted, kept, next: step.next })
}

/// Deletes finished jobs and, with them, their attempts. Returns how many; none when there are no more.
pub(super) fn purge_jobs(connection: &Connection, before: Timestamp, bounds: Bounds) -> Result<u32, Failure> {
    let until = Instant::now() + bounds.time;
    let ids: Vec<i64> = values(connection, FINISHED, params![before.as_micros(), bounds.rows])?;
    let mut deleted = 0;
    for id in ids {
        execute(connection, "delete from jobs where id = ?1", [id])?;
        deleted += 1;
        if Instant::now() >= until {
            break;
        }
    }
    Ok(deleted)
}

/// Keys of rows that are old enough, ascending, as many as there is time for. One at least, so that a purge gets on however
/// slow the disk is.
struct Step {
    keys: vec::IntoIter<i64>,
    /// Where the next step begins.
    next: Option<i64>,
    taken: Option<i64>,
    until: Instant,
}

impl Step {
    fn begin(
        connection: &Connection,
        mapped: Mapped,
        before: Timestamp,
        (from, below): (i64, i64),
        Bounds { rows, time }: Bounds,
    ) -> Result<Self, Failure> {
        let until = Instant::now() + time;
        let (keys, next) = old_rows(connection, mapped, before, (from, below), rows)?;
        Ok(Self { keys: keys.into_iter(), next, taken: None, until })
    }

    fn take(&mut self) -> Option<i64> {
        if Instant::now() >= self.until && self.taken.is_some() && self.keys.len() > 0 {
            self.next = self.taken;
            return None;
        }
        self.taken = self.keys.next();
        self.taken
    }
}

/// The keys of a step, and where the next begins.
fn old_rows(
    connection: &Connection,
    mapped: Mapped,
    before: Timestamp,
    (from, below): (i64, i64),
    limit: u32,
) -> Result<(Vec<i64>, Option<i64>), Failure> {
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
        return Ok((keys, Some(reached.unwrap_or(end - 1))));
    }
    Ok((Vec::new(), None))
}

/// A message that is old enough to go.
struct Old {
    number: i64,
    id: String,
    is_inbound: bool,
    conversation: Option<i64>,
}

impl Old {
    fn read(connection: &Connection, number: i64) -> Result<Option<Self>, Failure> {
        let sql = "select id, direction = 'inbound', conversation_id from messages where number = ?1";
        first(connection, sql, [number], |row| {
            Ok(Self { number, id: row.get(0)?, is_inbound: row.get(1)?, conversation: row.get(2)? })
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
        // The unread ones are the newest.
        let sql = "update conversations set messages = messages - 1, inbound = inbound - ?2, \
            unread = min(unread, inbound - ?2) where id = ?1";
        execute(connection, sql, params![conversation, self.is_inbound])?;
        Ok(())
    }
}

/// Makes a conversation show the latest of the messages that it has left. One without any keeps its row, which jobs may
/// name.
fn find_latest(connection: &Connection, conversation: i64) -> Result<(), Failure> {
    let sql = "select not exists (select 1 from messages where number = last_number) from conversations where id = ?1";
    if !first(connection, sql, [conversation], |row| Ok(row.get::<_, bool>(0)?))?.unwrap_or(false) {
        return Ok(());
    }
    let latest = "select number, received_at, text from messages where conversation_id = ?1 \
        order by number desc limit 1";
    let latest = first(connection, latest, [conversation], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<String>>(2)?))
    })?;
    let (number, at, text) = latest.unwrap_or((0, 0, None));
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

#[cfg(test)]
mod tests {
    use super::super::plans::{assert_searches, database};
    use super::*;

    const NO_TIME: Bounds = Bounds { rows: 200, time: Duration::ZERO };
    const LATER: Timestamp = Timestamp::from_micros(i64::MAX);

    /// A database with five events, their messages of five conversations, and five finished jobs.
    fn filled() -> Connection {
        let database = database();
        let five = "with recursive five (n) as (select 1 union all select n + 1 from five where n < 5)";
        for insert in [
            "conversations (id, our_number, party, messages, inbound, unread, last_message_at) \
             select n, '+1', '+2' || n, 1, 1, 1, 0 from five",
            "messages (number, id, direction, from_number, recipients, cc, conversation_id, received_at, errors, \
             unsigned) select n, 'm-' || n, 'inbound', '+2' || n, '[]', '[]', n, 0, '[]', 0 from five",
            "events (seq, id, source, received_at, body) select n, 'e-' || n, 'telnyx', 0, zeroblob(400000) from five",
            "event_facts (seq, source, received_at) select n, 'telnyx', 0 from five",
            "jobs (kind, lane, state, due_at, claim_at, created_at, finished_at) \
             select 'test', 'test', 'done', 0, 0, 0, 0 from five",
        ] {
            let (table, rest) = insert.split_once(" select").unwrap();
            database.execute_batch(&format!("insert into {table} {five} select {rest}")).unwrap();
        }
        database.execute_batch("update routing set routed_seq = 5").unwrap();
        database
    }

    fn count(database: &Connection, table: &str) -> i64 {
        value(database, &format!("select count(*) from {table}"), []).unwrap()
    }

    #[test]
    fn a_step_that_is_out_of_time_has_deleted_a_row_and_the_next_begins_there() {
        let database = filled();
        for number in 1..=5 {
            let purged = purge_messages(&database, LATER, number - 1, NO_TIME).unwrap();
            assert_eq!(purged.deleted, 1);
            assert!(number == 5 || purged.next == Some(number), "{purged:?}");
            let (purged, forgotten) = purge_events(&database, LATER, number - 1, NO_TIME).unwrap();
            assert_eq!((purged.deleted, forgotten), (1, (1..=number).collect()));
            assert!(number == 5 || purged.next == Some(number), "{purged:?}");
            assert_eq!(purge_jobs(&database, LATER, NO_TIME).unwrap(), 1);
            for table in ["messages", "event_facts", "jobs"] {
                assert_eq!(count(&database, table), 5 - number, "{table}");
            }
        }
        assert_eq!(purge_jobs(&database, LATER, NO_TIME).unwrap(), 0);
    }

    #[test]
    fn the_event_log_deletes_little_at_a_time() {
        let database = filled();
        assert_eq!(deletable_together(&database, &[1, 2, 3, 4, 5]).unwrap(), 2, "each has 400 KB");
        assert_eq!(deletable_together(&database, &[6, 7, 8]).unwrap(), 3, "they are gone");
        assert_eq!(deletable_together(&database, &(6..1_000).collect::<Vec<_>>()).unwrap(), 200);
        database.execute_batch("update events set body = zeroblob(2000000)").unwrap();
        assert_eq!(deletable_together(&database, &[1, 2]).unwrap(), 1);
    }

    #[test]
    fn a_purge_finds_its_jobs_by_an_index() {
        assert_searches(&database(), FINISHED, "jobs_finished");
    }
}

//! The map of times: between which times lie the rows of each run of keys, so that a list need not look at the others.
//!
//! Keys and times grow together, but not strictly: clocks step back, and messages are fetched after the fact. The map is
//! exact whatever happens. It is filled behind; what it does not cover yet is looked at.

use rusqlite::{Connection, params};

use super::failure::Failure;
use super::rows::{all, execute, value};

const BLOCK_BITS: i64 = 12;

/// A list with a time: its name, and its key and time as columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mapped {
    pub(super) list: &'static str,
    table: &'static str,
    key: &'static str,
    time: &'static str,
}

/// Routed events.
pub(super) const EVENTS: Mapped =
    Mapped { list: "events", table: "event_facts", key: "seq", time: "received_at" };
/// Messages.
pub(super) const MESSAGES: Mapped =
    Mapped { list: "messages", table: "messages", key: "number", time: "received_at" };
/// Jobs.
pub(super) const JOBS: Mapped = Mapped { list: "jobs", table: "jobs", key: "id", time: "created_at" };

/// How far something that is filled behind has come.
pub(super) fn position(connection: &Connection, name: &str) -> Result<i64, Failure> {
    value(connection, "select position from behind where name = ?1", [name])
}

/// Sets how far it has come.
pub(super) fn set_position(connection: &Connection, name: &str, position: i64) -> Result<(), Failure> {
    execute(connection, "update behind set position = ?2 where name = ?1", params![name, position])?;
    Ok(())
}

/// Ranges of keys below one, descending, each from its first key to before its second: all in which rows of these times
/// (from, and before) may lie.
pub(super) fn ranges(
    connection: &Connection,
    list: &str,
    (after, before): (Option<i64>, Option<i64>),
    below: i64,
) -> Result<Vec<(i64, i64)>, Failure> {
    if after.is_none() && before.is_none() {
        return Ok(vec![(i64::MIN, below)]);
    }
    let covered = position(connection, list)? + 1;
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    if below > covered {
        ranges.push((covered, below));
    }
    let sql = "select block from time_map where list = ?1 and block <= ?2 and last_at >= ?3 and first_at < ?4 \
        order by block desc";
    let end = below.min(covered);
    let (after, before) = (after.unwrap_or(i64::MIN), before.unwrap_or(i64::MAX));
    let found = all(connection, sql, params![list, end >> BLOCK_BITS, after, before], |row| Ok(row.get(0)?))?;
    for block in found {
        let block: i64 = block;
        let range = (block << BLOCK_BITS, ((block + 1) << BLOCK_BITS).min(end));
        match ranges.last_mut() {
            Some(last) if last.0 == range.1 => last.0 = range.0,
            _ if range.0 < range.1 => ranges.push(range),
            _ => {}
        }
    }
    Ok(ranges)
}

impl Mapped {
    /// Takes up the next rows. True when more remain.
    pub(super) fn advance(self, connection: &Connection, limit: u32) -> Result<bool, Failure> {
        let Self { list, table, key, time } = self;
        let from = position(connection, list)?;
        let sql = format!(
            "select {key} / {} as block, min({time}), max({time}), max({key}), count(*) from \
             (select {key}, {time} from {table} where {key} > ?1 order by {key} limit ?2) group by block",
            1 << BLOCK_BITS
        );
        let (mut reached, mut rows) = (from, 0);
        let blocks = all(connection, &sql, params![from, limit], |row| {
            reached = reached.max(row.get(3)?);
            rows += row.get::<_, u32>(4)?;
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })?;
        for (block, first_at, last_at) in blocks {
            self.widen(connection, block, (first_at, last_at))?;
        }
        if reached > from {
            set_position(connection, list, reached)?;
        }
        Ok(rows == limit)
    }

    /// Takes up the time of a row that is covered already.
    pub(super) fn include(self, connection: &Connection, key: i64, at: i64) -> Result<(), Failure> {
        self.widen(connection, key >> BLOCK_BITS, (at, at))
    }

    fn widen(self, connection: &Connection, block: i64, (first, last): (i64, i64)) -> Result<(), Failure> {
        let sql = "insert into time_map (list, block, first_at, last_at) values (?1, ?2, ?3, ?4) \
            on conflict (list, block) do update set first_at = min(first_at, excluded.first_at), \
            last_at = max(last_at, excluded.last_at)";
        execute(connection, sql, params![self.list, block, first, last])?;
        Ok(())
    }

    /// The query for keys, ascending, in a range of keys (from the first value, before the second), of rows from before a
    /// time, up to a number.
    pub(super) fn old_rows(self) -> String {
        let Self { table, key, time, .. } = self;
        format!(
            "select {key} from {table} where {key} >= ?1 and {key} < ?2 and {time} < ?3 order by {key} limit ?4"
        )
    }

    /// Forgets the blocks below the first row. Returns that row's key.
    pub(super) fn forget_deleted(self, connection: &Connection) -> Result<Option<i64>, Failure> {
        let Self { list, table, key, .. } = self;
        let first: Option<i64> = value(connection, &format!("select min({key}) from {table}"), [])?;
        if let Some(first) = first {
            let sql = "delete from time_map where list = ?1 and block < ?2";
            execute(connection, sql, params![list, first >> BLOCK_BITS])?;
        }
        Ok(first)
    }
}

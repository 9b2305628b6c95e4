//! Counts of jobs, for metrics and for the state of destinations. Both read an index, never the rows.

use std::collections::BTreeMap;

use inlet_domain::{DestinationState, JobState, Timestamp};
use rusqlite::{Connection, params};

use super::failure::Failure;
use super::rows::{all, first, named, optional_time, value, word};
use crate::store::{DestinationSwitch, StatsRow};

const STATS: &str = "select kind, destination, state, count(*) as jobs, min(id) as oldest from jobs \
    group by kind, destination, state";
const COUNT: &str =
    "select count(*) from jobs where kind in ('deliver', 'test') and destination = ?1 and state = ?2";

/// Jobs by kind, destination and state.
pub(super) fn stats(connection: &Connection) -> Result<Vec<StatsRow>, Failure> {
    all(connection, STATS, [], |row| {
        let oldest: i64 = row.get("oldest")?;
        Ok(StatsRow {
            kind: named("jobs", oldest, word(row, "kind").map_err(Failure::from))?,
            destination: row.get("destination")?,
            state: named("jobs", oldest, word(row, "state").map_err(Failure::from))?,
            jobs: row.get("jobs")?,
            oldest_at: made_at(connection, Some(oldest))?,
        })
    })
}

// Jobs are numbered in the order of their creation.
fn made_at(connection: &Connection, job: Option<i64>) -> Result<Option<Timestamp>, Failure> {
    let sql = "select created_at from jobs where id = ?1";
    Ok(first(connection, sql, [job], |row| Ok(row.get(0)?))?.map(Timestamp::from_micros))
}

/// What was ever set at a destination.
pub(super) fn destination_switches(connection: &Connection) -> Result<Vec<DestinationSwitch>, Failure> {
    let sql = "select name, paused_at, paused_reason, retried_at from destinations order by name";
    all(connection, sql, [], |row| {
        Ok(DestinationSwitch {
            name: row.get("name")?,
            paused_at: optional_time(row, "paused_at")?,
            paused_reason: row.get("paused_reason")?,
            retried_at: optional_time(row, "retried_at")?,
        })
    })
}

/// Every destination that is paused, was retried or has jobs.
pub(super) fn destination_states(
    connection: &Connection,
) -> Result<Vec<(String, DestinationState)>, Failure> {
    let mut states = BTreeMap::new();
    for DestinationSwitch { name, paused_at, paused_reason, retried_at } in destination_switches(connection)?
    {
        let state = DestinationState { paused_at, paused_reason, retried_at, ..DestinationState::default() };
        states.insert(name, state);
    }
    for name in with_jobs(connection)? {
        states.entry(name).or_default();
    }
    for (name, state) in &mut states {
        add_counts(connection, name, state)?;
    }
    Ok(states.into_iter().collect())
}

// One step of the index for each destination, however many jobs it has.
fn with_jobs(connection: &Connection) -> Result<Vec<String>, Failure> {
    let sql = "select destination from jobs where destination > ?1 order by destination limit 1";
    let mut names: Vec<String> = Vec::new();
    loop {
        let last = names.last().map_or("", String::as_str);
        let Some(next) = first(connection, sql, [last], |row| Ok(row.get(0)?))? else { return Ok(names) };
        names.push(next);
    }
}

fn add_counts(connection: &Connection, name: &str, state: &mut DestinationState) -> Result<(), Failure> {
    let waiting = count(connection, name, JobState::Waiting)?;
    state.backlog = waiting + count(connection, name, JobState::Running)?;
    state.dead = count(connection, name, JobState::Dead)?;
    let sql = "select min(id) from jobs where kind = ?1 and destination = ?2 and state = 'waiting'";
    let deliver: Option<i64> = value(connection, sql, ["deliver", name])?;
    let test: Option<i64> = value(connection, sql, ["test", name])?;
    state.oldest_waiting_at = made_at(connection, [deliver, test].into_iter().flatten().min())?;
    Ok(())
}

fn count(connection: &Connection, name: &str, state: JobState) -> Result<i64, Failure> {
    value(connection, COUNT, params![name, state.as_str()])
}

#[cfg(test)]
mod tests {
    use super::super::plans::{assert_searches, database, plan};
    use super::*;

    #[test]
    fn counts_read_an_index_and_no_rows() {
        let database = database();
        let stats = plan(&database, STATS);
        assert!(stats.contains("COVERING INDEX jobs_counts") && !stats.contains("TEMP B-TREE"), "{stats}");
        assert_searches(&database, COUNT, "jobs_counts");
    }
}

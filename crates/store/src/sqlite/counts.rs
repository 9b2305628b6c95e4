//! Counts of jobs, for metrics and for the state of destinations: as triggers keep them, so that nothing is counted.

use std::collections::BTreeMap;

use inlet_domain::{DestinationState, JobKind, JobState, Timestamp};
use rusqlite::Connection;

use super::failure::Failure;
use super::rows::{all, first, optional_time, word};
use crate::store::{DestinationSwitch, StatsRow};

const STATS: &str = "select kind, destination, state, jobs from job_counts where jobs > 0 \
    order by kind, destination, state";

/// Jobs by kind, destination and state.
pub(super) fn stats(connection: &Connection) -> Result<Vec<StatsRow>, Failure> {
    all(connection, STATS, [], |row| {
        let (kind, state): (JobKind, JobState) = (word(row, "kind")?, word(row, "state")?);
        let destination: String = row.get("destination")?;
        let oldest = oldest(connection, kind, &destination, state)?;
        Ok(StatsRow {
            kind,
            state,
            jobs: row.get("jobs")?,
            oldest_at: made_at(connection, oldest)?,
            destination: (!destination.is_empty()).then_some(destination),
        })
    })
}

// Few jobs of a destination are no deliveries, and their index has no others.
const OLDEST_DELIVERY: &str = "select id from jobs indexed by jobs_destination \
    where destination = ?1 and state = ?2 and kind = 'deliver' order by id limit 1";
const OLDEST_OTHER: &str = "select id from jobs indexed by jobs_kind \
    where kind = ?1 and kind <> 'deliver' and state = ?2 and coalesce(destination, '') = ?3 order by id limit 1";

fn oldest(
    connection: &Connection,
    kind: JobKind,
    destination: &str,
    state: JobState,
) -> Result<Option<i64>, Failure> {
    if kind == JobKind::Deliver {
        return first(connection, OLDEST_DELIVERY, [destination, state.as_str()], |row| Ok(row.get(0)?));
    }
    let values = [kind.as_str(), state.as_str(), destination];
    first(connection, OLDEST_OTHER, values, |row| Ok(row.get(0)?))
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
    for row in stats(connection)? {
        let Some(name) = row.destination else { continue };
        let state: &mut DestinationState = states.entry(name).or_default();
        match row.state {
            JobState::Waiting | JobState::Running => state.backlog += row.jobs,
            JobState::Dead => state.dead += row.jobs,
            _ => {}
        }
        if row.state == JobState::Waiting {
            let oldest = [state.oldest_waiting_at, row.oldest_at].into_iter().flatten().min();
            state.oldest_waiting_at = oldest;
        }
    }
    Ok(states.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::super::plans::{assert_searches, database, plan};
    use super::*;

    #[test]
    fn nothing_is_counted_and_the_oldest_is_found_by_an_index() {
        let database = database();
        assert!(plan(&database, STATS).contains("job_counts"));
        assert_searches(&database, OLDEST_DELIVERY, "jobs_destination");
        assert_searches(&database, OLDEST_OTHER, "jobs_kind");
    }
}

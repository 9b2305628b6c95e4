//! What is filled behind everything else, in small steps: full text, and the map of times.

use rusqlite::Connection;

use super::failure::Failure;
use super::texts;
use super::time_map::{EVENTS, JOBS, MESSAGES};

/// Takes up to `limit` rows of each kind. True when more remain.
pub(super) fn advance(connection: &Connection, limit: u32) -> Result<bool, Failure> {
    tidy(connection)?;
    let texts = texts::advance(connection, limit)?;
    let events = EVENTS.advance(connection, limit)?;
    let jobs = JOBS.advance(connection, limit)?;
    Ok(texts || events || jobs)
}

/// Drops what speaks only of rows that have been deleted. A few steps of an index when there is nothing to drop.
fn tidy(connection: &Connection) -> Result<(), Failure> {
    EVENTS.forget_deleted(connection)?;
    JOBS.forget_deleted(connection)?;
    MESSAGES.forget_deleted(connection)?.map_or(Ok(()), |number| texts::drop_below(connection, number))
}

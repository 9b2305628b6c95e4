//! Small values kept under a key: generated secrets, the store's own id.

use rusqlite::{Connection, params};

use super::failure::Failure;
use super::rows::{clean, execute, first, value};

/// The value kept under a key.
pub(super) fn setting(connection: &Connection, key: &str) -> Result<Option<Vec<u8>>, Failure> {
    first(connection, "select value from settings where key = ?1", [clean(key)], |row| Ok(row.get(0)?))
}

/// Keeps a value unless there is one, and returns the one that is kept.
pub(super) fn keep_setting(connection: &Connection, key: &str, new: &[u8]) -> Result<Vec<u8>, Failure> {
    let sql = "insert into settings (key, value) values (?1, ?2) on conflict do nothing";
    execute(connection, sql, params![clean(key), new])?;
    value(connection, "select value from settings where key = ?1", [clean(key)])
}

//! Rejections: refused requests, kept for people to look at, and of all only the newest.

use inlet_domain::NewRejection;
use rusqlite::{Connection, params};

use super::failure::Failure;
use super::rows::{clean, execute};

const REJECTIONS_KEPT: i64 = 1_000;

/// Keeps rejections.
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

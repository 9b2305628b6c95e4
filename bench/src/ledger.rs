//! The oracle: every acknowledged event is in the database once, byte for byte.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::events::Requests;
use crate::load::Measured;

/// What the comparison found.
#[derive(Default)]
pub(crate) struct Checked {
    /// Events that were acknowledged at least once.
    pub(crate) acknowledged: usize,
    /// Rows in the database.
    pub(crate) stored: usize,
    /// Acknowledged and not stored.
    pub(crate) lost: usize,
    /// Stored with other bytes.
    pub(crate) altered: usize,
    /// Stored more than once.
    pub(crate) repeated: usize,
}

impl Checked {
    /// Whether the promise held.
    pub(crate) fn is_clean(&self) -> bool {
        self.lost + self.altered + self.repeated == 0
    }
}

/// Compares what was acknowledged with what the database file holds.
pub(crate) fn check(database: &Path, requests: &Requests, measured: &Measured) -> anyhow::Result<Checked> {
    let rows = read(database)?;
    let mut checked = Checked { stored: rows.values().map(Vec::len).sum(), ..Checked::default() };
    let mut acknowledged = vec![false; requests.events.len()];
    measured.acknowledged.iter().for_each(|(event, _)| acknowledged[*event as usize] = true);
    for (event, _) in requests.events.iter().zip(&acknowledged).filter(|(_, acknowledged)| **acknowledged) {
        checked.acknowledged += 1;
        match rows.get(&event.id).map(Vec::as_slice) {
            None | Some([]) => checked.lost += 1,
            Some([body]) => checked.altered += usize::from(body.as_slice() != event.body.as_ref()),
            Some(_) => checked.repeated += 1,
        }
    }
    Ok(checked)
}

fn read(database: &Path) -> anyhow::Result<HashMap<String, Vec<Vec<u8>>>> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = connection.prepare("select id, body from events")?;
    let mut rows: HashMap<String, Vec<Vec<u8>>> = HashMap::new();
    for row in statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))? {
        let (id, body) = row?;
        rows.entry(id).or_default().push(body);
    }
    Ok(rows)
}

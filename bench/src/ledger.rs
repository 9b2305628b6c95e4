//! The oracle: every acknowledged event is in the database once, byte for byte.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use serde::Serialize;

use crate::events::{Requests, parse_id};
use crate::load::Measured;

/// Of each event of a set, whether it was acknowledged.
pub(crate) struct Ledger(Vec<bool>);

/// What the comparison found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Checked {
    /// Events that were acknowledged at least once.
    pub(crate) acknowledged: usize,
    /// Rows that were looked at, those of other sets included.
    pub(crate) stored: usize,
    /// Acknowledged and not stored.
    pub(crate) lost: usize,
    /// Stored with other bytes, acknowledged or not.
    pub(crate) altered: usize,
    /// Stored more than once, acknowledged or not.
    pub(crate) repeated: usize,
}

impl Checked {
    /// Whether the promise held.
    pub(crate) fn is_clean(&self) -> bool {
        self.lost + self.altered + self.repeated == 0
    }
}

impl Ledger {
    /// The position of the newest event that a database file holds.
    pub(crate) fn newest(database: &Path) -> anyhow::Result<i64> {
        let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        Ok(connection.query_row("select coalesce(max(seq), 0) from events", [], |row| row.get(0))?)
    }

    /// Nothing of this set is acknowledged.
    pub(crate) fn of(requests: &Requests) -> Self {
        Self(vec![false; requests.events.len()])
    }

    /// Notes what a run has seen acknowledged.
    pub(crate) fn note(&mut self, measured: &Measured) {
        measured.samples.iter().for_each(|sample| self.0[sample.event as usize] = true);
    }

    /// Compares what was acknowledged with what the database file holds, row by row, from behind this position on (0 is
    /// the beginning).
    pub(crate) fn check(&self, requests: &Requests, database: &Path, after: i64) -> anyhow::Result<Checked> {
        let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut statement = connection.prepare("select id, body from events where seq > ?1")?;
        let mut rows = statement.query([after])?;
        let (by_id, mut copies) = (requests.by_id(), vec![0_u32; requests.events.len()]);
        let mut checked = Checked::default();
        while let Some(row) = rows.next()? {
            checked.stored += 1;
            let number = parse_id(row.get_ref(0)?.as_str()?).and_then(|id| by_id.get(&id));
            let Some(number) = number.map(|number| *number as usize) else { continue };
            copies[number] += 1;
            checked.altered += usize::from(row.get_ref(1)?.as_blob()? != requests.events[number].body());
        }
        for (acknowledged, copies) in self.0.iter().zip(copies) {
            checked.acknowledged += usize::from(*acknowledged);
            checked.lost += usize::from(*acknowledged && copies == 0);
            checked.repeated += usize::from(copies > 1);
        }
        Ok(checked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Make, id_text};
    use crate::load::Sample;

    /// A database with these events of a set, after `change` has had its way.
    fn checked(stored: &[usize], change: &str) -> Checked {
        let requests = Requests::sign(Make::unique(4, 7)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inlet.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch("create table events (seq integer primary key, id text, body blob)")
            .unwrap();
        for number in stored {
            let event = &requests.events[*number];
            let row = (id_text(event.id), event.body());
            connection.execute("insert into events (id, body) values (?, ?)", row).unwrap();
        }
        connection.execute_batch(change).unwrap();
        let acknowledged = |event| Sample { event, due_ns: 0, latency_ns: 0 };
        let measured = Measured { samples: vec![acknowledged(0), acknowledged(2)], ..Measured::default() };
        let mut ledger = Ledger::of(&requests);
        ledger.note(&measured);
        ledger.check(&requests, &path, 0).unwrap()
    }

    #[test]
    fn a_database_with_all_that_was_acknowledged_is_clean() {
        let clean = checked(&[0, 1, 2], "");
        assert_eq!(clean, Checked { acknowledged: 2, stored: 3, ..Checked::default() });
        assert!(clean.is_clean(), "an event without its acknowledgement may be stored");
    }

    #[test]
    fn loss_alteration_and_doubling_are_found() {
        let found = checked(&[0, 1], "");
        assert_eq!(found.lost, 1);
        let found = checked(&[0, 1, 2], "update events set body = cast(body || x'0a' as blob) where seq = 3");
        assert_eq!((found.lost, found.altered), (0, 1));
        let found = checked(&[0, 2, 2], "");
        assert_eq!((found.lost, found.altered, found.repeated), (0, 0, 1));
        assert!(!found.is_clean());
    }
}

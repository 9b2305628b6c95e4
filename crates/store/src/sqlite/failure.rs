//! What can go wrong inside the database, told apart by how much of a round it takes with it.

use rusqlite::ffi;

use crate::error::StoreError;

/// An error on the way through SQL.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// SQLite said no.
    #[error("{0}")]
    Sql(#[from] rusqlite::Error),
    /// The operation itself failed; the database is well.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How much a failure takes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// One row or one operation; its savepoint is rolled back.
    Row,
    /// One operation: a statement or a schema of ours is wrong, so no row is to blame, and nobody else's work either.
    Operation,
    /// The transaction. It may pass: disk full, locked, I/O error.
    Round,
    /// Nothing written can be trusted any more; the process must end.
    Fatal,
}

/// A failure that ends at least the round.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) severity: Severity,
    pub(super) reason: String,
}

impl Trouble {
    pub(super) fn fatal(reason: String) -> Self {
        Self { severity: Severity::Fatal, reason }
    }

    pub(super) fn round(reason: String) -> Self {
        Self { severity: Severity::Round, reason }
    }

    pub(super) fn to_store(&self) -> StoreError {
        StoreError::Unavailable { reason: self.reason.clone() }
    }
}

impl From<&Failure> for Trouble {
    fn from(failure: &Failure) -> Self {
        let reason = match failure {
            // The text alone is the same for a failed read and a failed fsync.
            Failure::Sql(error) => match extended_code(error) {
                Some(code) => format!("{failure} (SQLite code {code})"),
                None => failure.to_string(),
            },
            Failure::Store(_) => failure.to_string(),
        };
        Self { severity: failure.severity(), reason }
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::from(&Failure::from(error))
    }
}

impl Failure {
    /// How much of the round this failure takes with it.
    pub(super) fn severity(&self) -> Severity {
        match self {
            Self::Sql(error) => extended_code(error).map_or(Severity::Row, severity_of),
            Self::Store(_) => Severity::Row,
        }
    }

    /// What the caller of the store is told.
    pub(super) fn into_store(self) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Sql(error) => StoreError::Unavailable { reason: error.to_string() },
        }
    }
}

/// SQLite's own code; `None` where a value was not what we expected.
fn extended_code(error: &rusqlite::Error) -> Option<i32> {
    match error {
        rusqlite::Error::SqliteFailure(error, _) | rusqlite::Error::SqlInputError { error, .. } => {
            Some(error.extended_code)
        }
        _ => None,
    }
}

fn severity_of(extended_code: i32) -> Severity {
    match extended_code {
        // The kernel drops the dirty page after a failed fsync; a second one "succeeds" (PostgreSQL, Vector and we
        // stop here).
        ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC => return Severity::Fatal,
        _ => {}
    }
    // The low byte of an extended code is its primary code.
    match extended_code & 0xff {
        ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => Severity::Fatal,
        // What only this row's values can cause.
        ffi::SQLITE_CONSTRAINT | ffi::SQLITE_MISMATCH | ffi::SQLITE_TOOBIG => Severity::Row,
        ffi::SQLITE_ERROR | ffi::SQLITE_SCHEMA | ffi::SQLITE_MISUSE | ffi::SQLITE_RANGE => {
            Severity::Operation
        }
        // Disk full, locked, I/O error.
        _ => Severity::Round,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failed_sync_or_a_corrupt_file_is_fatal_and_only_values_are_of_a_row() {
        let fatal =
            [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC, ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB];
        assert!(fatal.iter().all(|&code| severity_of(code) == Severity::Fatal));
        let passing = [ffi::SQLITE_BUSY, ffi::SQLITE_FULL, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_READONLY];
        assert!(passing.iter().all(|&code| severity_of(code) == Severity::Round));
        let ours = [ffi::SQLITE_ERROR, ffi::SQLITE_SCHEMA, ffi::SQLITE_MISUSE, ffi::SQLITE_RANGE];
        assert!(ours.iter().all(|&code| severity_of(code) == Severity::Operation));
        let of_a_row = [ffi::SQLITE_CONSTRAINT_UNIQUE, ffi::SQLITE_MISMATCH, ffi::SQLITE_TOOBIG];
        assert!(of_a_row.iter().all(|&code| severity_of(code) == Severity::Row));
    }
}

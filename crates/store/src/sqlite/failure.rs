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
            Failure::Sql(rusqlite::Error::SqliteFailure(error, _)) => {
                format!("{failure} (SQLite code {})", error.extended_code)
            }
            _ => failure.to_string(),
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
            Self::Sql(rusqlite::Error::SqliteFailure(error, _)) => severity_of(error.extended_code),
            Self::Sql(_) | Self::Store(_) => Severity::Row,
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
        ffi::SQLITE_BUSY
        | ffi::SQLITE_LOCKED
        | ffi::SQLITE_NOMEM
        | ffi::SQLITE_READONLY
        | ffi::SQLITE_INTERRUPT
        | ffi::SQLITE_IOERR
        | ffi::SQLITE_FULL
        | ffi::SQLITE_CANTOPEN
        | ffi::SQLITE_PROTOCOL => Severity::Round,
        _ => Severity::Row,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failed_sync_or_a_corrupt_file_is_fatal() {
        let fatal =
            [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC, ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB];
        assert!(fatal.iter().all(|&code| severity_of(code) == Severity::Fatal));
        let passing = [ffi::SQLITE_BUSY, ffi::SQLITE_FULL, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_READONLY];
        assert!(passing.iter().all(|&code| severity_of(code) == Severity::Round));
        assert_eq!(severity_of(ffi::SQLITE_CONSTRAINT_UNIQUE), Severity::Row);
    }
}

//! The SQLite store: one writer thread with group commit, readers of their own.

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::StoreError;

/// Called once when an fsync failed or the database file vanished: no acknowledgement may follow; end the process.
pub type OnFatal = Arc<dyn Fn(String) + Send + Sync>;

/// How the database is opened.
#[derive(Clone)]
pub struct SqliteConfig {
    /// The file. Its folder is made when missing.
    pub path: PathBuf,
    /// Whether migrations are run; otherwise an old schema is an error.
    pub migrate: bool,
    /// Events that may wait for the writer before [`StoreError::Busy`].
    pub queue: usize,
    /// Connections for reading.
    pub readers: usize,
    /// What to do when durability is in doubt.
    pub on_fatal: OnFatal,
}

/// The store on SQLite.
pub struct SqliteStore {
    _config: SqliteConfig,
}

impl SqliteStore {
    /// Opens the database: takes the lock that keeps a second gateway out, checks SQLite's version and settings,
    /// migrates, starts the writer.
    pub async fn open(config: SqliteConfig) -> Result<Self, StoreError> {
        let _ = config;
        todo!()
    }

    /// Commits what waits, checkpoints, ends the writer.
    pub async fn close(&self) {
        todo!()
    }
}

//! Connections for reading, used on tokio's blocking threads. Each read is one short transaction.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::failure::{Failure, Severity};
use super::open::{OpenError, open_reader};
use super::shared::Shared;
use crate::error::StoreError;

/// The pool.
#[derive(Clone)]
pub(super) struct Readers {
    path: PathBuf,
    /// As many permits as there may be connections.
    permits: Arc<Semaphore>,
    /// Connections not in use. Locked for a push or a pop only.
    idle: Arc<Mutex<Vec<Connection>>>,
    /// Told when a read finds the file damaged.
    shared: Arc<Shared>,
}

impl Readers {
    /// Opens the connections.
    pub(super) fn open(path: &Path, count: usize, shared: Arc<Shared>) -> Result<Self, OpenError> {
        let count = count.max(1);
        let connections = (0..count).map(|_| open_reader(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            path: path.to_owned(),
            permits: Arc::new(Semaphore::new(count)),
            idle: Arc::new(Mutex::new(connections)),
            shared,
        })
    }

    /// Reads in one transaction, so that all its queries see one moment.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let readers = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let result = readers.read_now(work);
            drop(permit);
            result
        });
        read.await.unwrap_or_else(|error| Err(StoreError::Unavailable { reason: error.to_string() }))
    }

    fn read_now<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, StoreError> {
        let mut connection = self.take()?;
        let result = in_transaction(&mut connection, work);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        if let Err(failure) = &result
            && failure.severity() == Severity::Fatal
        {
            self.shared.set_damaged(failure.to_string());
        }
        result.map_err(Failure::into_store)
    }

    // A connection is missing only after a panic in a read; then another takes its place.
    fn take(&self) -> Result<Connection, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| open_reader(&self.path).map_err(|error| error.at(&self.path)), Ok)
    }

    /// Ends reading and closes the connections.
    pub(super) fn close(&self) {
        self.permits.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn in_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let transaction = connection.transaction()?;
    work(&transaction)
}

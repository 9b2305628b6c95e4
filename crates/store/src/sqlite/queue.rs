//! What waits for a writer thread, bounded; and operations, the work of one of them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::failure::{Failure, Severity, Trouble};
use crate::error::StoreError;

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) count: usize,
    pub(super) bytes: usize,
}

/// What can wait in a [`Queue`].
pub(super) trait Waiting {
    /// What it holds in memory, as far as it can be large.
    fn size_bytes(&self) -> usize;
}

struct Line<T> {
    items: VecDeque<T>,
    /// Of the items.
    bytes: usize,
    /// The writer waits for so many.
    wanted: usize,
    closing: bool,
}

/// Why the writer woke up.
pub(super) enum Wake {
    /// Something waits.
    Work,
    /// Nothing came in time.
    Idle,
    /// Nothing waits and nothing more will come.
    Closed,
}

/// The queue. The lock is held for a push or a pop only, never across I/O.
pub(super) struct Queue<T> {
    line: Mutex<Line<T>>,
    arrived: Condvar,
    limits: Limits,
}

impl<T: Waiting> Queue<T> {
    pub(super) fn new(limits: Limits) -> Self {
        let line = Line { items: VecDeque::new(), bytes: 0, wanted: 1, closing: false };
        Self { line: Mutex::new(line), arrived: Condvar::new(), limits }
    }

    /// Queues an item, or refuses at once.
    pub(super) fn push(&self, item: T) -> Result<(), StoreError> {
        let mut line = self.line();
        if line.closing {
            return Err(StoreError::Closed);
        }
        let bytes = line.bytes + item.size_bytes();
        if line.items.len() >= self.limits.count || bytes > self.limits.bytes {
            return Err(StoreError::Busy);
        }
        line.bytes = bytes;
        line.items.push_back(item);
        // A writer that works looks again before it waits.
        let is_awaited = line.items.len() == line.wanted;
        drop(line);
        if is_awaited {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Whether nine tenths of the room are taken.
    pub(super) fn is_nearly_full(&self) -> bool {
        let (line, most) = (self.line(), |limit: usize| limit - limit / 10);
        line.items.len() >= most(self.limits.count) || line.bytes >= most(self.limits.bytes)
    }

    /// Refuses everything from now on; what waits is still done.
    pub(super) fn close(&self) {
        self.line().closing = true;
        self.arrived.notify_all();
    }

    /// Waits for work, at most `patience`.
    pub(super) fn wait(&self, patience: Option<Duration>) -> Wake {
        let deadline = patience.map(|patience| Instant::now() + patience);
        let mut line = self.line();
        loop {
            if !line.items.is_empty() {
                return Wake::Work;
            }
            if line.closing {
                return Wake::Closed;
            }
            line = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => self.arrived.wait(line).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return Wake::Idle,
                Some(left) => self.arrived.wait_timeout(line, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    /// Waits until `count` items are there, at most `patience`: others are on their way, and one commit will do for all.
    pub(super) fn gather(&self, count: usize, patience: Duration) {
        let mut line = self.line();
        line.wanted = count;
        let missing = |line: &mut Line<T>| line.items.len() < count && !line.closing;
        let waited = self.arrived.wait_timeout_while(line, patience, missing);
        waited.unwrap_or_else(PoisonError::into_inner).0.wanted = 1;
    }

    /// Takes up to `limit` items.
    pub(super) fn take(&self, limit: usize) -> Vec<T> {
        let mut line = self.line();
        let taken = line.items.len().min(limit);
        let taken: Vec<T> = line.items.drain(..taken).collect();
        line.bytes -= taken.iter().map(T::size_bytes).sum::<usize>();
        taken
    }

    /// Takes the next item.
    pub(super) fn pop(&self) -> Option<T> {
        self.take(1).pop()
    }

    // A panic while the lock is held cannot leave the queue half changed, so a poisoned lock is used on.
    fn line(&self) -> MutexGuard<'_, Line<T>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One piece of work inside a transaction of the main database, and whoever waits for its commit.
pub(super) trait Operation: Send {
    /// Does the work. An error of severity `Row` or `Operation` is kept for the answer and returned for the rollback.
    fn run(&mut self, connection: &Connection) -> Result<(), Trouble>;
    /// Tells the caller what became of it.
    fn answer(self: Box<Self>, round: Result<(), StoreError>);
}

impl Waiting for Box<dyn Operation> {
    fn size_bytes(&self) -> usize {
        0
    }
}

struct Work<T, F> {
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Operation for Work<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, Failure> + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), Trouble> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let result = catch_unwind(AssertUnwindSafe(|| work(connection))).unwrap_or_else(|_| {
            tracing::error!("a store operation panicked; it was rolled back");
            Err(StoreError::Unavailable { reason: "the operation panicked".to_owned() }.into())
        });
        let trouble = result.as_ref().err().map(Trouble::from);
        self.result = Some(result.map_err(Failure::into_store));
        trouble.map_or(Ok(()), Err)
    }

    fn answer(self: Box<Self>, round: Result<(), StoreError>) {
        let result = match (round, self.result) {
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(StoreError::Closed),
            (Err(error), _) => Err(error),
        };
        // Nobody listening is fine: the caller has given up, the work is done.
        let _ = self.answer.send(result);
    }
}

impl Queue<Box<dyn Operation>> {
    /// Queues an operation and waits for its commit.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.push(Box::new(Work { work: Some(work), result: None, answer }))?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }
}

/// Runs an operation in a savepoint of its own, so that its failure rolls back only itself.
pub(super) fn run_in_savepoint(
    connection: &Connection,
    operation: &mut dyn Operation,
) -> Result<(), Trouble> {
    savepoint(connection, "savepoint operation")?;
    match operation.run(connection) {
        Ok(()) => savepoint(connection, "release operation"),
        Err(trouble) if matches!(trouble.severity, Severity::Row | Severity::Operation) => {
            savepoint(connection, "rollback to operation")?;
            savepoint(connection, "release operation")
        }
        Err(trouble) => Err(trouble),
    }
}

fn savepoint(connection: &Connection, sql: &str) -> Result<(), Trouble> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute([])).map_err(Trouble::from)?;
    Ok(())
}

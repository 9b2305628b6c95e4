//! What waits for the writer: events first, then operations, both bounded.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use inlet_domain::{NewEvent, Recorded};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::failure::{Failure, Severity, Trouble};
use crate::error::StoreError;

// The engine has at most a few operations in flight; beyond this something is stuck.
const OPERATIONS: usize = 1_024;

// 256 of the largest webhooks there are, or very many usual ones. As much again may be with the writer.
const EVENT_BYTES: usize = 256 * 1024 * 1024;

/// An event and whoever waits for its commit.
pub(super) struct EventTask {
    pub(super) event: NewEvent,
    /// SHA-256 of the id, computed by the caller so that the writer does not.
    pub(super) hash: [u8; 32],
    pub(super) answer: oneshot::Sender<Result<Recorded, StoreError>>,
}

/// One piece of work inside the writer's transaction, and whoever waits for its commit.
pub(super) trait Operation: Send {
    /// Does the work. An error of severity `Row` or `Operation` is kept for the answer and returned for the rollback.
    fn run(&mut self, connection: &Connection) -> Result<(), Trouble>;
    /// Tells the caller what became of it.
    fn answer(self: Box<Self>, round: Result<(), StoreError>);
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

impl EventTask {
    fn size_bytes(&self) -> usize {
        self.event.id.len() + self.event.body.len()
    }
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<EventTask>,
    /// Of the events that wait.
    event_bytes: usize,
    operations: VecDeque<Box<dyn Operation>>,
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
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    event_limit: usize,
}

impl Queue {
    pub(super) fn new(event_limit: usize) -> Self {
        Self { waiting: Mutex::default(), arrived: Condvar::new(), event_limit: event_limit.max(1) }
    }

    /// Queues an event, or refuses at once.
    pub(super) fn push_event(&self, task: EventTask) -> Result<(), StoreError> {
        let mut waiting = self.lock();
        if waiting.closing {
            return Err(StoreError::Closed);
        }
        let bytes = waiting.event_bytes + task.size_bytes();
        if waiting.events.len() >= self.event_limit || bytes > EVENT_BYTES {
            return Err(StoreError::Busy);
        }
        waiting.event_bytes = bytes;
        waiting.events.push_back(task);
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

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

    fn push(&self, operation: Box<dyn Operation>) -> Result<(), StoreError> {
        let mut waiting = self.lock();
        if waiting.closing {
            return Err(StoreError::Closed);
        }
        if waiting.operations.len() >= OPERATIONS {
            return Err(StoreError::Busy);
        }
        waiting.operations.push_back(operation);
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// Whether nine tenths of the room for events are taken.
    pub(super) fn is_nearly_full(&self) -> bool {
        let waiting = self.lock();
        waiting.events.len() * 10 >= self.event_limit * 9 || waiting.event_bytes >= EVENT_BYTES / 10 * 9
    }

    /// Refuses everything from now on; what waits is still done.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.arrived.notify_all();
    }

    /// Waits for work, at most `patience`.
    pub(super) fn wait(&self, patience: Option<Duration>) -> Wake {
        let deadline = patience.map(|patience| Instant::now() + patience);
        let mut waiting = self.lock();
        loop {
            if !waiting.events.is_empty() || !waiting.operations.is_empty() {
                return Wake::Work;
            }
            if waiting.closing {
                return Wake::Closed;
            }
            waiting = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return Wake::Idle,
                Some(left) => {
                    self.arrived.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Takes up to `limit` events.
    pub(super) fn take_events(&self, limit: usize) -> Vec<EventTask> {
        let mut waiting = self.lock();
        let taken = waiting.events.len().min(limit);
        let taken: Vec<EventTask> = waiting.events.drain(..taken).collect();
        waiting.event_bytes -= taken.iter().map(EventTask::size_bytes).sum::<usize>();
        taken
    }

    /// Takes the next operation.
    pub(super) fn take_operation(&self) -> Option<Box<dyn Operation>> {
        self.lock().operations.pop_front()
    }

    // A panic while the lock is held cannot leave the queues half changed, so a poisoned lock is used on.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
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

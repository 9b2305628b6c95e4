//! The writer of the main database: one thread that commits the operations that wait in groups, and answers after.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::database::{Committed, Database};
use super::failure::{Severity, Trouble};
use super::queue::{Operation, Wake, run_in_savepoint};
use super::shared::Shared;
use crate::error::StoreError;

// A round ends after so many operations or so much time, whichever is first, so that an answer waits for few others.
const OPERATIONS_PER_ROUND: usize = 256;
const OPERATIONS_BUDGET: Duration = Duration::from_millis(50);
// 4 MiB. An acknowledgement's fsync waits while the disk flushes what a checkpoint has written: beside a drain of 5,000 jobs
// a second, p99.9 of 200 webhooks a second was 20 ms with 16 MiB, 16 ms with 4, at the same number of deliveries.
const CHECKPOINT_PAGES: i32 = 1_000;

/// The state of the thread.
pub(super) struct Writer {
    database: Database,
    shared: Arc<Shared>,
    /// Pages of the write-ahead log that the last checkpoint dealt with.
    checkpointed_pages: i32,
}

impl Writer {
    pub(super) fn new(database: Database, shared: Arc<Shared>) -> Self {
        Self { database, shared, checkpointed_pages: 0 }
    }

    /// Runs until the queue is closed and empty, or until nothing can be trusted any more.
    pub(super) fn run(mut self) {
        let end = loop {
            let step = match self.shared.operations.wait(self.database.patience()) {
                Wake::Work => self.round().and_then(|()| self.checkpoint_when_due()),
                Wake::Idle => self.database.idle(),
                Wake::Closed => break self.database.checkpoint("truncate").map(drop),
            };
            if step.is_err() {
                break step;
            }
        };
        self.shared.close();
        if let Err(trouble) = end {
            self.shared.fatal(trouble.reason);
        }
    }

    /// One group commit. An error here is fatal; everything else has been answered.
    fn round(&mut self) -> Result<(), Trouble> {
        let mut operations = Vec::new();
        let shared = Arc::clone(&self.shared);
        let inside = shared.turnstile.enter();
        let result = self.database.transact(|connection| {
            let started = Instant::now();
            while operations.len() < OPERATIONS_PER_ROUND && started.elapsed() <= OPERATIONS_BUDGET {
                let Some(operation) = shared.operations.pop() else { break };
                operations.push(operation);
                let operation: &mut Box<dyn Operation> =
                    operations.last_mut().expect("it was pushed just now");
                run_in_savepoint(connection, operation.as_mut())?;
            }
            Ok(())
        });
        drop(inside);
        self.conclude(result, operations)
    }

    /// Answers everybody of the round and remembers whether it went well.
    fn conclude(
        &mut self,
        result: Result<Committed<()>, Trouble>,
        mut operations: Vec<Box<dyn Operation>>,
    ) -> Result<(), Trouble> {
        match result {
            Ok(committed) => {
                self.database.succeeded();
                if committed.changed {
                    self.shared.changed();
                }
                operations.into_iter().for_each(|operation| operation.answer(Ok(())));
                Ok(())
            }
            Err(trouble) => {
                // Whoever waits would only meet the same error later.
                operations.extend(self.shared.operations.take(OPERATIONS_PER_ROUND));
                self.database.failed(&trouble);
                refuse(operations, &trouble.to_store());
                if trouble.severity == Severity::Fatal { Err(trouble) } else { Ok(()) }
            }
        }
    }

    fn checkpoint_when_due(&mut self) -> Result<(), Trouble> {
        let pages = self.database.wal_pages();
        if pages < self.checkpointed_pages {
            // SQLite began the log anew, because all of it was in the database.
            self.checkpointed_pages = 0;
        }
        // While a reader keeps it from beginning anew, only what is new counts; else every commit had a checkpoint.
        if pages - self.checkpointed_pages < CHECKPOINT_PAGES {
            return Ok(());
        }
        self.checkpointed_pages = pages;
        self.database.checkpoint("passive")?;
        self.database.warn_of_long_wal();
        Ok(())
    }
}

/// However the writer ends, nobody waits for it in vain.
impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.close();
        loop {
            let operations = self.shared.operations.take(OPERATIONS_PER_ROUND);
            if operations.is_empty() {
                break;
            }
            refuse(operations, &StoreError::Closed);
        }
        if std::thread::panicking() {
            self.shared.fatal("the writer panicked".to_owned());
        }
    }
}

fn refuse(operations: Vec<Box<dyn Operation>>, error: &StoreError) {
    operations.into_iter().for_each(|operation| operation.answer(Err(error.clone())));
}

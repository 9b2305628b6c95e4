//! What the writer threads show to everybody else: their queues, their health, and the end.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::watch;

use super::OnFatal;
use super::event_log::{LogTask, Recent};
use super::queue::{Limits, Operation, Queue};
use super::turnstile::Turnstile;
use crate::error::StoreError;

// 256 of the largest webhooks there are, or very many usual ones. As much again may be with the writer.
const EVENT_BYTES: usize = 256 * 1024 * 1024;
// The engine has at most some hundred operations in flight; beyond this something is stuck.
const OPERATIONS: usize = 1_024;

/// Whether a file could be written last time.
#[derive(Default)]
pub(super) struct Health {
    /// Why not. Held for a read or a write of the text only.
    failed: Mutex<Option<String>>,
}

impl Health {
    pub(super) fn failure(&self) -> Option<String> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_failure(&self, reason: Option<String>) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }
}

/// Shared by both writers, the readers and the store.
pub(super) struct Shared {
    /// What waits for the event log.
    pub(super) events: Queue<LogTask>,
    /// Operations on the main database.
    pub(super) operations: Queue<Box<dyn Operation>>,
    /// The event log's file, to flush it. Open as long as anything is: closing it would give up SQLite's locks on it, which
    /// belong to the process.
    pub(super) log_file: OnceLock<File>,
    /// Between operations and the event log that they read.
    pub(super) turnstile: Turnstile,
    /// The newest events by their hash.
    pub(super) recent: Recent,
    /// Moves after every commit that changed a row.
    pub(super) changes: watch::Sender<u64>,
    /// Of the event log.
    pub(super) log_health: Arc<Health>,
    /// Of the main database.
    pub(super) main_health: Arc<Health>,
    /// What a reader found that only a damaged file explains. Stays until the process ends.
    damaged: OnceLock<String>,
    closed: AtomicBool,
    /// Taken by the first call: there is no second.
    on_fatal: Mutex<Option<OnFatal>>,
}

impl Shared {
    /// `queue` events may wait.
    pub(super) fn new(queue: usize, on_fatal: OnFatal) -> Arc<Self> {
        Arc::new(Self {
            events: Queue::new(Limits { count: queue.max(1), bytes: EVENT_BYTES }),
            operations: Queue::new(Limits { count: OPERATIONS, bytes: usize::MAX }),
            log_file: OnceLock::new(),
            turnstile: Turnstile::default(),
            recent: Recent::default(),
            changes: watch::Sender::new(0),
            log_health: Arc::default(),
            main_health: Arc::default(),
            damaged: OnceLock::new(),
            closed: AtomicBool::new(false),
            on_fatal: Mutex::new(Some(on_fatal)),
        })
    }

    /// Whether the next event will probably be stored, and whether work goes on behind it.
    pub(super) fn ready(&self) -> Result<(), StoreError> {
        if self.is_closed() {
            return Err(StoreError::Closed);
        }
        let failure = || self.log_health.failure().or_else(|| self.main_health.failure());
        if let Some(reason) = self.damaged.get().cloned().or_else(failure) {
            return Err(StoreError::Unavailable { reason });
        }
        if self.events.is_nearly_full() { Err(StoreError::Busy) } else { Ok(()) }
    }

    /// A reader found a file damaged: it must not pass for healthy.
    pub(super) fn set_damaged(&self, reason: String) {
        tracing::error!(reason, "the database is damaged, run `inlet db check`: {reason}");
        let _ = self.damaged.set(reason);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Refuses everything from now on; what waits is still done.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.events.close();
        self.operations.close();
    }

    /// Nothing may be acknowledged from now on.
    pub(super) fn fatal(&self, reason: String) {
        self.close();
        let on_fatal = self.on_fatal.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(on_fatal) = on_fatal {
            tracing::error!(reason, "durability is in doubt: {reason}");
            on_fatal(reason);
        }
    }

    pub(super) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

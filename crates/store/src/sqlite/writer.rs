//! The writer thread: owns the write connection and the checkpoints, commits what waits in groups, answers after.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use inlet_domain::Recorded;
use rusqlite::Connection;
use tokio::sync::watch;

use super::OnFatal;
use super::failure::{Severity, Trouble};
use super::ingest;
use super::queue::{EventTask, Operation, Queue, Wake, run_in_savepoint};
use crate::error::StoreError;

// One commit takes at most this many events: the largest group measured in bench, about 10 ms of work.
const EVENTS_PER_ROUND: usize = 512;
// The engine's share of a round. With the events' 10 ms it keeps every wait far below 250 ms.
const OPERATIONS_PER_ROUND: usize = 64;
const OPERATIONS_BUDGET: Duration = Duration::from_millis(50);
// 16 MiB; measured best between the length of a checkpoint and their number.
const CHECKPOINT_PAGES: i32 = 4_000;
const TRUNCATE_WAL_BYTES: u64 = 64 * 1024 * 1024;
// An idle moment is one in which nothing came for this long.
const TRUNCATE_PATIENCE: Duration = Duration::from_millis(50);
// After a truncation that a reader prevented. Such a reader is another program: ours are short.
const TRUNCATE_AGAIN: Duration = Duration::from_secs(30);
const PROBE_EVERY: Duration = Duration::from_millis(500);
/// Between the early answer of the planted fault and its commit: what a slow disk needs.
const PLANTED_GAP: Duration = Duration::from_millis(5);

/// What the writer shows to everybody else.
pub(super) struct Shared {
    pub(super) queue: Queue,
    /// Moves after every commit that changed a row.
    pub(super) changes: watch::Sender<u64>,
    /// Why the last commit failed; `None` when it succeeded. Held for a read or a write of the text only.
    failed: Mutex<Option<String>>,
    /// What a reader found that only a damaged file explains. Stays until the process ends.
    damaged: OnceLock<String>,
    closed: AtomicBool,
}

impl Shared {
    pub(super) fn new(queue: usize) -> Arc<Self> {
        Arc::new(Self {
            queue: Queue::new(queue),
            changes: watch::Sender::new(0),
            failed: Mutex::new(None),
            damaged: OnceLock::new(),
            closed: AtomicBool::new(false),
        })
    }

    /// Whether the next event will probably be stored.
    pub(super) fn ready(&self) -> Result<(), StoreError> {
        if self.is_closed() {
            return Err(StoreError::Closed);
        }
        if let Some(reason) = self.damaged.get().cloned().or_else(|| self.failure()) {
            return Err(StoreError::Unavailable { reason });
        }
        if self.queue.is_nearly_full() { Err(StoreError::Busy) } else { Ok(()) }
    }

    /// A reader found the file damaged: it must not pass for healthy.
    pub(super) fn set_damaged(&self, reason: String) {
        tracing::error!(reason, "the database is damaged, run `inlet db check`: {reason}");
        let _ = self.damaged.set(reason);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Refuses everything from now on.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.queue.close();
    }

    fn failure(&self) -> Option<String> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_failure(&self, reason: Option<String>) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }
}

/// The identity of a file: device and inode.
type FileId = (u64, u64);

/// The state of the thread.
pub(super) struct Writer {
    connection: Connection,
    shared: Arc<Shared>,
    path: PathBuf,
    wal_path: PathBuf,
    file: FileId,
    /// Known from the first commit on, which makes the file.
    wal_file: Option<FileId>,
    /// Pages in the WAL after the last commit, told by SQLite's hook.
    wal_pages: Arc<AtomicI32>,
    /// Pages of the WAL that the last checkpoint dealt with.
    checkpointed_pages: i32,
    /// Not before this moment is the WAL truncated.
    truncate_after: Instant,
    failing: bool,
    /// Taken by the first call: there is no second.
    on_fatal: Option<OnFatal>,
    /// Released when the writer ends, not before.
    _lock: File,
}

/// What a committed transaction holds.
struct Committed {
    recorded: Vec<Recorded>,
    changed: bool,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        shared: Arc<Shared>,
        path: &Path,
        lock: File,
        on_fatal: OnFatal,
    ) -> Result<Self, Trouble> {
        let wal_pages = Arc::new(AtomicI32::new(0));
        let mut writer = Self {
            connection,
            shared,
            path: path.to_owned(),
            wal_path: wal_path(path),
            file: file_id(path).map_err(|error| Trouble::round(error.to_string()))?,
            wal_file: None,
            wal_pages: Arc::clone(&wal_pages),
            checkpointed_pages: 0,
            truncate_after: Instant::now(),
            failing: false,
            on_fatal: Some(on_fatal),
            _lock: lock,
        };
        writer.connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            wal_pages.store(pages, Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(writer)
    }

    /// Runs until the queue is closed and empty, or until nothing can be trusted any more.
    pub(super) fn run(mut self) {
        let end = loop {
            let step = match self.shared.queue.wait(self.patience()) {
                Wake::Work => self.round().and_then(|()| self.checkpoint_when_due()),
                Wake::Idle => self.idle(),
                Wake::Closed => break self.checkpoint("truncate"),
            };
            if step.is_err() {
                break step;
            }
        };
        self.end(end);
    }

    fn patience(&self) -> Option<Duration> {
        if self.failing {
            Some(PROBE_EVERY)
        } else if self.wal_bytes() > TRUNCATE_WAL_BYTES {
            Some(TRUNCATE_PATIENCE.max(self.truncate_after.saturating_duration_since(Instant::now())))
        } else {
            None
        }
    }

    /// One group commit. An error here is fatal; everything else has been answered.
    fn round(&mut self) -> Result<(), Trouble> {
        let events = self.shared.queue.take_events(EVENTS_PER_ROUND);
        let mut operations = Vec::new();
        let result = self.transaction(&events, &mut operations, true);
        match result {
            Err(trouble) if trouble.severity == Severity::Row => self.one_by_one(events),
            result => self.conclude(result, events, operations),
        }
    }

    /// A row of the group failed: each event alone, so that the others do not suffer.
    //
    // An event that fails alone is refused, and is not stored under a stand-in: what could fail is out of its reach.
    // `seen` and `events` have no unique key but the hash and the position that the writer gives; columns take any text
    // and any bytes, U+0000 is replaced, and the listener's limit of 1 MiB is far below SQLite's. There remain two ids
    // whose SHA-256 collide in both halves, and rows that a damaged file spoiled; under another id Telnyx's next try
    // would be stored once more, and neither would be the truth.
    fn one_by_one(&mut self, events: Vec<EventTask>) -> Result<(), Trouble> {
        for event in events {
            let alone = [event];
            let result = self.transaction(&alone, &mut Vec::new(), false);
            if let Err(trouble) = &result {
                tracing::error!(reason = trouble.reason, "an event could not be stored: {}", trouble.reason);
            }
            self.conclude(result, alone.into(), Vec::new())?;
        }
        Ok(())
    }

    fn transaction(
        &mut self,
        events: &[EventTask],
        operations: &mut Vec<Box<dyn Operation>>,
        with_operations: bool,
    ) -> Result<Committed, Trouble> {
        let result = self.begin().and_then(|before| {
            let recorded =
                ingest::record_events(&self.connection, events).map_err(|failure| Trouble::from(&failure))?;
            if with_operations {
                self.run_operations(operations)?;
            }
            self.check_files()?;
            if !cfg!(feature = "planted-early-ack") {
                self.commit()?;
            }
            Ok(Committed { recorded, changed: self.connection.total_changes() != before })
        });
        if result.is_err() {
            self.roll_back();
        }
        result
    }

    fn begin(&self) -> Result<u64, Trouble> {
        self.connection.prepare_cached("begin immediate")?.execute([])?;
        Ok(self.connection.total_changes())
    }

    fn commit(&mut self) -> Result<(), Trouble> {
        self.connection.prepare_cached("commit")?.execute([])?;
        self.remember_wal();
        Ok(())
    }

    fn run_operations(&self, operations: &mut Vec<Box<dyn Operation>>) -> Result<(), Trouble> {
        let started = Instant::now();
        while operations.len() < OPERATIONS_PER_ROUND {
            let Some(operation) = self.shared.queue.take_operation() else { break };
            operations.push(operation);
            let operation = operations.last_mut().expect("it was pushed just now");
            run_in_savepoint(&self.connection, operation.as_mut())?;
            if started.elapsed() > OPERATIONS_BUDGET {
                break;
            }
        }
        Ok(())
    }

    // SQLite rolls back by itself after some errors, such as a full disk.
    fn roll_back(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("rollback")
        {
            tracing::error!(%error, "cannot roll back: {error}");
        }
    }

    /// Answers everybody of the round and remembers whether it went well.
    fn conclude(
        &mut self,
        result: Result<Committed, Trouble>,
        events: Vec<EventTask>,
        mut operations: Vec<Box<dyn Operation>>,
    ) -> Result<(), Trouble> {
        match result {
            Ok(committed) => {
                self.succeeded();
                if committed.changed {
                    self.shared.changes.send_modify(|count| *count += 1);
                }
                answer(events, operations, &committed);
                if cfg!(feature = "planted-early-ack") {
                    // A fast disk would all but close the gap, and the planted fault would go unseen.
                    std::thread::sleep(PLANTED_GAP);
                    self.commit()?;
                }
                Ok(())
            }
            Err(trouble) => {
                // Whoever waits would only meet the same error later.
                while operations.len() < OPERATIONS_PER_ROUND
                    && let Some(operation) = self.shared.queue.take_operation()
                {
                    operations.push(operation);
                }
                self.failed(&trouble);
                refuse(events, operations, &trouble.to_store());
                if trouble.severity == Severity::Fatal { Err(trouble) } else { Ok(()) }
            }
        }
    }

    fn succeeded(&mut self) {
        if self.failing {
            tracing::info!("the database can be written again");
            self.failing = false;
            self.shared.set_failure(None);
        }
    }

    fn failed(&mut self, trouble: &Trouble) {
        if trouble.severity == Severity::Row {
            return;
        }
        if !self.failing {
            let reason = &trouble.reason;
            tracing::error!(reason, "the database cannot be written: {reason}");
        }
        self.failing = true;
        self.shared.set_failure(Some(trouble.reason.clone()));
    }

    fn idle(&mut self) -> Result<(), Trouble> {
        if self.failing { self.probe() } else { self.truncate_wal() }
    }

    /// Tries whether a write goes through, so that readiness recovers without traffic.
    fn probe(&mut self) -> Result<(), Trouble> {
        let result = self.begin().and_then(|_| {
            self.connection.prepare_cached("update probes set count = count + 1 where id = 1")?.execute([])?;
            self.check_files()?;
            self.connection.prepare_cached("commit")?.execute([])?;
            Ok(Committed { recorded: Vec::new(), changed: false })
        });
        if result.is_err() {
            self.roll_back();
        }
        match result {
            Ok(_) => self.succeeded(),
            Err(trouble) if trouble.severity == Severity::Fatal => return Err(trouble),
            Err(trouble) => self.failed(&trouble),
        }
        Ok(())
    }

    /// A database that was deleted or replaced would swallow every commit from here on.
    fn check_files(&self) -> Result<(), Trouble> {
        check_file(&self.path, Some(self.file))?;
        check_file(&self.wal_path, self.wal_file)
    }

    fn remember_wal(&mut self) {
        if self.wal_file.is_none() {
            self.wal_file = file_id(&self.wal_path).ok();
        }
    }

    fn checkpoint_when_due(&mut self) -> Result<(), Trouble> {
        let pages = self.wal_pages.load(Ordering::Relaxed);
        if pages < self.checkpointed_pages {
            // SQLite began the WAL anew, because all of it was in the database.
            self.checkpointed_pages = 0;
        }
        // While a reader keeps the WAL from beginning anew, only what is new counts; else every commit had a checkpoint.
        if pages - self.checkpointed_pages < CHECKPOINT_PAGES {
            return Ok(());
        }
        self.checkpointed_pages = pages;
        self.checkpoint("passive")?;
        self.warn_of_long_wal();
        Ok(())
    }

    // At the pace of checkpoints, so that the log is not flooded.
    fn warn_of_long_wal(&self) {
        let bytes = self.wal_bytes();
        if bytes > 2 * TRUNCATE_WAL_BYTES {
            tracing::warn!(wal.size_bytes = bytes, "a reader keeps the write-ahead log at {bytes} bytes");
        }
    }

    fn truncate_wal(&mut self) -> Result<(), Trouble> {
        self.checkpoint("truncate")?;
        if self.wal_bytes() > TRUNCATE_WAL_BYTES {
            self.truncate_after = Instant::now() + TRUNCATE_AGAIN;
            self.warn_of_long_wal();
        }
        Ok(())
    }

    /// Moves the WAL into the database. Only a failed fsync matters to durability; the rest is tried again.
    fn checkpoint(&mut self, mode: &str) -> Result<(), Trouble> {
        let sql = format!("pragma wal_checkpoint({mode})");
        let result = self
            .connection
            .prepare_cached(&sql)
            .and_then(|mut pragma| pragma.query_row([], |row| row.get::<_, i64>(0)));
        match result.map_err(Trouble::from) {
            Err(trouble) if trouble.severity == Severity::Fatal => Err(trouble),
            Err(trouble) => {
                tracing::warn!(reason = trouble.reason, "cannot checkpoint the database: {}", trouble.reason);
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    fn wal_bytes(&self) -> u64 {
        fs::metadata(&self.wal_path).map_or(0, |metadata| metadata.len())
    }

    /// The last act: nobody is answered with success any more.
    fn end(mut self, end: Result<(), Trouble>) {
        self.shared.close();
        if let Err(trouble) = end {
            self.tell_fatal(trouble.reason);
        }
    }

    fn tell_fatal(&mut self, reason: String) {
        if let Some(on_fatal) = self.on_fatal.take() {
            tracing::error!(reason, "durability is in doubt: {reason}");
            on_fatal(reason);
        }
    }
}

/// However the writer ends, nobody waits for it in vain.
impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.close();
        loop {
            let events = self.shared.queue.take_events(EVENTS_PER_ROUND);
            let operations: Vec<_> = std::iter::from_fn(|| self.shared.queue.take_operation()).collect();
            if events.is_empty() && operations.is_empty() {
                break;
            }
            refuse(events, operations, &StoreError::Closed);
        }
        if std::thread::panicking() {
            self.tell_fatal("the writer panicked".to_owned());
        }
    }
}

/// The write-ahead log of a database.
pub(super) fn wal_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

fn file_id(path: &Path) -> std::io::Result<FileId> {
    fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

fn check_file(path: &Path, opened: Option<FileId>) -> Result<(), Trouble> {
    let Some(opened) = opened else { return Ok(()) };
    match file_id(path) {
        Ok(found) if found == opened => Ok(()),
        Ok(_) => Err(Trouble::fatal(format!("`{}` was replaced by another file while open", path.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Trouble::fatal(format!("`{}` was deleted while open", path.display())))
        }
        Err(error) => Err(Trouble::round(format!("cannot look at `{}`: {error}", path.display()))),
    }
}

// Nobody listening is fine: the server's deadline has passed, and Telnyx's retry will be a duplicate.
fn answer(events: Vec<EventTask>, operations: Vec<Box<dyn Operation>>, committed: &Committed) {
    for (task, recorded) in events.into_iter().zip(&committed.recorded) {
        let _ = task.answer.send(Ok(*recorded));
    }
    for operation in operations {
        operation.answer(Ok(()));
    }
}

fn refuse(events: Vec<EventTask>, operations: Vec<Box<dyn Operation>>, error: &StoreError) {
    for task in events {
        let _ = task.answer.send(Err(error.clone()));
    }
    for operation in operations {
        operation.answer(Err(error.clone()));
    }
}

//! One file and its writing connection: transactions, checkpoints, and the proof that the file is still there.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::failure::{Severity, Trouble};
use super::open::OpenError;
use super::shared::Health;

const TRUNCATE_WAL_BYTES: u64 = 128 * 1024 * 1024;
// An idle moment is one in which nothing came for this long.
const TRUNCATE_PATIENCE: Duration = Duration::from_millis(50);
// After a truncation that a reader prevented. Such a reader is another program: ours are short.
const TRUNCATE_AGAIN: Duration = Duration::from_secs(30);
const PROBE_EVERY: Duration = Duration::from_millis(500);
// Of SQLite's virtual machine. With it the main writer runs for 0.07 ms at a time, on average; a commit or a checkpoint is
// not interrupted, and takes up to some milliseconds (`perf sched`, 9,000 webhooks a second with a destination).
const YIELD_EVERY_INSTRUCTIONS: i32 = 2_000;

/// The identity of a file: device and inode.
type FileId = (u64, u64);

/// What a transaction has given, and whether it changed a row.
pub(super) struct Committed<T> {
    pub(super) value: T,
    pub(super) changed: bool,
}

/// A database file of which this is the only writer.
pub(super) struct Database {
    connection: Connection,
    path: PathBuf,
    wal_path: PathBuf,
    file: FileId,
    /// Known from the first commit on, which makes the file.
    wal_file: Option<FileId>,
    /// Pages in the write-ahead log after the last commit, told by SQLite's hook.
    wal_pages: Arc<AtomicI32>,
    /// Not before this moment is the write-ahead log truncated.
    truncate_after: Instant,
    failing: bool,
    health: Arc<Health>,
    /// Whether transactions are left open for [`Database::commit`]. Only the planted fault does so.
    commits_late: bool,
    /// Released when the last writer ends, not before.
    _lock: Arc<File>,
}

impl Database {
    pub(super) fn new(
        mut connection: Connection,
        path: &Path,
        health: Arc<Health>,
        lock: Arc<File>,
    ) -> Result<Self, OpenError> {
        let wal_pages = Arc::new(AtomicI32::new(0));
        let told = Arc::clone(&wal_pages);
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            told.store(pages, Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            wal_path: wal_path(path),
            file: file_id(path).map_err(|source| OpenError::File { path: path.to_owned(), source })?,
            wal_file: None,
            wal_pages,
            truncate_after: Instant::now(),
            failing: false,
            health,
            commits_late: false,
            _lock: lock,
        })
    }

    /// Leaves transactions open until [`Database::commit`]: the planted fault.
    pub(super) fn commit_late(&mut self) {
        self.commits_late = true;
    }

    /// Offers the core to whoever else is ready every few thousand instructions, in the middle of statements too. For work
    /// that others must not wait behind: the scheduler lets even a thread of low priority finish its slice of some
    /// milliseconds before one that has just become ready (EEVDF, Linux 6.6).
    pub(super) fn yield_often(&mut self) -> Result<(), OpenError> {
        let go_on = || {
            std::thread::yield_now();
            false
        };
        Ok(self.connection.progress_handler(YIELD_EVERY_INSTRUCTIONS, Some(go_on))?)
    }

    /// Carries out one transaction, or nothing of it.
    pub(super) fn transact<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> Result<T, Trouble>,
    ) -> Result<Committed<T>, Trouble> {
        let result = self.begin().and_then(|before| {
            let value = work(&self.connection)?;
            self.check_files()?;
            let changed = self.connection.total_changes() != before;
            if !self.commits_late {
                self.commit()?;
            }
            Ok(Committed { value, changed })
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

    /// Commits with an fsync.
    pub(super) fn commit(&mut self) -> Result<(), Trouble> {
        self.connection.prepare_cached("commit")?.execute([])?;
        if self.wal_file.is_none() {
            self.wal_file = file_id(&self.wal_path).ok();
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

    /// How long its writer should wait for work before [`Database::idle`] has something to do.
    pub(super) fn patience(&self) -> Option<Duration> {
        if self.failing {
            Some(PROBE_EVERY)
        } else if self.wal_bytes() > TRUNCATE_WAL_BYTES {
            Some(TRUNCATE_PATIENCE.max(self.truncate_after.saturating_duration_since(Instant::now())))
        } else {
            None
        }
    }

    /// Upkeep in a moment without work.
    pub(super) fn idle(&mut self) -> Result<(), Trouble> {
        if self.failing { self.probe() } else { self.truncate_wal() }
    }

    /// Remembers that a transaction went well.
    pub(super) fn succeeded(&mut self) {
        if self.failing {
            tracing::info!(db.path = %self.path.display(), "the database can be written again");
            self.failing = false;
            self.health.set_failure(None);
        }
    }

    /// Remembers that one did not.
    pub(super) fn failed(&mut self, trouble: &Trouble) {
        if trouble.severity == Severity::Row {
            return;
        }
        if !self.failing {
            let (path, reason) = (self.path.display(), &trouble.reason);
            tracing::error!(db.path = %path, reason, "the database {path} cannot be written: {reason}");
        }
        self.failing = true;
        self.health.set_failure(Some(trouble.reason.clone()));
    }

    /// Tries whether a write goes through, so that readiness recovers without traffic.
    fn probe(&mut self) -> Result<(), Trouble> {
        let late = std::mem::take(&mut self.commits_late);
        let result = self.transact(|connection| {
            connection.prepare_cached("update probes set count = count + 1 where id = 1")?.execute([])?;
            Ok(())
        });
        self.commits_late = late;
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

    /// Pages in the write-ahead log.
    pub(super) fn wal_pages(&self) -> i32 {
        self.wal_pages.load(Ordering::Relaxed)
    }

    /// Says so when the write-ahead log is longer than any load of ours explains. Call it at the pace of checkpoints.
    pub(super) fn warn_of_long_wal(&self) {
        let bytes = self.wal_bytes();
        if bytes > 2 * TRUNCATE_WAL_BYTES {
            let path = self.wal_path.display();
            tracing::warn!(
                wal.size_bytes = bytes,
                "a reader keeps the write-ahead log {path} at {bytes} bytes"
            );
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

    /// Moves the write-ahead log into the database, as far as no reader is in the way. Returns the pages moved since it
    /// began.
    pub(super) fn checkpoint(&self, mode: &str) -> Result<i32, Trouble> {
        checkpoint(&self.connection, mode)
    }

    fn wal_bytes(&self) -> u64 {
        fs::metadata(&self.wal_path).map_or(0, |metadata| metadata.len())
    }
}

/// Moves the write-ahead log of a connection's main file into it. Only a failed fsync matters to durability; the rest is
/// tried again.
pub(super) fn checkpoint(connection: &Connection, mode: &str) -> Result<i32, Trouble> {
    let sql = format!("pragma main.wal_checkpoint({mode})");
    let result = connection
        .prepare_cached(&sql)
        .and_then(|mut pragma| pragma.query_row([], |row| row.get::<_, i32>(2)));
    match result.map_err(Trouble::from) {
        Err(trouble) if trouble.severity == Severity::Fatal => Err(trouble),
        Err(trouble) => {
            tracing::warn!(reason = trouble.reason, "cannot checkpoint the database: {}", trouble.reason);
            Ok(0)
        }
        Ok(pages) => Ok(pages.max(0)),
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

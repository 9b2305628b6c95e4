//! Moves the write-ahead log of the event log into its file beside the acknowledgements, not between them.
//!
//! SQLite begins the log anew only when all of it has been moved at the moment of a commit, and under load there is
//! always something new. So a thread with a connection of its own moves the bulk, pass after pass, and when the log has
//! grown long and the thread has all but caught up, the writer itself moves the little that is left, while the main
//! writer is kept outside.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use crate::sqlite::database::{Database, checkpoint};
use crate::sqlite::failure::Trouble;
use crate::sqlite::open::{EVENT_PAGE_BYTES, OpenError, connect};
use crate::sqlite::shared::Shared;
use crate::sqlite::turnstile::Turnstile;

// 4 MiB: some ten thousandths of a second of writing, and one fsync.
const PASS_PAGES: i32 = 4 * 1024 * 1024 / EVENT_PAGE_BYTES;
// At 64 MiB the log is to begin anew, so that it is read in a tenth of a second after a crash.
const LONG_PAGES: i32 = 64 * 1024 * 1024 / EVENT_PAGE_BYTES;
// What the writer moves itself: half a MiB, a few milliseconds, most of them two fsyncs. The thread's passes become shorter
// until so little is left.
const REST_PAGES: i32 = 512 * 1024 / EVENT_PAGE_BYTES;
// So much later, 16 MiB, it moves what there is.
const OVERDUE_PAGES: i32 = 16 * 1024 * 1024 / EVENT_PAGE_BYTES;

/// The thread, as the writer sees it.
pub(in crate::sqlite) struct Checkpointer {
    progress: Arc<Progress>,
    ask: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    last_pages: i32,
    /// The writer moves the rest when the log is this long.
    rest_at_pages: i32,
    /// It has moved the rest of this log before, and something read a snapshot of it all the same.
    is_stuck: bool,
    rest: Rest,
}

/// Whether the writer moves what is left of the log.
#[derive(PartialEq)]
enum Rest {
    /// Not now.
    Small,
    /// It will, once the main writer is outside.
    Due,
    /// It has, and the next commit can begin the log anew.
    Moved,
}

#[derive(Default)]
struct Progress {
    /// Pages of the present log that are in the database.
    moved_pages: AtomicI32,
    is_working: AtomicBool,
}

impl Checkpointer {
    /// Starts the thread.
    pub(in crate::sqlite) fn start(path: &Path, shared: Arc<Shared>) -> Result<Self, OpenError> {
        let file = File::open(path).map_err(|source| OpenError::File { path: path.to_owned(), source })?;
        let _ = shared.log_file.set(file);
        let connection = connect(path)?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        let (ask, asked) = sync_channel(1);
        let progress = Arc::<Progress>::default();
        let told = Arc::clone(&progress);
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || run(&connection, &asked, &told, &shared))
            .map_err(|source| OpenError::File { path: PathBuf::from(path), source })?;
        Ok(Self {
            progress,
            ask: Some(ask),
            thread: Some(thread),
            last_pages: 0,
            rest_at_pages: LONG_PAGES,
            is_stuck: false,
            rest: Rest::Small,
        })
    }

    /// Called after every commit.
    pub(in crate::sqlite) fn follow(
        &mut self,
        database: &Database,
        turnstile: &Turnstile,
    ) -> Result<(), Trouble> {
        if self.rest == Rest::Moved {
            self.rest = Rest::Small;
            turnstile.open();
        }
        let pages = database.wal_pages();
        if pages < self.last_pages {
            // SQLite has begun the log anew.
            self.progress.moved_pages.store(0, Ordering::Release);
            self.rest_at_pages = LONG_PAGES;
            self.is_stuck = false;
        }
        self.last_pages = pages;
        if self.progress.is_working.load(Ordering::Acquire) {
            return Ok(());
        }
        // More than there is was moved of the log before this one.
        let moved = Some(self.progress.moved_pages.load(Ordering::Acquire)).filter(|moved| *moved <= pages);
        let left = pages - moved.unwrap_or_default();
        let overdue = pages - self.rest_at_pages;
        let is_long = overdue >= 0;
        if is_long && (self.is_stuck || left <= REST_PAGES || overdue >= OVERDUE_PAGES) {
            self.rest = Rest::Due;
        }
        if self.rest == Rest::Due {
            return if turnstile.close() { self.move_rest(database, pages) } else { Ok(()) };
        }
        if left >= if is_long { REST_PAGES } else { PASS_PAGES }
            && let Some(ask) = &self.ask
        {
            self.progress.is_working.store(true, Ordering::Release);
            // A thread that is gone has told its trouble.
            let _ = ask.try_send(());
        }
        Ok(())
    }

    // Where a reader keeps the log from beginning anew all the same, trying again at once would only cost time.
    fn move_rest(&mut self, database: &Database, pages: i32) -> Result<(), Trouble> {
        let moved = database.checkpoint("passive")?;
        self.progress.moved_pages.store(moved, Ordering::Release);
        self.rest_at_pages = pages + PASS_PAGES;
        self.is_stuck = true;
        self.rest = Rest::Moved;
        database.warn_of_long_wal();
        Ok(())
    }

    /// Ends the thread and moves everything.
    pub(in crate::sqlite) fn finish(&mut self, database: &Database) -> Result<(), Trouble> {
        self.end();
        database.checkpoint("truncate").map(drop)
    }

    fn end(&mut self) {
        self.ask = None;
        if let Some(thread) = self.thread.take() {
            // A panic of it has been printed; the writer moves what it has not.
            let _ = thread.join();
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.end();
    }
}

fn run(connection: &Connection, asked: &Receiver<()>, progress: &Progress, shared: &Shared) {
    while asked.recv().is_ok() {
        match checkpoint(connection, "passive").and_then(|pages| flush(shared).map(|()| pages)) {
            Ok(pages) => progress.moved_pages.store(pages, Ordering::Release),
            Err(trouble) => {
                shared.fatal(trouble.reason);
                return;
            }
        }
        progress.is_working.store(false, Ordering::Release);
    }
}

// SQLite flushes the file only when all of the log has been moved. Without this the last of it, which the writer moves, would
// be flushed together with everything before: 50 ms for 64 MiB, with acknowledgements waiting.
fn flush(shared: &Shared) -> Result<(), Trouble> {
    let flushed = shared.log_file.get().map_or(Ok(()), File::sync_data);
    flushed.map_err(|error| Trouble::fatal(format!("cannot flush the event log: {error}")))
}

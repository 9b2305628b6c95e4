//! The SQLite store: two files with one writer thread each, both with group commit, and readers of their own.
//!
//! The event log (`inlet-events.db`) is only appended to, before a webhook is acknowledged. The main database (`inlet.db`)
//! holds what is made of events; its writer, and every reader, has the log attached for reading. So work never holds up
//! an acknowledgement (`docs/decisions/0003`).
//!
//! Limits: one gateway per database (a file lock), a local file system that honours fsync. Settings are read back when the
//! files are opened: WAL, `synchronous=FULL`, SQLite 3.51.3 or newer.

mod behind;
mod by_hand;
mod check;
mod choices;
mod claims;
mod counts;
mod database;
mod event_log;
mod events;
mod failure;
mod filters;
mod jobs;
mod lists;
mod messages;
mod migrate;
mod one_text;
mod open;
mod outcomes;
#[cfg(test)]
mod plans;
mod queue;
mod readers;
mod rejections;
mod replays;
mod retention;
mod routing;
mod rows;
mod sends;
mod settings;
mod shared;
mod texts;
mod time_map;
mod turnstile;
mod walk;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use inlet_domain::{
    Attempt, ClaimedJob, Conversation, DestinationState, Event, EventFilter, EventSeq, GuardLimits, Job,
    JobFilter, JobId, Message, MessageFilter, NewEvent, NewRejection, NewReplay, OptOut, Page, PageRequest,
    Recorded, Rejection, Replay, ReplayId, Router, SendKey, SendRequest, StoredMedia, Timestamp,
};
use rusqlite::Connection;
use tokio::sync::watch;

use self::database::Database;
pub use self::event_log::generation_filter;
use self::event_log::{Checkpointer, Dedupe, EventLogWriter, EventTask, ForgetTask, LogTask, newest_seq};
use self::failure::{Failure, Severity};
use self::filters::JobSearch;
use self::open::{OpenError, event_log_path};
use self::readers::Readers;
use self::retention::Bounds;
use self::shared::Shared;
use self::writer::Writer;
use crate::error::StoreError;
use crate::store::{
    BulkAction, BulkResult, Claim, DestinationSwitch, EventLog, FinishedAttempt, Happening, Progress, Purged,
    ReplyUsage, RouteBatch, SendDecision, StatsRow, Store, StreamPosition,
};

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
    /// Called first in each thread that is not on the ack path; lowers its priority, perhaps.
    pub background_thread: fn(),
    /// What to do when durability is in doubt.
    pub on_fatal: OnFatal,
}

/// The store on SQLite.
pub struct SqliteStore {
    shared: Arc<Shared>,
    readers: Readers,
    /// The writer threads; taken by whoever closes the store.
    writers: Mutex<Vec<JoinHandle<()>>>,
}

impl SqliteStore {
    /// Opens the database: takes the lock that keeps a second gateway out, checks SQLite's version and settings,
    /// migrates, starts the writer.
    pub async fn open(config: SqliteConfig) -> Result<Self, StoreError> {
        blocking(move || open_now(config)).await
    }

    /// Commits what waits, checkpoints, ends the writers. Everything after it is refused.
    pub async fn close(&self) {
        self.shared.close();
        let writers = std::mem::take(&mut *self.writers.lock().unwrap_or_else(PoisonError::into_inner));
        // An error is a panic of a writer, which has been printed already.
        let join_all = || writers.into_iter().for_each(|writer| drop(writer.join()));
        let _ = tokio::task::spawn_blocking(join_all).await;
        self.readers.close();
    }

    /// Looks a database over without changing it: SQLite's own checks, then what must hold between the tables. One
    /// sentence for each finding; empty when all is well. Works beside a running gateway. Reads the whole file.
    pub async fn check(path: &Path) -> Result<Vec<String>, StoreError> {
        let path = path.to_owned();
        blocking(move || check::check(&path).map_err(|error| error.at(&path))).await
    }

    async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        self.shared.operations.run(work).await
    }

    /// Deletes the events at some positions; their hashes stay, so that late repeats are still known. Few at a time, so
    /// that acknowledgements wait for a millisecond or two, however long the bodies are.
    async fn forget_events(&self, seqs: &[i64]) -> Result<(), StoreError> {
        let mut left = seqs.to_vec();
        while !left.is_empty() {
            let asked = left.clone();
            let count =
                self.read(move |connection| retention::deletable_together(connection, &asked)).await?;
            let rest = left.split_off(count);
            let (task, answered) = ForgetTask::new(left);
            self.shared.events.push(LogTask::Forget(task))?;
            answered.await.unwrap_or(Err(StoreError::Closed))?;
            left = rest;
        }
        Ok(())
    }

    /// The same for work on many rows, of which one may be what fails: the caller then tries each by itself.
    async fn write_together<T, F>(&self, work: F) -> Result<T, Refused>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let by_a_row = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&by_a_row);
        let work = move |connection: &Connection| {
            work(connection).inspect_err(|failure| {
                seen.store(failure.severity() == Severity::Row, Ordering::Relaxed);
            })
        };
        self.write(work).await.map_err(|error| match by_a_row.load(Ordering::Relaxed) {
            true => Refused::Row(error),
            false => Refused::All(error),
        })
    }

    async fn finish_each(
        &self,
        finished: &[FinishedAttempt],
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let mut results = Vec::with_capacity(finished.len());
        for one in finished {
            let one = [one.clone()];
            match self.write_together(move |connection| outcomes::finish_attempts(connection, &one)).await {
                Ok(mut result) => results.append(&mut result),
                Err(Refused::Row(error)) => results.push(Err(error)),
                Err(Refused::All(error)) => return Err(error),
            }
        }
        Ok(results)
    }

    fn search(&self, filter: JobFilter) -> JobSearch {
        let recent = filter.event_id.as_deref().map(|id| self.shared.recent.candidates(id));
        JobSearch { recent: recent.unwrap_or_default(), filter }
    }

    async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        if self.shared.is_closed() {
            return Err(StoreError::Closed);
        }
        self.readers.read(work).await
    }
}

/// Why work on many rows failed; nothing of it happened.
enum Refused {
    /// One of the rows.
    Row(StoreError),
    /// The database.
    All(StoreError),
}

impl Refused {
    fn into_store(self) -> StoreError {
        match self {
            Self::Row(error) | Self::All(error) => error,
        }
    }
}

/// Lets the writers finish what waits and end by themselves; the lock on the database goes with them.
impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.shared.close();
    }
}

fn open_now(config: SqliteConfig) -> Result<SqliteStore, StoreError> {
    let opened = open::open(&config.path, config.migrate)?;
    let shared = Shared::new(config.queue, Arc::clone(&config.on_fatal));
    let (main, log, lock) = (opened.main, opened.log, Arc::new(opened.lock));
    let (path, log_path) = (config.path.clone(), event_log_path(&config.path));
    let readers =
        Readers::open(&path, config.readers, Arc::clone(&shared)).map_err(|error| error.at(&path))?;
    let log_writer =
        log_writer(log, &log_path, &shared, Arc::clone(&lock)).map_err(|error| error.at(&log_path))?;
    let writers = main_writer(main, &path, &shared, lock)
        .and_then(|writer| start_writers(&config, log_writer, writer))
        .map_err(|error| error.at(&path))?;
    Ok(SqliteStore { shared, readers, writers: Mutex::new(writers) })
}

fn main_writer(
    main: Connection,
    path: &Path,
    shared: &Arc<Shared>,
    lock: Arc<File>,
) -> Result<Writer, OpenError> {
    let mut main = Database::new(main, path, Arc::clone(&shared.main_health), lock)?;
    main.yield_often()?;
    Ok(Writer::new(main, Arc::clone(shared)))
}

fn log_writer(
    log: Connection,
    path: &Path,
    shared: &Arc<Shared>,
    lock: Arc<File>,
) -> Result<EventLogWriter, OpenError> {
    let (dedupe, next_seq) = (Dedupe::load(&log, Arc::clone(shared))?, newest_seq(&log)? + 1);
    let log = Database::new(log, path, Arc::clone(&shared.log_health), lock)?;
    let checkpointer = Checkpointer::start(path, Arc::clone(shared))?;
    Ok(EventLogWriter::new(log, Arc::clone(shared), dedupe, checkpointer, next_seq))
}

fn start_writers(
    config: &SqliteConfig,
    log_writer: EventLogWriter,
    writer: Writer,
) -> Result<Vec<JoinHandle<()>>, OpenError> {
    let background_thread = config.background_thread;
    let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        thread.map_err(|source| OpenError::File { path: config.path.clone(), source })
    };
    Ok(vec![
        spawn("store-events", Box::new(move || log_writer.run()))?,
        spawn(
            "store-writer",
            Box::new(move || {
                background_thread();
                writer.run();
            }),
        )?,
    ])
}

async fn blocking<T, F>(work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, StoreError> + Send + 'static,
{
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(StoreError::Unavailable { reason: error.to_string() }))
}

#[async_trait]
impl EventLog for SqliteStore {
    async fn record_event(&self, event: NewEvent) -> Result<Recorded, StoreError> {
        let (task, answered) = EventTask::new(event);
        self.shared.events.push(LogTask::Store(task))?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn record_rejections(&self, rejections: Vec<NewRejection>) -> Result<(), StoreError> {
        self.write(move |connection| rejections::record_rejections(connection, &rejections)).await
    }

    fn ready(&self) -> Result<(), StoreError> {
        self.shared.ready()
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    async fn route_events(
        &self,
        router: Arc<Router>,
        limit: u32,
        now: Timestamp,
    ) -> Result<RouteBatch, StoreError> {
        let rules = Arc::clone(&router);
        let together =
            self.write_together(move |connection| routing::route_events(connection, &rules, limit, now));
        match together.await {
            Err(Refused::Row(_)) => {
                self.write(move |connection| routing::route_apart(connection, &router, limit, now)).await
            }
            result => result.map_err(Refused::into_store),
        }
    }

    async fn claim_due(&self, claim: Claim) -> Result<Vec<ClaimedJob>, StoreError> {
        self.write(move |connection| claims::claim_due(connection, &claim)).await
    }

    async fn begin_send(
        &self,
        job: JobId,
        fence: i64,
        now: Timestamp,
        lease_until: Timestamp,
        limits: Arc<GuardLimits>,
    ) -> Result<SendDecision, StoreError> {
        self.write(move |connection| sends::begin_send(connection, job, fence, now, lease_until, &limits))
            .await
    }

    async fn finish_attempts(
        &self,
        finished: Vec<FinishedAttempt>,
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let finished: Arc<[FinishedAttempt]> = finished.into();
        let all = Arc::clone(&finished);
        match self.write_together(move |connection| outcomes::finish_attempts(connection, &all)).await {
            Err(Refused::Row(_)) if finished.len() > 1 => self.finish_each(&finished).await,
            result => result.map_err(Refused::into_store),
        }
    }

    async fn release(&self, jobs: Vec<(JobId, i64)>) -> Result<(), StoreError> {
        self.write(move |connection| claims::release(connection, &jobs)).await
    }

    async fn expire_leases(&self, now: Timestamp) -> Result<Progress, StoreError> {
        self.write(move |connection| claims::expire_leases(connection, now)).await
    }

    async fn recover_leases(&self, now: Timestamp) -> Result<Progress, StoreError> {
        self.write(move |connection| claims::recover_leases(connection, now)).await
    }

    async fn next_due(&self, after: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.read(move |connection| claims::next_due(connection, after)).await
    }

    async fn enqueue_send(
        &self,
        key: SendKey,
        request: SendRequest,
        now: Timestamp,
    ) -> Result<JobId, StoreError> {
        self.write(move |connection| sends::enqueue_send(connection, &key, &request, now)).await
    }

    async fn enqueue_test(&self, destination: &str, now: Timestamp) -> Result<JobId, StoreError> {
        let destination = destination.to_owned();
        self.write(move |connection| by_hand::enqueue_test(connection, &destination, now)).await
    }

    async fn change_job(
        &self,
        job: JobId,
        action: BulkAction,
        now: Timestamp,
    ) -> Result<Option<bool>, StoreError> {
        self.write(move |connection| by_hand::change_job(connection, job, action, now)).await
    }

    async fn change_jobs(
        &self,
        filter: JobFilter,
        action: BulkAction,
        from: Option<JobId>,
        dry_run: bool,
        now: Timestamp,
    ) -> Result<BulkResult, StoreError> {
        let search = self.search(filter);
        if dry_run {
            return self.read(move |connection| by_hand::count_bulk(connection, &search, action)).await;
        }
        self.write(move |connection| by_hand::change_jobs(connection, &search, action, from, now)).await
    }

    async fn pause_destination(&self, name: &str, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        let (name, reason) = (name.to_owned(), reason.to_owned());
        self.write(move |connection| by_hand::pause_destination(connection, &name, &reason, now)).await
    }

    async fn resume_destination(&self, name: &str, now: Timestamp) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.write(move |connection| by_hand::resume_destination(connection, &name, now)).await
    }

    async fn destination_states(&self) -> Result<Vec<(String, DestinationState)>, StoreError> {
        self.read(counts::destination_states).await
    }

    async fn destination_switches(&self) -> Result<Vec<DestinationSwitch>, StoreError> {
        self.read(counts::destination_switches).await
    }

    async fn count_replay(&self, replay: &NewReplay, events: &[String]) -> Result<i64, StoreError> {
        let (filter, events) = (replay.filter.clone(), events.to_owned());
        self.read(move |connection| replays::count(connection, &filter, &events)).await
    }

    async fn start_replay(
        &self,
        replay: NewReplay,
        total: i64,
        now: Timestamp,
    ) -> Result<Replay, StoreError> {
        self.write(move |connection| replays::start(connection, &replay, total, now)).await
    }

    async fn advance_replays(
        &self,
        router: Arc<Router>,
        limit: u32,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(move |connection| replays::advance(connection, &router, limit, now)).await
    }

    async fn cancel_replay(&self, replay: ReplayId, now: Timestamp) -> Result<Option<bool>, StoreError> {
        self.write(move |connection| replays::cancel(connection, replay, now)).await
    }

    async fn setting(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let key = key.to_owned();
        self.read(move |connection| settings::setting(connection, &key)).await
    }

    async fn keep_setting(&self, key: &str, value: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let key = key.to_owned();
        self.write(move |connection| settings::keep_setting(connection, &key, &value)).await
    }

    async fn mark_read(&self, conversation: i64) -> Result<bool, StoreError> {
        self.write(move |connection| messages::mark_read(connection, conversation)).await
    }

    async fn advance_behind(&self, limit: u32) -> Result<bool, StoreError> {
        self.write(move |connection| behind::advance(connection, limit)).await
    }

    async fn purge_events(&self, before: Timestamp, from: i64, limit: u32) -> Result<Purged, StoreError> {
        let bounds = Bounds::of(limit);
        let purge = move |connection: &Connection| retention::purge_events(connection, before, from, bounds);
        let (purged, forgotten) = self.write(purge).await?;
        if !forgotten.is_empty() {
            self.forget_events(&forgotten).await?;
            self.write(move |connection| retention::events_are_gone(connection, &forgotten)).await?;
        }
        Ok(purged)
    }

    async fn purge_messages(&self, before: Timestamp, from: i64, limit: u32) -> Result<Purged, StoreError> {
        let bounds = Bounds::of(limit);
        self.write(move |connection| retention::purge_messages(connection, before, from, bounds)).await
    }

    async fn unused_media(&self, after: &str, limit: u32) -> Result<Vec<String>, StoreError> {
        let after = after.to_owned();
        self.read(move |connection| retention::unused_media(connection, &after, limit)).await
    }

    async fn forget_media(&self, digests: Vec<String>) -> Result<(), StoreError> {
        self.write(move |connection| retention::forget_media(connection, &digests)).await
    }

    async fn purge_jobs(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        self.write(move |connection| retention::purge_jobs(connection, before, Bounds::of(limit))).await
    }

    async fn events(&self, filter: EventFilter, page: PageRequest) -> Result<Page<Event>, StoreError> {
        self.read(move |connection| events::events(connection, &filter, page)).await
    }

    async fn event(&self, id: &str) -> Result<Option<Event>, StoreError> {
        let (recent, id) = (self.shared.recent.candidates(id), id.to_owned());
        self.read(move |connection| events::event(connection, &recent, &id)).await
    }

    async fn event_body(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let (recent, id) = (self.shared.recent.candidates(id), id.to_owned());
        self.read(move |connection| events::event_body(connection, &recent, &id)).await
    }

    async fn messages(&self, filter: MessageFilter, page: PageRequest) -> Result<Page<Message>, StoreError> {
        self.read(move |connection| lists::messages(connection, &filter, page)).await
    }

    async fn message(&self, id: &str) -> Result<Option<Message>, StoreError> {
        let id = id.to_owned();
        self.read(move |connection| messages::message(connection, &id)).await
    }

    async fn conversations(&self, page: PageRequest) -> Result<Page<Conversation>, StoreError> {
        self.read(move |connection| lists::conversations(connection, page)).await
    }

    async fn conversation(&self, id: i64) -> Result<Option<Conversation>, StoreError> {
        self.read(move |connection| lists::conversation(connection, id)).await
    }

    async fn jobs(&self, filter: JobFilter, page: PageRequest) -> Result<Page<Job>, StoreError> {
        let search = self.search(filter);
        self.read(move |connection| lists::jobs(connection, &search, page)).await
    }

    async fn job(&self, id: JobId) -> Result<Option<(Job, Vec<Attempt>)>, StoreError> {
        self.read(move |connection| {
            let Some(job) = jobs::job(connection, id)? else { return Ok(None) };
            Ok(Some((job, outcomes::attempts(connection, id)?)))
        })
        .await
    }

    async fn replies(&self, page: PageRequest) -> Result<Page<Job>, StoreError> {
        self.read(move |connection| lists::replies(connection, page)).await
    }

    async fn reply_usage(
        &self,
        now: Timestamp,
        window: Duration,
        global_window: Duration,
        pair: Option<(String, String)>,
    ) -> Result<ReplyUsage, StoreError> {
        let (since, globally_since) = (now.before(window), now.before(global_window));
        self.read(move |connection| sends::reply_usage(connection, since, globally_since, pair)).await
    }

    async fn opt_outs(&self, page: PageRequest) -> Result<Page<OptOut>, StoreError> {
        self.read(move |connection| lists::opt_outs(connection, page)).await
    }

    async fn rejections(&self, page: PageRequest) -> Result<Page<Rejection>, StoreError> {
        self.read(move |connection| lists::rejections(connection, page)).await
    }

    async fn replays(&self, page: PageRequest) -> Result<Page<Replay>, StoreError> {
        self.read(move |connection| lists::replays(connection, page)).await
    }

    async fn replay(&self, id: ReplayId) -> Result<Option<Replay>, StoreError> {
        self.read(move |connection| replays::replay(connection, id)).await
    }

    async fn stored_media(&self, sha256: &str) -> Result<Option<StoredMedia>, StoreError> {
        let sha256 = sha256.to_owned();
        self.read(move |connection| messages::stored_media(connection, &sha256)).await
    }

    async fn stats(&self) -> Result<Vec<StatsRow>, StoreError> {
        self.read(counts::stats).await
    }

    async fn backlog(&self) -> Result<(EventSeq, i64), StoreError> {
        self.read(events::backlog).await
    }

    async fn happenings(
        &self,
        after: StreamPosition,
        limit: u32,
    ) -> Result<(Vec<Happening>, StreamPosition), StoreError> {
        self.read(move |connection| events::happenings(connection, after, limit)).await
    }

    async fn stream_end(&self) -> Result<StreamPosition, StoreError> {
        self.read(events::stream_end).await
    }
}

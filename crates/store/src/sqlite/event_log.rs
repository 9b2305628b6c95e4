//! The event log: one thread that stores what waits once, commits it in groups, and answers after. All of the ack path
//! behind the listener is here.

mod checkpointer;
mod dedupe;
mod filter;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use inlet_domain::{EventSeq, NewEvent, Recorded};
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use super::database::{Committed, Database};
use super::failure::{Failure, Severity, Trouble};
use super::queue::{Waiting, Wake};
use super::rows::{broken, clean, execute, first, value};
use super::shared::Shared;
use crate::error::StoreError;
pub(super) use checkpointer::Checkpointer;
pub use dedupe::generation_filter;
pub(super) use dedupe::{Dedupe, Recent, denied, find};

// One commit takes at most this many events: at 5 µs each, about 3 ms of work.
const EVENTS_PER_ROUND: usize = 512;
// Where a commit held so many, there are many senders, and their next events are about to come. To wait for them as long as
// a commit takes makes the groups larger, and an event in a group of 64 costs less than half of one in a group of 8; a
// lone sender waits for nobody.
const CROWD: usize = 4;
const GATHERED: usize = 64;
const GATHERING: Duration = Duration::from_micros(500);
/// Between the early answer of the planted fault and its commit: what a slow disk needs.
const PLANTED_GAP: Duration = Duration::from_millis(5);

/// The digest by which an id is found.
type Hash = [u8; 32];

/// An event and whoever waits for its commit.
pub(super) struct EventTask {
    event: NewEvent,
    /// SHA-256 of the id, computed by the caller so that the writer does not.
    hash: Hash,
    answer: oneshot::Sender<Result<Recorded, StoreError>>,
}

impl EventTask {
    /// The task, and where its answer will come.
    pub(super) fn new(event: NewEvent) -> (Self, oneshot::Receiver<Result<Recorded, StoreError>>) {
        let (answer, answered) = oneshot::channel();
        (Self { hash: hash_of(&event.id), event, answer }, answered)
    }
}

/// Positions whose events are to be deleted, and whoever waits for that. Their hashes stay.
pub(super) struct ForgetTask {
    seqs: Vec<i64>,
    answer: oneshot::Sender<Result<(), StoreError>>,
}

impl ForgetTask {
    /// The task, and where its answer will come.
    pub(super) fn new(seqs: Vec<i64>) -> (Self, oneshot::Receiver<Result<(), StoreError>>) {
        let (answer, answered) = oneshot::channel();
        (Self { seqs, answer }, answered)
    }
}

/// What waits for the event log.
pub(super) enum LogTask {
    Store(EventTask),
    Forget(ForgetTask),
}

impl Waiting for LogTask {
    fn size_bytes(&self) -> usize {
        match self {
            Self::Store(task) => task.event.id.len() + task.event.body.len(),
            Self::Forget(_) => 0,
        }
    }
}

/// What one transaction takes.
#[derive(Default)]
struct Round {
    events: Vec<EventTask>,
    forgets: Vec<ForgetTask>,
}

impl Round {
    fn of(tasks: Vec<LogTask>) -> Self {
        let mut round = Self { events: Vec::with_capacity(tasks.len()), forgets: Vec::new() };
        for task in tasks {
            match task {
                LogTask::Store(task) => round.events.push(task),
                LogTask::Forget(task) => round.forgets.push(task),
            }
        }
        round
    }

    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.forgets.is_empty()
    }
}

fn hash_of(id: &str) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, id.as_bytes()).as_ref());
    hash
}

/// The state of the thread.
pub(super) struct EventLogWriter {
    database: Database,
    shared: Arc<Shared>,
    dedupe: Dedupe,
    checkpointer: Checkpointer,
    /// The position of the next event. Positions have no gaps, and one that an event has had is never given again, even
    /// if the event is deleted some day.
    next_seq: i64,
    /// Events in the last commit.
    last_group: usize,
}

impl EventLogWriter {
    pub(super) fn new(
        mut database: Database,
        shared: Arc<Shared>,
        dedupe: Dedupe,
        checkpointer: Checkpointer,
        next_seq: i64,
    ) -> Self {
        if cfg!(feature = "planted-early-ack") {
            database.commit_late();
        }
        Self { database, shared, dedupe, checkpointer, next_seq, last_group: 0 }
    }

    /// Runs until the queue is closed and empty, or until nothing can be trusted any more.
    pub(super) fn run(mut self) {
        let end = loop {
            let step = match self.shared.events.wait(self.database.patience()) {
                Wake::Work => self
                    .round()
                    .and_then(|()| self.checkpointer.follow(&self.database, &self.shared.turnstile)),
                Wake::Idle => self.database.idle(),
                Wake::Closed => break self.checkpointer.finish(&self.database),
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
        if self.last_group >= CROWD {
            self.shared.events.gather(GATHERED, GATHERING);
        }
        let round = Round::of(self.shared.events.take(EVENTS_PER_ROUND));
        self.last_group = round.events.len();
        match self.record(&round) {
            Err(trouble) if trouble.severity == Severity::Row => self.one_by_one(round),
            result => self.conclude(result, round),
        }
    }

    /// A row of the group failed: each event alone, so that the others do not suffer.
    //
    // An event that fails alone is refused, and is not stored under a stand-in: what could fail is out of its reach.
    // No table has a unique key but hashes and the position that the writer gives; columns take any text and any bytes,
    // U+0000 is replaced, and the listener's limit of 1 MiB is far below SQLite's. There remain two ids whose SHA-256
    // collide in both halves, and rows that a damaged file spoiled; under another id Telnyx's next try would be stored
    // once more, and neither would be the truth.
    fn one_by_one(&mut self, round: Round) -> Result<(), Trouble> {
        let event = |task| Round { events: vec![task], ..Round::default() };
        let forget = |task| Round { forgets: vec![task], ..Round::default() };
        let singles = round.events.into_iter().map(event).chain(round.forgets.into_iter().map(forget));
        for alone in singles.collect::<Vec<_>>() {
            let result = self.record(&alone);
            if let Err(trouble) = &result {
                let what = if alone.events.is_empty() { "deleted" } else { "stored" };
                tracing::error!(reason = trouble.reason, "an event could not be {what}: {}", trouble.reason);
            }
            self.conclude(result, alone)?;
        }
        Ok(())
    }

    /// Stores a group of events in order, in one transaction.
    fn record(&mut self, round: &Round) -> Result<Committed<Vec<Recorded>>, Trouble> {
        let (dedupe, mut next) = (&mut self.dedupe, self.next_seq);
        let result = self.database.transact(|connection| {
            let mut recorded = Vec::with_capacity(round.events.len());
            for task in &round.events {
                let outcome = record_event(connection, dedupe, task, next)?;
                next += i64::from(matches!(outcome, Recorded::New(_)));
                recorded.push(outcome);
            }
            for seq in round.forgets.iter().flat_map(|task| &task.seqs) {
                forget_event(connection, *seq).map_err(|failure| Trouble::from(&failure))?;
            }
            dedupe.settle(connection, round.events.len())?;
            Ok(recorded)
        });
        match &result {
            Ok(_) => {
                self.next_seq = next;
                self.dedupe.committed();
            }
            Err(_) => self.dedupe.rolled_back(),
        }
        result
    }

    /// Answers everybody of the round and remembers whether it went well.
    fn conclude(
        &mut self,
        result: Result<Committed<Vec<Recorded>>, Trouble>,
        round: Round,
    ) -> Result<(), Trouble> {
        match result {
            Ok(committed) => {
                self.database.succeeded();
                if committed.changed {
                    self.shared.changed();
                }
                answer(round, &committed.value);
                if cfg!(feature = "planted-early-ack") {
                    // A fast disk would all but close the gap, and the planted fault would go unseen.
                    std::thread::sleep(PLANTED_GAP);
                    self.database.commit()?;
                }
                Ok(())
            }
            Err(trouble) => {
                self.database.failed(&trouble);
                refuse(round, &trouble.to_store());
                if trouble.severity == Severity::Fatal { Err(trouble) } else { Ok(()) }
            }
        }
    }
}

/// However the writer ends, nobody waits for it in vain.
impl Drop for EventLogWriter {
    fn drop(&mut self) {
        self.shared.close();
        loop {
            let round = Round::of(self.shared.events.take(EVENTS_PER_ROUND));
            if round.is_empty() {
                break;
            }
            refuse(round, &StoreError::Closed);
        }
        if std::thread::panicking() {
            self.shared.fatal("the writer of the event log panicked".to_owned());
        }
    }
}

// Nobody listening is fine: the server's deadline has passed, and Telnyx's retry will be a duplicate.
fn answer(round: Round, recorded: &[Recorded]) {
    for (task, recorded) in round.events.into_iter().zip(recorded) {
        let _ = task.answer.send(Ok(*recorded));
    }
    for task in round.forgets {
        let _ = task.answer.send(Ok(()));
    }
}

fn refuse(round: Round, error: &StoreError) {
    for task in round.events {
        let _ = task.answer.send(Err(error.clone()));
    }
    for task in round.forgets {
        let _ = task.answer.send(Err(error.clone()));
    }
}

// 16 bytes are half of the digest; should two ids ever share the first half, the second half is theirs.
fn record_event(
    connection: &Connection,
    dedupe: &mut Dedupe,
    task: &EventTask,
    seq: i64,
) -> Result<Recorded, Trouble> {
    for key in task.hash.as_chunks::<16>().0 {
        let Some(known) = dedupe.find(connection, key).map_err(|failure| Trouble::from(&failure))? else {
            insert_event(connection, task, key, seq).map_err(|failure| Trouble::from(&failure))?;
            dedupe.remember(*key, seq);
            return Ok(Recorded::New(EventSeq(seq)));
        };
        if is_same(connection, known, &task.event.id).map_err(|failure| Trouble::from(&failure))? {
            count_duplicate(connection, known).map_err(|failure| Trouble::from(&failure))?;
            return Ok(Recorded::Duplicate(EventSeq(known)));
        }
    }
    // Reached only if both halves of a SHA-256 collide with other ids.
    Err(Trouble::from(&broken("events", seq, "two ids have the same digest")))
}

fn insert_event(connection: &Connection, task: &EventTask, key: &[u8; 16], seq: i64) -> Result<(), Failure> {
    let sql = "insert into events (seq, id, source, received_at, body) values (?1, ?2, ?3, ?4, ?5)";
    let event = &task.event;
    let body: &[u8] = &event.body;
    let received_at = event.received_at.as_micros();
    execute(connection, sql, params![seq, clean(&event.id), event.source.as_str(), received_at, body])?;
    execute(connection, "insert into fresh (seq, hash) values (?1, ?2)", params![seq, key])?;
    Ok(())
}

/// Whether the event at a position has this id. One that is gone left its tombstone, and is taken for the same.
fn is_same(connection: &Connection, seq: i64, id: &str) -> Result<bool, Failure> {
    let sql = "select id from events where seq = ?1";
    let found = first(connection, sql, [seq], |row| Ok(row.get::<_, String>(0)?))?;
    Ok(found.is_none_or(|found| found == clean(id)))
}

fn count_duplicate(connection: &Connection, seq: i64) -> Result<(), Failure> {
    let sql =
        "insert into duplicates (seq, count) values (?1, 1) on conflict do update set count = count + 1";
    execute(connection, sql, [seq])?;
    Ok(())
}

fn forget_event(connection: &Connection, seq: i64) -> Result<(), Failure> {
    execute(connection, "delete from events where seq = ?1", [seq])?;
    execute(connection, "delete from duplicates where seq = ?1", [seq])?;
    Ok(())
}

/// The newest position that an event has or has had.
pub(super) fn newest_seq(connection: &Connection) -> Result<i64, Failure> {
    let sql = "select max(coalesce((select max(seq) from events), 0), coalesce((select max(seq) from fresh), 0), \
        coalesce((select max(last_seq) from generations), 0))";
    value(connection, sql, [])
}

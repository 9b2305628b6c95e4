//! Faults while the database is open: locked, full, broken rows, vanished files, a full queue.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use inlet_domain::{ClaimedJob, Destination, JobState, Lane, NewEvent, Outcome, Recorded, Router, Source};
use inlet_store::{EventLog, FinishedAttempt, SqliteConfig, SqliteStore, Store, StoreError};
use rusqlite::Connection;

use super::{config, open};
use crate::conformance::world::{World, at, attempt, crm, destination, inbound};

fn event(id: &str, body: impl Into<Bytes>) -> NewEvent {
    NewEvent { id: id.to_owned(), source: Source::Telnyx, received_at: at(0), body: body.into() }
}

/// The event log beside a main database.
pub fn event_log(path: &Path) -> PathBuf {
    path.with_file_name("inlet-events.db")
}

/// Waits until the store is ready again.
async fn ready(store: &SqliteStore, within: Duration) {
    let recovered = async {
        while store.ready().is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(within, recovered).await.expect("the store should be ready again");
}

#[tokio::test]
async fn a_locked_database_is_answered_in_time_and_recovers_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    let store = open(&path).await.unwrap();
    let other = Connection::open(event_log(&path)).unwrap();
    other.execute_batch("begin immediate").unwrap();
    let started = Instant::now();
    let refused = store.record_event(event("e-1", "{}")).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    assert!(started.elapsed() < Duration::from_secs(1));
    assert!(matches!(store.ready(), Err(StoreError::Unavailable { .. })));
    // Reading goes on.
    assert!(store.events(<_>::default(), <_>::default()).await.unwrap().data.is_empty());
    other.execute_batch("rollback").unwrap();
    ready(&store, Duration::from_secs(1)).await;
    assert!(matches!(store.record_event(event("e-1", "{}")).await, Ok(Recorded::New(_))));
}

#[tokio::test]
async fn a_row_that_fails_leaves_the_rest_of_its_group_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    let store = open(&path).await.unwrap();
    let other = Connection::open(event_log(&path)).unwrap();
    other
        .execute_batch(
            "create trigger broken before insert on events when new.id = 'bad' \
             begin select raise(abort, 'broken row'); end; begin immediate",
        )
        .unwrap();
    // All of them wait for the lock, so that they are one group.
    let ids: Vec<String> = (0..20).map(|number| format!("e-{number}")).chain(["bad".to_owned()]).collect();
    let records = join_all(ids.iter().map(|id| store.record_event(event(id, "{}"))));
    let (results, ()) = tokio::join!(records, async { other.execute_batch("rollback").unwrap() });
    assert!(results[..20].iter().all(|result| matches!(result, Ok(Recorded::New(_)))), "{results:?}");
    let refused = results.last().unwrap();
    assert!(matches!(refused, Err(StoreError::Unavailable { reason }) if reason.contains("broken row")));
    assert!(store.ready().is_ok());
    assert!(store.event("bad").await.unwrap().is_none());
    other.execute_batch("drop trigger broken").unwrap();
    assert!(matches!(store.record_event(event("bad", "{}")).await, Ok(Recorded::New(_))));
    store.close().await;
    assert_eq!(SqliteStore::check(&path).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn an_event_that_cannot_be_routed_is_kept_as_unreadable_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    let world = World::new(Arc::new(open(&path).await.unwrap()), ());
    let other = Connection::open(&path).unwrap();
    let trigger = "create trigger broken before insert on jobs when new.event_id = 'e-b' \
        begin select raise(abort, 'broken row'); end";
    other.execute_batch(trigger).unwrap();
    for name in ["a", "b", "c"] {
        world.text(name, "hi").await;
    }
    let batch = world.route().await;
    assert_eq!((batch.routed, batch.unreadable, batch.jobs), (3, 1, 2));
    let broken = world.event("e-b").await.unwrap().unwrap();
    assert!(broken.unreadable_reason.unwrap().contains("broken row"));
    assert!(world.message("m-b").await.unwrap().is_none());
    let conversation = world.conversations(<_>::default()).await.unwrap().data.remove(0);
    assert_eq!(conversation.messages, 2);
    assert_eq!(SqliteStore::check(&path).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn an_attempt_that_cannot_be_recorded_keeps_no_other_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    let world = World::new(Arc::new(open(&path).await.unwrap()), ());
    world.pile_up(3).await;
    let jobs = world.claim(crm(), 3, 0).await;
    let other = Connection::open(&path).unwrap();
    let trigger = format!(
        "create trigger broken before insert on attempts when new.job_id = {} \
         begin select raise(abort, 'broken row'); end",
        jobs[1].id.0
    );
    other.execute_batch(&trigger).unwrap();
    let finished = |job: &ClaimedJob| FinishedAttempt {
        job: job.id,
        fence: job.fence,
        attempt: attempt(job, &Outcome::Done, 1),
        outcome: Outcome::Done,
    };
    let results = world.finish_attempts(jobs.iter().map(finished).collect()).await.unwrap();
    assert!(matches!(results[..], [Ok(()), Err(StoreError::Unavailable { .. }), Ok(())]), "{results:?}");
    let mut states = Vec::new();
    for job in &jobs {
        states.push(world.state(job.id).await);
    }
    assert_eq!(states, [JobState::Done, JobState::Running, JobState::Done]);
}

#[tokio::test]
async fn an_event_that_cannot_be_routed_is_handed_on_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    let mut world = World::new(Arc::new(open(&path).await.unwrap()), ());
    let only = |name, event: &str| Destination { events: vec![event.to_owned()], ..destination(name) };
    world.destinations.extend([only("inbound", "message.received"), only("receipts", "message.sent")]);
    let other = Connection::open(&path).unwrap();
    let trigger = "create trigger broken before insert on messages begin select raise(abort, 'broken'); end";
    other.execute_batch(trigger).unwrap();
    world.text("a", "hi").await;
    let batch = world.route().await;
    assert_eq!((batch.routed, batch.unreadable, batch.jobs), (1, 1, 2));
    for lane in [crm(), Lane::Destination("inbound".to_owned())] {
        let job = world.claim_one(lane, 0).await;
        assert_eq!(job.event.unwrap().id, "e-a");
    }
    assert_eq!(SqliteStore::check(&path).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_database_that_lacks_a_table_stops_routing_but_blames_no_event_and_stores_new_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    let world = World::new(Arc::new(open(&path).await.unwrap()), ());
    world.text("a", "hi").await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("alter table messages rename to hidden").unwrap();
    let refused = world.route_events(world.router(), 10, at(0)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    assert_eq!(world.backlog().await.unwrap().1, 1);
    world.text("b", "still stored").await;
    other.execute_batch("alter table hidden rename to messages").unwrap();
    let batch = world.route().await;
    assert_eq!((batch.routed, batch.unreadable, batch.jobs), (2, 0, 2));
}

/// Counts how often durability was in doubt.
fn counting(path: &Path) -> (SqliteConfig, Arc<AtomicUsize>) {
    let fatal = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&fatal);
    let on_fatal = Arc::new(move |_| {
        seen.fetch_add(1, Ordering::SeqCst);
    });
    (SqliteConfig { on_fatal, ..config(path) }, fatal)
}

async fn vanishing(file: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    let (config, fatal) = counting(&path);
    let store = SqliteStore::open(config).await.unwrap();
    store.record_event(event("e-1", "{}")).await.unwrap();
    store.mark_read(1).await.unwrap();
    fs::remove_file(folder.path().join(file)).unwrap();
    if file.contains("events") {
        assert!(store.record_event(event("e-2", "{}")).await.is_err());
    } else {
        assert!(store.mark_read(1).await.is_err());
    }
    store.close().await;
    assert_eq!(fatal.load(Ordering::SeqCst), 1);
    assert!(matches!(store.ready(), Err(StoreError::Closed)));
    assert!(matches!(store.record_event(event("e-3", "{}")).await, Err(StoreError::Closed)));
    assert!(matches!(store.expire_leases(at(0)).await, Err(StoreError::Closed)));
    assert!(matches!(store.event("e-1").await, Err(StoreError::Closed)));
}

#[tokio::test]
async fn a_deleted_event_log_is_fatal_before_the_next_acknowledgement() {
    vanishing("inlet-events.db").await;
}

#[tokio::test]
async fn a_deleted_write_ahead_log_is_fatal_before_the_next_acknowledgement() {
    vanishing("inlet-events.db-wal").await;
}

#[tokio::test]
async fn a_deleted_main_database_is_fatal_at_the_next_operation() {
    vanishing("inlet.db").await;
    vanishing("inlet.db-wal").await;
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    let store = SqliteStore::open(SqliteConfig { queue: 4, ..config(&path) }).await.unwrap();
    let other = Connection::open(event_log(&path)).unwrap();
    other.execute_batch("begin immediate").unwrap();
    let ids: Vec<String> = (0..20).map(|number| format!("e-{number}")).collect();
    let results = join_all(ids.iter().map(|id| store.record_event(event(id, "{}")))).await;
    let busy = results.iter().filter(|result| matches!(result, Err(StoreError::Busy))).count();
    // The writer takes some of the first ones out of the queue before it is full.
    assert!(busy >= 8, "{results:?}");
    assert!(results.iter().all(Result::is_err));
    other.execute_batch("rollback").unwrap();
    ready(&store, Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_queue_full_of_bytes_refuses_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    let store = open(&path).await.unwrap();
    let other = Connection::open(event_log(&path)).unwrap();
    other.execute_batch("begin immediate").unwrap();
    // One allocation for all of them: it is what they would take that counts.
    let body = Bytes::from(vec![b'x'; 32 * 1024 * 1024]);
    let ids: Vec<String> = (0..30).map(|number| format!("e-{number}")).collect();
    let results = join_all(ids.iter().map(|id| store.record_event(event(id, body.clone())))).await;
    let busy = results.iter().filter(|result| matches!(result, Err(StoreError::Busy))).count();
    // Seven or eight wait, and the writer may have taken as many before.
    assert!((14..=23).contains(&busy), "{results:?}");
    assert!(results.iter().all(Result::is_err));
    other.execute_batch("rollback").unwrap();
    ready(&store, Duration::from_secs(1)).await;
    // What was refused is not counted for ever.
    assert!(matches!(store.record_event(event("e-1", "{}")).await, Ok(Recorded::New(_))));
}

#[tokio::test]
async fn an_operation_that_takes_its_time_holds_up_no_event() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    let store = open(&path).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("begin immediate").unwrap();
    // Its writer waits for the lock of the other program.
    let operation = async { store.keep_setting("key", vec![1]).await };
    let events = async {
        for number in 0..100 {
            store.record_event(event(&format!("e-{number}"), "{}")).await.unwrap();
        }
        other.execute_batch("rollback").unwrap();
    };
    let (_, ()) = tokio::join!(operation, events);
    ready(&store, Duration::from_secs(1)).await;
}

/// Records 480 MB of events and tells how long the write-ahead log is after.
async fn wal_bytes_after_load(store: &SqliteStore, path: &Path) -> u64 {
    let ids: Vec<String> = (0..24_000).map(|number| format!("e-{number}")).collect();
    for part in ids.chunks(200) {
        let records = part.iter().map(|id| store.record_event(event(id, vec![b'x'; 20_000])));
        assert!(join_all(records).await.iter().all(Result::is_ok));
    }
    fs::metadata(event_log(path).with_extension("db-wal")).unwrap().len()
}

#[tokio::test]
async fn the_write_ahead_log_stays_short_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    let store = open(&path).await.unwrap();
    let bytes = wal_bytes_after_load(&store, &path).await;
    assert!(bytes < 144 * 1024 * 1024, "480 MB were written; the log has {bytes} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_write_ahead_log_stays_short_while_operations_read_the_event_log_without_a_pause() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    let store = Arc::new(open(&path).await.unwrap());
    let router = Arc::new(Router::default());
    // More than one transaction takes: the next begins as soon as the last has ended.
    let operations = (0..600).map(|_| {
        let (store, router) = (Arc::clone(&store), Arc::clone(&router));
        tokio::spawn(async move {
            let mut done = 0;
            while store.route_events(Arc::clone(&router), 1, at(0)).await.is_ok() {
                done += 1;
            }
            done
        })
    });
    let operations: Vec<_> = operations.collect();
    let bytes = wal_bytes_after_load(&store, &path).await;
    store.close().await;
    let done: Vec<usize> = join_all(operations).await.into_iter().map(Result::unwrap).collect();
    assert!(bytes < 144 * 1024 * 1024, "480 MB were written; the log has {bytes} bytes");
    assert!(done.iter().all(|done| *done > 0), "each went on: {done:?}");
}

#[tokio::test]
async fn a_damaged_database_does_not_pass_for_healthy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    let store = open(&path).await.unwrap();
    for number in 0..50 {
        store.record_event(event(&format!("e-{number}"), vec![b'x'; 3_000])).await.unwrap();
    }
    store.close().await;
    let log = event_log(&path);
    let mut bytes = fs::read(&log).unwrap();
    let end = bytes.len();
    bytes[end / 2..end].fill(0xa5);
    fs::write(&log, &bytes).unwrap();
    let (config, _) = counting(&path);
    // Where the damage is seen already when it is opened, that is as good.
    let Ok(store) = SqliteStore::open(config).await else { return };
    assert!(store.events(<_>::default(), <_>::default()).await.is_err());
    assert!(store.ready().is_err());
}

#[tokio::test]
async fn closing_commits_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    let store = open(&path).await.unwrap();
    let ids: Vec<String> = (0..500).map(|number| format!("e-{number}")).collect();
    let records = join_all(ids.iter().map(|id| store.record_event(event(id, "{}"))));
    let (results, ()) = tokio::join!(records, store.close());
    let stored = results.iter().filter(|result| result.is_ok()).count();
    let store = open(&path).await.unwrap();
    assert_eq!(store.backlog().await.unwrap().1, stored as i64);
    assert_eq!(stored, 500);
}

#[tokio::test]
async fn acknowledged_events_are_in_the_files_before_the_acknowledgement() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    let store = open(&path).await.unwrap();
    for number in 0..50 {
        store.record_event(event(&format!("e-{number}"), inbound("a", "+15550001111", "hi"))).await.unwrap();
    }
    // What a power cut would leave: the files as they are, nobody having closed them.
    let left = tempfile::tempdir().unwrap();
    for name in ["inlet.db", "inlet.db-wal", "inlet-events.db", "inlet-events.db-wal"] {
        fs::copy(folder.path().join(name), left.path().join(name)).unwrap();
    }
    let recovered = open(&left.path().join("inlet.db")).await.unwrap();
    assert_eq!(recovered.backlog().await.unwrap().1, 50);
    recovered.close().await;
    assert_eq!(SqliteStore::check(&left.path().join("inlet.db")).await.unwrap(), [""; 0]);
}

/// A small file system of its own, gone when dropped.
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None`, with the reason printed, where this user may not mount.
    pub fn mount(options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder.path());
        match mount.output() {
            Ok(done) if done.status.success() => Some(Self(folder)),
            failed => {
                eprintln!("skipped: cannot mount a small file system: {failed:?}");
                None
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_refused_and_recovers_by_itself() {
    let Some(disk) = SmallDisk::mount("size=4m") else { return };
    let path = disk.path().join("inlet.db");
    let store = open(&path).await.unwrap();
    let body = vec![b'x'; 100_000];
    let mut acknowledged = 0;
    let refused = loop {
        match store.record_event(event(&format!("e-{acknowledged}"), body.clone())).await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 1_000, "the disk should be full by now");
    };
    assert!(matches!(refused, StoreError::Unavailable { .. }), "{refused:?}");
    assert!(store.ready().is_err());
    assert_eq!(store.backlog().await.unwrap().1, acknowledged);
    let more = Command::new("mount").args(["-o", "remount,size=64m"]).arg(disk.path()).status();
    assert!(more.unwrap().success());
    ready(&store, Duration::from_secs(5)).await;
    store.record_event(event("e-after", body)).await.unwrap();
    assert_eq!(store.backlog().await.unwrap().1, acknowledged + 1);
    store.close().await;
    assert_eq!(SqliteStore::check(&path).await.unwrap(), [""; 0]);
}

//! Opening: what is refused, with which words, and what is left untouched.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use inlet_domain::{NewEvent, Source};
use inlet_store::{EventLog, SqliteConfig, SqliteStore, Store, StoreError};
use rusqlite::Connection;

use super::faults::{SmallDisk, event_log};
use super::{config, open};
use crate::conformance::world::{World, at};

/// Every file of a folder and its bytes.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.display().to_string(), fs::read(&path).unwrap())).collect()
}

fn reason(refused: Result<SqliteStore, StoreError>) -> String {
    match refused {
        Ok(_) => panic!("it should have been refused"),
        Err(error) => error.to_string(),
    }
}

async fn make(path: &Path) {
    let store = open(path).await.unwrap();
    let body = b"{}".as_slice().into();
    let event = NewEvent { id: "e-1".to_owned(), source: Source::Telnyx, received_at: at(0), body };
    store.record_event(event).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_new_database_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/here/inlet.db");
    make(&path).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&path.with_extension("db.lock")), 0o600);
}

#[tokio::test]
async fn what_was_stored_is_there_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    make(&path).await;
    let store = open(&path).await.unwrap();
    assert!(store.event("e-1").await.unwrap().is_some());
}

#[tokio::test]
async fn a_second_gateway_is_kept_out_until_the_first_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    let first = open(&path).await.unwrap();
    let reason = reason(open(&path).await);
    assert!(reason.contains("inlet.db.lock") && reason.contains("another gateway"), "{reason}");
    first.close().await;
    open(&path).await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    make(&path).await;
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = contents(folder.path());
    let reason = reason(open(&path).await);
    assert!(reason.contains("version 99") && reason.contains("use a newer inlet"), "{reason}");
    assert_eq!(contents(folder.path()), before);
}

#[tokio::test]
async fn files_of_others_are_refused_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    fs::write(&path, "dear diary, ".repeat(1_000)).unwrap();
    fs::write(path.with_extension("db.lock"), "").unwrap();
    let before = contents(folder.path());
    assert!(reason(open(&path).await).contains("not a SQLite database"));
    assert_eq!(contents(folder.path()), before);
    fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("create table diary (day text)").unwrap();
    let before = contents(folder.path());
    assert!(reason(open(&path).await).contains("not one of inlet's"));
    assert_eq!(contents(folder.path()), before);
}

#[tokio::test]
async fn a_current_schema_needs_no_migration_and_a_check_makes_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    make(&path).await;
    let store = SqliteStore::open(SqliteConfig { migrate: false, ..config(&path) }).await.unwrap();
    store.close().await;
    let missing = folder.path().join("none.db");
    assert!(SqliteStore::check(&missing).await.is_err());
    assert!(!missing.exists());
}

#[tokio::test]
async fn trouble_with_the_event_log_is_told_under_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    make(&path).await;
    let log = event_log(&path);
    let whole = fs::read(&log).unwrap();
    fs::write(&log, [b"no database at all".as_slice(), &whole[18..]].concat()).unwrap();
    let damaged = reason(open(&path).await);
    assert!(damaged.contains("inlet-events.db`: it is not a SQLite database"), "{damaged}");
    fs::write(&log, &whole).unwrap();
    let newer = |path: &Path| {
        Connection::open(path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    };
    newer(&log);
    let refused = reason(open(&path).await);
    assert!(refused.contains("inlet-events.db`: its schema is version 99"), "{refused}");
    assert!(SqliteStore::check(&path).await.unwrap_err().to_string().contains("version 99"));
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_not_taken_for_a_missing_one() {
    for of_log in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inlet.db");
        make(&path).await;
        route(&path).await;
        let file = if of_log { event_log(&path) } else { path.clone() };
        fs::remove_file(&file).unwrap();
        // What even root cannot read.
        fs::create_dir(&file).unwrap();
        let reason = reason(open(&path).await);
        assert!(reason.contains("cannot open `") && !reason.contains("missing"), "{reason}");
    }
}

#[tokio::test]
async fn the_log_of_a_missing_database_is_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    fs::write(path.with_extension("db-wal"), "perhaps events").unwrap();
    make(&path).await;
    assert_eq!(fs::read(path.with_extension("db-wal.orphan")).unwrap(), b"perhaps events");
}

/// Routes everything.
async fn route(path: &Path) {
    let store = Arc::new(open(path).await.unwrap());
    let world = World::new(Arc::clone(&store) as _, ());
    world.route().await;
    store.close().await;
}

#[tokio::test]
async fn a_main_database_without_its_event_log_is_refused_once_events_were_handed_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    make(&path).await;
    route(&path).await;
    fs::rename(event_log(&path), folder.path().join("elsewhere")).unwrap();
    let found = SqliteStore::check(&path).await.unwrap();
    assert!(found[0].contains("inlet-events.db` is missing"), "{found:?}");
    let reason = reason(open(&path).await);
    assert!(reason.contains("inlet-events.db` is missing, and 1 events"), "{reason}");
    fs::rename(folder.path().join("elsewhere"), event_log(&path)).unwrap();
    assert!(open(&path).await.unwrap().event("e-1").await.unwrap().is_some());
}

#[tokio::test]
async fn an_event_log_without_its_main_database_is_refused_and_not_handed_on_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    make(&path).await;
    fs::remove_file(&path).unwrap();
    let reason = reason(open(&path).await);
    assert!(reason.contains("holds 1 events") && reason.contains("from one backup"), "{reason}");
    assert!(!path.exists());
}

#[tokio::test]
async fn an_event_log_older_than_its_main_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    make(&path).await;
    route(&path).await;
    fs::remove_file(event_log(&path)).unwrap();
    let other = folder.path().join("other/inlet.db");
    open(&other).await.unwrap().close().await;
    fs::copy(event_log(&other), event_log(&path)).unwrap();
    let reason = reason(open(&path).await);
    assert!(reason.contains("ends at event 0, but 1 events"), "{reason}");
}

#[tokio::test]
async fn the_two_files_cannot_be_exchanged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    make(&path).await;
    fs::rename(&path, folder.path().join("kept")).unwrap();
    fs::rename(event_log(&path), &path).unwrap();
    fs::rename(folder.path().join("kept"), event_log(&path)).unwrap();
    assert!(reason(open(&path).await).contains("not one of inlet's"));
}

#[tokio::test]
async fn names_that_mean_something_in_a_uri_are_only_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("50%25 a?mode=rw#b/file:inlet.db");
    make(&path).await;
    let store = open(&path).await.unwrap();
    assert!(store.event("e-1").await.unwrap().is_some());
    assert!(path.with_file_name("file:inlet-events.db").exists());
}

#[tokio::test]
async fn a_read_only_folder_is_named() {
    let Some(disk) = SmallDisk::mount("size=1m,ro") else { return };
    let reason = reason(open(&disk.path().join("inlet.db")).await);
    assert!(reason.contains("for writing") && reason.contains("Read-only"), "{reason}");
    assert!(reason.contains("belongs to user"), "{reason}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let reason = reason(open(&folder.path().join("file/inlet.db")).await);
    assert!(reason.contains("cannot create folder"), "{reason}");
}

#[tokio::test]
async fn a_damaged_database_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    make(&path).await;
    assert_eq!(SqliteStore::check(&path).await.unwrap(), [""; 0]);
    let mut bytes = fs::read(&path).unwrap();
    let pages = bytes.len() / 4_096;
    for page in 2..pages {
        bytes[page * 4_096..page * 4_096 + 64].fill(0xa5);
    }
    fs::write(&path, &bytes).unwrap();
    let found = SqliteStore::check(&path).await;
    assert!(found.map_or(true, |findings| !findings.is_empty()));
}

#[tokio::test]
async fn a_check_beside_a_running_gateway_finds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    let _store = open(&path).await.unwrap();
    assert_eq!(SqliteStore::check(&path).await.unwrap(), [""; 0]);
}

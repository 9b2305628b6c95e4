//! Migrations: brings a database to this binary's schema, one transaction each, after keeping a copy.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::failure::Failure;

/// What is in a file, and how the file is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schema {
    /// In order; the first makes version 1.
    pub(super) migrations: &'static [&'static str],
    /// Marks a file as this one of Inlet's.
    pub(super) application_id: i64,
    /// For a new file.
    pub(super) page_bytes: i32,
    /// Of the writer's cache of pages.
    pub(super) cache_kib: i64,
}

/// The main database: "INLT".
pub(super) const MAIN: Schema = Schema {
    migrations: &[include_str!("../../migrations/sqlite/0001_begin.sql")],
    application_id: 0x494e_4c54,
    page_bytes: 4_096,
    // So that the upper pages of its indexes stay in memory.
    cache_kib: 16 * 1024,
};

/// The event log: "INLE". Larger pages, because its rows are longer and are only appended: 64 of them in a commit cost a
/// fifth less than with the usual 4 KiB (measured; 16 KiB save a tenth more, and write twice as much for a single one).
pub(super) const EVENT_LOG: Schema = Schema {
    migrations: &[include_str!("../../migrations/sqlite-events/0001_begin.sql")],
    application_id: 0x494e_4c45,
    page_bytes: 8_192,
    // It only ever works at the end.
    cache_kib: 4 * 1024,
};

impl Schema {
    /// The newest version this binary knows.
    pub(super) fn version(&self) -> i64 {
        i64::try_from(self.migrations.len()).expect("there are few migrations")
    }
}

/// A migration did not take place; the database is as it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum MigrateError {
    #[error("cannot keep the copy `{path}` before migrating: {source}")]
    Copy { path: PathBuf, source: Failure },
    #[error("cannot sync the copy `{path}`: {source}")]
    Sync { path: PathBuf, source: io::Error },
    #[error("migration to version {version} failed: {source}")]
    Step { version: i64, source: Failure },
}

/// The schema version of an open database.
pub(super) fn version(connection: &Connection) -> Result<i64, Failure> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Runs the migrations that are missing. The schema is a parameter so that tests can add one.
pub(super) fn migrate(connection: &mut Connection, path: &Path, schema: &Schema) -> Result<(), MigrateError> {
    let from = version(connection).map_err(|source| MigrateError::Step { version: 0, source })?;
    if from > 0 && from < schema.version() {
        keep_copy(connection, path, schema.version())?;
    }
    for (sql, version) in schema.migrations.iter().zip(1..).filter(|(_, version)| *version > from) {
        step(connection, schema, sql, version).map_err(|source| MigrateError::Step { version, source })?;
        let path = path.display();
        tracing::info!(db.path = %path, db.version = version, "migrated {path} to version {version}");
    }
    Ok(())
}

fn step(connection: &mut Connection, schema: &Schema, sql: &str, version: i64) -> Result<(), Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(sql)?;
    transaction.pragma_update(None, "user_version", version)?;
    transaction.pragma_update(None, "application_id", schema.application_id)?;
    Ok(transaction.commit()?)
}

/// Where the copy before the migration to `version` is kept.
pub(super) fn copy_path(path: &Path, version: i64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".before-v{version}"));
    PathBuf::from(name)
}

// The copy is made beside its final name, synced, then renamed: a copy that bears the name is whole. One that an
// interrupted migration left is replaced, because the database has not changed since.
fn keep_copy(connection: &Connection, path: &Path, version: i64) -> Result<(), MigrateError> {
    let kept = copy_path(path, version);
    let mut unfinished = kept.clone().into_os_string();
    unfinished.push(".part");
    let unfinished = PathBuf::from(unfinished);
    let sync_error = |source| MigrateError::Sync { path: kept.clone(), source };
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(sync_error(error)),
        _ => {}
    }
    connection
        .execute("vacuum into ?1", [unfinished.to_string_lossy()])
        .map_err(|error| MigrateError::Copy { path: kept.clone(), source: error.into() })?;
    publish(&unfinished, &kept).map_err(sync_error)?;
    tracing::info!(db.copy = %kept.display(), "kept a copy of the database at {}", kept.display());
    Ok(())
}

fn publish(unfinished: &Path, kept: &Path) -> io::Result<()> {
    File::open(unfinished)?.sync_all()?;
    fs::rename(unfinished, kept)?;
    let folder = kept.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(folder: &Path) -> (PathBuf, Connection) {
        let path = folder.join("inlet.db");
        let mut connection = Connection::open(&path).unwrap();
        migrate(&mut connection, &path, &MAIN).unwrap();
        (path, connection)
    }

    #[test]
    fn a_new_database_gets_the_newest_version_and_no_copy() {
        let folder = tempfile::tempdir().unwrap();
        let (path, connection) = database(folder.path());
        assert_eq!(version(&connection).unwrap(), 1);
        assert!(!copy_path(&path, 1).exists());
    }

    #[test]
    fn a_copy_of_the_old_version_is_kept_before_a_migration() {
        let folder = tempfile::tempdir().unwrap();
        let (path, mut connection) = database(folder.path());
        connection.execute("insert into settings (key, value) values ('a', x'01')", []).unwrap();
        const LATER: &[&str] = &[MAIN.migrations[0], "create table later (id integer primary key) strict;"];
        let later = Schema { migrations: LATER, ..MAIN };
        migrate(&mut connection, &path, &later).unwrap();
        assert_eq!(version(&connection).unwrap(), 2);
        let copy = Connection::open(copy_path(&path, 2)).unwrap();
        assert_eq!(version(&copy).unwrap(), 1);
        let kept: i64 = copy.query_row("select count(*) from settings", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, 1);
    }

    #[test]
    fn a_failed_migration_leaves_the_old_version_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (path, mut connection) = database(folder.path());
        const BROKEN: &[&str] =
            &[MAIN.migrations[0], "create table later (id integer) strict; this is not sql;"];
        let broken = Schema { migrations: BROKEN, ..MAIN };
        assert!(migrate(&mut connection, &path, &broken).is_err());
        assert_eq!(version(&connection).unwrap(), 1);
        assert!(connection.execute("select * from later", []).is_err());
        // The next attempt finds the copy of the first one and replaces it.
        assert!(migrate(&mut connection, &path, &broken).is_err());
    }
}

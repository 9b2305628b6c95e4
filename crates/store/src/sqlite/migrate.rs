//! Migrations: brings a database to this binary's schema, one transaction each, after keeping a copy.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::failure::Failure;

/// The files of `migrations/sqlite`, in order; the first makes version 1.
pub(super) const MIGRATIONS: &[&str] = &[include_str!("../../migrations/sqlite/0001_begin.sql")];

/// Marks a database file as Inlet's: "INLT".
pub(super) const APPLICATION_ID: i64 = 0x494e_4c54;

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

/// Runs the migrations that are missing. `migrations` is a parameter so that tests can add one.
pub(super) fn migrate(
    connection: &mut Connection,
    path: &Path,
    migrations: &[&str],
) -> Result<(), MigrateError> {
    let from = version(connection).map_err(|source| MigrateError::Step { version: 0, source })?;
    let wanted = i64::try_from(migrations.len()).expect("there are few migrations");
    if from > 0 && from < wanted {
        keep_copy(connection, path, wanted)?;
    }
    for (sql, version) in migrations.iter().zip(1..).filter(|(_, version)| *version > from) {
        step(connection, sql, version).map_err(|source| MigrateError::Step { version, source })?;
        tracing::info!(db.version = version, "migrated the database to version {version}");
    }
    Ok(())
}

fn step(connection: &mut Connection, sql: &str, version: i64) -> Result<(), Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(sql)?;
    transaction.pragma_update(None, "user_version", version)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
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
        migrate(&mut connection, &path, MIGRATIONS).unwrap();
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
        let migrations = [MIGRATIONS[0], "create table later (id integer primary key) strict;"];
        migrate(&mut connection, &path, &migrations).unwrap();
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
        let migrations = [MIGRATIONS[0], "create table later (id integer) strict; this is not sql;"];
        assert!(migrate(&mut connection, &path, &migrations).is_err());
        assert_eq!(version(&connection).unwrap(), 1);
        assert!(connection.execute("select * from later", []).is_err());
        // The next attempt finds the copy of the first one and replaces it.
        assert!(migrate(&mut connection, &path, &migrations).is_err());
    }
}

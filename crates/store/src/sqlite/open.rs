//! Opens the database: folder, lock, file, version checks, settings read back, migrations.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::failure::Failure;
use super::migrate::{APPLICATION_ID, MIGRATIONS, MigrateError, migrate, version};
use super::writer::wal_path;
use crate::error::StoreError;

// 3.7.0 to 3.51.2 can corrupt a WAL database when two connections write or checkpoint at one instant
// (sqlite.org/wal.html#walresetbug).
const OLDEST_SQLITE: i32 = 3_051_003;
// A foreign lock shorter than this is waited for; longer ones are answered with 503.
const BUSY_TIMEOUT: Duration = Duration::from_millis(200);
// 16 MiB for the writer, so that the upper pages of `seen` stay in memory.
const WRITER_CACHE_KIB: i64 = 16 * 1024;
// The first bytes of a database, and where `user_version` stands in them, 4 bytes, big-endian (fileformat2.html).
const MAGIC: &[u8] = b"SQLite format 3\0";
const USER_VERSION_OFFSET: usize = 60;
const HEADER_BYTES: usize = 100;

/// Why the database cannot be opened. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("cannot create folder `{}`: {source}; create it and give it to the user that runs inlet", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("cannot open `{}` for writing: {source}{}", path.display(), remedy(path, source))]
    File { path: PathBuf, source: io::Error },
    #[error("another gateway holds `{}`; stop it first, or give this one its own `store.url`", .0.display())]
    Locked(PathBuf),
    #[error("SQLite {found} has a bug that can corrupt the database; 3.51.3 or newer is needed")]
    OldSqlite { found: &'static str },
    #[error("its schema is version {found}, newer than the {known} this inlet knows; use a newer inlet")]
    Newer { found: i64, known: i64 },
    #[error("its schema is version {found}, older than the {known} this inlet needs; run `inlet db migrate`")]
    Older { found: i64, known: i64 },
    #[error("it is not a SQLite database, or it is damaged; restore it from a backup or choose another file")]
    NotADatabase,
    #[error("it is a SQLite database, but not one of inlet's; choose another file")]
    Foreign,
    #[error("`{pragma}` is {found} although {wanted} was set; this file system cannot keep inlet's promise")]
    Setting { pragma: &'static str, found: String, wanted: &'static str },
    #[error("there is no database; `inlet serve` creates it")]
    Missing,
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    #[error("{0}")]
    Database(#[from] Failure),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) {
            return Self::NotADatabase;
        }
        Self::Database(error.into())
    }
}

impl OpenError {
    pub(super) fn at(self, path: &Path) -> StoreError {
        StoreError::Open { path: path.display().to_string(), reason: self.to_string() }
    }
}

/// The newest schema this binary knows.
pub(super) fn known_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).expect("there are few migrations")
}

/// An open database and the lock that keeps a second gateway out.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) lock: File,
}

/// Opens the database for the writer; creates it where there is none.
pub(super) fn open(path: &Path, may_migrate: bool) -> Result<Opened, OpenError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(OpenError::OldSqlite { found: rusqlite::version() });
    }
    make_folder(path)?;
    let traces = traces_of_another(path);
    let lock = take_lock(path)?;
    refuse_unknown(path)?;
    make_file(path, traces.as_deref())?;
    let mut connection = connect(path)?;
    settle_schema(&mut connection, path, may_migrate)?;
    Ok(Opened { connection, lock })
}

fn settle_schema(connection: &mut Connection, path: &Path, may_migrate: bool) -> Result<(), OpenError> {
    let (found, known) = (version(connection)?, known_version());
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    refuse_foreign(connection)?;
    apply_settings(connection)?;
    if found > 0 && found < known && !may_migrate {
        return Err(OpenError::Older { found, known });
    }
    Ok(migrate(connection, path, MIGRATIONS)?)
}

/// Opens a connection that can only read.
pub(super) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(128);
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

fn connect(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(connection)
}

fn apply_settings(connection: &Connection) -> Result<(), OpenError> {
    let mode =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))?;
    expect_setting("journal_mode", mode, "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    expect_setting("synchronous", synchronous.to_string(), "2")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    Ok(())
}

fn expect_setting(pragma: &'static str, found: String, wanted: &'static str) -> Result<(), OpenError> {
    if found == wanted { Ok(()) } else { Err(OpenError::Setting { pragma, found, wanted }) }
}

/// The folder of the database.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn make_folder(path: &Path) -> Result<(), OpenError> {
    let folder = folder_of(path);
    if folder.is_dir() {
        return Ok(());
    }
    let error = |source| OpenError::Folder { path: folder.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(error)?;
    sync_folder(folder_of(folder)).map_err(error)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The file whose lock means that a gateway uses the database.
pub(super) fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn take_lock(path: &Path) -> Result<File, OpenError> {
    let lock = lock_path(path);
    let error = |source| OpenError::File { path: lock.clone(), source };
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(&lock).map_err(error)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(lock)),
        Err(TryLockError::Error(source)) => Err(error(source)),
    }
}

// Read from the bytes of the file, so that a database of a newer version, or a file that is no database, is not even
// opened. An empty file is a new database.
fn refuse_unknown(path: &Path) -> Result<(), OpenError> {
    let Some(header) = header(path) else { return Ok(()) };
    if !header.starts_with(MAGIC) {
        return Err(OpenError::NotADatabase);
    }
    let (before, known) = (USER_VERSION_OFFSET, known_version());
    let bytes = header[before..before + 4].try_into().expect("four bytes were asked for");
    let found = i64::from(i32::from_be_bytes(bytes));
    if found > known { Err(OpenError::Newer { found, known }) } else { Ok(()) }
}

fn header(path: &Path) -> Option<[u8; HEADER_BYTES]> {
    let mut header = [0; HEADER_BYTES];
    let found = File::open(path).and_then(|mut file| file.read(&mut header)).ok()?;
    (found > 0).then_some(header)
}

fn refuse_foreign(connection: &Connection) -> Result<(), OpenError> {
    let id: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("select count(*) from sqlite_schema", [], |row| row.get(0))?;
    if id == APPLICATION_ID || (id == 0 && tables == 0) { Ok(()) } else { Err(OpenError::Foreign) }
}

/// What shows that there was a database here before, where there is none now.
fn traces_of_another(path: &Path) -> Option<String> {
    if path.exists() {
        return None;
    }
    let media = folder_of(path).join("media");
    let traces: Vec<String> = [lock_path(path), wal_path(path), media]
        .iter()
        .filter(|trace| trace.exists())
        .map(|trace| format!("`{}`", trace.display()))
        .collect();
    (!traces.is_empty()).then(|| traces.join(", "))
}

fn make_file(path: &Path, traces: Option<&str>) -> Result<(), OpenError> {
    let error = |source| OpenError::File { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    match options.open(path) {
        Ok(_) => return Ok(()),
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(error(source)),
        Err(_) => {}
    }
    announce_new(path, traces);
    set_aside_orphan(path).map_err(error)?;
    options.create_new(true).open(path).map_err(error)?;
    sync_folder(folder_of(path)).map_err(error)
}

fn announce_new(path: &Path, traces: Option<&str>) {
    let shown = path.display();
    match traces {
        Some(traces) => tracing::warn!(
            db.path = %shown,
            "there is no database at {shown}, but {traces} shows that there was one; starting an empty one"
        ),
        None => tracing::info!(db.path = %shown, "creating the database {shown}"),
    }
}

// SQLite would delete a write-ahead log that it finds beside an empty database. It may hold acknowledged events.
fn set_aside_orphan(path: &Path) -> io::Result<()> {
    let wal = wal_path(path);
    if !wal.exists() {
        return Ok(());
    }
    let mut aside = wal.clone().into_os_string();
    aside.push(".orphan");
    tracing::warn!("kept the write-ahead log of the missing database as {}", Path::new(&aside).display());
    fs::rename(&wal, &aside)
}

fn remedy(path: &Path, source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => format!("; {}", owner(path)),
        _ => String::new(),
    }
}

fn owner(path: &Path) -> String {
    let folder = folder_of(path);
    let found = fs::metadata(path).map(|metadata| (path, metadata));
    match found.or_else(|_| fs::metadata(folder).map(|metadata| (folder, metadata))) {
        Ok((place, metadata)) => format!(
            "`{}` belongs to user {} with mode {:o}; inlet must run as that user and be allowed to write there",
            place.display(),
            metadata.uid(),
            metadata.mode() & 0o7777
        ),
        Err(_) => "check the folder and its owner".to_owned(),
    }
}

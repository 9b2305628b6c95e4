//! Opens the database, which is two files: folder, lock, version checks, settings read back, migrations, and whether the
//! two belong together.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::database::wal_path;
use super::event_log::newest_seq;
use super::failure::Failure;
use super::migrate::{EVENT_LOG, MAIN, MigrateError, Schema, migrate, version};
use super::routing::routed_seq;
use crate::error::StoreError;

/// The pages of the event log.
pub(super) const EVENT_PAGE_BYTES: i32 = EVENT_LOG.page_bytes;

// 3.7.0 to 3.51.2 can corrupt a WAL database when two connections write or checkpoint at one instant
// (sqlite.org/wal.html#walresetbug).
const OLDEST_SQLITE: i32 = 3_051_003;
// A foreign lock shorter than this is waited for; longer ones are answered with 503.
const BUSY_TIMEOUT: Duration = Duration::from_millis(200);
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
    #[error(
        "`{}` is missing, and {routed_seq} events of it have been handed on; restore it from the backup that this \
         database is of, or move this database away to begin anew", path.display()
    )]
    LogMissing { path: PathBuf, routed_seq: i64 },
    #[error(
        "it is missing, and `{}` beside it holds {events} events; restore both from one backup: without this file all \
         of them would be handed on and answered again. Or move the other away to begin anew", log.display()
    )]
    MainMissing { log: PathBuf, events: i64 },
    #[error(
        "`{}` ends at event {newest_seq}, but {routed_seq} events have been handed on; the two are not of one \
         backup: restore both from the same", path.display()
    )]
    LogBehind { path: PathBuf, newest_seq: i64, routed_seq: i64 },
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

/// An open database and the lock that keeps a second gateway out.
pub(super) struct Opened {
    /// Writes the main database, and reads the event log.
    pub(super) main: Connection,
    /// Writes the event log.
    pub(super) log: Connection,
    pub(super) lock: File,
}

/// Opens both files for their writers; creates them where there are none. An error names the file it is about.
pub(super) fn open(path: &Path, may_migrate: bool) -> Result<Opened, StoreError> {
    let log_path = event_log_path(path);
    let (of_main, of_log) = (|error: OpenError| error.at(path), |error: OpenError| error.at(&log_path));
    refuse_old_sqlite().map_err(of_main)?;
    make_folder(path).map_err(of_main)?;
    let traces = traces_of_another(path);
    let lock = take_lock(path).map_err(of_main)?;
    refuse_unknown(path, &MAIN).map_err(of_main)?;
    refuse_unknown(&log_path, &EVENT_LOG).map_err(of_log)?;
    refuse_half(path, &log_path).map_err(of_main)?;
    make_file(path, traces.as_deref()).map_err(of_main)?;
    let main = open_file(path, &MAIN, may_migrate).map_err(of_main)?;
    refuse_missing_log(&main, &log_path).map_err(of_main)?;
    make_file(&log_path, None).map_err(of_log)?;
    let log = open_file(&log_path, &EVENT_LOG, may_migrate).map_err(of_log)?;
    refuse_older_log(&main, &log, &log_path).map_err(of_main)?;
    attach_event_log(&main, path).map_err(of_log)?;
    Ok(Opened { main, log, lock })
}

fn refuse_old_sqlite() -> Result<(), OpenError> {
    match rusqlite::version_number() < OLDEST_SQLITE {
        true => Err(OpenError::OldSqlite { found: rusqlite::version() }),
        false => Ok(()),
    }
}

/// The event log of a database: `inlet-events.db` beside `inlet.db`.
pub(super) fn event_log_path(path: &Path) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push("-events");
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

fn open_file(path: &Path, schema: &Schema, may_migrate: bool) -> Result<Connection, OpenError> {
    let mut connection = connect(path)?;
    let (found, known) = (version(&connection)?, schema.version());
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    refuse_foreign(&connection, schema)?;
    apply_settings(&connection, schema)?;
    if found > 0 && found < known && !may_migrate {
        return Err(OpenError::Older { found, known });
    }
    migrate(&mut connection, path, schema)?;
    Ok(connection)
}

// Without its main database, an event log would be routed again from its first event: every text answered once more.
fn refuse_half(path: &Path, log_path: &Path) -> Result<(), OpenError> {
    if header(path)?.is_some() || header(log_path)?.is_none() {
        return Ok(());
    }
    match newest_seq(&connect_reader(log_path)?)? {
        0 => Ok(()),
        events => Err(OpenError::MainMissing { log: log_path.to_owned(), events }),
    }
}

fn refuse_missing_log(main: &Connection, log_path: &Path) -> Result<(), OpenError> {
    let routed_seq = routed_seq(main)?;
    if routed_seq > 0 && header(log_path)?.is_none() {
        return Err(OpenError::LogMissing { path: log_path.to_owned(), routed_seq });
    }
    Ok(())
}

fn refuse_older_log(main: &Connection, log: &Connection, log_path: &Path) -> Result<(), OpenError> {
    let (routed_seq, newest_seq) = (routed_seq(main)?, newest_seq(log)?);
    if routed_seq <= newest_seq {
        return Ok(());
    }
    Err(OpenError::LogBehind { path: log_path.to_owned(), newest_seq, routed_seq })
}

/// Opens a connection that can only read, both files.
pub(super) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let connection = connect_reader(path)?;
    attach_event_log(&connection, path)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn connect_reader(path: &Path) -> Result<Connection, OpenError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(absolute(path)?, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(128);
    keep_plans(&connection)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// Opens a connection that can write.
pub(super) fn connect(path: &Path) -> Result<Connection, OpenError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(absolute(path)?, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(256);
    keep_plans(&connection)?;
    Ok(connection)
}

// Otherwise SQLite looks at the values of some parameters (a limit, what a partial index asks for) and prepares the
// statement anew whenever they change: a claim of jobs took twice as long, most of it in the parser.
fn keep_plans(connection: &Connection) -> Result<(), OpenError> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

// An absolute path does not begin with `file:`, which SQLite would take for the beginning of a URI.
fn absolute(path: &Path) -> Result<PathBuf, OpenError> {
    std::path::absolute(path).map_err(|source| OpenError::File { path: path.to_owned(), source })
}

/// Lets statements on a connection of the main database read the tables of the event log. `mode=ro` keeps its
/// transactions from locking the log for writing.
fn attach_event_log(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let uri = read_only_uri(&absolute(&event_log_path(path))?);
    connection.execute("attach database ?1 as event_log", [uri])?;
    Ok(())
}

fn read_only_uri(path: &Path) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(byte);
    let bytes = path.as_os_str().as_bytes().iter();
    let path: String = bytes
        .map(|byte| if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    format!("file:{path}?mode=ro")
}

fn apply_settings(connection: &Connection, schema: &Schema) -> Result<(), OpenError> {
    // Heeded only while the file is empty.
    connection.pragma_update(None, "page_size", schema.page_bytes)?;
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
    connection.pragma_update(None, "cache_size", -schema.cache_kib)?;
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
fn refuse_unknown(path: &Path, schema: &Schema) -> Result<(), OpenError> {
    let Some(header) = header(path)? else { return Ok(()) };
    if !header.starts_with(MAGIC) {
        return Err(OpenError::NotADatabase);
    }
    let (before, known) = (USER_VERSION_OFFSET, schema.version());
    let bytes = header[before..before + 4].try_into().expect("four bytes were asked for");
    let found = i64::from(i32::from_be_bytes(bytes));
    if found > known { Err(OpenError::Newer { found, known }) } else { Ok(()) }
}

/// None of a file that is missing or empty; one that cannot be read is neither.
fn header(path: &Path) -> Result<Option<[u8; HEADER_BYTES]>, OpenError> {
    let mut header = [0; HEADER_BYTES];
    match File::open(path).and_then(|mut file| file.read(&mut header)) {
        Ok(found) => Ok((found > 0).then_some(header)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(OpenError::File { path: path.to_owned(), source }),
    }
}

fn refuse_foreign(connection: &Connection, schema: &Schema) -> Result<(), OpenError> {
    let id: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("select count(*) from sqlite_schema", [], |row| row.get(0))?;
    if id == schema.application_id || (id == 0 && tables == 0) { Ok(()) } else { Err(OpenError::Foreign) }
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

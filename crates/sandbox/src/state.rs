//! Keeps the accounts of a sandbox in a file, so that its next start goes on where this one ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tracing::{debug, error};

use crate::account::snapshot::{Snapshot, SnapshotError};
use crate::accounts::Accounts;

/// How long changes gather before they are written.
const GATHERING: Duration = Duration::from_millis(500);

/// Why a state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The system refuses to read or write it.
    #[error("cannot use the state file `{path}`: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Another running sandbox would overwrite it.
    #[error("the state file `{path}` is in use by another sandbox that must stop first")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It was begun with another seed than the one that is asked for.
    #[error("the state file `{path}` was begun with another seed; without one it goes on")]
    OtherSeed {
        /// The file.
        path: PathBuf,
    },
    /// It holds something else, or half of a state.
    #[error("the state file `{path}` is broken: {source}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SnapshotError,
    },
}

/// The file: every account, the default one first.
#[derive(Serialize, Deserialize)]
struct StateFile {
    accounts: Vec<Box<RawValue>>,
}

/// Keeps other sandboxes off a file until it is dropped. The file itself cannot be locked, because each writing puts a
/// new one in its place; what is locked stays beside it.
pub(crate) struct StateLock(#[expect(dead_code, reason = "held for its lock")] File);

impl StateLock {
    pub(crate) fn take(path: &Path) -> Result<Self, StateError> {
        let failed = |source| StateError::Io { path: path.to_owned(), source };
        let beside = with_suffix(path, ".lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(beside);
        let file = file.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StateError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

/// Reads the accounts of a file; none when there is no file yet.
pub(crate) fn read(path: &Path) -> Result<Vec<Snapshot>, StateError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(StateError::Io { path: path.to_owned(), source }),
    };
    let broken = |source| StateError::Broken { path: path.to_owned(), source };
    let file: StateFile = serde_json::from_slice(&bytes).map_err(|error| broken(error.into()))?;
    file.accounts.iter().map(|account| Snapshot::read(account.get().as_bytes()).map_err(broken)).collect()
}

/// Writes the accounts whenever they have changed, until the sandbox stops.
pub(crate) async fn keep(accounts: Arc<Accounts>, path: PathBuf) {
    let host = accounts.host.clone();
    loop {
        tokio::select! {
            () = host.dirty.notified() => {}
            () = host.cancel.cancelled() => return,
        }
        tokio::select! {
            () = tokio::time::sleep(GATHERING) => {}
            () = host.cancel.cancelled() => return,
        }
        save_or_tell(&accounts, &path).await;
    }
}

/// Writes the accounts now.
pub(crate) async fn save(accounts: &Arc<Accounts>, path: &Path) -> Result<(), StateError> {
    let (accounts, target) = (accounts.clone(), path.to_owned());
    // Serialising a large state takes as long as writing it.
    let written = tokio::task::spawn_blocking(move || write(&target, &document(&accounts))).await;
    let written = written.unwrap_or_else(|panic| Err(io::Error::other(panic)));
    written.map_err(|source| StateError::Io { path: path.to_owned(), source })
}

/// The same where nobody can be given the failure: it is told, and the next change tries again.
pub(crate) async fn save_or_tell(accounts: &Arc<Accounts>, path: &Path) {
    if let Err(error) = save(accounts, path).await {
        error!("{error}");
    }
}

fn document(accounts: &Accounts) -> Vec<u8> {
    let text = |bytes| String::from_utf8(bytes).expect("JSON is UTF-8");
    let raw = |text| RawValue::from_string(text).expect("a snapshot is JSON");
    let accounts = accounts.all().iter().map(|account| raw(text(account.snapshot()))).collect();
    serde_json::to_vec(&StateFile { accounts }).expect("raw JSON always serialises")
}

/// A new file takes the place of the old one only when it is whole and on the disk. It holds keys, so only its owner
/// may read it.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = with_suffix(path, ".new");
    _ = fs::remove_file(&fresh);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    debug!(path = %path.display(), bytes = bytes.len(), "wrote the sandbox's state");
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

//! The whole state of an account as a document: taken, put back, kept in a file.

use std::sync::PoisonError;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::account::changes::Changes;
use crate::account::{Account, World};
use crate::config::AccountSettings;

/// The version of the documents that are written. Fields are only ever added, and a missing one has its default,
/// so it changes when a field changes its meaning.
const VERSION: u32 = 1;

/// Why a snapshot cannot be put back.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The document is none, or a broken one.
    #[error("snapshot is not understood")]
    Unreadable(#[from] serde_json::Error),
    /// The document was written by another version of Inlet.
    #[error("snapshot has version {version}, and this sandbox reads version {VERSION}")]
    Version {
        /// The document's version.
        version: u32,
    },
    /// The account lacks numbers of the snapshot, or has further ones.
    #[error("snapshot is of an account with the numbers {theirs}; this one has {ours}")]
    Numbers {
        /// The numbers in the snapshot.
        theirs: String,
        /// The numbers of the account.
        ours: String,
    },
}

/// An account as it is written.
#[derive(Serialize, Deserialize)]
pub(crate) struct Snapshot<W = World> {
    version: u32,
    /// Who it is; used when the account is opened with the snapshot, not when it is put into another.
    pub(crate) account: AccountSettings,
    /// Where the sandbox was reached, as its media URLs say.
    origin: String,
    clock_offset: SignedDuration,
    world: W,
}

#[derive(Deserialize)]
struct Header {
    version: u32,
}

impl Snapshot {
    /// Reads a document, and refuses one of another version before all else.
    pub(crate) fn read(json: &[u8]) -> Result<Self, SnapshotError> {
        let Header { version } = serde_json::from_slice(json)?;
        match version {
            VERSION => Ok(serde_json::from_slice(json)?),
            _ => Err(SnapshotError::Version { version }),
        }
    }
}

impl Account {
    /// The account's whole state as JSON.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        let account = self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.read(|world| {
            let snapshot = Snapshot {
                version: VERSION,
                account,
                origin: self.host.origin.clone(),
                clock_offset: self.clock.offset(),
                world,
            };
            serde_json::to_vec(&snapshot).expect("the state has text keys only")
        })
    }

    /// Puts a state in the place of everything the account remembers. Its keys stay its own.
    pub(crate) fn restore(&self, snapshot: Snapshot) -> Result<(), SnapshotError> {
        let list = |numbers: Vec<&str>| numbers.join(", ");
        let ours: Vec<&str> = self.numbers.iter().map(|number| number.as_str()).collect();
        let theirs: Vec<&str> = snapshot.world.numbers.iter().map(|own| own.number.as_str()).collect();
        if !same(&ours, &theirs) {
            return Err(SnapshotError::Numbers { theirs: list(theirs), ours: list(ours) });
        }
        self.clock.restart_at(snapshot.clock_offset);
        let seed = self.settings.lock().unwrap_or_else(PoisonError::into_inner).seed;
        self.change(|world| {
            world.life.cancel();
            let mut changes = std::mem::replace(&mut world.changes, Changes::new(self.clock.now()));
            changes.begin_anew();
            *world = snapshot.world;
            world.move_media(&snapshot.origin, &self.host.origin);
            world.resume(&self.host.config, seed, changes, self.cancel.child_token());
        });
        Ok(())
    }
}

fn same(ours: &[&str], theirs: &[&str]) -> bool {
    ours.len() == theirs.len() && ours.iter().all(|number| theirs.contains(number))
}

//! The whole state of an account as a document: taken, put back, kept in a file.

use std::sync::PoisonError;

use inlet_telnyx::PhoneNumber;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::account::changes::Changes;
use crate::account::{Account, World};
use crate::accounts::AccountError;
use crate::config::AccountSettings;
use crate::fault::FaultList;

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
    /// The account cannot be opened.
    #[error(transparent)]
    Account(#[from] AccountError),
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

impl Snapshot {
    /// The settings of the account, as far as these do not say otherwise: where its webhooks go, which numbers it
    /// has besides.
    pub(crate) fn settings_under(&self, given: AccountSettings) -> AccountSettings {
        let mut settings = self.account.clone();
        let own: Vec<&PhoneNumber> = self.world.numbers.iter().map(|own| &own.number).collect();
        let fresh = given.numbers.into_iter().filter(|number| !own.contains(&number));
        settings.numbers.extend(fresh.filter(|number| !self.account.numbers.contains(number)));
        settings.api_key = given.api_key.or(settings.api_key);
        settings.webhook_url = given.webhook_url.or(settings.webhook_url);
        settings.failover_url = given.failover_url.or(settings.failover_url);
        settings
    }
}

impl Account {
    /// Takes up a state that a file has kept, with the numbers, URLs and faults that were configured since.
    pub(crate) fn take_up(&self, mut snapshot: Snapshot) -> Result<(), SnapshotError> {
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let numbers = self.identity.furnish(&settings, self.clock.now()).numbers;
        let world = &mut snapshot.world;
        if !self.host.config.faults.is_empty() {
            world.faults = FaultList::new(self.host.config.faults.clone());
        }
        for own in numbers {
            if !world.numbers.iter().any(|known| known.number == own.number) {
                world.numbers.push(own);
            }
        }
        if let Some(profile) = world.profiles.first_mut() {
            if settings.webhook_url != snapshot.account.webhook_url {
                profile.webhook_url = settings.webhook_url;
            }
            if settings.failover_url != snapshot.account.failover_url {
                profile.webhook_failover_url = settings.failover_url;
            }
        }
        self.restore(snapshot)
    }

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

//! Everything an account remembers and can forget.

use std::collections::BTreeSet;

use inlet_telnyx::PhoneNumber;
use tokio_util::sync::CancellationToken;

use crate::account::changes::{Change, Changes};
use crate::account::number::OwnNumber;
use crate::account::profile::Profile;
use crate::config::SandboxConfig;
use crate::fault::FaultList;
use crate::http::IdempotencyTable;
use crate::media::MediaStore;
use crate::message::log::MessageLog;
use crate::random::Randomness;
use crate::webhook::log::DeliveryLog;

/// The state that a reset empties.
pub(crate) struct World {
    pub(crate) random: Randomness,
    pub(crate) profiles: Vec<Profile>,
    /// The account's numbers, in the configured order.
    pub(crate) numbers: Vec<OwnNumber>,
    pub(crate) messages: MessageLog,
    /// Who has texted STOP to which profile.
    pub(crate) blocks: BTreeSet<(String, String)>,
    pub(crate) media: MediaStore,
    pub(crate) deliveries: DeliveryLog,
    pub(crate) faults: FaultList,
    pub(crate) idempotency: IdempotencyTable,
    /// What followers of the account are told.
    pub(crate) changes: Changes,
    /// Cancelled by the reset that ends this state, and by shutdown: work begun under it stops and reports nothing.
    pub(crate) life: CancellationToken,
}

impl World {
    pub(crate) fn new(
        config: &SandboxConfig,
        profiles: Vec<Profile>,
        numbers: Vec<OwnNumber>,
        random: Randomness,
        changes: Changes,
        life: CancellationToken,
    ) -> Self {
        Self {
            random,
            profiles,
            numbers,
            messages: MessageLog::new(config.message_log_capacity),
            blocks: BTreeSet::new(),
            media: MediaStore::new(config.media_capacity_bytes),
            deliveries: DeliveryLog::new(config.delivery_log_capacity),
            faults: FaultList::default(),
            idempotency: IdempotencyTable::default(),
            changes,
            life,
        }
    }

    /// Collects what has changed, for whoever follows the account, and tells whether anything has.
    pub(crate) fn note_changes(&mut self) -> bool {
        let before = self.changes.revision();
        for place in self.messages.take_touched() {
            self.changes.note(Change::Message(place));
        }
        for sequence in self.deliveries.take_touched() {
            self.changes.note(Change::Delivery(sequence));
        }
        self.changes.revision() > before
    }

    pub(crate) fn profile(&self, id: &str) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.id == id)
    }

    /// The profile that a number of the account is on.
    pub(crate) fn profile_of(&self, number: &PhoneNumber) -> Option<&Profile> {
        let own = self.numbers.iter().find(|own| own.number == *number)?;
        self.profile(own.profile_id.as_deref()?)
    }
}

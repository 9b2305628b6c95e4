//! Everything an account remembers and can forget.

use inlet_telnyx::PhoneNumber;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::account::alpha_sender::AlphaSender;
use crate::account::autoresponder::Autoresponder;
use crate::account::bulk_update::BulkUpdates;
use crate::account::changes::{Change, Changes};
use crate::account::identity::Holdings;
use crate::account::number::OwnNumber;
use crate::account::profile::Profile;
use crate::account::rate::RequestWindow;
use crate::account::short_code::ShortCode;
use crate::account::upload::Uploads;
use crate::config::SandboxConfig;
use crate::fault::FaultList;
use crate::http::IdempotencyTable;
use crate::media::MediaStore;
use crate::message::log::MessageLog;
use crate::message::opt_out::OptOuts;
use crate::message::pool::LastSenders;
use crate::message::spending::Spending;
use crate::random::Randomness;
use crate::webhook::log::DeliveryLog;
use crate::webhook::route::Route;

/// The state that a reset empties and a snapshot keeps: every field that is not skipped.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct World {
    pub(crate) random: Randomness,
    pub(crate) profiles: Vec<Profile>,
    /// The account's numbers, in the configured order.
    pub(crate) numbers: Vec<OwnNumber>,
    pub(crate) short_codes: Vec<ShortCode>,
    pub(crate) alpha_senders: Vec<AlphaSender>,
    pub(crate) bulk_updates: BulkUpdates,
    pub(crate) messages: MessageLog,
    /// Who has texted STOP to whom; `GET /messaging_optouts` lists them.
    pub(crate) opt_outs: OptOuts,
    /// The profiles' own keywords and answers to them.
    pub(crate) autoresponders: Vec<Autoresponder>,
    pub(crate) last_senders: LastSenders,
    pub(crate) spending: Spending,
    pub(crate) media: MediaStore,
    /// Files that were uploaded under a name.
    pub(crate) uploads: Uploads,
    pub(crate) deliveries: DeliveryLog,
    pub(crate) faults: FaultList,
    pub(crate) idempotency: IdempotencyTable,
    /// Requests of Telnyx's API in the current second.
    #[serde(skip)]
    pub(crate) requests: RequestWindow,
    /// What followers of the account are told.
    #[serde(skip)]
    pub(crate) changes: Changes,
    /// Cancelled by the reset that ends this state, and by shutdown: work begun under it stops and reports nothing.
    #[serde(skip)]
    pub(crate) life: CancellationToken,
}

impl World {
    pub(crate) fn new(
        config: &SandboxConfig,
        holdings: Holdings,
        random: Randomness,
        changes: Changes,
        life: CancellationToken,
    ) -> Self {
        Self {
            random,
            profiles: holdings.profiles,
            numbers: holdings.numbers,
            short_codes: holdings.short_codes,
            alpha_senders: Vec::new(),
            bulk_updates: BulkUpdates::default(),
            messages: MessageLog::new(config.message_log_capacity, config.log_capacity_bytes),
            opt_outs: OptOuts::default(),
            autoresponders: Vec::new(),
            last_senders: LastSenders::default(),
            spending: Spending::default(),
            media: MediaStore::new(config.media_capacity_bytes),
            uploads: Uploads::default(),
            deliveries: DeliveryLog::new(config.delivery_log_capacity, config.log_capacity_bytes),
            faults: FaultList::new(config.faults.clone()),
            idempotency: IdempotencyTable::default(),
            requests: RequestWindow::default(),
            changes,
            life,
        }
    }

    /// Takes up work again where a snapshot was taken: within this sandbox's limits, and with its seed.
    pub(crate) fn resume(
        &mut self,
        config: &SandboxConfig,
        seed: [u8; 32],
        changes: Changes,
        life: CancellationToken,
    ) {
        self.random.resume(seed);
        self.messages.resume(config.message_log_capacity, config.log_capacity_bytes);
        self.media.resume(config.media_capacity_bytes);
        self.deliveries.resume(config.delivery_log_capacity, config.log_capacity_bytes);
        self.idempotency.resume();
        self.changes = changes;
        self.life = life;
    }

    /// Media are found where the sandbox is now. What has been delivered stays as it was.
    pub(crate) fn move_media(&mut self, from_origin: &str, to_origin: &str) {
        if from_origin != to_origin {
            let (from, to) = (format!("{from_origin}/media/"), format!("{to_origin}/media/"));
            self.messages.move_media(&from, &to);
            self.deliveries.move_media(&from, &to);
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

    /// A number of the account.
    pub(crate) fn number(&self, number: &PhoneNumber) -> Option<&OwnNumber> {
        self.numbers.iter().find(|own| own.number == *number)
    }

    /// Where the webhooks of the first profile go.
    pub(crate) fn default_route(&self) -> Route {
        self.profiles.first().map_or_else(Route::default, |profile| {
            Route::new(profile.webhook_url.clone(), profile.webhook_failover_url.clone())
        })
    }

    /// The profile that a number of the account is on.
    pub(crate) fn profile_of(&self, number: &PhoneNumber) -> Option<&Profile> {
        self.profile(self.number(number)?.profile_id.as_deref()?)
    }
}

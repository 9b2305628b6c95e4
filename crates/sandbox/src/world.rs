//! Everything a sandbox remembers and can forget, and the lock around it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use inlet_telnyx::PhoneNumber;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::account::Account;
use crate::clock::Clock;
use crate::config::SandboxConfig;
use crate::delivery::DeliveryLog;
use crate::fault::FaultList;
use crate::http::IdempotencyTable;
use crate::media::MediaStore;
use crate::message::{MessageLog, View};
use crate::profile::Profile;
use crate::random::Randomness;

/// The state that a reset empties.
pub(crate) struct World {
    pub(crate) random: Randomness,
    pub(crate) profiles: Vec<Profile>,
    pub(crate) messages: MessageLog,
    /// Who has texted STOP to which profile.
    pub(crate) blocks: BTreeSet<(String, String)>,
    pub(crate) media: MediaStore,
    pub(crate) deliveries: DeliveryLog,
    pub(crate) faults: FaultList,
    pub(crate) idempotency: IdempotencyTable,
    /// Cancelled by the reset that ends this state, and by shutdown: work begun under it stops and reports nothing.
    pub(crate) life: CancellationToken,
}

impl World {
    fn new(
        config: &SandboxConfig,
        profiles: Vec<Profile>,
        random: Randomness,
        life: CancellationToken,
    ) -> Self {
        Self {
            random,
            profiles,
            messages: MessageLog::new(config.message_log_capacity),
            blocks: BTreeSet::new(),
            media: MediaStore::new(config.media_capacity_bytes),
            deliveries: DeliveryLog::new(config.delivery_log_capacity),
            faults: FaultList::default(),
            idempotency: IdempotencyTable::default(),
            life,
        }
    }

    pub(crate) fn profile(&self, id: &str) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.id == id)
    }
}

/// One running sandbox, shared by its tasks.
pub(crate) struct Shared {
    pub(crate) config: SandboxConfig,
    pub(crate) account: Account,
    /// All numbers of the account, those of the default profile first.
    pub(crate) numbers: Vec<PhoneNumber>,
    pub(crate) clock: Clock,
    /// Origin at which the sandbox is reached, without a final slash.
    pub(crate) origin: String,
    pub(crate) client: reqwest::Client,
    pub(crate) cancel: CancellationToken,
    /// Owns every task of the sandbox.
    pub(crate) tracker: TaskTracker,
    /// Tells the courier that a try may be due. It keeps one wake-up for a courier that is busy.
    pub(crate) due: Notify,
    // Guards the state for the length of one synchronous step; never held across an await.
    world: Mutex<World>,
    // Where the default profile points at start and after a reset.
    webhook_url: Mutex<Option<Url>>,
    // Wakes those who wait for a condition on the world.
    changed: watch::Sender<()>,
}

impl Shared {
    pub(crate) fn new(
        config: SandboxConfig,
        account: Account,
        origin: String,
        client: reqwest::Client,
    ) -> Self {
        let clock = Clock::new(config.frozen_at);
        let random = Randomness::new(config.seed);
        let profiles = account.profiles(config.webhook_url.clone(), &config, clock.now());
        let numbers = config.numbers.iter().chain(config.further_profiles.iter().flat_map(|p| &p.numbers));
        let cancel = CancellationToken::new();
        Self {
            world: Mutex::new(World::new(&config, profiles, random, cancel.child_token())),
            webhook_url: Mutex::new(config.webhook_url.clone()),
            changed: watch::Sender::new(()),
            cancel,
            tracker: TaskTracker::new(),
            due: Notify::new(),
            numbers: numbers.cloned().collect(),
            config,
            account,
            clock,
            origin,
            client,
        }
    }

    /// Reads the world.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&World) -> T) -> T {
        read(&self.lock())
    }

    /// Changes the world and wakes whoever waits for that.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.send_replace(());
        self.due.notify_one();
        result
    }

    /// Changes the world in a way that nobody waits for.
    pub(crate) fn quietly<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.lock())
    }

    /// Waits until `look` finds something, no longer than `limit` and no longer than the sandbox runs.
    pub(crate) async fn wait_for<T>(&self, limit: Duration, look: impl Fn(&World) -> Option<T>) -> Option<T> {
        // Subscribed before the first look, so that no change is lost in between.
        let mut changes = self.changed.subscribe();
        let found = async {
            loop {
                if let Some(found) = self.read(&look) {
                    return found;
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            // What is there already is found even when there is no time to wait.
            biased;
            found = found => Some(found),
            () = tokio::time::sleep(limit) => None,
            () = self.cancel.cancelled() => None,
        }
    }

    /// Points the default profile elsewhere, now and after every reset.
    pub(crate) fn set_webhook_url(&self, url: Url) {
        *self.webhook_url.lock().unwrap_or_else(PoisonError::into_inner) = Some(url.clone());
        let now = self.clock.now();
        self.change(|world| {
            if let Some(profile) = world.profiles.first_mut() {
                profile.webhook_url = Some(url);
                profile.updated_at = now;
            }
        });
    }

    /// Forgets everything and takes back all moves of the clock. The seed's sequences go on, so that no receiver
    /// sees an id twice, unless they are to begin again.
    pub(crate) fn reset(&self, restart_ids: bool) {
        self.clock.restart();
        let url = self.webhook_url.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let profiles = self.account.profiles(url, &self.config, self.clock.now());
        self.change(|world| {
            world.life.cancel();
            let fresh = Randomness::new(self.config.seed);
            let random = if restart_ids { fresh } else { std::mem::replace(&mut world.random, fresh) };
            *world = World::new(&self.config, profiles, random, self.cancel.child_token());
        });
    }

    /// Whether a number belongs to the account.
    pub(crate) fn owns(&self, number: &str) -> bool {
        self.numbers.iter().any(|own| own.as_str() == number)
    }

    /// The profile a number is on. Numbers stay where they are until they can be moved.
    pub(crate) fn profile_id_of(&self, number: &PhoneNumber) -> &str {
        let further =
            self.config.further_profiles.iter().position(|profile| profile.numbers.contains(number));
        further.map_or(&self.account.default_profile_id, |index| &self.account.further_profile_ids[index])
    }

    /// What payloads show besides their message.
    pub(crate) fn view(&self) -> View<'_> {
        View {
            config: &self.config,
            organization_id: &self.account.organization_id,
            own_numbers: &self.numbers,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, World> {
        // A panic in one request must not end the sandbox for all others.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

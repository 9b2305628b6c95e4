//! One account: who it is, what it remembers, its clock, and the lock around all that changes.

pub(crate) mod alpha_sender;
pub(crate) mod autoresponder;
pub(crate) mod bulk_update;
pub(crate) mod changes;
pub(crate) mod identity;
pub(crate) mod number;
pub(crate) mod profile;
pub(crate) mod rate;
pub(crate) mod short_code;
pub(crate) mod snapshot;
pub(crate) mod unseen;
pub(crate) mod upload;
mod world;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use inlet_telnyx::{InvalidKey, PhoneNumber};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::account::changes::Changes;
use crate::account::identity::Identity;
use crate::clock::Clock;
use crate::config::{AccountSettings, SigningTime};
use crate::host::Host;
use crate::message::View;
use crate::random::Randomness;

pub(crate) use world::World;

/// An isolated tenant of the sandbox. Nothing of one account is seen by another.
pub(crate) struct Account {
    pub(crate) host: Arc<Host>,
    pub(crate) name: String,
    pub(crate) identity: Identity,
    /// All numbers of the account, those of the default profile first.
    pub(crate) numbers: Vec<PhoneNumber>,
    pub(crate) clock: Clock,
    /// Ends the account's own tasks.
    pub(crate) cancel: CancellationToken,
    /// Tells the courier that a try may be due. It keeps one wake-up for a courier that is busy.
    pub(crate) due: Notify,
    // What the account is furnished with at start and after a reset.
    settings: Mutex<AccountSettings>,
    // Guards the state for the length of one synchronous step; never held across an await.
    world: Mutex<World>,
    // Wakes those who wait for a condition on the world.
    changed: watch::Sender<()>,
}

impl Account {
    /// An account as its settings say; its courier is started by whoever opens it.
    pub(crate) fn open(host: &Arc<Host>, settings: AccountSettings) -> Result<Self, InvalidKey> {
        let identity = Identity::derive(settings.seed, settings.api_key.clone())?;
        let clock = Clock::new(host.config.frozen_at);
        let cancel = host.cancel.child_token();
        let holdings = identity.furnish(&settings, clock.now());
        let numbers = holdings.numbers.iter().map(|own| own.number.clone()).collect();
        let random = Randomness::new(settings.seed);
        let changes = Changes::new(clock.now());
        let world = World::new(&host.config, holdings, random, changes, cancel.child_token());
        Ok(Self {
            host: host.clone(),
            name: settings.name.clone(),
            identity,
            numbers,
            clock,
            cancel,
            due: Notify::new(),
            settings: Mutex::new(settings),
            world: Mutex::new(world),
            changed: watch::Sender::new(()),
        })
    }

    /// Reads the world. What is to go out by now has gone out before anybody looks.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&World) -> T) -> T {
        read(&self.lock())
    }

    /// Changes the world and wakes whoever waits for that.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let result = self.quietly(change);
        self.tell_change();
        self.due.notify_one();
        result
    }

    /// Changes the world in a way that sets no delivery going.
    pub(crate) fn quietly<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.lock();
        let result = change(&mut world);
        if world.note_changes() {
            self.tell_change();
        }
        result
    }

    fn tell_change(&self) {
        self.changed.send_replace(());
        self.host.dirty.notify_one();
    }

    /// Waits until `look` finds something, no longer than `limit` and no longer than the sandbox runs. It looks after
    /// every change while all others wait, so it had better remember how far it has looked.
    pub(crate) async fn wait_for<T>(
        &self,
        limit: Duration,
        mut look: impl FnMut(&World) -> Option<T>,
    ) -> Option<T> {
        // Subscribed before the first look, so that no change is lost in between.
        let mut changes = self.changed.subscribe();
        let found = async {
            loop {
                if let Some(found) = self.read(&mut look) {
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

    /// Waits until `look` finds something or the account ends.
    pub(crate) async fn wait_as_long<T>(&self, look: impl FnMut(&World) -> Option<T>) -> Option<T> {
        self.wait_for(Duration::MAX, look).await
    }

    /// Waits until no event is on its way and no message is between two statuses, or only such events as are not due
    /// yet, and tells how many still are. Messages for later do not count.
    pub(crate) async fn wait_idle(&self, limit: Duration, due_only: bool) -> Result<(), usize> {
        let is_idle = |world: &World| match due_only {
            true => world.deliveries.is_settled(self.clock.now()),
            false => world.deliveries.pending() == 0 && !world.messages.is_moving(self.clock.now()),
        };
        let idle = self.wait_for(limit, |world| is_idle(world).then_some(())).await;
        idle.ok_or_else(|| self.read(|world| world.deliveries.pending()))
    }

    /// Points the default profile elsewhere, now and after every reset.
    pub(crate) fn set_webhook_url(&self, url: Url) {
        let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        settings.webhook_url = Some(url.clone());
        drop(settings);
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
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let holdings = self.identity.furnish(&settings, self.clock.now());
        self.change(|world| {
            world.life.cancel();
            let fresh = Randomness::new(settings.seed);
            let random = if restart_ids { fresh } else { std::mem::replace(&mut world.random, fresh) };
            let mut changes = std::mem::replace(&mut world.changes, Changes::new(self.clock.now()));
            changes.begin_anew();
            let life = self.cancel.child_token();
            *world = World::new(&self.host.config, holdings, random, changes, life);
        });
    }

    /// The second that a signature made now names.
    pub(crate) fn signing_second(&self) -> i64 {
        let now = match self.host.config.signing_time {
            SigningTime::Wall => self.clock.unmoved(),
            SigningTime::Sandbox => self.clock.now(),
        };
        now.as_second()
    }

    /// Ends the account's work.
    pub(crate) fn close(&self) {
        self.cancel.cancel();
    }

    /// Whether this is the account's API key; takes the same time whatever is wrong with it.
    pub(crate) fn has_key(&self, key: &str) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(key.as_bytes(), self.identity.api_key.as_bytes())
            .is_ok()
    }

    /// Whether a number belongs to the account.
    pub(crate) fn owns(&self, number: &str) -> bool {
        self.numbers.iter().any(|own| own.as_str() == number)
    }

    /// What payloads show besides their message.
    pub(crate) fn view(&self) -> View<'_> {
        View {
            config: &self.host.config,
            organization_id: &self.identity.organization_id,
            own_numbers: &self.numbers,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, World> {
        // A panic in one request must not end the sandbox for all others.
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        if world.messages.has_scheduled(self.clock.now()) && self.send_scheduled(&mut world) {
            world.note_changes();
            self.changed.send_replace(());
            self.due.notify_one();
        }
        world
    }
}

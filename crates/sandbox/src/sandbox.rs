//! Starts, steers and stops one sandbox.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use inlet_telnyx::{InvalidKey, PhoneNumber, PublicKey};
use tokio::net::TcpListener;
use tracing::info;
use url::Url;

use crate::account::Account;
use crate::account::snapshot::{Snapshot, SnapshotError};
use crate::accounts::{AccountError, Accounts, OpenError};
use crate::config::{AccountSettings, SandboxConfig};
use crate::fault::{Fault, InvalidFault};
use crate::host::Host;
use crate::http;
use crate::message::text::{InboundText, Injected, RawEvent, TextError};
use crate::state::{self, StateError};
use crate::webhook::delivery::Delivery;

/// How long shutdown waits for requests under way before their tasks are left to their cancelled ends.
const GRACE: Duration = Duration::from_secs(5);

/// Why a sandbox does not start, or is not idle in time.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The address cannot be listened on.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The seed gives no usable key; one in 2²⁵² does.
    #[error("cannot derive a signing key from the seed")]
    Key(#[from] InvalidKey),
    /// The client that sends webhooks cannot be set up.
    #[error("cannot set up the webhook client")]
    Client(#[source] reqwest::Error),
    /// The state file cannot be used.
    #[error("cannot go on from the state file; move it away to start afresh")]
    State(#[from] StateError),
    /// Events still wait for delivery.
    #[error("{pending} events were still on their way after {waited:?}")]
    NotIdle {
        /// Events that wait.
        pending: usize,
        /// How long was waited.
        waited: Duration,
    },
}

/// A running local Telnyx. Dropping it stops it; [`Sandbox::shutdown`] also waits until it has stopped.
pub struct Sandbox {
    accounts: Arc<Accounts>,
    address: SocketAddr,
}

impl Sandbox {
    /// Starts with defaults: one account with one number, on any free port of this machine, no webhook URL yet.
    pub async fn start() -> Result<Self, SandboxError> {
        Self::start_with(SandboxConfig::default()).await
    }

    /// Starts as configured: listens, and answers from then on.
    pub async fn start_with(config: SandboxConfig) -> Result<Self, SandboxError> {
        let listen_error = |source| SandboxError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let client = webhook_client().map_err(SandboxError::Client)?;
        let origin = match &config.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://{address}"),
        };
        let state = config.state.clone();
        let kept = state.as_deref().map_or_else(|| Ok(Vec::new()), state::read)?;
        let accounts = Arc::new(open(Arc::new(Host::new(config, origin, client)), kept)?);
        if let Some(path) = state {
            // A file that cannot be written is found now, not after a day's work.
            state::save(&accounts, &path).await?;
            accounts.host.tracker.spawn(state::keep(accounts.clone(), path));
        }
        accounts.host.tracker.spawn(http::serve(listener, accounts.clone()));
        info!(%address, "sandbox listens on {address}");
        Ok(Self { accounts, address })
    }

    /// The address that is listened on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The origin at which the sandbox is reached, without a final slash.
    pub fn base_url(&self) -> String {
        self.accounts.host.origin.clone()
    }

    /// What `TELNYX_BASE_URL` should be.
    pub fn api_url(&self) -> String {
        format!("{}/v2", self.accounts.host.origin)
    }

    /// The key that verifies the sandbox's webhooks.
    pub fn public_key(&self) -> &PublicKey {
        self.account().identity.public_key()
    }

    /// The key that `/v2` wants as bearer token.
    pub fn api_key(&self) -> &str {
        &self.account().identity.api_key
    }

    /// The account's numbers, in the configured order; those of the default profile first.
    pub fn numbers(&self) -> Vec<PhoneNumber> {
        self.account().numbers.clone()
    }

    /// The id of the default profile.
    pub fn messaging_profile_id(&self) -> &str {
        &self.account().identity.default_profile_id
    }

    /// The id of the profile that a number is on, if it is on any.
    pub fn messaging_profile_id_of(&self, number: &PhoneNumber) -> Option<String> {
        self.account().read(|world| world.profile_of(number).map(|profile| profile.id.clone()))
    }

    /// Points the default profile's webhooks at a receiver, now and after every reset.
    pub fn set_webhook_url(&self, url: Url) {
        self.account().set_webhook_url(url);
    }

    /// Opens another account, isolated from all others.
    pub fn add_account(&self, settings: AccountSettings) -> Result<(), AccountError> {
        self.accounts.add(settings).map(drop)
    }

    /// Texts one of the account's numbers.
    pub async fn inject(&self, text: InboundText) -> Result<Injected, TextError> {
        self.account().receive_text(text)
    }

    /// Signs and sends a webhook body as it is.
    pub async fn inject_raw(&self, event: RawEvent) -> Result<Injected, TextError> {
        self.account().send_raw(event)
    }

    /// The latest delivery of an event, with its attempts.
    pub fn delivery(&self, event_id: &str) -> Option<Delivery> {
        self.account().read(|world| world.deliveries.find(event_id).cloned())
    }

    /// The deliveries that are kept, oldest first.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.account().read(|world| world.deliveries.all_after(0).cloned().collect())
    }

    /// Replaces the active faults.
    pub fn set_faults(&self, faults: Vec<Fault>) -> Result<(), InvalidFault> {
        self.account().change(|world| world.faults.replace(faults))
    }

    /// Moves the sandbox's clock forward: media age, retries come due.
    pub fn advance_clock(&self, by: Duration) {
        self.account().clock.advance(by);
    }

    /// Waits until no event is on its way.
    pub async fn wait_idle(&self, limit: Duration) -> Result<(), SandboxError> {
        let not_idle = |pending| SandboxError::NotIdle { pending, waited: limit };
        self.account().wait_idle(limit, false).await.map_err(not_idle)
    }

    /// Waits until everything has been tried that is due at the sandbox's time. With a stopped clock later tries
    /// and delayed events wait until it is moved, so it is never idle before.
    pub async fn settle(&self, limit: Duration) -> Result<(), SandboxError> {
        let not_idle = |pending| SandboxError::NotIdle { pending, waited: limit };
        self.account().wait_idle(limit, true).await.map_err(not_idle)
    }

    /// Stops: no new requests, attempts under way are given up, all tasks are awaited.
    pub async fn shutdown(self) {
        self.accounts.host.cancel.cancel();
        self.accounts.host.tracker.close();
        if tokio::time::timeout(GRACE, self.accounts.host.tracker.wait()).await.is_err() {
            tracing::warn!(tasks = self.accounts.host.tracker.len(), "sandbox tasks did not end in time");
        }
        if let Some(path) = &self.accounts.host.config.state {
            state::save_or_tell(&self.accounts, path).await;
        }
    }
}

impl Sandbox {
    fn account(&self) -> &Account {
        self.accounts.default()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.accounts.host.cancel.cancel();
    }
}

fn open(host: Arc<Host>, kept: Vec<Snapshot>) -> Result<Accounts, SandboxError> {
    let path = host.config.state.clone().unwrap_or_default();
    let broken = |source| SandboxError::State(StateError::Broken { path, source });
    Accounts::open(host, kept).map_err(|error| match error {
        OpenError::Key(error) => SandboxError::Key(error),
        OpenError::Snapshot(error) => broken(error),
        // Only a file brings further accounts, and the sandbox never writes one twice.
        OpenError::Account(error) => broken(SnapshotError::Account(error)),
    })
}

// A redirect is a failure for Telnyx, and a proxy would see what is meant for loopback.
fn webhook_client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()
}

//! Starts and stops one sandbox, and finds its accounts.

mod account;

use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use inlet_telnyx::InvalidKey;
use tokio::net::TcpListener;
use tracing::info;

use crate::account::snapshot::{Snapshot, SnapshotError};
use crate::accounts::{AccountError, Accounts, OpenError};
use crate::config::{AccountSettings, SandboxConfig};
use crate::host::Host;
use crate::http;
use crate::state::{self, StateError, StateLock};

pub use account::SandboxAccount;

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
    /// The state file cannot be used.
    #[error("cannot go on from the state file")]
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
    default: SandboxAccount,
    address: SocketAddr,
    // Keeps other sandboxes off the state file as long as this one may write it.
    _lock: Option<StateLock>,
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
        let origin = match &config.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://{address}"),
        };
        let state = config.state.clone();
        let lock = state.as_deref().map(StateLock::take).transpose()?;
        let kept = state.as_deref().map_or_else(|| Ok(Vec::new()), state::read)?;
        check_seed(&config, &kept)?;
        let accounts = Arc::new(open(Arc::new(Host::new(config, origin)), kept)?);
        if let Some(path) = state {
            // A file that cannot be written is found now, not after a day's work.
            state::save(&accounts, &path).await?;
            accounts.host.tracker.spawn(state::keep(accounts.clone(), path));
        }
        let host = accounts.host.clone();
        accounts.host.tracker.spawn_blocking(move || drop(host.client().cloned()));
        accounts.host.tracker.spawn(http::serve(listener, accounts.clone()));
        info!(%address, "sandbox listens on {address}");
        let default = SandboxAccount(accounts.default().clone());
        Ok(Self { accounts, default, address, _lock: lock })
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

    /// Opens another account, isolated from all others.
    pub fn add_account(&self, settings: AccountSettings) -> Result<SandboxAccount, AccountError> {
        self.accounts.add(settings).map(SandboxAccount)
    }

    /// Opens another account by a name alone: a key, a number and a seed of its own, no webhook URL yet.
    pub fn open_account(&self, name: impl Into<String>) -> Result<SandboxAccount, AccountError> {
        self.add_account(self.accounts.host.config.further_account(name))
    }

    /// An account by its name; the one that every sandbox has is called `default`.
    pub fn account(&self, name: &str) -> Option<SandboxAccount> {
        self.accounts.all().into_iter().find(|account| account.name == name).map(SandboxAccount)
    }

    /// Ends an account; false when there is none of that name, or it is the default one.
    pub fn remove_account(&self, name: &str) -> bool {
        self.accounts.remove(name)
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

/// A sandbox has all verbs of its default account.
impl Deref for Sandbox {
    type Target = SandboxAccount;

    fn deref(&self) -> &SandboxAccount {
        &self.default
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.accounts.host.cancel.cancel();
    }
}

fn check_seed(config: &SandboxConfig, kept: &[Snapshot]) -> Result<(), StateError> {
    let is_other = kept.first().is_some_and(|default| default.account.seed != config.seed);
    match &config.state {
        Some(path) if config.refuse_other_seed && is_other => {
            Err(StateError::OtherSeed { path: path.clone() })
        }
        _ => Ok(()),
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

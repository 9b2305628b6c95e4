//! What all accounts of a sandbox share: its settings, its address, its client, its tasks.

use std::sync::{Mutex, OnceLock, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::error;

use crate::config::SandboxConfig;
use crate::random::Randomness;

/// One running sandbox, without its accounts.
pub(crate) struct Host {
    pub(crate) config: SandboxConfig,
    /// Origin at which the sandbox is reached, without a final slash.
    pub(crate) origin: String,
    // Built beside the start, because reading the system's certificates takes longer than all else together.
    client: OnceLock<reqwest::Result<reqwest::Client>>,
    /// Ends every task.
    pub(crate) cancel: CancellationToken,
    /// Owns every task.
    pub(crate) tracker: TaskTracker,
    /// Tells that something has changed that a state file should hold.
    pub(crate) dirty: Notify,
    // Guards one draw; no account is concerned by how often requests are refused.
    request_ids: Mutex<Randomness>,
}

impl Host {
    pub(crate) fn new(config: SandboxConfig, origin: String) -> Self {
        let request_ids = Mutex::new(Randomness::new(config.seed));
        let (cancel, tracker) = (CancellationToken::new(), TaskTracker::new());
        Self { config, origin, client: OnceLock::new(), cancel, tracker, dirty: Notify::new(), request_ids }
    }

    /// Sends webhooks; none when the system has nothing to secure connections with.
    pub(crate) fn client(&self) -> Option<&reqwest::Client> {
        self.client.get_or_init(webhook_client).as_ref().ok()
    }

    /// A name for one request that is refused.
    pub(crate) fn request_id(&self) -> String {
        self.request_ids.lock().unwrap_or_else(PoisonError::into_inner).uuid("request")
    }
}

// A redirect is a failure for Telnyx, and a proxy would see what is meant for loopback. Receivers under test come and
// go: a connection kept for later meets their end as a failed attempt, or keeps them from ending.
fn webhook_client() -> reqwest::Result<reqwest::Client> {
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
    let builder = builder.pool_max_idle_per_host(0);
    builder.build().inspect_err(|error| error!(%error, "cannot set up the webhook client"))
}

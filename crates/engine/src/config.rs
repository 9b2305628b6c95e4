//! What the engine is told by whoever starts it.

use std::sync::Arc;
use std::time::Duration;

use inlet_domain::{Destination, GuardLimits, RetrySchedule, Router};
use inlet_telnyx::SigningKey;
use secrecy::SecretString;
use url::Url;

// Room for an attempt to be recorded after its handler has used all its time.
const RECORDING_MARGIN: Duration = Duration::from_secs(15);
/// How long, at most, a job that was claimed ahead waits in hand for a slot.
pub(crate) const HELD_AT_MOST: Duration = Duration::from_secs(5);

/// Everything the engine needs to know.
pub struct EngineConfig {
    /// The rules that turn events into jobs.
    pub router: Arc<Router>,
    /// Every configured destination and its `whsec_…` secret.
    pub destinations: Vec<(Destination, SecretString)>,
    /// Inlet's own key, with which every delivery is signed afresh.
    pub signing_key: Arc<SigningKey>,
    /// How Telnyx is reached.
    pub telnyx: TelnyxConfig,
    /// How Telnyx reaches us; lets receipts find the message they prove.
    pub public_url: Option<Url>,
    /// How attachments are fetched.
    pub media: MediaConfig,
    /// How messages are sent.
    pub send: SendConfig,
    /// What the reply guard allows.
    pub guard: GuardLimits,
    /// How long a lost wake-up can delay work.
    pub poll: Duration,
    /// How long a claimed job is ours. Stretched where a configured timeout would not fit in.
    pub lease: Duration,
    /// How long, at most, a due job of a destination that keeps failing waits for its turn.
    pub breaker_pause_max: Duration,
    /// How long finished jobs are kept; `None` for ever.
    pub keep_jobs: Option<Duration>,
    /// How long events are kept; `None` for ever.
    pub keep_events: Option<Duration>,
    /// How long messages and their attachments are kept; `None` for ever.
    pub keep_messages: Option<Duration>,
}

/// How Telnyx is reached.
#[derive(Clone)]
pub struct TelnyxConfig {
    /// `https://api.telnyx.com/v2`, or the sandbox's.
    pub base_url: Url,
    /// The API key; without it nothing is sent.
    pub api_key: Option<SecretString>,
    /// The messaging profile that messages are sent with, where the number alone does not tell.
    pub messaging_profile_id: Option<String>,
}

/// How attachments are fetched.
#[derive(Clone)]
pub struct MediaConfig {
    /// Exact host names that may be shown the API key, over https on its own port.
    pub key_hosts: Vec<String>,
    /// The sandbox's origin in `inlet dev`: exempt from the rule against private addresses, and may be shown the key.
    pub trusted_origin: Option<Url>,
    /// The longest attachment.
    pub max_bytes: u64,
    /// How long one attempt may take, redirects included.
    pub timeout: Duration,
    /// Attachments at a time, from 1.
    pub concurrency: u32,
    /// When a failed attempt is repeated.
    pub retry: RetrySchedule,
}

/// How messages are sent.
#[derive(Clone)]
pub struct SendConfig {
    /// How long one request may take.
    pub timeout: Duration,
    /// Messages at a time, from 1.
    pub concurrency: u32,
    /// When a message that was surely not sent is tried again.
    pub retry: RetrySchedule,
}

impl EngineConfig {
    /// The lease that is used: long enough for a job to wait in hand, for its handler, and to be recorded.
    pub(crate) fn effective_lease(&self) -> Duration {
        let timeouts = self.destinations.iter().map(|(destination, _)| destination.timeout);
        let longest = timeouts.chain([self.media.timeout, self.send.timeout]).max().unwrap_or_default();
        self.lease.max(longest.saturating_add(RECORDING_MARGIN).saturating_add(HELD_AT_MOST))
    }
}

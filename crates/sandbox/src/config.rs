//! Settings of one sandbox; every number that Telnyx's sources contest is among them.

mod api;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use inlet_telnyx::PhoneNumber;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::fault::Fault;
use crate::message::carrier::CarrierSettings;
use crate::random::derive;
use crate::webhook::delivery::Content;

pub use api::{ApiSettings, RateLimitReset};

/// The name of the account that every sandbox has.
const DEFAULT_ACCOUNT: &str = "default";
/// The account number that every sandbox has first, unless told otherwise.
const DEFAULT_NUMBER: &str = "+15559876543";

/// The short code that every account has, unless told otherwise. No real one begins with 1.
const DEFAULT_SHORT_CODE: &str = "12345";

/// What a sandbox is started with. It prints its address only, because it may hold an API key.
#[derive(Clone)]
pub struct SandboxConfig {
    /// Address to listen on; port 0 takes any free port.
    pub listen: SocketAddr,
    /// Everything random is derived from it: equal seeds and equal calls give equal keys, ids and order.
    pub seed: [u8; 32],
    /// Webhook URL of the default messaging profile.
    pub webhook_url: Option<Url>,
    /// Failover URL of the default messaging profile.
    pub failover_url: Option<Url>,
    /// How webhooks are tried.
    pub retry: RetrySettings,
    /// Whether webhook bodies are compact JSON, or pretty-printed as captured ones are.
    pub compact_json: bool,
    /// Which time a signature names.
    pub signing_time: SigningTime,
    /// Faults that are active from the start, and again after a reset.
    pub faults: Vec<Fault>,
    /// The account's API key; derived from the seed when absent.
    pub api_key: Option<String>,
    /// The account's numbers that are on the default profile.
    pub numbers: Vec<PhoneNumber>,
    /// Short codes of the account, on the default profile.
    pub short_codes: Vec<String>,
    /// Numbers of the account that take no media (40308). Numbers outside of North America never do.
    pub sms_only_numbers: Vec<PhoneNumber>,
    /// Profiles besides the default one, with numbers of their own: two receivers can then text each other.
    pub further_profiles: Vec<ProfileSettings>,
    /// How Telnyx's API answers.
    pub api: ApiSettings,
    /// Whether media are served only to the account's bearer key. Telnyx's guide says so, real hosts do not.
    pub media_auth: bool,
    /// The name under which a media item carries its digest.
    pub media_digest_key: MediaDigestKey,
    /// How long media are kept on the sandbox's clock. Telnyx: 30 days.
    pub media_lifetime: Duration,
    /// HTTP status of media that are past their lifetime; 404 and 403 are both reported.
    pub expired_media_status: u16,
    /// Bytes of media kept; beyond it the oldest go, counted.
    pub media_capacity_bytes: usize,
    /// Whether `cc` holds plain strings, as the group page shows, or objects, as the API description says.
    pub cc_as_strings: bool,
    /// How carriers treat messages, and which of Telnyx's answers about them are contested.
    pub carrier: CarrierSettings,
    /// Time from acceptance of a message to `message.sent`.
    pub sent_delay: Duration,
    /// Time from `message.sent` to `message.finalized`.
    pub finalized_delay: Duration,
    /// HTTP status for an error code where the built-in one does not suit, as `("40300", 403)`.
    pub error_statuses: BTreeMap<String, u16>,
    /// Webhook attempts under way at one time; a stopped clock lets one go after the other, in a sure order.
    pub concurrent_attempts: usize,
    /// As many of them to one receiver, so that one that hangs does not hold up the others.
    pub attempts_per_receiver: usize,
    /// Events that may wait for delivery; beyond it texts are refused (40318 on Telnyx's API).
    pub pending_capacity: usize,
    /// Bytes of events that may wait for delivery; beyond it texts are refused in the same way.
    pub pending_capacity_bytes: usize,
    /// Bytes that are kept for reading of deliveries with their answers, and as many of messages; beyond it the
    /// oldest go, counted.
    pub log_capacity_bytes: usize,
    /// Deliveries that are kept for reading; beyond it the oldest finished ones go, counted.
    pub delivery_log_capacity: usize,
    /// Messages that are kept for reading; beyond it the oldest go, counted.
    pub message_log_capacity: usize,
    /// Further `Host` names that requests may carry, besides loopback and the bound address.
    pub allowed_hosts: Vec<String>,
    /// Origin at which others reach the sandbox, used in media URLs; the bound address when absent.
    pub public_url: Option<Url>,
    /// File that keeps the state between starts: read at the start, written after changes and at the end.
    pub state: Option<PathBuf>,
    /// Whether a state file that was begun with another seed is refused; otherwise its own seed goes on.
    pub refuse_other_seed: bool,
    /// Stops the sandbox's clock at a time; it then moves only when told to. Delays wait for that too.
    pub frozen_at: Option<Timestamp>,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: [0; 32],
            webhook_url: None,
            failover_url: None,
            retry: RetrySettings::default(),
            compact_json: false,
            signing_time: SigningTime::Wall,
            faults: Vec::new(),
            api_key: None,
            numbers: vec![DEFAULT_NUMBER.parse().expect("the default number is E.164")],
            short_codes: vec![DEFAULT_SHORT_CODE.to_owned()],
            sms_only_numbers: Vec::new(),
            further_profiles: Vec::new(),
            api: ApiSettings::default(),
            media_auth: false,
            media_digest_key: MediaDigestKey::HashSha256,
            media_lifetime: Duration::from_secs(30 * 24 * 60 * 60),
            expired_media_status: 404,
            media_capacity_bytes: 256 * 1024 * 1024,
            cc_as_strings: false,
            carrier: CarrierSettings::default(),
            // Real receipts follow each other within some 40 ms.
            sent_delay: Duration::from_millis(10),
            finalized_delay: Duration::from_millis(30),
            error_statuses: BTreeMap::new(),
            concurrent_attempts: 256,
            attempts_per_receiver: 16,
            pending_capacity: 20_000,
            pending_capacity_bytes: 64 * 1024 * 1024,
            log_capacity_bytes: 128 * 1024 * 1024,
            delivery_log_capacity: 20_000,
            message_log_capacity: 50_000,
            allowed_hosts: Vec::new(),
            public_url: None,
            state: None,
            refuse_other_seed: false,
            frozen_at: None,
        }
    }
}

impl fmt::Debug for SandboxConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxConfig").field("listen", &self.listen).finish_non_exhaustive()
    }
}

impl SandboxConfig {
    /// The account that every sandbox has.
    pub(crate) fn default_account(&self) -> AccountSettings {
        AccountSettings {
            name: DEFAULT_ACCOUNT.to_owned(),
            seed: self.seed,
            api_key: self.api_key.clone(),
            numbers: self.numbers.clone(),
            webhook_url: self.webhook_url.clone(),
            failover_url: self.failover_url.clone(),
            short_codes: self.short_codes.clone(),
            sms_only_numbers: self.sms_only_numbers.clone(),
            further_profiles: self.further_profiles.clone(),
        }
    }

    pub(crate) fn attempts_at_one_time(&self) -> usize {
        if self.frozen_at.is_some() { 1 } else { self.concurrent_attempts.max(1) }
    }

    /// Another account with a seed of its own, derived from the sandbox's and its name.
    pub fn further_account(&self, name: impl Into<String>) -> AccountSettings {
        let name = name.into();
        AccountSettings {
            seed: derive(&self.seed, &format!("account {name}")),
            name,
            api_key: None,
            numbers: vec![DEFAULT_NUMBER.parse().expect("the default number is E.164")],
            webhook_url: None,
            failover_url: None,
            short_codes: vec![DEFAULT_SHORT_CODE.to_owned()],
            sms_only_numbers: Vec::new(),
            further_profiles: Vec::new(),
        }
    }
}

/// What an account is opened with. It does not print itself, because it may hold an API key.
#[derive(Clone, Serialize, Deserialize)]
pub struct AccountSettings {
    /// Tells it apart from the others.
    pub name: String,
    /// Its keys and ids are derived from it.
    #[serde(with = "crate::base64_bytes")]
    pub seed: [u8; 32],
    /// Its API key; derived from the seed when absent.
    pub api_key: Option<String>,
    /// Its numbers that are on the default profile. Other accounts may have the same ones.
    pub numbers: Vec<PhoneNumber>,
    /// Webhook URL of its default profile.
    pub webhook_url: Option<Url>,
    /// Failover URL of its default profile.
    pub failover_url: Option<Url>,
    /// Its short codes, on the default profile.
    pub short_codes: Vec<String>,
    /// Its numbers that take no media.
    pub sms_only_numbers: Vec<PhoneNumber>,
    /// Profiles besides the default one.
    pub further_profiles: Vec<ProfileSettings>,
}

/// A messaging profile to start with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileSettings {
    /// Its name; its id is derived from it.
    pub name: String,
    /// Numbers of the account that are on it.
    pub numbers: Vec<PhoneNumber>,
    /// Its webhook URL.
    pub webhook_url: Option<Url>,
    /// Its failover URL.
    pub failover_url: Option<Url>,
}

/// How a webhook is tried. The default is Telnyx's guide: three tries at the primary URL, one at the failover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySettings {
    /// Tries at the primary URL; one is always made.
    pub attempts_primary: u32,
    /// Tries at the failover URL.
    pub attempts_failover: u32,
    /// Time for one try. The guide: two seconds.
    pub timeout: Duration,
    /// Time for one try of API version 1. The guide: five seconds.
    pub timeout_v1: Duration,
    /// Pause after the first failed try. Telnyx does not publish its own for messages; 30 s for 10DLC events.
    pub backoff: Duration,
    /// What the pauses after it are.
    pub growth: BackoffGrowth,
    /// Whether `meta.attempt` starts again at 1 at the failover URL.
    pub attempt_restarts_at_failover: bool,
    /// Whether only 200 counts as success, or any 2xx.
    pub success_is_only_200: bool,
}

impl RetrySettings {
    /// Three tries at the primary URL, one at the failover: "4 total", as Telnyx's guide says.
    pub fn guide() -> Self {
        Self::default()
    }

    /// Three tries at each URL, six in all, as Telnyx's page on webhooks says.
    pub fn runbook() -> Self {
        Self { attempts_failover: 3, ..Self::default() }
    }

    pub(crate) fn timeout_of(&self, content: &Content) -> Duration {
        if content.api_version() == "1" { self.timeout_v1 } else { self.timeout }
    }

    /// The pause after so many tries, of which there was at least one.
    pub(crate) fn pause_after(&self, tries: u32) -> Duration {
        match self.growth {
            BackoffGrowth::Fixed => self.backoff,
            BackoffGrowth::Exponential => {
                self.backoff.saturating_mul(1_u32.checked_shl(tries - 1).unwrap_or(u32::MAX))
            }
        }
    }
}

/// What the pauses between tries are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackoffGrowth {
    /// Each is twice the one before.
    Exponential,
    /// All are the same.
    Fixed,
}

/// Which time a signature names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningTime {
    /// The time of the world, which receivers check, however the sandbox's clock was moved.
    Wall,
    /// The sandbox's own time, as everything else.
    Sandbox,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            attempts_primary: 3,
            attempts_failover: 1,
            timeout: Duration::from_secs(2),
            timeout_v1: Duration::from_secs(5),
            backoff: Duration::from_secs(1),
            growth: BackoffGrowth::Exponential,
            attempt_restarts_at_failover: false,
            success_is_only_200: false,
        }
    }
}

/// Under which name a media item carries its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaDigestKey {
    /// `hash_sha256`, as in all real inbound bodies.
    HashSha256,
    /// `sha256`, as in Telnyx's guide.
    Sha256,
}

impl MediaDigestKey {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::HashSha256 => "hash_sha256",
            Self::Sha256 => "sha256",
        }
    }
}

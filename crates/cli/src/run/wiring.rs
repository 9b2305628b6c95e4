//! From the configuration to what each part of the gateway is told.

use std::sync::Arc;
use std::time::Duration;

use inlet_domain::{Destination, GuardLimits, RetrySchedule, Router};
use inlet_engine::{EngineConfig, MediaConfig, SendConfig, TelnyxConfig};
use inlet_server::{AdminConfig, IngestConfig, KeyRing};
use inlet_telnyx::SigningKey;
use reqwest::Url;
use secrecy::SecretString;

use crate::config::{Config, PAIR_WINDOW, default_retry};

const MEDIA_TIMEOUT: Duration = Duration::from_secs(30);
const MEDIA_CONCURRENCY: u32 = 4;
const SEND_TIMEOUT: Duration = Duration::from_secs(15);
const SEND_CONCURRENCY: u32 = 4;
// A message that is a quarter of an hour late is better looked at by a person.
const SEND_RETRY: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(10),
];
const POLL: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_secs(60);
const BREAKER_PAUSE: Duration = Duration::from_secs(60);
// Somebody watches, and the schedule of `dev` is a matter of seconds.
const BREAKER_PAUSE_DEV: Duration = Duration::from_secs(1);

// The budget that the documentation promises: three replies to a pair in ten minutes.
const PAIR_BUDGET: i64 = 3;
// Ten a second is more than a number can send; beyond it something runs wild.
const GLOBAL_CAP: i64 = 600;
const GLOBAL_WINDOW: Duration = Duration::from_mins(1);

/// What `serve` and `dev` have in common, and where they differ.
pub(super) struct Wiring {
    /// The configuration; in `dev` with the sandbox put in.
    pub(super) config: Config,
    /// What only `dev` has.
    pub(super) dev: Option<DevWiring>,
}

/// What only `dev` has: events without a signature from this machine, receipts at its own address, short schedules.
pub(super) struct DevWiring {
    /// The sandbox's origin: media may be fetched there although it is loopback.
    pub(super) sandbox_origin: Url,
    /// When failed work is tried again, unless a destination has its own schedule.
    pub(super) retry: RetrySchedule,
}

impl Wiring {
    /// What the webhook listener is told.
    pub(super) fn ingest(&self) -> IngestConfig {
        let webhooks = &self.config.webhooks;
        IngestConfig {
            listen: webhooks.listen,
            path: webhooks.path.clone(),
            keys: webhooks.public_keys.clone(),
            tolerance_seconds: webhooks.tolerance.as_secs(),
            allow_unsigned: self.dev.is_some(),
            max_connections: webhooks.max_connections,
            max_connections_per_ip: webhooks.max_connections_per_ip,
            ..IngestConfig::default()
        }
    }

    /// What the admin listener is told.
    pub(super) fn admin(&self, keys: KeyRing) -> AdminConfig {
        let admin = &self.config.admin;
        AdminConfig {
            listen: admin.listen,
            token: admin.token.clone(),
            allowed_hosts: admin.allowed_hosts.clone(),
            destinations: self.destinations().collect(),
            guard: Arc::new(self.guard()),
            keys,
        }
    }

    /// What the engine is told.
    pub(super) fn engine(
        &self,
        destinations: Vec<(Destination, SecretString)>,
        signing_key: Arc<SigningKey>,
        own_webhooks_url: Url,
    ) -> EngineConfig {
        let config = &self.config;
        let router = Router { destinations: self.destinations().collect(), replies: config.replies.clone() };
        EngineConfig {
            router: Arc::new(router),
            destinations,
            signing_key,
            telnyx: TelnyxConfig {
                base_url: config.telnyx.base_url.clone(),
                api_key: config.telnyx.api_key.clone(),
                messaging_profile_id: config.telnyx.messaging_profile_id.clone(),
            },
            public_url: match self.dev {
                Some(_) => Some(own_webhooks_url),
                None => config.webhooks.public_url.clone(),
            },
            media: self.media(),
            send: self.send(),
            guard: self.guard(),
            poll: POLL,
            lease: LEASE,
            breaker_pause_max: if self.dev.is_some() { BREAKER_PAUSE_DEV } else { BREAKER_PAUSE },
            keep_jobs: config.retention.jobs,
            keep_events: config.retention.events,
            keep_messages: config.retention.messages,
        }
    }

    fn destinations(&self) -> impl Iterator<Item = Destination> {
        self.config.destinations.iter().map(|configured| configured.destination.clone())
    }

    fn media(&self) -> MediaConfig {
        let media = &self.config.media;
        MediaConfig {
            key_hosts: media.key_hosts.clone(),
            trusted_origin: self.dev.as_ref().map(|dev| dev.sandbox_origin.clone()),
            max_bytes: media.max_bytes,
            timeout: MEDIA_TIMEOUT,
            concurrency: MEDIA_CONCURRENCY,
            retry: media.retry.clone().unwrap_or_else(|| self.retry_or(default_retry)),
        }
    }

    fn send(&self) -> SendConfig {
        SendConfig {
            timeout: SEND_TIMEOUT,
            concurrency: SEND_CONCURRENCY,
            retry: self.retry_or(|| RetrySchedule::new(SEND_RETRY.to_vec())),
        }
    }

    fn retry_or(&self, usual: impl FnOnce() -> RetrySchedule) -> RetrySchedule {
        self.dev.as_ref().map_or_else(usual, |dev| dev.retry.clone())
    }

    fn guard(&self) -> GuardLimits {
        let rule =
            |rule: &inlet_domain::ReplyRule| (rule.name.clone(), (rule.cooldown, rule.same_text_limit));
        GuardLimits {
            numbers: self.config.telnyx.numbers.clone(),
            window: PAIR_WINDOW,
            pair_budget: PAIR_BUDGET,
            global_cap: GLOBAL_CAP,
            global_window: GLOBAL_WINDOW,
            answer_unsigned: false,
            rules: self.config.replies.iter().map(rule).collect(),
        }
    }
}

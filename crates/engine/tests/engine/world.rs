//! One gateway without its listeners: a store, an archive, a clock that is moved by hand, and an engine.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use inlet_domain::{
    Attempt, Clock, Destination, Entropy, Format, GuardLimits, Job, JobFilter, JobId, JobKind, JobState,
    NewEvent, PageRequest, ReplyRule, RetrySchedule, Router, Source, Timestamp,
};
use inlet_engine::{Engine, EngineConfig, MediaConfig, SendConfig, TelnyxConfig};
use inlet_store::{Blobs, EventLog, SqliteConfig, SqliteStore, Store};
use inlet_telnyx::SigningKey;
use prometheus_client::registry::Registry;
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;
use url::Url;

pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub const PHONE: &str = "+15551234567";
pub const OUR_NUMBER: &str = "+15559876543";
pub const API_KEY: &str = "KEY-of-the-test";
// Long enough for a busy machine; nothing waits for it when all is well.
const BOUND: Duration = Duration::from_secs(30);

pub static SIGNING_KEY: LazyLock<Arc<SigningKey>> =
    LazyLock::new(|| Arc::new(SigningKey::from_seed(&[7; 32]).unwrap()));

/// A clock that stands still until it is moved.
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// The same bytes in every run.
pub struct Seeded(AtomicU64);

impl Entropy for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            let mut x = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *byte = (x ^ (x >> 31)) as u8;
        }
    }
}

/// What a test sets before the engine starts.
pub struct Setup {
    pub destinations: Vec<Destination>,
    pub replies: Vec<ReplyRule>,
    pub telnyx: Url,
    pub api_key: Option<&'static str>,
    pub public_url: Option<Url>,
    pub trusted_origin: Option<Url>,
    pub max_media_bytes: u64,
    pub media_retry: RetrySchedule,
    pub send_timeout: Duration,
    pub send_retry: RetrySchedule,
    pub breaker_pause_max: Duration,
    pub poll: Duration,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            destinations: Vec::new(),
            replies: Vec::new(),
            // Nobody listens on port 1.
            telnyx: "http://127.0.0.1:1/v2".parse().unwrap(),
            api_key: Some(API_KEY),
            public_url: Some("https://texts.example.com/webhooks".parse().unwrap()),
            trusted_origin: None,
            max_media_bytes: 10 * 1_024 * 1_024,
            media_retry: schedule(&["0s", "5s", "5m", "30m"]),
            send_timeout: Duration::from_secs(10),
            send_retry: schedule(&["0s", "10s", "1m"]),
            breaker_pause_max: Duration::from_secs(60),
            poll: Duration::from_millis(20),
        }
    }
}

impl Setup {
    pub fn to(destination: Destination) -> Self {
        Self { destinations: vec![destination], ..Self::default() }
    }

    fn config(&self) -> EngineConfig {
        let router = Router { destinations: self.destinations.clone(), replies: self.replies.clone() };
        let rules =
            self.replies.iter().map(|rule| (rule.name.clone(), (rule.cooldown, rule.same_text_limit)));
        let secret = || SecretString::from(SECRET);
        EngineConfig {
            router: Arc::new(router),
            destinations: self.destinations.iter().map(|one| (one.clone(), secret())).collect(),
            signing_key: Arc::clone(&SIGNING_KEY),
            telnyx: TelnyxConfig {
                base_url: self.telnyx.clone(),
                api_key: self.api_key.map(SecretString::from),
                messaging_profile_id: None,
            },
            public_url: self.public_url.clone(),
            media: MediaConfig {
                key_hosts: vec!["media.telnyx.com".into()],
                trusted_origin: self.trusted_origin.clone(),
                max_bytes: self.max_media_bytes,
                timeout: Duration::from_secs(10),
                concurrency: 4,
                retry: self.media_retry.clone(),
            },
            send: SendConfig { timeout: self.send_timeout, concurrency: 4, retry: self.send_retry.clone() },
            guard: GuardLimits {
                numbers: Vec::new(),
                window: Duration::from_secs(600),
                pair_budget: 3,
                global_cap: 60,
                global_window: Duration::from_secs(60),
                answer_unsigned: false,
                rules: rules.collect::<HashMap<_, _>>(),
            },
            poll: self.poll,
            lease: Duration::from_secs(60),
            breaker_pause_max: self.breaker_pause_max,
            keep_jobs: None,
            keep_events: None,
            keep_messages: None,
        }
    }
}

/// The gateway.
pub struct World {
    pub store: Arc<SqliteStore>,
    pub blobs: Blobs,
    pub clock: Arc<ManualClock>,
    entropy: Arc<Seeded>,
    setup: Setup,
    engine: Option<Engine>,
    registry: Registry,
    _folder: TempDir,
}

impl World {
    pub async fn start(setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).await;
        let blobs = Blobs::open(folder.path().join("media").to_str().unwrap()).unwrap();
        let clock = Arc::new(ManualClock(AtomicI64::new(1_767_225_600_000_000)));
        let entropy = Arc::new(Seeded(AtomicU64::new(1)));
        let mut world = Self {
            store,
            blobs,
            clock,
            entropy,
            setup,
            engine: None,
            registry: Registry::default(),
            _folder: folder,
        };
        world.start_engine();
        world
    }

    pub fn start_engine(&mut self) {
        let engine = Engine::start(
            self.setup.config(),
            self.store.clone(),
            self.blobs.clone(),
            self.clock.clone(),
            self.entropy.clone(),
            &mut self.registry,
        );
        self.engine = Some(engine.unwrap());
    }

    pub async fn stop_engine(&mut self, grace: Duration) {
        self.engine.take().unwrap().shutdown(grace).await;
    }

    /// What `/metrics` would say.
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }

    pub fn drop_engine(&mut self) {
        self.engine = None;
    }

    pub fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    pub async fn record(&self, id: &str, body: impl Into<Bytes>) {
        self.record_from(Source::Telnyx, id, body).await;
    }

    pub async fn record_from(&self, source: Source, id: &str, body: impl Into<Bytes>) {
        let received_at = self.clock.now();
        let event = NewEvent { id: id.to_owned(), source, received_at, body: body.into() };
        self.store.record_event(event).await.unwrap();
    }

    /// Somebody texts us.
    pub async fn text(&self, id: &str, text: &str) {
        self.record(id, received(id, text, json!([]))).await;
    }

    pub async fn jobs(&self, kind: JobKind) -> Vec<Job> {
        let filter = JobFilter { kind: Some(kind), ..JobFilter::default() };
        let page = PageRequest { limit: 1_000, cursor: None };
        self.store.jobs(filter, page).await.unwrap().data
    }

    /// The only job of its kind.
    pub async fn job(&self, kind: JobKind) -> Option<Job> {
        let mut jobs = self.jobs(kind).await;
        assert!(jobs.len() <= 1, "{jobs:?}");
        jobs.pop()
    }

    pub async fn attempts(&self, id: JobId) -> Vec<Attempt> {
        self.store.job(id).await.unwrap().unwrap().1
    }

    /// Waits until the only job of its kind is in this state after so many attempts.
    pub async fn job_is(&self, kind: JobKind, state: JobState, attempts: i64) -> Job {
        let is_it = |job: &Job| job.state == state && job.attempts == attempts;
        self.eventually(&format!("{kind} {state} after {attempts}"), async || {
            self.job(kind).await.filter(is_it)
        })
        .await
    }

    /// Moves the clock to when the only job of its kind is due again.
    pub async fn advance_to_retry(&self, kind: JobKind) {
        let due_at = self.job(kind).await.unwrap().due_at;
        self.clock.advance(due_at.since(self.clock.now()));
    }

    /// Waits for a condition, within a bound.
    pub async fn eventually<T>(&self, what: &str, condition: impl AsyncFn() -> Option<T>) -> T {
        let deadline = Instant::now() + BOUND;
        let mut changes = self.store.changes();
        loop {
            changes.borrow_and_update();
            if let Some(value) = condition().await {
                return value;
            }
            if Instant::now() > deadline {
                let jobs = self.store.jobs(JobFilter::default(), PageRequest::default()).await;
                panic!("never came about: {what}; jobs: {jobs:#?}");
            }
            // A commit, or a look every few milliseconds for what is not in the store.
            let _ = tokio::time::timeout(Duration::from_millis(5), changes.changed()).await;
        }
    }

    /// Waits until something holds.
    pub async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        self.eventually(what, async || condition().then_some(())).await;
    }
}

pub async fn open(folder: &TempDir) -> Arc<SqliteStore> {
    let config = SqliteConfig {
        path: folder.path().join("inlet.db"),
        migrate: true,
        queue: 100_000,
        readers: 2,
        background_thread: || {},
        on_fatal: Arc::new(|reason| panic!("{reason}")),
    };
    Arc::new(SqliteStore::open(config).await.unwrap())
}

pub fn schedule(waits: &[&str]) -> RetrySchedule {
    RetrySchedule::parse(&waits.iter().map(|wait| (*wait).to_owned()).collect::<Vec<_>>()).unwrap()
}

pub fn destination(name: &str, url: Url) -> Destination {
    Destination {
        name: name.to_owned(),
        url,
        events: Vec::new(),
        when: None,
        format: Format::Telnyx,
        retry: schedule(&["0s", "5s", "5m"]),
        timeout: Duration::from_secs(10),
        concurrency: 4,
        ordered: false,
    }
}

/// The body of an inbound message, as Telnyx writes it.
pub fn received(id: &str, text: &str, media: Value) -> String {
    let body = json!({
        "data": {
            "event_type": "message.received",
            "id": id,
            "occurred_at": "2026-01-01T00:00:00.000+00:00",
            "payload": {
                "direction": "inbound",
                "from": {"phone_number": PHONE, "carrier": "", "line_type": "Wireless"},
                "id": format!("{id}-message"),
                "media": media,
                "record_type": "message",
                "text": text,
                "to": [{"phone_number": OUR_NUMBER, "carrier": "Telnyx", "line_type": "Wireless"}],
                "type": "SMS",
            },
            "record_type": "event",
        },
        "meta": {"attempt": 1, "delivered_to": "https://texts.example.com/webhooks"},
    });
    format!("{body:#}")
}

//! One life of the simulated process: the real store and the real handlers, driven one step at a time.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use inlet_domain::{
    ClaimedJob, Clock, Destination, Entropy, Format, GuardLimits, Lane, NewEvent, ReplyRule, RetrySchedule,
    Router, Source, Template,
};
use inlet_store::{Blobs, Claim, ClaimLane, EventLog, SqliteConfig, SqliteStore, Store, StoreError};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::fate::{Chance, Fate, MortalStore, MovedClock};
use super::outside::{Outside, Recipient};
use crate::config::{MediaConfig, TelnyxConfig};
use crate::deliver::{DeliverHandler, Target};
use crate::job_run::{Handlers, JobRunner};
use crate::lanes::Lanes;
use crate::media::MediaHandler;
use crate::metrics::Metrics;
use crate::outbound::Outbound;
use crate::recorder::Recorder;
use crate::retention::Retention;
use crate::send::SendHandler;
use crate::telnyx_api::{TelnyxApi, bearer};
use crate::wake::Wake;

pub(crate) const DESTINATIONS: [&str; 2] = ["crm", "archive"];
pub(crate) const LEASE: Duration = Duration::from_secs(60);
pub(crate) const SHORT_LEASE: Duration = Duration::from_secs(10);

/// What all lives share.
pub(crate) struct Surroundings {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) outside: Arc<Outside>,
    pub(crate) clock: Arc<MovedClock>,
    pub(crate) chance: Arc<Chance>,
    pub(crate) telnyx: Url,
    pub(crate) outbound: Arc<Outbound>,
    pub(crate) router: Arc<Router>,
}

impl Surroundings {
    pub(crate) async fn new(seed: u64) -> Self {
        let chance = Arc::new(Chance::new(seed));
        let outside = Outside::new(Arc::clone(&chance));
        let telnyx = outside.listen().await;
        let outbound = Arc::new(Outbound::new(Some(&telnyx), Default::default()).unwrap());
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(MovedClock::default()));
        Self { folder, outside, clock, chance, telnyx, outbound, router: Arc::new(router()) }
    }
}

fn router() -> Router {
    let answer = ReplyRule {
        name: "echo".into(),
        keywords: Vec::new(),
        numbers: Vec::new(),
        when: None,
        text: Template::compile("answer to {{ text }}").unwrap(),
        cooldown: Duration::ZERO,
        same_text_limit: 1,
    };
    Router { destinations: DESTINATIONS.map(destination).to_vec(), replies: vec![answer] }
}

fn destination(name: &str) -> Destination {
    Destination {
        name: name.to_owned(),
        url: "http://simulated.test/".parse().unwrap(),
        events: Vec::new(),
        when: None,
        format: Format::Telnyx,
        retry: schedule(),
        timeout: Duration::from_secs(30),
        concurrency: 4,
        ordered: name == "archive",
    }
}

fn schedule() -> RetrySchedule {
    RetrySchedule::new([0, 5, 60, 600].map(Duration::from_secs).to_vec())
}

/// One life.
pub(crate) struct Process {
    pub(crate) store: Arc<MortalStore>,
    pub(crate) blobs: Blobs,
    pub(crate) fate: Arc<Fate>,
    clock: Arc<MovedClock>,
    router: Arc<Router>,
    runner: JobRunner,
    recorder: Recorder,
}

impl Process {
    /// Starts on what the life before has left behind.
    pub(crate) async fn start(around: &Surroundings) -> Self {
        let fate = Arc::new(Fate::immortal());
        let store =
            Arc::new(MortalStore { inner: open(around.folder.path()).await, fate: Arc::clone(&fate) });
        let blobs = Blobs::open(around.folder.path().join("media").to_str().unwrap()).unwrap();
        let lanes = Arc::new(Lanes::new(Duration::from_secs(60)));
        lane_names().into_iter().for_each(|lane| lanes.add(lane, 4, false));
        around.outside.serve(Arc::clone(&fate));
        let runner = runner(around, &store, &blobs, &lanes);
        let recorder = Recorder {
            store: Arc::clone(&store) as Arc<dyn Store>,
            metrics: Arc::clone(&runner.metrics),
            abort: runner.abort.clone(),
        };
        let (clock, router) = (Arc::clone(&around.clock), Arc::clone(&around.router));
        let process = Self { store, blobs, fate, clock, router, runner, recorder };
        process.store.inner.recover_leases(process.clock.now()).await.unwrap();
        process
    }

    /// Does something, unless the process dies over it.
    pub(crate) async fn survive<T>(&self, deed: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.fate.death() => None,
            value = deed => Some(value),
        }
    }

    /// Stores an event. `Ok` is the moment of the acknowledgement.
    pub(crate) async fn record(&self, id: &str, body: &str) -> Result<(), StoreError> {
        let event = NewEvent {
            id: id.to_owned(),
            source: Source::Telnyx,
            received_at: self.clock.now(),
            body: Bytes::from(body.to_owned()),
        };
        self.store.record_event(event).await.map(drop)
    }

    pub(crate) async fn route(&self, limit: u32) -> bool {
        self.store.route_events(Arc::clone(&self.router), limit, self.clock.now()).await.unwrap().more
    }

    pub(crate) async fn claim(&self, limit: u32) -> Vec<ClaimedJob> {
        let lanes = lane_names().into_iter().map(|lane| {
            let ordered = lane == Lane::Destination("archive".into());
            ClaimLane { lane, limit, ordered }
        });
        let claim = Claim { lanes: lanes.collect(), now: self.clock.now(), lease: LEASE };
        self.store.claim_due(claim).await.unwrap()
    }

    /// Cuts handlers off sooner than their own timeouts would.
    pub(crate) fn shorten_lease(&mut self, lease: Duration) {
        self.runner.lease = lease;
    }

    /// Lets the time of every handler that runs be over, within one step of a process whose lease is
    /// [`SHORT_LEASE`]: short enough that no timeout of the outgoing client is over too.
    pub(crate) async fn outlast_handlers(&self) {
        tokio::time::pause();
        tokio::time::advance(SHORT_LEASE).await;
        tokio::time::resume();
    }

    /// The grace is over: every handler that runs is cut off, and the process is about to end.
    pub(crate) fn end_grace(&self) {
        self.runner.abort.cancel();
    }

    /// The loop that deletes what is older than this.
    pub(crate) fn retention(&self, keep: Duration, poll: Duration, stop: &CancellationToken) -> Retention {
        Retention {
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            blobs: self.blobs.clone(),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            metrics: self.metrics(),
            wake: Wake::new(self.store.changes(), stop.clone()),
            poll,
            keep_jobs: Some(keep),
            keep_events: Some(keep),
            keep_messages: Some(keep),
        }
    }

    pub(crate) fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.runner.metrics)
    }

    pub(crate) async fn run(&self, job: ClaimedJob) {
        if let Some(ended) = self.runner.attempt(job).await {
            self.recorder.record(vec![ended]).await;
        }
    }
}

fn lane_names() -> Vec<Lane> {
    let destinations = DESTINATIONS.map(|name| Lane::Destination(name.into()));
    destinations.into_iter().chain([Lane::Media, Lane::Send]).collect()
}

async fn open(folder: &Path) -> SqliteStore {
    let config = SqliteConfig {
        path: folder.join("inlet.db"),
        migrate: true,
        queue: 1_000,
        readers: 1,
        background_thread: || {},
        on_fatal: Arc::new(|reason| panic!("{reason}")),
    };
    // The writer of the life before lets go of the lock a moment after its store was dropped.
    for _ in 0..10_000 {
        match SqliteStore::open(config.clone()).await {
            Ok(store) => return store,
            Err(StoreError::Open { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the store stays locked");
}

fn runner(around: &Surroundings, store: &Arc<MortalStore>, blobs: &Blobs, lanes: &Arc<Lanes>) -> JobRunner {
    let store: Arc<dyn Store> = Arc::clone(store) as Arc<dyn Store>;
    let clock: Arc<dyn Clock> = Arc::clone(&around.clock) as Arc<dyn Clock>;
    let entropy: Arc<dyn Entropy> = Arc::clone(&around.chance) as Arc<dyn Entropy>;
    let targets = DESTINATIONS.map(|name| {
        let kind = Box::new(Recipient { name: name.into(), outside: Arc::clone(&around.outside) });
        (name.to_owned(), Target { config: destination(name), kind })
    });
    let deliver = DeliverHandler {
        targets: HashMap::from(targets),
        clock: Arc::clone(&clock),
        entropy: Arc::clone(&entropy),
    };
    let handlers =
        Handlers { deliver, media: media_handler(around, &store, blobs), send: send_handler(around, &store) };
    JobRunner {
        handlers: Arc::new(handlers),
        store,
        lanes: Arc::clone(lanes),
        // Nothing goes through it: each step records what it has run.
        outcomes: tokio::sync::mpsc::channel(1).0,
        metrics: Arc::new(Metrics::register(&mut Registry::default())),
        clock,
        entropy,
        lease: LEASE,
        abort: CancellationToken::new(),
    }
}

fn media_handler(around: &Surroundings, store: &Arc<dyn Store>, blobs: &Blobs) -> MediaHandler {
    let config = MediaConfig {
        key_hosts: Vec::new(),
        trusted_origin: Some(around.telnyx.clone()),
        max_bytes: 1_000,
        timeout: Duration::from_secs(30),
        concurrency: 4,
        retry: schedule(),
    };
    MediaHandler {
        store: Arc::clone(store),
        blobs: blobs.clone(),
        outbound: Arc::clone(&around.outbound),
        config,
        bearer: None,
        clock: Arc::clone(&around.clock) as Arc<dyn Clock>,
        entropy: Arc::clone(&around.chance) as Arc<dyn Entropy>,
    }
}

fn send_handler(around: &Surroundings, store: &Arc<dyn Store>) -> SendHandler {
    let config = TelnyxConfig { base_url: around.telnyx.clone(), api_key: None, messaging_profile_id: None };
    let (bearer, public_url) =
        (bearer(&"KEY".into()).unwrap(), "https://texts.test/webhooks".parse().unwrap());
    let outbound = Arc::clone(&around.outbound);
    let api = TelnyxApi::new(&config, bearer, Some(public_url), Duration::from_secs(30), outbound);
    let limits = GuardLimits {
        numbers: Vec::new(),
        window: Duration::from_secs(600),
        pair_budget: 3,
        global_cap: 1_000,
        global_window: Duration::from_secs(60),
        answer_unsigned: false,
        rules: HashMap::new(),
    };
    SendHandler {
        store: Arc::clone(store),
        api: Some(api),
        limits: Arc::new(limits),
        retry: schedule(),
        lease: LEASE,
        clock: Arc::clone(&around.clock) as Arc<dyn Clock>,
        entropy: Arc::clone(&around.chance) as Arc<dyn Entropy>,
    }
}

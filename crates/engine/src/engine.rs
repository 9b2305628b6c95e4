//! Starts the engine's loops over one store, and ends them in good order.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use inlet_domain::{Clock, Entropy, Lane};
use inlet_store::{Blobs, Store};
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::behind::Behind;
use crate::config::EngineConfig;
use crate::deliver::{DeliverHandler, Target};
use crate::destinations::{self, DestinationError};
use crate::dispatch::Dispatcher;
use crate::job_run::{Handlers, JobRunner};
use crate::lanes::Lanes;
use crate::maintenance::Maintenance;
use crate::media::MediaHandler;
use crate::metrics::Metrics;
use crate::outbound::Outbound;
use crate::recorder::{Recorder, WAITING_OUTCOMES};
use crate::retention::Retention;
use crate::router::RouterTask;
use crate::send::SendHandler;
use crate::telnyx_api::{TelnyxApi, bearer};
use crate::wake::Wake;

// The rest of the grace is for returning to the queue what did not end in time.
const HANDLERS_SHARE: f64 = 0.8;
// A claim may be on its way, and returning jobs takes one commit more; a store that cannot make both in this time will
// not make them at all.
const LEAST_RETURNING_TIME: Duration = Duration::from_millis(1500);

/// The engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A destination cannot be used as configured.
    #[error("destination `{name}` cannot be used")]
    Destination {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: DestinationError,
    },
    /// The API key holds characters that no HTTP header can carry.
    #[error("the Telnyx API key is not a key: it holds a line break or another control character")]
    ApiKey,
    /// The HTTP client cannot be made.
    #[error("cannot set up the outgoing HTTP client")]
    Client(#[source] reqwest::Error),
}

/// A running engine. Dropping it cuts its work off; [`Engine::shutdown`] ends it in good order.
pub struct Engine {
    loops: TaskTracker,
    jobs: TaskTracker,
    stop: CancellationToken,
    /// Cancelled when the grace is over: handlers are cut off.
    abort: CancellationToken,
    /// Cancelled when the engine is dropped: ends a loop even in the middle of a store operation, and handlers too.
    dropped: CancellationToken,
}

/// What every part needs.
struct Parts {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    metrics: Arc<Metrics>,
    outbound: Arc<Outbound>,
}

impl Engine {
    /// Starts routing and running jobs. Needs a tokio runtime around it.
    pub fn start(
        config: EngineConfig,
        store: Arc<dyn Store>,
        blobs: Blobs,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        metrics: &mut Registry,
    ) -> Result<Self, EngineError> {
        let metrics = Arc::new(Metrics::register(metrics));
        let trusted_origin = config.media.trusted_origin.as_ref();
        let outbound = Outbound::new(trusted_origin, metrics.addresses_blocked.clone());
        let outbound = Arc::new(outbound.map_err(EngineError::Client)?);
        let parts = Parts { store, clock, entropy, metrics, outbound };
        let handlers = Arc::new(parts.handlers(&config, blobs.clone())?);
        let dropped = CancellationToken::new();
        let engine = Self {
            loops: TaskTracker::new(),
            jobs: TaskTracker::new(),
            stop: CancellationToken::new(),
            abort: dropped.child_token(),
            dropped,
        };
        engine.spawn_loops(&config, parts, handlers, blobs);
        Ok(engine)
    }

    fn spawn_loops(&self, config: &EngineConfig, parts: Parts, handlers: Arc<Handlers>, blobs: Blobs) {
        let Parts { store, clock, entropy, metrics, .. } = parts;
        let (lanes, lease, poll) = (Arc::new(lanes(config)), config.effective_lease(), config.poll);
        let wake = || Wake::new(store.changes(), self.stop.clone());
        let (outcomes, ended) = mpsc::channel(WAITING_OUTCOMES);
        let recorder =
            Recorder { store: Arc::clone(&store), metrics: Arc::clone(&metrics), abort: self.abort.clone() };
        // It ends by itself, after the last job.
        self.jobs.spawn(recorder.run(ended));
        let runner = JobRunner {
            handlers,
            store: Arc::clone(&store),
            lanes: Arc::clone(&lanes),
            outcomes,
            metrics: Arc::clone(&metrics),
            clock: Arc::clone(&clock),
            entropy,
            lease,
            abort: self.abort.clone(),
        };
        let dispatcher = Dispatcher {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            lanes,
            runner: Arc::new(runner),
            metrics: Arc::clone(&metrics),
            wake: wake(),
            tracker: self.jobs.clone(),
            poll,
            lease,
        };
        let router = RouterTask {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            router: Arc::clone(&config.router),
            metrics: Arc::clone(&metrics),
            wake: wake(),
            poll,
        };
        let behind = Behind { store: Arc::clone(&store), metrics: Arc::clone(&metrics), wake: wake(), poll };
        let retention = Retention {
            store: Arc::clone(&store),
            blobs,
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
            wake: wake(),
            poll,
            keep_jobs: config.keep_jobs,
            keep_events: config.keep_events,
            keep_messages: config.keep_messages,
        };
        let (wake, rules) = (wake(), Arc::clone(&config.router));
        let maintenance = Maintenance { store, clock, router: rules, metrics, wake, poll };
        self.spawn_loop(router.run());
        self.spawn_loop(dispatcher.run());
        self.spawn_loop(behind.run());
        self.spawn_loop(retention.run());
        self.spawn_loop(maintenance.run());
    }

    fn spawn_loop(&self, run: impl Future<Output = ()> + Send + 'static) {
        let dropped = self.dropped.clone();
        self.loops.spawn(async move {
            dropped.run_until_cancelled(run).await;
        });
    }

    /// Stops claiming, lets handlers finish, then cuts off and returns to the queue what is left. A message on its way
    /// to Telnyx is not returned: without its answer it becomes `unknown` when its lease ends.
    pub async fn shutdown(self, grace: Duration) {
        let started_at = tokio::time::Instant::now();
        self.stop.cancel();
        self.loops.close();
        self.jobs.close();
        let ended = async {
            self.loops.wait().await;
            self.jobs.wait().await;
        };
        let mut ended = std::pin::pin!(ended);
        if tokio::time::timeout(grace.mul_f64(HANDLERS_SHARE), &mut ended).await.is_ok() {
            return;
        }
        // One of the tasks is the recorder.
        let count = self.jobs.len().saturating_sub(1);
        warn!(count, "{count} jobs did not end in time and are cut off");
        self.abort.cancel();
        // The claiming loop too may have to return what it claimed ahead.
        let rest = grace.saturating_sub(started_at.elapsed()).max(LEAST_RETURNING_TIME);
        if tokio::time::timeout(rest, ended).await.is_err() {
            error!("not everything ended in time; leases of jobs that could not be returned will end");
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop.cancel();
        self.dropped.cancel();
    }
}

impl Parts {
    fn handlers(&self, config: &EngineConfig, blobs: Blobs) -> Result<Handlers, EngineError> {
        let api_key = config.telnyx.api_key.as_ref();
        let bearer = api_key.map(bearer).transpose().map_err(|_| EngineError::ApiKey)?;
        let media = MediaHandler {
            store: Arc::clone(&self.store),
            blobs,
            outbound: Arc::clone(&self.outbound),
            config: config.media.clone(),
            bearer: bearer.clone(),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
        };
        Ok(Handlers {
            deliver: self.deliver_handler(config)?,
            media,
            send: self.send_handler(config, bearer),
        })
    }

    fn deliver_handler(&self, config: &EngineConfig) -> Result<DeliverHandler, EngineError> {
        let shared = destinations::Shared::new(Arc::clone(&config.signing_key), Arc::clone(&self.outbound));
        let mut targets = HashMap::new();
        for (destination, secret) in &config.destinations {
            let name = destination.name.clone();
            let kind = destinations::build(destination, secret, &shared)
                .map_err(|source| EngineError::Destination { name: name.clone(), source })?;
            info!(destination = %name, "destination {name} is reached by {}", kind.name());
            targets.insert(name, Target { config: destination.clone(), kind });
        }
        let (clock, entropy) = (Arc::clone(&self.clock), Arc::clone(&self.entropy));
        Ok(DeliverHandler { targets, clock, entropy })
    }

    fn send_handler(&self, config: &EngineConfig, bearer: Option<HeaderValue>) -> SendHandler {
        let (public_url, timeout) = (config.public_url.clone(), config.send.timeout);
        let api = bearer.map(|bearer| {
            TelnyxApi::new(&config.telnyx, bearer, public_url, timeout, Arc::clone(&self.outbound))
        });
        SendHandler {
            store: Arc::clone(&self.store),
            api,
            limits: Arc::new(config.guard.clone()),
            retry: config.send.retry.clone(),
            lease: config.effective_lease(),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
        }
    }
}

fn lanes(config: &EngineConfig) -> Lanes {
    let lanes = Lanes::new(config.breaker_pause_max);
    for (destination, _) in &config.destinations {
        let lane = Lane::Destination(destination.name.clone());
        lanes.add(lane, destination.concurrency, destination.ordered);
    }
    lanes.add(Lane::Media, config.media.concurrency, false);
    lanes.add(Lane::Send, config.send.concurrency, false);
    lanes
}

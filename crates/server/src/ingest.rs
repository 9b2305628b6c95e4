//! The webhook listener: a verified event is stored before it is acknowledged; anything else is refused with a reason.

mod body;
mod checks;
mod local;
mod metrics;
mod outage;
mod receive;
mod refusal;
mod rejections;
mod skew;
mod status;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use inlet_domain::{Clock, Entropy};
use inlet_store::EventLog;
use inlet_telnyx::{DEFAULT_TOLERANCE_SECONDS, PublicKey};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::ServerError;
use crate::listener::{Bound, Limits, Listener};
pub(crate) use metrics::IngestCounts;
use receive::Receiver;
pub use status::IngestStatus;

/// How webhooks are received.
#[derive(Debug, Clone)]
pub struct IngestConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The one path webhooks come to.
    pub path: String,
    /// Keys whose signatures are accepted; several while Telnyx's key is being changed.
    pub keys: Vec<PublicKey>,
    /// How far the signed time may be from our clock, either way, ends included.
    pub tolerance_seconds: u64,
    /// Whether requests without a signature are taken from this machine. Only `inlet dev` sets it.
    pub allow_unsigned: bool,
    /// Connections open at a time.
    pub max_connections: usize,
    /// Connections open at a time from one address. `None` where a proxy stands in front.
    pub max_connections_per_ip: Option<usize>,
    /// The longest body.
    pub max_body_bytes: usize,
    /// From the first byte of the head to the answer. Telnyx gives up after two seconds.
    pub deadline: Duration,
    /// How long a connection may be without a request.
    pub idle_timeout: Duration,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 5000)),
            path: "/webhooks".to_owned(),
            keys: Vec::new(),
            tolerance_seconds: DEFAULT_TOLERANCE_SECONDS,
            allow_unsigned: false,
            max_connections: 10_000,
            max_connections_per_ip: None,
            max_body_bytes: 1024 * 1024,
            deadline: Duration::from_millis(1_500),
            idle_timeout: Duration::from_secs(30),
        }
    }
}

impl IngestConfig {
    fn check(&self) -> Result<(), ServerError> {
        if self.keys.is_empty() && !self.allow_unsigned {
            return Err(ServerError::NoKeys);
        }
        if !self.path.starts_with('/') {
            return Err(ServerError::Path { path: self.path.clone() });
        }
        Ok(())
    }

    fn limits(&self) -> Limits {
        Limits {
            connections: self.max_connections,
            connections_per_ip: self.max_connections_per_ip,
            head: self.deadline,
            idle: self.idle_timeout,
            half_close: true,
        }
    }
}

/// A webhook listener that has its address and accepts nobody yet, so that what else can fail may fail first.
pub struct BoundIngest {
    config: IngestConfig,
    bound: Bound,
    status: Arc<IngestStatus>,
}

impl BoundIngest {
    /// The address bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.bound.local_addr()
    }

    /// What the admin listener shows of this one.
    pub fn status(&self) -> Arc<IngestStatus> {
        Arc::clone(&self.status)
    }

    /// Begins to receive.
    pub fn accept(
        self,
        store: Arc<dyn EventLog>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Ingest {
        let Self { config, bound, status } = self;
        let limits = config.limits();
        let receiver = Receiver::new(config, Arc::clone(&store), clock, entropy, Arc::clone(&status));
        let connections = status.metrics.connections.clone();
        let listener =
            Listener::accept(bound, limits, Arc::new(receiver), connections, CancellationToken::new());
        let (keeping, stop_keeping) = (TaskTracker::new(), CancellationToken::new());
        keeping.spawn(rejections::keep(Arc::clone(&status), store, stop_keeping.clone()));
        Ingest { listener, status, keeping, stop_keeping }
    }
}

/// The running webhook listener.
pub struct Ingest {
    listener: Listener,
    status: Arc<IngestStatus>,
    keeping: TaskTracker,
    stop_keeping: CancellationToken,
}

impl Ingest {
    /// Binds the address; [`BoundIngest::accept`] begins to receive. Needs a tokio runtime around it.
    pub fn bind(config: IngestConfig, metrics: &mut Registry) -> Result<BoundIngest, ServerError> {
        config.check()?;
        let bound = Bound::bind(config.listen)?;
        let status = Arc::new(IngestStatus::new(&config.keys));
        status.metrics.register(metrics);
        Ok(BoundIngest { config, bound, status })
    }

    /// Binds the address and begins to receive.
    pub async fn start(
        config: IngestConfig,
        store: Arc<dyn EventLog>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        metrics: &mut Registry,
    ) -> Result<Self, ServerError> {
        Ok(Self::bind(config, metrics)?.accept(store, clock, entropy))
    }

    /// The address bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// What the admin listener shows of this one.
    pub fn status(&self) -> Arc<IngestStatus> {
        Arc::clone(&self.status)
    }

    /// Stops accepting, finishes requests in flight within `grace`, and keeps the last rejections.
    pub async fn drain(self, grace: Duration) {
        self.status.begin_draining();
        self.listener.drain(grace).await;
        self.stop_keeping.cancel();
        self.keeping.close();
        self.keeping.wait().await;
    }
}

//! The admin listener: the API, the stream, metrics and health, for people and programs of the operator.

mod answer;
mod body;
mod conversations;
mod destinations;
mod events;
mod guard;
mod health;
mod jobs;
mod keys;
mod media;
mod messages;
mod metrics;
mod query;
mod rejections;
mod replays;
mod replies;
mod router;
mod state;
mod stats;
mod stream;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use inlet_domain::{Clock, Destination, Entropy, GuardLimits};
use inlet_store::{Blobs, Store};
use prometheus_client::registry::Registry;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::error::ServerError;
use crate::ingest::IngestStatus;
use crate::listener::{Bound, Connection, Handler, Limits, Listener};
use metrics::AdminMetrics;
use state::AdminState;

const LIMITS: Limits = Limits {
    connections: 1_024,
    connections_per_ip: None,
    head: Duration::from_secs(10),
    idle: Duration::from_secs(60),
    // A follower of the stream that hangs up must be noticed at once.
    half_close: false,
};

/// How the admin listener is set up.
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What callers must present. Without it the listener must be on loopback, and is open there.
    pub token: Option<SecretString>,
    /// Names under which the listener may be addressed, besides those of loopback and the address connected to.
    pub allowed_hosts: Vec<String>,
    /// Every configured destination.
    pub destinations: Vec<Destination>,
    /// What the reply guard allows, for `GET replies/guard`.
    pub guard: Arc<GuardLimits>,
    /// What `GET keys` and `GET destinations/{name}` show.
    pub keys: KeyRing,
}

/// The keys a reader of the API may need to set up the other side.
#[derive(Debug, Clone, Default)]
pub struct KeyRing {
    /// The public key under which Inlet signs what it hands to destinations, as base64.
    pub signing_public_key: String,
    /// Telnyx's public keys: fingerprint and base64.
    pub telnyx: Vec<(String, String)>,
    /// Standard Webhooks secrets by destination.
    pub destination_secrets: HashMap<String, SecretString>,
}

impl AdminConfig {
    fn check(&self) -> Result<(), ServerError> {
        match &self.token {
            None if !self.listen.ip().to_canonical().is_loopback() => {
                Err(ServerError::TokenNeeded { address: self.listen })
            }
            Some(token) if token.expose_secret().is_empty() => Err(ServerError::EmptyToken),
            _ => Ok(()),
        }
    }
}

/// The running admin listener.
pub struct Admin {
    listener: Listener,
}

impl Admin {
    /// Binds the address and begins to answer.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one collaborator, and a struct would only rename them"
    )]
    pub async fn start(
        config: AdminConfig,
        store: Arc<dyn Store>,
        blobs: Blobs,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        ingest: Arc<IngestStatus>,
        metrics: Arc<Registry>,
    ) -> Result<Self, ServerError> {
        config.check()?;
        let (listen, stop) = (config.listen, CancellationToken::new());
        let own = AdminMetrics::default();
        let connections = own.connections.clone();
        let state = Arc::new(AdminState {
            store,
            blobs,
            clock,
            entropy,
            ingest,
            registry: metrics,
            metrics: own,
            config,
            stop: stop.clone(),
            followers: Arc::new(stream::places()),
        });
        let api = Arc::new(Api { router: router::router(state) });
        Ok(Self { listener: Listener::accept(Bound::bind(listen)?, LIMITS, api, connections, stop) })
    }

    /// The address bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// Stops accepting, ends streams, and finishes requests in flight within `grace`.
    pub async fn drain(self, grace: Duration) {
        self.listener.drain(grace).await;
    }
}

struct Api {
    router: axum::Router,
}

impl Handler for Api {
    type Body = Body;

    async fn handle(
        &self,
        connection: &Arc<Connection>,
        _started: Instant,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Arc::clone(connection));
        match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

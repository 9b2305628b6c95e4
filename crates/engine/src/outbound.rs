//! The one guarded client: every request that leaves Inlet is made here, and none to an address it must not reach.
//!
//! Names are resolved by [`GuardedResolver`], which hands the connector only addresses the policy allows, so what is
//! checked is what is connected to. Literal addresses are checked before the request. No proxy from the environment,
//! no redirects, no decompression, no repeats: what a caller wants of these it does itself, in sight.

mod address;
mod resolver;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use prometheus_client::metrics::counter::Counter;
use reqwest::{Client, ClientBuilder, Response};
use tracing::warn;
use url::{Host, Url};

pub(crate) use address::Policy;
use resolver::{GuardedResolver, Lookup, SystemLookup};

use crate::report::{chain, excerpt};

const USER_AGENT: &str = concat!("inlet/", env!("CARGO_PKG_VERSION"));
// Shorter than any attempt's timeout, so that a failure to connect is told from a failure to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
// Shorter than usual servers keep idle connections, or a request meets one that has just been closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_IDLE_PER_HOST: usize = 32;

/// Why a request got no answer, told apart by what the caller may conclude.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutboundError {
    /// The address is forbidden; nothing was sent.
    #[error("address of `{host}` is forbidden: {reason}")]
    Blocked { host: String, reason: String },
    /// No connection came about; nothing was sent.
    #[error("cannot connect")]
    Connect(#[source] reqwest::Error),
    /// The time was up. Something may have been sent.
    #[error("no complete answer within {timeout:?}")]
    TimedOut { timeout: Duration },
    /// The exchange broke off. Something may have been sent.
    #[error("the exchange broke off")]
    Broken(#[source] reqwest::Error),
}

impl OutboundError {
    /// Whether the other side surely got nothing.
    pub(crate) fn nothing_was_sent(&self) -> bool {
        matches!(self, Self::Blocked { .. } | Self::Connect(_))
    }

    /// What happened and its root cause, in one line. The HTTP library's layers in between say nothing more, and one
    /// of them names the URL, which may hold a secret.
    pub(crate) fn describe(&self) -> String {
        let mut root = std::error::Error::source(self);
        while let Some(deeper) = root.and_then(std::error::Error::source) {
            root = Some(deeper);
        }
        root.map_or_else(|| self.to_string(), |root| format!("{self}: {root}"))
    }
}

/// A request to be made.
pub(crate) struct Outgoing<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a Url,
    pub(crate) policy: Policy,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Covers everything from the first name lookup to the last byte of the answer.
    pub(crate) timeout: Duration,
}

/// The guarded client.
pub(crate) struct Outbound {
    configured: Client,
    wire: Client,
    // In `inlet dev` the sandbox's media lie on loopback.
    trusted_origin: Option<url::Origin>,
    blocked: Counter,
}

impl Outbound {
    pub(crate) fn new(trusted_origin: Option<&Url>, blocked: Counter) -> Result<Self, reqwest::Error> {
        Self::with_lookup(trusted_origin, blocked, Arc::new(SystemLookup))
    }

    fn with_lookup(
        trusted_origin: Option<&Url>,
        blocked: Counter,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            configured: client(Policy::Configured, &lookup)?,
            wire: client(Policy::Wire, &lookup)?,
            trusted_origin: trusted_origin.map(Url::origin),
            blocked,
        })
    }

    /// Makes a request and returns its answer, body unread.
    pub(crate) async fn send(&self, outgoing: Outgoing<'_>) -> Result<Answer, OutboundError> {
        let policy = if self.is_trusted(outgoing.url) { Policy::Configured } else { outgoing.policy };
        check_url(outgoing.url, policy).inspect_err(|_| self.count_blocked())?;
        let client = match policy {
            Policy::Configured => &self.configured,
            Policy::Wire => &self.wire,
        };
        let timeout = outgoing.timeout;
        let request = client.request(outgoing.method, outgoing.url.clone()).headers(outgoing.headers);
        let request = if outgoing.body.is_empty() { request } else { request.body(outgoing.body) };
        match request.timeout(timeout).send().await {
            Ok(response) => Ok(Answer { response, timeout }),
            Err(error) => {
                Err(told_apart(error, outgoing.url, timeout).inspect_blocked(|| self.count_blocked()))
            }
        }
    }

    /// Whether this URL lies in the one origin that is exempt from the rules for URLs from the wire.
    pub(crate) fn is_trusted(&self, url: &Url) -> bool {
        self.trusted_origin.as_ref().is_some_and(|trusted| trusted.is_tuple() && url.origin() == *trusted)
    }

    fn count_blocked(&self) {
        self.blocked.inc();
    }
}

impl OutboundError {
    fn inspect_blocked(self, f: impl FnOnce()) -> Self {
        if matches!(self, Self::Blocked { .. }) {
            f();
        }
        self
    }
}

fn client(policy: Policy, lookup: &Arc<dyn Lookup>) -> Result<Client, reqwest::Error> {
    builder(policy, lookup).build().or_else(|error| {
        // A bare container has no root certificates. Plain http, and so `inlet dev`, works without.
        warn!(
            error = chain(&error),
            "no root certificates: every https request will fail until the package `ca-certificates` is there"
        );
        builder(policy, lookup).tls_certs_only([]).build()
    })
}

fn builder(policy: Policy, lookup: &Arc<dyn Lookup>) -> ClientBuilder {
    Client::builder()
        .user_agent(USER_AGENT)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
        .dns_resolver(GuardedResolver::new(policy, Arc::clone(lookup)))
}

/// Checks what can be known before connecting: the scheme, userinfo, and literal addresses, which are not resolved.
pub(crate) fn check_url(url: &Url, policy: Policy) -> Result<(), OutboundError> {
    let refuse = |reason: &str| {
        let host = url.host_str().unwrap_or_default().to_owned();
        Err(OutboundError::Blocked { host, reason: reason.to_owned() })
    };
    if !matches!(url.scheme(), "http" | "https") {
        return refuse("only http and https are spoken");
    }
    if policy == Policy::Wire && (!url.username().is_empty() || url.password().is_some()) {
        return refuse("it carries a user name");
    }
    let forbidden = match url.host() {
        Some(Host::Ipv4(address)) => policy.forbids(address.into()),
        Some(Host::Ipv6(address)) => policy.forbids(address.into()),
        Some(Host::Domain(_)) => None,
        None => Some("it has no host"),
    };
    forbidden.map_or(Ok(()), refuse)
}

fn told_apart(error: reqwest::Error, url: &Url, timeout: Duration) -> OutboundError {
    let error = error.without_url();
    if let Some(blocked) = resolver::blocked(&error) {
        let host = url.host_str().unwrap_or_default().to_owned();
        OutboundError::Blocked { host, reason: blocked.to_string() }
    } else if error.is_connect() || error.is_builder() {
        OutboundError::Connect(error)
    } else if is_timeout(&error) {
        OutboundError::TimedOut { timeout }
    } else {
        OutboundError::Broken(error)
    }
}

fn is_timeout(error: &reqwest::Error) -> bool {
    let io_timeout = error
        .source()
        .and_then(|source| source.downcast_ref::<std::io::Error>())
        .is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut);
    error.is_timeout() || io_timeout
}

/// An answer whose body is still to be read, by pieces and with a limit.
pub(crate) struct Answer {
    response: Response,
    timeout: Duration,
}

/// What was read of a body.
pub(crate) enum Body {
    /// All of it.
    Whole(Bytes),
    /// There is more than the limit.
    TooLong,
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// A header's text, where it has one.
    pub(crate) fn header(&self, name: http::HeaderName) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    /// The declared length.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// Reads the body unless it is longer than `limit`.
    pub(crate) async fn read(mut self, limit: u64) -> Result<Body, OutboundError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if (body.len() + chunk.len()) as u64 > limit {
                return Ok(Body::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Body::Whole(body.freeze()))
    }

    /// Reads the beginning of the body for people, whatever becomes of the rest, and waits for it no longer than
    /// `patience`.
    pub(crate) async fn excerpt(mut self, patience: Duration) -> Option<String> {
        let mut head = BytesMut::new();
        let reading = async {
            // Read to the end where that is near, so that the connection can be used again.
            while head.len() < MAX_DRAINED_BYTES {
                match self.chunk().await {
                    Ok(Some(chunk)) => head.extend_from_slice(&chunk),
                    _ => break,
                }
            }
        };
        let _ = tokio::time::timeout(patience, reading).await;
        excerpt(&head)
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, OutboundError> {
        let timeout = self.timeout;
        self.response.chunk().await.map_err(|error| {
            let error = error.without_url();
            if is_timeout(&error) {
                OutboundError::TimedOut { timeout }
            } else {
                OutboundError::Broken(error)
            }
        })
    }
}

const MAX_DRAINED_BYTES: usize = 16 * 1_024;

#[cfg(test)]
mod tests;

//! Where events are handed to: one trait, one file for each kind, chosen by the scheme of the URL.
//!
//! To add a kind: write `destinations/<kind>.rs` with a struct that implements [`Deliver`]; add its schemes to
//! [`build`]; say in the kind's page of the documentation what its acknowledgement is worth; test it against the
//! real server. `deliver` is called again for the same event after a failure or a crash, so it passes
//! [`Delivery::event_id`] on as whatever the other side calls a key of deduplication. Time limits, retries, the
//! breaker and logs are the caller's.

mod file;
mod http;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use inlet_domain::{Destination, Format, Timestamp};
use inlet_telnyx::SigningKey;
use secrecy::SecretString;
use thiserror::Error;
use url::Url;

use crate::outbound::{Outbound, Policy, check_url};
use crate::secret::{InvalidSecret, WebhookSecret};
use file::FileDestination;
use http::HttpDestination;

/// One event on its way to one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// The event's id: constant over retries and replays.
    pub(crate) event_id: String,
    /// `message.received` and others, where it could be read.
    pub(crate) event_type: Option<String>,
    /// The word for where the event came from; `test` for a sample.
    pub(crate) source: &'static str,
    /// When the event arrived.
    pub(crate) received_at: Timestamp,
    /// The exact bytes.
    pub(crate) body: Bytes,
    /// Number of this attempt, from 1.
    pub(crate) attempt: i64,
    /// Whether it is a sample that somebody asked for.
    pub(crate) is_test: bool,
    /// When this attempt began: what signatures are made for.
    pub(crate) now: Timestamp,
}

/// The destination's acknowledgement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) status: Option<u16>,
    pub(crate) response: Option<String>,
}

/// What a failure says about further tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// It may pass.
    Retry {
        /// How long the other side wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// The destination says that it exists no more.
    Gone,
}

/// Why an event was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeliveryFailure {
    pub(crate) kind: FailureKind,
    pub(crate) status: Option<u16>,
    /// A sentence for people.
    pub(crate) error: String,
    /// The beginning of the answer.
    pub(crate) response: Option<String>,
}

impl DeliveryFailure {
    /// A failure without an answer, which may pass.
    pub(crate) fn passing(error: impl Into<String>) -> Self {
        let kind = FailureKind::Retry { retry_after: None };
        Self { kind, status: None, error: error.into(), response: None }
    }
}

/// A place that takes events.
#[async_trait]
pub(crate) trait Deliver: Send + Sync {
    /// The kind's name, for logs.
    fn name(&self) -> &'static str;
    /// Hands over one event. `Ok` means that the other side has acknowledged it.
    async fn deliver(&self, delivery: &Delivery) -> Result<Ack, DeliveryFailure>;
}

/// A destination that cannot be used as configured.
#[derive(Debug, Error)]
pub enum DestinationError {
    /// No kind of destination has this scheme.
    #[error("scheme `{scheme}` is not a kind of destination; there are `http`, `https` and `file`")]
    UnknownScheme {
        /// The scheme as configured.
        scheme: String,
    },
    /// The format is not built yet.
    #[error("format `message` is not supported yet")]
    UnsupportedFormat,
    /// The secret cannot be used.
    #[error(transparent)]
    Secret(#[from] InvalidSecret),
    /// A `file:` URL without an absolute path.
    #[error("`{url}` is not the URL of an absolute path, as in `file:/var/lib/inlet/events.jsonl`")]
    NotAPath {
        /// The URL.
        url: String,
    },
    /// The address in the URL is never connected to.
    #[error("{reason}")]
    Address {
        /// Which, and why.
        reason: String,
    },
}

/// What destinations share.
pub(crate) struct Shared {
    pub(crate) signing_key: Arc<SigningKey>,
    pub(crate) outbound: Arc<Outbound>,
    // Two destinations may name one file; their lines must not mix.
    file_locks: Mutex<HashMap<PathBuf, Arc<Mutex<()>>>>,
}

impl Shared {
    pub(crate) fn new(signing_key: Arc<SigningKey>, outbound: Arc<Outbound>) -> Self {
        Self { signing_key, outbound, file_locks: Mutex::default() }
    }
}

/// Refuses a URL to which no event could ever be handed, as far as that shows before connecting.
pub fn check_destination_url(url: &Url) -> Result<(), DestinationError> {
    match url.scheme() {
        "http" | "https" => check_url(url, Policy::Configured)
            .map_err(|error| DestinationError::Address { reason: error.describe() }),
        "file" => file::path_of(url).map(|_| ()),
        scheme => Err(DestinationError::UnknownScheme { scheme: scheme.to_owned() }),
    }
}

/// Makes the destination that belongs to a configuration.
pub(crate) fn build(
    config: &Destination,
    secret: &SecretString,
    shared: &Shared,
) -> Result<Box<dyn Deliver>, DestinationError> {
    if config.format != Format::Telnyx {
        return Err(DestinationError::UnsupportedFormat);
    }
    check_destination_url(&config.url)?;
    match config.url.scheme() {
        "http" | "https" => {
            let secret = WebhookSecret::parse(secret)?;
            Ok(Box::new(HttpDestination::new(config, secret, shared)))
        }
        "file" => Ok(Box::new(FileDestination::new(&config.url, &shared.file_locks)?)),
        scheme => Err(DestinationError::UnknownScheme { scheme: scheme.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_no_event_could_be_handed_to_is_refused_before_anything_starts() {
        let check =
            |text: &str| check_destination_url(&text.parse().unwrap()).map_err(|error| error.to_string());
        for good in ["http://127.0.0.1:3000/x", "https://crm.example.com", "file:/var/lib/events.jsonl"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert!(check("http://169.254.169.254/x").unwrap_err().contains("link-local"));
        assert!(check("file://host/x").unwrap_err().contains("absolute path"));
        assert!(check("redis://localhost").unwrap_err().contains("not a kind"));
    }
}

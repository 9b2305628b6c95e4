//! Sends a body signed: through a running sandbox, or by itself with a given key.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use inlet_telnyx::{SIGNATURE_HEADER, SigningKey, TIMESTAMP_HEADER, find_event_key};
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, USER_AGENT};
use reqwest::redirect::Policy;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::Context;
use super::super::arrows::Arrows;
use super::super::delivery::{Attempt, AttemptError, Deliveries, Delivery, Status, Told};
use crate::client::{Client, Query};
use crate::config::is_loopback;
use crate::exit::{Exit, Failure};

/// Between two looks at a delivery that is under way.
const PAUSE: Duration = Duration::from_millis(20);
/// How much of a receiver's answer is kept.
const EXCERPT_BYTES: usize = 10_000;

#[derive(Serialize)]
struct RawEvent<'a> {
    body_base64: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a Url>,
}

#[derive(Deserialize)]
struct Injected {
    event_id: String,
}

/// Has the sandbox sign and deliver a body, and shows what becomes of it.
pub(super) async fn through_sandbox(
    client: &Client,
    body: &[u8],
    url: Option<&Url>,
    limit: Duration,
    arrows: &mut Arrows,
) -> anyhow::Result<Delivery> {
    // By its place in the log: an id may be used twice, and may hold anything.
    let latest = list(client, &[("limit", "1".to_owned())]).await?;
    let after = latest.last().map_or(0, |delivery| delivery.sequence).to_string();
    let event = RawEvent { body_base64: STANDARD.encode(body), url };
    let injected: Injected = client.post(&["sandbox", "v1", "events"], &event).await?;
    let (begin, mut told) = (Instant::now(), Told::default());
    loop {
        let later = list(client, &[("after", after.clone()), ("limit", "1000".to_owned())]).await?;
        let Some(delivery) = later.into_iter().find(|delivery| delivery.event_id == injected.event_id) else {
            let message = "the sandbox has forgotten the event before it was delivered";
            return Err(
                Failure::new(Exit::Refused, message, "it was reset or is very busy; try again").into()
            );
        };
        arrows.print(&delivery, &told.changes(&delivery))?;
        if delivery.has_ended() || begin.elapsed() >= limit {
            return Ok(delivery);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn list(client: &Client, query: &[(&str, String)]) -> anyhow::Result<Vec<Delivery>> {
    let query: Query = query.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let deliveries: Deliveries = client.get(&["sandbox", "v1", "deliveries"], &query).await?;
    Ok(deliveries.data)
}

/// A key of one's own, and where to send what it signs.
pub(super) struct OwnKey {
    key: SigningKey,
    url: Url,
    timeout: Duration,
    http: reqwest::Client,
}

impl OwnKey {
    /// Reads the base64 of a 32-byte seed.
    pub(super) fn new(seed: &str, url: Url, timeout: Duration) -> anyhow::Result<Self> {
        let seed = STANDARD.decode(seed.trim()).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let key = seed.and_then(|seed| SigningKey::from_seed(&seed).ok()).ok_or_else(|| {
            let remedy = "`openssl rand -base64 32` makes one; it is 44 characters long";
            Failure::new(
                Exit::Usage,
                "the private key is not the padded base64 of a 32-byte Ed25519 seed",
                remedy,
            )
        })?;
        let builder = reqwest::Client::builder().redirect(Policy::none());
        let builder = if is_loopback(&url) { builder.no_proxy() } else { builder };
        let http = builder.build().context("cannot set up the HTTP client")?;
        Ok(Self { key, url, timeout, http })
    }

    /// The public key that verifies what it signs.
    pub(super) fn public_key(&self) -> String {
        self.key.public().to_base64()
    }

    /// Signs a body and posts it, once.
    pub(super) async fn send(&self, body: Vec<u8>, context: &Context) -> Delivery {
        let read: Value = serde_json::from_slice(&body).unwrap_or_default();
        let named = |pointer: &str| read.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let event_type = named("/data/event_type").or_else(|| named("/event_type"));
        let event_id = named("/data/id").unwrap_or_else(|| find_event_key(&body).into_text());
        let attempt = self.attempt(body, context).await;
        Delivery {
            sequence: 0,
            event_id,
            event_type: event_type.unwrap_or_else(|| "raw".to_owned()),
            message_id: named("/data/payload/id").unwrap_or_default(),
            status: if attempt.delivered { Status::Delivered } else { Status::Failed },
            url: Some(self.url.to_string()),
            started_at: attempt.started_at,
            attempts: vec![attempt],
        }
    }

    async fn attempt(&self, body: Vec<u8>, context: &Context) -> Attempt {
        let started_at = context.now();
        let timestamp = started_at.as_seconds();
        let request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, "telnyx-webhooks")
            .header(SIGNATURE_HEADER, self.key.sign(timestamp, &body))
            .header(TIMESTAMP_HEADER, timestamp.to_string())
            .timeout(self.timeout)
            .body(body);
        let begin = Instant::now();
        let answer = request.send().await;
        let error = answer.as_ref().err().map(|error| self.error_of(error));
        let response_status = answer.as_ref().ok().map(|response| response.status().as_u16());
        let response_body = match answer {
            Ok(response) => excerpt(response).await,
            Err(_) => String::new(),
        };
        Attempt {
            number: 1,
            copy: 0,
            url: self.url.to_string(),
            started_at,
            finished_at: context.now(),
            duration_ms: u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
            delivered: response_status.is_some_and(|status| (200..300).contains(&status)),
            response_status,
            response_body,
            error,
        }
    }

    /// In Telnyx's delivery codes.
    fn error_of(&self, error: &reqwest::Error) -> AttemptError {
        let (code, title) = if error.is_timeout() {
            ("75000", format!("No answer within {} ms", self.timeout.as_millis()))
        } else if error.is_connect() {
            ("75002", format!("The connection failed: {}", root_cause(error)))
        } else {
            ("75000", format!("The connection ended without an answer: {}", root_cause(error)))
        };
        AttemptError { code: code.to_owned(), title }
    }
}

fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

async fn excerpt(mut response: reqwest::Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= EXCERPT_BYTES {
            bytes.truncate(EXCERPT_BYTES);
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

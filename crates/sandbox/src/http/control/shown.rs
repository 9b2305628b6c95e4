//! Deliveries and attempts in the form in which the control API shows them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde::Serialize;
use serde_json::value::RawValue;
use url::Url;

use crate::account::Account;
use crate::clock::rfc3339;
use crate::webhook::delivery::{Attempt, AttemptError, Content, Delivery, DeliveryStatus};
use crate::webhook::request;

/// One event and its attempts.
#[derive(Debug, Serialize)]
pub(crate) struct ShownDelivery {
    sequence: u64,
    event_id: String,
    event_type: String,
    message_id: String,
    webhook_api_version: &'static str,
    status: DeliveryStatus,
    url: Option<Url>,
    failover_url: Option<Url>,
    started_at: String,
    finished_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_base64: Option<String>,
    attempts: Vec<ShownAttempt>,
}

/// One try.
#[derive(Debug, Serialize)]
pub(crate) struct ShownAttempt {
    number: u32,
    copy: u32,
    url: Url,
    timestamp: i64,
    started_at: String,
    finished_at: String,
    duration_ms: u64,
    delivered: bool,
    #[serde(flatten)]
    request: Option<ShownRequest>,
    response_status: Option<u16>,
    response_headers: Vec<(String, String)>,
    response_body: String,
    error: Option<AttemptError>,
}

/// What an attempt sent.
#[derive(Debug, Serialize)]
pub(crate) struct ShownRequest {
    request_headers: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_body_base64: Option<String>,
}

impl ShownDelivery {
    /// As lists and the stream show it.
    pub(crate) fn new(delivery: &Delivery) -> Self {
        Self::of(delivery, |_| None)
    }

    /// As it is shown alone: with every request.
    pub(crate) fn with_requests(delivery: &Delivery, account: &Account) -> Self {
        Self::of(delivery, |attempt| {
            request::of(account, delivery, attempt).map(|request| ShownRequest::new(&request))
        })
    }

    fn of(delivery: &Delivery, request: impl Fn(&Attempt) -> Option<ShownRequest>) -> Self {
        let (data, raw_base64) = match &delivery.content {
            Content::Event(data) | Content::Flat { body: data, .. } => (Some(data.clone()), None),
            Content::Raw(bytes) => (None, Some(STANDARD.encode(bytes))),
        };
        Self {
            sequence: delivery.sequence,
            event_id: delivery.event_id.clone(),
            event_type: delivery.event_type.clone(),
            message_id: delivery.message_id.clone(),
            webhook_api_version: delivery.content.api_version(),
            status: delivery.status,
            url: delivery.url.clone(),
            failover_url: delivery.failover_url.clone(),
            started_at: rfc3339(delivery.started_at),
            finished_at: delivery.finished_at.map(rfc3339),
            data,
            raw_base64,
            attempts: delivery
                .attempts
                .iter()
                .map(|attempt| ShownAttempt::new(attempt, request(attempt)))
                .collect(),
        }
    }
}

impl ShownAttempt {
    fn new(attempt: &Attempt, request: Option<ShownRequest>) -> Self {
        Self {
            number: attempt.number,
            copy: attempt.copy,
            url: attempt.url.clone(),
            timestamp: attempt.timestamp,
            started_at: rfc3339(attempt.started_at),
            finished_at: rfc3339(attempt.finished_at),
            duration_ms: attempt.duration_ms,
            delivered: attempt.delivered,
            request,
            response_status: attempt.response_status,
            response_headers: attempt.response_headers.clone(),
            response_body: attempt.response_body.clone(),
            error: attempt.error.clone(),
        }
    }
}

impl ShownRequest {
    fn new(request: &reqwest::Request) -> Self {
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        let (request_body, request_body_base64) = match std::str::from_utf8(body) {
            Ok(text) => (Some(text.to_owned()), None),
            Err(_) => (None, Some(STANDARD.encode(body))),
        };
        Self { request_headers: pairs(request.headers()), request_body, request_body_base64 }
    }
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

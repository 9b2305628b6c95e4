//! Hands events to an HTTP endpoint, signed in both ways: Standard Webhooks and Telnyx's own.
//!
//! The bytes are those Telnyx sent, so an existing Telnyx handler works unchanged once it trusts Inlet's public key.
//! The status alone is the acknowledgement: 2xx delivers, 410 says that the endpoint is gone, anything else (3xx
//! included, which is never followed) is tried again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use http::{Method, StatusCode};
use inlet_domain::{Destination, retry_after};
use inlet_telnyx::{SIGNATURE_HEADER, SigningKey, TIMESTAMP_HEADER};
use url::Url;

use super::{Ack, Deliver, Delivery, DeliveryFailure, FailureKind, Shared};
use crate::outbound::{Answer, Outbound, Outgoing, Policy};
use crate::secret::WebhookSecret;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const INLET_SOURCE: HeaderName = HeaderName::from_static("inlet-source");
const INLET_EVENT_TYPE: HeaderName = HeaderName::from_static("inlet-event-type");
const INLET_ATTEMPT: HeaderName = HeaderName::from_static("inlet-attempt");
const INLET_TEST: HeaderName = HeaderName::from_static("inlet-test");

// The status has decided already; the body is read for people and for the connection's sake.
const BODY_PATIENCE: Duration = Duration::from_secs(1);
const MAX_LOCATION_CHARS: usize = 200;

/// An HTTP endpoint.
pub(super) struct HttpDestination {
    url: Url,
    timeout: Duration,
    secret: WebhookSecret,
    signing_key: Arc<SigningKey>,
    outbound: Arc<Outbound>,
}

impl HttpDestination {
    pub(super) fn new(config: &Destination, secret: WebhookSecret, shared: &Shared) -> Self {
        Self {
            url: config.url.clone(),
            timeout: config.timeout,
            secret,
            signing_key: Arc::clone(&shared.signing_key),
            outbound: Arc::clone(&shared.outbound),
        }
    }

    fn headers(&self, delivery: &Delivery) -> HeaderMap {
        let id = header_text(&delivery.event_id, true);
        let timestamp = delivery.now.as_seconds();
        let telnyx_signature = self.signing_key.sign(timestamp, &delivery.body);
        let mut headers = HeaderMap::new();
        let mut set = |name: HeaderName, value: &str| {
            let value = HeaderValue::from_str(value).expect("visible ASCII, by `header_text` or by nature");
            headers.insert(name, value);
        };
        set(CONTENT_TYPE, "application/json");
        set(WEBHOOK_SIGNATURE, &self.secret.sign(&id, timestamp, &delivery.body));
        set(WEBHOOK_ID, &id);
        set(WEBHOOK_TIMESTAMP, &timestamp.to_string());
        set(HeaderName::from_static(SIGNATURE_HEADER), &telnyx_signature);
        set(HeaderName::from_static(TIMESTAMP_HEADER), &timestamp.to_string());
        set(INLET_SOURCE, delivery.source);
        set(INLET_ATTEMPT, &delivery.attempt.to_string());
        if let Some(event_type) = &delivery.event_type {
            set(INLET_EVENT_TYPE, &header_text(event_type, false));
        }
        if delivery.is_test {
            set(INLET_TEST, "true");
        }
        headers
    }
}

#[async_trait]
impl Deliver for HttpDestination {
    fn name(&self) -> &'static str {
        "http"
    }

    async fn deliver(&self, delivery: &Delivery) -> Result<Ack, DeliveryFailure> {
        let outgoing = Outgoing {
            method: Method::POST,
            url: &self.url,
            policy: Policy::Configured,
            headers: self.headers(delivery),
            body: delivery.body.clone(),
            timeout: self.timeout,
        };
        let answer =
            self.outbound.send(outgoing).await.map_err(|error| DeliveryFailure::passing(error.describe()))?;
        conclude(answer, delivery).await
    }
}

async fn conclude(answer: Answer, delivery: &Delivery) -> Result<Ack, DeliveryFailure> {
    let status = answer.status();
    if status.is_success() {
        let response = answer.excerpt(BODY_PATIENCE).await;
        return Ok(Ack { status: Some(status.as_u16()), response });
    }
    let kind = match status {
        StatusCode::GONE => FailureKind::Gone,
        // With whatever status it comes: the other side knows best when to come back.
        _ => {
            let wish = answer.header(RETRY_AFTER).and_then(|value| retry_after(value, delivery.now));
            FailureKind::Retry { retry_after: wish }
        }
    };
    let error = describe(status, &answer);
    let response = answer.excerpt(BODY_PATIENCE).await;
    Err(DeliveryFailure { kind, status: Some(status.as_u16()), error, response })
}

fn describe(status: StatusCode, answer: &Answer) -> String {
    if !status.is_redirection() {
        return format!("answered {status}");
    }
    let location: String =
        answer.header(LOCATION).unwrap_or("nowhere").chars().take(MAX_LOCATION_CHARS).collect();
    format!("answered {status} to `{location}`; redirects are not followed, configure the final address")
}

/// Percent-encodes what a header must not hold, so that a hostile id can neither break the request nor collide with
/// another id. In an id the dot is encoded too: it parts the id from the timestamp in the signed text.
fn header_text(text: &str, is_id: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_graphic() && byte != b'%' && !(is_id && byte == b'.');
        if plain {
            encoded.push(byte.into());
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_ids_and_types_are_sent_as_they_are() {
        let id = "0fd1cd0c-6f2f-4e1b-9e6c-0a7d8f4ad6d5";
        assert_eq!(header_text(id, true), id);
        assert_eq!(header_text("message.received", false), "message.received");
    }

    #[test]
    fn hostile_ids_become_valid_headers_and_stay_apart() {
        let hostile = ["a\r\nx: y", "é", "e\u{301}", "a b", "a%20b", "a.1", "\u{1f600}", "a\u{7f}"];
        let encoded: Vec<_> = hostile.iter().map(|id| header_text(id, true)).collect();
        assert!(encoded.iter().all(|id| HeaderValue::from_str(id).is_ok() && !id.contains('.')));
        let distinct: std::collections::HashSet<_> = encoded.iter().collect();
        assert_eq!(distinct.len(), hostile.len());
    }
}

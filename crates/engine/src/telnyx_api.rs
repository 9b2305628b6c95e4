//! Telnyx's REST API, as far as Inlet uses it, and what each answer to a send proves.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use inlet_domain::{ApiError, SEND_KEY_PARAMETER, SendKey, SendRequest, Timestamp, retry_after};
use inlet_telnyx::{MessagePayload, error_code};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;
use url::Url;

use crate::config::TelnyxConfig;
use crate::outbound::{Answer, Body, Outbound, OutboundError, Outgoing, Policy};
use crate::report::excerpt;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
// A real answer is about 2 kB.
const MAX_ANSWER_BYTES: u64 = 256 * 1_024;

/// What became of a request to send, as far as its answer tells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SendResult {
    /// Telnyx has taken the message and named it.
    Accepted { status: u16, payload: Box<MessagePayload> },
    /// Surely not sent, for a reason that may pass.
    NotNow { status: Option<u16>, error: String, retry_after: Option<Duration>, response: Option<String> },
    /// Surely not sent, for good.
    Refused { status: Option<u16>, error: String, opted_out: bool, response: Option<String> },
    /// It may have been sent.
    Ambiguous { status: Option<u16>, error: String, response: Option<String> },
}

/// The API key as a header, or as a reason why there is none.
pub(crate) fn bearer(key: &SecretString) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The client. Without an API key there is none.
pub(crate) struct TelnyxApi {
    messages_url: Url,
    bearer: HeaderValue,
    messaging_profile_id: Option<String>,
    public_url: Option<Url>,
    timeout: Duration,
    outbound: Arc<Outbound>,
}

// The order of fields is the order of bytes: the same job gives the same body, as `Idempotency-Key` demands.
#[derive(Serialize)]
struct SendBody<'a> {
    from: &'a str,
    to: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    text: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    media_urls: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    messaging_profile_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_url: Option<Url>,
}

impl TelnyxApi {
    pub(crate) fn new(
        config: &TelnyxConfig,
        bearer: HeaderValue,
        public_url: Option<Url>,
        timeout: Duration,
        outbound: Arc<Outbound>,
    ) -> Self {
        let messages_url = messages_url(&config.base_url);
        let messaging_profile_id = config.messaging_profile_id.clone();
        Self { messages_url, bearer, messaging_profile_id, public_url, timeout, outbound }
    }

    /// The bytes that ask for a message.
    pub(crate) fn body(&self, key: &SendKey, request: &SendRequest) -> Result<Bytes, serde_json::Error> {
        let webhook_url = self.public_url.clone().map(|mut url| {
            url.query_pairs_mut().append_pair(SEND_KEY_PARAMETER, &key.0);
            url
        });
        let body = SendBody {
            from: &request.from,
            to: &request.to,
            text: &request.text,
            media_urls: &request.media_urls,
            messaging_profile_id: self.messaging_profile_id.as_deref(),
            webhook_url,
        };
        serde_json::to_vec(&body).map(Bytes::from)
    }

    /// Asks for the message, once.
    pub(crate) async fn send(&self, key: &SendKey, body: Bytes, now: Timestamp) -> SendResult {
        let Ok(key) = HeaderValue::from_str(&key.0) else {
            return SendResult::Refused {
                status: None,
                error: "the send key cannot be a header".to_owned(),
                opted_out: false,
                response: None,
            };
        };
        let outgoing = Outgoing {
            method: Method::POST,
            url: &self.messages_url,
            policy: Policy::Configured,
            headers: self.headers(key),
            body,
            timeout: self.timeout,
        };
        match self.outbound.send(outgoing).await {
            Ok(answer) => read_answer(answer, now).await,
            Err(error) => unanswered(&error),
        }
    }

    fn headers(&self, key: HeaderValue) -> HeaderMap {
        HeaderMap::from_iter([
            (AUTHORIZATION, self.bearer.clone()),
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (ACCEPT, HeaderValue::from_static("application/json")),
            (IDEMPOTENCY_KEY, key),
            // A kept connection may be closed by the other side just when we write: then nobody knows whether the
            // message went out. A fresh one makes that rare.
            (CONNECTION, HeaderValue::from_static("close")),
        ])
    }
}

fn messages_url(base_url: &Url) -> Url {
    let mut url = base_url.clone();
    // Every user of Telnyx's libraries has one or the other form of the base URL.
    let path = match base_url.path().trim_end_matches('/') {
        "" => "/v2",
        path => path,
    };
    url.set_path(&format!("{path}/messages"));
    url
}

fn unanswered(error: &OutboundError) -> SendResult {
    let text = error.describe();
    match error {
        OutboundError::Blocked { .. } => {
            SendResult::Refused { status: None, error: text, opted_out: false, response: None }
        }
        _ if error.nothing_was_sent() => {
            SendResult::NotNow { status: None, error: text, retry_after: None, response: None }
        }
        _ => SendResult::Ambiguous { status: None, error: text, response: None },
    }
}

async fn read_answer(answer: Answer, now: Timestamp) -> SendResult {
    let status = answer.status();
    let wish = answer.header(RETRY_AFTER).and_then(|value| retry_after(value, now));
    match answer.read(MAX_ANSWER_BYTES).await {
        Ok(Body::Whole(body)) => classify(status, wish, &body),
        Ok(Body::TooLong) => classify(status, wish, b""),
        // The status line came, but what it stands for broke off.
        Err(error) => match classify(status, wish, b"") {
            SendResult::Ambiguous { status, response, .. } => {
                SendResult::Ambiguous { status, error: error.describe(), response }
            }
            certain => certain,
        },
    }
}

/// Tells what an answer proves. Only a documented error proves that nothing was sent: any proxy can make up a status.
fn classify(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> SendResult {
    let (code, response) = (Some(status.as_u16()), excerpt(body));
    if status.is_success() {
        return match accepted(body) {
            Some(payload) => SendResult::Accepted { status: status.as_u16(), payload: Box::new(payload) },
            None => ambiguous(status, "without naming a message", response),
        };
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        let error = errors_text(&ApiError::read_all(body)).unwrap_or_else(|| format!("answered {status}"));
        return SendResult::NotNow { status: code, error, retry_after, response };
    }
    let errors = ApiError::read_all(body);
    let Some(error) = errors_text(&errors).filter(|_| proves_refusal(status)) else {
        return ambiguous(status, "without a documented error", response);
    };
    let opted_out = errors.iter().any(|error| error.code == error_code::BLOCKED_BY_STOP);
    SendResult::Refused { status: code, error, opted_out, response }
}

// 408 and 409 may speak of a first copy that is still being worked on (a proxy's repeat, the same key).
fn proves_refusal(status: StatusCode) -> bool {
    status.is_client_error() && !matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT)
}

fn ambiguous(status: StatusCode, what: &str, response: Option<String>) -> SendResult {
    let error = format!("answered {status} {what}: the message may or may not have been sent");
    SendResult::Ambiguous { status: Some(status.as_u16()), error, response }
}

fn accepted(body: &[u8]) -> Option<MessagePayload> {
    let root: Value = serde_json::from_slice(body).ok()?;
    let payload = MessagePayload::read(root.get("data")?);
    payload.id.is_some().then_some(payload)
}

fn errors_text(errors: &[ApiError]) -> Option<String> {
    let texts = errors.iter().map(|error| {
        let detail = error.detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
        format!("{} {}{detail}", error.code, error.title)
    });
    let text = texts.collect::<Vec<_>>().join("; ");
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(status: u16, body: &str) -> &'static str {
        match classify(StatusCode::from_u16(status).unwrap(), None, body.as_bytes()) {
            SendResult::Accepted { .. } => "accepted",
            SendResult::NotNow { .. } => "not now",
            SendResult::Refused { opted_out: true, .. } => "opted out",
            SendResult::Refused { .. } => "refused",
            SendResult::Ambiguous { .. } => "ambiguous",
        }
    }

    #[test]
    fn only_a_documented_error_proves_that_nothing_was_sent() {
        let error = |code: &str| format!(r#"{{"errors":[{{"code":"{code}","title":"T"}}]}}"#);
        let table = [
            (200, r#"{"data":{"id":"m-1"}}"#.to_owned(), "accepted"),
            (202, r#"{"data":{"id":"m-1","to":"+15550100"}}"#.to_owned(), "accepted"),
            (200, r#"{"data":{}}"#.to_owned(), "ambiguous"),
            (200, "<html>".to_owned(), "ambiguous"),
            (204, String::new(), "ambiguous"),
            (429, error("10011"), "not now"),
            (429, String::new(), "not now"),
            (400, error("40305"), "refused"),
            (401, error("10009"), "refused"),
            (402, error("20100"), "refused"),
            (404, error("10005"), "refused"),
            (422, error("40310"), "refused"),
            (400, error("40300"), "opted out"),
            (403, error("40300"), "opted out"),
            (422, error("40300"), "opted out"),
            (403, "<html>".to_owned(), "ambiguous"),
            (408, error("10015"), "ambiguous"),
            (409, error("10012"), "ambiguous"),
            (301, String::new(), "ambiguous"),
            (500, error("10007"), "ambiguous"),
            (502, "<html>".to_owned(), "ambiguous"),
        ];
        for (status, body, expected) in table {
            assert_eq!(word(status, &body), expected, "{status} {body}");
        }
    }

    #[test]
    fn the_base_url_may_or_may_not_name_the_version() {
        for base in ["https://api.telnyx.com", "https://api.telnyx.com/", "https://api.telnyx.com/v2/"] {
            let url = messages_url(&base.parse().unwrap());
            assert_eq!(url.as_str(), "https://api.telnyx.com/v2/messages");
        }
        let url = messages_url(&"http://127.0.0.1:5002/a/v2".parse().unwrap());
        assert_eq!(url.as_str(), "http://127.0.0.1:5002/a/v2/messages");
    }
}

//! The exact request of an attempt: built in one place, so that what is shown later is what was sent.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use inlet_telnyx::{SIGNATURE_HEADER, TIMESTAMP_HEADER, V1_SIGNATURE_HEADER};
use reqwest::Request;
use url::Url;

use crate::account::Account;
use crate::account::identity::Identity;
use crate::webhook::delivery::{Attempt, Content, Delivery, Forgery};

/// What one attempt sends, headers and all; equal arguments give equal bytes, because both kinds of signatures
/// are deterministic. None means that HTTP cannot reach the
/// URL.
pub(crate) fn build(
    account: &Account,
    content: &Content,
    (url, number): (&Url, u32),
    timestamp: i64,
    forgery: Forgery,
) -> Option<Request> {
    let mut body = content.body(number, url, account.host.config.compact_json);
    let signature = signature_headers(&account.identity, content, timestamp, &body, forgery.foreign_key);
    if forgery.altered {
        // White space is the smallest change; a receiver that signs re-serialised JSON does not see it.
        body.push(b'\n');
    }
    // The client would add some of these itself, but then they could not be shown.
    let mut headers = HeaderMap::new();
    headers.insert(HOST, value(&authority(url)));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static("telnyx-webhooks"));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.extend(signature);
    account.host.client()?.post(url.clone()).headers(headers).body(body).build().ok()
}

/// What an attempt did send.
pub(crate) fn of(account: &Account, delivery: &Delivery, attempt: &Attempt) -> Option<Request> {
    let target = (&attempt.url, attempt.number);
    build(account, &delivery.content, target, attempt.timestamp, attempt.forgery)
}

/// The headers that vouch for a body.
pub(crate) fn signature_headers(
    identity: &Identity,
    content: &Content,
    timestamp: i64,
    body: &[u8],
    with_foreign_key: bool,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Content::Flat { secret, .. } = content {
        let secret = if with_foreign_key { "a stranger's secret" } else { secret };
        headers.insert(V1_SIGNATURE_HEADER, value(&flat_signature(secret, timestamp, body)));
        return headers;
    }
    headers.insert(SIGNATURE_HEADER, value(&identity.sign(timestamp, body, with_foreign_key)));
    headers.insert(TIMESTAMP_HEADER, HeaderValue::from(timestamp));
    headers
}

/// HMAC-SHA256 over timestamp, full stop and body, keyed with the text of the profile's secret.
fn flat_signature(secret: &str, timestamp: i64, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()));
    context.update(format!("{timestamp}.").as_bytes());
    context.update(body);
    format!("t={timestamp},h={}", STANDARD.encode(context.sign()))
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("hosts and base64 are visible ASCII")
}

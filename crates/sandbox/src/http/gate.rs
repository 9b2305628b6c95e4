//! Refuses what a web page could smuggle in: foreign `Host` names, and writes from another origin.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST, ORIGIN};

use crate::http::problem::{Code, Problem};
use crate::world::Shared;

/// Lets a request through, or answers it.
pub(crate) async fn check(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let host = only_host(request.headers()).unwrap_or_default().to_owned();
    if !is_own_host(&host, &shared) {
        let detail = "the `Host` header names neither loopback nor the sandbox's address".to_owned();
        return Problem::new(Code::ForeignHost, detail).respond(&shared);
    }
    if !request.method().is_safe() && is_foreign_origin(request.headers(), &host) {
        let detail = "the `Origin` header names another origin than the request's".to_owned();
        return Problem::new(Code::ForeignOrigin, detail).respond(&shared);
    }
    next.run(request).await
}

/// Asks for the bearer key where the sandbox can be reached from beyond this machine.
pub(crate) async fn key_beyond_loopback(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    if shared.config.listen.ip().is_loopback() || has_key(request.headers(), &shared) {
        return next.run(request).await;
    }
    let detail = "the sandbox listens beyond loopback, so its API key is needed as bearer token".to_owned();
    Problem::new(Code::Unauthorized, detail).respond(&shared).into_response()
}

/// Whether the account's key came as bearer token.
pub(crate) fn has_key(headers: &HeaderMap, shared: &Shared) -> bool {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some((scheme, token)) = value.split_once(' ') else { return false };
    let (token, key) = (token.trim().as_bytes(), shared.account.api_key.as_bytes());
    scheme.eq_ignore_ascii_case("bearer")
        && aws_lc_rs::constant_time::verify_slices_are_equal(token, key).is_ok()
}

fn only_host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(HOST).iter();
    let first = hosts.next()?.to_str().ok()?;
    if hosts.next().is_none() { Some(first) } else { None }
}

// The port plays no part: what matters is that a name somebody else controls does not lead here.
fn is_own_host(host: &str, shared: &Shared) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let listen = shared.config.listen.ip();
    let is_own_address =
        |address: IpAddr| address.is_loopback() || address == listen || listen.is_unspecified();
    let is_public_url =
        shared.config.public_url.as_ref().and_then(url::Url::host_str).is_some_and(|own| own == name);
    name.eq_ignore_ascii_case("localhost")
        || name.parse().is_ok_and(is_own_address)
        || is_public_url
        || shared.config.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
}

// No `Origin` means that no browser sent it.
fn is_foreign_origin(headers: &HeaderMap, host: &str) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else { return false };
    let own = [format!("http://{host}"), format!("https://{host}")];
    let same = origin.to_str().is_ok_and(|origin| own.iter().any(|own| own.eq_ignore_ascii_case(origin)));
    !same || origins.next().is_some()
}

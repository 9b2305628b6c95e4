//! Who may ask: the right host, the right origin, the right token, in this order and before anything else.
//!
//! The host check keeps a web page from reaching a loopback listener under a name of its own (DNS rebinding); the
//! origin check keeps it from acting through the browser of an operator.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, ORIGIN};
use http::{HeaderMap, HeaderName, Method};
use secrecy::{ExposeSecret, SecretString};

use super::answer::{Answer, ApiError, Code};
use super::router::{PUBLIC_PATHS, STREAM_PATH};
use super::state::{AdminState, Shared};
use crate::host;
use crate::listener::Connection;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Lets a request through, or says what it lacks.
pub(super) async fn guard(State(state): State<Shared>, request: Request, next: Next) -> Response {
    match check(&state, &request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn check(state: &AdminState, request: &Request) -> Answer<()> {
    let host = check_host(state, request)?;
    let path = request.uri().path();
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !safe || path == STREAM_PATH {
        check_origin(request.headers(), host)?;
    }
    match &state.config.token {
        Some(token) if !PUBLIC_PATHS.contains(&path) => check_token(request.headers(), token),
        _ => Ok(()),
    }
}

fn check_host<'a>(state: &AdminState, request: &'a Request) -> Answer<&'a str> {
    let refused = || ApiError::new(Code::HostNotAllowed, "this `Host` is not one of `admin.allowed_hosts`");
    let named = host::only_host(request.headers()).ok_or_else(refused)?;
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let connection = request.extensions().get::<Arc<Connection>>();
    let allowed = |host: &str| {
        let name = host::without_port(host);
        host::is_loopback_name(name)
            || connection.is_some_and(|connection| is_address(name, connection))
            || state.config.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
    };
    if allowed(named) && authority.is_none_or(allowed) { Ok(named) } else { Err(refused()) }
}

/// Whether a name is the address that this client connected to. An address cannot be rebound.
fn is_address(name: &str, connection: &Connection) -> bool {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.parse() == Ok(connection.local.ip().to_canonical())
}

fn check_origin(headers: &HeaderMap, host: &str) -> Answer<()> {
    let same_origin = |value: &str| {
        let authority = value.strip_prefix("http://").or_else(|| value.strip_prefix("https://"));
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    };
    let every = |name: HeaderName, fits: &dyn Fn(&str) -> bool| {
        headers.get_all(name).iter().all(|value| value.to_str().is_ok_and(fits))
    };
    if every(ORIGIN, &same_origin) && every(FETCH_SITE, &|site| matches!(site, "same-origin" | "none")) {
        Ok(())
    } else {
        Err(ApiError::new(Code::CrossOrigin, "a web page of another origin may not do this"))
    }
}

fn check_token(headers: &HeaderMap, token: &SecretString) -> Answer<()> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let given = match (values.next(), values.next()) {
        (Some(value), None) => bearer(value.as_bytes()),
        _ => None,
    };
    // Digests have one length, so that not even the token's length shows in the time taken.
    let same = |given: &[u8]| {
        let (given, token) = (digest(&SHA256, given), digest(&SHA256, token.expose_secret().as_bytes()));
        verify_slices_are_equal(given.as_ref(), token.as_ref()).is_ok()
    };
    if given.is_some_and(same) {
        Ok(())
    } else {
        Err(ApiError::new(Code::Unauthorized, "send the token of `admin.token` as `Authorization: Bearer …`"))
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

//! Who may call: refuses what a web page could smuggle in, and finds the account of a bearer key.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, StatusCode};

use crate::account::Account;
use crate::accounts::Accounts;
use crate::host::Host;
use crate::http::problem::{Code, Problem};
use crate::refusal::Refusal;

/// Lets a request through that no foreign web page can have made.
pub(crate) async fn check(
    State(accounts): State<Arc<Accounts>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let host = only_host(request.headers()).unwrap_or_default().to_owned();
    if !is_own_host(&host, &accounts.host) {
        let detail = "the `Host` header names neither loopback nor the sandbox's address".to_owned();
        return Err(Problem::new(Code::ForeignHost, detail));
    }
    if !request.method().is_safe() && is_foreign_origin(request.headers(), &host) {
        let detail = "the `Origin` header names another origin than the request's".to_owned();
        return Err(Problem::new(Code::ForeignOrigin, detail));
    }
    Ok(next.run(request).await)
}

/// The account that a request is for.
#[derive(Clone)]
pub(crate) struct Tenant(pub(crate) Arc<Account>);

impl<S: Sync> FromRequestParts<S> for Tenant {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, StatusCode> {
        // A route outside of the two layers below has no account to give.
        parts.extensions.get::<Self>().cloned().ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// Telnyx's API: the bearer key says whose request it is, and without one it is nobody's.
pub(crate) async fn by_key(
    State(accounts): State<Arc<Accounts>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let account = bearer(request.headers()).and_then(|key| accounts.by_key(key));
    let unknown = || Refusal::new("10009", "The API key is missing or is no account's of this sandbox.");
    request.extensions_mut().insert(Tenant(account.ok_or_else(unknown)?));
    Ok(next.run(request).await)
}

/// The control API: the default account answers where no key is given, but only on loopback.
pub(crate) async fn by_key_or_default(
    State(accounts): State<Arc<Accounts>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let given = request.headers().contains_key(AUTHORIZATION);
    let account = match given {
        true => bearer(request.headers()).and_then(|key| accounts.by_key(key)),
        false if accounts.host.config.listen.ip().is_loopback() => Some(accounts.default().clone()),
        false => None,
    };
    let detail = match given {
        true => "the bearer token is no account's API key",
        false => "the sandbox listens beyond loopback, so an API key is needed as bearer token",
    };
    let account = account.ok_or_else(|| Problem::new(Code::Unauthorized, detail.to_owned()))?;
    request.extensions_mut().insert(Tenant(account));
    Ok(next.run(request).await)
}

/// The token of an `Authorization: Bearer` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn only_host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(HOST).iter();
    let first = hosts.next()?.to_str().ok()?;
    if hosts.next().is_none() { Some(first) } else { None }
}

// The port plays no part: what matters is that a name somebody else controls does not lead here.
fn is_own_host(name: &str, host: &Host) -> bool {
    let name = match name.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => name,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let listen = host.config.listen.ip();
    let is_own_address =
        |address: IpAddr| address.is_loopback() || address == listen || listen.is_unspecified();
    let is_public_url =
        host.config.public_url.as_ref().and_then(url::Url::host_str).is_some_and(|own| own == name);
    name.eq_ignore_ascii_case("localhost")
        || name.parse().is_ok_and(is_own_address)
        || is_public_url
        || host.config.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
}

// No `Origin` means that no browser sent it.
fn is_foreign_origin(headers: &HeaderMap, host: &str) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else { return false };
    let own = [format!("http://{host}"), format!("https://{host}")];
    let same = origin.to_str().is_ok_and(|origin| own.iter().any(|own| own.eq_ignore_ascii_case(origin)));
    !same || origins.next().is_some()
}

//! Counts requests, says in every answer how many are left, and refuses those beyond the limit.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;

use crate::config::RateLimitReset;
use crate::http::gate::Tenant;
use crate::refusal::Refusal;

/// Telnyx's window is not published; ours is the shortest that `retry-after` can express.
const WINDOW_SECONDS: i64 = 1;

/// Lets a request through within the limit of the account's current second.
pub(crate) async fn limit(Tenant(account): Tenant, request: Request, next: Next) -> Response {
    let (settings, now) = (&account.host.config.api, account.clock.now());
    let limit = settings.requests_per_second;
    let left = account.quietly(|world| world.requests.take(now, limit));
    let mut response = match left {
        Some(_) => next.run(request).await,
        None => too_many(limit).into_response(),
    };
    let reset = match settings.rate_limit_reset {
        RateLimitReset::SecondsLeft => WINDOW_SECONDS,
        RateLimitReset::UnixTime => now.as_second() + WINDOW_SECONDS,
    };
    let headers = response.headers_mut();
    headers.insert("x-ratelimit-limit", HeaderValue::from(limit));
    headers.insert("x-ratelimit-remaining", HeaderValue::from(left.unwrap_or(0)));
    headers.insert("x-ratelimit-reset", HeaderValue::from(reset));
    response
}

fn too_many(limit: u32) -> Refusal {
    let detail = format!("The account may make {limit} requests a second.");
    let mut refusal = Refusal::new("10011", detail);
    refusal.retry_after_seconds = u64::try_from(WINDOW_SECONDS).ok();
    refusal
}

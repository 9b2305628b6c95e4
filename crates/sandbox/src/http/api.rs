//! Telnyx's API under `/v2`: its resources, its bearer key, its faults.

mod faults;
pub(super) mod idempotency;
mod request;

mod messages;
mod profiles;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use http::{Method, Uri};

use crate::accounts::Accounts;
use crate::http::gate::{Tenant, by_key};
use crate::refusal::Refusal;

pub(crate) fn router(accounts: Arc<Accounts>) -> Router<Arc<Accounts>> {
    Router::new()
        .route("/messages", post(messages::send))
        .route("/messages/{id}", get(messages::show))
        .route("/messaging_profiles", get(profiles::list))
        .route("/messaging_profiles/{id}", get(profiles::show).patch(profiles::change))
        .fallback(not_emulated)
        .method_not_allowed_fallback(not_emulated)
        .layer(DefaultBodyLimit::max(request::MAX_BODY))
        .layer(from_fn(strike))
        .layer(from_fn_with_state(accounts, by_key))
}

// A send looks for faults itself, because it knows whom it concerns.
async fn strike(Tenant(account): Tenant, request: Request, next: Next) -> Response {
    let is_send = request.method() == Method::POST && request.uri().path() == "/messages";
    match is_send {
        true => next.run(request).await,
        false => match faults::early(&account, &[]).await {
            Some(response) => response,
            None => next.run(request).await,
        },
    }
}

async fn not_emulated(method: Method, uri: Uri) -> Refusal {
    Refusal::not_emulated(format_args!("`{method} /v2{}`", uri.path()))
}

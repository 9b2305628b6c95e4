//! The control API under `/sandbox/v1`: text in, look at deliveries and sent messages, steer clock and faults.

mod request;
mod shown;

mod accounts;
mod clock;
mod deliveries;
mod expectations;
mod faults;
mod messages;
mod openapi;
mod snapshot;
mod stream;
mod texts;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post};
use http::{Method, Uri};

use crate::accounts::Accounts;
use crate::http::gate::by_key_or_default;
use crate::http::problem::{Code, Problem};

/// Ten attachments of a megabyte, as base64, with room.
const MAX_BODY: usize = 32 * 1024 * 1024;
/// All media that a sandbox keeps by default, as base64, and its logs.
const MAX_SNAPSHOT: usize = 1024 * 1024 * 1024;

pub(crate) fn router(accounts: Arc<Accounts>) -> Router<Arc<Accounts>> {
    Router::new()
        .route("/texts", post(texts::inject))
        .route("/events", post(texts::inject_raw))
        .route("/deliveries", get(deliveries::list))
        .route("/deliveries/{event_id}", get(deliveries::show))
        .route("/deliveries/{event_id}/resend", post(deliveries::resend))
        .route("/deliveries/{event_id}/signed", get(deliveries::signed))
        .route("/messages", get(messages::list))
        .route("/messages/{id}/read", post(messages::read))
        .route("/expectations", post(expectations::expect))
        .route(
            "/snapshot",
            get(snapshot::take).put(snapshot::put_back).layer(DefaultBodyLimit::max(MAX_SNAPSHOT)),
        )
        .route("/stream", get(stream::follow))
        .route("/account", get(accounts::show))
        .route("/accounts", get(accounts::list).post(accounts::open))
        .route("/accounts/{name}", delete(accounts::remove))
        .route("/wait-idle", post(accounts::wait_idle))
        .route("/reset", post(accounts::reset))
        .route("/clock", get(clock::show))
        .route("/clock/advance", post(clock::advance))
        .route("/faults", get(faults::list).post(faults::add).put(faults::replace).delete(faults::clear))
        .route("/openapi.json", get(openapi::show))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(accounts, by_key_or_default))
}

async fn not_found(uri: Uri) -> Problem {
    Problem::new(Code::NotFound, format!("the control API has no `{}`", uri.path()))
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::new(Code::MethodNotAllowed, format!("`{}` does not take `{method}`", uri.path()))
}

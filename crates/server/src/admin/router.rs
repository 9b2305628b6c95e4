//! Every route of the admin listener, on one screen.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use super::answer::{ApiError, Code, finish};
use super::guard::guard;
use super::state::Shared;
use super::{
    conversations, destinations, events, health, jobs, keys, media, messages, metrics, rejections, replays,
    replies, stats, stream,
};

/// What needs no token: it tells nothing but that something is there.
pub(super) const PUBLIC_PATHS: [&str; 3] = ["/", "/healthz", "/readyz"];
/// The one safe route that a foreign page may not open: it holds a place as long as it is open.
pub(super) const STREAM_PATH: &str = "/api/v1/stream";

pub(super) fn router(state: Shared) -> Router {
    let api = Router::new()
        .route("/messages", get(messages::list).post(messages::send))
        .route("/messages/{id}", get(messages::one))
        .route("/conversations", get(conversations::list))
        .route("/conversations/{id}", get(conversations::one))
        .route("/conversations/{id}/messages", get(conversations::messages))
        .route("/conversations/{id}/read", post(conversations::mark_read))
        .route("/events", get(events::list))
        .route("/events/{id}", get(events::one))
        .route("/events/{id}/raw", get(events::raw))
        .route("/rejections", get(rejections::list))
        .route("/jobs", get(jobs::list))
        .route("/jobs/retry", post(jobs::retry_matching))
        .route("/jobs/discard", post(jobs::discard_matching))
        .route("/jobs/{id}", get(jobs::one))
        .route("/jobs/{id}/retry", post(jobs::retry))
        .route("/jobs/{id}/discard", post(jobs::discard))
        .route("/destinations", get(destinations::list))
        .route("/destinations/{name}", get(destinations::one))
        .route("/destinations/{name}/test", post(destinations::test))
        .route("/destinations/{name}/pause", post(destinations::pause))
        .route("/destinations/{name}/resume", post(destinations::resume))
        .route("/replays", get(replays::list).post(replays::start))
        .route("/replays/{id}", get(replays::one))
        .route("/replays/{id}/cancel", post(replays::cancel))
        .route("/media/{sha256}", get(media::one))
        .route("/replies", get(replies::list))
        .route("/replies/guard", get(replies::guard))
        .route("/opt-outs", get(replies::opt_outs))
        .route("/keys", get(keys::all))
        .route("/stats", get(stats::all))
        .route("/stream", get(stream::follow));
    Router::new()
        .nest("/api/v1", api)
        .route("/metrics", get(metrics::scrape))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/", get(health::front_page))
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn_with_state(state.clone(), guard))
        .layer(from_fn_with_state(state.clone(), finish))
        .with_state(state)
}

async fn no_such_route() -> ApiError {
    ApiError::new(Code::NotFound, "there is nothing at this path; the API is at `/api/v1`")
}

async fn no_such_method() -> ApiError {
    ApiError::new(Code::MethodNotAllowed, "this path does not take this method; `Allow` names those it takes")
}

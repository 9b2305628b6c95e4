//! Whether the process lives, and whether it should be sent webhooks.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::answer::{Answer, ApiError, Code};
use super::state::Shared;

pub(super) async fn front_page() -> &'static str {
    "Inlet is running. The console comes later; the API is at /api/v1, metrics at /metrics.\n"
}

pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "status": "alive" }))
}

/// No while draining, after a commit that failed, and while the store's queue is full.
pub(super) async fn ready(State(state): State<Shared>) -> Answer<Json<Value>> {
    if state.ingest.draining() {
        return Err(ApiError::new(Code::NotReady, "the gateway is draining"));
    }
    match state.store.ready() {
        Ok(()) => Ok(Json(json!({ "status": "ready" }))),
        Err(error) => Err(ApiError::new(Code::NotReady, error.to_string())),
    }
}

//! Events: list, one, its exact bytes.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use inlet_domain::{Event, EventFilter, Page};

use super::answer::{Answer, ApiError};
use super::media::INERT;
use super::query::{List, Name, NoQuery};
use super::state::Shared;

pub(super) async fn list(State(state): State<Shared>, list: List<EventFilter>) -> Answer<Json<Page<Event>>> {
    Ok(Json(state.store.events(list.filter, list.page).await?))
}

pub(super) async fn one(State(state): State<Shared>, name: Name, _: NoQuery) -> Answer<Json<Event>> {
    let event = state.store.event(&name.0).await?;
    event.map(Json).ok_or_else(|| ApiError::not_found("event", &name.0))
}

/// The bytes as they came. They are the sender's, so nothing may take them for a page.
pub(super) async fn raw(State(state): State<Shared>, name: Name, _: NoQuery) -> Answer<impl IntoResponse> {
    let body = state.store.event_body(&name.0).await?;
    let body = body.ok_or_else(|| ApiError::not_found("event", &name.0))?;
    let headers = [
        (CONTENT_TYPE, "application/octet-stream"),
        (CONTENT_DISPOSITION, "attachment; filename=\"event.json\""),
        (CONTENT_SECURITY_POLICY, INERT),
    ];
    Ok((headers, body))
}

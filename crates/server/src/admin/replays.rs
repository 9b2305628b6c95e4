//! Replays: count or start, list, one, cancel.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use inlet_domain::{EventFilter, NewReplay, Page, Replay, ReplayId};
use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, ApiError, Code};
use super::body::JsonBody;
use super::destinations::configured;
use super::query::{List, Name, NoFilter, NoQuery};
use super::state::{AdminState, Shared};

const KIND: &str = "replay";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayWish {
    destination: String,
    #[serde(default)]
    filter: EventFilter,
    #[serde(default)]
    dry_run: bool,
}

pub(super) async fn list(State(state): State<Shared>, list: List<NoFilter>) -> Answer<Json<Page<Replay>>> {
    Ok(Json(state.store.replays(list.page).await?))
}

pub(super) async fn one(State(state): State<Shared>, name: Name, _: NoQuery) -> Answer<Json<Replay>> {
    find(&state, &name).await.map(Json)
}

/// Starts a replay or, dry, only counts. Its destination must be configured: jobs of another one would wait for ever.
/// `total` counts the events of the types that the destination takes; its `when` is evaluated when jobs are made, so
/// where there is one, `total` is an upper bound.
pub(super) async fn start(
    State(state): State<Shared>,
    _: NoQuery,
    JsonBody(wish): JsonBody<ReplayWish>,
) -> Answer<Response> {
    let events = &configured(&state, &wish.destination)?.events;
    let replay = NewReplay { destination: wish.destination, filter: wish.filter };
    let total = state.store.count_replay(&replay, events).await?;
    if wish.dry_run {
        return Ok(Json(json!({ "total": total, "dry_run": true })).into_response());
    }
    let replay = state.store.start_replay(replay, total, state.clock.now()).await?;
    Ok((StatusCode::ACCEPTED, Json(replay)).into_response())
}

pub(super) async fn cancel(State(state): State<Shared>, name: Name, _: NoQuery) -> Answer<Json<Replay>> {
    let cancelled = state.store.cancel_replay(ReplayId(name.number(KIND)?), state.clock.now()).await?;
    let replay = find(&state, &name).await?;
    match cancelled {
        Some(true) => Ok(Json(replay)),
        _ => Err(ApiError::new(
            Code::ReplayState,
            format!("the replay is `{}`; only a running one can be cancelled", replay.state),
        )),
    }
}

async fn find(state: &AdminState, name: &Name) -> Answer<Replay> {
    let replay = state.store.replay(ReplayId(name.number(KIND)?)).await?;
    replay.ok_or_else(|| ApiError::not_found(KIND, &name.0))
}

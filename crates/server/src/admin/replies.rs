//! The log of automatic replies, skipped ones included, and who has opted out.

use axum::Json;
use axum::extract::State;
use inlet_domain::{Job, OptOut, Page};

use super::answer::Answer;
use super::query::{List, NoFilter};
use super::state::Shared;

pub(super) async fn list(State(state): State<Shared>, list: List<NoFilter>) -> Answer<Json<Page<Job>>> {
    Ok(Json(state.store.replies(list.page).await?))
}

pub(super) async fn opt_outs(
    State(state): State<Shared>,
    list: List<NoFilter>,
) -> Answer<Json<Page<OptOut>>> {
    Ok(Json(state.store.opt_outs(list.page).await?))
}

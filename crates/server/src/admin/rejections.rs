//! Rejections, paged through in the store; those still in memory are brought there first.

use axum::Json;
use axum::extract::State;
use inlet_domain::{Cursor, Page, Rejection};

use super::answer::Answer;
use super::query::{List, NoFilter};
use super::state::Shared;

/// Where the kept ones begin.
const NEWEST_KEPT: Cursor = Cursor(i64::MAX);

pub(super) async fn list(State(state): State<Shared>, list: List<NoFilter>) -> Answer<Json<Page<Rejection>>> {
    let first_page = list.page.cursor.is_none();
    if first_page && !state.ingest.flush_rejections(state.store.as_ref()).await {
        // A store that cannot write can often still be read, and the newest tell most about what goes wrong now.
        let mut data = state.ingest.fresh_rejections();
        data.truncate(list.page.limit as usize);
        return Ok(Json(Page { data, next: Some(NEWEST_KEPT.to_string()) }));
    }
    Ok(Json(state.store.rejections(list.page).await?))
}

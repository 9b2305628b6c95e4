//! Rejections: those still in memory first, then those that have been kept.

use axum::Json;
use axum::extract::State;
use inlet_domain::{Cursor, Page, PageRequest, Rejection};

use super::answer::Answer;
use super::query::{List, NoFilter};
use super::state::Shared;

/// Where the kept ones begin.
const NEWEST_KEPT: Cursor = Cursor(i64::MAX);

pub(super) async fn list(State(state): State<Shared>, list: List<NoFilter>) -> Answer<Json<Page<Rejection>>> {
    if list.page.cursor.is_some() {
        return Ok(Json(state.store.rejections(list.page).await?));
    }
    let mut fresh = state.ingest.fresh_rejections();
    let limit = list.page.limit as usize;
    if fresh.len() >= limit {
        fresh.truncate(limit);
        return Ok(Json(Page { data: fresh, next: Some(NEWEST_KEPT.to_string()) }));
    }
    let rest = PageRequest { limit: list.page.limit - fresh.len() as u32, cursor: None };
    let kept = state.store.rejections(rest).await?;
    Ok(Json(Page { data: join(fresh, kept.data), next: kept.next }))
}

/// One that was flushed between the two looks is in both; it is shown once, with its number.
fn join(mut fresh: Vec<Rejection>, kept: Vec<Rejection>) -> Vec<Rejection> {
    let same = |kept: &Rejection, fresh: &Rejection| Rejection { id: 0, ..kept.clone() } == *fresh;
    fresh.retain(|fresh| !kept.iter().any(|kept| same(kept, fresh)));
    fresh.extend(kept);
    fresh
}

//! Counts for people: jobs, events, the webhook listener.

use axum::Json;
use axum::extract::State;
use inlet_domain::EventSeq;
use inlet_store::StatsRow;
use serde::Serialize;

use super::answer::Answer;
use super::query::NoQuery;
use super::state::Shared;
use crate::ingest::IngestCounts;

#[derive(Debug, Serialize)]
pub(super) struct Stats {
    jobs: Vec<StatsRow>,
    events: EventStats,
    /// Since this process began.
    webhooks: IngestCounts,
    clock_skew_seconds: Option<i64>,
    draining: bool,
}

#[derive(Debug, Serialize)]
struct EventStats {
    newest_seq: EventSeq,
    unrouted: i64,
}

pub(super) async fn all(State(state): State<Shared>, _: NoQuery) -> Answer<Json<Stats>> {
    let (newest_seq, unrouted) = state.store.backlog().await?;
    Ok(Json(Stats {
        jobs: state.store.stats().await?,
        events: EventStats { newest_seq, unrouted },
        webhooks: state.ingest.metrics.snapshot(),
        clock_skew_seconds: state.ingest.skew_seconds(),
        draining: state.ingest.draining(),
    }))
}

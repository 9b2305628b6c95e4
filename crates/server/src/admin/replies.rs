//! The log of automatic replies, skipped ones included, what the guard still allows, and who has opted out.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use http::request::Parts;
use inlet_domain::{GuardLimits, Job, OptOut, Page};
use inlet_store::ReplyUsage;
use serde::{Deserialize, Serialize};

use super::answer::{Answer, ApiError, Code};
use super::query::{List, NoFilter, Parameters};
use super::state::Shared;

/// Whose budget is asked for: our number and the party, as a reply would have them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Pair {
    from: Option<String>,
    to: Option<String>,
}

/// What the guard allows, and how much of it is used.
#[derive(Debug, Serialize)]
pub(super) struct GuardState {
    limits: Limits,
    used: ReplyUsage,
}

#[derive(Debug, Serialize)]
struct Limits {
    /// Automatic replies to one pair within `window_seconds`.
    pair: i64,
    window_seconds: u64,
    /// Automatic replies in all within `global_window_seconds`.
    global: i64,
    global_window_seconds: u64,
}

impl Limits {
    fn of(limits: &GuardLimits) -> Self {
        Self {
            pair: limits.pair_budget,
            window_seconds: limits.window.as_secs(),
            global: limits.global_cap,
            global_window_seconds: limits.global_window.as_secs(),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Pair {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Answer<Self> {
        Parameters::of(parts)?.filter()
    }
}

pub(super) async fn list(State(state): State<Shared>, list: List<NoFilter>) -> Answer<Json<Page<Job>>> {
    Ok(Json(state.store.replies(list.page).await?))
}

pub(super) async fn guard(State(state): State<Shared>, pair: Pair) -> Answer<Json<GuardState>> {
    let pair = match (pair.from, pair.to) {
        (Some(from), Some(to)) => Some((from, to)),
        (None, None) => None,
        _ => {
            return Err(ApiError::new(
                Code::BadParameter,
                "`from` and `to` make a pair: name both or neither",
            ));
        }
    };
    let limits = &state.config.guard;
    let now = state.clock.now();
    let used = state.store.reply_usage(now, limits.window, limits.global_window, pair).await?;
    Ok(Json(GuardState { limits: Limits::of(limits), used }))
}

pub(super) async fn opt_outs(
    State(state): State<Shared>,
    list: List<NoFilter>,
) -> Answer<Json<Page<OptOut>>> {
    Ok(Json(state.store.opt_outs(list.page).await?))
}

//! Shows and moves the account's clock.

use std::time::Duration;

use axum::Json;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock;
use crate::http::control::request::JsonBody;
use crate::http::gate::Tenant;
use crate::http::problem::{Code, Problem};

/// The clock moves by a century at most.
const MAX_ADVANCE_SECONDS: f64 = 100.0 * 366.0 * 24.0 * 60.0 * 60.0;

/// Shows the time.
pub(crate) async fn show(Tenant(account): Tenant) -> Json<Value> {
    Json(json!({ "now": clock::rfc3339(account.clock.now()) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdvanceRequest {
    seconds: f64,
}

/// Moves the time forward.
pub(crate) async fn advance(
    Tenant(account): Tenant,
    JsonBody(request): JsonBody<AdvanceRequest>,
) -> Result<Json<Value>, Problem> {
    if !(0.0..=MAX_ADVANCE_SECONDS).contains(&request.seconds) {
        let detail = format!("`seconds` is not between 0 and {MAX_ADVANCE_SECONDS}");
        return Err(Problem::new(Code::InvalidBody, detail));
    }
    account.clock.advance(Duration::from_secs_f64(request.seconds));
    Ok(show(Tenant(account)).await)
}

//! Lets a test wait for the messages that it expects.

use axum::Json;
use serde_json::{Value, json};

use crate::expectation::Expectation;
use crate::http::control::request::{JsonBody, limited};
use crate::http::gate::Tenant;
use crate::http::problem::Problem;

/// Waits until enough messages match, no longer than asked.
pub(crate) async fn expect(
    Tenant(account): Tenant,
    JsonBody(expectation): JsonBody<Expectation>,
) -> Result<Json<Value>, Problem> {
    let limit = limited(expectation.within_ms);
    let data = account.expect(expectation.within(limit)).await?;
    Ok(Json(json!({ "data": data })))
}

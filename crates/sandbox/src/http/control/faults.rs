//! Shows and sets the active faults.

use axum::Json;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::http::control::request::JsonBody;
use crate::http::gate::Tenant;
use crate::http::problem::Problem;

/// Lists the active faults.
pub(crate) async fn list(Tenant(account): Tenant) -> Json<Value> {
    Json(json!({ "data": account.read(|world| world.faults.all().to_vec()) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaultsRequest {
    data: Vec<Fault>,
}

/// Puts these faults in the place of all others.
pub(crate) async fn replace(
    Tenant(account): Tenant,
    JsonBody(request): JsonBody<FaultsRequest>,
) -> Result<Json<Value>, Problem> {
    account.change(|world| world.faults.replace(request.data))?;
    Ok(list(Tenant(account)).await)
}

/// Adds one fault to those that are active.
pub(crate) async fn add(
    Tenant(account): Tenant,
    JsonBody(fault): JsonBody<Fault>,
) -> Result<Json<Value>, Problem> {
    account.change(|world| world.faults.add(fault))?;
    Ok(list(Tenant(account)).await)
}

/// Ends all faults.
pub(crate) async fn clear(Tenant(account): Tenant) -> StatusCode {
    account.change(|world| world.faults.clear());
    StatusCode::NO_CONTENT
}

//! Shows and sets the active faults.

use axum::Json;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::http::control::request::JsonBody;
use crate::http::gate::Tenant;

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
) -> Json<Value> {
    account.change(|world| world.faults.replace(request.data));
    list(Tenant(account)).await
}

/// Ends all faults.
pub(crate) async fn clear(Tenant(account): Tenant) -> StatusCode {
    account.change(|world| world.faults.replace(Vec::new()));
    StatusCode::NO_CONTENT
}

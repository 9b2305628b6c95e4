//! Takes an account's whole state out and puts it back.

use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::account::snapshot::Snapshot;
use crate::http::gate::Tenant;
use crate::http::problem::Problem;

/// The account's whole state.
pub(crate) async fn take(Tenant(account): Tenant) -> Response {
    ([(CONTENT_TYPE, "application/json")], account.snapshot()).into_response()
}

/// Puts a state in the place of the account's own.
pub(crate) async fn put_back(Tenant(account): Tenant, body: Bytes) -> Result<StatusCode, Problem> {
    account.restore(Snapshot::read(&body)?)?;
    Ok(StatusCode::NO_CONTENT)
}

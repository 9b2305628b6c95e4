//! Puts texts and whole events in.

use axum::Json;
use http::StatusCode;

use crate::http::control::request::JsonBody;
use crate::http::gate::Tenant;
use crate::http::problem::Problem;
use crate::message::text::{InboundText, Injected, RawEvent};

/// Texts one of the account's numbers.
pub(crate) async fn inject(
    Tenant(account): Tenant,
    JsonBody(text): JsonBody<InboundText>,
) -> Result<(StatusCode, Json<Injected>), Problem> {
    Ok((StatusCode::ACCEPTED, Json(account.receive_text(text)?)))
}

/// Signs and sends a webhook body as it is.
pub(crate) async fn inject_raw(
    Tenant(account): Tenant,
    JsonBody(event): JsonBody<RawEvent>,
) -> Result<(StatusCode, Json<Injected>), Problem> {
    Ok((StatusCode::ACCEPTED, Json(account.send_raw(event)?)))
}

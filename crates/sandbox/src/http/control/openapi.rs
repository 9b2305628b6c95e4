//! The description of the control API. It is kept by hand beside the routes; a test holds routes and answers against it.

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

const DOCUMENT: &str = include_str!("openapi.json");

/// The description.
pub(crate) async fn show() -> Response {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}

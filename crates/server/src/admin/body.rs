//! Reads a JSON request body, bounded in size and time.

use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::answer::{Answer, ApiError, Code};

const MAX_BYTES: usize = 128 * 1024;
const TIMEOUT: Duration = Duration::from_secs(10);

/// A request body, read as JSON whatever its declared type. None at all stands for `{}`.
pub(super) struct JsonBody<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Answer<Self> {
        let Ok(read) = timeout(TIMEOUT, to_bytes(request.into_body(), MAX_BYTES)).await else {
            return Err(bad_body("the body did not arrive in time"));
        };
        let bytes = read.map_err(|_| {
            ApiError::new(Code::BodyTooLong, "the body is longer than 128 KiB, or ended early")
        })?;
        let json: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(json).map(Self).map_err(bad_body)
    }
}

pub(super) fn bad_body(why: impl std::fmt::Display) -> ApiError {
    ApiError::new(Code::BadBody, format!("the body is not what is expected here: {why}"))
}

//! What a control request brings: its JSON body, its query, how long it may wait.

use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use bytes::Bytes;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::http::problem::{Code, Problem};

/// Entries of a list when no number is asked for, and the largest number.
const PAGE_SIZE: (usize, usize) = (100, 1000);
/// The longest a caller can make the sandbox wait.
const MAX_WAIT: Duration = Duration::from_secs(10 * 60);

/// A JSON body.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|rejection| Problem::new(Code::BodyTooLarge, rejection.body_text()))?;
        read_json(&body).map(Self)
    }
}

/// The parameters of the query.
pub(crate) struct JsonQuery<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for JsonQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query
            .map(|Query(query)| Self(query))
            .map_err(|rejection| Problem::new(Code::InvalidQuery, rejection.body_text()))
    }
}

/// Reads JSON, or says what is wrong with it.
pub(crate) fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| Problem::new(Code::InvalidBody, format!("body is not understood: {error}")))
}

/// A page size within its limit.
pub(crate) fn page_size(limit: Option<usize>) -> usize {
    limit.unwrap_or(PAGE_SIZE.0).min(PAGE_SIZE.1)
}

/// A time to wait within its limit.
pub(crate) fn limited(wait_ms: u64) -> Duration {
    Duration::from_millis(wait_ms).min(MAX_WAIT)
}

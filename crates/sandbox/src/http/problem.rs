//! Error bodies of the control API: RFC 9457 with a stable code.

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::text::TextError;
use crate::world::Shared;

/// What can go wrong with a control request. Codes are never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    ForeignHost,
    ForeignOrigin,
    Unauthorized,
    BodyTooLarge,
    InvalidBody,
    InvalidQuery,
    UnknownNumber,
    QueueFull,
    NotFound,
    MethodNotAllowed,
    NotIdle,
}

impl Code {
    fn parts(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::ForeignHost => ("foreign_host", 421, "Host is not the sandbox's"),
            Self::ForeignOrigin => ("foreign_origin", 403, "Origin is not the sandbox's"),
            Self::Unauthorized => ("unauthorized", 401, "API key is missing or wrong"),
            Self::BodyTooLarge => ("body_too_large", 413, "Body is too large"),
            Self::InvalidBody => ("invalid_body", 422, "Body is not understood"),
            Self::InvalidQuery => ("invalid_query", 422, "Query is not understood"),
            Self::UnknownNumber => ("unknown_number", 422, "Number is not the account's"),
            Self::QueueFull => ("queue_full", 503, "Too many events wait"),
            Self::NotFound => ("not_found", 404, "Nothing is here"),
            Self::MethodNotAllowed => ("method_not_allowed", 405, "Method does not fit"),
            Self::NotIdle => ("not_idle", 504, "Events are still on their way"),
        }
    }
}

/// One refused control request.
#[derive(Debug)]
pub(crate) struct Problem {
    code: Code,
    detail: String,
}

impl Problem {
    pub(crate) fn new(code: Code, detail: String) -> Self {
        Self { code, detail }
    }

    pub(crate) fn respond(self, shared: &Shared) -> Response {
        let (code, status, title) = self.code.parts();
        let request_id = shared.quietly(|world| world.random.uuid("request"));
        let body = json!({
            "type": "about:blank", "title": title, "status": status,
            "detail": self.detail, "code": code, "request_id": request_id,
        });
        let status = StatusCode::from_u16(status).expect("the statuses above are valid");
        let mut response = (status, Json(body)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

impl From<TextError> for Problem {
    fn from(error: TextError) -> Self {
        let code = match error {
            TextError::UnknownNumber { .. } => Code::UnknownNumber,
            TextError::QueueFull { .. } => Code::QueueFull,
        };
        Self::new(code, error.to_string())
    }
}

/// Reads a JSON body, or says what is wrong with it.
pub(crate) fn read_json<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Problem> {
    let body = body.map_err(|rejection| Problem::new(Code::BodyTooLarge, rejection.body_text()))?;
    serde_json::from_slice(&body)
        .map_err(|error| Problem::new(Code::InvalidBody, format!("body is not understood: {error}")))
}

//! What Telnyx's API answers when it refuses: the documented error envelope, its codes and their statuses.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use inlet_telnyx::{ApiError, ErrorSource};
use serde_json::{Value, json};

use crate::config::SandboxConfig;

/// Code, title, HTTP status. Telnyx states few of the statuses (401, 429, and 400 for 40305); the others are 400
/// unless HTTP itself has a better one, and `error_statuses` changes each.
const CODES: &[(&str, &str, u16)] = &[
    ("10003", "Invalid URL", 400),
    ("10004", "Missing required parameter", 400),
    ("10005", "Resource not found", 404),
    ("10009", "Authentication failed", 401),
    ("10010", "Forbidden", 403),
    ("10011", "Too many requests", 429),
    ("10012", "Duplicate resource", 409),
    ("10015", "Bad Request", 400),
    ("10020", "String expected", 400),
    ("10023", "Invalid JSON", 400),
    ("10025", "Invalid length", 413),
    ("10026", "Invalid type", 400),
    ("10027", "Unprocessable entity", 422),
    ("10030", "Method not allowed", 405),
    ("10031", "Invalid filter", 400),
    ("10032", "Invalid enumerated value", 400),
    ("10033", "Value outside of range", 400),
    ("10037", "Not available", 501),
    ("40300", "Blocked due to STOP message", 400),
    ("40301", "Unsupported message type", 400),
    ("40302", "Message too large", 400),
    ("40304", "Invalid combination of message content", 400),
    ("40305", "Invalid 'from' address", 400),
    ("40306", "Alpha sender not valid", 400),
    ("40307", "Alpha sender not on the profile", 400),
    ("40308", "Invalid 'from' address for MMS", 400),
    ("40309", "Invalid destination region", 400),
    ("40310", "Invalid 'to' address", 400),
    ("40312", "Messaging profile is disabled", 400),
    ("40316", "No content provided", 400),
    ("40317", "Invalid MMS content", 400),
    ("40318", "Message queue full", 429),
    ("40321", "Empty number pool", 400),
    ("40328", "SMS exceeds recommended size", 400),
    ("40331", "No whitelisted destinations", 400),
    ("40333", "Daily spend limit reached", 429),
];

/// One refused request.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    // Boxed, so that results stay small on the good path.
    error: Box<ApiError>,
    status: u16,
    /// Seconds for `retry-after`, where a fault gives them.
    pub(crate) retry_after_seconds: Option<u64>,
}

impl Refusal {
    /// A refusal by a code of the table above; another code has its number for a title and status 400.
    pub(crate) fn new(code: &str, detail: impl Into<String>) -> Self {
        let known = CODES.iter().find(|(known, ..)| *known == code);
        let (title, status) = known.map_or((code, 400), |(_, title, status)| (*title, *status));
        let (code, title) = (code.to_owned(), title.to_owned());
        let error = ApiError { code, title, detail: Some(detail.into()), source: None };
        Self { error: Box::new(error), status, retry_after_seconds: None }
    }

    /// Something Telnyx has and the sandbox has not: said so, never imitated.
    pub(crate) fn not_emulated(what: impl std::fmt::Display) -> Self {
        Self::new("10037", format!("The sandbox does not emulate {what}."))
    }

    /// Names the part of the body that is wrong.
    pub(crate) fn at(mut self, pointer: &str) -> Self {
        self.error.source = Some(ErrorSource { pointer: Some(pointer.to_owned()), parameter: None });
        self
    }

    /// Names the parameter of the query that is wrong.
    pub(crate) fn in_parameter(mut self, name: &str) -> Self {
        self.error.source = Some(ErrorSource { pointer: None, parameter: Some(name.to_owned()) });
        self
    }

    /// Answers 422 where it would say that the request is wrong, as newer operations do.
    pub(crate) fn as_unprocessable(&mut self) {
        if matches!(self.status, 400 | 404) {
            self.status = 422;
        }
    }

    /// Gives the refusal another HTTP status, as a fault may.
    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Status and body as Telnyx gives them.
    pub(crate) fn render(&self, config: &SandboxConfig) -> Response {
        let status = StatusCode::from_u16(self.status(config)).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = (status, Json(self.envelope())).into_response();
        if response.status() == StatusCode::NOT_IMPLEMENTED {
            // Telnyx's SDKs try every answer of 500 and more again, unless they are told that it is of no use.
            response.headers_mut().insert("x-should-retry", HeaderValue::from_static("false"));
        }
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn status(&self, config: &SandboxConfig) -> u16 {
        config.error_statuses.get(&self.error.code).copied().unwrap_or(self.status)
    }

    fn envelope(&self) -> Value {
        let mut error = json!(self.error);
        error["meta"] =
            json!({"url": format!("https://developers.telnyx.com/docs/overview/errors/{}", self.error.code)});
        json!({ "errors": [error] })
    }

    #[cfg(test)]
    pub(crate) fn code(&self) -> &str {
        &self.error.code
    }
}

/// A layer over all routes gives it its body.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self);
        response
    }
}

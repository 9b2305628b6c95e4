//! Error bodies of the control API: RFC 9457 with a stable code.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::account::snapshot::SnapshotError;
use crate::accounts::AccountError;
use crate::expectation::ExpectationError;
use crate::fault::InvalidFault;
use crate::host::Host;
use crate::message::text::TextError;

/// What can go wrong with a control request. Codes are never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    ForeignHost,
    ForeignOrigin,
    Unauthorized,
    Forbidden,
    BodyTooLarge,
    InvalidBody,
    InvalidQuery,
    UnknownNumber,
    NoProfile,
    AccountRefused,
    QueueFull,
    NotFound,
    MethodNotAllowed,
    NotIdle,
    ExpectationFailed,
    InvalidSnapshot,
}

impl Code {
    fn parts(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::ForeignHost => ("foreign_host", 421, "Host is not the sandbox's"),
            Self::ForeignOrigin => ("foreign_origin", 403, "Origin is not the sandbox's"),
            Self::Unauthorized => ("unauthorized", 401, "API key is missing or wrong"),
            Self::Forbidden => ("forbidden", 403, "Account may not do this"),
            Self::BodyTooLarge => ("body_too_large", 413, "Body is too large"),
            Self::InvalidBody => ("invalid_body", 422, "Body is not understood"),
            Self::InvalidQuery => ("invalid_query", 422, "Query is not understood"),
            Self::UnknownNumber => ("unknown_number", 422, "Number is not the account's"),
            Self::NoProfile => ("no_profile", 422, "Number is on no messaging profile"),
            Self::AccountRefused => ("account_refused", 409, "Account cannot be opened"),
            Self::QueueFull => ("queue_full", 503, "Too many events wait"),
            Self::NotFound => ("not_found", 404, "Nothing is here"),
            Self::MethodNotAllowed => ("method_not_allowed", 405, "Method does not fit"),
            Self::NotIdle => ("not_idle", 504, "Events are still on their way"),
            Self::ExpectationFailed => ("expectation_failed", 417, "Expectation was not met"),
            Self::InvalidSnapshot => ("invalid_snapshot", 422, "Snapshot does not fit"),
        }
    }
}

/// One refused control request. A layer over all routes gives it its body.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    code: Code,
    detail: String,
}

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// Status and body.
    pub(crate) fn render(&self, host: &Host) -> Response {
        let (code, status, title) = self.code.parts();
        let body = json!({
            "type": "about:blank", "title": title, "status": status,
            "detail": self.detail, "code": code, "request_id": host.request_id(),
        });
        let status = StatusCode::from_u16(status).expect("the statuses above are valid");
        let mut response = (status, Json(body)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        let code = match error {
            AccountError::Unusable { .. } => Code::InvalidBody,
            _ => Code::AccountRefused,
        };
        Self::new(code, error.to_string())
    }
}

impl From<SnapshotError> for Problem {
    fn from(error: SnapshotError) -> Self {
        let detail = match &error {
            SnapshotError::Unreadable(cause) => format!("{error}: {cause}"),
            _ => error.to_string(),
        };
        Self::new(Code::InvalidSnapshot, detail)
    }
}

impl From<ExpectationError> for Problem {
    fn from(error: ExpectationError) -> Self {
        let code = match error {
            ExpectationError::Pattern(_) | ExpectationError::Count => Code::InvalidBody,
            ExpectationError::After { .. } => Code::NotFound,
            ExpectationError::Unmet(_) => Code::ExpectationFailed,
        };
        Self::new(code, error.to_string())
    }
}

impl From<InvalidFault> for Problem {
    fn from(error: InvalidFault) -> Self {
        Self::new(Code::InvalidBody, error.to_string())
    }
}

impl From<TextError> for Problem {
    fn from(error: TextError) -> Self {
        let code = match error {
            TextError::UnknownNumber { .. } => Code::UnknownNumber,
            TextError::NoProfile { .. } => Code::NoProfile,
            TextError::QueueFull { .. } => Code::QueueFull,
            TextError::TooLarge { .. } => Code::BodyTooLarge,
        };
        Self::new(code, error.to_string())
    }
}

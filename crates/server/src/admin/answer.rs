//! How the API says no: one list of codes, problem bodies with a request id, causes in the log only.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, StatusCode};
use inlet_store::{BlobError, StoreError};
use tracing::error;

use super::state::Shared;
use crate::problem::{self, Problem};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The codes of the API. Part of the contract: added to, never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    NotFound,
    MethodNotAllowed,
    Unauthorized,
    HostNotAllowed,
    CrossOrigin,
    UnknownParameter,
    BadParameter,
    BadSearch,
    BadBody,
    BodyTooLong,
    JobState,
    ReplayState,
    DestinationPaused,
    TooManyFollowers,
    NotReady,
    StoreUnavailable,
    Internal,
}

impl Code {
    const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Unauthorized => "unauthorized",
            Self::HostNotAllowed => "host_not_allowed",
            Self::CrossOrigin => "cross_origin",
            Self::UnknownParameter => "unknown_parameter",
            Self::BadParameter => "bad_parameter",
            Self::BadSearch => "bad_search",
            Self::BadBody => "bad_body",
            Self::BodyTooLong => "body_too_long",
            Self::JobState => "job_state",
            Self::ReplayState => "replay_state",
            Self::DestinationPaused => "destination_paused",
            Self::TooManyFollowers => "too_many_followers",
            Self::NotReady => "not_ready",
            Self::StoreUnavailable => "store_unavailable",
            Self::Internal => "internal",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::UnknownParameter | Self::BadParameter | Self::BadSearch | Self::BadBody => {
                StatusCode::BAD_REQUEST
            }
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::HostNotAllowed | Self::CrossOrigin => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::JobState | Self::ReplayState | Self::DestinationPaused => StatusCode::CONFLICT,
            Self::BodyTooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooManyFollowers | Self::NotReady | Self::StoreUnavailable => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// A request that failed. It becomes a problem body in [`finish`], where the request's id is known.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    code: Code,
    detail: Cow<'static, str>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

pub(super) type Answer<T> = Result<T, ApiError>;

impl ApiError {
    pub(super) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), cause: None }
    }

    /// Names the object that does not exist.
    pub(super) fn not_found(kind: &str, name: impl std::fmt::Display) -> Self {
        Self::new(Code::NotFound, format!("there is no {kind} `{name}`"))
    }

    fn caused(code: Code, detail: &'static str, cause: impl Error + Send + Sync + 'static) -> Self {
        Self { cause: Some(Arc::new(cause)), ..Self::new(code, detail) }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if error.is_transient() || matches!(error, StoreError::Closed) {
            Self::caused(Code::StoreUnavailable, "the store cannot do this at present; try again", error)
        } else {
            Self::caused(Code::Internal, "something is wrong inside; the log has the cause", error)
        }
    }
}

impl From<BlobError> for ApiError {
    fn from(error: BlobError) -> Self {
        Self::caused(Code::Internal, "the media archive cannot be read; the log has the cause", error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Gives each request an id, turns errors into problem bodies, logs their causes, and adds the headers every answer has.
pub(super) async fn finish(State(state): State<Shared>, request: Request, next: Next) -> Response {
    let request_id = state.entropy.id();
    let mut response = next.run(request).await;
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        log(&error, &request_id);
        write_problem(&mut response, &error, &request_id);
    }
    state.metrics.answered(response.status());
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, HeaderValue::from_str(&request_id).expect("hexadecimal digits"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn write_problem(response: &mut Response, error: &ApiError, request_id: &str) {
    let problem = Problem::new(error.code.status(), error.code.as_str(), &error.detail);
    *response.body_mut() = problem.with_request_id(request_id).to_bytes().into();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(problem::CONTENT_TYPE));
    match error.code.status() {
        StatusCode::UNAUTHORIZED => headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        StatusCode::SERVICE_UNAVAILABLE => headers.insert(RETRY_AFTER, HeaderValue::from_static("1")),
        _ => None,
    };
}

fn log(error: &ApiError, request_id: &str) {
    if let Some(cause) = &error.cause {
        error!(request_id, code = error.code.as_str(), "a request failed: {}", chain(cause.as_ref()));
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        write!(text, ": {cause}").expect("writing to a string cannot fail");
        source = cause.source();
    }
    text
}

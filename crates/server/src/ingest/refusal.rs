//! Why a request gets no 200, what its sender is told, and what an operator is told.

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use inlet_domain::RejectionCode;
use inlet_store::StoreError;

use crate::problem::{self, Problem};

/// A request that is not acknowledged.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It was to the right place and not acceptable. It becomes a rejection.
    Rejected {
        code: RejectionCode,
        /// For the operator; never sent to the peer.
        reason: String,
        size_bytes: usize,
    },
    /// It was not a webhook at all. Counted only, so that scanners do not crowd out rejections.
    Elsewhere(Elsewhere),
    /// It may be perfectly good, and cannot be stored at present.
    Unavailable(Unavailable),
    /// Its body did not arrive in time. Telnyx may try again; the operator sees a rejection.
    Late { size_bytes: usize },
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Elsewhere {
    NotFound,
    TooManyHeaders,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Unavailable {
    /// The store's queue is full.
    Busy,
    /// The store cannot write.
    Failed,
    /// The store has ended.
    Closed,
    /// No commit within the deadline; the event may still be stored.
    Deadline,
    /// Large bodies hold all the memory there is for them.
    NoRoom,
}

impl Refusal {
    pub(super) fn rejected(code: RejectionCode, reason: impl Into<String>) -> Self {
        Self::Rejected { code, reason: reason.into(), size_bytes: 0 }
    }
}

impl From<&StoreError> for Unavailable {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Busy => Self::Busy,
            StoreError::Closed => Self::Closed,
            _ => Self::Failed,
        }
    }
}

impl Unavailable {
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Busy => "store_busy",
            Self::Failed => "store_unavailable",
            Self::Closed => "store_closed",
            Self::Deadline => "deadline_exceeded",
            Self::NoRoom => "too_many_large_bodies",
        }
    }
}

impl Elsewhere {
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::TooManyHeaders => "too_many_headers",
        }
    }
}

/// What the sender is told. Constant, so that nothing it sent comes back.
struct Told {
    status: StatusCode,
    code: &'static str,
    detail: &'static str,
    closes: bool,
}

impl Refusal {
    pub(super) fn response(&self) -> Response<Full<Bytes>> {
        let told = self.told();
        let body = Problem::new(told.status, told.code, told.detail).to_bytes();
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = told.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(problem::CONTENT_TYPE));
        if told.closes {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if told.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if told.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }

    fn told(&self) -> Told {
        match self {
            Self::Rejected { code, .. } => {
                let (status, detail) = explain(*code);
                Told { status, code: code.as_str(), detail, closes: !comes_after_the_body(*code) }
            }
            Self::Elsewhere(elsewhere) => elsewhere.told(),
            Self::Unavailable(unavailable) => unavailable.told(),
            // The rest of the body is still on its way, so the connection cannot be used again.
            Self::Late { .. } => Told { closes: true, ..Unavailable::Deadline.told() },
        }
    }
}

impl Elsewhere {
    fn told(self) -> Told {
        let (status, detail) = match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "Webhooks are not received at this path."),
            Self::TooManyHeaders => {
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "A request may have at most 64 headers.")
            }
        };
        Told { status, code: self.code(), detail, closes: true }
    }
}

impl Unavailable {
    fn told(self) -> Told {
        let detail = match self {
            Self::Deadline => "The event could not be stored in time. It may be stored; a retry is safe.",
            _ => "The event cannot be stored at present. A retry is safe.",
        };
        Told {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: self.code(),
            detail,
            closes: self.leaves_body_unread(),
        }
    }

    const fn leaves_body_unread(self) -> bool {
        matches!(self, Self::NoRoom)
    }
}

// What is told only after all of the body has come leaves the connection in order. To begin a new one for each forged
// request would cost us as much as its signature, and a proxy the connections that it keeps open to us.
const fn comes_after_the_body(code: RejectionCode) -> bool {
    matches!(code, RejectionCode::SignatureMismatch | RejectionCode::TimestampStale)
}

fn explain(code: RejectionCode) -> (StatusCode, &'static str) {
    match code {
        RejectionCode::SignatureMissing => {
            (StatusCode::BAD_REQUEST, "The header `telnyx-signature-ed25519` is missing.")
        }
        RejectionCode::TimestampMissing => {
            (StatusCode::BAD_REQUEST, "The header `telnyx-timestamp` is missing.")
        }
        RejectionCode::SignatureRepeated => {
            (StatusCode::BAD_REQUEST, "A signature header occurs more than once.")
        }
        RejectionCode::SignatureMalformed => (
            StatusCode::BAD_REQUEST,
            "The header `telnyx-signature-ed25519` is not padded standard base64 of 64 bytes.",
        ),
        RejectionCode::TimestampMalformed => {
            (StatusCode::BAD_REQUEST, "The header `telnyx-timestamp` is not a number of Unix seconds.")
        }
        RejectionCode::SignatureMismatch => {
            (StatusCode::BAD_REQUEST, "The signature was not made by a known key over this body.")
        }
        RejectionCode::TimestampStale => {
            (StatusCode::BAD_REQUEST, "The signature is genuine, but its time is too far from our clock.")
        }
        RejectionCode::ApiVersion1 => (
            StatusCode::BAD_REQUEST,
            "Webhooks of API version 1 are not supported. Set `webhook_api_version` of the messaging profile to \"2\".",
        ),
        RejectionCode::BodyTooLong => {
            (StatusCode::PAYLOAD_TOO_LARGE, "The body is longer than this listener accepts.")
        }
        RejectionCode::BodyUnreadable => {
            (StatusCode::BAD_REQUEST, "The body ended early or could not be read.")
        }
        RejectionCode::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "Webhooks are POST requests."),
        RejectionCode::ContentEncoding => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Compressed bodies are not accepted.")
        }
        RejectionCode::UnsignedNotLocal => (
            StatusCode::BAD_REQUEST,
            "Requests without a signature are accepted only from this machine, and not from a web page or through a tunnel.",
        ),
    }
}

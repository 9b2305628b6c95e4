//! Problem bodies (RFC 9457), as both listeners answer them.

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

pub(crate) const CONTENT_TYPE: &str = "application/problem+json";

/// What a caller is told about a request that failed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl<'a> Problem<'a> {
    pub(crate) fn new(status: StatusCode, code: &'a str, detail: &'a str) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { kind: "about:blank", title, status: status.as_u16(), detail, code, request_id: None }
    }

    pub(crate) fn with_request_id(self, request_id: &'a str) -> Self {
        Self { request_id: Some(request_id), ..self }
    }

    pub(crate) fn to_bytes(&self) -> Bytes {
        serde_json::to_vec(self).expect("a struct of texts is always JSON").into()
    }
}

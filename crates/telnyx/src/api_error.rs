//! One item of Telnyx's `errors` list, in API answers and in payloads.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::payload::text;

/// Codes that Inlet acts on or the sandbox produces (Telnyx's error pages).
pub mod error_code {
    /// The resource does not exist.
    pub const NOT_FOUND: &str = "10005";
    /// The bearer token is missing or wrong.
    pub const AUTHENTICATION: &str = "10009";
    /// Too many requests.
    pub const TOO_MANY_REQUESTS: &str = "10011";
    /// The recipient has texted STOP to this messaging profile.
    pub const BLOCKED_BY_STOP: &str = "40300";
}

/// An error as Telnyx writes it. Codes are classified by code and title, never by HTTP status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// A text with integer content, as `40300`.
    pub code: String,
    /// A few words.
    pub title: String,
    /// A sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Which part of the request was wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<ErrorSource>,
}

/// The part of a request that an error speaks of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorSource {
    /// JSON pointer into the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Query parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
}

impl ApiError {
    /// Reads one item tolerantly: numeric codes and null sources have been seen.
    pub fn read(value: &Value) -> Option<Self> {
        let source = &value["source"];
        Some(Self {
            code: text(value, "code")?,
            title: text(value, "title").unwrap_or_default(),
            detail: text(value, "detail"),
            source: source.is_object().then(|| ErrorSource {
                pointer: text(source, "pointer"),
                parameter: text(source, "parameter"),
            }),
        })
    }

    /// Reads the error envelope of an API answer: `{"errors":[…]}`. Anything else gives an empty list.
    pub fn read_all(body: &[u8]) -> Vec<Self> {
        let root: Value = serde_json::from_slice(body).unwrap_or_default();
        root["errors"]
            .as_array()
            .map(|items| items.iter().filter_map(Self::read).collect())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_codes_and_null_sources_are_read() {
        let errors = ApiError::read_all(
            br#"{"errors":[{"code":40300,"title":"Blocked","source":null},{"title":"x"}]}"#,
        );
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].code, error_code::BLOCKED_BY_STOP);
        assert!(ApiError::read_all(b"<html>").is_empty());
    }
}

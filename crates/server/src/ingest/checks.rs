//! Looks at a request's head, cheapest first, before anything of its body is read.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};
use inlet_domain::RejectionCode;
use inlet_telnyx::{
    SIGNATURE_HEADER, SignatureError, SignatureHeaders, TIMESTAMP_HEADER, V1_SIGNATURE_HEADER,
};

use super::refusal::{Elsewhere, Refusal};

const MAX_HEADERS: usize = 64;

/// Where the request goes, how, and how large it says it is.
pub(super) fn check_head(head: &Parts, path: &str, max_body_bytes: usize) -> Result<(), Refusal> {
    // The query is ignored: Telnyx appends nothing, and people put tokens there.
    if head.uri.path() != path {
        return Err(Refusal::Elsewhere(Elsewhere::NotFound));
    }
    if head.headers.len() > MAX_HEADERS {
        return Err(Refusal::Elsewhere(Elsewhere::TooManyHeaders));
    }
    if head.method != Method::POST {
        return Err(Refusal::rejected(
            RejectionCode::MethodNotAllowed,
            "the method is not POST; a browser or a health check was pointed at the webhook path",
        ));
    }
    check_encoding(&head.headers)?;
    check_version(&head.headers)?;
    check_declared_length(&head.headers, max_body_bytes)
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Refusal> {
    let plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().all(plain) {
        return Ok(());
    }
    Err(Refusal::rejected(
        RejectionCode::ContentEncoding,
        "the body is compressed; Telnyx does not compress, so something in between does",
    ))
}

fn check_version(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.contains_key(V1_SIGNATURE_HEADER) {
        return Err(version_1(&format!("header `{V1_SIGNATURE_HEADER}` is present")));
    }
    Ok(())
}

pub(super) fn version_1(evidence: &str) -> Refusal {
    let remedy = "set `webhook_api_version` of the messaging profile to \"2\"";
    Refusal::rejected(RejectionCode::ApiVersion1, format!("a webhook of API version 1: {evidence}; {remedy}"))
}

fn check_declared_length(headers: &HeaderMap, max_body_bytes: usize) -> Result<(), Refusal> {
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match declared {
        Some(length) if length > max_body_bytes as u64 => Err(Refusal::rejected(
            RejectionCode::BodyTooLong,
            format!("{length} bytes are declared, {max_body_bytes} are allowed"),
        )),
        _ => Ok(()),
    }
}

/// Whether neither of the two signature headers is there.
pub(super) fn is_unsigned(headers: &HeaderMap) -> bool {
    !headers.contains_key(SIGNATURE_HEADER) && !headers.contains_key(TIMESTAMP_HEADER)
}

/// Decodes the two signature headers.
pub(super) fn signature_headers(headers: &HeaderMap) -> Result<SignatureHeaders<'_>, Refusal> {
    let values = |name| headers.get_all(name).iter().map(HeaderValue::as_bytes);
    SignatureHeaders::read(values(SIGNATURE_HEADER), values(TIMESTAMP_HEADER))
        .map_err(|error| unverified(&error, 0))
}

/// The refusal of a request that does not verify.
pub(super) fn unverified(error: &SignatureError, size_bytes: usize) -> Refusal {
    let code = error.code().parse().expect("every code of a signature error is a rejection's");
    Refusal::Rejected { code, reason: error.to_string(), size_bytes }
}

/// Whether an unsigned body looks like version 1 or older: form-encoded, or flat JSON that names its `sms_id`.
pub(super) fn looks_like_version_1(headers: &HeaderMap, beginning: &[u8]) -> bool {
    let is_form = headers.get(CONTENT_TYPE).is_some_and(is_form_type);
    // `curl -d '{…}'` declares a form and sends JSON.
    let is_json = beginning.trim_ascii_start().starts_with(b"{");
    let names_sms_id = beginning.windows(b"\"sms_id\"".len()).any(|part| part == b"\"sms_id\"");
    (is_form && !is_json) || (is_json && names_sms_id)
}

fn is_form_type(value: &HeaderValue) -> bool {
    let form = b"application/x-www-form-urlencoded";
    value.as_bytes().get(..form.len()).is_some_and(|start| start.eq_ignore_ascii_case(form))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signature_error_has_a_rejection_code() {
        let codes = [
            SignatureError::Missing { header: SIGNATURE_HEADER },
            SignatureError::Missing { header: TIMESTAMP_HEADER },
            SignatureError::Repeated { header: SIGNATURE_HEADER },
            SignatureError::MalformedSignature,
            SignatureError::MalformedTimestamp,
            SignatureError::NoMatch {
                keys: vec![],
                timestamp: String::new(),
                body_bytes: 0,
                body_sha256: String::new(),
            },
        ];
        for error in codes {
            assert!(error.code().parse::<RejectionCode>().is_ok(), "{error}");
        }
        assert!("timestamp_stale".parse::<RejectionCode>().is_ok());
    }

    #[test]
    fn version_1_is_told_by_its_body() {
        let form = HeaderMap::from_iter([(
            CONTENT_TYPE,
            HeaderValue::from_static("Application/x-www-form-urlencoded; charset=utf-8"),
        )]);
        let json = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        assert!(looks_like_version_1(&form, b"MessageSid=1&Body=x"));
        assert!(!looks_like_version_1(&form, b"{\"data\":{}}"));
        assert!(looks_like_version_1(&json, b" {\"sms_id\":\"834f3d53\",\"direction\":\"inbound\"}"));
        assert!(!looks_like_version_1(&json, b"{\"data\":{}}"));
        assert!(!looks_like_version_1(&json, b""));
    }
}

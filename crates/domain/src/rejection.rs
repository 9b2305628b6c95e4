//! A rejection: a request to the webhook endpoint that was refused, with its reason. Never an event.

use serde::{Deserialize, Serialize};

use crate::job::{UnknownWord, words};
use crate::time::Timestamp;

words! {
    /// Why a request was refused; stable, never renamed.
    RejectionCode {
        /// No signature header.
        SignatureMissing = "signature_missing",
        /// No timestamp header.
        TimestampMissing = "timestamp_missing",
        /// A signature or timestamp header occurs twice.
        SignatureRepeated = "signature_repeated",
        /// The signature is not base64 of 64 bytes.
        SignatureMalformed = "signature_malformed",
        /// The timestamp is not a number.
        TimestampMalformed = "timestamp_malformed",
        /// No key made this signature.
        SignatureMismatch = "signature_mismatch",
        /// Genuine, but outside the window.
        TimestampStale = "timestamp_stale",
        /// Webhook API version 1, which is not supported yet.
        ApiVersion1 = "api_version_1",
        /// The body is longer than the limit.
        BodyTooLong = "body_too_long",
        /// The body ended early or could not be read.
        BodyUnreadable = "body_unreadable",
        /// Another method than POST.
        MethodNotAllowed = "method_not_allowed",
        /// Compressed bodies are not accepted.
        ContentEncoding = "content_encoding",
        /// Unsigned, and something about it shows a web page or a tunnel.
        UnsignedNotLocal = "unsigned_not_local",
    }
}

/// A refusal on its way to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRejection {
    /// Why, as a stable word.
    pub code: RejectionCode,
    /// Why, as a sentence: the clock difference, the key's fingerprint, what would have had to match.
    pub reason: String,
    /// When.
    pub received_at: Timestamp,
    /// Bytes of body read.
    pub size_bytes: i64,
    /// Address of the peer.
    pub peer: String,
}

/// A refusal as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// Its number; 0 while it is only in memory.
    pub id: i64,
    /// Why, as a stable word.
    pub code: RejectionCode,
    /// Why, as a sentence.
    pub reason: String,
    /// When.
    pub received_at: Timestamp,
    /// Bytes of body read.
    pub size_bytes: i64,
    /// Address of the peer.
    pub peer: String,
}

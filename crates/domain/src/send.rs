//! What is sent through Telnyx, and who does not want it.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Query parameter of a message's own webhook URL; receipts echo it, and so find the send they belong to.
pub const SEND_KEY_PARAMETER: &str = "inlet_send";

/// A random name of one send: its `Idempotency-Key`, and the value of [`SEND_KEY_PARAMETER`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SendKey(pub String);

/// A message to be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendRequest {
    /// One of our numbers.
    pub from: String,
    /// The recipient.
    pub to: String,
    /// The text.
    #[serde(default)]
    pub text: String,
    /// Public URLs of attachments; Telnyx fetches them itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media_urls: Vec<String>,
}

/// A party that does not want messages from one of our numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptOut {
    /// Our number.
    pub our_number: String,
    /// The party.
    pub party: String,
    /// Since when.
    pub created_at: Timestamp,
    /// How we know: `STOP` (their message) or `40300` (Telnyx refused a send).
    pub evidence: String,
}

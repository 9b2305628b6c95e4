//! An alphanumeric sender ID of the account.

use inlet_telnyx::PhoneNumber;
use serde::{Deserialize, Serialize};

/// The longest name that networks take.
const MAX_NAME: usize = 11;

/// A name that messages can come from, and the messaging profile that it is on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AlphaSender {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) profile_id: String,
    /// Sends in its place to the United States, where names are not taken.
    pub(crate) us_long_code_fallback: Option<PhoneNumber>,
}

/// Whether a text can be the name of a sender: up to eleven letters, digits and spaces.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ')
}

//! A short code of the account.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One short code and the messaging profile that it is on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ShortCode {
    pub(crate) id: String,
    /// Its digits, without a plus.
    pub(crate) code: String,
    pub(crate) profile_id: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

//! A number of the account and its messaging settings.

use inlet_telnyx::PhoneNumber;
use serde::{Deserialize, Serialize};

/// One number and the messaging profile that it is on.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct OwnNumber {
    pub(crate) number: PhoneNumber,
    /// A number without a profile neither sends nor receives.
    pub(crate) profile_id: Option<String>,
}

//! A number of the account and its messaging settings.

use inlet_telnyx::PhoneNumber;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::message::number_plan::area_code;

/// Area codes of North America that cost the caller nothing.
const TOLL_FREE: [&str; 7] = ["800", "833", "844", "855", "866", "877", "888"];
/// The messaging product of a number that was never told otherwise.
const DEFAULT_PRODUCT: &str = "A2P";

/// One number and the messaging profile that it is on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OwnNumber {
    pub(crate) id: String,
    pub(crate) number: PhoneNumber,
    /// A number without a profile neither sends nor receives.
    pub(crate) profile_id: Option<String>,
    /// Whether messages with media may come from it (error 40308).
    pub(crate) takes_mms: bool,
    /// A label.
    pub(crate) messaging_product: String,
    pub(crate) tags: Vec<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// What kind of number it is, as Telnyx names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberKind {
    LongCode,
    TollFree,
}

impl OwnNumber {
    /// A number as it is at start.
    pub(crate) fn new(id: String, number: PhoneNumber, profile_id: String, now: Timestamp) -> Self {
        Self {
            id,
            profile_id: Some(profile_id),
            // Telnyx carries MMS in North America only.
            takes_mms: number.as_str().starts_with("+1"),
            number,
            messaging_product: DEFAULT_PRODUCT.to_owned(),
            tags: Vec::new(),
            created_at: now,
            updated_at: now,
        }
    }

    pub(crate) fn kind(&self) -> NumberKind {
        match is_toll_free(self.number.as_str()) {
            true => NumberKind::TollFree,
            false => NumberKind::LongCode,
        }
    }
}

/// Whether a number is one of North America that costs the caller nothing.
pub(crate) fn is_toll_free(number: &str) -> bool {
    area_code(number).is_some_and(|area| TOLL_FREE.contains(&area))
}

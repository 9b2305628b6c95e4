//! Telnyx's wire, as Inlet and its sandbox speak it: signatures, events, payloads, errors, numbers. Pure.

mod api_error;
mod encoding;
mod event;
mod json;
mod payload;
mod phone;
mod signature;
mod smart_encoding;

pub use api_error::{ApiError, ErrorSource, error_code};
pub use encoding::{Encoding, MAX_PARTS, NotGsm7, Segments};
pub use event::{Event, EventKey, EventMeta, find_event_key};
pub use json::{MAX_DEPTH, Unreadable};
pub use payload::{MediaItem, MessagePayload, Party};
pub use phone::{Address, InvalidPhoneNumber, PhoneNumber, mask};
pub use signature::{
    DEFAULT_TOLERANCE_SECONDS, InvalidKey, KeyFingerprint, PublicKey, SIGNATURE_HEADER, SignatureError,
    SignatureHeaders, SigningKey, TIMESTAMP_HEADER, V1_SIGNATURE_HEADER, Verified, verify,
};
pub use smart_encoding::smart_encode;

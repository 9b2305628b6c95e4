//! A local Telnyx: the messaging API, signed webhooks with retries and failover, media, faults, a control API.
//!
//! It knows only `inlet-telnyx`, so it cannot share the gateway's mistakes, and any receiver can be tried on it.

mod config;
mod host;
mod sandbox;

mod account;
mod accounts;

mod message;
mod webhook;

mod fault;
mod field;
mod media;
mod refusal;

mod http;

mod state;

mod base64_bytes;
mod clock;
mod random;

pub use account::snapshot::SnapshotError;
pub use accounts::AccountError;
pub use config::{
    AccountSettings, ApiSettings, BackoffGrowth, MediaDigestKey, ProfileSettings, RateLimitReset,
    RetrySettings, SandboxConfig, SigningTime,
};
pub use fault::{CarrierOutcome, Fault, FaultEffect, FaultMatch, InvalidFault};
pub use message::carrier::{CarrierSettings, Line, LineEnd, LineType};
pub use message::text::{InboundMedia, InboundText, Injected, RawEvent, TextError};
pub use sandbox::{Sandbox, SandboxError};
pub use state::StateError;
pub use webhook::delivery::{Attempt, AttemptError, Delivery, DeliveryStatus};

//! A local Telnyx: the messaging API, signed webhooks with retries and failover, media, faults, a control API.
//!
//! It knows only `inlet-telnyx`, so it cannot share the gateway's mistakes, and any receiver can be tried on it.

mod config;
mod sandbox;

mod account;
mod profile;
mod world;

mod carrier;
mod keyword;
mod message;
mod text;

mod courier;
mod delivery;
mod event;

mod fault;
mod media;
mod number_plan;
mod refusal;
mod send_request;

mod http;

mod clock;
mod random;

pub use config::{MediaDigestKey, ProfileSettings, RetrySettings, SandboxConfig};
pub use delivery::{Attempt, AttemptError, Delivery, DeliveryStatus};
pub use fault::{CarrierOutcome, Fault, FaultEffect, FaultMatch, InvalidFault};
pub use sandbox::{Sandbox, SandboxError};
pub use text::{InboundMedia, InboundText, Injected, RawEvent, TextError};

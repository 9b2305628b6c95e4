//! A local Telnyx: the messaging API, signed webhooks with retries and failover, media, faults, a control API.
//!
//! It knows only `inlet-telnyx`, so it cannot share the gateway's mistakes, and any receiver can be tried on it.
//!
//! # In a Rust test
//!
//! [`Sandbox::start`] takes any free port; nothing is shared, so tests run side by side. Point the program under test
//! at [`Sandbox::api_url`] with [`SandboxAccount::api_key`], let it verify webhooks with
//! [`SandboxAccount::public_key`], and tell the sandbox where it listens.
//!
//! ```
//! use std::time::Duration;
//!
//! use inlet_sandbox::{Expectation, Sandbox};
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
//! let sandbox = Sandbox::start().await?;
//! // sandbox.set_webhook_url(the_program.webhooks_url());
//!
//! // Somebody texts us: a signed webhook goes out, with all its tries.
//! let text = sandbox.text("+15551234567", "Are you open?").await?;
//! sandbox.wait_idle(Duration::from_secs(10)).await?;
//! assert_eq!(sandbox.delivery(&text.event_id).expect("it is kept").attempts.len(), 0, "no URL yet");
//!
//! // The program answers through the API. Should it not, the error names what came nearest.
//! let answer = Expectation::to("+15551234567").text_matches("(?i)open").after(&text.id);
//! let missing = sandbox.expect_message(answer.within(Duration::ZERO)).await;
//! assert!(missing.unwrap_err().to_string().starts_with("0 of 1 expected messages"));
//!
//! // Another tenant sees nothing of all that.
//! let other = sandbox.open_account("other")?;
//! assert!(other.deliveries().is_empty());
//! sandbox.shutdown().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`SandboxConfig`] has every number on which Telnyx's sources disagree, a seed, and `frozen_at`: with a stopped clock
//! nothing happens by itself. [`SandboxAccount::advance_clock`] lets retries and delays come due and media grow old,
//! [`SandboxAccount::settle`] waits for what is due, and equal seeds and calls give equal bytes in equal order.
//! [`SandboxAccount::set_faults`] makes it misbehave.
//!
//! # In any other test
//!
//! All of this is also the control API under `/sandbox/v1`, described at `/sandbox/v1/openapi.json`.

mod config;
mod host;
mod sandbox;

mod account;
mod accounts;

mod message;
mod webhook;

mod expectation;
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
pub use expectation::{Expectation, ExpectationError, WantedDirection};
pub use fault::{CarrierOutcome, Fault, FaultEffect, FaultMatch, InvalidFault};
pub use message::carrier::{CarrierSettings, Line, LineEnd, LineType};
pub use message::text::{InboundMedia, InboundText, Injected, RawEvent, TextError};
pub use sandbox::{Sandbox, SandboxAccount, SandboxError};
pub use state::StateError;
pub use webhook::delivery::{Attempt, AttemptError, Delivery, DeliveryStatus};

//! Routes events, claims jobs and runs them: the only crate that causes effects.
//!
//! Five loops ([`Engine::start`]) meet the rest of Inlet only in the store: `router` turns events into jobs,
//! `dispatch` claims due jobs and has each run under a lease (`recorder` notes how they end), `behind` fills the search,
//! `maintenance` returns lost leases and advances replays, `retention` deletes what is past its time.
//! A new destination begins in `destinations.rs`; whatever goes out goes through `outbound.rs`.

mod behind;
mod breaker;
mod config;
mod deliver;
mod destinations;
mod dispatch;
mod engine;
mod hand;
mod job_run;
mod lanes;
mod maintenance;
mod media;
mod metrics;
mod outbound;
mod recorder;
mod report;
mod retention;
mod router;
mod secret;
mod send;
#[cfg(test)]
mod simulation;
mod telnyx_api;
mod wake;

pub use config::{EngineConfig, MediaConfig, SendConfig, TelnyxConfig};
pub use destinations::{DestinationError, check_destination_url};
pub use engine::{Engine, EngineError};
pub use secret::{InvalidSecret, new_secret};

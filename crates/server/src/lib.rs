//! The two listeners of a gateway: webhooks come in at one, people and programs look and steer at the other.
//!
//! A new endpoint of the API is a line in `admin/router.rs` and a function beside its siblings. A new reason to
//! refuse a webhook is a row of `RejectionCode`, a row in `ingest/refusal.rs`, and a check in `ingest/checks.rs`.
//!
//! This crate records and answers; what follows from what it has recorded is the engine's work.

mod admin;
mod error;
mod host;
mod ingest;
mod listener;
mod problem;

pub use admin::{Admin, AdminConfig, KeyRing};
pub use error::ServerError;
pub use ingest::{BoundIngest, Ingest, IngestConfig, IngestStatus};

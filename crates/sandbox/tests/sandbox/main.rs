//! The sandbox as its users meet it: over real sockets, through its HTTP interfaces.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

mod accounts;
mod api_answers;
mod carrier;
mod control;
mod deliveries;
mod expectations;
mod faults;
mod groups;
mod helper;
mod keywords;
mod media;
mod numbers;
mod openapi;
mod page;
mod profiles;
mod records;
mod scheduling;
mod schema;
mod seeds;
mod senders;
mod sending;
mod short_codes;
mod snapshot;
mod state;
mod stream;
mod uploads;
mod versions;
mod webhook_records;
mod webhooks;

//! Promises to users, kept by real processes on real sockets against the sandbox.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod endpoint;
mod gateway;
mod load;
mod wait;
mod world;

mod dev;
mod faults;
mod kill;
mod listen;
mod main_job;
mod media;
mod order;
mod replies;
mod retention;
mod searching;
mod steering;
mod stored;
mod trigger;

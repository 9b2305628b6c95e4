//! Both listeners over real sockets.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod fake_store;
mod receiver;
mod wire;

mod ingest_accepts;
mod ingest_limits;
mod ingest_refuses;
mod ingest_store_trouble;

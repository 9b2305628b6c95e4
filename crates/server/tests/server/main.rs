//! Both listeners over real sockets.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod fake_store;
mod gateway;
mod receiver;
mod wire;

mod admin_acts;
mod admin_guards;
mod admin_health;
mod admin_reads;
mod admin_stream;
mod ingest_accepts;
mod ingest_descriptors;
mod ingest_limits;
mod ingest_refuses;
mod ingest_store_trouble;

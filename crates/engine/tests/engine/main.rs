//! The engine against real sockets and a real store.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod ahead;
mod deliver;
mod ending;
mod media;
mod overload;
mod send;
mod stub;
mod world;

//! The commands that stay: `serve`, `dev` and `sandbox`, and what they share.

pub(crate) mod dev;
pub(crate) mod sandbox;
pub(crate) mod serve;

mod background;
mod descriptors;
mod failure;
mod flags;
mod gateway;
mod keys;
mod ready;
pub(crate) mod signals;
mod wiring;

pub(crate) use failure::of_store;

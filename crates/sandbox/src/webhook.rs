//! Webhooks: the bytes of an event, the log of its delivery, and the courier that carries it.

pub(crate) mod courier;
pub(crate) mod delivery;
pub(crate) mod event;
mod flat;
pub(crate) mod hold;
pub(crate) mod log;
pub(crate) mod publish;
pub(crate) mod request;
pub(crate) mod route;

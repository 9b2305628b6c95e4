//! The sandbox as its users meet it: over real sockets, through its HTTP interfaces.

mod support;

mod control;
mod faults;
mod media;
mod sending;
mod webhooks;

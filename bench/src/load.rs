//! The load: one thread with many keep-alive connections, one request in flight on each, in closed or open loop.

mod connection;
mod generator;
mod measured;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use measured::{Latencies, Measured, Percentiles, Sample};

use crate::events::Requests;

/// When the next request is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// As soon as a connection has its answer: finds the saturation.
    Closed,
    /// At fixed times, whatever the server does: latency counts from the time a request was due, so a stall shows.
    Open {
        /// Requests a second.
        rate: f64,
    },
}

/// One run of the load.
#[derive(Clone)]
pub(crate) struct Generator {
    /// Where the server takes webhooks.
    pub(crate) address: SocketAddr,
    /// What is sent.
    pub(crate) requests: Arc<Requests>,
    /// Which part of `requests.order`; the run ends when it is through.
    pub(crate) range: Range<usize>,
    /// Keep-alive connections.
    pub(crate) connections: usize,
    /// Closed or open loop.
    pub(crate) pace: Pace,
    /// Time at the beginning whose answers count for the ledger only.
    pub(crate) warm_up: Duration,
    /// Measured time after it.
    pub(crate) length: Duration,
    /// How long outstanding answers are waited for at the end.
    pub(crate) patience: Duration,
    /// Cores of the generator's thread.
    pub(crate) cores: Vec<usize>,
}

impl Generator {
    /// A closed loop over 64 connections through all requests, without a warm-up.
    pub(crate) fn new(address: SocketAddr, requests: Arc<Requests>, core: usize) -> Self {
        let range = 0..requests.order.len();
        Self {
            address,
            requests,
            range,
            connections: 64,
            pace: Pace::Closed,
            warm_up: Duration::ZERO,
            length: Duration::from_secs(24 * 3600),
            patience: Duration::from_secs(10),
            cores: vec![core],
        }
    }

    /// The same in open loop over 256 connections.
    pub(crate) fn at_rate(self, rate: f64) -> Self {
        Self { pace: Pace::Open { rate }, connections: 256, ..self }
    }

    /// The same bounded in time.
    pub(crate) fn during(self, warm_up: Duration, length: Duration) -> Self {
        Self { warm_up, length, ..self }
    }

    /// Runs on a thread of its own until the time is over or the requests are, and the answers have come.
    pub(crate) async fn run(self) -> anyhow::Result<Measured> {
        tokio::task::spawn_blocking(move || generator::run(&self)).await?
    }
}

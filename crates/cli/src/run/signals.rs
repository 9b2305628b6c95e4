//! SIGTERM and SIGINT: the first asks for a good end, the second for the end.

use std::future::Future;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::warn;

use crate::exit::Exit;

/// The two signals, from the moment it is made.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes the signals over from the operating system's default, which would end the process at once.
    pub(crate) fn take_over() -> anyhow::Result<Self> {
        let take = |kind| signal(kind).context("cannot take over signals");
        Ok(Self { terminate: take(SignalKind::terminate())?, interrupt: take(SignalKind::interrupt())? })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Lets the work end by itself; another signal ends the process.
    pub(crate) async fn unless_repeated<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            done = work => done,
            () = self.next() => {
                warn!("a second signal cuts the shutdown short");
                std::process::exit(Exit::Interrupted as i32)
            }
        }
    }
}

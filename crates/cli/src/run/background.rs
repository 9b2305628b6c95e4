//! Threads for work that can wait: they give way to those that acknowledge webhooks.

use anyhow::Context;
use rustix::process::setpriority_process;
use tokio::runtime::{Builder, EnterGuard, Runtime};
use tracing::warn;

/// A ninth of a busy core's time against a thread of usual priority (sched(7): each step of the nice value is worth a
/// quarter), and all that others leave.
const NICENESS: i32 = 10;

/// A runtime of background threads. Its tasks must have ended when it is dropped.
pub(super) struct Background {
    /// Taken by the drop.
    runtime: Option<Runtime>,
}

impl Background {
    /// Starts the threads.
    pub(super) fn start() -> anyhow::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.enable_all().thread_name("background").on_thread_start(give_way);
        Ok(Self { runtime: Some(builder.build().context("cannot start the background runtime")?) })
    }

    /// What is spawned while the guard lives runs in the background.
    pub(super) fn enter(&self) -> EnterGuard<'_> {
        self.runtime.as_ref().expect("only the drop takes it").enter()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The usual drop waits, which no task of another runtime may.
            runtime.shutdown_background();
        }
    }
}

/// Lowers the priority of the calling thread.
pub(super) fn give_way() {
    // On Linux priorities are of threads, and no process means the calling one (setpriority(2)).
    if let Err(error) = setpriority_process(None, NICENESS) {
        warn!(%error, "cannot lower the priority of a background thread: {error}");
    }
}

//! Waiting for something to do. A wake-up is a hint: whoever waits looks again after the poll interval anyway.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

// Commits come in bursts; looking once for many of them costs this much latency and saves most of the looking.
const BREATHER: Duration = Duration::from_millis(2);

/// One loop's ear on the store.
pub(crate) struct Wake {
    changes: watch::Receiver<u64>,
    stop: CancellationToken,
}

impl Wake {
    pub(crate) fn new(changes: watch::Receiver<u64>, stop: CancellationToken) -> Self {
        Self { changes, stop }
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Registers interest. Call it before looking for work, so that what is committed meanwhile ends the next wait.
    pub(crate) fn register(&mut self) {
        self.changes.borrow_and_update();
    }

    /// Waits for a commit and a breather after it, for `other`, or until `pause` is over. False when the engine is
    /// stopping.
    pub(crate) async fn wait(&mut self, pause: Duration, other: impl Future<Output = ()>) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => return false,
            () = tokio::time::sleep(pause) => return true,
            // There is work for certain, and somebody idle waits for it.
            () = other => return true,
            () = changed(&mut self.changes) => {}
        }
        self.pause(BREATHER).await
    }

    /// Waits without listening. False when the engine is stopping.
    pub(crate) async fn pause(&self, pause: Duration) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }
}

// A store that has gone away will never change again.
async fn changed(changes: &mut watch::Receiver<u64>) {
    if changes.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

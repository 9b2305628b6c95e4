//! Fills full text and the map of times behind routing, in small steps with rests between them.

use std::sync::Arc;
use std::time::Duration;

use inlet_store::{Store, StoreError};
use tracing::warn;

use crate::metrics::Metrics;
use crate::wake::Wake;

// A step holds the writer of everything but acknowledgements: about 10 ms.
const STEP: u32 = 250;
// Many messages in one commit cost less than as many commits; nobody searches for what came a moment ago.
const REST: Duration = Duration::from_millis(250);
// While catching up, other work takes turns with it.
const BREATH: Duration = Duration::from_millis(5);

/// The loop.
pub(crate) struct Behind {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) wake: Wake,
    pub(crate) poll: Duration,
}

impl Behind {
    pub(crate) async fn run(mut self) {
        loop {
            self.wake.register();
            let pause = match self.store.advance_behind(STEP).await {
                Ok(true) => BREATH,
                Ok(false) => REST,
                Err(StoreError::Closed) => return,
                Err(error) => {
                    self.metrics.store_errors.inc();
                    warn!(%error, "cannot fill the search, will try again: {error}");
                    self.poll
                }
            };
            let goes_on = if pause == REST {
                self.wake.wait(self.poll, std::future::pending()).await && self.wake.pause(REST).await
            } else {
                self.wake.pause(pause).await
            };
            if !goes_on {
                return;
            }
        }
    }
}

//! When the request that is being read began: a note passed from the socket, which sees bytes, to the handler.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// The phase of one connection.
#[derive(Debug, Default)]
pub(crate) struct RequestClock {
    // Guards two words and is held for a comparison; socket and handler run in one task, so nobody ever waits.
    phase: Mutex<Phase>,
}

#[derive(Debug, Default, Clone, Copy)]
enum Phase {
    /// Nothing of the next request has arrived.
    #[default]
    Idle,
    /// A head is arriving since then.
    Head(Instant),
    /// A handler has the request.
    Handling,
}

impl RequestClock {
    /// Bytes came. The first ones of a head start the clock.
    pub(super) fn bytes_arrived(&self, now: Instant) {
        let mut phase = self.phase();
        if matches!(*phase, Phase::Idle) {
            *phase = Phase::Head(now);
        }
    }

    /// When the first byte of the unfinished head arrived; `None` outside a head.
    pub(super) fn head_since(&self) -> Option<Instant> {
        match *self.phase() {
            Phase::Head(since) => Some(since),
            Phase::Idle | Phase::Handling => None,
        }
    }

    /// The head is complete. Returns when it began; of a pipelined request, whose bytes came with those of the one
    /// before, that is now.
    pub(super) fn begin(&self) -> Instant {
        match std::mem::replace(&mut *self.phase(), Phase::Handling) {
            Phase::Head(since) => since,
            Phase::Idle | Phase::Handling => Instant::now(),
        }
    }

    /// The answer is ready.
    pub(super) fn end(&self) {
        *self.phase() = Phase::Idle;
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

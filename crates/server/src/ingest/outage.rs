//! Counts events that could not be stored, so that a storm of 503 answers is one line a second in the log.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::warn;

#[derive(Debug, Default)]
pub(super) struct Outage {
    // Held for an addition, never across an await.
    unlogged: Mutex<Unlogged>,
}

/// What has happened since the last line.
#[derive(Debug, Default, PartialEq, Eq)]
struct Unlogged {
    count: u64,
    latest_reason: String,
}

impl Outage {
    pub(super) fn not_stored(&self, reason: &str) {
        let mut unlogged = self.unlogged();
        unlogged.count += 1;
        unlogged.latest_reason.replace_range(.., reason);
    }

    /// Writes the line that is due, if there is one.
    pub(super) fn log(&self) {
        let Unlogged { count, latest_reason } = self.take();
        if count > 0 {
            warn!(count, "cannot store events; answered 503 to {count} requests: {latest_reason}");
        }
    }

    fn take(&self) -> Unlogged {
        std::mem::take(&mut *self.unlogged())
    }

    fn unlogged(&self) -> MutexGuard<'_, Unlogged> {
        self.unlogged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_failures_are_one_line_with_their_number() {
        let outage = Outage::default();
        (0..5_000).for_each(|_| outage.not_stored("disk full"));
        outage.not_stored("queue full");
        assert_eq!(outage.take(), Unlogged { count: 5_001, latest_reason: "queue full".into() });
        assert_eq!(outage.take(), Unlogged::default());
    }
}

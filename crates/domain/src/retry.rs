//! When a failed attempt is tried again: a schedule of waits, jitter, and the other side's `Retry-After`.

use std::time::Duration;

use crate::time::{Entropy, Timestamp};

/// Waits before the first, second, … attempt. When they are used up the job is given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySchedule {
    waits: Vec<Duration>,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryDecision {
    /// Try again then.
    At(Timestamp),
    /// The schedule is used up.
    GiveUp,
}

impl RetrySchedule {
    /// Takes the waits, the first one before the first attempt. Empty means a single attempt at once.
    pub fn new(waits: Vec<Duration>) -> Self {
        Self { waits }
    }

    /// Reads texts as `0s`, `5m`, `10h`, `2d`, `500ms`.
    pub fn parse(waits: &[String]) -> Result<Self, String> {
        let _ = waits;
        todo!()
    }

    /// Attempts there are in all, at least 1.
    pub fn attempts(&self) -> usize {
        self.waits.len().max(1)
    }

    /// The waits.
    pub fn waits(&self) -> &[Duration] {
        &self.waits
    }

    /// Decides what follows attempt number `attempt` (from 1) that failed at `now`.
    pub fn after_failure(
        &self,
        attempt: i64,
        now: Timestamp,
        retry_after: Option<Duration>,
        entropy: &dyn Entropy,
    ) -> RetryDecision {
        let _ = (attempt, now, retry_after, entropy);
        todo!()
    }
}

/// Reads a `Retry-After` header (seconds or an HTTP date), clamped to one hour.
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let _ = (value, now);
    todo!()
}

//! Estimates how far our clock is from Telnyx's, from the signed times of genuine requests.
//!
//! A clock that is wrong by more than the window makes every genuine event stale; the estimate names the cause.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

// Enough that one delayed retry does not move the median, few enough that a corrected clock shows within a minute.
const SAMPLES: usize = 32;

#[derive(Debug, Default)]
pub(super) struct SkewEstimate {
    // Held for a push or a copy of 32 numbers.
    samples: Mutex<VecDeque<i64>>,
}

impl SkewEstimate {
    pub(super) fn record(&self, skew_seconds: i64) {
        let mut samples = self.samples();
        if samples.len() == SAMPLES {
            samples.pop_front();
        }
        samples.push_back(skew_seconds);
    }

    pub(super) fn median(&self) -> Option<i64> {
        let mut sorted: Vec<i64> = self.samples().iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied()
    }

    fn samples(&self) -> MutexGuard<'_, VecDeque<i64>> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_outlier_does_not_move_the_estimate() {
        let estimate = SkewEstimate::default();
        assert_eq!(estimate.median(), None);
        for skew in [600, 601, 9_999, 599, 600] {
            estimate.record(skew);
        }
        assert_eq!(estimate.median(), Some(600));
    }

    #[test]
    fn a_corrected_clock_shows() {
        let estimate = SkewEstimate::default();
        (0..SAMPLES).for_each(|_| estimate.record(600));
        (0..SAMPLES).for_each(|_| estimate.record(0));
        assert_eq!(estimate.median(), Some(0));
    }
}

//! Decides how much of a failing destination's work is tried: all of it, or one probe now and then. Pure.
//!
//! ```text
//!  closed ── 5 failures in a row ──► open ── success, or a person's retry ──► closed
//!                                     │ one probe at a time; after each failed one the pause doubles: 1 s … the longest
//! ```
//!
//! It never discards and never moves a job's due time: a due job waits for the next probe, and no longer than the
//! longest pause. Whatever has waited that long is tried whatever the breaker says ([`Breaker::allows_overdue`]), so
//! that a schedule is used up in about its own time however many jobs share the destination, as far as its slots, filled
//! five times a second, go round.

use std::time::Duration;

use inlet_domain::Timestamp;

/// Failures in a row after which a destination counts as down.
const FAILURES_TO_OPEN: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// One destination's breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Breaker {
    longest_pause: Duration,
    failures: u32,
    open: Option<Open>,
    // The last retry by hand that was taken into account.
    retried_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Open {
    since: Timestamp,
    pause: Duration,
    probe_at: Timestamp,
}

impl Breaker {
    pub(crate) fn new(longest_pause: Duration) -> Self {
        Self { longest_pause, failures: 0, open: None, retried_at: None }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// How many more jobs may be started, given how many run and how many could.
    pub(crate) fn allows(&self, running: u32, concurrency: u32, now: Timestamp) -> u32 {
        match &self.open {
            None => concurrency.saturating_sub(running),
            Some(open) => u32::from(running == 0 && now >= open.probe_at),
        }
    }

    /// How many jobs may be started, besides the probe, that have been due for the longest pause.
    pub(crate) fn allows_overdue(&self, running: u32, concurrency: u32, now: Timestamp) -> u32 {
        match &self.open {
            // They are no different from others then.
            None => 0,
            Some(_) => concurrency.saturating_sub(running + self.allows(running, concurrency, now)),
        }
    }

    /// When the next probe is due, while open.
    pub(crate) fn probe_at(&self) -> Option<Timestamp> {
        self.open.as_ref().map(|open| open.probe_at)
    }

    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
        self.open = None;
    }

    /// An attempt failed, and its job is due again at `due_again_at`, if at all. The next probe is no later than that:
    /// a short schedule is not stretched.
    pub(crate) fn failed(&mut self, now: Timestamp, due_again_at: Option<Timestamp>) {
        self.failures = self.failures.saturating_add(1);
        let probe_at = |pause| due_again_at.map_or(now.after(pause), |due_at| due_at.min(now.after(pause)));
        if let Some(open) = &mut self.open {
            // Jobs that began before the opening end after it; they are not probes.
            if now >= open.probe_at {
                open.pause = (open.pause * 2).min(self.longest_pause);
                open.probe_at = probe_at(open.pause);
            }
        } else if self.failures >= FAILURES_TO_OPEN {
            let pause = FIRST_PAUSE.min(self.longest_pause);
            self.open = Some(Open { since: now, pause, probe_at: probe_at(pause) });
        }
    }

    /// A person asked for a retry at this moment: whatever opened the breaker before is forgotten.
    pub(crate) fn retried(&mut self, at: Timestamp) {
        let is_news = self.retried_at.is_none_or(|seen| at > seen);
        self.retried_at = self.retried_at.max(Some(at));
        if is_news && self.open.as_ref().is_some_and(|open| at >= open.since) {
            self.succeeded();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn opened_at_zero() -> Breaker {
        let mut breaker = Breaker::new(Duration::from_secs(60));
        (0..FAILURES_TO_OPEN).for_each(|_| breaker.failed(second(0), None));
        assert!(breaker.is_open());
        breaker
    }

    #[test]
    fn failures_that_a_success_interrupts_do_not_open_it() {
        let mut breaker = Breaker::new(Duration::from_secs(60));
        for _ in 0..3 {
            (1..FAILURES_TO_OPEN).for_each(|_| breaker.failed(second(0), None));
            breaker.succeeded();
        }
        assert_eq!(breaker.allows(3, 10, second(0)), 7);
    }

    #[test]
    fn an_open_one_allows_a_single_probe_after_its_pause() {
        let breaker = opened_at_zero();
        assert_eq!(breaker.allows(0, 10, second(0)), 0);
        assert_eq!(breaker.allows(0, 10, second(1)), 1);
        assert_eq!(breaker.allows(1, 10, second(1)), 0);
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_never_end() {
        let mut breaker = opened_at_zero();
        let mut now = second(0);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let probe = breaker.probe_at().unwrap();
            pauses.push(probe.since(now).as_secs());
            now = probe;
            breaker.failed(now, None);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        breaker.succeeded();
        assert_eq!(breaker.allows(0, 10, now), 10);
    }

    #[test]
    fn a_probe_is_no_later_than_the_failed_job_is_due_again() {
        let mut breaker = opened_at_zero();
        breaker.failed(second(1), Some(second(2)));
        assert_eq!(breaker.probe_at(), Some(second(2)));
        breaker.failed(second(2), Some(second(300)));
        assert_eq!(breaker.probe_at(), Some(second(6)));
    }

    #[test]
    fn overdue_jobs_fill_the_slots_that_the_probe_leaves() {
        let breaker = opened_at_zero();
        assert_eq!(breaker.allows_overdue(0, 10, second(0)), 10);
        assert_eq!(breaker.allows_overdue(0, 10, second(1)), 9);
        assert_eq!(breaker.allows_overdue(4, 10, second(1)), 6);
        assert_eq!(breaker.allows_overdue(0, 1, second(1)), 0);
        assert_eq!(Breaker::new(FIRST_PAUSE).allows_overdue(0, 10, second(1)), 0);
    }

    #[test]
    fn stragglers_from_before_the_opening_do_not_stretch_the_pause() {
        let mut breaker = opened_at_zero();
        (0..20).for_each(|_| breaker.failed(second(0), None));
        assert_eq!(breaker.probe_at(), Some(second(1)));
    }

    #[test]
    fn only_a_newer_retry_by_hand_closes_it() {
        let mut breaker = Breaker::new(Duration::from_secs(60));
        breaker.retried(second(-1));
        (0..FAILURES_TO_OPEN).for_each(|_| breaker.failed(second(0), None));
        breaker.retried(second(-1));
        assert!(breaker.is_open());
        breaker.retried(second(0));
        assert!(!breaker.is_open());
        (0..FAILURES_TO_OPEN).for_each(|_| breaker.failed(second(0), None));
        breaker.retried(second(0));
        assert!(breaker.is_open(), "one retry by hand closes it once");
    }
}

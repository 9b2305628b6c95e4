//! The jobs of one lane that were claimed ahead of a free slot, and how many that should be. Pure.
//!
//! A claim is a commit, and a slot that waited for one after each job would be idle most of the time. So a lane whose
//! jobs succeed claims ahead: as many as it finishes, at its pace since the last claim, in a quarter of a second, or in
//! twice the time between claims where a busy store makes that longer. A slow lane claims nothing ahead, a failing one
//! neither: what is in hand is under a lease, away from everybody else.

use std::collections::VecDeque;
use std::time::Duration;

use inlet_domain::{ClaimedJob, Timestamp};
use inlet_store::CLAIM_BYTES;

/// How far ahead, in time, jobs are claimed: at least this, and no more than that where claims are far apart.
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(2);
/// More of them make no claim cheaper. After a crash so many jobs more have lost their lease.
const MOST_AHEAD: u32 = 256;

/// Jobs in hand, the one that was due first in front.
#[derive(Debug, Default)]
pub(crate) struct Hand {
    held: VecDeque<Held>,
    bytes: usize,
    ahead: u32,
    /// Attempts that have succeeded since the last claim.
    succeeded: u32,
    /// Whether the last claim found fewer jobs than it asked for: then a free slot is no reason for another one.
    dry: bool,
}

#[derive(Debug)]
struct Held {
    job: ClaimedJob,
    begin_by: Timestamp,
}

impl Hand {
    /// How many jobs to claim, for so many free slots and for later.
    pub(crate) fn wanted(&mut self, free: u32) -> u32 {
        let held = u32::try_from(self.held.len()).unwrap_or(u32::MAX);
        let enough = held > self.ahead / 2 || self.bytes >= CLAIM_BYTES / 2;
        let wanted = if enough { 0 } else { (free + self.ahead).saturating_sub(held) };
        if wanted == 0 {
            // Nobody has looked.
            self.dry = false;
        }
        wanted
    }

    /// Learns from a claim that asked for so many jobs, so long after the one before, and got these.
    pub(crate) fn claimed(&mut self, wanted: u32, got: &[ClaimedJob], since_last: Duration) {
        let bytes: usize = got.iter().map(size_of).sum();
        self.dry = got.len() < wanted as usize && bytes < CLAIM_BYTES;
        let each_second = f64::from(self.succeeded) / since_last.as_secs_f64().max(f64::EPSILON);
        // Twice, or a lane whose slots wait for slow claims would never find out that it could do more.
        let window = (since_last * 2).clamp(SHORTEST, LONGEST);
        // Beyond the range of the type it saturates.
        self.ahead = ((each_second * window.as_secs_f64()) as u32).min(MOST_AHEAD);
        self.succeeded = 0;
    }

    /// An attempt of the lane has succeeded.
    pub(crate) fn succeeded(&mut self) {
        self.succeeded = self.succeeded.saturating_add(1);
    }

    /// Keeps a job for later; not beyond `begin_by`, so that its lease lasts for its attempt.
    pub(crate) fn hold(&mut self, job: ClaimedJob, begin_by: Timestamp) {
        self.bytes += size_of(&job);
        self.held.push_back(Held { job, begin_by });
    }

    /// The next job to begin.
    pub(crate) fn take(&mut self, now: Timestamp) -> Option<ClaimedJob> {
        self.held.front().filter(|held| now <= held.begin_by)?;
        self.pop()
    }

    /// A job that was held too long to be begun.
    pub(crate) fn take_stale(&mut self, now: Timestamp) -> Option<ClaimedJob> {
        self.held.front().filter(|held| now > held.begin_by)?;
        self.pop()
    }

    /// Any job, to be given back.
    pub(crate) fn pop(&mut self) -> Option<ClaimedJob> {
        let held = self.held.pop_front()?;
        self.bytes -= size_of(&held.job);
        Some(held.job)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether another claim would probably bring something.
    pub(crate) fn is_worth_filling(&self) -> bool {
        !self.dry && self.held.len() <= (self.ahead / 2) as usize
    }
}

fn size_of(job: &ClaimedJob) -> usize {
    job.event.as_ref().map_or(0, |event| event.body.len())
}

#[cfg(test)]
pub(crate) mod tests {
    use bytes::Bytes;
    use inlet_domain::{EventSeq, JobId, JobKind, Lane, Source, StoredEvent};

    use super::*;

    pub(crate) fn job(id: i64, size_bytes: usize) -> ClaimedJob {
        let event = StoredEvent {
            seq: EventSeq(id),
            id: format!("evt-{id}"),
            source: Source::Telnyx,
            received_at: Timestamp::default(),
            body: Bytes::from(vec![b'x'; size_bytes]),
        };
        ClaimedJob {
            id: JobId(id),
            kind: JobKind::Deliver,
            lane: Lane::Destination("crm".into()),
            fence: 1,
            attempt: 1,
            schedule_attempt: 1,
            lease_until: Timestamp::from_seconds(60),
            event: Some(event),
            event_type: None,
            media: None,
            send: None,
            rule: None,
        }
    }

    fn after_successes(count: u32, since_last: Duration) -> Hand {
        let mut hand = Hand::default();
        (0..count).for_each(|_| hand.succeeded());
        hand.claimed(8, &[], since_last);
        hand
    }

    #[test]
    fn a_lane_claims_ahead_what_it_finishes_until_the_next_claim() {
        assert_eq!(Hand::default().wanted(8), 8);
        assert_eq!(after_successes(20, Duration::from_millis(100)).wanted(8), 58);
        assert_eq!(after_successes(8, Duration::from_millis(2)).wanted(8), 8 + MOST_AHEAD);
        assert_eq!(
            after_successes(4, Duration::from_secs(60)).wanted(8),
            8,
            "a slow one claims nothing ahead"
        );
        assert_eq!(after_successes(0, Duration::from_millis(1)).wanted(8), 8, "nor does a failing one");
    }

    #[test]
    fn a_lane_that_waits_for_slow_claims_claims_more_each_time() {
        let slow_claim = Duration::from_millis(400);
        let (mut hand, mut wanted) = (Hand::default(), Vec::new());
        for _ in 0..6 {
            let claimed = hand.wanted(8);
            wanted.push(claimed);
            // All of them are done before the next claim comes through.
            (0..claimed).for_each(|_| hand.succeeded());
            hand.claimed(claimed, &[], slow_claim);
        }
        assert_eq!(wanted, [8, 24, 56, 120, 248, 264]);
    }

    #[test]
    fn nothing_is_claimed_while_half_of_it_is_in_hand() {
        let mut hand = after_successes(10, Duration::from_millis(100));
        (0..13).for_each(|id| hand.hold(job(id, 1), Timestamp::from_seconds(5)));
        assert_eq!((hand.wanted(0), hand.is_worth_filling()), (0, false));
        assert_eq!(hand.take(Timestamp::default()).unwrap().id, JobId(0));
        assert!(hand.is_worth_filling());
        assert_eq!(hand.wanted(0), 13);
    }

    #[test]
    fn large_events_are_not_piled_up() {
        let mut hand = after_successes(1_000, Duration::from_secs(1));
        hand.hold(job(1, CLAIM_BYTES), Timestamp::from_seconds(5));
        assert_eq!(hand.wanted(1), 0);
        assert!(hand.pop().is_some());
        assert!(hand.wanted(1) > 0);
    }

    #[test]
    fn a_claim_that_found_too_few_is_not_repeated_for_a_free_slot() {
        let mut hand = Hand::default();
        hand.claimed(2, &[job(1, 1)], SHORTEST);
        assert!(!hand.is_worth_filling());
        // Its bytes were what ended the claim.
        hand.claimed(2, &[job(1, CLAIM_BYTES)], SHORTEST);
        assert!(hand.is_worth_filling());
    }

    #[test]
    fn what_is_held_too_long_is_not_begun() {
        let mut hand = Hand::default();
        hand.hold(job(1, 1), Timestamp::from_seconds(5));
        let (in_time, late) = (Timestamp::from_seconds(5), Timestamp::from_seconds(6));
        assert!(hand.take_stale(in_time).is_none());
        assert!(hand.take(late).is_none());
        assert_eq!(hand.take_stale(late).unwrap().id, JobId(1));
        assert!(hand.is_empty());
    }
}

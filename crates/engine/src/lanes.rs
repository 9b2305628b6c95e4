//! Counts the free slots of every lane and holds what was claimed for it ahead, so that a hung destination holds up
//! nobody but itself.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use inlet_domain::{ClaimedJob, Lane, Timestamp};
use inlet_store::ClaimLane;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::breaker::Breaker;
use crate::config::HELD_AT_MOST;
use crate::hand::Hand;

/// All lanes of this engine.
pub(crate) struct Lanes {
    // Guards counters and queues only; held for a few instructions, never across an await.
    states: Mutex<HashMap<Lane, LaneState>>,
    breaker_pause_max: Duration,
    freed: Notify,
}

struct LaneState {
    concurrency: u32,
    ordered: bool,
    running: u32,
    hand: Hand,
    claimed_at: Instant,
    /// By a person or a 410; or the engine is stopping. What is in hand is not begun.
    stopped: bool,
    // Media and sends have many hosts behind one lane, or must not be probed with real messages.
    breaker: Option<Breaker>,
}

/// What may be claimed now, and when a breaker will allow more.
pub(crate) struct FreeSlots {
    pub(crate) lanes: Vec<ClaimLane>,
    /// Lanes under an open breaker, for jobs that have been due for `breaker_pause_max` or longer.
    pub(crate) overdue: Vec<ClaimLane>,
    pub(crate) next_probe_at: Option<Timestamp>,
}

/// A claim of one lane that has been made.
pub(crate) struct Claimed {
    pub(crate) lane: ClaimLane,
    /// Whether it was for jobs that are tried whatever the breaker says.
    pub(crate) overdue: bool,
}

impl Lanes {
    pub(crate) fn new(breaker_pause_max: Duration) -> Self {
        Self { states: Mutex::default(), breaker_pause_max, freed: Notify::new() }
    }

    pub(crate) fn breaker_pause_max(&self) -> Duration {
        self.breaker_pause_max
    }

    pub(crate) fn add(&self, lane: Lane, concurrency: u32, ordered: bool) {
        let breaker = matches!(lane, Lane::Destination(_)).then(|| Breaker::new(self.breaker_pause_max));
        let state = LaneState {
            concurrency: concurrency.max(1),
            ordered,
            running: 0,
            hand: Hand::default(),
            claimed_at: Instant::now(),
            stopped: false,
            breaker,
        };
        self.states().insert(lane, state);
    }

    pub(crate) fn free(&self, now: Timestamp) -> FreeSlots {
        let mut states = self.states();
        let mut claims = |limit: fn(&mut LaneState, Timestamp) -> u32| {
            let claim = |(lane, state): (&Lane, &mut LaneState)| {
                let limit = limit(state, now);
                (limit > 0).then(|| ClaimLane { lane: lane.clone(), limit, ordered: state.ordered })
            };
            states.iter_mut().filter_map(claim).collect()
        };
        let (lanes, overdue) = (claims(LaneState::wanted), claims(LaneState::free_for_overdue));
        let probes = states.values().filter_map(|state| state.breaker.as_ref()?.probe_at());
        FreeSlots { lanes, overdue, next_probe_at: probes.filter(|at| *at > now).min() }
    }

    /// Takes in what a claim of one lane has brought: what has a slot is to be begun now, the rest is kept in hand. A
    /// breaker that has opened meanwhile is heeded, unless the claim was for overdue jobs.
    pub(crate) fn take_in(
        self: &Arc<Self>,
        claim: &Claimed,
        jobs: Vec<ClaimedJob>,
        now: Timestamp,
    ) -> Vec<(ClaimedJob, Slot)> {
        let mut states = self.states();
        let Some(state) = states.get_mut(&claim.lane.lane) else { return Vec::new() };
        state.hand.claimed(claim.lane.limit, &jobs, state.claimed_at.elapsed());
        state.claimed_at = Instant::now();
        let mut begun = Vec::new();
        for job in jobs {
            if state.hand.is_empty() && state.has_room(claim.overdue, now) {
                state.running += 1;
                begun.push((job, Slot { lanes: Arc::clone(self), lane: claim.lane.lane.clone() }));
            } else {
                state.hand.hold(job, now.after(HELD_AT_MOST));
            }
        }
        begun
    }

    /// What is in hand and has a slot by now.
    pub(crate) fn begin_held(self: &Arc<Self>, now: Timestamp) -> Vec<(ClaimedJob, Slot)> {
        let mut begun = Vec::new();
        for (lane, state) in self.states().iter_mut() {
            while state.running < state.concurrency
                && let Some(job) = state.next(now)
            {
                state.running += 1;
                begun.push((job, Slot { lanes: Arc::clone(self), lane: lane.clone() }));
            }
        }
        begun
    }

    /// Takes out of hand what must not be begun: of lanes that are stopped or under an open breaker, and what was held
    /// too long. It is for the caller to give it back.
    pub(crate) fn take_unwanted(&self, now: Timestamp) -> Vec<ClaimedJob> {
        let mut unwanted = Vec::new();
        for state in self.states().values_mut() {
            let all = state.stopped || state.is_open();
            let take = |hand: &mut Hand| if all { hand.pop() } else { hand.take_stale(now) };
            unwanted.extend(std::iter::from_fn(|| take(&mut state.hand)));
        }
        unwanted
    }

    /// Begins nothing more that is in hand, of these destinations.
    pub(crate) fn stop_only(&self, paused: &BTreeSet<String>) {
        for (lane, state) in self.states().iter_mut() {
            state.stopped = matches!(lane, Lane::Destination(name) if paused.contains(name));
        }
    }

    /// Begins nothing more that is in hand.
    pub(crate) fn stop_all(&self) {
        self.states().values_mut().for_each(|state| state.stopped = true);
    }

    /// Waits until a slot has become free, or a hand nearly empty, since the last call.
    pub(crate) async fn slot_freed(&self) {
        self.freed.notified().await;
    }

    /// Tells the lane of a success. Returns whether its breaker is open, where that has changed.
    pub(crate) fn succeeded(&self, lane: &Lane) -> Option<bool> {
        if let Some(state) = self.states().get_mut(lane).filter(|state| state.breaker.is_some()) {
            state.hand.succeeded();
        }
        self.change_breaker(lane, Breaker::succeeded)
    }

    /// Tells the lane's breaker of a failure, and when its job is due again. Returns whether it is open, where that has
    /// changed.
    pub(crate) fn failed(
        &self,
        lane: &Lane,
        now: Timestamp,
        due_again_at: Option<Timestamp>,
    ) -> Option<bool> {
        self.change_breaker(lane, |breaker| breaker.failed(now, due_again_at))
    }

    /// Tells a destination's breaker when a person last asked for a retry. Returns whether it is open, where that has
    /// changed.
    pub(crate) fn retried(&self, destination: &str, at: Timestamp) -> Option<bool> {
        self.change_breaker(&Lane::Destination(destination.to_owned()), |breaker| breaker.retried(at))
    }

    pub(crate) fn any_open(&self) -> bool {
        self.states().values().any(LaneState::is_open)
    }

    /// Whether anything is in hand, which a pause would concern, or a pause may be over.
    pub(crate) fn heeds_pauses(&self) -> bool {
        self.states().values().any(|state| state.stopped || !state.hand.is_empty())
    }

    fn change_breaker(&self, lane: &Lane, change: impl FnOnce(&mut Breaker)) -> Option<bool> {
        let mut states = self.states();
        let breaker = states.get_mut(lane)?.breaker.as_mut()?;
        let before = breaker.is_open();
        change(breaker);
        let changed = (breaker.is_open() != before).then(|| breaker.is_open());
        if changed.is_some() {
            // What is in hand is to be given back, or more may be claimed.
            self.freed.notify_one();
        }
        changed
    }

    // A panic while the lock is held leaves counters, at worst, one off; better than stopping all work.
    fn states(&self) -> MutexGuard<'_, HashMap<Lane, LaneState>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LaneState {
    fn has_room(&self, overdue: bool, now: Timestamp) -> bool {
        match &self.breaker {
            Some(breaker) if !overdue => breaker.allows(self.running, self.concurrency, now) > 0,
            _ => self.running < self.concurrency,
        }
    }

    fn wanted(&mut self, now: Timestamp) -> u32 {
        match &self.breaker {
            Some(breaker) if breaker.is_open() => breaker.allows(self.running, self.concurrency, now),
            _ => self.hand.wanted(self.concurrency.saturating_sub(self.running)),
        }
    }

    fn free_for_overdue(&mut self, now: Timestamp) -> u32 {
        let breaker = self.breaker.as_ref();
        breaker.map_or(0, |breaker| breaker.allows_overdue(self.running, self.concurrency, now))
    }

    fn is_open(&self) -> bool {
        self.breaker.as_ref().is_some_and(Breaker::is_open)
    }

    fn next(&mut self, now: Timestamp) -> Option<ClaimedJob> {
        if self.stopped || self.is_open() { None } else { self.hand.take(now) }
    }
}

/// A taken slot; dropping it frees it and wakes the dispatcher.
pub(crate) struct Slot {
    lanes: Arc<Lanes>,
    lane: Lane,
}

impl Slot {
    /// The next job of the lane that is in hand, for the same slot.
    pub(crate) fn next(&self, now: Timestamp) -> Option<ClaimedJob> {
        let mut states = self.lanes.states();
        let state = states.get_mut(&self.lane)?;
        let next = state.next(now)?;
        if state.hand.is_worth_filling() {
            self.lanes.freed.notify_one();
        }
        Some(next)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(state) = self.lanes.states().get_mut(&self.lane) {
            state.running = state.running.saturating_sub(1);
            if state.hand.is_empty() && !state.hand.is_worth_filling() && !state.is_open() {
                return;
            }
        }
        self.lanes.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand::tests::job;

    fn limits(lanes: &Lanes, now: Timestamp) -> Vec<(Lane, u32)> {
        let mut limits: Vec<_> = lanes.free(now).lanes.into_iter().map(|l| (l.lane, l.limit)).collect();
        limits.sort();
        limits
    }

    #[test]
    fn a_full_lane_is_not_claimed_for_and_a_freed_slot_is() {
        let lanes = Arc::new(Lanes::new(Duration::from_secs(60)));
        let now = Timestamp::default();
        lanes.add(Lane::Destination("a".into()), 1, false);
        lanes.add(Lane::Media, 2, false);
        let lane = ClaimLane { lane: Lane::Destination("a".into()), limit: 1, ordered: false };
        let begun = lanes.take_in(&Claimed { lane, overdue: false }, vec![job(1, 1)], now);
        assert_eq!(limits(&lanes, now), [(Lane::Media, 2)]);
        drop(begun);
        assert_eq!(limits(&lanes, now), [(Lane::Destination("a".into()), 1), (Lane::Media, 2)]);
    }

    #[test]
    fn an_open_breaker_says_when_it_allows_a_probe() {
        let lanes = Lanes::new(Duration::from_secs(60));
        let (lane, now) = (Lane::Destination("a".into()), Timestamp::from_seconds(9));
        lanes.add(lane.clone(), 4, false);
        let changes: Vec<_> = (0..5).filter_map(|_| lanes.failed(&lane, now, None)).collect();
        assert_eq!(changes, [true]);
        assert_eq!(limits(&lanes, now), []);
        assert_eq!(lanes.free(now).next_probe_at, Some(Timestamp::from_seconds(10)));
        assert_eq!(lanes.retried("a", now), Some(false));
        assert_eq!(limits(&lanes, now), [(lane, 4)]);
    }

    fn claim_of_five(lanes: &Arc<Lanes>) -> Vec<(ClaimedJob, Slot)> {
        let lane = Lane::Destination("crm".into());
        lanes.add(lane.clone(), 2, false);
        let lane = ClaimLane { lane, limit: 5, ordered: false };
        let jobs = (1..=5).map(|id| job(id, 1)).collect();
        lanes.take_in(&Claimed { lane, overdue: false }, jobs, Timestamp::default())
    }

    fn ids(jobs: &[ClaimedJob]) -> Vec<i64> {
        jobs.iter().map(|job| job.id.0).collect()
    }

    #[test]
    fn a_slot_goes_from_job_to_job_of_what_is_in_hand() {
        let lanes = Arc::new(Lanes::new(Duration::from_secs(60)));
        let mut begun = claim_of_five(&lanes);
        assert_eq!(begun.iter().map(|(job, _)| job.id.0).collect::<Vec<_>>(), [1, 2]);
        let now = Timestamp::default();
        assert_eq!(begun[0].1.next(now).unwrap().id.0, 3);
        assert!(lanes.begin_held(now).is_empty(), "both slots are taken");
        begun.remove(1);
        assert_eq!(lanes.begin_held(now)[0].0.id.0, 4);
        assert!(lanes.take_unwanted(now).is_empty());
        assert_eq!(ids(&lanes.take_unwanted(Timestamp::from_seconds(6))), [5]);
    }

    #[test]
    fn a_breaker_that_opened_during_a_claim_is_heeded() {
        let (lanes, lane) = (Arc::new(Lanes::new(Duration::from_secs(60))), Lane::Destination("crm".into()));
        let now = Timestamp::default();
        lanes.add(lane.clone(), 2, false);
        (0..5).for_each(|_| _ = lanes.failed(&lane, now, None));
        let claim = |overdue, limit| {
            let lane = ClaimLane { lane: lane.clone(), limit, ordered: false };
            lanes.take_in(&Claimed { lane, overdue }, (0..2).map(|id| job(id, 1)).collect(), now).len()
        };
        assert_eq!(claim(false, 2), 0);
        assert_eq!(lanes.take_unwanted(now).len(), 2);
        assert_eq!(claim(true, 2), 2);
    }

    #[test]
    fn nothing_in_hand_is_begun_once_the_destination_is_paused_or_keeps_failing() {
        let now = Timestamp::default();
        let paused = |lanes: &Lanes| lanes.stop_only(&BTreeSet::from(["crm".to_owned()]));
        let failing = |lanes: &Lanes| {
            let lane = Lane::Destination("crm".into());
            (0..5).for_each(|_| _ = lanes.failed(&lane, now, None));
        };
        let stopping = |lanes: &Lanes| lanes.stop_all();
        for stop in [&paused as &dyn Fn(&Lanes), &failing, &stopping] {
            let lanes = Arc::new(Lanes::new(Duration::from_secs(60)));
            let begun = claim_of_five(&lanes);
            stop(&lanes);
            assert!(begun[0].1.next(now).is_none());
            drop(begun);
            assert!(lanes.begin_held(now).is_empty());
            assert_eq!(ids(&lanes.take_unwanted(now)), [3, 4, 5]);
        }
    }
}

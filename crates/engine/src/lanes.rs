//! Counts the free slots of every lane, so that a hung destination holds up nobody but itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use inlet_domain::{Lane, Timestamp};
use inlet_store::ClaimLane;
use tokio::sync::Notify;

use crate::breaker::Breaker;

/// All lanes of this engine.
pub(crate) struct Lanes {
    // Guards counters only; held for a few instructions, never across an await.
    states: Mutex<HashMap<Lane, LaneState>>,
    breaker_pause_max: Duration,
    freed: Notify,
}

struct LaneState {
    concurrency: u32,
    ordered: bool,
    running: u32,
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

impl Lanes {
    pub(crate) fn new(breaker_pause_max: Duration) -> Self {
        Self { states: Mutex::default(), breaker_pause_max, freed: Notify::new() }
    }

    pub(crate) fn breaker_pause_max(&self) -> Duration {
        self.breaker_pause_max
    }

    pub(crate) fn add(&self, lane: Lane, concurrency: u32, ordered: bool) {
        let breaker = matches!(lane, Lane::Destination(_)).then(|| Breaker::new(self.breaker_pause_max));
        let state = LaneState { concurrency: concurrency.max(1), ordered, running: 0, breaker };
        self.states().insert(lane, state);
    }

    pub(crate) fn free(&self, now: Timestamp) -> FreeSlots {
        let states = self.states();
        let claims = |limit: fn(&LaneState, Timestamp) -> u32| {
            let claim = |(lane, state): (&Lane, &LaneState)| {
                let limit = limit(state, now);
                (limit > 0).then(|| ClaimLane { lane: lane.clone(), limit, ordered: state.ordered })
            };
            states.iter().filter_map(claim).collect()
        };
        let probes = states.values().filter_map(|state| state.breaker.as_ref()?.probe_at());
        FreeSlots {
            lanes: claims(LaneState::free),
            overdue: claims(LaneState::free_for_overdue),
            next_probe_at: probes.filter(|at| *at > now).min(),
        }
    }

    /// Takes a slot until the returned guard is dropped.
    pub(crate) fn occupy(self: &Arc<Self>, lane: &Lane) -> Slot {
        if let Some(state) = self.states().get_mut(lane) {
            state.running += 1;
        }
        Slot { lanes: Arc::clone(self), lane: lane.clone() }
    }

    /// Waits until a slot has become free since the last call.
    pub(crate) async fn slot_freed(&self) {
        self.freed.notified().await;
    }

    /// Tells the lane's breaker of a success. Returns whether it is open, where that has changed.
    pub(crate) fn succeeded(&self, lane: &Lane) -> Option<bool> {
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
        self.states().values().any(|state| state.breaker.as_ref().is_some_and(Breaker::is_open))
    }

    fn change_breaker(&self, lane: &Lane, change: impl FnOnce(&mut Breaker)) -> Option<bool> {
        let mut states = self.states();
        let breaker = states.get_mut(lane)?.breaker.as_mut()?;
        let before = breaker.is_open();
        change(breaker);
        (breaker.is_open() != before).then(|| breaker.is_open())
    }

    // A panic while the lock is held leaves counters, at worst, one off; better than stopping all work.
    fn states(&self) -> MutexGuard<'_, HashMap<Lane, LaneState>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LaneState {
    fn free(&self, now: Timestamp) -> u32 {
        match &self.breaker {
            Some(breaker) => breaker.allows(self.running, self.concurrency, now),
            None => self.concurrency.saturating_sub(self.running),
        }
    }

    fn free_for_overdue(&self, now: Timestamp) -> u32 {
        let breaker = self.breaker.as_ref();
        breaker.map_or(0, |breaker| breaker.allows_overdue(self.running, self.concurrency, now))
    }
}

/// A taken slot; dropping it frees it and wakes the dispatcher.
pub(crate) struct Slot {
    lanes: Arc<Lanes>,
    lane: Lane,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(state) = self.lanes.states().get_mut(&self.lane) {
            state.running = state.running.saturating_sub(1);
        }
        self.lanes.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let slot = lanes.occupy(&Lane::Destination("a".into()));
        assert_eq!(limits(&lanes, now), [(Lane::Media, 2)]);
        drop(slot);
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
}

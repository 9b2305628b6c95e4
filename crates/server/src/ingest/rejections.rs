//! Keeps the newest rejections at hand and hands a bounded number of them to the store once a second, or all of them
//! to somebody who wants to read.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use inlet_domain::{NewRejection, Rejection};
use inlet_store::EventLog;
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::status::IngestStatus;

const RING: usize = 1_000;
// A flood of forgeries must not become a flood of writes beside genuine events.
const KEPT_PER_FLUSH: usize = 100;
const FLUSH_EVERY: Duration = Duration::from_secs(1);
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
// Within the window of 300 s everything still verifies; this is the time to say that it soon will not.
const ALARMING_SKEW_SECONDS: u64 = 60;
const ALARM_EVERY_FLUSHES: u32 = 60;

/// Rejections that are not in the store yet, oldest first.
#[derive(Debug)]
pub(super) struct RejectionRing {
    // Held for a push or a copy, never across an await.
    waiting: Mutex<Waiting>,
    // One flush at a time: two would write the same rejections.
    turn: Semaphore,
}

impl Default for RejectionRing {
    fn default() -> Self {
        Self { waiting: Mutex::default(), turn: Semaphore::new(1) }
    }
}

#[derive(Debug, Default)]
struct Waiting {
    rejections: VecDeque<NewRejection>,
    /// How many have left at the front, so that a flush knows which of those it has written are still there.
    removed: u64,
}

impl RejectionRing {
    /// Adds one. Returns how many older ones had to go.
    pub(super) fn push(&self, rejection: NewRejection) -> u64 {
        let mut waiting = self.waiting();
        waiting.rejections.push_back(rejection);
        let surplus = waiting.rejections.len().saturating_sub(RING);
        waiting.remove(surplus);
        surplus as u64
    }

    pub(super) fn newest_first(&self) -> Vec<Rejection> {
        self.waiting().rejections.iter().rev().map(unnumbered).collect()
    }

    /// A copy of the oldest ones, and the mark that [`RejectionRing::forget`] takes once they are stored.
    fn oldest(&self) -> (Vec<NewRejection>, u64) {
        let waiting = self.waiting();
        let oldest: Vec<_> = waiting.rejections.iter().take(KEPT_PER_FLUSH).cloned().collect();
        let mark = waiting.removed + oldest.len() as u64;
        (oldest, mark)
    }

    fn forget(&self, mark: u64) {
        let mut waiting = self.waiting();
        let written = usize::try_from(mark.saturating_sub(waiting.removed)).unwrap_or(0);
        waiting.remove(written);
    }

    /// How many have left, and how many will have when those that wait now are gone.
    fn left(&self) -> (u64, u64) {
        let waiting = self.waiting();
        (waiting.removed, waiting.removed + waiting.rejections.len() as u64)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn remove(&mut self, count: usize) {
        self.rejections.drain(..count);
        self.removed += count as u64;
    }
}

fn unnumbered(new: &NewRejection) -> Rejection {
    Rejection {
        id: 0,
        code: new.code,
        reason: new.reason.clone(),
        received_at: new.received_at,
        size_bytes: new.size_bytes,
        peer: new.peer.clone(),
    }
}

/// Flushes the ring until stopped, and once more then.
pub(super) async fn keep(status: Arc<IngestStatus>, store: Arc<dyn EventLog>, stop: CancellationToken) {
    let mut ticks = interval(FLUSH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for flush_number in 0_u32.. {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => break,
        }
        status.outage.log();
        flush(&status, store.as_ref()).await;
        watch_clock(&status, flush_number);
    }
    status.outage.log();
    flush(&status, store.as_ref()).await;
}

/// Writes everything that waits now, for somebody who is about to read it in the store. False if that cannot be.
pub(super) async fn flush_all(status: &IngestStatus, store: &dyn EventLog) -> bool {
    let (_, end) = status.rejections.left();
    while status.rejections.left().0 < end {
        if !flush(status, store).await {
            return false;
        }
    }
    true
}

/// Writes the oldest rejections. If the store cannot take them they stay for the next time; false then.
async fn flush(status: &IngestStatus, store: &dyn EventLog) -> bool {
    let _turn = status.rejections.turn.acquire().await.expect("it is never closed");
    let (oldest, mark) = status.rejections.oldest();
    let Some(newest) = oldest.last() else { return true };
    let (count, code) = (oldest.len(), newest.code);
    match timeout(FLUSH_TIMEOUT, store.record_rejections(oldest)).await {
        Ok(Ok(())) => {
            warn!(count, %code, "refused {count} webhook requests, the latest as {code}");
            status.rejections.forget(mark);
            return true;
        }
        Ok(Err(error)) => warn!(count, %error, "cannot keep rejections yet"),
        Err(_) => warn!(count, "cannot keep rejections yet: the store does not answer"),
    }
    false
}

fn watch_clock(status: &IngestStatus, flush_number: u32) {
    let Some(skew) = status.skew.median() else { return };
    status.metrics.set_skew(skew);
    if skew.unsigned_abs() >= ALARMING_SKEW_SECONDS && flush_number.is_multiple_of(ALARM_EVERY_FLUSHES) {
        warn!(skew_seconds = skew, "our clock is {skew} s from Telnyx's; check the time of this machine");
    }
}

#[cfg(test)]
mod tests {
    use inlet_domain::{RejectionCode, Timestamp};

    use super::*;

    fn rejection(number: i64) -> NewRejection {
        NewRejection {
            code: RejectionCode::SignatureMissing,
            reason: String::new(),
            received_at: Timestamp::from_micros(number),
            size_bytes: 0,
            peer: String::new(),
        }
    }

    #[test]
    fn the_newest_thousand_are_at_hand() {
        let ring = RejectionRing::default();
        let dropped: u64 = (0..1_500).map(|number| ring.push(rejection(number))).sum();
        assert_eq!(dropped, 500);
        let newest = ring.newest_first();
        assert_eq!(newest.len(), RING);
        assert_eq!(newest[0].received_at, Timestamp::from_micros(1_499));
    }

    #[test]
    fn a_flush_forgets_only_what_it_has_written() {
        let ring = RejectionRing::default();
        (0..RING as i64).for_each(|number| {
            ring.push(rejection(number));
        });
        let (written, mark) = ring.oldest();
        assert_eq!(written.len(), KEPT_PER_FLUSH);
        // Meanwhile thirty of those that are being written are pushed out.
        (0..30).for_each(|_| {
            ring.push(rejection(5_000));
        });
        ring.forget(mark);
        assert_eq!(ring.newest_first().len(), RING - (KEPT_PER_FLUSH - 30));
        let (next, _) = ring.oldest();
        assert_eq!(next[0], rejection(KEPT_PER_FLUSH as i64));
    }
}

//! The sandbox's own clock: wall time moved by tests, or stopped and moved only by them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// Tells the time and lets tests move it; whoever waits on it wakes when it moves.
pub(crate) struct Clock {
    frozen_at: Option<Timestamp>,
    offset: watch::Sender<SignedDuration>,
}

impl Clock {
    /// Follows the wall clock, or stands still at a time.
    pub(crate) fn new(frozen_at: Option<Timestamp>) -> Self {
        Self { frozen_at, offset: watch::Sender::new(SignedDuration::ZERO) }
    }

    /// The time as the sandbox sees it.
    pub(crate) fn now(&self) -> Timestamp {
        later(self.frozen_at.unwrap_or_else(wall_clock), *self.offset.borrow())
    }

    /// The time without the moves; a stopped clock has no other time than its own.
    pub(crate) fn unmoved(&self) -> Timestamp {
        if self.frozen_at.is_some() { self.now() } else { wall_clock() }
    }

    /// Moves the clock forward.
    pub(crate) fn advance(&self, by: Duration) {
        self.offset.send_modify(|offset| *offset = offset.saturating_add(signed(by)));
    }

    /// Takes back all moves.
    pub(crate) fn restart(&self) {
        self.restart_at(SignedDuration::ZERO);
    }

    /// How far the clock was moved.
    pub(crate) fn offset(&self) -> SignedDuration {
        *self.offset.borrow()
    }

    /// Puts another sum in the place of all moves.
    pub(crate) fn restart_at(&self, offset: SignedDuration) {
        self.offset.send_replace(offset);
    }

    /// Waits until the sandbox's time reaches `due`, by itself or because somebody moved it.
    pub(crate) async fn wait_until(&self, due: Timestamp) {
        let mut moves = self.offset.subscribe();
        loop {
            let remaining = due.duration_since(self.now());
            if remaining <= SignedDuration::ZERO {
                return;
            }
            match self.frozen_at {
                Some(_) => _ = moves.changed().await,
                None => _ = tokio::time::timeout(remaining.unsigned_abs(), moves.changed()).await,
            }
        }
    }
}

/// A time plus a duration; past the end of the calendar it stays there.
pub(crate) fn after(time: Timestamp, by: Duration) -> Timestamp {
    later(time, signed(by))
}

/// Milliseconds and `+00:00`, as Telnyx writes times.
pub(crate) fn format(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3f+00:00").to_string()
}

/// Milliseconds and `Z`, as the control API writes times.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    format!("{time:.3}")
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[expect(clippy::disallowed_methods, reason = "this is the one place where the sandbox reads the wall clock")]
fn wall_clock() -> Timestamp {
    Timestamp::now()
}

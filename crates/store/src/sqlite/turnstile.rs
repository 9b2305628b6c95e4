//! Lets the event log's write-ahead log begin anew although the main writer reads the event log all the time.
//!
//! SQLite begins a write-ahead log anew only at the start of a transaction that finds all of it moved and nobody reading
//! a snapshot of it. The main writer reads one in nearly every transaction, and when it has much to do its transactions
//! leave no gap. So it passes here before each: where the event log wants to begin anew, it waits.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

// The event log commits every few milliseconds under the load that brings it here. Where no commit comes, nothing grows,
// and work goes on.
const PATIENCE: Duration = Duration::from_millis(200);

/// The way into a transaction of the main writer.
#[derive(Default)]
pub(super) struct Turnstile {
    /// Held for a look or a change only.
    passage: Mutex<Passage>,
    opened: Condvar,
}

#[derive(Default)]
struct Passage {
    /// Closed until then.
    opens_at: Option<Instant>,
    is_used: bool,
}

/// A transaction of the main writer is under way until this is dropped.
pub(super) struct Inside<'a>(&'a Turnstile);

impl Turnstile {
    /// Called before a transaction that may read the event log. Waits while it is closed.
    pub(super) fn enter(&self) -> Inside<'_> {
        let mut passage = self.passage();
        while let Some(left) = passage.opens_at.and_then(|at| at.checked_duration_since(Instant::now())) {
            passage = self.opened.wait_timeout(passage, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        passage.is_used = true;
        Inside(self)
    }

    /// Lets nobody in for a fifth of a second from now. True when nobody is inside.
    pub(super) fn close(&self) -> bool {
        let mut passage = self.passage();
        passage.opens_at = Some(Instant::now() + PATIENCE);
        !passage.is_used
    }

    /// Lets the main writer in again.
    pub(super) fn open(&self) {
        self.passage().opens_at = None;
        self.opened.notify_one();
    }

    fn passage(&self) -> MutexGuard<'_, Passage> {
        self.passage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.passage().is_used = false;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{TryRecvError, channel};

    use super::*;

    #[test]
    fn nobody_enters_before_it_opens_and_whoever_is_inside_is_told_of() {
        let turnstile = Arc::new(Turnstile::default());
        let inside = turnstile.enter();
        assert!(!turnstile.close(), "somebody is inside");
        drop(inside);
        let (told, entered) = channel();
        let next = Arc::clone(&turnstile);
        let thread = std::thread::spawn(move || {
            let _inside = next.enter();
            told.send(()).unwrap();
        });
        for _ in 0..10 {
            assert!(turnstile.close(), "nobody is inside");
            assert_eq!(entered.try_recv(), Err(TryRecvError::Empty));
        }
        turnstile.open();
        entered.recv_timeout(Duration::from_secs(5)).unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn it_opens_by_itself_when_nobody_opens_it() {
        let turnstile = Turnstile::default();
        let began = Instant::now();
        assert!(turnstile.close());
        drop(turnstile.enter());
        assert!(began.elapsed() >= PATIENCE && began.elapsed() < Duration::from_secs(5));
    }
}

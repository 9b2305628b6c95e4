//! Events that are held back until the next one has gone, so that a receiver sees them in the wrong order.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What lets an event go that is held back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Hold {
    /// Only an event of this number lets it go; any event when absent.
    number: Option<String>,
    /// So long it waits at most, so that nothing hangs when no other event comes.
    max_wait: Duration,
    /// When it goes if nothing lets it go before.
    pub(crate) until: Timestamp,
    /// The event whose first try lets it go, once there is one.
    behind: Option<u64>,
}

impl Hold {
    pub(crate) fn new(number: Option<String>, max_wait: Duration) -> Self {
        Self { number, max_wait, until: Timestamp::MAX, behind: None }
    }

    /// The same hold, with its end.
    pub(crate) fn beginning(self, due_at: Timestamp) -> Self {
        Self { until: crate::clock::after(due_at, self.max_wait), ..self }
    }

    fn waits_for(&self, numbers: &[String]) -> bool {
        self.behind.is_none() && self.number.as_ref().is_none_or(|number| numbers.contains(number))
    }
}

/// The events that are held back, by their place in the log.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Holds(BTreeMap<u64, Hold>);

impl Holds {
    pub(crate) fn keep(&mut self, delivery: u64, hold: Hold) {
        self.0.insert(delivery, hold);
    }

    /// Whether an event of these numbers would let another go.
    pub(crate) fn await_any(&self, numbers: &[String]) -> bool {
        self.0.values().any(|hold| hold.waits_for(numbers))
    }

    /// An event of these numbers is on its way: it will let others go.
    pub(crate) fn follow(&mut self, delivery: u64, numbers: &[String]) {
        for hold in self.0.values_mut().filter(|hold| hold.waits_for(numbers)) {
            hold.behind = Some(delivery);
        }
    }

    /// The events that may go now that another one has been tried.
    pub(crate) fn released_by(&mut self, delivery: u64) -> Vec<(u64, Hold)> {
        self.0.extract_if(.., |_, hold| hold.behind == Some(delivery)).collect()
    }

    /// An event goes by itself.
    pub(crate) fn end(&mut self, delivery: u64) {
        self.0.remove(&delivery);
    }
}

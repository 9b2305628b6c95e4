//! A replay: stored events handed to a destination again, on purpose. It makes `deliver` jobs and nothing else.

use serde::{Deserialize, Serialize};

use crate::event::EventFilter;
use crate::job::{UnknownWord, words};
use crate::time::Timestamp;

/// A replay's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReplayId(pub i64);

words! {
    /// Where a replay stands.
    ReplayState {
        /// Jobs are still being made.
        Running = "running",
        /// All its jobs are made; what became of them is seen at the jobs.
        Done = "done",
        /// A person stopped it; jobs made so far stay.
        Cancelled = "cancelled",
    }
}

/// A replay to be started. Of the events it names, the destination gets those that its `events` and `when` let through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewReplay {
    /// Name of the destination.
    pub destination: String,
    /// Which events.
    #[serde(default)]
    pub filter: EventFilter,
}

/// A replay as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// Its number.
    pub id: ReplayId,
    /// Name of the destination.
    pub destination: String,
    /// Which events.
    pub filter: EventFilter,
    /// Where it stands.
    pub state: ReplayState,
    /// How many events matched when it was started: the filter, and the types of event that the destination takes. The
    /// destination's `when` is evaluated later, event by event, so where it has one this is an upper bound.
    pub total: i64,
    /// How many jobs it has made.
    pub made: i64,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

//! A destination: where events are handed to. The scheme of its URL is its kind.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use url::Url;

use crate::condition::Condition;
use crate::job::{UnknownWord, words};
use crate::retry::RetrySchedule;
use crate::time::Timestamp;

words! {
    /// What a destination gets.
    Format {
        /// The original bytes.
        Telnyx = "telnyx",
        /// Inlet's own stable JSON.
        Message = "message",
    }
}

/// A configured destination.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Its name, unique.
    pub name: String,
    /// Where it is.
    pub url: Url,
    /// Event types it gets; empty means all.
    pub events: Vec<String>,
    /// What else must hold. An error while it is evaluated counts as a match and is reported.
    pub when: Option<Condition>,
    /// What it gets.
    pub format: Format,
    /// When a failed delivery is tried again.
    pub retry: RetrySchedule,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Deliveries at a time, from 1.
    pub concurrency: u32,
    /// Whether one conversation's events arrive in commit order.
    pub ordered: bool,
}

/// What the store keeps of a destination.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DestinationState {
    /// Since when it is paused.
    pub paused_at: Option<Timestamp>,
    /// Why: a person, or 410 Gone.
    pub paused_reason: Option<String>,
    /// When a person last asked for a retry: a breaker that opened before is closed.
    pub retried_at: Option<Timestamp>,
    /// Jobs waiting or running.
    pub backlog: i64,
    /// Dead letters.
    pub dead: i64,
    /// When the oldest waiting job was made.
    pub oldest_waiting_at: Option<Timestamp>,
}

/// A destination as lists, the API and commands show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationStatus {
    /// Its name.
    pub name: String,
    /// Where it is; password and query hidden.
    pub url: String,
    /// Event types it gets; empty means all.
    pub events: Vec<String>,
    /// Its condition.
    pub when: Option<String>,
    /// What it gets.
    pub format: Format,
    /// Whether order is kept.
    pub ordered: bool,
    /// Deliveries at a time.
    pub concurrency: u32,
    /// Whether it is in the configuration; jobs of one that is not are held.
    pub configured: bool,
    /// Whether it is paused.
    pub paused: bool,
    /// Why.
    pub paused_reason: Option<String>,
    /// Since when.
    pub paused_at: Option<Timestamp>,
    /// Jobs waiting or running.
    pub backlog: i64,
    /// Dead letters.
    pub dead: i64,
    /// When the oldest waiting job was made.
    pub oldest_waiting_at: Option<Timestamp>,
}

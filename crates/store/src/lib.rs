//! Where events, messages and jobs live: the contract, its SQLite form, and the archive of media.
//!
//! A new back end implements [`EventLog`] and [`Store`] and passes `tests/store/conformance`, called with one line. A change of
//! the tables is a new file in `migrations/`; the README there has the rules.

mod blobs;
mod error;
mod sqlite;
mod store;

pub use blobs::{BlobError, Blobs};
pub use error::StoreError;
pub use sqlite::{SqliteConfig, SqliteStore, generation_filter};
pub use store::{
    BulkAction, BulkResult, CLAIM_BYTES, Claim, ClaimLane, DestinationSwitch, EventLog, FinishedAttempt,
    Happening, Progress, Purged, ReplyUsage, RouteBatch, SendDecision, StatsRow, Store, StreamPosition,
};

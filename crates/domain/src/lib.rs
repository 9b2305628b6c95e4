//! Inlet's words, as types, and its rules, as pure functions: no I/O, no clock, no randomness of their own.

mod clean;
mod condition;
mod conversation;
mod destination;
mod event;
#[cfg(test)]
mod fixture;
mod guard;
mod inbound;
mod intake;
mod job;
mod media;
mod message;
mod page;
mod receipt;
mod rejection;
mod replay;
mod reply;
mod retry;
mod routing;
mod search;
mod send;
mod time;

pub use condition::{Condition, ConditionError, Template, TemplateError};
pub use conversation::{Conversation, ConversationKey};
pub use destination::{Destination, DestinationState, DestinationStatus, Format};
pub use event::{Event, EventFacts, EventFilter, EventSeq, NewEvent, Recorded, Source, StoredEvent};
pub use guard::{GuardFacts, GuardLimits, SkipReason, guard};
pub use intake::intake;
pub use job::{
    Attempt, ClaimedJob, Job, JobFilter, JobId, JobKind, JobState, Lane, NewJob, Outcome, Transition,
    UnknownWord,
};
pub use media::{Media, MediaState, NewMedia, StoredMedia};
pub use message::{Direction, Message, MessageFilter, Recipient};
pub use page::{Cursor, InvalidCursor, MAX_LIMIT, Page, PageRequest};
pub use receipt::{fold_receipt, status_rank};
pub use rejection::{NewRejection, Rejection, RejectionCode};
pub use replay::{NewReplay, Replay, ReplayId, ReplayState};
pub use reply::{ReplyRule, RuleMatch};
pub use retry::{RetryDecision, RetrySchedule, retry_after};
pub use routing::{OptOutChange, Plan, ReadEvent, Router};
pub use search::{
    MAX_SEARCH_CHARS, MAX_SEARCH_TERMS, NumberStart, Search, SearchError, SearchTerm, Wish, searchable,
};
pub use send::{OptOut, SEND_KEY_PARAMETER, SendKey, SendRequest};
pub use time::{Clock, Entropy, Timestamp};

// Numbers and errors are Telnyx's own; the rest of Inlet takes them from here.
pub use inlet_telnyx::{Address, ApiError, PhoneNumber, mask};

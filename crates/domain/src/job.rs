//! A job: one unit of work, its states, and which state may follow which.
//!
//! ```text
//!              claim                  2xx, stored, sent
//!  waiting ───────────► running ─────────────────────────► done
//!     ▲                    │ │ begin_send
//!     │  retry later       │ └────────► sending ── accepted ─► done
//!     ├────────────────────┤               │ │
//!     │  given back untried│               │ │
//!     │  lease expired     │               │ └─ refused for good ─► dead
//!     │                    │               └ no answer, lease expired ─► unknown ── receipt ─► done
//!     │                    ├─ given up ─► dead
//!     │                    └─ guard said no ─► skipped
//!     └── retry by hand ── dead, unknown          discard by hand: waiting, dead, unknown ─► discarded
//!
//!  of a send that was retried by hand:  waiting, running ── receipt ─► done
//! ```
//!
//! `running` begins with the claim, which may come a little before the first byte goes out: a job claimed ahead of a free
//! slot waits in the engine's hand, and is given back untried, its attempt not counted, where it must not be begun.
//!
//! `held` is not a state: it is computed where a waiting job's destination is paused or no longer configured.

use serde::{Deserialize, Serialize};

use crate::event::{EventSeq, StoredEvent};
use crate::message::Message;
use crate::replay::ReplayId;
use crate::send::{SendKey, SendRequest};
use crate::time::Timestamp;

/// A word of a closed list was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not one of {expected}")]
pub struct UnknownWord {
    /// The word as given.
    pub word: String,
    /// The words there are.
    pub expected: &'static str,
}

/// Declares an enum whose variants have one word each, the same in the database, the API and on pages.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$variant_meta])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Every variant, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The variant's word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord { word: word.to_owned(), expected: concat!($("`", $word, "` "),+) }),
                }
            }
        }
    };
}
pub(crate) use words;

/// A job's number, in the order of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub i64);

words! {
    /// What a job does.
    JobKind {
        /// Hands one event to one destination.
        Deliver = "deliver",
        /// Archives one attachment.
        FetchMedia = "fetch_media",
        /// Sends one message through Telnyx; a reply when a rule made it.
        Send = "send",
        /// Hands a sample to a destination.
        Test = "test",
    }
}

words! {
    /// Where a job stands.
    JobState {
        /// Due now or later.
        Waiting = "waiting",
        /// Claimed under a lease: being tried, or in hand for one of the next slots.
        Running = "running",
        /// A message is on its way to Telnyx; committed before the POST.
        Sending = "sending",
        /// The effect took place.
        Done = "done",
        /// Given up: a dead letter.
        Dead = "dead",
        /// A message may or may not have been sent.
        Unknown = "unknown",
        /// The reply guard said no.
        Skipped = "skipped",
        /// A person dropped it.
        Discarded = "discarded",
    }
}

impl JobState {
    /// Whether nothing more happens by itself. A retry by hand leads out of `dead` and `unknown`.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running | Self::Sending)
    }

    /// The state that follows, or `None` where the transition is not allowed.
    pub const fn next(self, transition: Transition) -> Option<Self> {
        use JobState::*;
        match (self, transition) {
            (Waiting, Transition::Claim) => Some(Running),
            (Running, Transition::BeginSend) => Some(Sending),
            (Running, Transition::Skip) => Some(Skipped),
            (Running | Sending, Transition::Succeed) => Some(Done),
            (Running | Sending, Transition::RetryLater) => Some(Waiting),
            (Running | Sending, Transition::GiveUp) => Some(Dead),
            (Running, Transition::LoseLease) => Some(Waiting),
            (Sending, Transition::LoseLease | Transition::LoseAnswer) => Some(Unknown),
            // A retry by hand may have overtaken the receipt of the first try: nothing is to be sent a second time.
            (Waiting | Running | Sending | Unknown, Transition::Receipt) => Some(Done),
            (Waiting | Dead | Unknown, Transition::RetryByHand) => Some(Waiting),
            (Waiting | Dead | Unknown, Transition::Discard) => Some(Discarded),
            _ => None,
        }
    }
}

/// What happens to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// The engine takes it.
    Claim,
    /// The engine is about to POST to Telnyx.
    BeginSend,
    /// The reply guard refuses.
    Skip,
    /// The other side acknowledged.
    Succeed,
    /// It failed in a way that may pass. Of a send: it was surely not sent.
    RetryLater,
    /// It failed for good.
    GiveUp,
    /// Its lease ran out, or the process restarted.
    LoseLease,
    /// The POST went out and no answer came back.
    LoseAnswer,
    /// A receipt proves that the message was sent. Concerns sends only.
    Receipt,
    /// A person wants it tried again.
    RetryByHand,
    /// A person wants it gone.
    Discard,
}

/// The queue a job waits in: one for each destination, one for media, one for sends. Slots and order are per lane.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Deliveries and tests of this destination.
    Destination(String),
    /// Media.
    Media,
    /// Messages to Telnyx.
    Send,
}

/// A job to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewJob {
    /// Hand the event to this destination.
    Deliver {
        /// Name of the destination.
        destination: String,
    },
    /// Send an automatic reply to the message.
    Reply {
        /// Name of the rule.
        rule: String,
        /// What to send.
        request: SendRequest,
    },
}

/// A job as lists, the API and commands show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// Name of the destination, of `deliver` and `test` jobs.
    pub destination: Option<String>,
    /// The event it hands on or that caused it.
    pub event_id: Option<String>,
    /// The message it answers, fetches media of, or (once Telnyx has named it) has sent.
    pub message_id: Option<String>,
    /// The reply rule that made it.
    pub rule: Option<String>,
    /// The replay that made it.
    pub replay_id: Option<ReplayId>,
    /// Where it stands.
    pub state: JobState,
    /// Whether it waits only because its destination is paused or not configured. Computed by whoever shows it.
    #[serde(default)]
    pub held: bool,
    /// Tries so far.
    pub attempts: i64,
    /// When it is or was to be tried next.
    pub due_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it reached a final state.
    pub finished_at: Option<Timestamp>,
    /// What the last attempt met, or why it was skipped.
    pub last_error: Option<String>,
}

/// Which jobs a list or a bulk action means. Every given part must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobFilter {
    /// Jobs of this kind.
    pub kind: Option<JobKind>,
    /// Jobs in this state.
    pub state: Option<JobState>,
    /// Jobs of this destination.
    pub destination: Option<String>,
    /// Jobs of this event.
    pub event_id: Option<String>,
    /// Jobs of this message.
    pub message_id: Option<String>,
    /// Jobs made by this replay.
    pub replay_id: Option<ReplayId>,
    /// Made at this moment or later.
    pub after: Option<Timestamp>,
    /// Made before this moment.
    pub before: Option<Timestamp>,
}

/// A job in the hands of the engine, with everything its handler needs.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedJob {
    /// Its number.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// The lane it was claimed from.
    pub lane: Lane,
    /// Fencing token: changes with each claim; an outcome with an old one is refused.
    pub fence: i64,
    /// Number of this attempt, from 1.
    pub attempt: i64,
    /// Number of this attempt since the job was made or last retried by hand, from 1: the place in the schedule.
    pub schedule_attempt: i64,
    /// Until when it is ours.
    pub lease_until: Timestamp,
    /// The event, with its bytes; `None` of sends through the API and of tests.
    pub event: Option<StoredEvent>,
    /// What routing read out of the event.
    pub event_type: Option<String>,
    /// Which attachment, of `fetch_media`: the message's id and the position from 0.
    pub media: Option<(String, i64)>,
    /// What to send, of `send`.
    pub send: Option<(SendKey, SendRequest)>,
    /// The rule that made it, of replies.
    pub rule: Option<String>,
}

/// One finished try of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its number within the job, from 1.
    pub number: i64,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Whether it succeeded.
    pub succeeded: bool,
    /// The other side's status, where it has one.
    pub status: Option<i64>,
    /// What went wrong, for people.
    pub error: Option<String>,
    /// The beginning of the other side's answer.
    pub response: Option<String>,
}

/// What the engine reports after an attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The other side acknowledged.
    Done,
    /// The attachment is archived; its facts and the job's end are one transaction.
    Archived(crate::media::StoredMedia),
    /// Telnyx accepted the message and named it.
    Sent(Box<Message>),
    /// Try again then.
    Retry {
        /// The next try.
        due_at: Timestamp,
    },
    /// Give up.
    Dead,
    /// Give up, and record that the recipient has opted out (code 40300).
    DeadOptedOut,
    /// Nobody knows whether the message went out.
    Unknown,
    /// Give up and pause the destination (410 Gone).
    DeadAndPause {
        /// Shown beside the pause.
        reason: String,
    },
}

impl ClaimedJob {
    /// Position of the event, where there is one.
    pub fn event_seq(&self) -> Option<EventSeq> {
        self.event.as_ref().map(|event| event.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRANSITIONS: [Transition; 11] = [
        Transition::Claim,
        Transition::BeginSend,
        Transition::Skip,
        Transition::Succeed,
        Transition::RetryLater,
        Transition::GiveUp,
        Transition::LoseLease,
        Transition::LoseAnswer,
        Transition::Receipt,
        Transition::RetryByHand,
        Transition::Discard,
    ];

    #[test]
    fn only_a_person_or_a_receipt_leads_out_of_a_final_state() {
        for &state in JobState::ALL.iter().filter(|state| state.is_final()) {
            for transition in TRANSITIONS {
                let by_hand = matches!(transition, Transition::RetryByHand | Transition::Discard);
                let proven = state == JobState::Unknown && transition == Transition::Receipt;
                assert!(state.next(transition).is_none() || by_hand || proven, "{state} {transition:?}");
            }
        }
    }

    #[test]
    fn a_message_that_may_have_been_sent_never_waits_again_by_itself() {
        assert_eq!(JobState::Sending.next(Transition::LoseLease), Some(JobState::Unknown));
        for transition in TRANSITIONS {
            let waits = JobState::Unknown.next(transition) == Some(JobState::Waiting);
            assert_eq!(waits, transition == Transition::RetryByHand);
        }
    }

    #[test]
    fn a_receipt_ends_every_send_that_might_go_out() {
        for &state in JobState::ALL {
            let done = state.next(Transition::Receipt) == Some(JobState::Done);
            assert_eq!(done, !state.is_final() || state == JobState::Unknown, "{state}");
        }
    }

    #[test]
    fn words_are_read_back() {
        for &state in JobState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("broken".parse::<JobState>().unwrap_err().to_string().contains("`waiting`"));
    }
}

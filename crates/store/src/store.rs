//! The contract of a store. Each method is one complete transaction, named after what happened.

use std::time::Duration;

use async_trait::async_trait;
use inlet_domain::{
    Attempt, ClaimedJob, Conversation, DestinationState, Event, EventFilter, EventSeq, GuardLimits, Job,
    JobFilter, JobId, JobKind, JobState, Lane, Message, MessageFilter, NewEvent, NewRejection, NewReplay,
    OptOut, Outcome, Page, PageRequest, Recorded, Rejection, Replay, ReplayId, Router, SendKey, SendRequest,
    SkipReason, StoredMedia, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::watch;

use crate::error::StoreError;

/// What one routing step did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteBatch {
    /// Events routed.
    pub routed: u32,
    /// Of these, events whose bytes could not be read or whose plan could not be carried out.
    pub unreadable: u32,
    /// Jobs made.
    pub jobs: u32,
    /// Conditions that failed while they were evaluated: destination or rule, and why.
    pub condition_errors: Vec<(String, String)>,
    /// Whether more events wait.
    pub more: bool,
}

/// No claim hands out more of a lane than this, counted in bytes of events, but at least one job: whoever claims ahead
/// holds them in memory. Four of the largest webhooks, or thousands of usual ones.
pub const CLAIM_BYTES: usize = 4 * 1024 * 1024;

/// How many jobs of a lane are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimLane {
    /// The lane.
    pub lane: Lane,
    /// Free slots.
    pub limit: u32,
    /// Whether one conversation's jobs wait for each other.
    pub ordered: bool,
}

/// A claim of due jobs. Lanes of paused destinations give nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Which lanes.
    pub lanes: Vec<ClaimLane>,
    /// The present moment.
    pub now: Timestamp,
    /// How long the jobs are ours; longer than any handler's timeout.
    pub lease: Duration,
}

/// An attempt that has ended and is to be recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct FinishedAttempt {
    /// The job.
    pub job: JobId,
    /// The token of its claim.
    pub fence: i64,
    /// The attempt.
    pub attempt: Attempt,
    /// What follows from it.
    pub outcome: Outcome,
}

/// What became of the wish to send a message.
#[derive(Debug, Clone, PartialEq)]
pub enum SendDecision {
    /// The job is `sending`, committed; POST now, once.
    Go,
    /// The guard said no; the job is `skipped`.
    Skipped(SkipReason),
    /// A receipt has named the message that this job sent in an earlier try; the job is `done`.
    AlreadySent,
}

/// What one step of a purge did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// Rows deleted.
    pub deleted: u32,
    /// Rows old enough that are kept, because work still needs them.
    pub kept: u32,
    /// Where the next step begins; `None` when all has been looked at.
    pub next: Option<i64>,
}

/// How far expired leases were cleared up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Jobs that went back to `waiting`.
    pub returned: u32,
    /// Jobs that were given up, because no attempt of theirs ever ended.
    pub dead: u32,
    /// Sends that became `unknown`.
    pub unknown: u32,
}

/// A deed of a person upon many jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BulkAction {
    /// Make them due now.
    Retry,
    /// Drop them.
    Discard,
}

/// What a bulk action did or, dry, would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkResult {
    /// Jobs changed or, dry, to be changed.
    pub matched: i64,
    /// Pass this to the next step; `None` when all are done.
    pub next: Option<JobId>,
}

/// Where a follower of the stream stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamPosition {
    /// The last event seen.
    pub event: i64,
    /// The last attempt seen.
    pub attempt: i64,
}

/// One thing a follower sees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Happening {
    /// An event was stored.
    Event {
        /// It.
        event: Box<Event>,
        /// The message it speaks of, where it has been routed.
        message: Option<Box<Message>>,
    },
    /// A job was tried.
    Attempt {
        /// Position in the stream.
        position: i64,
        /// The job as it stands now.
        job: Box<Job>,
        /// The try.
        attempt: Attempt,
    },
}

/// One count for metrics and `stats`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatsRow {
    /// The kind of the jobs.
    pub kind: JobKind,
    /// Their destination.
    pub destination: Option<String>,
    /// Their state.
    pub state: JobState,
    /// How many.
    pub jobs: i64,
    /// When the oldest of them was made.
    pub oldest_at: Option<Timestamp>,
}

/// What people and answers have set at a destination.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DestinationSwitch {
    /// Its name.
    pub name: String,
    /// Since when it is paused.
    pub paused_at: Option<Timestamp>,
    /// Why.
    pub paused_reason: Option<String>,
    /// When a person last asked for a retry.
    pub retried_at: Option<Timestamp>,
}

/// How much of the reply guard's budgets is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyUsage {
    /// Automatic replies to the pair within its window; `None` when no pair was named.
    pub pair: Option<i64>,
    /// Automatic replies in all within the global window.
    pub global: i64,
    /// Whether the party wants no messages from our number; `None` when no pair was named.
    pub opted_out: Option<bool>,
}

/// The ack path: all that whoever receives webhooks sees of a store.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Stores an event once. Returns after a commit that was fsynced. Nothing but this is on the ack path.
    async fn record_event(&self, event: NewEvent) -> Result<Recorded, StoreError>;
    /// Keeps rejections; beyond the newest 1,000 they are dropped.
    async fn record_rejections(&self, rejections: Vec<NewRejection>) -> Result<(), StoreError>;
    /// Whether the last commit succeeded and the queue has room; otherwise why not.
    fn ready(&self) -> Result<(), StoreError>;
}

/// Everything Inlet keeps but the bytes of media.
#[async_trait]
pub trait Store: EventLog {
    /// A counter that moves after every commit that left something to see or to do. A hint: polling is the truth.
    fn changes(&self) -> watch::Receiver<u64>;

    // --- routing

    /// Routes up to `limit` events in commit order; what they make and the cursor's advance are one transaction.
    /// An event whose plan cannot be carried out is kept as unreadable, alone, and handed on all the same. Sets the due time of new jobs to `now`
    /// plus the first wait of the destination's schedule.
    async fn route_events(
        &self,
        router: Arc<Router>,
        limit: u32,
        now: Timestamp,
    ) -> Result<RouteBatch, StoreError>;

    // --- jobs

    /// Claims due jobs: `waiting` to `running`, under a lease and a new fencing token. Per lane, oldest due first, up to
    /// its limit or [`CLAIM_BYTES`].
    async fn claim_due(&self, claim: Claim) -> Result<Vec<ClaimedJob>, StoreError>;
    /// Marks a send `sending`, or `skipped` when it is a reply and the guard says no, or the recipient has opted out, or
    /// `done` when a receipt has named its message already.
    /// The lease is renewed to `lease_until`.
    async fn begin_send(
        &self,
        job: JobId,
        fence: i64,
        now: Timestamp,
        lease_until: Timestamp,
        limits: Arc<GuardLimits>,
    ) -> Result<SendDecision, StoreError>;
    /// Records finished attempts and what follows from them, all in one transaction, and says of each what became of it:
    /// [`StoreError::LeaseLost`] when its token is old. A send that a receipt has meanwhile proven stays `done`, and only
    /// the attempt is recorded. One that cannot be recorded keeps none of the others from it.
    async fn finish_attempts(
        &self,
        finished: Vec<FinishedAttempt>,
    ) -> Result<Vec<Result<(), StoreError>>, StoreError>;
    /// Records one finished attempt.
    async fn finish_attempt(
        &self,
        job: JobId,
        fence: i64,
        attempt: Attempt,
        outcome: Outcome,
    ) -> Result<(), StoreError> {
        let finished = FinishedAttempt { job, fence, attempt, outcome };
        self.finish_attempts(vec![finished]).await?.pop().unwrap_or(Err(StoreError::Closed))
    }
    /// Returns claimed jobs untried: `running` to `waiting`, due at once, the attempt not counted.
    async fn release(&self, jobs: Vec<(JobId, i64)>) -> Result<(), StoreError>;
    /// Clears up leases that ended before `now`: `running` becomes `waiting`, `sending` becomes `unknown`. The first five
    /// lost leases of a job do not count against its schedule; with the twentieth it becomes a dead letter.
    async fn expire_leases(&self, now: Timestamp) -> Result<Progress, StoreError>;
    /// At start-up, when no other process can hold a lease: clears up all of them.
    async fn recover_leases(&self, now: Timestamp) -> Result<Progress, StoreError>;
    /// The earliest moment after `after` at which a waiting job of an unpaused lane is due.
    async fn next_due(&self, after: Timestamp) -> Result<Option<Timestamp>, StoreError>;
    /// Makes a `send` job on behalf of a person or program.
    async fn enqueue_send(
        &self,
        key: SendKey,
        request: SendRequest,
        now: Timestamp,
    ) -> Result<JobId, StoreError>;
    /// Makes a `test` job.
    async fn enqueue_test(&self, destination: &str, now: Timestamp) -> Result<JobId, StoreError>;
    /// Retries or discards one job. `Ok(None)` when there is none; `Ok(Some(false))` when its state does not allow it.
    async fn change_job(
        &self,
        job: JobId,
        action: BulkAction,
        now: Timestamp,
    ) -> Result<Option<bool>, StoreError>;
    /// Retries or discards jobs that match and whose state allows it: up to 1,000 per call, in ascending order, beginning
    /// after `from`. Dry, counts all at once. Without a state in the filter: dead letters only. A retry that names a
    /// destination counts as one of the destination even where no job matches.
    async fn change_jobs(
        &self,
        filter: JobFilter,
        action: BulkAction,
        from: Option<JobId>,
        dry_run: bool,
        now: Timestamp,
    ) -> Result<BulkResult, StoreError>;

    // --- destinations and replays

    /// Pauses a destination: its jobs are held, none is discarded.
    async fn pause_destination(&self, name: &str, reason: &str, now: Timestamp) -> Result<(), StoreError>;
    /// Resumes a destination and, paused or not, asks for its work to be tried now. False when it was not paused.
    async fn resume_destination(&self, name: &str, now: Timestamp) -> Result<bool, StoreError>;
    /// The state of every destination that is paused, was retried or has jobs, by name.
    async fn destination_states(&self) -> Result<Vec<(String, DestinationState)>, StoreError>;
    /// The same without what has to be counted: cheap, however many jobs there are. Only destinations that were ever
    /// paused or retried.
    async fn destination_switches(&self) -> Result<Vec<DestinationSwitch>, StoreError>;
    /// How many events a replay would hand on to a destination that takes these types of event (all, when there are
    /// none): an upper bound where the destination has a condition. May read for a while, and keeps nobody waiting.
    async fn count_replay(&self, replay: &NewReplay, events: &[String]) -> Result<i64, StoreError>;
    /// Starts a replay whose events have been counted; [`Store::advance_replays`] makes its jobs.
    async fn start_replay(&self, replay: NewReplay, total: i64, now: Timestamp)
    -> Result<Replay, StoreError>;
    /// Makes up to `limit` jobs of running replays, for events that their destination takes by its `events` and `when`;
    /// a condition that fails counts as a match. A destination that is not configured gets all. True when more remain.
    async fn advance_replays(
        &self,
        router: Arc<Router>,
        limit: u32,
        now: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Stops a replay. `Ok(None)` when there is none; `Ok(Some(false))` when it had ended.
    async fn cancel_replay(&self, replay: ReplayId, now: Timestamp) -> Result<Option<bool>, StoreError>;

    // --- small things kept

    /// The value kept under a key, such as a generated secret.
    async fn setting(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Keeps a value unless there is one, and returns the one that is kept.
    async fn keep_setting(&self, key: &str, value: Vec<u8>) -> Result<Vec<u8>, StoreError>;
    /// Marks a conversation's messages read. False when there is no such conversation.
    async fn mark_read(&self, conversation: i64) -> Result<bool, StoreError>;
    /// Takes up to `limit` rows of each kind into full text and into the map of times, which are filled behind
    /// everything else. True when more remain.
    async fn advance_behind(&self, limit: u32) -> Result<bool, StoreError>;
    /// Deletes up to `limit` events that were received before `before`, beginning after position `from`, and no more than a
    /// step has time for; what remembers their ids stays, so that a late repeat is still a duplicate. Those with unfinished
    /// jobs or dead letters are kept.
    async fn purge_events(&self, before: Timestamp, from: i64, limit: u32) -> Result<Purged, StoreError>;
    /// The same for messages: their attachments go with them, and conversations count what is left.
    async fn purge_messages(&self, before: Timestamp, from: i64, limit: u32) -> Result<Purged, StoreError>;
    /// Up to `limit` digests that no attachment has any more, ascending, after one: their bytes may be deleted.
    async fn unused_media(&self, after: &str, limit: u32) -> Result<Vec<String>, StoreError>;
    /// Records that the bytes under these digests are gone.
    async fn forget_media(&self, digests: Vec<String>) -> Result<(), StoreError>;
    /// Deletes up to `limit` finished jobs (done, skipped, discarded) that ended before `before`, and no more than a step
    /// has time for. Returns how many; none when there are no more.
    async fn purge_jobs(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError>;

    // --- lists, newest first. A page may be short, or empty, while `next` says that there is more: a look at rows that
    // do not match ends after some milliseconds.

    /// Events.
    async fn events(&self, filter: EventFilter, page: PageRequest) -> Result<Page<Event>, StoreError>;
    /// One event.
    async fn event(&self, id: &str) -> Result<Option<Event>, StoreError>;
    /// One event's exact bytes.
    async fn event_body(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Messages.
    async fn messages(&self, filter: MessageFilter, page: PageRequest) -> Result<Page<Message>, StoreError>;
    /// One message.
    async fn message(&self, id: &str) -> Result<Option<Message>, StoreError>;
    /// Conversations, the one with the latest message first.
    async fn conversations(&self, page: PageRequest) -> Result<Page<Conversation>, StoreError>;
    /// One conversation.
    async fn conversation(&self, id: i64) -> Result<Option<Conversation>, StoreError>;
    /// Jobs.
    async fn jobs(&self, filter: JobFilter, page: PageRequest) -> Result<Page<Job>, StoreError>;
    /// One job and its attempts, oldest first.
    async fn job(&self, id: JobId) -> Result<Option<(Job, Vec<Attempt>)>, StoreError>;
    /// Replies (sends made by a rule), skipped ones included.
    async fn replies(&self, page: PageRequest) -> Result<Page<Job>, StoreError>;
    /// How much of the guard's budgets is used: in all and, where a pair (our number, the party) is named, by it.
    async fn reply_usage(
        &self,
        now: Timestamp,
        window: Duration,
        global_window: Duration,
        pair: Option<(String, String)>,
    ) -> Result<ReplyUsage, StoreError>;
    /// Opt-outs.
    async fn opt_outs(&self, page: PageRequest) -> Result<Page<OptOut>, StoreError>;
    /// Rejections that have been kept.
    async fn rejections(&self, page: PageRequest) -> Result<Page<Rejection>, StoreError>;
    /// Replays.
    async fn replays(&self, page: PageRequest) -> Result<Page<Replay>, StoreError>;
    /// One replay.
    async fn replay(&self, id: ReplayId) -> Result<Option<Replay>, StoreError>;
    /// The archived attachment with this digest.
    async fn stored_media(&self, sha256: &str) -> Result<Option<StoredMedia>, StoreError>;
    /// Jobs counted by kind, destination and state.
    async fn stats(&self) -> Result<Vec<StatsRow>, StoreError>;
    /// The newest event position and how many events wait for routing.
    async fn backlog(&self) -> Result<(EventSeq, i64), StoreError>;
    /// Up to `limit` things that happened after a position, in order, and the new position.
    async fn happenings(
        &self,
        after: StreamPosition,
        limit: u32,
    ) -> Result<(Vec<Happening>, StreamPosition), StoreError>;
    /// The position of the present: what a new follower begins with.
    async fn stream_end(&self) -> Result<StreamPosition, StoreError>;
}

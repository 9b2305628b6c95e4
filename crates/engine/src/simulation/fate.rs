//! Decides when the simulated process dies, and makes a store and a chance of its own from one seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use inlet_domain::*;
use inlet_store::{
    BulkAction, BulkResult, Claim, DestinationSwitch, EventLog, FinishedAttempt, Happening, Progress, Purged,
    ReplyUsage, RouteBatch, SendDecision, SqliteStore, StatsRow, Store, StoreError, StreamPosition,
};
use tokio::sync::{Notify, watch};

/// Random numbers that a seed determines (splitmix64).
pub(crate) struct Chance(AtomicU64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed.wrapping_mul(0xd134_2543_de82_ef95)))
    }

    fn next(&self) -> u64 {
        let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    /// True in `percent` of all cases.
    pub(crate) fn percent(&self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

impl Entropy for Chance {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill_with(|| self.next().to_le_bytes()[0]);
    }
}

/// A clock that the simulation moves.
pub(crate) struct MovedClock(AtomicI64);

impl Default for MovedClock {
    fn default() -> Self {
        Self(AtomicI64::new(Timestamp::from_seconds(1_767_225_600).as_micros()))
    }
}

impl MovedClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// When the process dies: before or after one of its effects.
pub(crate) struct Fate {
    // Effects until death; below zero it lives.
    steps_left: AtomicI64,
    died: Notify,
    // Effects until whoever makes the next one has to wait; below zero nobody has to.
    steps_to_pause: AtomicI64,
    paused: Notify,
    resumed: Notify,
    // Writes that the store refuses from now on.
    refusals: AtomicI64,
}

impl Fate {
    pub(crate) fn immortal() -> Self {
        Self {
            steps_left: AtomicI64::new(-1),
            died: Notify::new(),
            steps_to_pause: AtomicI64::new(-1),
            paused: Notify::new(),
            resumed: Notify::new(),
            refusals: AtomicI64::new(0),
        }
    }

    /// The store refuses the next writes.
    pub(crate) fn refuse_next(&self, writes: i64) {
        self.refusals.store(writes, Ordering::SeqCst);
    }

    fn refusal(&self) -> Result<(), StoreError> {
        let left = self.refusals.load(Ordering::SeqCst);
        if left == 0 {
            return Ok(());
        }
        self.refusals.store(left - 1, Ordering::SeqCst);
        Err(StoreError::Unavailable { reason: "the disk is full".to_owned() })
    }

    pub(crate) fn die_after(&self, steps: usize) {
        self.steps_left.store(i64::try_from(steps).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn live(&self) {
        self.steps_left.store(-1, Ordering::SeqCst);
    }

    /// Stands before and after each effect. From the moment of death on nothing goes on.
    pub(crate) async fn step(&self) {
        if count_down(&self.steps_to_pause) {
            self.steps_to_pause.store(-1, Ordering::SeqCst);
            self.paused.notify_one();
            self.resumed.notified().await;
        }
        if count_down(&self.steps_left) {
            self.died.notify_one();
            std::future::pending::<()>().await;
        }
    }

    /// Does the one thing while the other is stopped between two of its effects. Never more than one goes on at a
    /// time, so that a seed is one history. False when the other had ended before it could be stopped.
    pub(crate) async fn interleave(
        &self,
        steps: usize,
        stopped: impl Future<Output = ()>,
        meanwhile: impl Future,
    ) -> bool {
        self.steps_to_pause.store(i64::try_from(steps).unwrap(), Ordering::SeqCst);
        let mut stopped = std::pin::pin!(stopped);
        let ended = tokio::select! {
            biased;
            () = self.paused.notified() => false,
            () = &mut stopped => true,
        };
        self.steps_to_pause.store(-1, Ordering::SeqCst);
        meanwhile.await;
        if !ended {
            self.resumed.notify_one();
            stopped.await;
        }
        !ended
    }

    /// Returns when the process has died.
    pub(crate) async fn death(&self) {
        self.died.notified().await;
    }
}

/// Whether the count has come to its end. It stays there.
fn count_down(count: &AtomicI64) -> bool {
    let left = count.load(Ordering::SeqCst);
    if left > 0 {
        count.store(left - 1, Ordering::SeqCst);
    }
    left == 0
}

/// The real store of a process that may die before or after each of its transactions.
pub(crate) struct MortalStore {
    pub(crate) inner: SqliteStore,
    pub(crate) fate: Arc<Fate>,
}

#[async_trait]
impl EventLog for MortalStore {
    async fn record_event(&self, event: NewEvent) -> Result<Recorded, StoreError> {
        self.fate.step().await;
        let result = self.inner.record_event(event).await;
        self.fate.step().await;
        result
    }

    async fn record_rejections(&self, rejections: Vec<NewRejection>) -> Result<(), StoreError> {
        self.fate.step().await;
        let result = self.inner.record_rejections(rejections).await;
        self.fate.step().await;
        result
    }

    fn ready(&self) -> Result<(), StoreError> {
        self.inner.ready()
    }
}

/// Writes pass through the fate's hands on both sides; reads have no effect.
macro_rules! mortal {
    (
        writes { $(fn $write:ident($($arg:ident: $type:ty),*) -> $value:ty;)* }
        reads { $(fn $read:ident($($read_arg:ident: $read_type:ty),*) -> $read_value:ty;)* }
    ) => {
        #[async_trait]
        impl Store for MortalStore {
            fn changes(&self) -> watch::Receiver<u64> {
                self.inner.changes()
            }

            $(async fn $write(&self, $($arg: $type),*) -> Result<$value, StoreError> {
                self.fate.step().await;
                self.fate.refusal()?;
                let result = self.inner.$write($($arg),*).await;
                self.fate.step().await;
                result
            })*

            $(async fn $read(&self, $($read_arg: $read_type),*) -> Result<$read_value, StoreError> {
                self.inner.$read($($read_arg),*).await
            })*
        }
    };
}

mortal! {
    writes {
        fn route_events(router: Arc<Router>, limit: u32, now: Timestamp) -> RouteBatch;
        fn claim_due(claim: Claim) -> Vec<ClaimedJob>;
        fn begin_send(job: JobId, fence: i64, now: Timestamp, lease_until: Timestamp, limits: Arc<GuardLimits>)
            -> SendDecision;
        fn finish_attempts(finished: Vec<FinishedAttempt>) -> Vec<Result<(), StoreError>>;
        fn release(jobs: Vec<(JobId, i64)>) -> ();
        fn expire_leases(now: Timestamp) -> Progress;
        fn recover_leases(now: Timestamp) -> Progress;
        fn enqueue_send(key: SendKey, request: SendRequest, now: Timestamp) -> JobId;
        fn enqueue_test(destination: &str, now: Timestamp) -> JobId;
        fn change_job(job: JobId, action: BulkAction, now: Timestamp) -> Option<bool>;
        fn change_jobs(filter: JobFilter, action: BulkAction, from: Option<JobId>, dry_run: bool, now: Timestamp)
            -> BulkResult;
        fn pause_destination(name: &str, reason: &str, now: Timestamp) -> ();
        fn resume_destination(name: &str, now: Timestamp) -> bool;
        fn start_replay(replay: NewReplay, total: i64, now: Timestamp) -> Replay;
        fn advance_replays(router: Arc<Router>, limit: u32, now: Timestamp) -> bool;
        fn cancel_replay(replay: ReplayId, now: Timestamp) -> Option<bool>;
        fn keep_setting(key: &str, value: Vec<u8>) -> Vec<u8>;
        fn mark_read(conversation: i64) -> bool;
        fn advance_behind(limit: u32) -> bool;
        fn purge_events(before: Timestamp, from: i64, limit: u32) -> Purged;
        fn purge_messages(before: Timestamp, from: i64, limit: u32) -> Purged;
        fn forget_media(digests: Vec<String>) -> ();
        fn purge_jobs(before: Timestamp, limit: u32) -> u32;
    }
    reads {
        fn next_due(after: Timestamp) -> Option<Timestamp>;
        fn destination_states() -> Vec<(String, DestinationState)>;
        fn destination_switches() -> Vec<DestinationSwitch>;
        fn count_replay(replay: &NewReplay, events: &[String]) -> i64;
        fn setting(key: &str) -> Option<Vec<u8>>;
        fn events(filter: EventFilter, page: PageRequest) -> Page<Event>;
        fn event(id: &str) -> Option<Event>;
        fn event_body(id: &str) -> Option<Vec<u8>>;
        fn messages(filter: MessageFilter, page: PageRequest) -> Page<Message>;
        fn message(id: &str) -> Option<Message>;
        fn conversations(page: PageRequest) -> Page<Conversation>;
        fn conversation(id: i64) -> Option<Conversation>;
        fn jobs(filter: JobFilter, page: PageRequest) -> Page<Job>;
        fn job(id: JobId) -> Option<(Job, Vec<Attempt>)>;
        fn replies(page: PageRequest) -> Page<Job>;
        fn reply_usage(now: Timestamp, window: Duration, global_window: Duration, pair: Option<(String, String)>)
            -> ReplyUsage;
        fn opt_outs(page: PageRequest) -> Page<OptOut>;
        fn rejections(page: PageRequest) -> Page<Rejection>;
        fn replays(page: PageRequest) -> Page<Replay>;
        fn replay(id: ReplayId) -> Option<Replay>;
        fn stored_media(sha256: &str) -> Option<StoredMedia>;
        fn unused_media(after: &str, limit: u32) -> Vec<String>;
        fn stats() -> Vec<StatsRow>;
        fn backlog() -> (EventSeq, i64);
        fn happenings(after: StreamPosition, limit: u32) -> (Vec<Happening>, StreamPosition);
        fn stream_end() -> StreamPosition;
    }
}

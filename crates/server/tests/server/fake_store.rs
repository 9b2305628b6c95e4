//! A store in memory that can be told to fail or to hang.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use inlet_domain::*;
use inlet_store::*;
use tokio::sync::{Semaphore, watch};

/// What the store does with an event.
#[derive(Clone)]
pub enum Mood {
    Stores,
    Fails(StoreError),
    /// Never answers.
    Hangs,
    /// Answers each event once a permit is there.
    Waits(Arc<Semaphore>),
}

pub struct FakeStore {
    mood: Mutex<Mood>,
    events: Mutex<Vec<NewEvent>>,
    duplicates: Mutex<HashMap<String, usize>>,
    rejections: Mutex<Vec<NewRejection>>,
    calls: AtomicUsize,
    changes: watch::Sender<u64>,
}

impl FakeStore {
    pub fn new(mood: Mood) -> Arc<Self> {
        Arc::new(Self {
            mood: Mutex::new(mood),
            events: Mutex::default(),
            duplicates: Mutex::default(),
            rejections: Mutex::default(),
            calls: AtomicUsize::new(0),
            changes: watch::Sender::new(0),
        })
    }

    /// One that leaves rejections in the ring, where a test can look at them in peace.
    pub fn that_keeps_no_rejections() -> Arc<Self> {
        Self::new(Mood::Fails(StoreError::Busy))
    }

    pub fn become_of(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub fn events(&self) -> Vec<NewEvent> {
        self.events.lock().unwrap().clone()
    }

    pub fn bodies(&self) -> Vec<Vec<u8>> {
        self.events().into_iter().map(|event| event.body.to_vec()).collect()
    }

    pub fn duplicates_of(&self, id: &str) -> usize {
        self.duplicates.lock().unwrap().get(id).copied().unwrap_or(0)
    }

    pub fn rejections(&self) -> Vec<NewRejection> {
        self.rejections.lock().unwrap().clone()
    }

    /// Calls of `record_event`, whatever came of them.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn keep(&self, event: NewEvent) -> Recorded {
        let mut events = self.events.lock().unwrap();
        if let Some(place) = events.iter().position(|known| known.id == event.id) {
            *self.duplicates.lock().unwrap().entry(event.id).or_default() += 1;
            return Recorded::Duplicate(EventSeq(place as i64 + 1));
        }
        events.push(event);
        Recorded::New(EventSeq(events.len() as i64))
    }
}

#[async_trait]
impl EventLog for FakeStore {
    async fn record_event(&self, event: NewEvent) -> Result<Recorded, StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let mood = self.mood.lock().unwrap().clone();
        match mood {
            Mood::Stores => Ok(self.keep(event)),
            Mood::Fails(error) => Err(error),
            Mood::Hangs => std::future::pending().await,
            Mood::Waits(permits) => {
                permits.acquire().await.unwrap().forget();
                Ok(self.keep(event))
            }
        }
    }

    async fn record_rejections(&self, rejections: Vec<NewRejection>) -> Result<(), StoreError> {
        if let Mood::Fails(error) = &*self.mood.lock().unwrap() {
            return Err(error.clone());
        }
        self.rejections.lock().unwrap().extend(rejections);
        Ok(())
    }

    fn ready(&self) -> Result<(), StoreError> {
        match &*self.mood.lock().unwrap() {
            Mood::Fails(error) => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Store for FakeStore {
    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    async fn route_events(&self, _: Arc<Router>, _: u32, _: Timestamp) -> Result<RouteBatch, StoreError> {
        unimplemented!()
    }

    async fn claim_due(&self, _: Claim) -> Result<Vec<ClaimedJob>, StoreError> {
        unimplemented!()
    }

    async fn begin_send(
        &self,
        _: JobId,
        _: i64,
        _: Timestamp,
        _: Timestamp,
        _: Arc<GuardLimits>,
    ) -> Result<SendDecision, StoreError> {
        unimplemented!()
    }

    async fn finish_attempts(
        &self,
        _: Vec<FinishedAttempt>,
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        unimplemented!()
    }

    async fn release(&self, _: Vec<(JobId, i64)>) -> Result<(), StoreError> {
        unimplemented!()
    }

    async fn expire_leases(&self, _: Timestamp) -> Result<Progress, StoreError> {
        unimplemented!()
    }

    async fn recover_leases(&self, _: Timestamp) -> Result<Progress, StoreError> {
        unimplemented!()
    }

    async fn next_due(&self, _: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        unimplemented!()
    }

    async fn enqueue_send(&self, _: SendKey, _: SendRequest, _: Timestamp) -> Result<JobId, StoreError> {
        unimplemented!()
    }

    async fn enqueue_test(&self, _: &str, _: Timestamp) -> Result<JobId, StoreError> {
        unimplemented!()
    }

    async fn change_job(&self, _: JobId, _: BulkAction, _: Timestamp) -> Result<Option<bool>, StoreError> {
        unimplemented!()
    }

    async fn change_jobs(
        &self,
        _: JobFilter,
        _: BulkAction,
        _: Option<JobId>,
        _: bool,
        _: Timestamp,
    ) -> Result<BulkResult, StoreError> {
        unimplemented!()
    }

    async fn pause_destination(&self, _: &str, _: &str, _: Timestamp) -> Result<(), StoreError> {
        unimplemented!()
    }

    async fn resume_destination(&self, _: &str, _: Timestamp) -> Result<bool, StoreError> {
        unimplemented!()
    }

    async fn destination_states(&self) -> Result<Vec<(String, DestinationState)>, StoreError> {
        Ok(Vec::new())
    }

    async fn destination_switches(&self) -> Result<Vec<DestinationSwitch>, StoreError> {
        Ok(Vec::new())
    }

    async fn count_replay(&self, _: &NewReplay, _: &[String]) -> Result<i64, StoreError> {
        unimplemented!()
    }

    async fn start_replay(&self, _: NewReplay, _: i64, _: Timestamp) -> Result<Replay, StoreError> {
        unimplemented!()
    }

    async fn advance_replays(&self, _: Arc<Router>, _: u32, _: Timestamp) -> Result<bool, StoreError> {
        unimplemented!()
    }

    async fn cancel_replay(&self, _: ReplayId, _: Timestamp) -> Result<Option<bool>, StoreError> {
        unimplemented!()
    }

    async fn setting(&self, _: &str) -> Result<Option<Vec<u8>>, StoreError> {
        unimplemented!()
    }

    async fn keep_setting(&self, _: &str, _: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        unimplemented!()
    }

    async fn mark_read(&self, _: i64) -> Result<bool, StoreError> {
        unimplemented!()
    }

    async fn advance_behind(&self, _: u32) -> Result<bool, StoreError> {
        unimplemented!()
    }

    async fn purge_events(&self, _: Timestamp, _: i64, _: u32) -> Result<Purged, StoreError> {
        unimplemented!()
    }

    async fn purge_messages(&self, _: Timestamp, _: i64, _: u32) -> Result<Purged, StoreError> {
        unimplemented!()
    }

    async fn unused_media(&self, _: &str, _: u32) -> Result<Vec<String>, StoreError> {
        unimplemented!()
    }

    async fn forget_media(&self, _: Vec<String>) -> Result<(), StoreError> {
        unimplemented!()
    }

    async fn purge_jobs(&self, _: Timestamp, _: u32) -> Result<u32, StoreError> {
        unimplemented!()
    }

    async fn events(&self, _: EventFilter, _: PageRequest) -> Result<Page<Event>, StoreError> {
        match &*self.mood.lock().unwrap() {
            Mood::Fails(error) => Err(error.clone()),
            _ => Ok(Page { data: Vec::new(), next: None }),
        }
    }

    async fn event(&self, _: &str) -> Result<Option<Event>, StoreError> {
        unimplemented!()
    }

    async fn event_body(&self, _: &str) -> Result<Option<Vec<u8>>, StoreError> {
        unimplemented!()
    }

    async fn messages(&self, _: MessageFilter, _: PageRequest) -> Result<Page<Message>, StoreError> {
        unimplemented!()
    }

    async fn message(&self, _: &str) -> Result<Option<Message>, StoreError> {
        unimplemented!()
    }

    async fn conversations(&self, _: PageRequest) -> Result<Page<Conversation>, StoreError> {
        unimplemented!()
    }

    async fn conversation(&self, _: i64) -> Result<Option<Conversation>, StoreError> {
        unimplemented!()
    }

    async fn jobs(&self, _: JobFilter, _: PageRequest) -> Result<Page<Job>, StoreError> {
        unimplemented!()
    }

    async fn job(&self, _: JobId) -> Result<Option<(Job, Vec<Attempt>)>, StoreError> {
        unimplemented!()
    }

    async fn replies(&self, _: PageRequest) -> Result<Page<Job>, StoreError> {
        unimplemented!()
    }

    async fn reply_usage(
        &self,
        _: Timestamp,
        _: Duration,
        _: Duration,
        _: Option<(String, String)>,
    ) -> Result<ReplyUsage, StoreError> {
        unimplemented!()
    }

    async fn opt_outs(&self, _: PageRequest) -> Result<Page<OptOut>, StoreError> {
        unimplemented!()
    }

    async fn rejections(&self, _: PageRequest) -> Result<Page<Rejection>, StoreError> {
        unimplemented!()
    }

    async fn replays(&self, _: PageRequest) -> Result<Page<Replay>, StoreError> {
        unimplemented!()
    }

    async fn replay(&self, _: ReplayId) -> Result<Option<Replay>, StoreError> {
        unimplemented!()
    }

    async fn stored_media(&self, _: &str) -> Result<Option<StoredMedia>, StoreError> {
        unimplemented!()
    }

    async fn stats(&self) -> Result<Vec<StatsRow>, StoreError> {
        unimplemented!()
    }

    async fn backlog(&self) -> Result<(EventSeq, i64), StoreError> {
        unimplemented!()
    }

    async fn happenings(
        &self,
        _: StreamPosition,
        _: u32,
    ) -> Result<(Vec<Happening>, StreamPosition), StoreError> {
        unimplemented!()
    }

    async fn stream_end(&self) -> Result<StreamPosition, StoreError> {
        unimplemented!()
    }
}

/// Waits until something holds, at most ten seconds.
pub async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(10), async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what} did not come about");
}

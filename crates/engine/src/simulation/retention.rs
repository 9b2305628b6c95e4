//! The loop that deletes what is past its time, over a real store: what goes, what stays, and what cannot stop it.

use std::time::Duration;

use inlet_domain::{Clock, Direction, JobFilter, JobState, MessageFilter};
use inlet_store::{BulkAction, Store};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::outside::{Deed, attachment};
use super::process::{Process, Surroundings};
use super::{ALL, sha256};

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);
// A pass every 60 ms.
const POLL: Duration = Duration::from_millis(1);
// Deaths before and after each write of a pass, and over some of the next.
const EFFECTS_OF_A_PASS: usize = 16;
// Looks, a millisecond apart; nothing needs as many when all is well.
const BOUND: usize = 3_000;

/// A process with its loop.
struct House {
    around: Surroundings,
    process: Process,
    stop: CancellationToken,
    retention: Option<JoinHandle<()>>,
}

impl House {
    async fn new() -> Self {
        let around = Surroundings::new(1).await;
        let process = Process::start(&around).await;
        Self { around, process, stop: CancellationToken::new(), retention: None }
    }

    /// The next process on what this one has left behind. It deletes what this one has archived just now.
    async fn reborn(self) -> Self {
        let Self { around, process, stop, .. } = self;
        drop(process);
        let process = Process::start(&around).await;
        Self { around, process, stop, retention: None }
    }

    /// Starts the loop: everything is kept for a day.
    fn begin(&mut self, poll: Duration) {
        self.retention = Some(tokio::spawn(self.process.retention(DAY, poll, &self.stop).run()));
    }

    /// Somebody texts us a picture, and everybody outside does the same until nothing is left to do.
    async fn text(&self, name: &str, deed: Deed) {
        self.around.outside.always(deed);
        let payload = json!({
            "id": format!("message-{name}"),
            "direction": "inbound",
            "from": {"phone_number": "+15550001111"},
            "to": [{"phone_number": "+15559876543"}],
            "text": format!("text {name}"),
            "media": [{"url": self.around.telnyx.join(&format!("m/{name}")).unwrap()}],
        });
        let event = json!({"id": format!("e-{name}"), "event_type": "message.received", "payload": payload});
        self.process.record(&format!("e-{name}"), &json!({ "data": event }).to_string()).await.unwrap();
        self.process.route(10).await;
        self.work_off().await;
    }

    async fn work_off(&self) {
        loop {
            let jobs = self.process.claim(1_000).await;
            if jobs.is_empty() {
                return;
            }
            for job in jobs {
                self.process.run(job).await;
            }
            self.around.clock.advance(HOUR);
        }
    }

    async fn events(&self) -> Vec<String> {
        let page = self.process.store.events(Default::default(), ALL).await.unwrap();
        page.data.into_iter().map(|event| event.id).collect()
    }

    async fn messages(&self) -> Vec<String> {
        let filter = MessageFilter { direction: Some(Direction::Inbound), ..MessageFilter::default() };
        let page = self.process.store.messages(filter, ALL).await.unwrap();
        page.data.into_iter().map(|message| message.id).collect()
    }

    async fn has_picture(&self, name: &str) -> bool {
        self.process.blobs.get(&sha256(&attachment(name))).await.unwrap().is_some()
    }

    /// Events and messages that are past their time and kept.
    fn overdue(&self) -> (i64, i64) {
        let metrics = self.process.metrics();
        (metrics.events_overdue.get(), metrics.messages_overdue.get())
    }

    async fn until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        for _ in 0..BOUND {
            if condition().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let jobs = self.process.store.jobs(JobFilter::default(), ALL).await.unwrap().data;
        panic!("never came about: {what}; jobs: {jobs:#?}");
    }

    /// Waits until the loop has ended by itself.
    async fn ended(&mut self) {
        let retention = self.retention.take().unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(30), retention).await;
        ended.expect("the loop ends").unwrap();
    }
}

#[tokio::test]
async fn what_is_past_its_time_goes_and_what_work_still_needs_stays_and_is_counted() {
    let house = House::new().await;
    house.text("dead", Deed::NotNow).await;
    house.around.clock.advance(DAY);
    house.text("done", Deed::Do).await;
    let mut house = house.reborn().await;
    house.begin(POLL);
    house.until("a pass", async || house.overdue() == (1, 1)).await;
    assert_eq!(house.events().await, ["e-done", "e-dead"], "one is young and the other a dead letter");
    assert!(house.has_picture("done").await);

    house.around.clock.advance(DAY + HOUR);
    house.text("new", Deed::Do).await;
    let metrics = house.process.metrics();
    // A pass comes to pictures last.
    house.until("a picture is gone", async || metrics.media_purged.get() == 1).await;
    assert_eq!(house.events().await, ["e-new", "e-dead"]);
    assert_eq!(house.messages().await, ["message-new", "message-dead"]);
    assert!(house.has_picture("new").await && !house.has_picture("done").await);
    assert_eq!((house.overdue(), metrics.events_purged.get()), ((1, 1), 1));
    assert_eq!(metrics.jobs_purged.get(), 4, "two deliveries, the picture, and the answer");
    assert_eq!(metrics.messages_purged.get(), 2, "the text, and the answer to it");

    let (filter, now) =
        (JobFilter { state: Some(JobState::Dead), ..Default::default() }, house.around.clock.now());
    house.process.store.change_jobs(filter, BulkAction::Discard, None, false, now).await.unwrap();
    house.until("nothing is overdue", async || house.overdue() == (0, 0)).await;
    assert_eq!(
        (house.events().await, house.messages().await),
        (vec!["e-new".into()], vec!["message-new".into()])
    );
}

#[tokio::test]
async fn a_store_that_refuses_is_asked_again_at_the_next_pass() {
    let house = House::new().await;
    house.text("done", Deed::Do).await;
    house.around.clock.advance(DAY + HOUR);
    let mut house = house.reborn().await;
    house.process.fate.refuse_next(3);
    house.begin(POLL);
    house.until("everything is gone", async || !house.has_picture("done").await).await;
    assert_eq!((house.events().await, house.messages().await), (vec![], vec![]));
    assert_eq!(house.process.metrics().store_errors.get(), 3);
}

#[tokio::test]
async fn a_picture_that_was_archived_just_now_waits_and_holds_up_no_other() {
    let house = House::new().await;
    house.text("early", Deed::Do).await;
    let mut house = house.reborn().await;
    house.text("late", Deed::Do).await;
    house.around.clock.advance(DAY + HOUR);
    house.begin(POLL);
    house.until("the one is gone", async || !house.has_picture("early").await).await;
    assert!(house.messages().await.is_empty() && house.has_picture("late").await);
    house.text("another", Deed::Do).await;
    house.around.clock.advance(DAY + HOUR);
    house.until("a pass after that", async || house.messages().await.is_empty()).await;
    house.stop.cancel();
    house.ended().await;
    let mut house = house.reborn().await;
    house.stop = CancellationToken::new();
    house.begin(POLL);
    house.until("the other is gone", async || !house.has_picture("late").await).await;
}

#[tokio::test]
async fn a_death_over_any_step_leaves_the_rest_to_the_next_life() {
    for effects in 1..=EFFECTS_OF_A_PASS {
        let house = House::new().await;
        house.text("done", Deed::Do).await;
        house.around.clock.advance(DAY + HOUR);
        house.process.fate.die_after(effects);
        let retention = house.process.retention(DAY, POLL, &house.stop);
        assert_eq!(house.process.survive(retention.run()).await, None, "it dies");
        let mut house = house.reborn().await;
        house.begin(POLL);
        house.until("the picture is gone", async || !house.has_picture("done").await).await;
        house.until("the event is gone", async || house.events().await.is_empty()).await;
        assert!(house.messages().await.is_empty());
    }
}

#[tokio::test]
async fn the_loop_ends_at_shutdown_and_when_its_store_has_closed() {
    let mut house = House::new().await;
    // The next pass is a minute away.
    house.begin(Duration::from_secs(1));
    house.stop.cancel();
    house.ended().await;
    house.stop = CancellationToken::new();
    house.begin(POLL);
    house.process.store.inner.close().await;
    house.ended().await;
}

#[tokio::test]
async fn a_shutdown_ends_a_long_purge_between_two_steps() {
    let mut house = House::new().await;
    house.around.outside.always(Deed::Do);
    for number in 0..300 {
        let id = format!("e-{number}");
        house.process.record(&id, &format!(r#"{{"data":{{"id":"{id}","event_type":"x"}}}}"#)).await.unwrap();
    }
    while house.process.route(500).await {}
    house.work_off().await;
    house.around.clock.advance(DAY + HOUR);
    house.stop.cancel();
    house.begin(POLL);
    house.ended().await;
    let left = house.events().await.len();
    assert!((100..300).contains(&left), "{left} are left after one step");
}

//! A destination that hangs is its own trouble only.

use std::time::Duration;

use inlet_domain::{Destination, JobFilter, JobKind, JobState, NewEvent, PageRequest, Source, Timestamp};
use inlet_store::{EventLog, Store};

use crate::stub::{Reaction, Stub};
use crate::world::{Setup, World, destination, received, schedule};

const DUE: usize = 10_000;

async fn record_many(world: &World, count: usize) {
    let mut writes = tokio::task::JoinSet::new();
    for number in 0..count {
        let store = world.store.clone();
        let event = NewEvent {
            id: format!("evt-{number}"),
            source: Source::Telnyx,
            received_at: Timestamp::from_seconds(1_767_225_600),
            body: format!(r#"{{"data":{{"id":"evt-{number}","event_type":"backlog"}}}}"#).into(),
        };
        writes.spawn(async move { store.record_event(event).await.unwrap() });
    }
    writes.join_all().await;
}

#[tokio::test]
async fn a_job_that_waits_for_a_slot_hides_no_later_due_time() {
    let (hung, failing) = (Stub::start(|_| Reaction::Hang).await, Stub::answering(500).await);
    let one_slot = |name, stub: &Stub| Destination {
        timeout: Duration::from_secs(600),
        concurrency: 1,
        ..destination(name, stub.url("/"))
    };
    let setup = Setup {
        destinations: vec![
            one_slot("hung", &hung),
            Destination { retry: schedule(&["0s", "500ms"]), ..one_slot("failing", &failing) },
        ],
        // Nothing here may need it.
        poll: Duration::from_secs(600),
        ..Setup::default()
    };
    let world = World::start(setup).await;
    world.text("evt-1", "hi").await;
    world.text("evt-2", "hi").await;
    // The clock goes on by itself, so that a due time comes when no commit wakes anybody.
    let ticking = async {
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        loop {
            tick.tick().await;
            world.clock.advance(Duration::from_millis(10));
        }
    };
    tokio::select! {
        () = world.until("the second tries", || failing.count() == 4) => {}
        () = ticking => {}
    }
    assert_eq!(hung.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_due_jobs_of_a_hung_destination_delay_nobody_else() {
    let hung = Stub::start(|_| Reaction::Hang).await;
    let healthy = Stub::answering(200).await;
    let setup = Setup {
        destinations: vec![
            Destination { timeout: Duration::from_secs(600), ..destination("hung", hung.url("/")) },
            Destination {
                events: vec!["message.received".into()],
                ..destination("healthy", healthy.url("/"))
            },
        ],
        ..Setup::default()
    };
    let world = World::start(setup).await;
    record_many(&world, DUE).await;
    world
        .eventually("ten thousand due jobs", async || {
            let stats = world.store.stats().await.unwrap();
            let jobs: i64 = stats.iter().map(|row| row.jobs).sum();
            (jobs == DUE as i64 && hung.count() == 4).then_some(())
        })
        .await;
    for number in 0..20 {
        let id = format!("text-{number}");
        world.record(&id, received(&id, "hi", serde_json::json!([]))).await;
    }
    world.until("the healthy destination's events", || healthy.count() == 20).await;
    world
        .eventually("their jobs' end", async || {
            let filter = JobFilter {
                kind: Some(JobKind::Deliver),
                state: Some(JobState::Done),
                ..JobFilter::default()
            };
            let done = world.store.jobs(filter, PageRequest::default()).await.unwrap().data;
            (done.len() == 20).then_some(())
        })
        .await;
    assert_eq!(hung.count(), 4, "as many as it has slots");
}

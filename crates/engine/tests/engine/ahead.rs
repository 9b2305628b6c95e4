//! Jobs that are claimed ahead of a free slot: begun one after the other, or given back untried.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use inlet_domain::{Destination, JobKind, JobState, PageRequest};
use inlet_store::Store;

use crate::stub::{Reaction, Request, Stub};
use crate::world::{Setup, World, destination};

const EVENTS: usize = 400;
const QUICK: usize = 150;
const SLOTS: usize = 2;
const NO_GRACE: Duration = Duration::from_millis(100);

/// Answers quickly for a while, so that the lane claims ahead, and then differently.
fn quick_at_first(then: Reaction) -> impl Fn(&Request) -> Reaction + Send + Sync {
    let asked = AtomicUsize::new(0);
    move |_| if asked.fetch_add(1, Ordering::SeqCst) < QUICK { Reaction::status(200) } else { then.clone() }
}

async fn start(stub: &Stub) -> World {
    let patient = Duration::from_secs(600);
    let crm =
        Destination { timeout: patient, concurrency: SLOTS as u32, ..destination("crm", stub.url("/")) };
    let world = World::start(Setup::to(crm)).await;
    // Nothing begins before there are all of them.
    world.store.pause_destination("crm", "by hand", world.clock_now()).await.unwrap();
    for number in 0..EVENTS {
        let id = format!("evt-{number}");
        let body = format!(r#"{{"data":{{"id":"{id}","event_type":"backlog"}}}}"#);
        world.record(&id, body).await;
    }
    world
        .eventually("a delivery of each event", async || {
            (deliveries(&world, JobState::Waiting).await.0 == EVENTS).then_some(())
        })
        .await;
    world.store.resume_destination("crm", world.clock_now()).await.unwrap();
    world
}

/// How many deliveries are in a state, and how many of them were tried.
async fn deliveries(world: &World, state: JobState) -> (usize, usize) {
    let mut page = PageRequest { limit: 200, cursor: None };
    let (mut count, mut tried) = (0, 0);
    loop {
        let found = world.store.jobs(<_>::default(), page).await.unwrap();
        let these = found.data.iter().filter(|job| job.kind == JobKind::Deliver && job.state == state);
        for job in these {
            count += 1;
            tried += usize::from(job.attempts > 0);
        }
        let Some(next) = found.next else { return (count, tried) };
        page.cursor = Some(next.parse().unwrap());
    }
}

/// Both slots hang and more is in hand.
async fn hung_with_more_in_hand(world: &World, stub: &Stub) {
    world.until("both slots hang", || stub.count() == QUICK + SLOTS).await;
    world
        .eventually("jobs in hand", async || {
            let (running, _) = deliveries(world, JobState::Running).await;
            let (done, _) = deliveries(world, JobState::Done).await;
            (running > SLOTS && done == QUICK).then_some(())
        })
        .await;
}

#[tokio::test]
async fn shutdown_gives_back_untried_what_was_claimed_ahead() {
    let stub = Stub::start(quick_at_first(Reaction::Hang)).await;
    let mut world = start(&stub).await;
    hung_with_more_in_hand(&world, &stub).await;
    world.stop_engine(NO_GRACE).await;
    assert_eq!(deliveries(&world, JobState::Running).await, (0, 0));
    assert_eq!(deliveries(&world, JobState::Waiting).await, (EVENTS - QUICK, 0));
    assert_eq!(stub.count(), QUICK + SLOTS, "nothing was begun meanwhile");
}

#[tokio::test]
async fn a_pause_gives_back_untried_what_was_claimed_ahead() {
    let stub = Stub::start(quick_at_first(Reaction::Hang)).await;
    let world = start(&stub).await;
    hung_with_more_in_hand(&world, &stub).await;
    world.store.pause_destination("crm", "by hand", world.clock_now()).await.unwrap();
    world
        .eventually("what was in hand waits", async || {
            (deliveries(&world, JobState::Running).await.0 == SLOTS).then_some(())
        })
        .await;
    // Both connections end, and with them both attempts: the slots are free, and nobody takes them.
    drop(stub);
    world
        .eventually("the end of both attempts", async || {
            (deliveries(&world, JobState::Running).await.0 == 0).then_some(())
        })
        .await;
    assert_eq!(deliveries(&world, JobState::Waiting).await, (EVENTS - QUICK, SLOTS));
}

#[tokio::test]
async fn a_destination_that_begins_to_fail_is_not_tried_with_what_was_claimed_ahead() {
    let stub = Stub::start(quick_at_first(Reaction::status(500))).await;
    let world = start(&stub).await;
    // Five failures in a row open the breaker; what both slots had begun by then ends after it.
    let (waiting, tried) = world
        .eventually("what was in hand waits", async || {
            let (running, _) = deliveries(&world, JobState::Running).await;
            let (waiting, tried) = deliveries(&world, JobState::Waiting).await;
            (running == 0 && tried >= 5).then_some((waiting, tried))
        })
        .await;
    assert_eq!(waiting, EVENTS - QUICK);
    assert!(tried < 5 + SLOTS, "{tried}");
    assert_eq!(stub.count(), QUICK + tried);
}

#[tokio::test]
async fn a_slow_attempt_holds_up_neither_the_other_slot_nor_what_it_records() {
    let stub = Stub::start(|request| {
        if request.body.ends_with(br#""evt-3","event_type":"backlog"}}"#) {
            Reaction::Hang
        } else {
            Reaction::status(200)
        }
    })
    .await;
    let world = start(&stub).await;
    world
        .eventually("all others are recorded", async || {
            (deliveries(&world, JobState::Done).await.0 == EVENTS - 1).then_some(())
        })
        .await;
    assert_eq!(deliveries(&world, JobState::Running).await.0, 1);
}

//! Shutting down, crashing and losing leases: work goes back to the queue, messages do not go out twice.

use std::time::Duration;

use inlet_domain::{Destination, JobKind, JobState, SendKey, SendRequest};
use inlet_store::Store;

use crate::stub::{Reaction, Stub};
use crate::world::{OUR_NUMBER, PHONE, Setup, World, destination};

const GRACE: Duration = Duration::from_secs(5);
const NO_GRACE: Duration = Duration::from_millis(100);

fn setup(stub: &Stub, telnyx: &Stub) -> Setup {
    let patient = Destination { timeout: Duration::from_secs(600), ..destination("crm", stub.url("/")) };
    let send_timeout = Duration::from_secs(600);
    Setup { telnyx: telnyx.url("/v2"), send_timeout, ..Setup::to(patient) }
}

async fn enqueue(world: &World) {
    let request = SendRequest {
        from: OUR_NUMBER.into(),
        to: PHONE.into(),
        text: "Good morning".into(),
        media_urls: Vec::new(),
    };
    world.store.enqueue_send(SendKey("key-1".into()), request, world.clock_now()).await.unwrap();
}

#[tokio::test]
async fn shutdown_returns_a_delivery_untried_and_leaves_a_message_on_its_way() {
    let (stub, telnyx) = (Stub::start(|_| Reaction::Hang).await, Stub::start(|_| Reaction::Hang).await);
    let mut world = World::start(setup(&stub, &telnyx)).await;
    world.text("evt-1", "hi").await;
    enqueue(&world).await;
    world.until("both on their way", || stub.count() == 1 && telnyx.count() == 1).await;
    world.stop_engine(NO_GRACE).await;
    let delivery = world.job(JobKind::Deliver).await.unwrap();
    assert_eq!((delivery.state, delivery.attempts), (JobState::Waiting, 0));
    assert_eq!(world.job(JobKind::Send).await.unwrap().state, JobState::Sending);
    // The next engine delivers the one and does not send the other again.
    stub.react(|_| Reaction::status(200));
    world.start_engine();
    world.job_is(JobKind::Deliver, JobState::Done, 1).await;
    world
        .eventually("the message is unknown", async || {
            (world.job(JobKind::Send).await?.state == JobState::Unknown).then_some(())
        })
        .await;
    assert_eq!(telnyx.count(), 1);
}

#[tokio::test]
async fn shutdown_lets_what_ends_in_time_end_and_claims_nothing_more() {
    let (stub, telnyx) = (Stub::answering(200).await, Stub::answering(200).await);
    let mut world = World::start(setup(&stub, &telnyx)).await;
    world.text("evt-1", "hi").await;
    world.job_is(JobKind::Deliver, JobState::Done, 1).await;
    world.stop_engine(GRACE).await;
    world.text("evt-2", "hi").await;
    assert_eq!(world.store.backlog().await.unwrap().1, 1, "not even routed");
}

#[tokio::test]
async fn an_attempt_whose_lease_has_ended_is_made_again_and_the_late_outcome_is_dropped() {
    let (stub, telnyx) = (Stub::start(|_| Reaction::Hang).await, Stub::answering(200).await);
    let world = World::start(setup(&stub, &telnyx)).await;
    world.text("evt-1", "hi").await;
    world.until("the first attempt", || stub.count() == 1).await;
    stub.react(|_| Reaction::status(200));
    // The lease is stretched to hold the destination's timeout, and the time in hand before it.
    world.clock.advance(Duration::from_secs(621));
    world
        .eventually("the second attempt", async || {
            (world.job(JobKind::Deliver).await?.state == JobState::Done).then_some(())
        })
        .await;
    assert_eq!(stub.count(), 2);
    // The first attempt's connection ends, and so does the attempt.
    drop(stub);
    world.until("the late outcome", || world.metrics().contains("leases_lost_total 1")).await;
    assert_eq!(world.job(JobKind::Deliver).await.unwrap().state, JobState::Done);
}

#[tokio::test]
async fn a_dropped_engine_stops_working() {
    let (stub, telnyx) = (Stub::start(|_| Reaction::Hang).await, Stub::answering(200).await);
    let mut world = World::start(setup(&stub, &telnyx)).await;
    world.text("evt-1", "hi").await;
    world.until("the attempt", || stub.count() == 1).await;
    world.drop_engine();
    world.job_is(JobKind::Deliver, JobState::Waiting, 0).await;
}

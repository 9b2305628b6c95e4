//! A store that fails, hangs or is shut down never leads to a false 200.

use std::sync::Arc;
use std::time::Duration;

use inlet_store::StoreError;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::fake_store::{FakeStore, Mood, eventually};
use crate::receiver::{SHORT, World, signed};
use crate::wire::Wire;

#[tokio::test]
async fn a_busy_store_is_503_at_once_and_200_when_it_is_well_again() {
    let store = FakeStore::new(Mood::Fails(StoreError::Busy));
    let world = World::start(store.clone()).await;
    let mut wire = Wire::connect(world.address).await;
    let started = Instant::now();
    wire.write(&signed(b"{}")).await;
    let reply = wire.reply().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(1));
    insta::assert_snapshot!(reply.text, @r#"
    HTTP/1.1 503 Service Unavailable
    content-type: application/problem+json
    retry-after: 1
    content-length: 152

    {"type":"about:blank","title":"Service Unavailable","status":503,"detail":"The event cannot be stored at present. A retry is safe.","code":"store_busy"}
    "#);
    store.become_of(Mood::Stores);
    wire.write(&signed(b"{}")).await;
    assert_eq!(wire.reply().await.unwrap().status, 200, "the connection is still good");
    assert_eq!(world.metric("inlet_webhooks_unavailable_total{code=\"store_busy\"}"), 1.0);
}

#[tokio::test]
async fn every_failure_of_the_store_is_503() {
    let store = FakeStore::new(Mood::Stores);
    let world = World::start(store.clone()).await;
    let broken = StoreError::BrokenRow { table: "events", id: 1, reason: "odd".into() };
    let full = StoreError::Unavailable { reason: "database or disk is full".into() };
    for error in [full, StoreError::Closed, broken] {
        store.become_of(Mood::Fails(error));
        let reply = world.post(b"{}").await.unwrap();
        assert_eq!(reply.status, 503);
        assert!(!reply.text.contains("disk"), "the cause is for the log");
    }
    assert!(store.events().is_empty());
}

#[tokio::test]
async fn a_store_that_hangs_is_503_at_the_deadline() {
    let world = World::start_with(FakeStore::new(Mood::Hangs), |config| config.deadline = SHORT).await;
    let started = Instant::now();
    let reply = world.post(b"{}").await.unwrap();
    assert_eq!(reply.status, 503);
    assert!((SHORT..4 * SHORT).contains(&started.elapsed()), "{:?}", started.elapsed());
    assert_eq!(world.metric("inlet_webhooks_unavailable_total{code=\"deadline_exceeded\"}"), 1.0);
}

#[tokio::test]
async fn drain_finishes_what_is_in_flight_and_takes_nothing_new() {
    let permits = Arc::new(Semaphore::new(0));
    let store = FakeStore::new(Mood::Waits(permits.clone()));
    let world = World::start_with(store.clone(), |config| config.deadline = Duration::from_secs(10)).await;
    let mut idle = Wire::connect(world.address).await;
    let mut busy = Wire::connect(world.address).await;
    busy.write(&signed(b"{}")).await;
    eventually("the request to reach the store", || store.calls() == 1).await;
    let (status, address) = (world.status.clone(), world.address);
    let drain = tokio::spawn(world.ingest.drain(Duration::from_secs(10)));
    assert!(idle.hangs_up().await);
    assert!(status.draining());
    permits.add_permits(1);
    assert_eq!(busy.reply().await.unwrap().status, 200);
    assert!(busy.hangs_up().await);
    drain.await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn drain_does_not_outlast_its_grace() {
    let store = FakeStore::new(Mood::Hangs);
    let world = World::start_with(store.clone(), |config| config.deadline = Duration::from_secs(60)).await;
    let mut wire = Wire::connect(world.address).await;
    wire.write(&signed(b"{}")).await;
    eventually("the request to reach the store", || store.calls() == 1).await;
    let started = Instant::now();
    world.ingest.drain(Duration::from_millis(100)).await;
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(wire.hangs_up().await);
}

#[tokio::test]
async fn rejections_of_the_last_second_are_kept_at_drain() {
    let store = FakeStore::new(Mood::Stores);
    let world = World::start(store.clone()).await;
    crate::wire::exchange(world.address, &crate::receiver::request("", b"x")).await.unwrap();
    world.ingest.drain(Duration::from_secs(1)).await;
    assert_eq!(store.rejections().len(), 1);
}

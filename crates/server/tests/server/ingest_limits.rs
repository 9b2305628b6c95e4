//! Nobody can hold the listener up: sizes, times, counts.

use std::time::Duration;

use tokio::time::{Instant, interval, timeout};

use crate::fake_store::{FakeStore, Mood, eventually};
use crate::receiver::{SHORT, World, request, signature, signed};
use crate::wire::{Wire, exchange};

async fn hurried() -> World {
    World::start_with(FakeStore::that_keeps_no_rejections(), |config| config.deadline = SHORT).await
}

#[tokio::test]
async fn more_than_64_headers_are_refused() {
    let world = World::start(FakeStore::new(Mood::Stores)).await;
    let with = |extra: usize| {
        let many: String = (0..extra).map(|n| format!("x-{n}: 1\r\n")).collect();
        request(&(many + &signature(b"{}", 0)), b"{}")
    };
    // Host, length and the two of the signature are four.
    assert_eq!(exchange(world.address, &with(60)).await.unwrap().status, 200);
    for extra in [61, 90, 200] {
        assert_eq!(exchange(world.address, &with(extra)).await.unwrap().status, 431, "{extra}");
    }
}

#[tokio::test]
async fn a_head_beyond_16_kib_is_refused() {
    let world = World::start(FakeStore::new(Mood::Stores)).await;
    let with = |length: usize| {
        let headers = format!("x-padding: {}\r\n{}", "x".repeat(length), signature(b"{}", 0));
        request(&headers, b"{}")
    };
    assert_eq!(exchange(world.address, &with(15 * 1024)).await.unwrap().status, 200);
    for length in [17 * 1024, 1024 * 1024] {
        let mut wire = Wire::connect(world.address).await;
        wire.write(&with(length)).await;
        assert_eq!(wire.reply().await.map_or(431, |reply| reply.status), 431);
        assert!(wire.hangs_up().await);
    }
    eventually("the count", || {
        world.metric("inlet_webhooks_connections_failed_total{reason=\"head_too_large\"}") == 2.0
    })
    .await;
}

#[tokio::test]
async fn a_chunked_body_beyond_the_limit_is_refused_while_it_comes() {
    let world = World::start(FakeStore::that_keeps_no_rejections()).await;
    let mut wire = Wire::connect(world.address).await;
    let head = format!("POST /webhooks HTTP/1.1\r\n{}transfer-encoding: chunked\r\n\r\n", signature(b"", 0));
    wire.write(head.as_bytes()).await;
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    for _ in 0..20 {
        wire.write(&chunk).await;
    }
    assert_eq!(wire.reply().await.unwrap().status, 413);
    let rejection = &world.status.fresh_rejections()[0];
    assert!(rejection.size_bytes <= 1024 * 1024 + 0x10000, "{}", rejection.size_bytes);
}

#[tokio::test]
async fn a_body_that_ends_early_is_refused() {
    let world = World::start(FakeStore::that_keeps_no_rejections()).await;
    let mut wire = Wire::connect(world.address).await;
    let head = format!("POST /webhooks HTTP/1.1\r\n{}content-length: 10\r\n\r\nabc", signature(b"", 0));
    wire.write(head.as_bytes()).await;
    wire.close_sending().await;
    assert_eq!(wire.reply().await.unwrap().status, 400);
    let rejection = world.status.fresh_rejections().remove(0);
    assert_eq!((rejection.code.as_str(), rejection.size_bytes), ("body_unreadable", 3));
}

#[tokio::test]
async fn a_head_that_stops_is_hung_up_on() {
    let world = hurried().await;
    let started = Instant::now();
    let mut wire = Wire::connect(world.address).await;
    wire.write(b"POST /webhooks HTTP/1.1\r\nhost: x\r\n").await;
    assert!(wire.hangs_up().await);
    assert!(started.elapsed() < 4 * SHORT, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_head_that_drips_is_hung_up_on() {
    let world = hurried().await;
    let mut wire = Wire::connect(world.address).await;
    wire.write(b"POST /webhooks HTTP/1.1\r\nx: ").await;
    let mut drops = interval(SHORT / 20);
    let hung_up = timeout(4 * SHORT, async {
        loop {
            tokio::select! {
                more = wire.read_more() => return !more,
                _ = drops.tick() => {}
            }
            wire.write(b"x").await;
        }
    });
    assert_eq!(hung_up.await, Ok(true));
    eventually("the count", || {
        world.metric("inlet_webhooks_connections_failed_total{reason=\"slow\"}") == 1.0
    })
    .await;
}

#[tokio::test]
async fn a_body_that_drips_is_answered_503_at_the_deadline() {
    let world = hurried().await;
    let started = Instant::now();
    let mut wire = Wire::connect(world.address).await;
    let head = format!("POST /webhooks HTTP/1.1\r\n{}content-length: 100\r\n\r\nabc", signature(b"", 0));
    wire.write(head.as_bytes()).await;
    let reply = wire.reply().await.unwrap();
    assert!(started.elapsed() < 4 * SHORT, "{:?}", started.elapsed());
    insta::assert_snapshot!(reply.text, @r#"
    HTTP/1.1 503 Service Unavailable
    content-type: application/problem+json
    connection: close
    retry-after: 1
    content-length: 177

    {"type":"about:blank","title":"Service Unavailable","status":503,"detail":"The event could not be stored in time. It may be stored; a retry is safe.","code":"deadline_exceeded"}
    "#);
    assert!(wire.hangs_up().await);
    let rejection = world.status.fresh_rejections().remove(0);
    assert_eq!((rejection.code.as_str(), rejection.size_bytes), ("body_unreadable", 3));
}

#[tokio::test]
async fn a_slow_head_leaves_less_time_for_the_body() {
    let world = hurried().await;
    let mut wire = Wire::connect(world.address).await;
    let started = Instant::now();
    wire.write(b"POST /webhooks HTTP/1.1\r\n").await;
    tokio::time::sleep(SHORT * 3 / 4).await;
    let rest = format!("{}content-length: 100\r\n\r\nabc", signature(b"", 0));
    wire.write(rest.as_bytes()).await;
    assert_eq!(wire.reply().await.unwrap().status, 503);
    assert!(started.elapsed() < SHORT * 7 / 4, "one deadline, not two: {:?}", started.elapsed());
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_used_one_is_kept() {
    let idle = Duration::from_millis(200);
    let world = World::start_with(FakeStore::new(Mood::Stores), |config| config.idle_timeout = idle).await;
    let mut wire = Wire::connect(world.address).await;
    for _ in 0..3 {
        wire.write(&signed(b"{}")).await;
        assert_eq!(wire.reply().await.unwrap().status, 200);
    }
    assert!(wire.hangs_up().await);
    assert!(Wire::connect(world.address).await.hangs_up().await, "one that never said a word, too");
}

#[tokio::test]
async fn connections_beyond_the_cap_are_shed_and_counted() {
    let world = World::start_with(FakeStore::new(Mood::Stores), |config| config.max_connections = 2).await;
    let (mut first, mut second) = (Wire::connect(world.address).await, Wire::connect(world.address).await);
    for wire in [&mut first, &mut second] {
        wire.write(&signed(b"{}")).await;
        assert_eq!(wire.reply().await.unwrap().status, 200);
    }
    assert!(Wire::connect(world.address).await.hangs_up().await);
    assert_eq!(world.metric("inlet_webhooks_connections_shed_total{reason=\"connections\"}"), 1.0);
    assert_eq!(world.metric("inlet_webhooks_connections_open"), 2.0);
    drop(first);
    eventually("a free place", || world.metric("inlet_webhooks_connections_open") == 1.0).await;
    assert_eq!(world.post(b"{}").await.unwrap().status, 200);
}

#[tokio::test]
async fn dribblers_do_not_keep_others_waiting() {
    let world = World::start(FakeStore::new(Mood::Stores)).await;
    let mut dribblers = Vec::new();
    for _ in 0..200 {
        let mut wire = Wire::connect(world.address).await;
        wire.write(b"POST /webhooks HTTP/1.1\r\n").await;
        dribblers.push(wire);
    }
    let started = Instant::now();
    assert_eq!(world.post(b"{}").await.unwrap().status, 200);
    assert!(started.elapsed() < Duration::from_secs(1));
}

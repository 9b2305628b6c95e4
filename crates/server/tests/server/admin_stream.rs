//! The stream: what happens is told as it happens, and again from any place.

use std::time::Duration;

use crate::gateway::Gateway;

#[tokio::test]
async fn a_follower_is_told_of_events_and_attempts_as_they_happen() {
    let gateway = Gateway::start().await;
    let mut wire = gateway.follow("", "").await;
    wire.read_until(": following").await;
    gateway.text(1, "Hello").await;
    wire.read_until("event: event").await;
    gateway.fail("crm").await;
    let told = wire.read_until("\"answered 500\"").await;
    assert!(told.contains("\"event-1\""), "{told}");
    assert!(told.contains("id: 0-0") && told.contains("id: 1-0") && told.contains("id: 1-1"), "{told}");
}

#[tokio::test]
async fn a_follower_resumes_where_it_was() {
    let gateway = Gateway::start().await;
    for number in 1..=3 {
        gateway.text(number, "Hello").await;
    }
    let from_start = gateway.follow("?after=0-0", "").await.read_until("event-3").await;
    assert!(from_start.contains("\"event-1\"") && from_start.contains("\"event-2\""));
    let resumed = gateway.follow("?after=0-0", "last-event-id: 2-0\r\n").await.read_until("event-3").await;
    assert!(!resumed.contains("\"event-1\"") && !resumed.contains("\"event-2\""), "{resumed}");
}

#[tokio::test]
async fn many_happenings_come_in_order_without_gap() {
    let gateway = Gateway::start().await;
    for number in 1..=250 {
        gateway.receive(&format!("{{\"data\":{{\"id\":\"many-{number}\"}}}}"), 0).await;
    }
    gateway.route().await;
    let told = gateway.follow("?after=0-0", "").await.read_until("\"many-250\"").await;
    let ids: Vec<_> = told.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
    let expected: Vec<_> = (0..=250).map(|number| format!("{number}-0")).collect();
    assert_eq!(ids, expected);
}

#[tokio::test]
async fn a_position_of_another_database_is_answered_with_a_gap() {
    let gateway = Gateway::start().await;
    gateway.text(1, "Hello").await;
    let mut wire = gateway.follow("", "last-event-id: 900-12\r\n").await;
    insta::assert_snapshot!(wire.read_until("event: gap").await, @r#"
    content-type: text/event-stream
    cache-control: no-cache
    x-request-id: 00000000000000000000000000000000
    x-content-type-options: nosniff
    cross-origin-resource-policy: same-origin
    transfer-encoding: chunked
    id: 1-0
    : following
    event: gap
    id: 1-0
    data: {"reason":"the position lies ahead of the store; what came before it is not repeated"}
    "#);
    gateway.text(2, "Hello").await;
    wire.read_until("\"event-2\"").await;
}

#[tokio::test]
async fn followers_are_limited_and_leave_their_place_when_they_hang_up() {
    let gateway = Gateway::start().await;
    let mut followers = Vec::new();
    for _ in 0..64 {
        let mut wire = gateway.follow("", "").await;
        wire.read_until(": following").await;
        followers.push(wire);
    }
    let refused = gateway.get("/api/v1/stream").await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "too_many_followers"));
    followers.clear();
    let places = async {
        loop {
            let mut wire = gateway.follow("", "").await;
            if wire.read_until("\r\n\r\n").await.contains("text/event-stream") {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), places).await.expect("a place becomes free");
}

#[tokio::test]
async fn a_drain_does_not_wait_until_a_follower_has_caught_up() {
    let gateway = Gateway::start().await;
    // More than the buffers of a connection hold, so that most of it is still to come when the drain begins.
    let text = "x".repeat(200_000);
    for number in 1..=300 {
        gateway.text(number, &text).await;
    }
    let mut wire = gateway.follow("?after=0-0", "").await;
    wire.read_until(": following").await;
    let admin = gateway.admin;
    let drain = tokio::spawn(admin.drain(Duration::from_secs(60)));
    let told = wire.rest().await;
    drain.await.unwrap();
    let events = told.windows(7).filter(|part| part == b"\nevent:").count();
    assert!(events < 300, "{events}");
}

#[tokio::test]
async fn a_drain_ends_streams_at_once() {
    let gateway = Gateway::start().await;
    let mut wire = gateway.follow("", "").await;
    wire.read_until(": following").await;
    let admin = gateway.admin;
    let drained = tokio::time::timeout(Duration::from_secs(5), admin.drain(Duration::from_secs(60)));
    drained.await.expect("streams do not hold up the drain");
}

//! The main job: a text comes in, is stored, answered, handed on, and seen.

use crate::endpoint::{Behaviour, Endpoint};
use crate::world::{Dev, OURS, PHONE, Served};

fn destination(endpoint: &Endpoint, more: &str) -> String {
    format!(
        "[[destinations]]\nname = \"crm\"\nurl = \"{}\"\nevents = [\"message.received\"]\n{more}\n",
        endpoint.url()
    )
}

#[tokio::test]
async fn a_text_is_stored_answered_and_handed_on() {
    let endpoint = Endpoint::start().await;
    let world = Dev::start(&destination(&endpoint, "")).await;

    let reply = world.gateway.run(&["text", PHONE, OURS, "Hello", "--wait"]);
    assert!(!reply.trim().is_empty());

    let received = endpoint.wait_received(1).await;
    assert_eq!(received[0].text(), "Hello");
    let events = world.gateway.list("events?event_type=message.received").await;
    assert_eq!(events.len(), 1);
    assert_eq!(received[0].header("webhook-id"), events[0]["id"].as_str().unwrap());
    let messages = world
        .gateway
        .wait_list("messages?direction=outbound", |rows| rows.iter().any(|row| row["status"] == "delivered"));
    assert_eq!(messages.await[0]["to"][0]["phone_number"], PHONE);
    assert!(world.gateway.run(&["messages", "list"]).contains("Hello"));
    assert!(world.gateway.stop().await.success());
}

#[tokio::test]
async fn a_dead_endpoints_events_are_dead_letters_until_retried() {
    let endpoint = Endpoint::start().await;
    let (address, configuration) =
        (endpoint.address(), destination(&endpoint, "retry = [\"0s\", \"100ms\"]"));
    drop(endpoint);
    let world = Dev::start(&configuration).await;
    world.control().text(PHONE, OURS, "Are you there?").await;

    let dead = world.gateway.wait_list("jobs?state=dead", |rows| rows.len() == 1).await;
    assert_eq!((&dead[0]["destination"], &dead[0]["attempts"]), (&"crm".into(), &2.into()));
    assert!(world.gateway.run(&["dead", "list"]).contains("crm"));

    let endpoint = Endpoint::start_at(address).await;
    assert!(world.gateway.run(&["dead", "retry", "--destination", "crm", "--dry-run"]).contains('1'));
    assert!(endpoint.received().is_empty());
    world.gateway.run(&["dead", "retry", "--destination", "crm"]);
    assert_eq!(endpoint.wait_received(1).await[0].text(), "Are you there?");
    world.gateway.wait_list("jobs?state=dead", <[_]>::is_empty).await;
}

#[tokio::test]
async fn a_hung_endpoint_delays_nobody_else() {
    let (hung, healthy) = (Endpoint::start().await, Endpoint::start().await);
    hung.behave(Behaviour::Hang);
    let world = Dev::start(&format!(
        "[[destinations]]\nname = \"hung\"\nurl = \"{}\"\n[[destinations]]\nname = \"healthy\"\nurl = \"{}\"\n",
        hung.url(),
        healthy.url()
    ))
    .await;
    for number in 0..50 {
        world.control().text(PHONE, OURS, &format!("text {number}")).await;
    }
    let texts = |endpoint: &Endpoint| {
        endpoint.received().iter().filter(|received| received.text().starts_with("text ")).count()
    };
    crate::wait::until("fifty deliveries", || async { (texts(&healthy) == 50).then_some(()) }).await;
    assert!(texts(&hung) < 50);
}

#[tokio::test]
async fn work_in_flight_survives_a_kill() {
    let endpoint = Endpoint::start().await;
    endpoint.behave(Behaviour::Hang);
    let world = Served::start(&destination(&endpoint, "")).await;
    world.control().text(PHONE, OURS, "hi").await;
    endpoint.wait_received(1).await;

    // Before the restart: the first try after it comes at once.
    endpoint.behave(Behaviour::Answer(200));
    let world = world.kill_and_restart().await;
    let received = endpoint.wait_received(2).await;
    assert_eq!(received[0].header("webhook-id"), received[1].header("webhook-id"));
    world.gateway.wait_list("jobs?state=done&kind=deliver", |rows| rows.len() == 1).await;
}

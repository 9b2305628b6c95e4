//! Steering by hand: pause that holds, replay that replies to nobody, order per conversation, a guarded door.

use std::collections::BTreeSet;

use serde_json::json;

use crate::endpoint::{Behaviour, Endpoint, Received};
use crate::gateway::inlet;
use crate::wait::until;
use crate::world::{Dev, OURS, PHONE};

fn destination(endpoint: &Endpoint, more: &str) -> String {
    format!(
        "[[destinations]]\nname = \"crm\"\nurl = \"{}\"\nevents = [\"message.received\"]\n{more}\n",
        endpoint.url()
    )
}

fn texts(endpoint: &Endpoint) -> Vec<String> {
    endpoint.received().iter().map(Received::text).collect()
}

#[tokio::test]
async fn paused_destination_holds_everything_and_gets_it_after_the_pause() {
    let endpoint = Endpoint::start().await;
    let world = Dev::start(&destination(&endpoint, "concurrency = 1")).await;
    world.gateway.run(&["destinations", "pause", "crm"]);
    for number in 0..5 {
        world.control().text(PHONE, OURS, &format!("text {number}")).await;
    }
    let held = world.gateway.wait_list("jobs?destination=crm&state=waiting", |rows| rows.len() == 5).await;
    assert!(held.iter().all(|job| job["held"] == true), "{held:?}");
    assert!(endpoint.received().is_empty());

    world.gateway.run(&["destinations", "resume", "crm"]);
    endpoint.wait_received(5).await;
    assert_eq!(texts(&endpoint), ["text 0", "text 1", "text 2", "text 3", "text 4"]);
}

#[tokio::test]
async fn replay_counts_first_then_delivers_again_and_answers_nobody() {
    let endpoint = Endpoint::start().await;
    let world = Dev::start(&destination(&endpoint, "")).await;
    for text in ["one", "two"] {
        world.gateway.run(&["text", PHONE, OURS, text, "--wait"]);
    }
    endpoint.wait_received(2).await;

    let plan = json!({"destination": "crm", "filter": {"event_type": "message.received"}, "dry_run": true});
    let (status, answer) = world.gateway.post("replays", &plan).await;
    assert_eq!((status, &answer["total"]), (200, &json!(2)), "{answer}");
    assert!(world.gateway.list("replays").await.is_empty());

    world.gateway.run(&["replay", "--destination", "crm", "--type", "message.received"]);
    let again = endpoint.wait_received(4).await;
    let ids = |received: &[Received]| {
        received.iter().map(|received| received.header("webhook-id").to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(ids(&again[..2]), ids(&again[2..]), "a repeat carries the id of the first delivery");
    world.gateway.wait_list("replays", |rows| rows.iter().any(|row| row["state"] == "done")).await;
    assert_eq!(world.control().sent_to(PHONE).await.len(), 2);
}

#[tokio::test]
async fn ordered_destination_gets_one_conversation_in_order_and_others_flow() {
    let endpoint = Endpoint::start().await;
    let retry =
        "ordered = true\nconcurrency = 8\nretry = [\"0s\", \"100ms\", \"100ms\", \"100ms\", \"100ms\"]";
    let world = Dev::start(&destination(&endpoint, retry)).await;
    endpoint.behave(Behaviour::Answer(500));
    for number in 0..4 {
        world.control().text(PHONE, OURS, &format!("text {number}")).await;
    }
    until("a failed try of the head", || async { (endpoint.received().len() > 1).then_some(()) }).await;
    assert!(texts(&endpoint).iter().all(|text| text == "text 0"), "{:?}", texts(&endpoint));
    endpoint.behave(Behaviour::Answer(200));
    let done = "jobs?destination=crm&state=done";
    world.gateway.wait_list(done, |rows| rows.len() == 4).await;
    let mut delivered = texts(&endpoint);
    delivered.dedup();
    assert_eq!(delivered, ["text 0", "text 1", "text 2", "text 3"]);
}

#[tokio::test]
async fn token_is_asked_for_and_taken_from_the_environment() {
    let token = "a-token-of-more-than-sixteen-characters";
    let world = Dev::start(&format!("[admin]\ntoken = \"{token}\"\n")).await;
    assert_eq!(world.gateway.get("messages").await.0, 401);
    assert_eq!(world.gateway.command(&["messages", "list"]).status.code(), Some(11));
    let mut command = inlet(world.folder.path());
    command.env("INLET_URL", world.gateway.address("admin")).env("INLET_TOKEN", token);
    assert!(command.args(["messages", "list"]).status().unwrap().success());
    assert!(!world.gateway.log().contains(token));
}

//! An account's whole state, taken and put back.

use std::time::Duration;

use inlet_sandbox::{InboundMedia, InboundText, Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::support::*;

async fn frozen(receiver: &Receiver, seed: u8) -> Sandbox {
    let config = SandboxConfig {
        webhook_url: Some(receiver.url.clone()),
        frozen_at: Some("2026-07-01T00:00:00Z".parse().unwrap()),
        seed: [seed; 32],
        ..swift()
    };
    Sandbox::start_with(config).await.unwrap()
}

async fn snapshot(sandbox: &Sandbox) -> Value {
    get(sandbox, "/snapshot").await.body
}

async fn restore(sandbox: &Sandbox, snapshot: &Value) -> Reply {
    let url = format!("{}/sandbox/v1/snapshot", sandbox.base_url());
    Reply::of(client().put(url).json(snapshot)).await
}

/// A sandbox with something of everything; two events are still on their way.
async fn lived(receiver: &Receiver) -> (Sandbox, Vec<String>) {
    let sandbox = frozen(receiver, 7).await;
    let picture = InboundMedia::upload("image/png", &b"\x89PNG"[..]);
    let mut paths = vec![];
    let text = InboundText::new(PHONE, OURS, "look").with_media(picture);
    let text = sandbox.inject(text).await.unwrap();
    sandbox.inject(InboundText::new("+15550000009", OURS, "STOP")).await.unwrap();
    let keyed = send_request(&sandbox, &json!({"from": OURS, "to": PHONE, "text": "once"}));
    let sent = Reply::of(keyed.header("idempotency-key", "k")).await.body;
    put_faults(&sandbox, json!([{"kind": "webhook_delay", "delay_ms": 1, "count": 3, "probability": 0.5}]))
        .await;
    sandbox.advance_clock(Duration::from_millis(1500));
    eventually(async || receiver.received().len() >= 3).await;
    for path in ["/account", "/deliveries", "/messages?direction=any", "/faults", "/clock"] {
        paths.push(format!("/sandbox/v1{path}"));
    }
    paths.push(format!("/sandbox/v1/deliveries/{}", text.event_id));
    paths.push(format!("/v2/messages/{}", text.id));
    paths.push(format!("/v2/messages/{}", sent["data"]["id"].as_str().unwrap()));
    paths.push("/v2/messaging_profiles".to_owned());
    (sandbox, paths)
}

async fn answers(sandbox: &Sandbox, paths: &[String]) -> String {
    let mut answers = String::new();
    for path in paths {
        let url = format!("{}{path}", sandbox.base_url());
        let reply = Reply::of(client().get(url).bearer_auth(sandbox.api_key())).await;
        assert_eq!(reply.status, 200, "{path}");
        answers.push_str(&format!("{path}\n{:#}\n", reply.body));
    }
    answers.replace(&sandbox.base_url(), "ORIGIN")
}

#[tokio::test]
async fn a_fresh_sandbox_with_a_snapshot_answers_everything_alike_and_goes_on_alike() {
    let receiver = Receiver::answering((0..3).map(|_| Answer::Status(500))).await;
    let (old, paths) = lived(&receiver).await;
    all_tried_once(&old).await;
    let document = snapshot(&old).await;
    let new = frozen(&receiver, 7).await;
    assert_eq!(restore(&new, &document).await.status, 204);
    let media = |sandbox: &Sandbox| {
        let origin = sandbox.base_url();
        async move {
            let url = get_messages(&origin).await;
            assert!(url.starts_with(&origin), "{url}");
            client().get(url).send().await.unwrap().bytes().await.unwrap()
        }
    };
    assert_eq!(media(&new).await, &b"\x89PNG"[..]);
    // What was delivered stays as it was, so it still names the old origin.
    let new_answers = answers(&new, &paths).await.replace(&old.base_url(), "ORIGIN");
    assert_eq!(new_answers, answers(&old, &paths).await);
    for sandbox in [&old, &new] {
        let blocked = send(sandbox, json!({"from": OURS, "to": "+15550000009", "text": "no"})).await;
        assert_eq!(blocked.refusal().1, "40300");
        let keyed = send_request(sandbox, &json!({"from": OURS, "to": PHONE, "text": "once"}));
        assert_eq!(Reply::of(keyed.header("idempotency-key", "k")).await.status, 200);
    }
    let next = |sandbox| send(sandbox, json!({"from": OURS, "to": PHONE, "text": "next"}));
    assert_eq!(next(&new).await.body, next(&old).await.body, "the same ids come next");
    old.shutdown().await;
    new.advance_clock(Duration::from_secs(60));
    idle(&new).await;
    assert_eq!(get(&new, "/deliveries?status=pending").await.body["data"], json!([]));
}

/// Until every event has been tried once; with a stopped clock the others wait.
async fn all_tried_once(sandbox: &Sandbox) {
    eventually(async || sandbox.deliveries().iter().all(|delivery| !delivery.attempts.is_empty())).await;
}

async fn get_messages(origin: &str) -> String {
    let list = Reply::of(client().get(format!("{origin}/sandbox/v1/messages?direction=inbound"))).await.body;
    list["data"][0]["media"][0]["url"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_snapshot_keeps_the_keys_of_the_account_it_is_put_into() {
    let receiver = Receiver::start().await;
    let (old, _) = lived(&receiver).await;
    let new = frozen(&receiver, 8).await;
    let key = new.api_key().to_owned();
    assert_eq!(restore(&new, &snapshot(&old).await).await.status, 204);
    let account = get(&new, "/account").await.body;
    assert_eq!(account["api_key"], json!(key));
    let (mine, theirs) = (get(&new, "/messages").await.body, get(&old, "/messages").await.body);
    assert_eq!(mine["data"][0]["id"], theirs["data"][0]["id"]);
    assert_eq!(send(&new, json!({"from": OURS, "to": PHONE, "text": "Hi"})).await.status, 200);
}

#[tokio::test]
async fn a_snapshot_that_does_not_fit_changes_nothing_and_says_why() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    sandbox.inject(InboundText::new(PHONE, OURS, "Hi")).await.unwrap();
    let mut newer = snapshot(&sandbox).await;
    newer["version"] = json!(2);
    let mut foreign = snapshot(&sandbox).await;
    foreign["world"]["numbers"] = json!([]);
    let mut broken = snapshot(&sandbox).await;
    broken["world"]["messages"] = json!("none");
    for (document, words) in [
        (newer, "version 2"),
        (foreign, "numbers"),
        (broken, "not understood"),
        (json!([]), "not understood"),
    ] {
        let reply = restore(&sandbox, &document).await;
        assert_eq!((reply.status, &reply.body["code"]), (422, &json!("invalid_snapshot")));
        assert!(reply.body["detail"].as_str().unwrap().contains(words), "{}", reply.body);
    }
    assert_eq!(sandbox.deliveries().len(), 1);
}

#[tokio::test]
async fn a_snapshot_of_an_earlier_sandbox_lacks_what_came_later_and_is_still_read() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let mut document = snapshot(&sandbox).await;
    for field in ["faults", "idempotency", "blocks"] {
        document["world"].as_object_mut().unwrap().remove(field);
    }
    assert_eq!(restore(&sandbox, &document).await.status, 204);
}

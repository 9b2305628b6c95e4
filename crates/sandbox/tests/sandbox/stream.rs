//! Following an account by server-sent events.

use inlet_sandbox::{InboundText, Sandbox};
use serde_json::{Value, json};

use crate::support::*;

/// One event of a stream.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    id: u64,
    name: String,
    data: Value,
}

/// A follower that reads as slowly as a test likes.
struct Follower {
    response: reqwest::Response,
    text: String,
}

impl Follower {
    async fn start(sandbox: &Sandbox, last_seen: Option<u64>) -> Self {
        Self::since(sandbox, last_seen.map(|id| id.to_string())).await
    }

    async fn since(sandbox: &Sandbox, last_seen: Option<String>) -> Self {
        let mut request = client().get(format!("{}/sandbox/v1/stream", sandbox.base_url()));
        if let Some(id) = last_seen {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let mut follower = Self { response, text: String::new() };
        // The first block names the revision from which on things are told, and tells nothing.
        assert!(follower.block().await.is_none());
        follower
    }

    async fn next(&mut self) -> Told {
        let told = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(told) = self.block().await {
                    return told;
                }
            }
        });
        told.await.expect("nothing was told in time")
    }

    async fn block(&mut self) -> Option<Told> {
        while !self.text.contains("\n\n") {
            let chunk = self.response.chunk().await.unwrap().expect("the stream goes on");
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        let (block, rest) = self.text.split_once("\n\n").unwrap();
        let field = |name: &str| {
            block.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
        };
        let data = field("data:").map(|data| serde_json::from_str(&data).unwrap());
        let told = data.map(|data| Told {
            id: field("id:").unwrap().parse().unwrap(),
            name: field("event:").unwrap(),
            data,
        });
        self.text = rest.to_owned();
        told
    }
}

#[tokio::test]
async fn a_follower_sees_a_text_its_attempts_and_the_answer_with_every_status() {
    let receiver = Receiver::answering([Answer::Status(500)]).await;
    let sandbox = sandbox_for(&receiver).await;
    let mut follower = Follower::start(&sandbox, None).await;
    let text = sandbox.inject(InboundText::new(PHONE, OURS, "Hi")).await.unwrap();
    let first = follower.next().await;
    assert_eq!((first.name.as_str(), &first.data["id"]), ("message", &json!(text.id)));
    let mut statuses = Vec::new();
    while statuses.last() != Some(&json!("delivered")) {
        let told = follower.next().await;
        assert_eq!((told.name.as_str(), &told.data["event_id"]), ("delivery", &json!(text.event_id)));
        assert_eq!(told.data["attempts"].get(0).and_then(|first| first.get("request_body")), None);
        statuses.push(told.data["status"].clone());
    }
    let sent = send(&sandbox, json!({"from": OURS, "to": PHONE, "text": "Hello"})).await.body;
    loop {
        let told = follower.next().await;
        if told.name == "message" && told.data["to"][0]["status"] == "delivered" {
            assert_eq!(told.data["id"], sent["data"]["id"]);
            break;
        }
    }
}

#[tokio::test]
async fn a_message_of_which_no_webhook_tells_still_shows_its_end() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let mut follower = Follower::start(&sandbox, None).await;
    send(&sandbox, json!({"from": OURS, "to": PHONE, "text": "Hello"})).await;
    while follower.next().await.data["to"][0]["status"] != "delivered" {}
}

#[tokio::test]
async fn a_follower_that_comes_back_misses_nothing() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let mut follower = Follower::start(&sandbox, None).await;
    sandbox.inject(InboundText::new(PHONE, OURS, "1")).await.unwrap();
    let first = follower.next().await;
    drop(follower);
    for n in 2..5 {
        sandbox.inject(InboundText::new(PHONE, OURS, n.to_string())).await.unwrap();
    }
    let mut follower = Follower::start(&sandbox, Some(first.id)).await;
    let mut texts = Vec::new();
    let mut last = first.id;
    while texts.len() < 3 {
        let told = follower.next().await;
        assert_eq!(told.id, last + 1, "revisions have no gaps");
        last = told.id;
        texts.extend(told.data.get("text").cloned());
    }
    assert_eq!(json!(texts), json!(["2", "3", "4"]));
}

#[tokio::test]
async fn a_follower_is_told_to_look_again_after_a_reset_or_when_it_is_too_far_behind() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let mut follower = Follower::start(&sandbox, None).await;
    assert_eq!(post(&sandbox, "/reset", json!({})).await.status, 204);
    let reset = follower.next().await;
    assert_eq!((reset.name.as_str(), &reset.data), ("reset", &json!({})));
    sandbox.inject(InboundText::new(PHONE, OURS, "after")).await.unwrap();
    assert_eq!(follower.next().await.data["text"], "after");
    for stranger in [1, u64::MAX] {
        let mut follower = Follower::start(&sandbox, Some(stranger)).await;
        assert_eq!(follower.next().await.name, "reset", "{stranger}");
    }
    let reply = get(&sandbox, "/stream?after=x").await;
    assert_eq!((reply.status, &reply.body["code"]), (422, &json!("invalid_query")));
}

#[tokio::test]
async fn a_follower_that_does_not_read_holds_up_nobody() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    let _silent = Follower::start(&sandbox, None).await;
    for n in 0..2000 {
        sandbox.inject(InboundText::new(PHONE, OURS, n.to_string())).await.unwrap();
    }
    idle(&sandbox).await;
    assert_eq!(receiver.received().len(), 2000);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_follower_with_a_strange_id_is_told_to_fetch_anew() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let mut follower = Follower::since(&sandbox, Some("garbage".to_owned())).await;
    assert_eq!(follower.next().await.name, "reset");
}

#[tokio::test]
async fn empty_ids_are_no_ids() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let body = json!({"from": PHONE, "to": OURS, "text": "Hi", "data_id": "", "payload_id": ""});
    let injected = post(&sandbox, "/texts", body).await.body;
    assert_eq!(
        (injected["id"].as_str().unwrap().len(), injected["event_id"].as_str().unwrap().len()),
        (36, 36)
    );
}

//! Expectations of test suites: a message comes in time, or the nearest misses are named.

use futures_util::FutureExt;
use inlet_sandbox::{Expectation, InboundText, Sandbox, WantedDirection};
use serde_json::{Value, json};

use crate::support::*;

async fn expect(sandbox: &Sandbox, expectation: Value) -> Reply {
    post(sandbox, "/expectations", expectation).await
}

#[tokio::test]
async fn a_message_that_comes_later_meets_an_expectation() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let wanted = json!({"to": PHONE, "from": OURS, "text_matches": "(?i)^hello .+", "within_ms": 20_000});
    let waiting = expect(&sandbox, wanted);
    let sending = send(&sandbox, json!({"from": OURS, "to": PHONE, "text": "Hello you"}));
    let (met, sent) = tokio::join!(waiting, sending);
    assert_eq!(met.status, 200, "{}", met.body);
    assert_eq!(met.body["data"][0]["id"], sent.body["data"]["id"]);
}

#[tokio::test]
async fn an_unmet_expectation_names_the_nearest_misses() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let near = send(&sandbox, json!({"from": OURS, "to": PHONE, "text": "Good bye"})).await.body;
    send(&sandbox, json!({"from": OURS, "to": "+15550000001", "text": "Else"})).await;
    let reply = expect(&sandbox, json!({"to": PHONE, "text": "Hello", "within_ms": 1})).await;
    assert_eq!((reply.status, &reply.body["code"]), (417, &json!("expectation_failed")));
    let detail = reply.body["detail"].as_str().unwrap();
    let id = near["data"]["id"].as_str().unwrap();
    assert!(detail.starts_with("0 of 1 expected messages came within 1 ms; nearest were"), "{detail}");
    assert!(detail.contains(&format!("nearest were message `{id}`: `text` is \"Good bye\";")), "{detail}");
}

#[tokio::test]
async fn expectations_count_look_both_ways_and_begin_after_a_message() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let text = sandbox.inject(InboundText::new(PHONE, OURS, "one")).await.unwrap();
    sandbox.inject(InboundText::new(PHONE, OURS, "two")).await.unwrap();
    let inbound = |count: usize, after: Option<&str>| json!({"direction": "inbound", "count": count, "after": after, "within_ms": 0, "has_media": false});
    assert_eq!(expect(&sandbox, inbound(2, None)).await.body["data"].as_array().unwrap().len(), 2);
    assert_eq!(expect(&sandbox, inbound(1, Some(&text.id))).await.body["data"][0]["text"], "two");
    assert_eq!(expect(&sandbox, inbound(2, Some(&text.id))).await.status, 417);
    assert_eq!(expect(&sandbox, json!({"within_ms": 0})).await.status, 417, "outbound by default");
}

#[tokio::test]
async fn a_reset_lets_a_waiting_expectation_begin_again() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let text = |text: &str| sandbox.inject(InboundText::new(PHONE, OURS, text));
    let first = text("one").await.unwrap();
    text("two").await.unwrap();
    let wanted = Expectation { direction: WantedDirection::Inbound, ..Expectation::to(OURS) };
    let wanted = wanted.after(first.id).times(2).within(PATIENCE);
    let mut waiting = std::pin::pin!(sandbox.expect_message(wanted));
    // One look, at what was there before the reset.
    assert!(waiting.as_mut().now_or_never().is_none());
    sandbox.reset();
    text("three").await.unwrap();
    assert!(waiting.as_mut().now_or_never().is_none(), "what was forgotten does not count");
    text("four").await.unwrap();
    let texts = waiting.await.unwrap();
    assert_eq!((&texts[0]["text"], &texts[1]["text"]), (&json!("three"), &json!("four")));
}

#[tokio::test]
async fn expectations_that_make_no_sense_are_refused() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    for wrong in [
        json!({"text_matches": "(", "within_ms": 0}),
        json!({"text_matches": "\\w{1000}{1000}", "within_ms": 0}),
        json!({"count": 0, "within_ms": 0}),
        json!({"direction": "sideways", "within_ms": 0}),
        json!({"colour": "red", "within_ms": 0}),
    ] {
        let reply = expect(&sandbox, wrong).await;
        assert_eq!((reply.status, &reply.body["code"]), (422, &json!("invalid_body")), "{}", reply.body);
    }
}

#[tokio::test]
async fn messages_are_listed_by_direction_and_by_party() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    sandbox.inject(InboundText::new(PHONE, OURS, "in")).await.unwrap();
    let group = InboundText { cc: vec![PHONE.into()], ..InboundText::new("+15550000001", OURS, "group") };
    sandbox.inject(group).await.unwrap();
    send(&sandbox, json!({"from": OURS, "to": PHONE, "text": "out"})).await;
    send(&sandbox, json!({"from": OURS, "to": "+15550000002", "text": "other"})).await;
    for (query, texts) in [
        ("", json!(["out", "other"])),
        ("direction=inbound", json!(["in", "group"])),
        ("direction=any", json!(["in", "group", "out", "other"])),
        ("direction=any&party=%2B15551234567", json!(["in", "group", "out"])),
        ("direction=any&limit=1", json!(["other"])),
    ] {
        let list = get(&sandbox, &format!("/messages?{query}")).await.body;
        let found: Vec<Value> =
            list["data"].as_array().unwrap().iter().map(|message| message["text"].clone()).collect();
        assert_eq!(json!(found), texts, "{query}");
    }
}

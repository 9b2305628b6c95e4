//! Misbehaviour on request.

use std::time::Duration;

use inlet_sandbox::{DeliveryStatus, Fault, FaultEffect, InboundMedia, InboundText, Sandbox};
use inlet_telnyx::SignatureError;
use serde_json::{Value, json};

use crate::support::*;

fn message() -> Value {
    json!({"from": OURS, "to": PHONE, "text": "Hello"})
}

async fn text(sandbox: &Sandbox) -> String {
    sandbox.inject(InboundText::new(PHONE, OURS, "Hello")).await.unwrap().event_id
}

#[tokio::test]
async fn an_api_status_strikes_as_often_as_asked_and_says_when_to_come_back() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    put_faults(
        &sandbox,
        json!([{"kind": "api_status", "status": 429, "count": 1, "retry_after_seconds": 7}]),
    )
    .await;
    let refused = send(&sandbox, message()).await;
    assert_eq!(
        (refused.refusal(), &refused.headers["retry-after"]),
        ((429, "10011", ""), &"7".parse().unwrap())
    );
    assert_eq!(send(&sandbox, message()).await.status, 200);
    let faults = get(&sandbox, "/faults").await.body;
    assert_eq!((&faults["data"][0]["count"], &faults["data"][0]["hits"]), (&json!(0), &json!(1)));
}

#[tokio::test]
async fn a_fault_for_one_number_leaves_others_alone() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let fault = json!({"kind": "api_status", "status": 500, "code": "10007", "match": {"number": PHONE}});
    assert_eq!(put_faults(&sandbox, json!([fault])).await.status, 200);
    assert_eq!(send(&sandbox, message()).await.refusal(), (500, "10007", ""));
    assert_eq!(send(&sandbox, json!({"from": OURS, "to": "+15551234568", "text": "Hi"})).await.status, 200);
}

#[tokio::test]
async fn a_hanging_api_answers_nobody_and_accepts_nothing() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    sandbox.set_faults(vec![Fault::new(FaultEffect::ApiHang {}).times(1)]).unwrap();
    let hung =
        send_request(&sandbox, &message()).header("idempotency-key", "k").timeout(Duration::from_millis(200));
    assert!(hung.send().await.unwrap_err().is_timeout());
    idle(&sandbox).await;
    assert_eq!(receiver.received().len(), 0);
    assert_eq!(get(&sandbox, "/messages").await.body["data"], json!([]));
}

#[tokio::test]
async fn a_request_that_still_runs_is_a_conflict_for_its_key() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    sandbox.set_faults(vec![Fault::new(FaultEffect::ApiHang {}).times(1)]).unwrap();
    let keyed = || send_request(&sandbox, &message()).header("idempotency-key", "k");
    let hung = tokio::spawn(keyed().send());
    eventually(async || get(&sandbox, "/faults").await.body["data"][0]["hits"] == 1).await;
    assert_eq!(Reply::of(keyed()).await.refusal(), (409, "10012", ""));
    hung.abort();
    assert!(hung.await.unwrap_err().is_cancelled());
    // The abandoned request frees its key.
    eventually(async || Reply::of(keyed()).await.status == 200).await;
}

#[tokio::test]
async fn a_connection_cut_after_acceptance_leaves_a_message_with_receipts() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    for fault in ["api_drop_after_accept", "api_hang_after_accept"] {
        put_faults(&sandbox, json!([{"kind": fault, "count": 1}])).await;
        let cut = send_request(&sandbox, &message()).header("idempotency-key", fault);
        assert!(cut.timeout(Duration::from_millis(500)).send().await.is_err());
        let replayed = Reply::of(send_request(&sandbox, &message()).header("idempotency-key", fault)).await;
        assert_eq!(replayed.status, 200, "the accepted message is what the key replays");
    }
    idle(&sandbox).await;
    assert_eq!(receiver.received().len(), 4);
    assert_eq!(get(&sandbox, "/messages").await.body["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_carrier_can_fail_a_message() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    put_faults(&sandbox, json!([{"kind": "carrier_failure", "outcome": "delivery_failed", "code": "40008"}]))
        .await;
    send(&sandbox, message()).await;
    idle(&sandbox).await;
    let finalized =
        receiver.bodies().into_iter().find(|body| body["data"]["event_type"] == "message.finalized").unwrap();
    let payload = &finalized["data"]["payload"];
    assert_eq!(
        (&payload["to"][0]["status"], &payload["errors"][0]["code"]),
        (&json!("delivery_failed"), &json!("40008"))
    );
}

#[tokio::test]
async fn a_stop_block_can_be_asked_for() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    sandbox.set_faults(vec![Fault::new(FaultEffect::BlockStop {}).for_number(PHONE)]).unwrap();
    assert_eq!(send(&sandbox, message()).await.refusal().1, "40300");
}

#[tokio::test]
async fn duplicates_carry_the_same_id() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    put_faults(
        &sandbox,
        json!([{"kind": "webhook_duplicate", "copies": 4, "match": {"event_type": "message.received"}}]),
    )
    .await;
    let event_id = text(&sandbox).await;
    idle(&sandbox).await;
    assert_eq!(receiver.bodies().iter().filter(|body| body["data"]["id"] == event_id.as_str()).count(), 5);
    let mut copies: Vec<u32> = sandbox.delivery(&event_id).unwrap().attempts.iter().map(|a| a.copy).collect();
    copies.sort_unstable();
    assert_eq!(copies, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_dropped_event_is_never_sent() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    sandbox.set_faults(vec![Fault::new(FaultEffect::WebhookDrop {})]).unwrap();
    let event_id = text(&sandbox).await;
    idle(&sandbox).await;
    assert_eq!(sandbox.delivery(&event_id).unwrap().status, DeliveryStatus::Dropped);
    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test]
async fn a_delayed_event_waits_on_the_sandboxs_clock() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    sandbox.set_faults(vec![Fault::new(FaultEffect::WebhookDelay { delay_ms: 3_600_000 }).times(1)]).unwrap();
    let delayed = text(&sandbox).await;
    let prompt = text(&sandbox).await;
    assert!(sandbox.wait_idle(Duration::from_millis(1)).await.is_err());
    sandbox.advance_clock(Duration::from_secs(3600));
    idle(&sandbox).await;
    let ids: Vec<Value> = receiver.bodies().iter().map(|body| body["data"]["id"].clone()).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.contains(&json!(delayed)) && ids.contains(&json!(prompt)));
}

#[tokio::test]
async fn wrong_stale_and_altered_attempts_do_not_verify_and_the_next_one_does() {
    for kind in ["wrong_signature", "stale_timestamp", "altered_body"] {
        let receiver = Receiver::answering([Answer::Status(400)]).await;
        let sandbox = sandbox_for(&receiver).await;
        put_faults(&sandbox, json!([{"kind": kind, "count": 1}])).await;
        text(&sandbox).await;
        idle(&sandbox).await;
        let [bad, good] = &receiver.received()[..] else { panic!("two attempts are expected") };
        let now = good.timestamp();
        good.verify_at(&sandbox, now).unwrap();
        match (kind, bad.verify_at(&sandbox, now).unwrap_err()) {
            ("stale_timestamp", SignatureError::Stale { .. }) => {}
            ("wrong_signature" | "altered_body", SignatureError::NoMatch { .. }) => {}
            (kind, error) => panic!("{kind}: {error}"),
        }
    }
}

#[tokio::test]
async fn media_fail_in_each_way() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let content = vec![b'x'; 2000];
    let picture = InboundMedia::upload("image/png", content.clone());
    let injected = sandbox.inject(InboundText::new(PHONE, OURS, "").with_media(picture)).await.unwrap();
    let payload = sandbox.delivery(&injected.event_id).unwrap().data()["payload"].clone();
    let url = payload["media"][0]["url"].as_str().unwrap().to_owned();
    let fetch = async |fault: Value| {
        assert_eq!(put_faults(&sandbox, json!([fault])).await.status, 200);
        client().get(&url).send().await.unwrap()
    };
    assert_eq!(fetch(json!({"kind": "media_status", "status": 503})).await.status(), 503);
    let redirect = fetch(json!({"kind": "media_redirect", "url": "http://10.0.0.1/"})).await;
    assert_eq!(
        (redirect.status().as_u16(), &redirect.headers()["location"]),
        (302, &"http://10.0.0.1/".parse().unwrap())
    );
    let corrupt = fetch(json!({"kind": "media_corrupt"})).await.bytes().await.unwrap();
    assert_eq!((corrupt.len(), corrupt == content), (content.len(), false));
    assert!(fetch(json!({"kind": "media_truncate"})).await.bytes().await.is_err());
    let slow = fetch(json!({"kind": "media_slow", "bytes_per_second": 20_000})).await;
    assert_eq!(slow.bytes().await.unwrap(), content);
}

#[tokio::test]
async fn a_probability_strikes_now_and_then_and_the_same_way_for_the_same_seed() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let sandbox = Sandbox::start_with(swift()).await.unwrap();
        put_faults(&sandbox, json!([{"kind": "api_status", "status": 503, "probability": 0.5}])).await;
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(send(&sandbox, message()).await.status);
        }
        assert!(statuses.contains(&200) && statuses.contains(&503));
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn a_fault_that_is_not_understood_is_refused_whole() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let good = json!({"kind": "webhook_drop"});
    for bad in [
        json!({"kind": "webhook_drip"}),
        json!({"kind": "webhook_drop", "speed": 1}),
        json!({"kind": "webhook_drop", "probability": 2}),
        json!({"kind": "api_status", "status": 200}),
        json!({"kind": "media_slow", "bytes_per_second": 0}),
        json!({"kind": "webhook_drop", "match": {"nomber": "+1"}}),
    ] {
        let reply = put_faults(&sandbox, json!([good, bad])).await;
        assert_eq!((reply.status, &reply.body["code"]), (422, &json!("invalid_body")), "{bad}");
    }
    assert_eq!(get(&sandbox, "/faults").await.body["data"], json!([]));
    put_faults(&sandbox, json!([good])).await;
    let shown = get(&sandbox, "/faults").await.body;
    assert_eq!(
        put_faults(&sandbox, shown["data"].clone()).await.body,
        shown,
        "what is shown can be put back"
    );
}

#[tokio::test]
async fn a_reordered_event_goes_behind_the_next_one_which_does_not_wait_itself() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    put_faults(&sandbox, json!([{"kind": "webhook_reorder", "max_wait_ms": 600_000}])).await;
    let mut sent = Vec::new();
    for _ in 0..4 {
        sent.push(text(&sandbox).await);
    }
    idle(&sandbox).await;
    let bodies = receiver.bodies();
    let place = |event: &String| bodies.iter().position(|body| body["data"]["id"] == event.as_str()).unwrap();
    assert!(place(&sent[1]) < place(&sent[0]) && place(&sent[3]) < place(&sent[2]));
}

#[tokio::test]
async fn a_reordered_event_that_nothing_follows_waits_no_longer_than_asked() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    let fault = json!([{"kind": "webhook_reorder", "max_wait_ms": 60_000, "match": {"number": PHONE}}]);
    put_faults(&sandbox, fault).await;
    text(&sandbox).await;
    // An event of another number lets nothing go.
    sandbox.inject(InboundText::new("+15550000001", OURS, "Hi")).await.unwrap();
    sandbox.settle(PATIENCE).await.unwrap();
    assert_eq!(receiver.received().len(), 1);
    sandbox.advance_clock(Duration::from_secs(60));
    idle(&sandbox).await;
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn a_timestamp_that_has_not_come_is_refused_by_receivers() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    put_faults(&sandbox, json!([{"kind": "future_timestamp", "seconds": 600}])).await;
    text(&sandbox).await;
    idle(&sandbox).await;
    let received = receiver.received().remove(0);
    assert!(received.verify_at(&sandbox, received.timestamp() - 600).is_err());
    received.verify_at(&sandbox, received.timestamp()).unwrap();
}

#[tokio::test]
async fn the_api_can_be_slow_or_cut_the_connection_before_anything_is_done() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    put_faults(&sandbox, json!([{"kind": "api_cut", "count": 1}])).await;
    assert!(send_request(&sandbox, &message()).send().await.is_err());
    assert_eq!(get(&sandbox, "/messages").await.body["data"], json!([]));
    let added = json!({"kind": "api_delay", "delay_ms": 150, "count": 1});
    let active = post(&sandbox, "/faults", added).await;
    assert_eq!(
        (active.status, active.body["data"].as_array().unwrap().len()),
        (200, 2),
        "added to the first"
    );
    let began = tokio::time::Instant::now();
    assert_eq!(send(&sandbox, message()).await.status, 200);
    assert!(began.elapsed() >= Duration::from_millis(150));
}

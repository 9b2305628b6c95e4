//! The delivery log: what each attempt sent and got, sending again, signing again.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use inlet_sandbox::{Fault, FaultEffect, InboundText, RawEvent, Sandbox, SandboxConfig};
use inlet_telnyx::{SIGNATURE_HEADER, SignatureHeaders, TIMESTAMP_HEADER, verify};
use serde_json::{Value, json};

use crate::support::*;

async fn shown(sandbox: &Sandbox, event_id: &str) -> Value {
    get(sandbox, &format!("/deliveries/{event_id}")).await.body
}

fn assert_shown_as_received(attempt: &Value, received: &Received) {
    let headers: Vec<[String; 2]> = serde_json::from_value(attempt["request_headers"].clone()).unwrap();
    let on_the_wire: Vec<[String; 2]> = received
        .headers
        .iter()
        .map(|(name, value)| [name.to_string(), value.to_str().unwrap().to_owned()])
        .collect();
    assert_eq!(headers, on_the_wire);
    let body = match attempt["request_body"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => STANDARD.decode(attempt["request_body_base64"].as_str().unwrap()).unwrap(),
    };
    assert_eq!(body, received.body);
}

#[tokio::test]
async fn a_delivery_shows_every_request_exactly_as_it_was_sent() {
    let receiver = Receiver::answering([500, 500].map(Answer::Status)).await;
    let sandbox = sandbox_for(&receiver).await;
    let forged = [
        Fault::new(FaultEffect::WrongSignature {}).times(1),
        Fault::new(FaultEffect::AlteredBody {}).times(2),
        Fault::new(FaultEffect::StaleTimestamp { seconds: 7 }).times(1),
    ];
    sandbox.set_faults(forged.to_vec()).unwrap();
    let text = sandbox.inject(InboundText::new(PHONE, OURS, "é \u{1F600}")).await.unwrap();
    idle(&sandbox).await;
    let delivery = shown(&sandbox, &text.event_id).await;
    let attempts = delivery["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 3);
    for (attempt, received) in attempts.iter().zip(receiver.received()) {
        assert_shown_as_received(attempt, &received);
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_and_credentials_in_the_url_are_shown_as_sent_too() {
    let receiver = Receiver::start().await;
    let mut url = receiver.url.clone();
    url.set_username("us er").unwrap();
    url.set_password(Some("pass")).unwrap();
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let raw = RawEvent { body: b"\xff\xfe".to_vec().into(), url: Some(url) };
    let injected = sandbox.inject_raw(raw).await.unwrap();
    idle(&sandbox).await;
    let delivery = shown(&sandbox, &injected.event_id).await;
    assert_eq!(delivery["raw_base64"], "//4=");
    assert_shown_as_received(&delivery["attempts"][0], &receiver.received()[0]);
}

#[tokio::test]
async fn an_attempt_tells_what_the_receiver_answered_and_how_long_it_took() {
    let receiver = Receiver::answering([Answer::Text(202, "thanks".to_owned())]).await;
    let sandbox = sandbox_for(&receiver).await;
    let text = sandbox.inject(InboundText::new(PHONE, OURS, "Hi")).await.unwrap();
    idle(&sandbox).await;
    let attempt = &shown(&sandbox, &text.event_id).await["attempts"][0];
    assert_eq!((&attempt["response_status"], &attempt["response_body"]), (&json!(202), &json!("thanks")));
    assert!(attempt["response_headers"].as_array().unwrap().contains(&json!(["content-length", "6"])));
    assert!(attempt["duration_ms"].as_u64().unwrap() < 20_000);
    let listed = get(&sandbox, &format!("/deliveries?event_id={}", text.event_id)).await.body;
    assert_eq!(listed["data"][0]["attempts"][0]["request_body"], Value::Null, "lists are short");
}

#[tokio::test]
async fn an_event_is_sent_again_with_the_same_id_and_a_fresh_signature() {
    let receiver = Receiver::answering([500, 500, 500, 500].map(Answer::Status)).await;
    let sandbox = sandbox_for(&receiver).await;
    let text = sandbox.inject(InboundText::new(PHONE, OURS, "Hi")).await.unwrap();
    idle(&sandbox).await;
    sandbox.advance_clock(Duration::from_secs(3600));
    let reply = post(&sandbox, &format!("/deliveries/{}/resend", text.event_id), json!({})).await;
    assert_eq!((reply.status, &reply.body["event_id"]), (202, &json!(text.event_id)));
    idle(&sandbox).await;
    let numbers: Vec<Value> = receiver.bodies().iter().map(|body| body["meta"]["attempt"].clone()).collect();
    assert_eq!(json!(numbers), json!([1, 2, 3, 1, 2]));
    for received in receiver.received() {
        received.verify_at(&sandbox, received.timestamp()).unwrap();
        assert_eq!(received.json()["data"]["id"], text.event_id.as_str());
    }
    let list = get(&sandbox, &format!("/deliveries?event_id={}", text.event_id)).await.body;
    let statuses: Vec<Value> =
        list["data"].as_array().unwrap().iter().map(|each| each["status"].clone()).collect();
    assert_eq!(json!(statuses), json!(["failed", "delivered"]));
    assert_eq!(shown(&sandbox, &text.event_id).await["sequence"], reply.body["sequence"], "the latest one");
    assert_eq!(post(&sandbox, "/deliveries/none/resend", json!({})).await.status, 404);
}

#[tokio::test]
async fn an_earlier_delivery_of_an_event_is_named_by_its_sequence() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    let text = sandbox.inject(InboundText::new(PHONE, OURS, "Hello")).await.unwrap();
    idle(&sandbox).await;
    let of_event = |path: &str| format!("/deliveries/{}{path}", text.event_id);
    let earlier = shown(&sandbox, &text.event_id).await["sequence"].clone();
    let again = post(&sandbox, &of_event("/resend"), json!(null)).await.body["sequence"].clone();
    idle(&sandbox).await;
    let named = get(&sandbox, &of_event(&format!("?sequence={earlier}"))).await.body;
    assert_eq!((&named["sequence"], &named["attempts"].as_array().unwrap().len()), (&earlier, &1));
    assert_eq!(
        named["attempts"][0]["request_body"],
        String::from_utf8_lossy(&receiver.received()[0].body).as_ref()
    );
    assert_eq!(shown(&sandbox, &text.event_id).await["sequence"], again, "the latest when nothing is said");
    let signed = get(&sandbox, &of_event(&format!("/signed?sequence={earlier}"))).await;
    assert_eq!((signed.status, signed.body), (200, receiver.bodies()[0].clone()));
    let resent = post(&sandbox, &of_event(&format!("/resend?sequence={earlier}")), json!(null)).await;
    assert_eq!(resent.status, 202);
    let none = get(&sandbox, &of_event("?sequence=99")).await;
    assert_eq!((none.status, &none.body["code"]), (404, &json!("not_found")));
}

#[tokio::test]
async fn an_event_without_a_url_can_be_sent_once_there_is_one() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let text = sandbox.inject(InboundText::new(PHONE, OURS, "Hi")).await.unwrap();
    assert_eq!(shown(&sandbox, &text.event_id).await["status"], "no_url");
    let receiver = Receiver::start().await;
    sandbox.set_webhook_url(receiver.url.clone());
    post(&sandbox, &format!("/deliveries/{}/resend", text.event_id), json!({})).await;
    idle(&sandbox).await;
    assert_eq!(receiver.bodies()[0]["data"]["id"], text.event_id.as_str());
}

#[tokio::test]
async fn a_delivery_is_signed_anew_whenever_it_is_asked_for() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    let text = sandbox.inject(InboundText::new(PHONE, OURS, "Hi")).await.unwrap();
    idle(&sandbox).await;
    let url = format!("{}/sandbox/v1/deliveries/{}/signed", sandbox.base_url(), text.event_id);
    let response = client().get(&url).send().await.unwrap();
    let headers = response.headers().clone();
    let body = response.bytes().await.unwrap();
    assert_eq!(body, receiver.received()[0].body);
    let values = |name| headers.get_all(name).iter().map(|value| value.as_bytes());
    let signature = SignatureHeaders::read(values(SIGNATURE_HEADER), values(TIMESTAMP_HEADER)).unwrap();
    let now = headers[TIMESTAMP_HEADER].to_str().unwrap().parse().unwrap();
    verify(&signature, &body, &[sandbox.public_key().clone()], now, 300).unwrap();
}

#[tokio::test]
async fn an_event_that_was_never_tried_has_nothing_to_sign() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let text = sandbox.inject(InboundText::new(PHONE, OURS, "Hi")).await.unwrap();
    let reply = get(&sandbox, &format!("/deliveries/{}/signed", text.event_id)).await;
    assert_eq!((reply.status, &reply.body["code"]), (404, &json!("not_found")));
}

#[tokio::test]
async fn events_that_had_to_go_are_not_found_and_the_others_still_are() {
    let receiver = Receiver::start().await;
    let config =
        SandboxConfig { delivery_log_capacity: 3, webhook_url: Some(receiver.url.clone()), ..swift() };
    let sandbox = Sandbox::start_with(config).await.unwrap();
    let mut events = Vec::new();
    for n in 0..5 {
        events.push(sandbox.inject(InboundText::new(PHONE, OURS, n.to_string())).await.unwrap().event_id);
        idle(&sandbox).await;
    }
    let kept: Vec<bool> = events.iter().map(|id| sandbox.delivery(id).is_some()).collect();
    assert_eq!(kept, [false, false, true, true, true]);
    assert_eq!(get(&sandbox, "/deliveries").await.body["dropped"], 2);
}

//! Webhook API versions: 2 is tested everywhere else, so this is about 1, and what is refused.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use inlet_sandbox::{Fault, FaultEffect, InboundMedia, InboundText, RetrySettings, Sandbox, SandboxConfig};
use serde_json::{Value, json};
use std::time::Duration;

use crate::support::*;

async fn change_profile(sandbox: &Sandbox, change: Value) -> Reply {
    let url = format!("{}/messaging_profiles/{}", sandbox.api_url(), sandbox.messaging_profile_id());
    Reply::of(client().patch(url).bearer_auth(sandbox.api_key()).json(&change)).await
}

/// A sandbox whose profile is on version 1, and that profile's secret.
async fn version_one(receiver: &Receiver) -> (Sandbox, String) {
    let sandbox = sandbox_for(receiver).await;
    let profile = change_profile(&sandbox, json!({"webhook_api_version": "1"})).await;
    assert_eq!(profile.body["data"]["webhook_api_version"], "1");
    let secret = profile.body["data"]["v1_secret"].as_str().unwrap().to_owned();
    (sandbox, secret)
}

fn is_signed_with(secret: &str, received: &Received) -> bool {
    let header = received.headers["x-telnyx-signature"].to_str().unwrap();
    let (time, digest) = header.strip_prefix("t=").unwrap().split_once(",h=").unwrap();
    let message = [format!("{time}.").as_bytes(), &received.body].concat();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, &message, &STANDARD.decode(digest).unwrap()).is_ok()
}

#[tokio::test]
async fn version_1_is_a_flat_body_under_an_hmac_of_the_profiles_secret() {
    let receiver = Receiver::start().await;
    let (sandbox, secret) = version_one(&receiver).await;
    let picture = InboundMedia::upload("image/png", &b"\x89PNG"[..]);
    let text = InboundText { subject: Some("Hi".into()), ..InboundText::new(PHONE, OURS, "there") };
    let text = sandbox.inject(text.with_media(picture)).await.unwrap();
    idle(&sandbox).await;
    let received = receiver.received().remove(0);
    assert!(is_signed_with(&secret, &received));
    assert!(!received.headers.contains_key("telnyx-signature-ed25519"));
    let body = received.json();
    assert_eq!((&body["sms_id"], &body["from"], &body["to"]), (&json!(text.id), &json!(PHONE), &json!(OURS)));
    assert_eq!((&body["direction"], &body["body"]), (&json!("inbound"), &json!("Hi\nthere")));
    assert_eq!(body["media"][0]["content_type"], "image/png");
    assert!(body.get("data").is_none() && body.get("meta").is_none());
    let shown = get(&sandbox, &format!("/deliveries/{}", text.event_id)).await.body;
    assert_eq!((&shown["webhook_api_version"], &shown["data"]), (&json!("1"), &body));
    let attempt = &shown["attempts"][0];
    assert_eq!(attempt["request_body"].as_str().unwrap().as_bytes(), received.body);
    let headers: Vec<[String; 2]> = serde_json::from_value(attempt["request_headers"].clone()).unwrap();
    let signature = received.headers["x-telnyx-signature"].to_str().unwrap();
    assert!(headers.contains(&["x-telnyx-signature".to_owned(), signature.to_owned()]));
}

#[tokio::test]
async fn version_1_tells_the_status_of_a_sent_message() {
    let receiver = Receiver::start().await;
    let (sandbox, secret) = version_one(&receiver).await;
    let sent = send(&sandbox, json!({"from": OURS, "to": PHONE, "text": "Hello"})).await.body;
    idle(&sandbox).await;
    assert!(receiver.received().iter().all(|received| is_signed_with(&secret, received)));
    let bodies = receiver.bodies();
    assert!(bodies.iter().all(|body| body["sms_id"] == sent["data"]["id"]));
    let statuses: Vec<_> = bodies.iter().map(|body| (&body["status"], &body["delivery_status"])).collect();
    assert_eq!(statuses, [(&json!("sent"), &json!("")), (&json!("delivered"), &json!("delivered"))]);
    assert_eq!(bodies[1]["body"]["text"], "Hello");
}

#[tokio::test]
async fn version_1_has_five_seconds_and_no_form_for_groups() {
    let receiver = Receiver::answering([Answer::Never]).await;
    let retry = RetrySettings { attempts_primary: 1, timeout_v1: Duration::from_millis(30), ..swift().retry };
    assert_eq!(RetrySettings::default().timeout_v1, Duration::from_secs(5));
    let config = SandboxConfig { retry, webhook_url: Some(receiver.url.clone()), ..swift() };
    let sandbox = Sandbox::start_with(config).await.unwrap();
    change_profile(&sandbox, json!({"webhook_api_version": "1"})).await;
    let late = sandbox.inject(InboundText::new(PHONE, OURS, "Hi")).await.unwrap();
    let group = InboundText { cc: vec!["+15550000001".into()], ..InboundText::new(PHONE, OURS, "Hi") };
    let group = sandbox.inject(group).await.unwrap();
    let body = json!({"from": OURS, "to": [PHONE, "+15550000001"], "text": "Hi"});
    assert_eq!(post_v2(&sandbox, "/messages/group_mms", body).await.refusal(), (400, "40301", "/from"));
    idle(&sandbox).await;
    let error = sandbox.delivery(&late.event_id).unwrap().attempts[0].error.clone().unwrap();
    assert_eq!(error.title, "No answer within 30 ms");
    let shown = get(&sandbox, &format!("/deliveries/{}", group.event_id)).await.body;
    assert_eq!((&shown["status"], receiver.received().len()), (&json!("dropped"), 1));
}

#[tokio::test]
async fn a_stranger_signs_version_1_too_and_the_body_can_be_altered() {
    let receiver = Receiver::start().await;
    let (sandbox, secret) = version_one(&receiver).await;
    for effect in [FaultEffect::WrongSignature {}, FaultEffect::AlteredBody {}] {
        sandbox.set_faults(vec![Fault::new(effect).times(1)]).unwrap();
        sandbox.inject(InboundText::new(PHONE, OURS, "Hi")).await.unwrap();
        idle(&sandbox).await;
    }
    assert!(!receiver.received().iter().any(|received| is_signed_with(&secret, received)));
}

#[tokio::test]
async fn the_oldest_version_is_not_emulated_and_says_so() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let reply = change_profile(&sandbox, json!({"webhook_api_version": "2010-04-01"})).await;
    assert_eq!(reply.refusal(), (501, "10037", "/webhook_api_version"));
}

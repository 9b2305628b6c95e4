//! How webhooks are signed, tried, retried and recorded.

use std::time::Duration;

use inlet_sandbox::{
    BackoffGrowth, DeliveryStatus, InboundText, RawEvent, RetrySettings, Sandbox, SandboxConfig, SigningTime,
    TextError,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use url::Url;

use crate::support::*;

fn attempts(bodies: &[Value]) -> Vec<i64> {
    bodies.iter().map(|body| body["meta"]["attempt"].as_i64().unwrap()).collect()
}

fn hello() -> InboundText {
    InboundText::new(PHONE, OURS, "Hello")
}

#[tokio::test]
async fn a_text_arrives_as_a_signed_pretty_printed_event() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    let injected = sandbox.inject(hello()).await.unwrap();
    idle(&sandbox).await;
    let received = receiver.received().remove(0);
    received.verify_at(&sandbox, received.timestamp()).unwrap();
    assert_eq!(received.headers["content-type"], "application/json");
    assert_eq!(received.headers["user-agent"], "telnyx-webhooks");
    let body = received.json();
    assert_eq!(received.body, serde_json::to_vec_pretty(&body).unwrap(), "sorted keys, two spaces");
    assert_eq!(body["data"]["id"], injected.event_id.as_str());
    assert_eq!(body["data"]["payload"]["id"], injected.id.as_str());
    assert_eq!(body["data"]["payload"]["from"]["phone_number"], PHONE);
    assert_eq!(body["data"]["payload"]["to"][0]["phone_number"], OURS);
    assert_eq!(body["data"]["payload"]["text"], "Hello");
    assert_eq!(body["meta"], json!({"attempt": 1, "delivered_to": receiver.url.as_str()}));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_failing_primary_is_tried_three_times_and_then_the_failover_once() {
    let primary = Receiver::answering([500, 404, 503].map(Answer::Status)).await;
    let failover = Receiver::start().await;
    let urls = (Some(primary.url.clone()), Some(failover.url.clone()));
    let sandbox = Sandbox::start_with(SandboxConfig { webhook_url: urls.0, failover_url: urls.1, ..swift() })
        .await
        .unwrap();
    let injected = sandbox.inject(hello()).await.unwrap();
    idle(&sandbox).await;
    assert_eq!(attempts(&primary.bodies()), [1, 2, 3]);
    assert_eq!(attempts(&failover.bodies()), [4]);
    let ids: Vec<Value> =
        primary.bodies().iter().chain(&failover.bodies()).map(|body| body["data"]["id"].clone()).collect();
    assert!(ids.iter().all(|id| *id == injected.event_id.as_str()));
    for received in primary.received().iter().chain(&failover.received()) {
        received.verify_at(&sandbox, received.timestamp()).unwrap();
    }
    let delivery = sandbox.delivery(&injected.event_id).unwrap();
    assert_eq!(delivery.status, DeliveryStatus::Delivered);
    let codes: Vec<_> = delivery.attempts.iter().map(|a| a.error.as_ref().map(|e| e.code.as_str())).collect();
    assert_eq!(codes, [Some("75500"), Some("75404"), Some("75599"), None]);
}

#[tokio::test]
async fn the_attempt_number_restarts_at_the_failover_when_asked_to() {
    let primary = Receiver::answering([500, 500].map(Answer::Status)).await;
    let failover = Receiver::answering([Answer::Status(500)]).await;
    let retry = RetrySettings {
        attempts_primary: 2,
        attempts_failover: 3,
        attempt_restarts_at_failover: true,
        ..swift().retry
    };
    let urls = (Some(primary.url.clone()), Some(failover.url.clone()));
    let config = SandboxConfig { retry, webhook_url: urls.0, failover_url: urls.1, ..swift() };
    let sandbox = Sandbox::start_with(config).await.unwrap();
    sandbox.inject(hello()).await.unwrap();
    idle(&sandbox).await;
    assert_eq!((attempts(&primary.bodies()), attempts(&failover.bodies())), (vec![1, 2], vec![1, 2]));
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_in_time_is_tried_again() {
    let receiver = Receiver::answering([Answer::Never]).await;
    let retry = RetrySettings { timeout: Duration::from_millis(100), ..swift().retry };
    let config = SandboxConfig { retry, webhook_url: Some(receiver.url.clone()), ..swift() };
    let sandbox = Sandbox::start_with(config).await.unwrap();
    let injected = sandbox.inject(hello()).await.unwrap();
    idle(&sandbox).await;
    assert_eq!(attempts(&receiver.bodies()), [1, 2]);
    let first = sandbox.delivery(&injected.event_id).unwrap().attempts.remove(0);
    assert_eq!((first.delivered, first.response_status), (false, None));
    assert_eq!(first.error.unwrap().title, "No answer within 100 ms");
}

#[tokio::test]
async fn an_event_that_nobody_takes_fails_visibly() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    // The discard port: nothing listens there.
    sandbox.set_webhook_url("http://127.0.0.1:9/".parse().unwrap());
    let injected = sandbox.inject(hello()).await.unwrap();
    idle(&sandbox).await;
    let delivery = sandbox.delivery(&injected.event_id).unwrap();
    assert_eq!((delivery.status, delivery.attempts.len()), (DeliveryStatus::Failed, 3));
    assert_eq!(delivery.attempts[0].error.as_ref().unwrap().code, "75002");
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let elsewhere = Receiver::start().await;
    let receiver = Receiver::answering([Answer::Redirect(elsewhere.url.to_string())]).await;
    let sandbox = sandbox_for(&receiver).await;
    let injected = sandbox.inject(hello()).await.unwrap();
    idle(&sandbox).await;
    assert_eq!((receiver.received().len(), elsewhere.received().len()), (2, 0));
    let attempts = sandbox.delivery(&injected.event_id).unwrap().attempts;
    assert_eq!(attempts[0].error.as_ref().unwrap().code, "75300");
}

#[tokio::test]
async fn any_2xx_succeeds_unless_only_200_may() {
    for (only_200, expected) in [(false, 1), (true, 2)] {
        let receiver = Receiver::answering([Answer::Status(202)]).await;
        let retry = RetrySettings { success_is_only_200: only_200, ..swift().retry };
        let config = SandboxConfig { retry, webhook_url: Some(receiver.url.clone()), ..swift() };
        let sandbox = Sandbox::start_with(config).await.unwrap();
        sandbox.inject(hello()).await.unwrap();
        idle(&sandbox).await;
        assert_eq!(receiver.received().len(), expected);
    }
}

#[tokio::test]
async fn a_failover_alone_is_the_place_to_deliver_to() {
    let receiver = Receiver::start().await;
    let config = SandboxConfig { failover_url: Some(receiver.url.clone()), ..swift() };
    let sandbox = Sandbox::start_with(config).await.unwrap();
    sandbox.inject(hello()).await.unwrap();
    idle(&sandbox).await;
    assert_eq!(attempts(&receiver.bodies()), [1]);
}

#[tokio::test]
async fn without_a_url_the_event_is_kept_and_marked() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let injected = sandbox.inject(hello()).await.unwrap();
    idle(&sandbox).await;
    assert_eq!(sandbox.delivery(&injected.event_id).unwrap().status, DeliveryStatus::NoUrl);
}

#[tokio::test]
async fn only_ten_kilobytes_of_an_answer_are_kept() {
    let receiver = Receiver::answering([Answer::Text(200, "x".repeat(50_000))]).await;
    let sandbox = sandbox_for(&receiver).await;
    let injected = sandbox.inject(hello()).await.unwrap();
    idle(&sandbox).await;
    assert_eq!(sandbox.delivery(&injected.event_id).unwrap().attempts[0].response_body.len(), 10_000);
}

#[tokio::test]
async fn retries_come_due_when_the_clock_is_moved() {
    let receiver = Receiver::answering([Answer::Status(500)]).await;
    let retry = RetrySettings { backoff: Duration::from_secs(3600), ..RetrySettings::default() };
    let config = SandboxConfig { retry, webhook_url: Some(receiver.url.clone()), ..swift() };
    let sandbox = Sandbox::start_with(config).await.unwrap();
    let injected = sandbox.inject(hello()).await.unwrap();
    assert!(sandbox.wait_idle(Duration::from_millis(1)).await.is_err());
    // The first attempt has to end before there is a retry to wait for.
    let path = format!("/deliveries/{}", injected.event_id);
    eventually(async || get(&sandbox, &path).await.body["attempts"] != json!([])).await;
    sandbox.advance_clock(Duration::from_secs(3601));
    idle(&sandbox).await;
    assert_eq!(attempts(&receiver.bodies()), [1, 2]);
}

#[tokio::test]
async fn the_same_seed_and_calls_give_the_same_keys_ids_and_bytes() {
    let receiver = Receiver::start().await;
    let mut bodies = Vec::new();
    for _ in 0..2 {
        let config = SandboxConfig {
            seed: [9; 32],
            webhook_url: Some(receiver.url.clone()),
            frozen_at: Some("2026-03-05T18:30:00Z".parse().unwrap()),
            concurrent_attempts: 1,
            ..swift()
        };
        let sandbox = Sandbox::start_with(config).await.unwrap();
        for text in ["one", "two", "three"] {
            sandbox.inject(InboundText::new(PHONE, OURS, text)).await.unwrap();
        }
        idle(&sandbox).await;
        bodies.push((sandbox.api_key().to_owned(), sandbox.public_key().to_base64()));
        sandbox.shutdown().await;
    }
    assert_eq!(bodies[0], bodies[1]);
    let received = receiver.received();
    let signed =
        |index: usize| (received[index].headers["telnyx-signature-ed25519"].clone(), &received[index].body);
    assert!((0..3).all(|index| signed(index) == signed(index + 3)));
    assert_ne!(signed(0), signed(1));
}

#[tokio::test]
async fn given_ids_take_the_place_of_derived_ones() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    let text = InboundText { data_id: Some("d".into()), payload_id: Some("p".into()), ..hello() };
    let injected = sandbox.inject(text).await.unwrap();
    idle(&sandbox).await;
    assert_eq!((injected.id.as_str(), injected.event_id.as_str()), ("p", "d"));
    let body = receiver.bodies().remove(0);
    assert_eq!((&body["data"]["id"], &body["data"]["payload"]["id"]), (&json!("d"), &json!("p")));
}

#[tokio::test]
async fn ten_thousand_texts_are_all_delivered_and_the_log_stays_bounded() {
    let receiver = Receiver::start().await;
    let config = SandboxConfig {
        webhook_url: Some(receiver.url.clone()),
        delivery_log_capacity: 2_000,
        retry: RetrySettings { timeout: PATIENCE, ..swift().retry },
        ..swift()
    };
    let sandbox = Sandbox::start_with(config).await.unwrap();
    for number in 0..10_000 {
        sandbox.inject(InboundText::new(PHONE, OURS, format!("text {number}"))).await.unwrap();
    }
    sandbox.wait_idle(Duration::from_secs(120)).await.unwrap();
    let mut texts: Vec<String> =
        receiver.bodies().iter().map(|body| body["data"]["payload"]["text"].to_string()).collect();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 10_000);
    let list = get(&sandbox, "/deliveries?limit=1000").await.body;
    assert_eq!((&list["pending"], &list["dropped"]), (&json!(0), &json!(8_000)));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_full_queue_refuses_further_texts() {
    let receiver = Receiver::answering([Answer::Never]).await;
    let config = SandboxConfig { webhook_url: Some(receiver.url.clone()), pending_capacity: 1, ..swift() };
    let sandbox = Sandbox::start_with(config).await.unwrap();
    sandbox.inject(hello()).await.unwrap();
    assert_eq!(sandbox.inject(hello()).await, Err(TextError::QueueFull { pending: 1 }));
    let refused = send(&sandbox, json!({"from": OURS, "to": PHONE, "text": "Hi"})).await;
    assert_eq!(refused.refusal(), (429, "40318", ""));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_receiver_that_hangs_does_not_hold_up_the_others() {
    let hanging = Receiver::answering(vec![Answer::Never; 400]).await;
    let good = Receiver::start().await;
    let retry = RetrySettings { timeout: Duration::from_secs(600), ..swift().retry };
    let sandbox = Sandbox::start_with(SandboxConfig { retry, ..swift() }).await.unwrap();
    let event = |url: &Url| RawEvent { body: "{}".into(), url: Some(url.clone()) };
    for _ in 0..400 {
        sandbox.inject_raw(event(&hanging.url)).await.unwrap();
    }
    sandbox.inject_raw(event(&good.url)).await.unwrap();
    eventually(async || good.received().len() == 1 && hanging.received().len() == 16).await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn no_connection_to_a_receiver_is_kept() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    sandbox.inject_raw(RawEvent { body: "{}".into(), url: Some(url) }).await.unwrap();
    let (mut connection, _) = listener.accept().await.unwrap();
    let mut request = [0; 4096];
    assert_ne!(connection.read(&mut request).await.unwrap(), 0);
    connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let rest = tokio::time::timeout(Duration::from_secs(5), connection.read_to_end(&mut rest));
    assert!(rest.await.is_ok(), "the sandbox keeps the connection");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn what_waits_and_what_is_kept_is_bounded_in_bytes_too() {
    let receiver = Receiver::answering([Answer::Never]).await;
    let config = SandboxConfig {
        webhook_url: Some(receiver.url.clone()),
        pending_capacity_bytes: 100_000,
        log_capacity_bytes: 200_000,
        ..swift()
    };
    let sandbox = Sandbox::start_with(config).await.unwrap();
    let event = |length: usize| RawEvent { body: vec![b'x'; length].into(), url: None };
    sandbox.inject_raw(event(100_000)).await.unwrap();
    assert_eq!(sandbox.inject_raw(event(1)).await, Err(TextError::QueueFull { pending: 1 }));
    assert_eq!(post(&sandbox, "/events", json!({"body": 1})).await.body["code"], "queue_full");
    idle(&sandbox).await;
    for _ in 0..10 {
        let long = InboundText::new(PHONE, OURS, "x".repeat(50_000));
        sandbox.inject(long).await.unwrap();
        idle(&sandbox).await;
    }
    assert!(sandbox.deliveries().len() <= 4, "{}", sandbox.deliveries().len());
    let messages = get(&sandbox, "/messages?direction=inbound").await.body;
    assert!(messages["data"].as_array().unwrap().len() <= 4 && messages["dropped"].as_u64() >= Some(6));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn texts_and_events_of_absurd_size_are_refused() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let text = json!({"from": PHONE, "to": OURS, "text": "x".repeat(1024 * 1024)});
    let event = json!({"body": "x".repeat(4 * 1024 * 1024)});
    for (path, body) in [("/texts", text), ("/events", event)] {
        let refused = post(&sandbox, path, body).await;
        assert_eq!((refused.status, &refused.body["code"]), (413, &json!("body_too_large")), "{path}");
    }
    assert!(sandbox.deliveries().is_empty());
}

#[tokio::test]
async fn a_raw_event_is_sent_byte_for_byte_and_signed_at_each_attempt() {
    let receiver = Receiver::answering([Answer::Status(500)]).await;
    let sandbox = sandbox_for(&receiver).await;
    let odd = b"{\"data\": {\"id\": \"\xff\"}, \"data\": 1".as_slice();
    let injected = sandbox.inject_raw(RawEvent { body: odd.into(), url: None }).await.unwrap();
    idle(&sandbox).await;
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    for received in received {
        assert_eq!(received.body, odd);
        received.verify_at(&sandbox, received.timestamp()).unwrap();
    }
    assert_eq!(sandbox.delivery(&injected.event_id).unwrap().event_type, "raw");
}

#[tokio::test]
async fn an_event_of_any_type_can_be_sent_to_any_url() {
    let (profile, elsewhere) = (Receiver::start().await, Receiver::start().await);
    let sandbox = sandbox_for(&profile).await;
    let body = json!({"data": {"event_type": "10dlc.brand.update", "id": "e-1"}});
    let reply = post(&sandbox, "/events", json!({"body": body, "url": elsewhere.url})).await;
    assert_eq!((reply.status, &reply.body), (202, &json!({"id": "", "event_id": "e-1"})));
    idle(&sandbox).await;
    assert_eq!((profile.received().len(), elsewhere.bodies()), (0, vec![body]));
    let listed = get(&sandbox, "/deliveries?event_type=10dlc.brand.update&wait_ms=20000").await.body;
    assert!(listed["data"][0]["raw_base64"].is_string());
    assert_eq!(post(&sandbox, "/events", json!({})).await.status, 422);
}

async fn sandbox_with(receiver: &Receiver, config: SandboxConfig) -> Sandbox {
    Sandbox::start_with(SandboxConfig { webhook_url: Some(receiver.url.clone()), ..config }).await.unwrap()
}

#[tokio::test]
async fn pauses_grow_or_stay_as_asked() {
    for (growth, due) in [(BackoffGrowth::Exponential, [30, 60]), (BackoffGrowth::Fixed, [30, 30])] {
        let receiver = Receiver::answering([500, 500, 500].map(Answer::Status)).await;
        let retry = RetrySettings { backoff: Duration::from_secs(30), growth, ..RetrySettings::default() };
        let frozen_at = Some("2026-07-01T00:00:00Z".parse().unwrap());
        let sandbox = sandbox_with(&receiver, SandboxConfig { retry, frozen_at, ..swift() }).await;
        sandbox.inject(hello()).await.unwrap();
        sandbox.settle(PATIENCE).await.unwrap();
        for (tries, seconds) in due.into_iter().enumerate() {
            sandbox.advance_clock(Duration::from_secs(seconds - 1));
            sandbox.settle(PATIENCE).await.unwrap();
            assert_eq!(receiver.received().len(), tries + 1, "{growth:?}");
            sandbox.advance_clock(Duration::from_secs(1));
            sandbox.settle(PATIENCE).await.unwrap();
            assert_eq!(receiver.received().len(), tries + 2, "{growth:?}");
        }
        idle(&sandbox).await;
    }
}

#[tokio::test]
async fn the_runbook_tries_three_times_at_each_url() {
    let primary = Receiver::answering((0..3).map(|_| Answer::Status(500))).await;
    let failover = Receiver::answering((0..3).map(|_| Answer::Status(500))).await;
    let retry = RetrySettings { backoff: Duration::from_millis(1), ..RetrySettings::runbook() };
    let failover_url = Some(failover.url.clone());
    let sandbox = sandbox_with(&primary, SandboxConfig { retry, failover_url, ..swift() }).await;
    sandbox.inject(hello()).await.unwrap();
    idle(&sandbox).await;
    assert_eq!((attempts(&primary.bodies()), attempts(&failover.bodies())), (vec![1, 2, 3], vec![4, 5, 6]));
}

#[tokio::test]
async fn bodies_are_compact_when_asked_to() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_with(&receiver, SandboxConfig { compact_json: true, ..swift() }).await;
    sandbox.inject(hello()).await.unwrap();
    idle(&sandbox).await;
    let received = receiver.received().remove(0);
    assert_eq!(received.body, serde_json::to_vec(&received.json()).unwrap());
    received.verify_at(&sandbox, received.timestamp()).unwrap();
}

#[tokio::test]
async fn signatures_name_the_worlds_time_unless_the_sandboxs_is_asked_for() {
    for (signing_time, ahead) in [(SigningTime::Wall, false), (SigningTime::Sandbox, true)] {
        let receiver = Receiver::start().await;
        let sandbox = sandbox_with(&receiver, SandboxConfig { signing_time, ..swift() }).await;
        sandbox.inject(hello()).await.unwrap();
        idle(&sandbox).await;
        sandbox.advance_clock(Duration::from_secs(86_400));
        sandbox.inject(hello()).await.unwrap();
        idle(&sandbox).await;
        let times: Vec<i64> = receiver.received().iter().map(Received::timestamp).collect();
        assert_eq!(times[1] - times[0] >= 86_400, ahead, "{signing_time:?}");
        assert_ne!(
            receiver.bodies()[0]["data"]["occurred_at"].as_str().unwrap()[..10],
            receiver.bodies()[1]["data"]["occurred_at"].as_str().unwrap()[..10]
        );
    }
}

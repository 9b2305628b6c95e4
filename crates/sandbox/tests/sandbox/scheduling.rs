//! Messages for later: they wait on the sandbox's clock, leave by themselves, and can be taken back.

use std::time::Duration;

use inlet_sandbox::{CarrierSettings, InboundText, Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::support::*;

const START: &str = "2026-03-01T12:00:00Z";

fn at(time: &str) -> Value {
    json!({"from": OURS, "to": PHONE, "text": "Later", "send_at": time})
}

/// A sandbox whose clock only tests move.
async fn frozen(receiver: &Receiver) -> Sandbox {
    let config = SandboxConfig {
        webhook_url: Some(receiver.url.clone()),
        frozen_at: Some(START.parse().unwrap()),
        sent_delay: Duration::from_secs(1),
        finalized_delay: Duration::from_secs(1),
        ..swift()
    };
    Sandbox::start_with(config).await.unwrap()
}

async fn status(sandbox: &Sandbox, id: &Value) -> Value {
    get_v2(sandbox, &format!("/messages/{}", id.as_str().unwrap())).await.body["data"]["to"][0]["status"]
        .clone()
}

async fn delete(sandbox: &Sandbox, id: &Value) -> Reply {
    delete_v2(sandbox, &format!("/messages/{}", id.as_str().unwrap())).await
}

#[tokio::test]
async fn a_scheduled_message_waits_goes_out_and_ends_as_time_passes() {
    let receiver = Receiver::start().await;
    let sandbox = frozen(&receiver).await;
    let sent = post_v2(&sandbox, "/messages/schedule", at("2026-03-01T13:00:00+00:00")).await;
    let data = &sent.body["data"];
    assert_eq!((sent.status, &data["to"][0]["status"]), (200, &json!("scheduled")));
    assert_eq!(data["valid_until"], "2026-03-01T14:00:00.000+00:00");
    idle(&sandbox).await;
    assert!(receiver.received().is_empty(), "nothing is on its way yet");
    sandbox.advance_clock(Duration::from_secs(60 * 60 - 1));
    assert_eq!(status(&sandbox, &data["id"]).await, "scheduled");
    for (seconds, expected) in [(1, "queued"), (1, "sent"), (1, "delivered")] {
        sandbox.advance_clock(Duration::from_secs(seconds));
        assert_eq!(status(&sandbox, &data["id"]).await, expected);
    }
    idle(&sandbox).await;
    let bodies = receiver.bodies();
    assert_eq!(of_type(&bodies, "message.sent")[0]["data"]["occurred_at"], "2026-03-01T13:00:01.000+00:00");
    let finalized = of_type(&bodies, "message.finalized");
    assert_eq!(finalized[0]["data"]["payload"]["sent_at"], "2026-03-01T13:00:01.000+00:00");
    assert_eq!(bodies.len(), 2);
}

#[tokio::test]
async fn a_scheduled_message_leaves_although_nobody_asks() {
    let receiver = Receiver::start().await;
    let sandbox = frozen(&receiver).await;
    send(&sandbox, at("2026-03-01T12:05:00Z")).await;
    sandbox.advance_clock(Duration::from_secs(24 * 60 * 60));
    eventually(async || receiver.received().len() == 2).await;
}

#[tokio::test]
async fn a_scheduled_message_leaves_although_the_clock_jumps_past_its_days() {
    let receiver = Receiver::start().await;
    let sandbox = frozen(&receiver).await;
    send(&sandbox, at("2026-03-01T12:10:00Z")).await;
    sandbox.advance_clock(Duration::from_secs(40 * 24 * 60 * 60));
    eventually(async || receiver.received().len() == 2).await;
    let bodies = receiver.bodies();
    assert_eq!((of_type(&bodies, "message.sent").len(), of_type(&bodies, "message.finalized").len()), (1, 1));
}

#[tokio::test]
async fn only_times_between_five_minutes_and_five_days_are_taken() {
    let receiver = Receiver::start().await;
    let sandbox = frozen(&receiver).await;
    for (time, code) in [
        ("2026-03-01T12:04:59Z", "10033"),
        ("2026-03-06T12:00:01Z", "10033"),
        ("2026-03-01", "10015"),
        ("2026-03-01T12:30:00", "10015"),
    ] {
        let refused = send(&sandbox, at(time)).await;
        assert_eq!(refused.refusal(), (400, code, "/send_at"), "{time}");
    }
    for time in ["2026-03-01T12:05:00Z", "2026-03-06T12:00:00Z", "2026-03-01T07:30:00-05:00"] {
        assert_eq!(send(&sandbox, at(time)).await.status, 200, "{time}");
    }
    let without = json!({"from": OURS, "to": PHONE, "text": "When?"});
    assert_eq!(post_v2(&sandbox, "/messages/schedule", without).await.refusal(), (400, "10004", "/send_at"));
}

#[tokio::test]
async fn a_scheduled_message_can_be_cancelled_until_a_minute_before() {
    let receiver = Receiver::start().await;
    let sandbox = frozen(&receiver).await;
    let sent = send(&sandbox, at("2026-03-01T13:00:00Z")).await;
    let id = &sent.body["data"]["id"];
    let late = send(&sandbox, at("2026-03-01T12:05:00Z")).await;
    let cancelled = delete(&sandbox, id).await;
    let body = &cancelled.body;
    assert_eq!((cancelled.status, &body["id"], &body["to"][0]["status"]), (200, id, &json!("cancelled")));
    assert_eq!(body["cost"], json!({"amount": "0.0", "currency": "USD"}));
    assert_eq!((&body["cost_breakdown"], &body["valid_until"]), (&Value::Null, &Value::Null));
    assert_eq!(delete(&sandbox, id).await.refusal(), (403, "10010", ""), "once is enough");
    sandbox.advance_clock(Duration::from_secs(4 * 60));
    assert_eq!(delete(&sandbox, &late.body["data"]["id"]).await.refusal(), (403, "10010", ""), "too late");
    sandbox.advance_clock(Duration::from_secs(2 * 60 * 60));
    assert_eq!(status(&sandbox, id).await, "cancelled");
    assert_eq!(status(&sandbox, &late.body["data"]["id"]).await, "delivered");
    idle(&sandbox).await;
    assert_eq!(receiver.received().len(), 2, "a cancelled message sends no webhook");
    assert_eq!(delete(&sandbox, &json!("nobody")).await.refusal(), (404, "10005", ""));
}

#[tokio::test]
async fn the_envelope_of_a_cancellation_is_a_setting() {
    let carrier = CarrierSettings { cancel_in_envelope: true, ..CarrierSettings::default() };
    let config = SandboxConfig { carrier, frozen_at: Some(START.parse().unwrap()), ..swift() };
    let sandbox = Sandbox::start_with(config).await.unwrap();
    let sent = send(&sandbox, at("2026-03-01T13:00:00Z")).await;
    let cancelled = delete(&sandbox, &sent.body["data"]["id"]).await;
    assert_eq!(cancelled.body["data"]["to"][0]["status"], "cancelled");
}

#[tokio::test]
async fn who_opts_out_in_the_meantime_gets_no_scheduled_message() {
    let receiver = Receiver::start().await;
    let sandbox = frozen(&receiver).await;
    let sent = send(&sandbox, at("2026-03-01T13:00:00Z")).await;
    sandbox.inject(InboundText::new(PHONE, OURS, "STOP")).await.unwrap();
    sandbox.advance_clock(Duration::from_secs(2 * 60 * 60));
    idle(&sandbox).await;
    let bodies = receiver.bodies();
    assert!(of_type(&bodies, "message.sent").is_empty());
    let payload = &of_type(&bodies, "message.finalized")[0]["data"]["payload"];
    assert_eq!(
        (&payload["id"], &payload["to"][0]["status"]),
        (&sent.body["data"]["id"], &json!("sending_failed"))
    );
    assert_eq!(payload["errors"][0]["code"], "40300");
}

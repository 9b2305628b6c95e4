//! What carriers do: numbers that misbehave by rule, delays, encodings and parts, receipts of reading.

use std::time::Duration;

use inlet_sandbox::{CarrierSettings, InboundMedia, InboundText, Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::support::*;

fn to(number: &str) -> Value {
    json!({"from": OURS, "to": number, "text": "Hello"})
}

fn says(text: &str, encoding: &str) -> Value {
    json!({"from": OURS, "to": PHONE, "text": text, "encoding": encoding})
}

/// Type and number of the receipts that came.
fn receipts(receiver: &Receiver) -> (usize, usize) {
    let bodies = receiver.bodies();
    (of_type(&bodies, "message.sent").len(), of_type(&bodies, "message.finalized").len())
}

#[tokio::test]
async fn magic_numbers_end_as_their_table_says() {
    let cases = [
        ("+12025550190", "delivery_failed", "40001", (1, 1)),
        ("+12025550191", "delivery_failed", "40008", (1, 1)),
        ("+12025550192", "expired", "40005", (1, 1)),
        ("+12025550193", "sending_failed", "40004", (0, 1)),
        ("+12025550194", "delivery_unconfirmed", "", (1, 1)),
        ("+12025550195", "delivery_failed", "40002", (1, 1)),
        ("+12025550196", "delivery_failed", "40003", (1, 1)),
        ("+12025550197", "sending_failed", "40012", (0, 1)),
        ("+12025550198", "sent", "", (1, 0)),
        ("+12025550199", "delivered", "", (1, 1)),
    ];
    for (number, status, code, expected) in cases {
        let receiver = Receiver::start().await;
        let sandbox = sandbox_for(&receiver).await;
        let sent = send(&sandbox, to(number)).await;
        assert_eq!(sent.body["data"]["errors"], json!([]), "{number}");
        idle(&sandbox).await;
        assert_eq!(receipts(&receiver), expected, "{number}");
        let shown =
            get_v2(&sandbox, &format!("/messages/{}", sent.body["data"]["id"].as_str().unwrap())).await;
        let data = &shown.body["data"];
        assert_eq!(data["to"][0]["status"], status, "{number}");
        assert_eq!(data["errors"][0]["code"].as_str().unwrap_or(""), code, "{number}");
    }
}

#[tokio::test]
async fn a_landline_says_so_and_without_rules_every_number_is_a_mobile_phone() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let party = |reply: Reply| reply.body["data"]["to"][0]["line_type"].clone();
    assert_eq!(party(send(&sandbox, to("+12025550190")).await), "Wireline");
    assert_eq!(party(send(&sandbox, to("+12025550199")).await), "VoIP");
    assert_eq!(party(send(&sandbox, to(PHONE)).await), "Wireless");
    let carrier = CarrierSettings { lines: Vec::new(), ..CarrierSettings::default() };
    let sandbox = Sandbox::start_with(SandboxConfig { carrier, ..swift() }).await.unwrap();
    assert_eq!(party(send(&sandbox, to("+12025550190")).await), "Wireless");
}

/// The times of the receipts of ten messages, and their order.
async fn timing(config: SandboxConfig) -> Vec<(String, String)> {
    let receiver = Receiver::start().await;
    let config = SandboxConfig {
        webhook_url: Some(receiver.url.clone()),
        frozen_at: Some("2026-03-01T12:00:00Z".parse().unwrap()),
        concurrent_attempts: 1,
        ..config
    };
    let sandbox = Sandbox::start_with(config).await.unwrap();
    for _ in 0..10 {
        send(&sandbox, to(PHONE)).await;
    }
    sandbox.advance_clock(Duration::from_secs(60));
    idle(&sandbox).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    receiver
        .bodies()
        .iter()
        .map(|body| (text(&body["data"]["event_type"]), text(&body["data"]["occurred_at"])))
        .collect()
}

#[tokio::test]
async fn delays_are_random_within_their_range_and_the_same_for_the_same_seed() {
    let carrier = CarrierSettings {
        sent_jitter: Duration::from_secs(2),
        finalized_jitter: Duration::from_secs(3),
        ..CarrierSettings::default()
    };
    let config = SandboxConfig { carrier, ..swift() };
    let (one, two) = (timing(config.clone()).await, timing(config.clone()).await);
    assert_eq!((one.len(), &one), (20, &two));
    let times: std::collections::BTreeSet<&String> = one.iter().map(|(_, time)| time).collect();
    assert!(times.len() > 15, "{times:?}");
    assert!(times.last().unwrap().as_str() < "2026-03-01T12:00:05.002", "{times:?}");
    assert_ne!(one, timing(SandboxConfig { seed: [9; 32], ..config }).await);
}

#[tokio::test]
async fn finalized_overtakes_sent_as_often_as_asked() {
    for (probability, first) in [(0.0, "message.sent"), (1.0, "message.finalized")] {
        let carrier = CarrierSettings { finalized_overtakes: probability, ..CarrierSettings::default() };
        let events = timing(SandboxConfig { carrier, ..swift() }).await;
        assert!(events[..10].iter().filter(|(kind, _)| kind == first).count() >= 9, "{events:?}");
    }
}

#[tokio::test]
async fn an_encoding_is_chosen_by_the_text_or_forced() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let cases = [
        ("Hello", "auto", Ok(("GSM-7", 1, false))),
        ("Don\u{2019}t", "auto", Ok(("UCS-2", 1, false))),
        ("Don\u{2019}t", "gsm7", Ok(("GSM-7", 1, true))),
        ("Hello", "gsm7", Ok(("GSM-7", 1, false))),
        ("Hello", "ucs2", Ok(("UCS-2", 1, false))),
        ("Smile 😀", "gsm7", Err(("10015", "/text"))),
        ("\u{200b}", "gsm7", Err(("40316", "/text"))),
        ("Hello", "utf8", Err(("10032", "/encoding"))),
    ];
    for (text, encoding, expected) in cases {
        let reply = send(&sandbox, says(text, encoding)).await;
        match expected {
            Ok((encoding, parts, is_smart)) => {
                let data = &reply.body["data"];
                assert_eq!(
                    (&data["encoding"], &data["parts"], &data["smart_encoding_applied"], &data["text"]),
                    (&json!(encoding), &json!(parts), &json!(is_smart), &json!(text)),
                    "the text stays as it was written"
                );
            }
            Err((code, pointer)) => assert_eq!(reply.refusal(), (400, code, pointer), "{text}"),
        }
    }
    let parts = async |text: String, encoding: &str| {
        send(&sandbox, says(&text, encoding)).await.body["data"]["parts"].clone()
    };
    assert_eq!(parts("a".repeat(160), "auto").await, 1);
    assert_eq!(parts("a".repeat(161), "auto").await, 2);
    assert_eq!(parts("a".repeat(71), "ucs2").await, 2);
    assert_eq!(parts("a".repeat(1530), "auto").await, 10);
    assert_eq!(send(&sandbox, says(&"a".repeat(671), "ucs2")).await.refusal().1, "40302");
}

#[tokio::test]
async fn auto_detect_refuses_a_long_text() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let mut body = says(&"a".repeat(153 * 4 + 1), "auto");
    assert_eq!(send(&sandbox, body.clone()).await.status, 200);
    body["auto_detect"] = json!(true);
    assert_eq!(send(&sandbox, body.clone()).await.refusal(), (400, "40328", "/text"));
    body["auto_detect"] = json!("yes");
    assert_eq!(send(&sandbox, body).await.refusal(), (400, "10026", "/auto_detect"));
}

#[tokio::test]
async fn media_whose_sizes_are_known_are_limited_to_a_megabyte() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    let picture = InboundMedia::upload("image/png", vec![7; 600_000]);
    sandbox.inject(InboundText::new(PHONE, OURS, "see").with_media(picture)).await.unwrap();
    idle(&sandbox).await;
    let url = receiver.bodies()[0]["data"]["payload"]["media"][0]["url"].clone();
    let with_media = |urls: Value| json!({"from": OURS, "to": PHONE, "media_urls": urls});
    let sent = send(&sandbox, with_media(json!([url, "https://example.com/a.png"]))).await;
    let media = &sent.body["data"]["media"];
    assert_eq!((&media[0]["size"], &media[0]["content_type"]), (&json!(600_000), &json!("image/png")));
    assert_eq!((&media[1]["size"], &media[1]["sha256"]), (&Value::Null, &Value::Null));
    assert_eq!(send(&sandbox, with_media(json!([url, url]))).await.refusal(), (400, "40317", "/media_urls"));
}

#[tokio::test]
async fn a_sent_message_can_be_read() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    let id = send(&sandbox, to(PHONE)).await.body["data"]["id"].as_str().unwrap().to_owned();
    let read = post(&sandbox, &format!("/messages/{id}/read"), json!({})).await;
    assert_eq!(read.status, 202);
    idle(&sandbox).await;
    let event = of_type(&receiver.bodies(), "message.read").remove(0);
    assert_eq!(event["data"]["id"], read.body["event_id"]);
    let payload = &event["data"]["payload"];
    assert_eq!((&payload["id"], &payload["type"]), (&json!(id), &json!("RCS")));
    assert_eq!((&payload["to"][0]["status"], &payload["body"]["text"]), (&json!("read"), &json!("Hello")));
    assert_eq!(post(&sandbox, "/messages/none/read", json!({})).await.status, 404);
}

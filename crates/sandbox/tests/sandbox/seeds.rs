//! Equal seeds and equal calls give equal bytes, ids and order, whatever goes wrong on the way.

use std::net::SocketAddr;
use std::time::Duration;

use inlet_sandbox::{InboundMedia, InboundText, Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::support::*;

/// One run: what the receiver got, in order, and what the sandbox answered.
struct Run {
    requests: Vec<(Vec<[String; 2]>, Vec<u8>)>,
    answers: Vec<Value>,
    address: SocketAddr,
}

/// Does the same things each time, at an address, because media are named by it.
async fn run(receiver: &Receiver, address: SocketAddr, seed: u8) -> Run {
    let config = SandboxConfig {
        webhook_url: Some(receiver.url.clone()),
        frozen_at: Some("2026-07-01T00:00:00Z".parse().unwrap()),
        listen: address,
        seed: [seed; 32],
        ..swift()
    };
    let sandbox = Sandbox::start_with(config).await.unwrap();
    let before = receiver.received().len();
    let kinds = [
        json!({"kind": "api_status", "status": 429}),
        json!({"kind": "webhook_duplicate"}),
        json!({"kind": "webhook_drop"}),
        json!({"kind": "webhook_delay", "delay_ms": 700}),
        json!({"kind": "webhook_reorder"}),
        json!({"kind": "wrong_signature"}),
        json!({"kind": "altered_body"}),
        json!({"kind": "stale_timestamp"}),
        json!({"kind": "future_timestamp"}),
        json!({"kind": "carrier_failure", "outcome": "delivery_failed", "code": "40008"}),
    ];
    let with_probability = |mut fault: Value| {
        fault["probability"] = json!(0.3);
        fault
    };
    put_faults(&sandbox, kinds.map(with_probability).into_iter().collect()).await;
    let mut answers = Vec::new();
    for n in 0..12 {
        let text = InboundText::new(PHONE, OURS, n.to_string());
        let text = text.with_media(InboundMedia::upload("image/png", vec![n; 3]));
        answers.push(json!(sandbox.inject(text).await.unwrap()));
        answers.push(send(&sandbox, json!({"from": OURS, "to": PHONE, "text": n.to_string()})).await.body);
    }
    sandbox.settle(PATIENCE).await.unwrap();
    while !sandbox.deliveries().iter().all(|delivery| delivery.finished_at.is_some()) {
        sandbox.advance_clock(Duration::from_millis(500));
        sandbox.settle(PATIENCE).await.unwrap();
    }
    let got = receiver.received().split_off(before);
    let told = |received: Received| {
        let headers = received.headers.iter();
        let headers = headers.map(|(name, value)| [name.to_string(), value.to_str().unwrap().to_owned()]);
        (headers.collect(), received.body.to_vec())
    };
    let address = sandbox.local_addr();
    sandbox.shutdown().await;
    Run { requests: got.into_iter().map(told).collect(), answers, address }
}

#[tokio::test]
async fn equal_seeds_give_equal_runs_and_other_seeds_other_ones() {
    let receiver = Receiver::start().await;
    let first = run(&receiver, "127.0.0.1:0".parse().unwrap(), 1).await;
    let again = run(&receiver, first.address, 1).await;
    let other = run(&receiver, first.address, 2).await;
    assert!(first.requests.len() > 20, "{} requests", first.requests.len());
    assert_eq!(first.answers, again.answers);
    assert_eq!(first.requests.len(), again.requests.len());
    for (one, two) in first.requests.iter().zip(&again.requests) {
        assert_eq!(String::from_utf8_lossy(&one.1), String::from_utf8_lossy(&two.1));
        assert_eq!(one.0, two.0);
    }
    assert_ne!(first.answers, other.answers);
}

//! Telnyx's own record of webhooks, as its API shows it.

use inlet_sandbox::{InboundText, Sandbox};
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn a_delivery_is_recorded_with_every_attempt_the_latest_first() {
    let receiver = Receiver::answering([Answer::Text(500, "no".into()), Answer::Status(200)]).await;
    let sandbox = sandbox_for(&receiver).await;
    let injected = sandbox.inject(InboundText::new(PHONE, OURS, "Hello")).await.unwrap();
    idle(&sandbox).await;
    let list = get_v2(&sandbox, "/webhook_deliveries").await;
    let record = list.body["data"][0].clone();
    assert_eq!(
        (&record["status"], &record["record_type"]),
        (&json!("delivered"), &json!("webhook_delivery"))
    );
    assert_eq!(record["webhook"]["id"], json!(injected.event_id));
    let attempts = record["attempts"].as_array().unwrap();
    let statuses: Vec<_> =
        attempts.iter().map(|attempt| attempt["http"]["response"]["status"].clone()).collect();
    assert_eq!(statuses, [200, 500]);
    assert_eq!(attempts[1]["http"]["response"]["body"], "no");
    assert_eq!((&attempts[1]["errors"], &attempts[1]["status"]), (&json!([75500]), &json!("failed")));
    assert_eq!(attempts[0]["http"]["request"]["url"], receiver.url.as_str());
    let signature = receiver.received()[1].headers["telnyx-signature-ed25519"].to_str().unwrap().to_owned();
    let sent = attempts[0]["http"]["request"]["headers"].as_array().unwrap();
    assert!(sent.contains(&json!(["telnyx-signature-ed25519", signature])));
    let path = format!("/webhook_deliveries/{}", record["id"].as_str().unwrap());
    assert_eq!(get_v2(&sandbox, &path).await.body["data"], record);
    assert_eq!(get_v2(&sandbox, "/webhook_deliveries/none").await.refusal(), (404, "10005", ""));
}

#[tokio::test]
async fn records_are_found_by_status_type_text_and_time() {
    let receiver = Receiver::answering(vec![Answer::Status(404); 3]).await;
    let sandbox = sandbox_for(&receiver).await;
    sandbox.inject(InboundText::new(PHONE, OURS, "Nobody hears this")).await.unwrap();
    idle(&sandbox).await;
    sandbox.inject(InboundText::new(PHONE, OURS, "Hello")).await.unwrap();
    send(&sandbox, json!({"from": OURS, "to": PHONE, "text": "Hi"})).await;
    idle(&sandbox).await;
    let count = async |query: &str| {
        let found = get_v2(&sandbox, &format!("/webhook_deliveries?{query}")).await;
        found.body["meta"]["total_results"].as_u64().unwrap_or_else(|| panic!("{}", found.body))
    };
    assert_eq!(count("").await, 4);
    assert_eq!(count("filter[status][eq]=failed").await, 1);
    assert_eq!(count("filter[event_type]=message.sent,message.finalized").await, 2);
    assert_eq!(count("filter[webhook][contains]=Nobody").await, 1);
    assert_eq!(count("filter[attempts][contains]=404").await, 1);
    assert_eq!(count("filter[started_at][gte]=2020-01-01").await, 4);
    assert_eq!(count("filter[finished_at][lte]=2020-01-01T00:00:00Z").await, 0);
    let wrong = get_v2(&sandbox, "/webhook_deliveries?filter[started_at][gte]=soon").await;
    assert_eq!(wrong.refusal(), (400, "10015", ""));
}

#[tokio::test]
async fn what_had_nowhere_to_go_is_no_record() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    sandbox.inject(InboundText::new(PHONE, OURS, "Hello")).await.unwrap();
    idle(&sandbox).await;
    assert_eq!(get_v2(&sandbox, "/webhook_deliveries").await.body["meta"]["total_results"], 0);
}

//! What an account looks back on: detail records, reports, metrics, opt-outs.

use std::time::Duration;

use inlet_sandbox::{InboundText, Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::support::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A sandbox whose clock stands still, with a text in, one out, and one that fails.
async fn eventful() -> Sandbox {
    let frozen_at = Some("2026-03-04T15:00:00Z".parse().unwrap());
    let sandbox = Sandbox::start_with(SandboxConfig { frozen_at, ..swift() }).await.unwrap();
    sandbox.inject(InboundText::new(PHONE, OURS, "Hi")).await.unwrap();
    send(&sandbox, json!({"from": OURS, "to": PHONE, "text": "Hello"})).await;
    let failure =
        json!([{"kind": "carrier_failure", "outcome": "delivery_failed", "code": "40002", "count": 1}]);
    assert_eq!(put_faults(&sandbox, failure).await.status, 200);
    send(&sandbox, json!({"from": OURS, "to": PHONE, "text": "Buy now", "type": "MMS"})).await;
    sandbox.advance_clock(Duration::from_secs(60));
    idle(&sandbox).await;
    sandbox
}

async fn search(sandbox: &Sandbox, query: &str) -> Reply {
    get_v2(sandbox, &format!("/detail_records?filter[record_type]=messaging&{query}")).await
}

#[tokio::test]
async fn messages_that_have_ended_have_detail_records() {
    let sandbox = eventful().await;
    let records = search(&sandbox, "sort=status").await;
    assert_eq!(each(&records, "status"), ["delivered", "failed", "received"]);
    assert_eq!(each(&records, "direction"), ["outbound", "outbound", "inbound"]);
    let delivered = &records.body["data"][0];
    let expected = json!({"cli": OURS, "cld": PHONE, "message_type": "SMS", "parts": 1, "on_net": false});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(delivered[name], *value, "{name}");
    }
    assert_eq!((&delivered["cost"], &delivered["rate"]), (&json!("0.00700"), &json!("0.00400")));
    assert_eq!(each(&records, "errors"), [json!([]), json!(["40002"]), json!([])]);
}

#[tokio::test]
async fn detail_records_are_searched_by_any_field_and_by_days() {
    let sandbox = eventful().await;
    let count = async |query: &str| {
        let found = search(&sandbox, query).await;
        found.body["meta"]["total_results"].as_u64().unwrap_or_else(|| panic!("{}", found.body))
    };
    assert_eq!(count("filter[status]=delivered").await, 1);
    assert_eq!(count("filter[cld][contains]=1234567").await, 2);
    assert_eq!(count("filter[cld][starts_with]=1555123").await, 2);
    assert_eq!(count("filter[cli]=%2B15559876543&filter[message_type]=MMS").await, 1);
    assert_eq!(count("filter[errors]=40002").await, 1);
    assert_eq!(count("filter[created_at][gte]=2026-03-04").await, 3);
    assert_eq!(count("filter[created_at][lt]=2026-03-04").await, 0);
    assert_eq!(count("filter[date_range]=today").await, 3);
    assert_eq!(count("filter[date_range]=last_month").await, 0);
    sandbox.advance_clock(DAY);
    assert_eq!(count("filter[date_range]=today").await, 0);
    assert_eq!(count("filter[date_range]=last_2_days").await, 3);
    assert_eq!(search(&sandbox, "page[size]=250").await.body["meta"]["page_size"], 50);
    assert_eq!(search(&sandbox, "sort=-colour").await.refusal(), (400, "10032", ""));
    assert_eq!(search(&sandbox, "filter[colour]=red").await.refusal(), (501, "10037", ""));
    assert_eq!(get_v2(&sandbox, "/detail_records").await.refusal(), (400, "10004", ""));
    let calls = get_v2(&sandbox, "/detail_records?filter[record_type]=call-control").await;
    assert_eq!(calls.refusal(), (501, "10037", ""));
}

#[tokio::test]
async fn a_message_under_way_has_no_record_yet() {
    let frozen_at = Some("2026-03-04T15:00:00Z".parse().unwrap());
    let sandbox = Sandbox::start_with(SandboxConfig { frozen_at, ..swift() }).await.unwrap();
    send(&sandbox, json!({"from": OURS, "to": PHONE, "text": "Hello"})).await;
    assert_eq!(search(&sandbox, "").await.body["meta"]["total_results"], 0);
}

#[tokio::test]
async fn the_older_report_has_the_same_messages() {
    let sandbox = eventful().await;
    let report = async |query: &str| get_v2(&sandbox, &format!("/reports/mdrs?{query}")).await;
    assert_eq!(each(&report("").await, "status"), ["FAILED", "DELIVERED", "RECEIVED"]);
    assert_eq!(each(&report("direction=INBOUND").await, "cli"), [PHONE]);
    assert_eq!(each(&report("status=DELIVERED&profile=Default").await, "cost"), ["0.00700"]);
    assert!(each(&report("profile=Other").await, "id").is_empty());
    assert!(each(&report("start_date=2026-03-05").await, "id").is_empty());
}

#[tokio::test]
async fn metrics_are_counted_from_the_messages_of_the_time_frame() {
    let sandbox = eventful().await;
    let path = format!("/messaging_profiles/{}/metrics", sandbox.messaging_profile_id());
    let hour = get_v2(&sandbox, &format!("{path}?time_frame=1h")).await.body["data"].clone();
    assert_eq!(
        hour["overview"],
        json!({
            "inbound": {"received": 1}, "phone_numbers": 2,
            "outbound": {"delivered": 1, "error_ratio": 0.5, "sent": 2},
        })
    );
    let detailed = hour["detailed"].as_array().unwrap();
    assert_eq!((detailed.len(), &detailed[11]["metrics"][1]), (12, &json!({"data": "2", "label": "sent"})));
    sandbox.advance_clock(DAY);
    let all = get_v2(&sandbox, "/messaging_profile_metrics").await.body["data"][0].clone();
    assert_eq!((&all["outbound"]["sent"], &all["inbound"]["received"]), (&json!(0), &json!(0)));
    let wrong = get_v2(&sandbox, &format!("{path}?time_frame=2h")).await;
    assert_eq!(wrong.refusal(), (400, "10032", ""));
    assert_eq!(get_v2(&sandbox, "/messaging_profiles/none/metrics").await.refusal(), (404, "10005", ""));
}

#[tokio::test]
async fn the_health_of_a_number_is_counted_from_its_messages() {
    let sandbox = eventful().await;
    let health = each(&get_v2(&sandbox, "/phone_numbers/messaging").await, "health");
    assert_eq!(
        health[0],
        json!({"inbound_outbound_ratio": 0.5, "message_count": 3, "spam_ratio": 0.5, "success_ratio": 0.5})
    );
    assert_eq!(health[1]["message_count"], 0);
}

#[tokio::test]
async fn opt_outs_are_listed_until_they_are_taken_back() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let list = async |query: &str| get_v2(&sandbox, &format!("/messaging_optouts?{query}")).await;
    sandbox.inject(InboundText::new(PHONE, OURS, "stop")).await.unwrap();
    let opt_out = list("").await.body["data"][0].clone();
    assert_eq!((&opt_out["from"], &opt_out["to"]), (&json!(OURS), &json!(PHONE)));
    assert_eq!(
        (&opt_out["keyword"], &opt_out["messaging_profile_id"]),
        (&json!("STOP"), &json!(sandbox.messaging_profile_id()))
    );
    assert_eq!(each(&list("redaction_enabled=true").await, "to"), ["+1555123****"]);
    assert_eq!(each(&list(&format!("filter[from]={OURS}&created_at[gte]=2020-01-01")).await, "to"), [PHONE]);
    for query in ["filter[from]=12345", "filter[messaging_profile_id]=other", "created_at[lte]=2020-01-01"] {
        assert_eq!(each(&list(query).await, "to"), [Value::Null; 0], "{query}");
    }
    sandbox.inject(InboundText::new(PHONE, OURS, "start")).await.unwrap();
    assert!(each(&list("").await, "to").is_empty());
}

//! Group MMS: one message to several, a receipt for each, and an inbound copy for numbers of the account.

use inlet_sandbox::{CarrierSettings, Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::support::*;

const FRIEND: &str = "+15551112222";

fn group(to: &[&str]) -> Value {
    json!({"from": OURS, "to": to, "text": "Noon?"})
}

fn statuses(payload: &Value) -> Vec<(&str, &str)> {
    let to = payload["to"].as_array().unwrap().iter();
    to.map(|to| (to["phone_number"].as_str().unwrap(), to["status"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn each_recipient_of_a_group_gets_a_receipt_of_its_own() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    let sent = post_v2(&sandbox, "/messages/group_mms", group(&[PHONE, FRIEND])).await;
    let data = &sent.body["data"];
    assert_eq!((sent.status, &data["type"], &data["cc"]), (200, &json!("MMS"), &json!([])));
    assert_eq!(statuses(data), [(PHONE, "queued"), (FRIEND, "queued")]);
    assert_eq!(data["cost"]["amount"], "0.0500", "two recipients");
    idle(&sandbox).await;
    let bodies = receiver.bodies();
    assert_eq!(of_type(&bodies, "message.sent").len(), 1);
    let mut finalized = of_type(&bodies, "message.finalized");
    finalized.sort_by_key(|body| body["data"]["payload"]["to"][1]["status"] == "unknown");
    let payloads: Vec<&Value> = finalized.iter().map(|body| &body["data"]["payload"]).collect();
    assert!(payloads.iter().all(|payload| payload["id"] == data["id"]));
    assert!(payloads.iter().all(|payload| payload["group_message_id"] == data["group_message_id"]));
    assert_eq!(statuses(payloads[0]), [(PHONE, "unknown"), (FRIEND, "sent")]);
    assert_eq!(statuses(payloads[1]), [(PHONE, "unknown"), (FRIEND, "unknown")]);
    for id in [&data["group_message_id"], &data["id"]] {
        let shown = get_v2(&sandbox, &format!("/messages/group/{}", id.as_str().unwrap())).await;
        assert_eq!(shown.body["data"].as_array().unwrap().len(), 1);
        assert_eq!(shown.body["data"][0]["id"], data["id"]);
    }
    assert_eq!(get_v2(&sandbox, "/messages/group/none").await.refusal(), (404, "10005", ""));
}

#[tokio::test]
async fn numbers_of_the_account_get_the_group_message_as_a_text() {
    for (cc_includes_own_number, cc) in [(false, vec![PHONE]), (true, vec![PHONE, OUR_SECOND])] {
        let receiver = Receiver::start().await;
        let carrier = CarrierSettings {
            cc_includes_own_number,
            group_phones_report: true,
            ..CarrierSettings::default()
        };
        let config = SandboxConfig { carrier, webhook_url: Some(receiver.url.clone()), ..swift() };
        let sandbox = Sandbox::start_with(SandboxConfig { cc_as_strings: true, ..config }).await.unwrap();
        let sent = post_v2(&sandbox, "/messages/group_mms", group(&[PHONE, OUR_SECOND])).await;
        idle(&sandbox).await;
        let bodies = receiver.bodies();
        let arrived = of_type(&bodies, "message.received");
        let payload = &arrived[0]["data"]["payload"];
        assert_eq!((arrived.len(), &payload["cc"]), (1, &json!(cc)));
        assert_eq!((&payload["from"]["phone_number"], &payload["type"]), (&json!(OURS), &json!("MMS")));
        assert_eq!(payload["to"][0]["phone_number"], OUR_SECOND);
        let shown =
            get_v2(&sandbox, &format!("/messages/{}", sent.body["data"]["id"].as_str().unwrap())).await;
        assert_eq!(statuses(&shown.body["data"]), [(PHONE, "delivered"), (OUR_SECOND, "delivered")]);
    }
}

#[tokio::test]
async fn a_group_has_up_to_eight_members_of_north_america_none_of_them_twice() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let many: Vec<String> = (0..9).map(|last| format!("+1555000000{last}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let cases = [
        (group(&many), "10033"),
        (group(&[]), "10033"),
        (group(&[PHONE, PHONE]), "10033"),
        (json!({"from": OURS, "to": PHONE, "text": "x"}), "10026"),
        (group(&[PHONE, "555"]), "40301"),
        (group(&[PHONE, "nobody"]), "40310"),
        (group(&[PHONE, "+4915112345678"]), "40301"),
        (json!({"from": OURS, "text": "x"}), "10004"),
    ];
    for (body, code) in cases {
        let reply = post_v2(&sandbox, "/messages/group_mms", body.clone()).await;
        assert_eq!(reply.refusal(), (400, code, "/to"), "{body}");
    }
    assert_eq!(post_v2(&sandbox, "/messages/group_mms", group(&many[..8])).await.status, 200);
}

//! Telnyx's API: sending, retrieving, profiles, refusals, receipts, idempotency.

use std::time::Duration;

use inlet_sandbox::{CarrierSettings, InboundText, ProfileSettings, Sandbox, SandboxConfig};
use inlet_telnyx::PhoneNumber;
use serde_json::{Value, json};

use crate::support::*;

fn message() -> Value {
    json!({"from": OURS, "to": PHONE, "text": "Hello"})
}

fn with(name: &str, value: Value) -> Value {
    let mut body = message();
    body[name] = value;
    body
}

#[tokio::test]
async fn a_sent_message_is_answered_as_queued_and_gets_both_receipts() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    let answer = send(&sandbox, message()).await;
    let data = &answer.body["data"];
    assert_eq!(answer.status, 200);
    assert_eq!(data["to"][0]["status"], "queued");
    assert_eq!(
        (&data["sent_at"], &data["completed_at"], &data["errors"]),
        (&json!(null), &json!(null), &json!([]))
    );
    assert_eq!(
        (&data["direction"], &data["type"], &data["encoding"], &data["parts"]),
        (&json!("outbound"), &json!("SMS"), &json!("GSM-7"), &json!(1))
    );
    assert_eq!(data["cost"], json!({"amount": "0.0070", "currency": "USD"}));
    idle(&sandbox).await;
    let bodies = receiver.bodies();
    let (sent, finalized) = (of_type(&bodies, "message.sent"), of_type(&bodies, "message.finalized"));
    assert_eq!((sent.len(), finalized.len()), (1, 1));
    assert_eq!(sent[0]["data"]["payload"]["id"], data["id"]);
    assert_eq!(sent[0]["data"]["payload"]["to"][0]["status"], "sent");
    assert_eq!(finalized[0]["data"]["payload"]["to"][0]["status"], "delivered");
    assert_ne!(sent[0]["data"]["id"], finalized[0]["data"]["id"]);
    assert!(
        receiver.received().iter().all(|received| received.verify_at(&sandbox, received.timestamp()).is_ok())
    );
    let shown = get_v2(&sandbox, &format!("/messages/{}", data["id"].as_str().unwrap())).await;
    assert_eq!((shown.status, &shown.body["data"]["to"][0]["status"]), (200, &json!("delivered")));
}

#[tokio::test]
async fn each_mistake_gets_its_own_code_and_place() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let cases = [
        (json!({"from": OURS, "text": "Hi"}), (400, "10004", "/to")),
        (with("to", json!(15551234567_u64)), (400, "10020", "/to")),
        (with("to", json!([PHONE])), (400, "10020", "/to")),
        (with("to", json!("5551234567")), (400, "40310", "/to")),
        (with("to", json!("75973")), (400, "40301", "/to")),
        (json!({"to": PHONE, "text": "Hi"}), (400, "10004", "/from")),
        (with("from", json!("+15550000000")), (400, "40305", "/from")),
        (with("webhook_url", json!("ftp://x")), (400, "10003", "/webhook_url")),
        (with("messaging_profile_id", json!("nowhere")), (404, "10005", "/messaging_profile_id")),
        (with("type", json!("FAX")), (400, "10032", "/type")),
        (with("text", json!("")), (400, "40316", "/text")),
        (with("media_urls", json!(vec!["http://x/"; 11])), (400, "40317", "/media_urls")),
        (with("text", json!("x".repeat(1531))), (400, "40302", "/text")),
        (with("send_at", json!("2130-01-01T00:00:00Z")), (400, "10033", "/send_at")),
        (with("use_profile_webhooks", json!("no")), (400, "10026", "/use_profile_webhooks")),
    ];
    for (body, expected) in cases {
        assert_eq!(send(&sandbox, body.clone()).await.refusal(), expected, "{body}");
    }
    for (body, expected) in [("{", (400, "10023", "")), ("[]", (400, "10015", ""))] {
        let request = client().post(format!("{}/messages", sandbox.api_url())).bearer_auth(sandbox.api_key());
        assert_eq!(Reply::of(request.body(body)).await.refusal(), expected);
    }
}

#[tokio::test]
async fn of_several_mistakes_the_first_in_order_is_named() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let mut body = json!({"from": "+15550000000", "messaging_profile_id": "nowhere", "text": ""});
    let url = format!("{}/messages", sandbox.api_url());
    assert_eq!(Reply::of(client().post(&url).body("{")).await.refusal(), (401, "10009", ""));
    assert_eq!(
        Reply::of(client().post(&url).bearer_auth("KEYwrong").body("{")).await.refusal(),
        (401, "10009", "")
    );
    let mut expect = async |change: (&str, Value), code: &str| {
        body[change.0] = change.1;
        assert_eq!(send(&sandbox, body.clone()).await.refusal().1, code);
    };
    expect(("text", json!("")), "10004").await;
    expect(("to", json!("12")), "40310").await;
    expect(("to", json!(PHONE)), "40305").await;
    expect(("from", json!(OURS)), "10005").await;
    expect(("messaging_profile_id", json!(sandbox.messaging_profile_id())), "40316").await;
}

#[tokio::test]
async fn every_status_of_an_error_is_a_setting() {
    let config = SandboxConfig { error_statuses: [("40310".to_owned(), 422)].into(), ..swift() };
    let sandbox = Sandbox::start_with(config).await.unwrap();
    assert_eq!(send(&sandbox, with("to", json!("x"))).await.refusal(), (422, "40310", "/to"));
}

#[tokio::test]
async fn a_disabled_profile_and_a_foreign_destination_refuse() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let path = format!("{}/messaging_profiles/{}", sandbox.api_url(), sandbox.messaging_profile_id());
    let patch =
        async |body: Value| Reply::of(client().patch(&path).bearer_auth(sandbox.api_key()).json(&body)).await;
    assert_eq!(patch(json!({"whitelisted_destinations": ["DE"]})).await.status, 200);
    assert_eq!(send(&sandbox, message()).await.refusal(), (400, "40309", "/to"));
    assert_eq!(patch(json!({"whitelisted_destinations": ["US"], "enabled": false})).await.status, 200);
    assert_eq!(send(&sandbox, message()).await.refusal(), (400, "40312", "/messaging_profile_id"));
    assert_eq!(
        patch(json!({"enabled": true, "mms_transcoding": true})).await.refusal(),
        (501, "10037", "/mms_transcoding")
    );
    assert_eq!(send(&sandbox, message()).await.refusal().1, "40312", "a refused change changes nothing");
    assert_eq!(patch(json!({"enabled": true, "mms_transcoding": false})).await.status, 200);
    assert_eq!(send(&sandbox, message()).await.status, 200);
}

#[tokio::test]
async fn profiles_are_listed_shown_and_point_webhooks_elsewhere() {
    let receiver = Receiver::start().await;
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let list = get_v2(&sandbox, "/messaging_profiles").await.body;
    assert_eq!(
        list["meta"],
        json!({"page_number": 1, "page_size": 20, "total_pages": 1, "total_results": 1})
    );
    assert_eq!(list["data"][0]["id"], sandbox.messaging_profile_id());
    let path = format!("/messaging_profiles/{}", sandbox.messaging_profile_id());
    let patch = client().patch(format!("{}{path}", sandbox.api_url())).bearer_auth(sandbox.api_key());
    let changed =
        Reply::of(patch.json(&json!({"webhook_url": receiver.url, "webhook_failover_url": ""}))).await;
    assert_eq!(changed.body["data"]["webhook_url"], receiver.url.as_str());
    assert_eq!(get_v2(&sandbox, &path).await.body["data"], changed.body["data"]);
    sandbox.inject(InboundText::new(PHONE, OURS, "Hello")).await.unwrap();
    idle(&sandbox).await;
    assert_eq!(receiver.received().len(), 1);
    assert_eq!(get_v2(&sandbox, "/messaging_profiles/none").await.refusal(), (404, "10005", ""));
}

#[tokio::test]
async fn receipts_go_to_the_requests_url_before_the_profiles_and_to_none_when_told_so() {
    let (profile, request) = (Receiver::start().await, Receiver::start().await);
    let sandbox = sandbox_for(&profile).await;
    send(&sandbox, with("webhook_url", json!(request.url))).await;
    idle(&sandbox).await;
    assert_eq!((profile.received().len(), request.received().len()), (0, 2));
    send(&sandbox, with("use_profile_webhooks", json!(false))).await;
    idle(&sandbox).await;
    assert_eq!((profile.received().len(), request.received().len()), (0, 2));
    send(&sandbox, message()).await;
    idle(&sandbox).await;
    assert_eq!(profile.received().len(), 2);
}

#[tokio::test]
async fn the_profiles_url_backs_up_the_requests_own_where_that_is_set() {
    for (profile_webhooks_back_up, expected) in [(false, 0), (true, 2)] {
        let (profile, request) =
            (Receiver::start().await, Receiver::answering(vec![Answer::Status(500); 6]).await);
        let carrier = CarrierSettings { profile_webhooks_back_up, ..CarrierSettings::default() };
        let config = SandboxConfig { carrier, webhook_url: Some(profile.url.clone()), ..swift() };
        let sandbox = Sandbox::start_with(config).await.unwrap();
        send(&sandbox, with("webhook_url", json!(request.url))).await;
        idle(&sandbox).await;
        assert_eq!((request.received().len(), profile.received().len()), (6, expected));
    }
}

#[tokio::test]
async fn a_message_to_another_own_number_arrives_there_as_a_text() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    let sent = send(&sandbox, with("to", json!(OUR_SECOND))).await;
    idle(&sandbox).await;
    let bodies = receiver.bodies();
    assert_eq!(bodies.len(), 3);
    let arrived = &of_type(&bodies, "message.received")[0]["data"]["payload"];
    assert_eq!((&arrived["direction"], &arrived["text"]), (&json!("inbound"), &json!("Hello")));
    assert_eq!(arrived["from"]["phone_number"], OURS);
    assert_eq!(arrived["to"][0]["phone_number"], OUR_SECOND);
    assert_ne!(arrived["id"], sent.body["data"]["id"]);
}

#[tokio::test]
async fn an_idempotency_key_sends_once_and_replays_the_answer() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    let keyed = |key: &str, body: &Value| send_request(&sandbox, body).header("idempotency-key", key);
    let first = Reply::of(keyed("k-1", &message())).await;
    let again = Reply::of(keyed("k-1", &message())).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(Reply::of(keyed("k-1", &with("text", json!("other")))).await.refusal(), (422, "10027", ""));
    assert_eq!(Reply::of(keyed("no spaces", &message())).await.refusal(), (400, "10015", ""));
    let elsewhere = client().post(format!("{}/messages/long_code", sandbox.api_url())).json(&message());
    let elsewhere =
        Reply::of(elsewhere.bearer_auth(sandbox.api_key()).header("idempotency-key", "k-1")).await;
    assert_ne!(elsewhere.body["data"]["id"], first.body["data"]["id"], "each call has keys of its own");
    assert_eq!(Reply::of(keyed("k-2", &with("to", json!("x")))).await.refusal().1, "40310");
    assert_eq!(Reply::of(keyed("k-2", &message())).await.status, 200, "a refusal is not kept");
    idle(&sandbox).await;
    assert_eq!(receiver.received().len(), 6);
    sandbox.advance_clock(Duration::from_secs(24 * 60 * 60));
    assert_ne!(Reply::of(keyed("k-1", &message())).await.body["data"]["id"], first.body["data"]["id"]);
}

#[tokio::test]
async fn messages_can_be_retrieved_for_ten_days() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let inbound = sandbox.inject(InboundText::new(PHONE, OURS, "Hello")).await.unwrap();
    let path = format!("/messages/{}", inbound.id);
    assert_eq!(get_v2(&sandbox, &path).await.body["data"]["direction"], "inbound");
    sandbox.advance_clock(Duration::from_secs(10 * 24 * 60 * 60));
    assert_eq!(get_v2(&sandbox, &path).await.refusal(), (404, "10005", ""));
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_in_the_envelope() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let reply = send(&sandbox, with("text", json!("x".repeat(1024 * 1024)))).await;
    assert_eq!(reply.refusal(), (413, "10025", ""));
}

#[tokio::test]
async fn two_receivers_with_a_profile_each_can_text_each_other() {
    let (ours, theirs) = (Receiver::start().await, Receiver::start().await);
    let number: PhoneNumber = "+15559870000".parse().unwrap();
    let further = ProfileSettings {
        name: "Theirs".to_owned(),
        numbers: vec![number.clone()],
        webhook_url: Some(theirs.url.clone()),
        failover_url: None,
    };
    let config =
        SandboxConfig { webhook_url: Some(ours.url.clone()), further_profiles: vec![further], ..swift() };
    let sandbox = Sandbox::start_with(config).await.unwrap();
    send(&sandbox, with("to", json!(number))).await;
    idle(&sandbox).await;
    assert_eq!((ours.received().len(), theirs.received().len()), (2, 1));
    let arrived = theirs.bodies().remove(0)["data"]["payload"].clone();
    assert_eq!(arrived["messaging_profile_id"], json!(sandbox.messaging_profile_id_of(&number)));
    send(&sandbox, json!({"from": number, "to": OURS, "text": "back"})).await;
    idle(&sandbox).await;
    assert_eq!((ours.received().len(), theirs.received().len()), (3, 3));
    let wrong = with("messaging_profile_id", json!(sandbox.messaging_profile_id_of(&number)));
    assert_eq!(send(&sandbox, wrong).await.refusal(), (400, "40305", "/from"));
}

#[tokio::test]
async fn a_field_that_no_send_has_and_a_wrong_encoding_are_refused() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    for name in ["media_url", "webhookUrl", "bogus"] {
        let refused = send(&sandbox, with(name, json!(null))).await;
        assert_eq!(refused.refusal(), (400, "10015", format!("/{name}").as_str()));
    }
    let mut picture = with("encoding", json!("nonsense"));
    picture["type"] = json!("MMS");
    assert_eq!(send(&sandbox, picture).await.refusal(), (400, "10032", "/encoding"));
    assert_eq!(send(&sandbox, with("encoding", json!(7))).await.refusal(), (400, "10020", "/encoding"));
}

#[tokio::test]
async fn every_field_of_the_sdks_is_taken_by_every_kind_of_send() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let mut body = message();
    for (name, value) in [
        ("auto_detect", json!(false)),
        ("encoding", json!("auto")),
        ("media_urls", json!([])),
        ("messaging_profile_id", json!(sandbox.messaging_profile_id())),
        ("send_at", json!(null)),
        ("subject", json!("")),
        ("tags", json!(["a"])),
        ("type", json!("SMS")),
        ("use_profile_webhooks", json!(true)),
        ("webhook_failover_url", json!("")),
        ("webhook_url", json!("")),
    ] {
        body[name] = value;
    }
    for path in ["/messages", "/messages/long_code"] {
        assert_eq!(post_v2(&sandbox, path, body.clone()).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_message_to_an_own_number_without_a_profile_is_not_delivered() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    let path = format!("/phone_numbers/{OUR_SECOND}/messaging");
    assert_eq!(patch_v2(&sandbox, &path, json!({"messaging_profile_id": ""})).await.status, 200);
    let sent = send(&sandbox, with("to", json!(OUR_SECOND))).await;
    assert_eq!(sent.status, 200);
    idle(&sandbox).await;
    let bodies = receiver.bodies();
    assert!(of_type(&bodies, "message.received").is_empty());
    let finalized = &of_type(&bodies, "message.finalized")[0]["data"]["payload"];
    assert_eq!(
        (&finalized["to"][0]["status"], &finalized["errors"][0]["code"]),
        (&json!("delivery_failed"), &json!("40008"))
    );
}

#[tokio::test]
async fn a_sandbox_without_webhooks_is_idle_only_when_its_messages_have_ended() {
    let config = SandboxConfig { finalized_delay: Duration::from_millis(200), ..swift() };
    let sandbox = Sandbox::start_with(config).await.unwrap();
    let sent = send(&sandbox, message()).await;
    idle(&sandbox).await;
    let path = format!("/messages/{}", sent.body["data"]["id"].as_str().unwrap());
    assert_eq!(get_v2(&sandbox, &path).await.body["data"]["to"][0]["status"], "delivered");
}

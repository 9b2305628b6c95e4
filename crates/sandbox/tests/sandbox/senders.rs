//! Who messages come from: pools, short codes, names; and the switches of a profile that act on what is sent.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use inlet_sandbox::{InboundText, Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::support::*;

const TOLL_FREE: &str = "+18005550100";
const CHICAGO: &str = "+13125550000";
const ABROAD: &str = "+4915112345678";

async fn with_numbers(numbers: &[&str]) -> Sandbox {
    let numbers = numbers.iter().map(|number| number.parse().unwrap()).collect();
    Sandbox::start_with(SandboxConfig { numbers, ..swift() }).await.unwrap()
}

async fn profile(sandbox: &Sandbox, changes: Value) {
    let path = format!("/messaging_profiles/{}", sandbox.messaging_profile_id());
    let changed = patch_v2(sandbox, &path, changes).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
}

async fn pooled(sandbox: &Sandbox, to: &str) -> Reply {
    let body = json!({"to": to, "text": "Hi", "messaging_profile_id": sandbox.messaging_profile_id()});
    post_v2(sandbox, "/messages/number_pool", body).await
}

fn from(reply: &Reply) -> String {
    reply.body["data"]["from"]["phone_number"].as_str().unwrap_or_else(|| panic!("{}", reply.body)).to_owned()
}

fn pool(changes: Value) -> Value {
    let mut settings = json!({"long_code_weight": 1, "toll_free_weight": 1, "skip_unhealthy": true});
    settings.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    json!({ "number_pool_settings": settings })
}

async fn drawn(sandbox: &Sandbox, count: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..count {
        *counts.entry(from(&pooled(sandbox, PHONE).await)).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn a_pool_draws_by_weight_and_the_same_way_for_the_same_seed() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let sandbox = with_numbers(&[OURS, OUR_SECOND, TOLL_FREE]).await;
        assert_eq!(drawn(&sandbox, 30).await.len(), 3, "without settings all numbers are equal");
        profile(&sandbox, pool(json!({"toll_free_weight": 10}))).await;
        let counts = drawn(&sandbox, 60).await;
        assert!(counts[TOLL_FREE] > 40 && counts.len() == 3, "{counts:?}");
        runs.push(counts);
        profile(&sandbox, pool(json!({"toll_free_weight": 0}))).await;
        assert!(!drawn(&sandbox, 20).await.contains_key(TOLL_FREE));
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn a_pool_prefers_the_area_and_keeps_to_a_sender_where_asked() {
    let sandbox = with_numbers(&[OURS, OUR_SECOND, CHICAGO]).await;
    profile(&sandbox, pool(json!({"geomatch": true}))).await;
    for _ in 0..5 {
        assert_eq!(from(&pooled(&sandbox, "+13125559999").await), CHICAGO);
    }
    profile(&sandbox, pool(json!({"sticky_sender": true}))).await;
    let first = from(&pooled(&sandbox, PHONE).await);
    for _ in 0..10 {
        assert_eq!(from(&pooled(&sandbox, PHONE).await), first);
    }
}

#[tokio::test]
async fn a_pool_is_also_meant_by_a_profile_without_a_sender_and_may_be_empty() {
    let sandbox = with_numbers(&[OURS]).await;
    let body = json!({"to": PHONE, "text": "Hi", "messaging_profile_id": sandbox.messaging_profile_id()});
    assert_eq!(from(&send(&sandbox, body).await), OURS);
    let nameless = post_v2(&sandbox, "/messages/number_pool", json!({"to": PHONE, "text": "Hi"})).await;
    assert_eq!(nameless.refusal(), (400, "10004", "/messaging_profile_id"));
    profile(&sandbox, pool(json!({"long_code_weight": 0}))).await;
    assert_eq!(pooled(&sandbox, PHONE).await.refusal(), (400, "40321", "/messaging_profile_id"));
    assert_eq!(pooled(&sandbox, "12").await.refusal(), (400, "40310", "/to"));
}

#[tokio::test]
async fn a_short_code_sends_and_receives_once_it_is_on_a_profile() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    let own = get_v2(&sandbox, "/short_codes").await.body["data"][0].clone();
    let code = own["short_code"].as_str().unwrap().to_owned();
    let body = json!({"from": code, "to": PHONE, "text": "Sale"});
    let put_on = async |profile_id: Value| {
        let path = format!("/short_codes/{}", own["id"].as_str().unwrap());
        patch_v2(&sandbox, &path, json!({"messaging_profile_id": profile_id})).await
    };
    put_on(json!(sandbox.messaging_profile_id())).await;
    let sent = post_v2(&sandbox, "/messages/short_code", body.clone()).await;
    assert_eq!((sent.status, from(&sent)), (200, code.clone()));
    assert_eq!(
        post_v2(&sandbox, "/messages/long_code", body.clone()).await.refusal(),
        (400, "40305", "/from")
    );
    let long = json!({"from": OURS, "to": PHONE, "text": "Sale"});
    assert_eq!(post_v2(&sandbox, "/messages/short_code", long).await.refusal(), (400, "40305", "/from"));
    sandbox.inject(InboundText::new(PHONE, &code, "INFO")).await.unwrap();
    idle(&sandbox).await;
    let arrived = of_type(&receiver.bodies(), "message.received").remove(0)["data"]["payload"].clone();
    assert_eq!(
        (&arrived["to"][0]["phone_number"], &arrived["autoresponse_type"]),
        (&json!(code), &json!("HELP"))
    );
    sandbox.inject(InboundText::new(PHONE, &code, "STOP")).await.unwrap();
    assert_eq!(send(&sandbox, body).await.refusal().1, "40300");
}

#[tokio::test]
async fn a_name_sends_where_names_are_taken_and_its_number_elsewhere() {
    let sandbox = with_numbers(&[OURS]).await;
    let alpha = |name: &str, to: &str| json!({"from": name, "to": to, "text": "Hi", "messaging_profile_id": sandbox.messaging_profile_id()});
    let path = "/messages/alphanumeric_sender_id";
    assert_eq!(post_v2(&sandbox, path, alpha("Acme", ABROAD)).await.refusal(), (400, "40306", "/from"));
    profile(&sandbox, json!({"alpha_sender": "Acme"})).await;
    assert_eq!(from(&post_v2(&sandbox, path, alpha("Acme", ABROAD)).await), "Acme");
    assert_eq!(from(&send(&sandbox, alpha("Acme", ABROAD)).await), "Acme");
    assert_eq!(post_v2(&sandbox, path, alpha("Other", ABROAD)).await.refusal(), (400, "40307", "/from"));
    assert_eq!(post_v2(&sandbox, path, alpha("Acme", PHONE)).await.refusal(), (400, "40301", "/to"));
    let bare = json!({"from": "Acme", "to": ABROAD, "text": "Hi"});
    assert_eq!(send(&sandbox, bare).await.refusal(), (400, "10004", "/messaging_profile_id"));
    let silent =
        json!({"from": "Acme", "to": ABROAD, "messaging_profile_id": sandbox.messaging_profile_id()});
    assert_eq!(post_v2(&sandbox, path, silent).await.refusal(), (400, "10004", "/text"));
    let with_number = json!({
        "alphanumeric_sender_id": "Bell", "messaging_profile_id": sandbox.messaging_profile_id(),
        "us_long_code_fallback": OURS,
    });
    assert_eq!(post_v2(&sandbox, "/alphanumeric_sender_ids", with_number).await.status, 201);
    assert_eq!(from(&send(&sandbox, alpha("Bell", ABROAD)).await), "Bell");
    assert_eq!(from(&send(&sandbox, alpha("Bell", PHONE)).await), OURS);
}

#[tokio::test]
async fn an_mms_that_cannot_be_one_is_refused_or_becomes_an_sms() {
    let sandbox = with_numbers(&[OURS, "+4930123456"]).await;
    let mms = |from: &str, to: &str| json!({"from": from, "to": to, "text": "Look", "media_urls": ["https://example.com/a.png"]});
    assert_eq!(send(&sandbox, mms(OURS, PHONE)).await.body["data"]["type"], "MMS");
    assert_eq!(send(&sandbox, mms(OURS, ABROAD)).await.refusal(), (400, "40301", "/to"));
    assert_eq!(send(&sandbox, mms("+4930123456", PHONE)).await.refusal(), (400, "40308", "/from"));
    profile(&sandbox, json!({"mms_fall_back_to_sms": true})).await;
    for body in [mms(OURS, ABROAD), mms("+4930123456", PHONE)] {
        let data = send(&sandbox, body).await.body["data"].clone();
        assert_eq!((&data["type"], &data["media"]), (&json!("SMS"), &json!([])));
        assert_eq!(data["text"], "Look\nhttps://example.com/a.png");
    }
}

#[tokio::test]
async fn a_profile_may_want_mobile_phones_smart_encoding_or_nowhere() {
    let sandbox = with_numbers(&[OURS]).await;
    let to = |number: &str| json!({"from": OURS, "to": number, "text": "Don\u{2019}t"});
    profile(&sandbox, json!({"mobile_only": true, "smart_encoding": true})).await;
    assert_eq!(send(&sandbox, to("+12025550190")).await.refusal(), (400, "40301", "/to"));
    assert_eq!(send(&sandbox, to("+12025550199")).await.refusal(), (400, "40301", "/to"));
    let data = send(&sandbox, to(PHONE)).await.body["data"].clone();
    assert_eq!((&data["encoding"], &data["smart_encoding_applied"]), (&json!("GSM-7"), &json!(true)));
    profile(&sandbox, json!({"whitelisted_destinations": []})).await;
    assert_eq!(send(&sandbox, to(PHONE)).await.refusal(), (400, "40331", "/to"));
}

#[tokio::test]
async fn a_spend_limit_is_told_once_and_refuses_until_midnight() {
    let receiver = Receiver::start().await;
    let config = SandboxConfig {
        webhook_url: Some(receiver.url.clone()),
        frozen_at: Some("2026-03-01T23:00:00Z".parse().unwrap()),
        ..swift()
    };
    let sandbox = Sandbox::start_with(config).await.unwrap();
    profile(&sandbox, json!({"daily_spend_limit": "0.02", "daily_spend_limit_enabled": true})).await;
    let body = json!({"from": OURS, "to": PHONE, "text": "Hi", "use_profile_webhooks": false});
    for _ in 0..3 {
        assert_eq!(send(&sandbox, body.clone()).await.status, 200, "the last one goes beyond the limit");
    }
    assert_eq!(send(&sandbox, body.clone()).await.refusal(), (429, "40333", "/messaging_profile_id"));
    // The clock stands still, and the messages under way with it.
    sandbox.advance_clock(Duration::from_secs(1));
    idle(&sandbox).await;
    let told = of_type(&receiver.bodies(), "messaging-profile.spend-limit-reached");
    assert_eq!(told.len(), 1);
    let expected = json!({
        "configured_limit": "0.02", "current_cost": "0.0210", "profile_id": sandbox.messaging_profile_id(),
    });
    assert_eq!(told[0]["data"]["payload"], expected);
    sandbox.advance_clock(Duration::from_secs(60 * 60));
    assert_eq!(send(&sandbox, body).await.status, 200);
}

#[tokio::test]
async fn an_uploaded_file_is_known_when_it_is_sent() {
    let sandbox = with_numbers(&[OURS]).await;
    let url = format!("{}/v2/media/cat.png/download", sandbox.base_url());
    let form = "--x\r\ncontent-disposition: form-data; name=\"media_name\"\r\n\r\ncat.png\r\n--x\r\ncontent-disposition: form-data; name=\"media\"; filename=\"cat.png\"\r\ncontent-type: image/png\r\n\r\nmeow\r\n--x--\r\n";
    let upload = client().request(Method::POST, format!("{}/media", sandbox.api_url()));
    let upload =
        upload.bearer_auth(sandbox.api_key()).header("content-type", "multipart/form-data; boundary=x");
    let uploaded = Reply::of(upload.body(form)).await;
    assert_eq!(uploaded.status, 201, "{}", uploaded.body);
    let sent = send(&sandbox, json!({"from": OURS, "to": PHONE, "media_urls": [url]})).await;
    let media = &sent.body["data"]["media"][0];
    assert_eq!((&media["size"], &media["content_type"]), (&json!(4), &json!("image/png")));
}

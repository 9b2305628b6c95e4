//! Several accounts in one sandbox: each with its own key, and nothing seen by another.

use inlet_sandbox::{InboundMedia, InboundText, Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::support::*;

fn bearer(sandbox: &Sandbox, path: &str, account: &Value) -> reqwest::RequestBuilder {
    client().get(format!("{}{path}", sandbox.base_url())).bearer_auth(account["api_key"].as_str().unwrap())
}

#[tokio::test]
async fn accounts_have_their_own_keys_and_see_nothing_of_each_other() {
    let (ours, theirs) = (Receiver::start().await, Receiver::start().await);
    let sandbox = sandbox_for(&ours).await;
    let opened =
        post(&sandbox, "/accounts", json!({"name": "two", "numbers": [OURS], "webhook_url": theirs.url}))
            .await;
    assert_eq!(opened.status, 201);
    let two = opened.body;
    assert_ne!(two["api_key"], sandbox.api_key());
    assert_ne!(two["public_key"], sandbox.public_key().to_base64());
    let texted = client().post(format!("{}/sandbox/v1/texts", sandbox.base_url()));
    let texted = texted.bearer_auth(two["api_key"].as_str().unwrap());
    let texted = Reply::of(texted.json(&json!({"from": PHONE, "to": OURS, "text": "for two"}))).await;
    assert_eq!(texted.status, 202);
    sandbox.inject(InboundText::new(PHONE, OURS, "for one")).await.unwrap();
    eventually(async || ours.received().len() == 1 && theirs.received().len() == 1).await;
    assert_eq!(theirs.bodies()[0]["data"]["payload"]["text"], "for two");
    assert!(theirs.received()[0].verify_at(&sandbox, theirs.received()[0].timestamp()).is_err());
    let path = format!("/v2/messages/{}", texted.body["id"].as_str().unwrap());
    assert_eq!(Reply::of(bearer(&sandbox, &path, &two)).await.status, 200);
    assert_eq!(get_v2(&sandbox, &path[3..]).await.status, 404);
}

#[tokio::test]
async fn names_and_keys_are_taken_once_and_an_ended_account_is_nobody() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let two = post(&sandbox, "/accounts", json!({"name": "two"})).await.body;
    for taken in [json!({"name": "two"}), json!({"name": "three", "api_key": two["api_key"]})] {
        assert_eq!(post(&sandbox, "/accounts", taken).await.body["code"], "account_refused");
    }
    let names: Vec<Value> = get(&sandbox, "/accounts").await.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|account| account["name"].clone())
        .collect();
    assert_eq!(names, ["default", "two"]);
    let url = |name: &str| format!("{}/sandbox/v1/accounts/{name}", sandbox.base_url());
    assert_eq!(Reply::of(client().delete(url("two"))).await.status, 204);
    assert_eq!(Reply::of(client().delete(url("default"))).await.status, 404);
    assert_eq!(Reply::of(bearer(&sandbox, "/v2/messaging_profiles", &two)).await.status, 401);
    assert_eq!(Reply::of(bearer(&sandbox, "/sandbox/v1/account", &two)).await.status, 401);
}

#[tokio::test]
async fn only_the_default_account_sees_opens_and_ends_others() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let two = post(&sandbox, "/accounts", json!({"name": "two"})).await.body;
    post(&sandbox, "/accounts", json!({"name": "three"})).await;
    let seen = Reply::of(bearer(&sandbox, "/sandbox/v1/accounts", &two)).await;
    assert_eq!(each(&seen, "name"), ["two"]);
    let key = two["api_key"].as_str().unwrap();
    let accounts = format!("{}/sandbox/v1/accounts", sandbox.base_url());
    for request in [
        client().post(&accounts).json(&json!({"name": "four"})),
        client().delete(format!("{accounts}/three")),
    ] {
        let refused = Reply::of(request.bearer_auth(key)).await;
        assert_eq!((refused.status, &refused.body["code"]), (403, &json!("forbidden")));
    }
    assert_eq!(each(&get(&sandbox, "/accounts").await, "name"), ["default", "two", "three"]);
}

#[tokio::test]
async fn names_keys_and_numbers_that_nobody_could_use_are_refused() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    for wrong in [
        json!({"name": ""}),
        json!({"name": "a/b"}),
        json!({"name": ".."}),
        json!({"name": "a b"}),
        json!({"name": "a", "api_key": ""}),
        json!({"name": "a", "api_key": "K 1"}),
        json!({"name": "a", "numbers": []}),
    ] {
        let refused = post(&sandbox, "/accounts", wrong.clone()).await;
        assert_eq!((refused.status, &refused.body["code"]), (422, &json!("invalid_body")), "{wrong}");
    }
}

#[tokio::test]
async fn an_account_shows_its_failover_url_and_what_had_to_go() {
    let failover = "http://127.0.0.1:9/failover";
    let config =
        SandboxConfig { failover_url: Some(failover.parse().unwrap()), media_capacity_bytes: 1, ..swift() };
    let sandbox = Sandbox::start_with(config).await.unwrap();
    let text = InboundText::new(PHONE, OURS, "Look");
    sandbox.inject(text.with_media(InboundMedia::upload("image/png", "two"))).await.unwrap();
    let account = get(&sandbox, "/account").await.body;
    assert_eq!(account["failover_url"], failover);
    assert_eq!(account["dropped"], json!({"deliveries": 0, "media": 1, "messages": 0}));
}

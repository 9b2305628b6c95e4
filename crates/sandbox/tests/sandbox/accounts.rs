//! Several accounts in one sandbox: each with its own key, and nothing seen by another.

use inlet_sandbox::{InboundText, Sandbox};
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

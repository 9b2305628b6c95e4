//! The control API and who may call.

use inlet_sandbox::{InboundText, Sandbox, SandboxConfig};
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn a_text_is_injected_over_http_and_its_delivery_can_be_read() {
    let receiver = Receiver::answering([Answer::Status(500)]).await;
    let sandbox = sandbox_for(&receiver).await;
    let media = json!([{"filename": "a.txt", "content_type": "text/plain", "data": "aGk="}]);
    let text = json!({"from": PHONE, "to": OURS, "text": "Hi", "cc": ["+15550000001"], "media": media});
    let reply = post(&sandbox, "/texts", text).await;
    assert_eq!(reply.status, 202);
    assert_eq!(post(&sandbox, "/wait-idle", json!({"timeout_ms": 20_000})).await.body, json!({"idle": true}));
    let delivery =
        get(&sandbox, &format!("/deliveries/{}", reply.body["event_id"].as_str().unwrap())).await.body;
    assert_eq!((&delivery["status"], &delivery["message_id"]), (&json!("delivered"), &reply.body["id"]));
    assert_eq!(delivery["attempts"].as_array().unwrap().len(), 2);
    assert_eq!(delivery["attempts"][0]["error"]["code"], "75500");
    assert_eq!(delivery["data"]["payload"]["cc"][0]["phone_number"], "+15550000001");
    for (query, count) in
        [("status=delivered", 1), ("status=failed", 0), ("event_type=message.received", 1), ("after=1", 0)]
    {
        let list = get(&sandbox, &format!("/deliveries?{query}")).await.body;
        assert_eq!(list["data"].as_array().unwrap().len(), count, "{query}");
    }
}

#[tokio::test]
async fn mistakes_are_problems_with_a_stable_code() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let cases = [
        (post(&sandbox, "/texts", json!({"from": PHONE, "to": "+15550000000"})).await, 422, "unknown_number"),
        (post(&sandbox, "/texts", json!({"from": PHONE, "to": OURS, "txt": "x"})).await, 422, "invalid_body"),
        (
            post(&sandbox, "/texts", json!({"from": PHONE, "to": OURS, "media": [{}]})).await,
            422,
            "invalid_body",
        ),
        (get(&sandbox, "/deliveries?colour=red").await, 422, "invalid_query"),
        (get(&sandbox, "/messages?after=none").await, 404, "not_found"),
        (get(&sandbox, "/deliveries/none").await, 404, "not_found"),
        (get(&sandbox, "/nothing").await, 404, "not_found"),
        (get(&sandbox, "/reset").await, 405, "method_not_allowed"),
        (post(&sandbox, "/clock/advance", json!({"seconds": u64::MAX})).await, 422, "invalid_body"),
        (post(&sandbox, "/clock/advance", json!({"seconds": -0.5})).await, 422, "invalid_body"),
    ];
    for (reply, status, code) in cases {
        assert_eq!((reply.status, &reply.body["code"]), (status, &json!(code)), "{}", reply.body);
        assert_eq!(reply.headers["content-type"], "application/problem+json");
    }
}

#[tokio::test]
async fn waiting_in_vain_says_so() {
    let receiver = Receiver::answering([Answer::Never]).await;
    let sandbox = sandbox_for(&receiver).await;
    sandbox.inject(InboundText::new(PHONE, OURS, "Hi")).await.unwrap();
    let reply = post(&sandbox, "/wait-idle", json!({"timeout_ms": 1})).await;
    assert_eq!((reply.status, &reply.body["code"]), (504, &json!("not_idle")));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn sent_messages_are_listed_and_waited_for() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let waiting = get(&sandbox, "/messages?to=%2B15551234567&wait_ms=20000");
    let sending = send(&sandbox, json!({"from": OURS, "to": PHONE, "text": "one"}));
    let (waited, first) = tokio::join!(waiting, sending);
    assert_eq!(waited.body["data"][0]["text"], "one");
    let id = first.body["data"]["id"].as_str().unwrap().to_owned();
    send(&sandbox, json!({"from": OURS, "to": "+15550000001", "text": "two"})).await;
    let after = get(&sandbox, &format!("/messages?after={id}")).await.body;
    assert_eq!((after["data"].as_array().unwrap().len(), &after["data"][0]["text"]), (1, &json!("two")));
    assert_eq!(get(&sandbox, "/messages?from=%2B1").await.body["data"], json!([]));
}

#[tokio::test]
async fn the_first_answer_to_a_text_is_found_by_the_texts_own_id() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    send(&sandbox, json!({"from": OURS, "to": PHONE, "text": "earlier"})).await;
    let text = sandbox.inject(InboundText::new(PHONE, OURS, "Hello")).await.unwrap();
    send(&sandbox, json!({"from": OURS, "to": PHONE, "text": "answer"})).await;
    let found = get(&sandbox, &format!("/messages?after={}&limit=1", text.id)).await.body;
    assert_eq!(found["data"][0]["text"], "answer");
    assert_eq!(get(&sandbox, "/messages?limit=1").await.body["data"][0]["text"], "answer", "the latest ones");
}

#[tokio::test]
async fn the_account_tells_all_a_receiver_needs() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let account = get(&sandbox, "/account").await.body;
    assert_eq!(account["api_key"], sandbox.api_key());
    assert_eq!(account["public_key"], sandbox.public_key().to_base64());
    assert_eq!(account["numbers"], json!([OURS, OUR_SECOND]));
    assert_eq!(account["messaging_profile_id"], sandbox.messaging_profile_id());
    assert!(sandbox.api_key().starts_with("KEY"));
}

#[tokio::test]
async fn a_reset_forgets_everything_but_repeats_no_id_unless_asked_to() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    let first = sandbox.inject(InboundText::new(PHONE, OURS, "STOP")).await.unwrap();
    post(&sandbox, "/clock/advance", json!({"seconds": 86_400})).await;
    put_faults(&sandbox, json!([{"kind": "webhook_drop"}])).await;
    assert_eq!(post(&sandbox, "/reset", json!({})).await.status, 204);
    assert_eq!(get(&sandbox, "/faults").await.body["data"], json!([]));
    assert_eq!(get(&sandbox, "/deliveries").await.body["data"], json!([]));
    assert_eq!(send(&sandbox, json!({"from": OURS, "to": PHONE, "text": "Hi"})).await.status, 200);
    idle(&sandbox).await;
    let second = sandbox.inject(InboundText::new(PHONE, OURS, "STOP")).await.unwrap();
    assert_ne!(first, second);
    idle(&sandbox).await;
    assert_eq!(post(&sandbox, "/reset", json!({"restart_ids": true})).await.status, 204);
    assert_eq!(sandbox.inject(InboundText::new(PHONE, OURS, "STOP")).await.unwrap(), first);
    idle(&sandbox).await;
    assert!(receiver.received().len() >= 4, "the webhook URL outlives resets");
}

#[tokio::test]
async fn a_foreign_host_or_origin_is_refused_everywhere() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let own = sandbox.local_addr().to_string();
    for path in ["/", "/v2/messaging_profiles", "/sandbox/v1/account", "/media/a/b"] {
        let url = format!("{}{path}", sandbox.base_url());
        let rebound = Reply::of(client().get(&url).header("host", "evil.example")).await;
        assert_eq!((rebound.status, &rebound.body["code"]), (421, &json!("foreign_host")), "{path}");
    }
    let reset = |origin: &str| {
        let request = client().post(format!("{}/sandbox/v1/reset", sandbox.base_url()));
        Reply::of(request.header("origin", origin))
    };
    for origin in ["http://evil.example", "null", "http://localhost:1"] {
        let foreign = reset(origin).await;
        assert_eq!((foreign.status, &foreign.body["code"]), (403, &json!("foreign_origin")), "{origin}");
    }
    assert_eq!(reset(&format!("http://{own}")).await.status, 204);
    let port = sandbox.local_addr().port();
    let by_name =
        client().get(format!("{}/healthz", sandbox.base_url())).header("host", format!("localhost:{port}"));
    assert_eq!(Reply::of(by_name).await.status, 200);
}

#[tokio::test]
async fn beyond_loopback_the_control_api_wants_the_key() {
    let config = SandboxConfig { listen: "0.0.0.0:0".parse().unwrap(), ..swift() };
    let sandbox = Sandbox::start_with(config).await.unwrap();
    let url = format!("http://127.0.0.1:{}/sandbox/v1/account", sandbox.local_addr().port());
    let bare = Reply::of(client().get(&url)).await;
    assert_eq!((bare.status, &bare.body["code"]), (401, &json!("unauthorized")));
    assert_eq!(Reply::of(client().get(&url).bearer_auth(sandbox.api_key())).await.status, 200);
}

#[tokio::test]
async fn shutdown_ends_those_who_wait() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let url = format!("{}/sandbox/v1/messages?wait_ms=600000", sandbox.base_url());
    let waiting =
        tokio::spawn(async move { client().get(url).send().await.map(|response| response.status()) });
    get(&sandbox, "/account").await;
    sandbox.shutdown().await;
    // Answered with nothing, or refused because the listener was gone first.
    let ended = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert!(ended.is_err() || ended.is_ok_and(|status| status == 200));
}

#[tokio::test]
async fn the_clock_moves_by_fractions_of_a_second() {
    let frozen_at = Some("2026-07-01T00:00:00Z".parse().unwrap());
    let sandbox = Sandbox::start_with(SandboxConfig { frozen_at, ..swift() }).await.unwrap();
    let moved = post(&sandbox, "/clock/advance", json!({"seconds": 0.25})).await.body;
    assert_eq!(moved["now"], "2026-07-01T00:00:00.250Z");
}

//! The description of the control API, held against its routes and its answers.

use std::collections::BTreeSet;

use inlet_sandbox::Sandbox;
use serde_json::{Value, json};

use crate::schema::differences;
use crate::support::*;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Every path that the router's source names.
fn routes() -> BTreeSet<String> {
    let source = include_str!("../../src/http/control.rs");
    let routes = source.split(".route(").skip(1);
    routes.map(|rest| rest.split('"').nth(1).unwrap().to_owned()).collect()
}

async fn document(sandbox: &Sandbox) -> Value {
    get(sandbox, "/openapi.json").await.body
}

async fn call(sandbox: &Sandbox, method: &str, path: &str, body: Option<&Value>) -> Reply {
    let url = format!("{}/sandbox/v1{path}", sandbox.base_url());
    let request = client().request(method.to_uppercase().parse().unwrap(), url);
    Reply::of(body.map_or(request.try_clone().unwrap(), |body| request.json(body))).await
}

#[tokio::test]
async fn every_route_and_method_is_described_and_nothing_else_is() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let document = document(&sandbox).await;
    let described: BTreeSet<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(routes(), described);
    for path in described {
        for method in METHODS {
            if (method, path.as_str()) == ("get", "/stream") {
                continue;
            }
            let probe = path.replace("{event_id}", "none").replace("{id}", "none").replace("{name}", "none");
            let taken = call(&sandbox, method, &probe, None).await.status != 405;
            assert_eq!(taken, document["paths"][&path].get(method).is_some(), "{method} {path}");
        }
    }
}

/// Calls a route and holds body and answer against the description.
async fn checked(sandbox: &Sandbox, document: &Value, route: (&str, &str), path: &str, body: Value) -> Value {
    let (method, described) = route;
    let operation = &document["paths"][described][method];
    if !body.is_null() {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(differences(document, schema, &body), Vec::<String>::new(), "body of {method} {path}");
    }
    let reply = call(sandbox, method, path, Some(&body).filter(|body| !body.is_null())).await;
    let status = reply.status.to_string();
    let (answer, media) = match operation["responses"].get(&status) {
        Some(answer) => (answer, "application/json"),
        None => (&operation["responses"]["default"], "application/problem+json"),
    };
    match answer["content"].get(media) {
        Some(content) => {
            let differences = differences(document, &content["schema"], &reply.body);
            assert_eq!(differences, Vec::<String>::new(), "{status} of {method} {path}");
        }
        None => assert_eq!(reply.body, Value::Null, "{status} of {method} {path}"),
    }
    reply.body
}

#[tokio::test]
async fn every_answer_is_as_described() {
    let receiver = Receiver::answering([Answer::Status(500)]).await;
    let sandbox = sandbox_for(&receiver).await;
    let document = document(&sandbox).await;
    let call = |method, described, path: String, body| {
        let (sandbox, document) = (&sandbox, &document);
        async move { checked(sandbox, document, (method, described), &path, body).await }
    };
    let simple = |method, path: &'static str, body| call(method, path, path.to_owned(), body);
    let media = json!([{"data": "aGk=", "content_type": "text/plain"}]);
    let text = json!({"from": PHONE, "to": OURS, "text": "Hi", "media": media, "cc": ["+15550000001"]});
    let text = simple("post", "/texts", text).await;
    simple("post", "/texts", json!({"from": PHONE, "to": "+15550000000"})).await;
    simple("post", "/events", json!({"body": {"test": true}})).await;
    simple("post", "/events", json!({"body_base64": "//4="})).await;
    let message = json!({"from": OURS, "to": PHONE, "text": "Hello"});
    let sent = send(&sandbox, message).await.body["data"]["id"].as_str().unwrap().to_owned();
    simple("post", "/wait-idle", json!({"timeout_ms": 20_000})).await;
    simple("get", "/deliveries", Value::Null).await;
    let event = text["event_id"].as_str().unwrap();
    call("get", "/deliveries/{event_id}", format!("/deliveries/{event}"), Value::Null).await;
    call("get", "/deliveries/{event_id}", "/deliveries/none".to_owned(), Value::Null).await;
    call("post", "/deliveries/{event_id}/resend", format!("/deliveries/{event}/resend"), Value::Null).await;
    call("get", "/deliveries/{event_id}/signed", format!("/deliveries/{event}/signed"), Value::Null).await;
    call("get", "/messages", "/messages?direction=any".to_owned(), Value::Null).await;
    call("post", "/messages/{id}/read", format!("/messages/{sent}/read"), Value::Null).await;
    simple("post", "/expectations", json!({"to": PHONE, "text": "Hello", "within_ms": 20_000})).await;
    simple("post", "/expectations", json!({"to": PHONE, "text": "Else", "within_ms": 0})).await;
    let snapshot = simple("get", "/snapshot", Value::Null).await;
    simple("put", "/snapshot", snapshot).await;
    simple("get", "/account", Value::Null).await;
    simple("post", "/accounts", json!({"name": "other"})).await;
    simple("get", "/accounts", Value::Null).await;
    call("delete", "/accounts/{name}", "/accounts/other".to_owned(), Value::Null).await;
    simple("get", "/clock", Value::Null).await;
    simple("post", "/clock/advance", json!({"seconds": 1})).await;
    let faults = document["components"]["schemas"]["Fault"]["properties"]["kind"]["enum"].as_array().unwrap();
    for kind in faults {
        let mut fault = json!({"kind": kind, "count": 0, "match": {"number": PHONE}});
        let extra = match kind.as_str().unwrap() {
            "api_status" => json!({"status": 429, "code": "10011", "retry_after_seconds": 1}),
            "media_status" => json!({"status": 404}),
            "carrier_failure" => json!({"outcome": "delivery_failed", "code": "40008"}),
            "api_delay" | "webhook_delay" => json!({"delay_ms": 1}),
            "media_slow" => json!({"bytes_per_second": 1}),
            "media_redirect" => json!({"url": "http://localhost/"}),
            _ => json!({}),
        };
        fault.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        simple("post", "/faults", fault).await;
    }
    let unknown = post(&sandbox, "/faults", json!({"kind": "none"})).await.body;
    let (_, known) = unknown["detail"].as_str().unwrap().split_once("expected one of").unwrap();
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    assert_eq!(json!(known), json!(faults), "every kind is described");
    let all = simple("get", "/faults", Value::Null).await;
    assert_eq!(all["data"].as_array().unwrap().len(), faults.len());
    simple("put", "/faults", all).await;
    simple("delete", "/faults", Value::Null).await;
    simple("post", "/reset", json!({"restart_ids": false})).await;
}

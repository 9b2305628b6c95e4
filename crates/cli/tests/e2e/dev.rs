//! `inlet dev` as a newcomer meets it: the guide's requests, the ready file, the commands.

use serde_json::{Value, json};

use crate::gateway::inlet;
use crate::world::{Dev, OURS, PHONE};

async fn post(world: &Dev, headers: &[(&str, &str)], body: &Value) -> (u16, Value) {
    let mut request = reqwest::Client::new().post(world.gateway.address("webhooks")).json(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

#[tokio::test]
async fn both_requests_of_the_guide_are_stored_and_marked_unsigned() {
    let world = Dev::start("").await;
    let text_only = json!({"data": {"event_type": "message.received", "payload": {"text": "test"}}});
    let whole = json!({"data": {"event_type": "message.received", "payload": {
        "from": {"phone_number": PHONE}, "to": [{"phone_number": OURS}], "text": "Hello from test!", "type": "SMS", "media": []
    }}});
    for body in [&text_only, &text_only, &whole] {
        assert_eq!(post(&world, &[], body).await.0, 200);
    }
    let events = world.gateway.wait_list("events", |rows| rows.len() == 3).await;
    assert!(events.iter().all(|event| event["source"] == "unsigned"));
    world.gateway.wait_list("messages", |rows| rows.len() == 3).await;
    assert!(world.gateway.run(&["messages", "list"]).contains("Hello from test!"));
    assert!(world.gateway.run(&["events", "list"]).contains("unsigned"));
}

#[tokio::test]
async fn unsigned_requests_of_pages_and_tunnels_are_refused() {
    let world = Dev::start("").await;
    let body = json!({"data": {}});
    for header in [
        ("origin", "http://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("forwarded", "for=1.2.3.4"),
        ("x-forwarded-for", "1.2.3.4"),
        ("host", "abc.ngrok.io"),
    ] {
        let (status, problem) = post(&world, &[header], &body).await;
        assert_eq!((status, &problem["code"]), (400, &"unsigned_not_local".into()), "{header:?}");
    }
    let rejections = world.gateway.list("rejections").await;
    assert_eq!(rejections.len(), 5);
    assert!(world.gateway.list("events").await.is_empty());
}

#[tokio::test]
async fn ready_file_tells_where_everything_is() {
    let world = Dev::start("").await;
    let ready = &world.gateway.ready;
    for name in ["webhooks", "admin", "sandbox", "api_key", "public_key"] {
        assert!(ready[name].is_string(), "{name} in {ready}");
    }
    assert_eq!(ready["numbers"][0], OURS);
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(world.folder.path().join("ready.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for path in ["healthz", "readyz", "metrics"] {
        let answer = reqwest::get(format!("{}/{path}", world.gateway.address("admin"))).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn every_list_prints_json_lines() {
    let world = Dev::start("").await;
    world.gateway.run(&["text", PHONE, OURS, "Hello", "--wait"]);
    world.gateway.wait_list("jobs?state=done", |rows| !rows.is_empty()).await;
    let lists: [&[&str]; 6] = [
        &["messages", "list"],
        &["conversations", "list"],
        &["events", "list"],
        &["jobs", "list"],
        &["dead", "list"],
        &["destinations", "list"],
    ];
    for list in lists {
        let output = world.gateway.run(&[list, &["--json"]].concat());
        for line in output.lines() {
            assert!(serde_json::from_str::<Value>(line).unwrap().is_object(), "{list:?}: {line}");
        }
    }
    let event: Value =
        serde_json::from_str(world.gateway.run(&["events", "list", "--json"]).lines().next().unwrap())
            .unwrap();
    let raw = world.gateway.run(&["events", "raw", event["id"].as_str().unwrap()]);
    assert!(serde_json::from_str::<Value>(&raw).unwrap()["data"].is_object());
}

#[tokio::test]
async fn text_without_an_answer_ends_with_4() {
    let world = Dev::start("[[replies]]\nname = \"never\"\nkeywords = [\"xyzzy\"]\ntext = \"hm\"\n").await;
    let output = world.gateway.command(&["text", PHONE, OURS, "Hello", "--wait", "--timeout", "1s"]);
    assert_eq!(output.status.code(), Some(4));
}

#[tokio::test]
async fn serve_without_a_key_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let output = inlet(folder.path()).arg("serve").output().unwrap();
    assert!(output.status.code().unwrap() > 1);
    assert!(String::from_utf8_lossy(&output.stderr).contains("TELNYX_PUBLIC_KEY"));
    assert!(!folder.path().join("inlet-data").exists());
}

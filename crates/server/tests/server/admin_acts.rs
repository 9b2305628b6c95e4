//! What the API changes.

use crate::gateway::Gateway;

#[tokio::test]
async fn a_message_is_accepted_as_a_job() {
    let gateway = Gateway::start().await;
    let body = r#"{"from":"+15559876543","to":"+15551234567","text":"Hi"}"#;
    insta::assert_snapshot!(gateway.post("/api/v1/messages", body).await.json(), @r#"
    202 {
      "job_id": 1
    }
    "#);
    insta::assert_snapshot!(gateway.get("/api/v1/jobs/1").await.json(), @r#"
    200 {
      "attempt_log": [],
      "attempts": 0,
      "created_at": "2023-11-14T22:13:20.000000Z",
      "destination": null,
      "due_at": "2023-11-14T22:13:20.000000Z",
      "event_id": null,
      "finished_at": null,
      "held": false,
      "id": 1,
      "kind": "send",
      "last_error": null,
      "message_id": null,
      "replay_id": null,
      "rule": null,
      "state": "waiting"
    }
    "#);
}

#[tokio::test]
async fn a_message_that_telnyx_would_refuse_is_refused_here() {
    let gateway = Gateway::start().await;
    let media = ["\"https://x.example/1\""; 11].join(",");
    let long = "a".repeat(1_531);
    for (body, hint) in [
        ("", "missing field `from`"),
        ("{", "EOF"),
        ("[]", "invalid"),
        (r#"{"from":"+15559876543"}"#, "missing field `to`"),
        (r#"{"from":"+15559876543","to":"+15551234567"}"#, "`text`"),
        (r#"{"from":"x","to":"+15551234567","text":"Hi"}"#, "`from`"),
        (r#"{"from":"+15559876543","to":"5551234567","text":"Hi"}"#, "`to`"),
        (r#"{"from":"+15559876543","to":"+15551234567","txt":"Hi"}"#, "`txt`"),
        (
            r#"{"from":"+15559876543","to":"+15551234567","media_urls":["file:/etc/passwd"]}"#,
            "`media_urls[0]`",
        ),
        (&format!(r#"{{"from":"+15559876543","to":"+15551234567","media_urls":[{media}]}}"#), "`media_urls`"),
        (&format!(r#"{{"from":"+15559876543","to":"+15551234567","text":"{long}"}}"#), "10 parts"),
    ] {
        let reply = gateway.post("/api/v1/messages", body).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "bad_body"), "{body}");
        assert!(reply.text.contains(hint), "{body}: {}", reply.text);
    }
    let huge = format!("{{\"text\":\"{}\"}}", "a".repeat(200_000));
    let reply = gateway.post("/api/v1/messages", &huge).await;
    assert_eq!((reply.status, reply.code().as_str()), (413, "body_too_long"));
}

#[tokio::test]
async fn a_dead_letter_is_shown_with_its_attempts_and_retried() {
    let gateway = Gateway::start().await;
    gateway.text(1, "Hello").await;
    gateway.fail("crm").await;
    let dead = gateway.get("/api/v1/jobs?state=dead").await;
    let page: serde_json::Value = serde_json::from_slice(&dead.body).unwrap();
    let id = page["data"][0]["id"].clone();
    insta::assert_snapshot!(gateway.get(&format!("/api/v1/jobs/{id}")).await.json(), @r#"
    200 {
      "attempt_log": [
        {
          "error": "answered 500",
          "finished_at": "2023-11-14T22:13:20.000000Z",
          "number": 1,
          "response": "oh no",
          "started_at": "2023-11-14T22:13:20.000000Z",
          "status": 500,
          "succeeded": false
        }
      ],
      "attempts": 1,
      "created_at": "2023-11-14T22:13:20.000000Z",
      "destination": "crm",
      "due_at": "2023-11-14T22:13:20.000000Z",
      "event_id": "event-1",
      "finished_at": "2023-11-14T22:13:20.000000Z",
      "held": false,
      "id": 1,
      "kind": "deliver",
      "last_error": "answered 500",
      "message_id": "message-1",
      "replay_id": null,
      "rule": null,
      "state": "dead"
    }
    "#);
    let retried = gateway.post(&format!("/api/v1/jobs/{id}/retry"), "").await;
    assert!(retried.status == 200 && retried.json().contains("\"state\": \"waiting\""), "{}", retried.text);
    let discarded = gateway.post(&format!("/api/v1/jobs/{id}/discard"), "").await;
    assert!(discarded.json().contains("\"state\": \"discarded\""), "{}", discarded.text);
    insta::assert_snapshot!(gateway.post(&format!("/api/v1/jobs/{id}/retry"), "").await.json(), @r#"
    409 {
      "code": "job_state",
      "detail": "the job is `discarded`; only `waiting`, `dead` and `unknown` jobs can be retried",
      "request_id": "00000000000000000000000000000004",
      "status": 409,
      "title": "Conflict",
      "type": "about:blank"
    }
    "#);
    assert_eq!(gateway.post("/api/v1/jobs/99/retry", "").await.status, 404);
}

#[tokio::test]
async fn bulk_actions_count_first_and_change_dead_letters_only() {
    let gateway = Gateway::start().await;
    for number in 1..=3 {
        gateway.text(number, "Hello").await;
    }
    gateway.fail("crm").await;
    let dry = gateway.post("/api/v1/jobs/retry", r#"{"destination":"crm","dry_run":true}"#).await;
    assert_eq!(dry.body, br#"{"matched":3,"dry_run":true}"#);
    let other = gateway.post("/api/v1/jobs/retry", r#"{"destination":"books"}"#).await;
    assert_eq!(other.body, br#"{"matched":0,"dry_run":false}"#);
    let retried = gateway.post("/api/v1/jobs/retry", "").await;
    assert_eq!(retried.body, br#"{"matched":3,"dry_run":false}"#);
    let discarded = gateway.post("/api/v1/jobs/discard", r#"{"state":"waiting","destination":"crm"}"#).await;
    assert_eq!(discarded.body, br#"{"matched":3,"dry_run":false}"#);
    for body in [r#"{"destinations":"crm"}"#, r#"{"dry_run":"yes"}"#, r#"{"state":"held"}"#, "[]"] {
        assert_eq!(gateway.post("/api/v1/jobs/retry", body).await.code(), "bad_body", "{body}");
    }
}

#[tokio::test]
async fn jobs_of_a_paused_or_forgotten_destination_are_held() {
    let gateway = Gateway::start().await;
    gateway.text(1, "Hello").await;
    let held = |destination: &'static str| {
        let gateway = &gateway;
        async move {
            let reply = gateway.get(&format!("/api/v1/jobs?destination={destination}")).await;
            let page: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
            page["data"][0]["held"].as_bool()
        }
    };
    assert_eq!((held("crm").await, held("books").await), (Some(false), Some(false)));
    gateway.post("/api/v1/destinations/crm/pause", "").await;
    assert_eq!((held("crm").await, held("books").await), (Some(true), Some(false)));
    gateway.post("/api/v1/destinations/crm/resume", "").await;
    assert_eq!(held("crm").await, Some(false));
    gateway.store_job_of("gone").await;
    assert_eq!(held("gone").await, Some(true));
}

#[tokio::test]
async fn destinations_are_listed_with_what_the_store_knows() {
    let gateway = Gateway::start().await;
    gateway.text(1, "Hello").await;
    gateway.fail("crm").await;
    gateway.store_job_of("gone").await;
    insta::assert_snapshot!(gateway.get("/api/v1/destinations").await.json(), @r#"
    200 {
      "data": [
        {
          "backlog": 0,
          "concurrency": 4,
          "configured": true,
          "dead": 1,
          "events": [],
          "format": "telnyx",
          "name": "crm",
          "oldest_waiting_at": null,
          "ordered": false,
          "paused": false,
          "paused_at": null,
          "paused_reason": null,
          "url": "https://inlet:***@crm.example/hook?***",
          "when": null
        },
        {
          "backlog": 1,
          "concurrency": 4,
          "configured": true,
          "dead": 0,
          "events": [
            "message.received"
          ],
          "format": "telnyx",
          "name": "books",
          "oldest_waiting_at": "2023-11-14T22:13:20.000000Z",
          "ordered": true,
          "paused": false,
          "paused_at": null,
          "paused_reason": null,
          "url": "file:///var/lib/books.jsonl",
          "when": "direction == 'inbound'"
        },
        {
          "backlog": 1,
          "concurrency": 0,
          "configured": false,
          "dead": 0,
          "events": [],
          "format": "telnyx",
          "name": "gone",
          "oldest_waiting_at": "2023-11-14T22:13:20.000000Z",
          "ordered": false,
          "paused": false,
          "paused_at": null,
          "paused_reason": null,
          "url": "",
          "when": null
        }
      ],
      "next": null
    }
    "#);
    let second = gateway.get("/api/v1/destinations?limit=1&cursor=a1").await;
    assert!(second.json().contains("\"next\": \"a2\"") && second.json().contains("\"name\": \"books\""));
    let one = gateway.get("/api/v1/destinations/crm").await;
    assert!(one.json().contains("\"secret\": \"whsec_c2VjcmV0\""));
    assert!(!one.text.contains("token=secret") && !one.text.contains(":secret@"));
    assert!(gateway.get("/api/v1/destinations/gone").await.json().contains("\"configured\": false"));
}

#[tokio::test]
async fn a_pause_keeps_its_first_reason_and_ends_once() {
    let gateway = Gateway::start().await;
    let pause = |body: &'static str| gateway.post("/api/v1/destinations/crm/pause", body);
    insta::assert_snapshot!(pause(r#"{"reason":"maintenance"}"#).await.json(), @r#"
    200 {
      "backlog": 0,
      "concurrency": 4,
      "configured": true,
      "dead": 0,
      "events": [],
      "format": "telnyx",
      "name": "crm",
      "oldest_waiting_at": null,
      "ordered": false,
      "paused": true,
      "paused_at": "2023-11-14T22:13:20.000000Z",
      "paused_reason": "maintenance",
      "url": "https://inlet:***@crm.example/hook?***",
      "when": null
    }
    "#);
    assert!(pause(r#"{"reason":"again"}"#).await.json().contains("\"maintenance\""));
    for _ in 0..2 {
        let resumed = gateway.post("/api/v1/destinations/crm/resume", "").await;
        assert!(resumed.status == 200 && resumed.json().contains("\"paused\": false"), "{}", resumed.text);
    }
    assert!(pause("").await.json().contains("\"paused by hand\""));
    assert_eq!(pause(r#"{"why":"x"}"#).await.code(), "bad_body");
    assert_eq!(gateway.post("/api/v1/destinations/none/pause", "").await.status, 404);
}

#[tokio::test]
async fn a_test_makes_a_job_for_a_configured_destination_only() {
    let gateway = Gateway::start().await;
    let reply = gateway.post("/api/v1/destinations/crm/test", "").await;
    assert_eq!((reply.status, &reply.body[..]), (202, &br#"{"job_id":1}"#[..]));
    assert_eq!(gateway.post("/api/v1/destinations/none/test", "").await.status, 404);
}

#[tokio::test]
async fn a_test_of_a_paused_destination_is_refused_with_the_remedy() {
    let gateway = Gateway::start().await;
    gateway.post("/api/v1/destinations/crm/pause", "").await;
    let reply = gateway.post("/api/v1/destinations/crm/test", "").await;
    assert_eq!((reply.status, reply.code().as_str()), (409, "destination_paused"));
    assert!(reply.text.contains("inlet destinations resume crm"), "{}", reply.text);
    gateway.post("/api/v1/destinations/crm/resume", "").await;
    assert_eq!(gateway.post("/api/v1/destinations/crm/test", "").await.status, 202);
}

#[tokio::test]
async fn a_replay_is_counted_started_and_cancelled() {
    let gateway = Gateway::start().await;
    gateway.text(1, "Hello").await;
    let start = |body: &'static str| gateway.post("/api/v1/replays", body);
    let dry =
        start(r#"{"destination":"crm","filter":{"event_type":"message.received"},"dry_run":true}"#).await;
    assert_eq!((dry.status, dry.json().contains("\"total\": 1")), (200, true), "{}", dry.text);
    insta::assert_snapshot!(start(r#"{"destination":"crm"}"#).await.json(), @r#"
    202 {
      "created_at": "2023-11-14T22:13:20.000000Z",
      "destination": "crm",
      "filter": {
        "after": null,
        "before": null,
        "event_type": null,
        "message_id": null,
        "readable": null,
        "source": null
      },
      "finished_at": null,
      "id": 1,
      "made": 0,
      "state": "running",
      "total": 1
    }
    "#);
    assert_eq!(gateway.get("/api/v1/replays/1").await.status, 200);
    let cancelled = gateway.post("/api/v1/replays/1/cancel", "").await;
    assert!(cancelled.json().contains("\"state\": \"cancelled\""), "{}", cancelled.text);
    insta::assert_snapshot!(gateway.post("/api/v1/replays/1/cancel", "").await.json(), @r#"
    409 {
      "code": "replay_state",
      "detail": "the replay is `cancelled`; only a running one can be cancelled",
      "request_id": "00000000000000000000000000000004",
      "status": 409,
      "title": "Conflict",
      "type": "about:blank"
    }
    "#);
    assert_eq!(gateway.post("/api/v1/replays/2/cancel", "").await.status, 404);
    assert_eq!(start(r#"{"destination":"none"}"#).await.status, 404);
    assert_eq!(start(r#"{"destination":"crm","filter":{"typ":"x"}}"#).await.code(), "bad_body");
    assert_eq!(start("").await.code(), "bad_body");
}

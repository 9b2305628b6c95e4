//! What the API shows.

use inlet_domain::{NewRejection, RejectionCode};
use inlet_store::{EventLog, Store};

use crate::gateway::{Gateway, config, now, open_store};
use crate::receiver::{World, request, signature};
use crate::wire::exchange;

#[tokio::test]
async fn an_answer_carries_its_headers() {
    let gateway = Gateway::start().await;
    insta::assert_snapshot!(gateway.get("/api/v1/messages").await.text, @r#"
    HTTP/1.1 200 OK
    content-type: application/json
    x-request-id: 00000000000000000000000000000000
    x-content-type-options: nosniff
    cross-origin-resource-policy: same-origin
    cache-control: no-store
    content-length: 23

    {"data":[],"next":null}
    "#);
}

#[tokio::test]
async fn messages_are_listed_newest_first_and_shown_one_by_one() {
    let gateway = Gateway::start().await;
    gateway.text(1, "Hello").await;
    insta::assert_snapshot!(gateway.get("/api/v1/messages").await.json(), @r#"
    200 {
      "data": [
        {
          "carrier": "T-Mobile",
          "cc": [],
          "conversation_id": 1,
          "direction": "inbound",
          "encoding": null,
          "errors": [],
          "from": "+15551234567",
          "id": "message-1",
          "line_type": "Wireless",
          "media": [],
          "messaging_profile_id": null,
          "parts": 1,
          "received_at": "2023-11-14T22:13:21.000000Z",
          "status": "received",
          "text": "Hello",
          "to": [
            {
              "phone_number": "+15559876543",
              "status": "webhook_delivered"
            }
          ],
          "type": "SMS",
          "unsigned": false
        }
      ],
      "next": null
    }
    "#);
    let one = gateway.get("/api/v1/messages/message-1").await;
    assert_eq!((one.status, one.json().contains("\"Hello\"")), (200, true));
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat() {
    let gateway = Gateway::start().await;
    for number in 1..=5 {
        gateway.text(number, "Hello").await;
    }
    let (mut path, mut ids) = ("/api/v1/events?limit=2".to_owned(), Vec::new());
    loop {
        let page: serde_json::Value = serde_json::from_slice(&gateway.get(&path).await.body).unwrap();
        ids.extend(page["data"].as_array().unwrap().iter().map(|event| event["id"].to_string()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/events?limit=2&cursor={next}");
    }
    assert_eq!(ids, ["\"event-5\"", "\"event-4\"", "\"event-3\"", "\"event-2\"", "\"event-1\""]);
}

#[tokio::test]
async fn messages_are_searched_by_plain_words_and_by_the_language_of_the_search_box() {
    let gateway = Gateway::start().await;
    gateway.text(1, "Where is my refund?").await;
    gateway.text(2, "thanks, that is all").await;
    gateway.store.advance_behind(100).await.unwrap();
    for (query, expected) in [
        ("messages?text=refund", vec!["message-1"]),
        ("messages?text=IS", vec!["message-2", "message-1"]),
        ("messages?text=from:%2B1555", vec![]),
        ("messages?q=is%20-refund%20from:+1555", vec!["message-2"]),
        ("messages?q=from:+1555&text=refund&direction=inbound", vec!["message-1"]),
        ("messages?q=&limit=1", vec!["message-2"]),
        ("messages?has_media=true&text=is", vec![]),
        ("messages?q=%22%20OR%20%2A", vec![]),
        ("conversations/1/messages?q=refund", vec!["message-1"]),
    ] {
        let reply = gateway.get(&format!("/api/v1/{query}")).await;
        let page: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        let ids: Vec<_> = page["data"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
        assert_eq!(ids, expected, "{query}: {}", reply.text);
    }
}

#[tokio::test]
async fn a_search_that_nobody_can_mean_is_refused_with_its_place() {
    let gateway = Gateway::start().await;
    insta::assert_snapshot!(gateway.get("/api/v1/messages?q=hi%20after:soon").await.json(), @r#"
    400 {
      "code": "bad_search",
      "detail": "parameter `q`, at character 4: `after:soon` should be a time, a day or how long ago, as in 2026-01-31T08:00:00Z, 2026-01-31 or 2h",
      "request_id": "00000000000000000000000000000000",
      "status": 400,
      "title": "Bad Request",
      "type": "about:blank"
    }
    "#);
    let reply = gateway.get("/api/v1/messages?text=hi%20a*").await;
    assert_eq!(reply.status, 400);
    let told = "parameter `text`, at character 4: write at least two letters before `*`";
    assert!(reply.text.contains(told), "{}", reply.text);
    let long = format!("/api/v1/messages?q={}", "x".repeat(10_000));
    let reply = gateway.get(&long).await;
    assert_eq!(reply.status, 400);
    assert!(reply.text.contains("at character 1001: a search has at most 1000 characters"), "{}", reply.text);
}

#[tokio::test]
async fn filters_choose_what_is_listed() {
    let gateway = Gateway::start().await;
    gateway.text(1, "Hello").await;
    gateway.receive("{", 2).await;
    gateway.route().await;
    for (query, expected) in [
        ("events?readable=true", 1),
        ("events?readable=false", 1),
        ("events?event_type=message.received&source=telnyx", 1),
        ("events?message_id=message-1", 1),
        ("events?message_id=true", 0),
        ("events?after=2023-11-14T22:13:22Z", 1),
        ("events?before=2023-11-14T22:13:22Z", 1),
        ("messages?from=+15551234567", 1),
        ("messages?from=%2B15551234567&type=SMS", 1),
        ("messages?conversation_id=1", 1),
        ("messages?conversation_id=2", 0),
        ("messages?direction=outbound", 0),
        ("jobs?kind=deliver&state=waiting&destination=books", 1),
        ("jobs?event_id=event-1", 2),
        ("conversations/1/messages?direction=inbound", 1),
    ] {
        let reply = gateway.get(&format!("/api/v1/{query}")).await;
        let page: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(page["data"].as_array().map(Vec::len), Some(expected), "{query}: {}", reply.text);
    }
}

#[tokio::test]
async fn wrong_parameters_are_refused_by_name() {
    let gateway = Gateway::start().await;
    for (query, code, name) in [
        ("messages?form=1", "unknown_parameter", "`form`"),
        ("messages/x?limit=1", "unknown_parameter", "`limit`"),
        ("keys?x", "unknown_parameter", "`x`"),
        ("messages?limit=0", "bad_parameter", "`limit`"),
        ("messages?limit=1001", "bad_parameter", "`limit`"),
        ("messages?limit=-1", "bad_parameter", "`limit`"),
        ("messages?cursor=x", "bad_parameter", "`cursor`"),
        ("messages?direction=sideways", "bad_parameter", "`direction`"),
        ("messages?conversation_id=one", "bad_parameter", "`conversation_id`"),
        ("messages?after=yesterday", "bad_parameter", "`after`"),
        ("messages?from=1&from=2", "bad_parameter", "`from`"),
        ("events?readable=maybe", "bad_parameter", "`readable`"),
        ("jobs?state=held", "bad_parameter", "`state`"),
        ("stream?after=x", "bad_parameter", "`after`"),
        ("stream?after=-1-2", "bad_parameter", "`after`"),
        ("stream?since=1-1", "unknown_parameter", "`since`"),
    ] {
        let reply = gateway.get(&format!("/api/v1/{query}")).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, code), "{query}");
        assert!(reply.text.contains(name), "{query}: {}", reply.text);
    }
    insta::assert_snapshot!(gateway.get("/api/v1/jobs?state=held").await.text, @r#"
    HTTP/1.1 400 Bad Request
    content-type: application/problem+json
    x-request-id: 00000000000000000000000000000010
    x-content-type-options: nosniff
    cross-origin-resource-policy: same-origin
    cache-control: no-store
    content-length: 281

    {"type":"about:blank","title":"Bad Request","status":400,"detail":"parameter `state`: unknown variant `held`, expected one of `waiting`, `running`, `sending`, `done`, `dead`, `unknown`, `skipped`, `discarded`","code":"bad_parameter","request_id":"00000000000000000000000000000010"}
    "#);
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let gateway = Gateway::start().await;
    for path in [
        "messages/none",
        "conversations/7",
        "conversations/seven",
        "conversations/7/messages",
        "events/none",
        "events/none/raw",
        "jobs/7",
        "jobs/seven",
        "destinations/none",
        "replays/7",
        "media/none",
        "media/..%2f..%2fetc%2fpasswd",
        "nothing",
    ] {
        let reply = gateway.get(&format!("/api/v1/{path}")).await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "{path}");
    }
    insta::assert_snapshot!(gateway.get("/api/v1/jobs/seven").await.json(), @r#"
    404 {
      "code": "not_found",
      "detail": "there is no job `seven`",
      "request_id": "0000000000000000000000000000000d",
      "status": 404,
      "title": "Not Found",
      "type": "about:blank"
    }
    "#);
}

#[tokio::test]
async fn a_conversation_is_shown_and_marked_read() {
    let gateway = Gateway::start().await;
    gateway.text(1, "Hello").await;
    insta::assert_snapshot!(gateway.get("/api/v1/conversations").await.json(), @r#"
    200 {
      "data": [
        {
          "id": 1,
          "last_message_at": "2023-11-14T22:13:21.000000Z",
          "last_text": "Hello",
          "messages": 1,
          "our_number": "+15559876543",
          "party": "+15551234567",
          "unread": 1
        }
      ],
      "next": null
    }
    "#);
    let read = gateway.post("/api/v1/conversations/1/read", "").await;
    assert_eq!((read.status, read.body.len()), (204, 0));
    assert!(gateway.get("/api/v1/conversations/1").await.json().contains("\"unread\": 0"));
    assert_eq!(gateway.post("/api/v1/conversations/2/read", "").await.status, 404);
}

#[tokio::test]
async fn an_event_is_shown_and_its_bytes_are_given_back_inert() {
    let gateway = Gateway::start().await;
    gateway.text(1, "<script>").await;
    insta::assert_snapshot!(gateway.get("/api/v1/events/event-1").await.json(), @r#"
    200 {
      "attempt": 1,
      "delivered_to": "https://texts.example/webhooks",
      "duplicates": 0,
      "event_type": "message.received",
      "id": "event-1",
      "message_id": "message-1",
      "occurred_at": "2023-11-14T22:13:20.000+00:00",
      "readable": true,
      "received_at": "2023-11-14T22:13:21.000000Z",
      "seq": 1,
      "size_bytes": 461,
      "source": "telnyx"
    }
    "#);
    let raw = gateway.get("/api/v1/events/event-1/raw").await;
    assert_eq!(raw.body, crate::gateway::inbound(1, "<script>").into_bytes());
    let head = raw.text.split("\n\n").next().unwrap();
    insta::assert_snapshot!(head, @r#"
    HTTP/1.1 200 OK
    content-type: application/octet-stream
    content-disposition: attachment; filename="event.json"
    content-security-policy: sandbox; default-src 'none'
    x-request-id: 00000000000000000000000000000001
    x-content-type-options: nosniff
    cross-origin-resource-policy: same-origin
    cache-control: no-store
    content-length: 461
    "#);
}

#[tokio::test]
async fn rejections_are_listed_with_their_reasons() {
    let gateway = Gateway::start().await;
    let rejection = |code| NewRejection {
        code,
        reason: "because".to_owned(),
        received_at: now(),
        size_bytes: 2,
        peer: "192.0.2.1".to_owned(),
    };
    gateway.store.record_rejections(vec![rejection(RejectionCode::SignatureMissing)]).await.unwrap();
    insta::assert_snapshot!(gateway.get("/api/v1/rejections").await.json(), @r#"
    200 {
      "data": [
        {
          "code": "signature_missing",
          "id": 1,
          "peer": "192.0.2.1",
          "reason": "because",
          "received_at": "2023-11-14T22:13:20.000000Z",
          "size_bytes": 2
        }
      ],
      "next": null
    }
    "#);
}

#[tokio::test]
async fn pages_of_rejections_in_memory_and_kept_ones_skip_and_repeat_nothing() {
    let folder = tempfile::TempDir::new().unwrap();
    let store = open_store(&folder).await;
    let webhooks = World::start(store.clone()).await;
    let gateway = Gateway::start_on(folder, store, config(None), webhooks.status.clone()).await;
    for number in 0..130 {
        let forged = request(&signature(b"a", 0), format!("{number}").as_bytes());
        exchange(webhooks.address, &forged).await.unwrap();
    }
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let reply = gateway.get(&format!("/api/v1/rejections?limit=50{cursor}")).await;
        let page: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        ids.extend(
            page["data"].as_array().unwrap().iter().map(|rejection| rejection["id"].as_i64().unwrap()),
        );
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(ids, (1..=130).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn media_of_a_harmless_type_is_shown() {
    let gateway = Gateway::start().await;
    let sha256 = gateway.archive("image/png").await;
    insta::assert_snapshot!(gateway.get(&format!("/api/v1/media/{sha256}")).await.text, @r#"
    HTTP/1.1 200 OK
    content-type: image/png
    content-disposition: inline
    content-security-policy: sandbox; default-src 'none'
    cache-control: private, max-age=31536000, immutable
    x-request-id: 00000000000000000000000000000000
    x-content-type-options: nosniff
    cross-origin-resource-policy: same-origin
    content-length: 9

    image/png
    "#);
}

#[tokio::test]
async fn media_of_any_other_type_is_only_saved() {
    let gateway = Gateway::start().await;
    for content_type in ["image/svg+xml", "text/html", "application/pdf", "image/PNG", "image/png; x"] {
        let sha256 = gateway.archive(content_type).await;
        let reply = gateway.get(&format!("/api/v1/media/{sha256}")).await;
        assert_eq!(reply.body, content_type.as_bytes());
        for header in [
            "content-type: application/octet-stream",
            "content-disposition: attachment",
            "content-security-policy: sandbox; default-src 'none'",
            "x-content-type-options: nosniff",
        ] {
            assert!(reply.text.lines().any(|line| line == header), "{header}: {}", reply.text);
        }
    }
}

#[tokio::test]
async fn keys_are_shown_with_their_fingerprints() {
    let gateway = Gateway::start().await;
    insta::assert_snapshot!(gateway.get("/api/v1/keys").await.json(), @r#"
    200 {
      "inlet": {
        "fingerprint": "fe812c12f3ab4ce6",
        "public_key": "6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw="
      },
      "telnyx": [
        {
          "fingerprint": "fe812c12f3ab4ce6",
          "public_key": "6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw="
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn replies_and_opt_outs_are_lists() {
    let gateway = Gateway::start().await;
    for path in ["/api/v1/replies", "/api/v1/opt-outs", "/api/v1/replays"] {
        let reply = gateway.get(path).await;
        assert_eq!(reply.body, br#"{"data":[],"next":null}"#, "{path}");
    }
}

#[tokio::test]
async fn the_reply_guard_shows_its_limits_and_what_is_used() {
    let gateway = Gateway::start().await;
    let path = "/api/v1/replies/guard?from=+15550001111&to=+15550002222";
    insta::assert_snapshot!(gateway.get(path).await.json(), @r#"
    200 {
      "limits": {
        "global": 600,
        "global_window_seconds": 60,
        "pair": 3,
        "window_seconds": 600
      },
      "used": {
        "global": 0,
        "opted_out": false,
        "pair": 0
      }
    }
    "#);
    let all = gateway.get("/api/v1/replies/guard").await;
    assert!(all.text.contains(r#""used":{"pair":null,"global":0,"opted_out":null}"#), "{}", all.text);
    assert_eq!(gateway.get("/api/v1/replies/guard?of=1").await.code(), "unknown_parameter");
    for query in ["from=+15550001111", "to=+15550001111"] {
        assert_eq!(gateway.get(&format!("/api/v1/replies/guard?{query}")).await.code(), "bad_parameter");
    }
}

#[tokio::test]
async fn stats_count_jobs_and_events() {
    let gateway = Gateway::start().await;
    gateway.text(1, "Hello").await;
    gateway.receive("{}", 1).await;
    insta::assert_snapshot!(gateway.get("/api/v1/stats").await.json(), @r#"
    200 {
      "clock_skew_seconds": null,
      "draining": false,
      "events": {
        "newest_seq": 2,
        "unrouted": 1
      },
      "jobs": [
        {
          "destination": "books",
          "jobs": 1,
          "kind": "deliver",
          "oldest_at": "2023-11-14T22:13:20.000000Z",
          "state": "waiting"
        },
        {
          "destination": "crm",
          "jobs": 1,
          "kind": "deliver",
          "oldest_at": "2023-11-14T22:13:20.000000Z",
          "state": "waiting"
        }
      ],
      "webhooks": {
        "connections_open": 0,
        "duplicate": 0,
        "new": 0,
        "received": 0,
        "rejected": 0,
        "rejections_dropped": 0
      }
    }
    "#);
}

//! What is not acceptable is refused by name, before the store hears of it.

use inlet_domain::RejectionCode;

use crate::fake_store::{FakeStore, Mood, eventually};
use crate::receiver::{NOW, World, key, request, signature, signed};
use crate::wire::{Reply, Wire, exchange};

async fn refuse(request: &[u8]) -> Reply {
    let (reply, mut wire) = refuse_and_keep(request).await;
    assert!(wire.hangs_up().await, "the connection is closed after a refusal");
    reply
}

async fn refuse_and_keep(request: &[u8]) -> (Reply, Wire) {
    let store = FakeStore::new(Mood::Stores);
    let world = World::start(store.clone()).await;
    let mut wire = Wire::connect(world.address).await;
    wire.write(request).await;
    let reply = wire.reply().await.expect("an answer comes before the close");
    assert_eq!(store.calls(), 0, "nothing reaches the store");
    (reply, wire)
}

#[tokio::test]
async fn a_forged_request_gets_a_constant_problem() {
    let forged = request(&signature(b"{\"amount\":1}", 0), b"{\"amount\":1000}");
    insta::assert_snapshot!(refuse_and_keep(&forged).await.0.text, @r#"
    HTTP/1.1 400 Bad Request
    content-type: application/problem+json
    content-length: 154

    {"type":"about:blank","title":"Bad Request","status":400,"detail":"The signature was not made by a known key over this body.","code":"signature_mismatch"}
    "#);
}

#[tokio::test]
async fn a_request_without_signature_is_told_which_header_is_missing() {
    insta::assert_snapshot!(refuse(&request("", b"{\"data\":{}}")).await.text, @r#"
    HTTP/1.1 400 Bad Request
    content-type: application/problem+json
    connection: close
    content-length: 145

    {"type":"about:blank","title":"Bad Request","status":400,"detail":"The header `telnyx-signature-ed25519` is missing.","code":"signature_missing"}
    "#);
}

#[tokio::test]
async fn another_method_is_told_the_right_one() {
    let get = b"GET /webhooks HTTP/1.1\r\nhost: x\r\n\r\n";
    insta::assert_snapshot!(refuse(get).await.text, @r#"
    HTTP/1.1 405 Method Not Allowed
    content-type: application/problem+json
    connection: close
    allow: POST
    content-length: 131

    {"type":"about:blank","title":"Method Not Allowed","status":405,"detail":"Webhooks are POST requests.","code":"method_not_allowed"}
    "#);
}

#[tokio::test]
async fn version_1_is_told_its_remedy() {
    let v1 = request("x-telnyx-signature: t=1,h=x\r\n", b"{\"sms_id\":\"1\"}");
    insta::assert_snapshot!(refuse(&v1).await.text, @r#"
    HTTP/1.1 400 Bad Request
    content-type: application/problem+json
    connection: close
    content-length: 197

    {"type":"about:blank","title":"Bad Request","status":400,"detail":"Webhooks of API version 1 are not supported. Set `webhook_api_version` of the messaging profile to \"2\".","code":"api_version_1"}
    "#);
}

#[tokio::test]
async fn a_compressed_body_is_refused() {
    let gzip = request(&format!("content-encoding: gzip\r\n{}", signature(b"x", 0)), b"x");
    insta::assert_snapshot!(refuse(&gzip).await.text, @r#"
    HTTP/1.1 415 Unsupported Media Type
    content-type: application/problem+json
    connection: close
    content-length: 141

    {"type":"about:blank","title":"Unsupported Media Type","status":415,"detail":"Compressed bodies are not accepted.","code":"content_encoding"}
    "#);
}

#[tokio::test]
async fn a_body_declared_too_long_is_refused_before_it_comes() {
    let head = format!("POST /webhooks HTTP/1.1\r\n{}content-length: 1048577\r\n\r\n", signature(b"", 0));
    insta::assert_snapshot!(refuse(head.as_bytes()).await.text, @r#"
    HTTP/1.1 413 Payload Too Large
    content-type: application/problem+json
    connection: close
    content-length: 144

    {"type":"about:blank","title":"Payload Too Large","status":413,"detail":"The body is longer than this listener accepts.","code":"body_too_long"}
    "#);
}

#[tokio::test]
async fn bad_signature_headers_are_refused_by_name() {
    let good = key().sign(NOW, b"{}");
    let url_safe = good.replace('+', "-").replace('/', "_").replacen(|c: char| c.is_alphanumeric(), "-", 1);
    let pair = |signature: &str, timestamp: &str| {
        format!("telnyx-signature-ed25519: {signature}\r\ntelnyx-timestamp: {timestamp}\r\n")
    };
    let time = NOW.to_string();
    let cases = [
        (format!("telnyx-timestamp: {time}\r\n"), "signature_missing"),
        (format!("telnyx-signature-ed25519: {good}\r\n"), "timestamp_missing"),
        (pair(&good, &time) + &pair(&good, &time), "signature_repeated"),
        (pair(&good, &time) + &format!("telnyx-timestamp: {time}\r\n"), "signature_repeated"),
        (pair(&format!("{good},{good}"), &time), "signature_malformed"),
        (pair("", &time), "signature_malformed"),
        (pair("AAAA", &time), "signature_malformed"),
        (pair(good.trim_end_matches('='), &time), "signature_malformed"),
        (pair(&url_safe, &time), "signature_malformed"),
        (pair(&format!("{}B==", &good[..85]), &time), "signature_malformed"),
        (pair(&good, ""), "timestamp_malformed"),
        (pair(&good, "+1"), "timestamp_malformed"),
        (pair(&good, "1e9"), "timestamp_malformed"),
        (pair(&good, "NaN"), "timestamp_malformed"),
        (pair(&good, &format!("{time},{time}")), "timestamp_malformed"),
        (pair(&good, "12345678901234567890"), "timestamp_malformed"),
    ];
    for (headers, expected) in cases {
        let reply = refuse(&request(&headers, b"{}")).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, expected), "{headers}");
    }
}

#[tokio::test]
async fn what_does_not_verify_is_refused_by_name_and_the_connection_kept() {
    let other = |signature: String, timestamp: i64| {
        format!("telnyx-signature-ed25519: {signature}\r\ntelnyx-timestamp: {timestamp}\r\n")
    };
    let cases = [
        (other(key().sign(NOW, b"{}"), NOW + 1), "signature_mismatch"),
        (other(key().sign(NOW, b"{ }"), NOW), "signature_mismatch"),
        (signature(b"{}", -301), "timestamp_stale"),
        (signature(b"{}", 301), "timestamp_stale"),
    ];
    for (headers, expected) in cases {
        let request = request(&headers, b"{}");
        let (reply, mut wire) = refuse_and_keep(&request).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, expected), "{headers}");
        // All of it was read, so the connection serves the next request.
        wire.write(&request).await;
        assert_eq!(wire.reply().await.expect("the connection is kept").code(), expected);
    }
}

#[tokio::test]
async fn headers_are_judged_before_the_body_is_waited_for() {
    let head = "POST /webhooks HTTP/1.1\r\nhost: x\r\ntelnyx-timestamp: 1\r\ncontent-length: 10\r\n\r\n";
    assert_eq!(refuse(head.as_bytes()).await.code(), "signature_missing");
}

#[tokio::test]
async fn the_ends_of_the_window_are_inside_it() {
    let world = World::start(FakeStore::new(Mood::Stores)).await;
    for offset in [-300, 300] {
        let request = request(&signature(b"{}", offset), b"{}");
        assert_eq!(exchange(world.address, &request).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn older_webhook_versions_are_recognised_by_their_bodies() {
    let flat = request("content-type: application/json\r\n", br#"{"sms_id":"8","direction":"inbound"}"#);
    let form = request("content-type: application/x-www-form-urlencoded\r\n", b"MessageSid=1&Body=x");
    let curl = request("content-type: application/x-www-form-urlencoded\r\n", b"{\"data\":{}}");
    assert_eq!(refuse(&flat).await.code(), "api_version_1");
    assert_eq!(refuse(&form).await.code(), "api_version_1");
    assert_eq!(refuse(&curl).await.code(), "signature_missing");
}

#[tokio::test]
async fn other_paths_are_not_rejections() {
    let world = World::start(FakeStore::that_keeps_no_rejections()).await;
    for path in ["/", "/webhooks/", "/webhook", "/Webhooks", "//webhooks", "/.env", "*"] {
        let request = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
        let reply = exchange(world.address, request.as_bytes()).await.unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "{path}");
    }
    assert!(world.status.fresh_rejections().is_empty());
}

#[tokio::test]
async fn ambiguous_framing_is_refused_and_the_connection_closed() {
    let signature = signature(b"x", 0);
    let cases = [
        "content-length: 1\r\ncontent-length: 2\r\n",
        "content-length: +1\r\n",
        "content-length: 1, 2\r\n",
        "transfer-encoding: gzip\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "content-length: 1\r\n folded: x\r\n",
        "content-length : 1\r\n",
    ];
    let store = FakeStore::new(Mood::Stores);
    let world = World::start(store.clone()).await;
    for framing in cases {
        let mut wire = Wire::connect(world.address).await;
        let head = format!("POST /webhooks HTTP/1.1\r\nhost: x\r\n{signature}{framing}\r\nx");
        wire.write(head.as_bytes()).await;
        let status = wire.reply().await.map_or(400, |reply| reply.status);
        assert_eq!(status, 400, "{framing}");
        assert!(wire.hangs_up().await, "{framing}");
    }
    assert_eq!(store.calls(), 0);
}

#[tokio::test]
async fn a_length_beside_chunks_cannot_smuggle_a_second_request() {
    let store = FakeStore::new(Mood::Stores);
    let world = World::start(store.clone()).await;
    let signature = signature(b"", 0);
    let smuggled = signed(b"{\"data\":{\"id\":\"smuggled\"}}");
    let mut wire = Wire::connect(world.address).await;
    let head = format!(
        "POST /webhooks HTTP/1.1\r\nhost: x\r\n{signature}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    );
    wire.write(&[head.as_bytes(), &smuggled].concat()).await;
    wire.reply().await.unwrap();
    assert!(wire.hangs_up().await);
    assert_eq!(store.bodies(), [b""], "only the first request counts");
}

#[tokio::test]
async fn another_protocol_is_hung_up_on() {
    let world = World::start(FakeStore::new(Mood::Stores)).await;
    for opening in [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"]
    {
        let mut wire = Wire::connect(world.address).await;
        wire.write(opening).await;
        wire.close_sending().await;
        let status = wire.reply().await.map_or(400, |reply| reply.status);
        assert_eq!(status, 400);
    }
}

#[tokio::test]
async fn a_rejection_says_what_would_have_had_to_match() {
    let world = World::start(FakeStore::that_keeps_no_rejections()).await;
    exchange(world.address, &request(&signature(b"a", 0), b"b")).await.unwrap();
    exchange(world.address, &request(&signature(b"{}", -600), b"{}")).await.unwrap();
    let rejections = world.status.fresh_rejections();
    let [stale, mismatch] = &rejections[..] else { panic!("two rejections, newest first: {rejections:?}") };
    let fingerprint = key().public().fingerprint();
    assert_eq!((stale.code, stale.size_bytes), (RejectionCode::TimestampStale, 2));
    assert!(stale.reason.contains("600 s behind") && stale.reason.contains(&fingerprint.to_string()));
    assert_eq!((mismatch.code, mismatch.size_bytes), (RejectionCode::SignatureMismatch, 1));
    assert!(mismatch.reason.contains(&format!("key {fingerprint} would have had to sign `{NOW}|`")));
    assert_eq!(mismatch.peer, "127.0.0.1");
    assert_eq!(world.status.skew_seconds(), Some(600), "a stale time names the clock's error");
}

#[tokio::test]
async fn rejections_reach_the_store_within_seconds() {
    let store = FakeStore::new(Mood::Stores);
    let world = World::start(store.clone()).await;
    exchange(world.address, &request("", b"x")).await.unwrap();
    eventually("the flush", || store.rejections().len() == 1).await;
    eventually("the ring to forget", || world.status.fresh_rejections().is_empty()).await;
    assert_eq!(store.rejections()[0].code, RejectionCode::SignatureMissing);
}

#[tokio::test]
async fn a_flood_of_forgeries_reaches_no_table_of_events() {
    let store = FakeStore::new(Mood::Stores);
    let world = World::start(store.clone()).await;
    let forged = request(&signature(b"a", 0), b"b");
    let flood = (0..300).map(|_| exchange(world.address, &forged));
    for reply in futures_util::future::join_all(flood).await {
        assert_eq!(reply.unwrap().status, 400);
    }
    assert_eq!(store.calls(), 0);
    assert_eq!(world.metric("inlet_webhooks_rejected_total{code=\"signature_mismatch\"}"), 300.0);
}

#[tokio::test]
async fn in_dev_a_web_page_or_a_tunnel_does_not_get_in() {
    let store = FakeStore::new(Mood::Stores);
    let world = World::start_with(store.clone(), |config| config.allow_unsigned = true).await;
    for header in ["origin: http://localhost:5000", "sec-fetch-site: cross-site", "x-forwarded-for: 1.2.3.4"]
    {
        let reply = exchange(world.address, &request(&format!("{header}\r\n"), b"{}")).await.unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (400, "unsigned_not_local"), "{header}");
    }
    let foreign = "POST /webhooks HTTP/1.1\r\nhost: rebound.example:5000\r\ncontent-length: 0\r\n\r\n";
    let reply = exchange(world.address, foreign.as_bytes()).await.unwrap();
    assert_eq!(reply.code(), "unsigned_not_local");
    let half =
        exchange(world.address, &request(&format!("telnyx-timestamp: {NOW}\r\n"), b"{}")).await.unwrap();
    assert_eq!(half.code(), "signature_missing", "one signature header asks to be verified");
    let forged = exchange(world.address, &request(&signature(b"a", 0), b"b")).await.unwrap();
    assert_eq!(forged.code(), "signature_mismatch");
    assert_eq!(store.calls(), 0);
}

#[tokio::test]
async fn without_a_key_nothing_starts() {
    let config = inlet_server::IngestConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        ..inlet_server::IngestConfig::default()
    };
    let mut registry = prometheus_client::registry::Registry::default();
    let started = inlet_server::Ingest::start(
        config,
        FakeStore::new(Mood::Stores),
        std::sync::Arc::new(crate::receiver::StillClock),
        std::sync::Arc::new(crate::receiver::CountingEntropy::default()),
        &mut registry,
    );
    assert!(matches!(started.await, Err(inlet_server::ServerError::NoKeys)));
}

//! What is signed is stored and acknowledged, whatever it is.

use std::sync::Arc;

use inlet_domain::Source;
use inlet_server::{Ingest, IngestConfig};
use prometheus_client::registry::Registry;

use crate::fake_store::{FakeStore, Mood};
use crate::receiver::{CountingEntropy, StillClock, World, key, request, signature, signed};
use crate::wire::{Wire, exchange};

#[tokio::test]
async fn a_signed_event_is_stored_and_answered_with_exactly_200() {
    let store = FakeStore::new(Mood::Stores);
    let world = World::start(store.clone()).await;
    let body = br#"{"data":{"id":"event-1","event_type":"message.received"}}"#;
    let reply = world.post(body).await.unwrap();
    insta::assert_snapshot!(reply.text, @r"
    HTTP/1.1 200 OK
    content-length: 0
    ");
    let events = store.events();
    assert_eq!((events[0].id.as_str(), &events[0].body[..]), ("event-1", &body[..]));
    assert_eq!(events[0].source, Source::Telnyx);
}

#[tokio::test]
async fn everything_that_is_signed_is_stored_byte_for_byte() {
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 11] = [
        b"",
        b" ",
        b"null",
        b"{",
        b"\0",
        b"{\"data\":{\"id\":\"nul\",\"text\":\"a\\u0000b\0\"}}",
        b"{\"data\":{\"id\":\"utf\",\"text\":\"\xff\xfe\"}}",
        b"{\"data\":{\"id\":\"twice\",\"id\":\"two\"}}",
        b"{\n  \"data\": {\n    \"id\": \"pretty\"\n  }\n}\r\n",
        b"{\"data\":{\"id\":\"number\",\"n\":1e999999999}}",
        deep.as_bytes(),
    ];
    let store = FakeStore::new(Mood::Stores);
    let world = World::start(store.clone()).await;
    for body in bodies {
        assert_eq!(world.post(body).await.unwrap().status, 200);
    }
    assert_eq!(store.bodies(), bodies);
}

#[tokio::test]
async fn a_chunked_body_in_small_pieces_is_put_together() {
    let store = FakeStore::new(Mood::Stores);
    let world = World::start(store.clone()).await;
    let body = b"{\"data\":{\"id\":\"pieces\"}}";
    let mut wire = Wire::connect(world.address).await;
    let headers = signature(body, 0);
    let head = format!("POST /webhooks HTTP/1.1\r\nhost: x\r\n{headers}transfer-encoding: chunked\r\n\r\n");
    wire.write(head.as_bytes()).await;
    for piece in body.chunks(3) {
        wire.write(format!("{:x}\r\n", piece.len()).as_bytes()).await;
        wire.write(&[piece, b"\r\n"].concat()).await;
    }
    wire.write(b"0\r\ntrailer: x\r\n\r\n").await;
    assert_eq!(wire.reply().await.unwrap().status, 200);
    assert_eq!(store.bodies(), [body]);
}

#[tokio::test]
async fn the_largest_body_is_stored() {
    let store = FakeStore::new(Mood::Stores);
    let world = World::start(store.clone()).await;
    let body = vec![b'x'; 1024 * 1024];
    assert_eq!(world.post(&body).await.unwrap().status, 200);
    assert_eq!(store.bodies(), [body]);
}

#[tokio::test]
async fn a_hundred_copies_at_once_are_one_event_and_all_acknowledged() {
    let store = FakeStore::new(Mood::Stores);
    let world = World::start(store.clone()).await;
    let request = signed(br#"{"data":{"id":"copy"}}"#);
    let copies = (0..100).map(|_| exchange(world.address, &request));
    for reply in futures_util::future::join_all(copies).await {
        assert_eq!(reply.unwrap().status, 200);
    }
    assert_eq!((store.events().len(), store.duplicates_of("copy")), (1, 99));
    assert_eq!(world.metric("inlet_webhooks_new_total"), 1.0);
    assert_eq!(world.metric("inlet_webhooks_duplicate_total"), 99.0);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let store = FakeStore::new(Mood::Stores);
    let world = World::start(store.clone()).await;
    let mut wire = Wire::connect(world.address).await;
    let requests: Vec<u8> = (0..20).flat_map(|n| signed(format!("{{\"n\":{n}}}").as_bytes())).collect();
    wire.write(&requests).await;
    for _ in 0..20 {
        assert_eq!(wire.reply().await.unwrap().status, 200);
    }
    let expected: Vec<_> = (0..20).map(|n| format!("{{\"n\":{n}}}").into_bytes()).collect();
    assert_eq!(store.bodies(), expected);
}

#[tokio::test]
async fn the_query_is_ignored_and_header_names_have_any_case() {
    let store = FakeStore::new(Mood::Stores);
    let world = World::start(store.clone()).await;
    let text = String::from_utf8(signed(b"{}")).unwrap();
    let text = text.replace("/webhooks", "/webhooks?tag=a%20b").replace("telnyx-", "TELNYX-");
    assert_eq!(exchange(world.address, text.as_bytes()).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_client_that_has_said_all_it_will_say_is_answered() {
    let world = World::start(FakeStore::new(Mood::Stores)).await;
    let mut wire = Wire::connect(world.address).await;
    wire.write(&signed(b"{}")).await;
    wire.close_sending().await;
    assert_eq!(wire.reply().await.unwrap().status, 200);
}

#[tokio::test]
async fn each_of_several_keys_verifies_and_is_counted() {
    let old = inlet_telnyx::SigningKey::from_seed(&[9; 32]).unwrap();
    let store = FakeStore::new(Mood::Stores);
    let public = old.public().clone();
    let world = World::start_with(store, |config| config.keys.push(public)).await;
    assert_eq!(world.post(b"1").await.unwrap().status, 200);
    let time = crate::receiver::NOW;
    let by_old = old.sign(time, b"2");
    let headers = format!("telnyx-signature-ed25519: {by_old}\r\ntelnyx-timestamp: {time}\r\n");
    assert_eq!(exchange(world.address, &request(&headers, b"2")).await.unwrap().status, 200);
    for key in [key().public().fingerprint(), old.public().fingerprint()] {
        assert_eq!(world.metric(&format!("inlet_webhooks_verified_total{{key=\"{key}\"}}")), 1.0);
    }
}

#[tokio::test]
async fn in_dev_a_plain_local_request_needs_no_signature() {
    let store = FakeStore::new(Mood::Stores);
    let world = World::start_with(store.clone(), |config| config.allow_unsigned = true).await;
    let body = br#"{"data":{"event_type":"message.received","payload":{"text":"test"}}}"#;
    for _ in 0..2 {
        let request = request("content-type: application/json\r\n", body);
        assert_eq!(exchange(world.address, &request).await.unwrap().status, 200);
    }
    let events = store.events();
    assert_eq!(events.len(), 2, "two requests without an id are two events");
    assert!(events.iter().all(|event| event.source == Source::Unsigned));
}

#[tokio::test]
async fn a_client_that_comes_before_the_gateway_is_whole_waits_and_is_then_answered() {
    let store = FakeStore::new(Mood::Stores);
    let config = IngestConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        keys: vec![key().public().clone()],
        ..IngestConfig::default()
    };
    let bound = Ingest::bind(config, &mut Registry::default()).unwrap();
    let early = tokio::spawn(exchange(bound.local_addr(), Vec::leak(signed(b"{}"))));
    // It connects, sends, and is not answered: nobody accepts.
    tokio::task::yield_now().await;
    assert_eq!(store.calls(), 0);
    let ingest = bound.accept(store.clone(), Arc::new(StillClock), Arc::new(CountingEntropy::default()));
    assert!(early.await.unwrap().unwrap().text.starts_with("HTTP/1.1 200"));
    assert_eq!(store.events().len(), 1);
    ingest.drain(std::time::Duration::from_secs(1)).await;
}

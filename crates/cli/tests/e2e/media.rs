//! Media: every attachment is archived, or visibly given up; the key goes nowhere else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::wait::until;
use crate::world::{Dev, OURS, PHONE};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";
const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0";
const GIF: &[u8] = b"GIF89a\x01\0\x01\0\0\0\0;";
const PDF: &[u8] = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n";
const SVG: &[u8] = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
const QUICK: &str = "[media]\nretry = [\"0s\", \"50ms\", \"50ms\", \"50ms\", \"50ms\"]\n";

fn item(content_type: &str, bytes: &[u8]) -> Value {
    json!({"content_type": content_type, "data": STANDARD.encode(bytes)})
}

fn mms(media: &[Value]) -> Value {
    json!({"from": PHONE, "to": OURS, "text": "pictures", "media": media})
}

async fn attachments(world: &Dev, done: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    until(&format!("the attachments\n{}", world.gateway.log()), || async {
        let messages = world.gateway.list("messages?direction=inbound").await;
        let media = messages.first()?["media"].as_array()?.clone();
        Some(media).filter(|media| done(media))
    })
    .await
}

fn all(state: &'static str) -> impl Fn(&[Value]) -> bool {
    move |media| !media.is_empty() && media.iter().all(|item| item["state"] == state)
}

#[tokio::test]
async fn ten_attachments_of_mixed_kinds_are_archived_and_served_inert() {
    let world = Dev::start("").await;
    let kinds: [(&str, &[u8]); 5] = [
        ("image/png", PNG),
        ("image/jpeg", JPEG),
        ("image/gif", GIF),
        ("application/pdf", PDF),
        ("image/svg+xml", SVG),
    ];
    // Two of each kind; the bytes of the second differ, so that ten blobs are kept.
    let contents: Vec<(&str, Vec<u8>)> = (0..10u8)
        .map(|number| {
            (kinds[usize::from(number % 5)].0, [kinds[usize::from(number % 5)].1, &[number]].concat())
        })
        .collect();
    let media: Vec<Value> = contents.iter().map(|(kind, bytes)| item(kind, bytes)).collect();
    world.control().inject(&mms(&media)).await;

    let archived = attachments(&world, all("archived")).await;
    assert_eq!(archived.len(), 10);
    for (item, (kind, bytes)) in archived.iter().zip(&contents) {
        let url =
            format!("{}/api/v1/media/{}", world.gateway.address("admin"), item["sha256"].as_str().unwrap());
        let answer = reqwest::get(url).await.unwrap();
        let header =
            |name: &str| answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        assert_eq!(header("x-content-type-options"), "nosniff");
        let shown = ["image/png", "image/jpeg", "image/gif"].contains(kind);
        assert_eq!(header("content-disposition").starts_with("attachment"), !shown, "{kind}");
        assert_eq!(answer.bytes().await.unwrap().as_ref(), bytes.as_slice());
    }
}

#[tokio::test]
async fn failing_then_slow_media_host_is_tried_until_it_delivers() {
    let world = Dev::start(QUICK).await;
    let faults = json!({"data": [
        {"kind": "media_status", "status": 503, "count": 2},
        {"kind": "media_truncate", "count": 1},
        {"kind": "media_slow", "bytes_per_second": 60, "count": 1},
    ]});
    assert_eq!(world.control().put("faults", &faults).await.0, 200);
    world.control().inject(&mms(&[item("image/png", PNG)])).await;
    attachments(&world, all("archived")).await;
    let jobs = world.gateway.list("jobs?kind=fetch_media").await;
    assert_eq!(jobs[0]["attempts"], 4, "{jobs:?}");
}

#[tokio::test]
async fn wrong_digest_and_missing_media_become_dead_letters() {
    let world = Dev::start(QUICK).await;
    let faults = json!({"data": [{"kind": "media_corrupt"}]});
    assert_eq!(world.control().put("faults", &faults).await.0, 200);
    world.control().inject(&mms(&[item("image/png", PNG)])).await;
    attachments(&world, all("dead")).await;
    let dead = world.gateway.list("jobs?state=dead&kind=fetch_media").await;
    assert!(dead[0]["last_error"].as_str().unwrap().contains("SHA-256"), "{dead:?}");

    assert_eq!(world.control().put("faults", &json!({"data": []})).await.0, 200);
    let id = dead[0]["id"].to_string();
    world.gateway.run(&["dead", "retry", &id]);
    attachments(&world, all("archived")).await;
}

#[tokio::test]
async fn redirect_to_a_private_address_is_refused_and_the_key_is_not_sent_on() {
    let inside = Endpoint::start().await;
    let world = Dev::start(QUICK).await;
    let faults = json!({"data": [{"kind": "media_redirect", "url": inside.url()}]});
    assert_eq!(world.control().put("faults", &faults).await.0, 200);
    world.control().inject(&mms(&[item("image/png", PNG)])).await;
    attachments(&world, all("dead")).await;
    assert!(inside.received().is_empty());

    let hostile = json!({"url": inside.url(), "content_type": "image/png"});
    world.control().inject(&mms(&[hostile])).await;
    world.gateway.wait_list("jobs?state=dead&kind=fetch_media", |rows| rows.len() == 2).await;
    assert!(inside.received().is_empty());
}

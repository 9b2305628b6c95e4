//! The media host: content, lifetime, key, and links handed on as they are.

use std::time::Duration;

use inlet_sandbox::{InboundMedia, InboundText, MediaDigestKey, Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::support::*;

const PICTURE: &[u8] = b"\xff\xd8\xff\xe0 not quite a picture";
const DIGEST: &str = "7d3a0b7a";

async fn inject_picture(sandbox: &Sandbox) -> Value {
    let text = InboundText { text: None, ..InboundText::new(PHONE, OURS, "") };
    let injected =
        sandbox.inject(text.with_media(InboundMedia::upload("image/jpeg", PICTURE))).await.unwrap();
    sandbox.delivery(&injected.event_id).unwrap().data()["payload"].clone()
}

async fn fetch(url: &Value) -> reqwest::Response {
    client().get(url.as_str().unwrap()).send().await.unwrap()
}

#[tokio::test]
async fn an_uploaded_attachment_is_named_with_its_digest_and_served() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let payload = inject_picture(&sandbox).await;
    assert_eq!((&payload["type"], &payload["text"]), (&json!("MMS"), &json!("")));
    let item = &payload["media"][0];
    assert_eq!((&item["content_type"], &item["size"]), (&json!("image/jpeg"), &json!(PICTURE.len())));
    let (digest, url) = (item["hash_sha256"].as_str().unwrap(), item["url"].as_str().unwrap());
    assert!(url.starts_with(&format!("{}/media/", sandbox.base_url())));
    assert!(url.ends_with(&format!("/{digest}.jpeg")));
    let response = fetch(&item["url"]).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"image/jpeg".parse().unwrap())
    );
    assert_eq!(response.bytes().await.unwrap(), PICTURE);
}

#[tokio::test]
async fn the_name_of_the_digest_is_a_setting() {
    let config = SandboxConfig { media_digest_key: MediaDigestKey::Sha256, ..swift() };
    let sandbox = Sandbox::start_with(config).await.unwrap();
    let item = inject_picture(&sandbox).await["media"][0].clone();
    assert!(item["sha256"].is_string() && item.get("hash_sha256").is_none());
}

#[tokio::test]
async fn media_are_gone_after_thirty_days() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let item = inject_picture(&sandbox).await["media"][0].clone();
    sandbox.advance_clock(Duration::from_secs(30 * 24 * 60 * 60));
    assert_eq!(fetch(&item["url"]).await.status(), 404);
}

#[tokio::test]
async fn media_need_the_key_when_the_setting_says_so() {
    let sandbox = Sandbox::start_with(SandboxConfig { media_auth: true, ..swift() }).await.unwrap();
    let item = inject_picture(&sandbox).await["media"][0].clone();
    assert_eq!(fetch(&item["url"]).await.status(), 401);
    let keyed = client().get(item["url"].as_str().unwrap()).bearer_auth(sandbox.api_key());
    assert_eq!(keyed.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_link_is_handed_on_word_for_word() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let link = json!({"url": "http://169.254.169.254/latest", "content_type": "image/png", "size": -1, "sha256": DIGEST});
    let reply = post(&sandbox, "/texts", json!({"from": PHONE, "to": OURS, "media": [link]})).await;
    let delivery = sandbox.delivery(reply.body["event_id"].as_str().unwrap()).unwrap();
    assert_eq!(
        delivery.data()["payload"]["media"][0],
        json!({"content_type": "image/png", "hash_sha256": DIGEST, "size": -1, "url": "http://169.254.169.254/latest"})
    );
}

#[tokio::test]
async fn full_storage_drops_the_oldest_media() {
    let sandbox =
        Sandbox::start_with(SandboxConfig { media_capacity_bytes: PICTURE.len(), ..swift() }).await.unwrap();
    let first = inject_picture(&sandbox).await["media"][0].clone();
    let second = inject_picture(&sandbox).await["media"][0].clone();
    assert_eq!(
        (fetch(&first["url"]).await.status(), fetch(&second["url"]).await.status()),
        (404.try_into().unwrap(), 200.try_into().unwrap())
    );
}

#[tokio::test]
async fn what_we_sent_from_our_media_host_keeps_its_details_on_arrival() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let item = inject_picture(&sandbox).await["media"][0].clone();
    let sent = send(&sandbox, json!({"from": OURS, "to": OUR_SECOND, "media_urls": [item["url"]]})).await;
    assert_eq!(sent.body["data"]["media"][0]["sha256"], item["hash_sha256"]);
    idle(&sandbox).await;
    let arrived =
        sandbox.deliveries().into_iter().rfind(|delivery| delivery.event_type == "message.received").unwrap();
    assert_eq!(arrived.data()["payload"]["media"][0], item);
}

#[tokio::test]
async fn only_a_fetch_that_would_succeed_uses_up_a_fault() {
    let sandbox = Sandbox::start_with(SandboxConfig { media_auth: true, ..swift() }).await.unwrap();
    let url = inject_picture(&sandbox).await["media"][0]["url"].as_str().unwrap().to_owned();
    put_faults(&sandbox, json!([{"kind": "media_status", "status": 503, "count": 1}])).await;
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status();
    let with_key = || client().get(&url).bearer_auth(sandbox.api_key());
    assert_eq!(status(client().get(&url)).await, 401);
    assert_eq!(status(client().head(&url).bearer_auth(sandbox.api_key())).await, 200);
    assert_eq!(status(with_key()).await, 503);
    assert_eq!(status(with_key()).await, 200);
}

#[tokio::test]
async fn the_seed_and_not_the_order_of_fetches_says_which_media_fail() {
    let mut runs = Vec::new();
    for backwards in [false, true] {
        let sandbox = Sandbox::start_with(swift()).await.unwrap();
        put_faults(&sandbox, json!([{"kind": "media_status", "status": 503, "probability": 0.5}])).await;
        let mut urls = Vec::new();
        for number in 0..16_u8 {
            let text = InboundText::new(PHONE, OURS, "Look");
            let text = text.with_media(InboundMedia::upload("image/png", vec![number]));
            let id = sandbox.inject(text).await.unwrap().event_id;
            urls.push(sandbox.delivery(&id).unwrap().data()["payload"]["media"][0]["url"].clone());
        }
        let mut order: Vec<usize> = (0..16).collect();
        if backwards {
            order.reverse();
        }
        let mut failed = Vec::new();
        for place in order {
            if fetch(&urls[place]).await.status() == 503 {
                failed.push(place);
            }
        }
        failed.sort_unstable();
        runs.push(failed);
    }
    assert_eq!(runs[0], runs[1]);
    assert!((1..16).contains(&runs[0].len()));
}

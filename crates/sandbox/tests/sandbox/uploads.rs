//! Media that an account uploads: by form or from a URL, for a time, under a name.

use std::time::Duration;

use inlet_sandbox::{InboundMedia, InboundText, Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::support::*;

const PICTURE: &[u8] = b"\x89PNG\r\n--not quite";

/// A form as browsers and SDKs write it.
async fn form(
    sandbox: &Sandbox,
    method: http::Method,
    path: &str,
    fields: &[(&str, &str)],
    file: &[u8],
) -> Reply {
    let mut body = Vec::new();
    for (name, value) in fields {
        let head =
            format!("--frontier\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(head.as_bytes());
    }
    body.extend_from_slice(
        b"--frontier\r\nContent-Disposition: form-data; name=\"media\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n",
    );
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--frontier--\r\n");
    let request = client().request(method, format!("{}{path}", sandbox.api_url()));
    let request = request.bearer_auth(sandbox.api_key());
    Reply::of(request.header("content-type", "multipart/form-data; boundary=frontier").body(body)).await
}

async fn upload(sandbox: &Sandbox, fields: &[(&str, &str)]) -> Reply {
    form(sandbox, http::Method::POST, "/media", fields, PICTURE).await
}

async fn download(sandbox: &Sandbox, name: &str) -> (u16, Vec<u8>) {
    let url = format!("{}/media/{name}/download", sandbox.api_url());
    let response = client().get(url).bearer_auth(sandbox.api_key()).send().await.unwrap();
    (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn a_file_is_uploaded_listed_downloaded_and_deleted() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let made = upload(&sandbox, &[("media_name", "cat.png"), ("ttl_secs", "60")]).await;
    assert_eq!((made.status, &made.body["data"]["content_type"]), (201, &json!("image/png")));
    assert_eq!(get_v2(&sandbox, "/media/cat.png").await.body, made.body);
    assert_eq!(download(&sandbox, "cat.png").await, (200, PICTURE.to_vec()));
    assert_eq!(
        each(&get_v2(&sandbox, "/media?filter[content_type][]=image_png").await, "media_name"),
        ["cat.png"]
    );
    assert!(each(&get_v2(&sandbox, "/media?filter[content_type]=audio/mpeg").await, "media_name").is_empty());
    assert_eq!(upload(&sandbox, &[("media_name", "cat.png")]).await.refusal(), (422, "10027", "/media_name"));
    assert_eq!(delete_v2(&sandbox, "/media/cat.png").await.status, 204);
    assert_eq!(get_v2(&sandbox, "/media/cat.png").await.refusal(), (404, "10005", ""));
    assert_eq!(download(&sandbox, "cat.png").await.0, 404);
}

#[tokio::test]
async fn a_file_is_gone_when_its_time_is_over() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    upload(&sandbox, &[("media_name", "short"), ("ttl_secs", "60")]).await;
    upload(&sandbox, &[("media_name", "usual")]).await;
    sandbox.advance_clock(Duration::from_secs(60));
    assert_eq!(each(&get_v2(&sandbox, "/media").await, "media_name"), ["usual"]);
    sandbox.advance_clock(Duration::from_secs(2 * 24 * 60 * 60));
    assert!(each(&get_v2(&sandbox, "/media").await, "media_name").is_empty());
}

#[tokio::test]
async fn a_file_is_fetched_from_a_url() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let text = InboundText::new(PHONE, OURS, "").with_media(InboundMedia::upload("image/jpeg", PICTURE));
    let injected = sandbox.inject(text).await.unwrap();
    let url = sandbox.delivery(&injected.event_id).unwrap().data()["payload"]["media"][0]["url"].clone();
    let made = post_v2(&sandbox, "/media", json!({"media_url": url})).await;
    let name = made.body["data"]["media_name"].as_str().unwrap();
    assert_eq!(made.body["data"]["content_type"], "image/jpeg");
    assert_eq!(download(&sandbox, name).await.1, PICTURE);
    let missing = format!("{}/media/no/where", sandbox.base_url());
    let refused = post_v2(&sandbox, "/media", json!({"media_url": missing})).await;
    assert_eq!(refused.refusal(), (422, "10027", "/media_url"));
}

#[tokio::test]
async fn a_file_is_given_other_content_and_more_time() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let made = upload(&sandbox, &[("media_name", "a")]).await.body["data"].clone();
    let longer = call_v2(&sandbox, http::Method::PUT, "/media/a", json!({"ttl_secs": 604_800})).await;
    assert!(longer.body["data"]["expires_at"].as_str() > made["expires_at"].as_str());
    let other = form(&sandbox, http::Method::PUT, "/media/a", &[], b"other").await;
    assert_eq!(other.body["data"]["expires_at"], longer.body["data"]["expires_at"]);
    assert_eq!(download(&sandbox, "a").await.1, b"other");
    let nobody = form(&sandbox, http::Method::PUT, "/media/b", &[], b"other").await;
    assert_eq!(nobody.refusal(), (404, "10005", ""));
}

#[tokio::test]
async fn what_is_no_upload_is_refused_with_its_place() {
    let sandbox = Sandbox::start_with(SandboxConfig { media_capacity_bytes: 30, ..swift() }).await.unwrap();
    let cases: [(Value, _); 5] = [
        (json!({}), (400, "10004", "/media_url")),
        (json!({"media_url": "ftp://a/b"}), (400, "10003", "/media_url")),
        (json!({"media_url": "http://a/b", "ttl_secs": 0}), (400, "10033", "/ttl_secs")),
        (json!({"media_url": "http://a/b", "media_name": "a/b"}), (400, "10015", "/media_name")),
        (json!({"media_url": "http://a/b", "colour": 1}), (400, "10015", "/colour")),
    ];
    for (body, expected) in cases {
        assert_eq!(post_v2(&sandbox, "/media", body).await.refusal(), expected);
    }
    assert_eq!(upload(&sandbox, &[("media_name", "fits")]).await.status, 201);
    assert_eq!(upload(&sandbox, &[("media_name", "too much")]).await.refusal(), (422, "10027", ""));
}

#[tokio::test]
async fn a_file_larger_than_a_message_can_be_uploaded() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let large = vec![b'x'; 3 * 1024 * 1024];
    assert_eq!(
        form(&sandbox, http::Method::POST, "/media", &[("media_name", "l")], &large).await.status,
        201
    );
    assert_eq!(download(&sandbox, "l").await.1.len(), large.len());
    let beyond = vec![b'x'; 21 * 1024 * 1024];
    let refused = form(&sandbox, http::Method::POST, "/media", &[("media_name", "b")], &beyond).await;
    assert_eq!(refused.refusal(), (413, "10025", ""));
}

#[tokio::test]
async fn an_upload_that_is_sent_reaches_its_recipient_without_a_key() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    upload(&sandbox, &[("media_name", "a cat.png")]).await;
    let link = format!("{}/media/a%20cat.png/download", sandbox.api_url());
    let sent = send(&sandbox, json!({"from": OURS, "to": OUR_SECOND, "media_urls": [link]})).await;
    let item = sent.body["data"]["media"][0].clone();
    assert_eq!((&item["content_type"], &item["size"]), (&json!("image/png"), &json!(PICTURE.len())));
    let fetched = client().get(item["url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(fetched.bytes().await.unwrap(), PICTURE);
    delete_v2(&sandbox, "/media/a%20cat.png").await;
    let later = send(&sandbox, json!({"from": OURS, "to": OUR_SECOND, "media_urls": [link]})).await;
    assert_eq!(later.body["data"]["media"][0]["url"], link);
}

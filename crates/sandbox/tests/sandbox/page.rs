//! The page of phones: what the browser is told about it, and that nothing else is served beside it.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use inlet_sandbox::{InboundMedia, InboundText, Sandbox};
use serde_json::json;

use crate::support::*;

async fn fetch(sandbox: &Sandbox, path: &str) -> Reply {
    Reply::of(client().get(format!("{}{path}", sandbox.base_url()))).await
}

#[tokio::test]
async fn every_part_of_the_page_comes_with_its_type_and_the_strict_policy() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let parts = [
        ("/", "text/html; charset=utf-8"),
        ("/ui/main.js", "text/javascript; charset=utf-8"),
        ("/ui/vendor/preact.js", "text/javascript; charset=utf-8"),
        ("/ui/style.css", "text/css; charset=utf-8"),
        ("/ui/icon.svg", "image/svg+xml"),
    ];
    for (path, content_type) in parts {
        let answer = fetch(&sandbox, path).await;
        assert_eq!((answer.status, &answer.headers[CONTENT_TYPE]), (200, &content_type.parse().unwrap()));
        assert_eq!(answer.headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(answer.headers[REFERRER_POLICY], "no-referrer");
        assert_eq!(answer.headers[CACHE_CONTROL], "no-cache");
        insta::allow_duplicates! {
            insta::assert_snapshot!(answer.headers[CONTENT_SECURITY_POLICY].to_str().unwrap(), @"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
        }
    }
}

#[tokio::test]
async fn what_the_browser_has_already_is_not_sent_again() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let etag = fetch(&sandbox, "/ui/app.js").await.headers[ETAG].clone();
    let request = client().get(format!("{}/ui/app.js", sandbox.base_url()));
    let again = Reply::of(request.header(IF_NONE_MATCH, etag.clone())).await;
    assert_eq!((again.status, &again.headers[ETAG]), (304, &etag));
    assert_ne!(fetch(&sandbox, "/ui/api.js").await.headers[ETAG], etag);
}

#[tokio::test]
async fn only_the_files_of_the_page_are_served() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    for path in ["/ui", "/ui/", "/ui/nothing.js", "/ui/index.html", "/ui/vendor/", "/ui/%2e%2e/Cargo.toml"] {
        assert_eq!(fetch(&sandbox, path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_picture_that_the_page_shows_uses_up_no_fault() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    let text = InboundText::new(PHONE, OURS, "look").with_media(InboundMedia::upload("image/png", "picture"));
    sandbox.inject(text).await.unwrap();
    eventually(async || receiver.received().len() == 1).await;
    let payload = &receiver.bodies()[0]["data"]["payload"];
    let url = payload["media"][0]["url"].as_str().unwrap().to_owned();
    put_faults(&sandbox, json!([{"kind": "media_status", "status": 404, "count": 1}])).await;
    let by_page = client().get(&url).header("sec-fetch-site", "same-origin").send().await.unwrap();
    assert_eq!(by_page.status(), 200);
    assert_eq!(client().get(&url).send().await.unwrap().status(), 404);
    assert_eq!(client().get(&url).send().await.unwrap().status(), 200);
}

//! Who is let in.

use std::sync::Arc;

use inlet_server::{Admin, AdminConfig, IngestStatus, ServerError};
use inlet_store::Blobs;
use prometheus_client::registry::Registry;
use secrecy::SecretString;
use tempfile::TempDir;

use crate::fake_store::{FakeStore, Mood};
use crate::gateway::{Gateway, config};
use crate::receiver::{CountingEntropy, StillClock};

/// Every route there is, kept beside `router.rs` by [`the_list_of_routes_is_complete`].
const ROUTES: [(&str, &str); 38] = [
    ("GET", "/api/v1/messages"),
    ("POST", "/api/v1/messages"),
    ("GET", "/api/v1/messages/{id}"),
    ("GET", "/api/v1/conversations"),
    ("GET", "/api/v1/conversations/{id}"),
    ("GET", "/api/v1/conversations/{id}/messages"),
    ("POST", "/api/v1/conversations/{id}/read"),
    ("GET", "/api/v1/events"),
    ("GET", "/api/v1/events/{id}"),
    ("GET", "/api/v1/events/{id}/raw"),
    ("GET", "/api/v1/rejections"),
    ("GET", "/api/v1/jobs"),
    ("POST", "/api/v1/jobs/retry"),
    ("POST", "/api/v1/jobs/discard"),
    ("GET", "/api/v1/jobs/{id}"),
    ("POST", "/api/v1/jobs/{id}/retry"),
    ("POST", "/api/v1/jobs/{id}/discard"),
    ("GET", "/api/v1/destinations"),
    ("GET", "/api/v1/destinations/{name}"),
    ("POST", "/api/v1/destinations/{name}/test"),
    ("POST", "/api/v1/destinations/{name}/pause"),
    ("POST", "/api/v1/destinations/{name}/resume"),
    ("GET", "/api/v1/replays"),
    ("POST", "/api/v1/replays"),
    ("GET", "/api/v1/replays/{id}"),
    ("POST", "/api/v1/replays/{id}/cancel"),
    ("GET", "/api/v1/media/{sha256}"),
    ("GET", "/api/v1/replies"),
    ("GET", "/api/v1/replies/guard"),
    ("GET", "/api/v1/opt-outs"),
    ("GET", "/api/v1/keys"),
    ("GET", "/api/v1/stats"),
    ("GET", "/api/v1/stream"),
    ("GET", "/metrics"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/"),
    ("GET", "/no/such/route"),
];
const PUBLIC: [&str; 3] = ["/", "/healthz", "/readyz"];

#[test]
fn the_list_of_routes_is_complete() {
    let source = include_str!("../../src/admin/router.rs");
    let handlers = source.matches("get(").count() + source.matches("post(").count();
    assert_eq!(handlers, ROUTES.len() - 1, "one of them is the route that does not exist");
    for path in source.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        let known = ROUTES.iter().any(|(_, route)| route.strip_prefix("/api/v1").unwrap_or(route) == path);
        assert!(known || ROUTES.iter().any(|(_, route)| *route == path), "{path}");
    }
}

#[tokio::test]
async fn every_route_needs_the_token_but_those_that_tell_nothing() {
    let gateway = Gateway::start_with(config(Some("right"))).await;
    for (method, route) in ROUTES {
        let path = route.replace(['{', '}'], "");
        for headers in ["", "authorization: Bearer wrong\r\n", "authorization: Basic right\r\n"] {
            let reply = gateway.ask(method, &path, headers, "").await;
            let expected = if PUBLIC.contains(&route) { 200 } else { 401 };
            assert_eq!(reply.status, expected, "{method} {path} {headers}");
        }
    }
    insta::assert_snapshot!(gateway.get("/api/v1/keys").await.text, @r#"
    HTTP/1.1 401 Unauthorized
    content-type: application/problem+json
    www-authenticate: Bearer
    x-request-id: 00000000000000000000000000000072
    x-content-type-options: nosniff
    cross-origin-resource-policy: same-origin
    cache-control: no-store
    content-length: 202

    {"type":"about:blank","title":"Unauthorized","status":401,"detail":"send the token of `admin.token` as `Authorization: Bearer …`","code":"unauthorized","request_id":"00000000000000000000000000000072"}
    "#);
}

#[tokio::test]
async fn the_right_token_opens_and_two_of_them_do_not() {
    let gateway = Gateway::start_with(config(Some("right"))).await;
    let ask = |headers: &'static str| gateway.ask("GET", "/api/v1/keys", headers, "");
    assert_eq!(ask("authorization: Bearer right\r\n").await.status, 200);
    assert_eq!(ask("authorization: bearer right\r\n").await.status, 200);
    let twice = "authorization: Bearer right\r\nauthorization: Bearer wrong\r\n";
    assert_eq!(ask(twice).await.status, 401);
    for wrong in ["Bearer righ", "Bearer rightt", "Bearer ", "Bearer", "right"] {
        let headers = format!("authorization: {wrong}\r\n");
        assert_eq!(gateway.ask("GET", "/metrics", &headers, "").await.status, 401, "{wrong}");
    }
}

#[tokio::test]
async fn only_known_hosts_are_answered() {
    let gateway = Gateway::start().await;
    let ask = |host: &str, path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
        let gateway = &gateway;
        async move { gateway.raw(&request).await }
    };
    let address = gateway.address.to_string();
    for host in ["localhost", "LocalHost:5001", "127.0.0.1", "[::1]:5001", "inlet.example", "inlet.example:1"]
    {
        assert_eq!(ask(host, "/healthz").await.status, 200, "{host}");
    }
    assert_eq!(ask(&address, "/healthz").await.status, 200);
    for (_, route) in ROUTES {
        let reply = ask("rebound.example:5001", &route.replace(['{', '}'], "")).await;
        assert_eq!((reply.status, reply.code().as_str()), (403, "host_not_allowed"), "{route}");
    }
    for host in ["", "localhost.example", "evil@localhost", "localhost:", "127.0.0.2", "localhost, x"] {
        let reply = ask(host, "/healthz").await;
        assert!(reply.status == 403 || reply.status == 400 || host == "localhost:", "{host}");
    }
    for request in [
        "GET /healthz HTTP/1.1\r\n\r\n",
        "GET /healthz HTTP/1.0\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: localhost\r\nhost: rebound.example\r\n\r\n",
        "GET http://rebound.example/healthz HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ] {
        assert_eq!(gateway.raw(request).await.status, 403, "{request}");
    }
}

#[tokio::test]
async fn a_foreign_page_can_neither_act_nor_follow() {
    let gateway = Gateway::start().await;
    let foreign = [
        "origin: https://evil.example\r\n",
        "origin: http://localhost:9999\r\n",
        "origin: null\r\n",
        "sec-fetch-site: cross-site\r\n",
        "sec-fetch-site: same-site\r\n",
        "origin: http://localhost\r\norigin: https://evil.example\r\n",
    ];
    for headers in foreign {
        for (method, route) in ROUTES {
            let path = route.replace(['{', '}'], "");
            if method == "POST" || path == "/api/v1/stream" {
                let reply = gateway.ask(method, &path, headers, "").await;
                assert_eq!((reply.status, reply.code().as_str()), (403, "cross_origin"), "{path} {headers}");
            }
        }
    }
    for headers in
        ["origin: http://localhost\r\n", "origin: https://LOCALHOST\r\nsec-fetch-site: same-origin\r\n"]
    {
        let reply = gateway.ask("POST", "/api/v1/jobs/retry", headers, "").await;
        assert_eq!(reply.status, 200, "{headers}");
    }
    for method in ["PUT", "DELETE", "PATCH"] {
        let reply = gateway.ask(method, "/api/v1/jobs", "origin: null\r\n", "").await;
        assert_eq!(reply.status, 403, "{method}");
    }
}

#[tokio::test]
async fn other_methods_are_told_which_there_are() {
    let gateway = Gateway::start().await;
    insta::assert_snapshot!(gateway.ask("DELETE", "/api/v1/messages", "", "").await.text, @r#"
    HTTP/1.1 405 Method Not Allowed
    content-type: application/problem+json
    x-request-id: 00000000000000000000000000000000
    x-content-type-options: nosniff
    cross-origin-resource-policy: same-origin
    cache-control: no-store
    allow: GET,HEAD,POST
    content-length: 217

    {"type":"about:blank","title":"Method Not Allowed","status":405,"detail":"this path does not take this method; `Allow` names those it takes","code":"method_not_allowed","request_id":"00000000000000000000000000000000"}
    "#);
}

#[tokio::test]
async fn an_open_listener_must_be_on_loopback() {
    let started = |change: fn(&mut AdminConfig)| async move {
        let folder = TempDir::new().unwrap();
        let mut config = config(None);
        change(&mut config);
        let admin = Admin::start(
            config,
            FakeStore::new(Mood::Stores),
            Blobs::open(folder.path().to_str().unwrap()).unwrap(),
            Arc::new(StillClock),
            Arc::new(CountingEntropy::default()),
            Arc::new(IngestStatus::default()),
            Arc::new(Registry::default()),
        );
        admin.await.map(drop)
    };
    let open = started(|config| config.listen = ([0, 0, 0, 0], 0).into()).await;
    assert!(matches!(open, Err(ServerError::TokenNeeded { .. })));
    let empty = started(|config| config.token = Some(SecretString::from(""))).await;
    assert!(matches!(empty, Err(ServerError::EmptyToken)));
    let guarded = started(|config| {
        config.listen = ([0, 0, 0, 0], 0).into();
        config.token = Some(SecretString::from("right"));
    });
    assert!(guarded.await.is_ok());
}

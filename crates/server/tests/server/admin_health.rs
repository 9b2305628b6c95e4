//! Health, readiness and metrics.

use std::sync::Arc;
use std::time::Duration;

use inlet_server::{Admin, Ingest, IngestConfig};
use inlet_store::{Blobs, Store, StoreError};
use prometheus_client::registry::Registry;
use tempfile::TempDir;

use crate::fake_store::{FakeStore, Mood};
use crate::gateway::{Gateway, config};
use crate::receiver::{CountingEntropy, StillClock, key, request, signature, signed};
use crate::wire::{Reply, exchange};

/// Both listeners over one store, as the executable wires them.
struct Both {
    ingest: Ingest,
    admin: Admin,
    _folder: TempDir,
}

impl Both {
    async fn start(store: Arc<dyn Store>) -> Self {
        let folder = TempDir::new().unwrap();
        let mut registry = Registry::with_prefix("inlet");
        let ingest_config = IngestConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            keys: vec![key().public().clone()],
            ..IngestConfig::default()
        };
        let entropy = Arc::new(CountingEntropy::default());
        let ingest =
            Ingest::start(ingest_config, store.clone(), Arc::new(StillClock), entropy.clone(), &mut registry);
        let ingest = ingest.await.unwrap();
        let admin = Admin::start(
            config(None),
            store,
            Blobs::open(folder.path().to_str().unwrap()).unwrap(),
            Arc::new(StillClock),
            entropy,
            ingest.status(),
            Arc::new(registry),
        );
        Self { admin: admin.await.unwrap(), ingest, _folder: folder }
    }

    async fn get(&self, path: &str) -> Reply {
        get(&self.admin, path).await
    }
}

async fn get(admin: &Admin, path: &str) -> Reply {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    exchange(admin.local_addr(), request.as_bytes()).await.expect("an answer")
}

#[tokio::test]
async fn a_gateway_that_can_store_is_ready() {
    let both = Both::start(FakeStore::new(Mood::Stores)).await;
    assert_eq!(both.get("/healthz").await.body, br#"{"status":"alive"}"#);
    assert_eq!(both.get("/readyz").await.body, br#"{"status":"ready"}"#);
    let front = both.get("/").await;
    assert!(front.status == 200 && front.text.contains("/api/v1"));
}

#[tokio::test]
async fn a_gateway_whose_store_fails_lives_but_is_not_ready() {
    let full = StoreError::Unavailable { reason: "disk is full".to_owned() };
    let both = Both::start(FakeStore::new(Mood::Fails(full))).await;
    assert_eq!(both.get("/healthz").await.status, 200);
    insta::assert_snapshot!(both.get("/readyz").await.text, @r#"
    HTTP/1.1 503 Service Unavailable
    content-type: application/problem+json
    retry-after: 1
    x-request-id: 00000000000000000000000000000001
    x-content-type-options: nosniff
    cross-origin-resource-policy: same-origin
    cache-control: no-store
    content-length: 185

    {"type":"about:blank","title":"Service Unavailable","status":503,"detail":"the store cannot be written: disk is full","code":"not_ready","request_id":"00000000000000000000000000000001"}
    "#);
    let list = both.get("/api/v1/events").await;
    assert_eq!((list.status, list.code().as_str()), (503, "store_unavailable"));
    assert!(!list.text.contains("disk"), "the cause is for the log");
}

#[tokio::test]
async fn a_draining_gateway_is_not_ready() {
    let both = Both::start(FakeStore::new(Mood::Stores)).await;
    both.ingest.drain(Duration::from_secs(1)).await;
    let reply = get(&both.admin, "/readyz").await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "not_ready"));
    both.admin.drain(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_rejection_is_listed_at_once() {
    let gateway = Gateway::start().await;
    let both = Both::start(gateway.store.clone()).await;
    exchange(both.ingest.local_addr(), &request(&signature(b"a", 0), b"b")).await.unwrap();
    let listed = both.get("/api/v1/rejections").await;
    assert!(listed.json().contains("\"signature_mismatch\""), "{}", listed.text);
    assert_eq!(listed.json().matches("\"code\"").count(), 1);
    both.ingest.drain(Duration::from_secs(1)).await;
    let listed = get(&both.admin, "/api/v1/rejections").await;
    assert!(listed.json().contains("\"id\": 1"), "it has been kept: {}", listed.text);
}

#[tokio::test]
async fn metrics_show_both_listeners_and_the_store() {
    let gateway = Gateway::start().await;
    gateway.text(1, "Hello").await;
    let both = Both::start(gateway.store.clone()).await;
    exchange(both.ingest.local_addr(), &signed(b"{}")).await.unwrap();
    let reply = both.get("/metrics").await;
    assert!(reply.text.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let text = String::from_utf8(reply.body).unwrap();
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
    let fingerprint = key().public().fingerprint();
    for line in [
        "inlet_webhooks_new_total 1",
        "inlet_webhooks_ack_seconds_count 1",
        &format!("inlet_webhooks_verified_total{{key=\"{fingerprint}\"}} 1"),
        "inlet_jobs{kind=\"deliver\",destination=\"crm\",state=\"waiting\"} 1",
        "inlet_oldest_waiting_job_age_seconds{kind=\"deliver\",destination=\"crm\"} 0",
        "inlet_events_newest_seq 2",
        "inlet_events_unrouted 1",
        "inlet_store_up 1",
        "inlet_ready 1",
        "inlet_admin_connections_open 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    let types: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
    let distinct: std::collections::HashSet<_> = types.iter().collect();
    assert_eq!(types.len(), distinct.len(), "no family is declared twice");
}

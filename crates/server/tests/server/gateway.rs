//! An admin listener on a free port over a real store, and what a test needs to fill that store.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use inlet_domain::{
    Attempt, ClaimedJob, Condition, Destination, Format, GuardLimits, Lane, Outcome, RetrySchedule, Router,
    Source, StoredMedia, Timestamp, intake,
};
use inlet_server::{Admin, AdminConfig, IngestStatus, KeyRing};
use inlet_store::{Blobs, Claim, ClaimLane, EventLog, SqliteConfig, SqliteStore, Store};
use prometheus_client::registry::Registry;
use secrecy::SecretString;
use tempfile::TempDir;

use crate::receiver::{CountingEntropy, NOW, StillClock, key};
use crate::wire::{Reply, Wire, exchange};

pub struct Gateway {
    pub admin: Admin,
    pub store: Arc<SqliteStore>,
    blobs: Blobs,
    pub address: SocketAddr,
    router: Arc<Router>,
    _folder: TempDir,
}

pub fn now() -> Timestamp {
    Timestamp::from_seconds(NOW)
}

pub async fn open_store(folder: &TempDir) -> Arc<SqliteStore> {
    let config = SqliteConfig {
        path: folder.path().join("inlet.db"),
        migrate: true,
        queue: 100,
        readers: 2,
        background_thread: || {},
        on_fatal: Arc::new(|reason| panic!("{reason}")),
    };
    Arc::new(SqliteStore::open(config).await.unwrap())
}

fn destination(name: &str, url: &str) -> Destination {
    Destination {
        name: name.to_owned(),
        url: url.parse().unwrap(),
        events: Vec::new(),
        when: None,
        format: Format::Telnyx,
        retry: RetrySchedule::new(vec![Duration::ZERO]),
        timeout: Duration::from_secs(1),
        concurrency: 4,
        ordered: false,
    }
}

pub fn destinations() -> Vec<Destination> {
    let books = Destination {
        events: vec!["message.received".to_owned()],
        when: Some(Condition::compile("direction == 'inbound'").unwrap()),
        ordered: true,
        ..destination("books", "file:/var/lib/books.jsonl")
    };
    vec![destination("crm", "https://inlet:secret@crm.example/hook?token=secret"), books]
}

pub fn config(token: Option<&str>) -> AdminConfig {
    AdminConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        token: token.map(SecretString::from),
        allowed_hosts: vec!["inlet.example".to_owned()],
        destinations: destinations(),
        guard: Arc::new(GuardLimits {
            numbers: Vec::new(),
            window: Duration::from_mins(10),
            pair_budget: 3,
            global_cap: 600,
            global_window: Duration::from_mins(1),
            answer_unsigned: false,
            rules: HashMap::new(),
        }),
        keys: KeyRing {
            signing_public_key: key().public().to_base64(),
            telnyx: vec![(key().public().fingerprint().to_string(), key().public().to_base64())],
            destination_secrets: HashMap::from([("crm".to_owned(), SecretString::from("whsec_c2VjcmV0"))]),
        },
    }
}

impl Gateway {
    pub async fn start() -> Self {
        Self::start_with(config(None)).await
    }

    pub async fn start_with(config: AdminConfig) -> Self {
        let folder = TempDir::new().unwrap();
        let store = open_store(&folder).await;
        Self::start_on(folder, store, config, Arc::default()).await
    }

    /// Starts beside a webhook listener of this status.
    pub async fn start_on(
        folder: TempDir,
        store: Arc<SqliteStore>,
        config: AdminConfig,
        ingest: Arc<IngestStatus>,
    ) -> Self {
        let blobs = Blobs::open(folder.path().join("media").to_str().unwrap()).unwrap();
        let router = Router { destinations: config.destinations.clone(), replies: Vec::new() };
        let admin = Admin::start(
            config,
            store.clone(),
            blobs.clone(),
            Arc::new(StillClock),
            Arc::new(CountingEntropy::default()),
            ingest,
            Arc::new(Registry::with_prefix("inlet")),
        );
        let admin = admin.await.unwrap();
        let address = admin.local_addr();
        Self { admin, store, blobs, address, router: Arc::new(router), _folder: folder }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, "", "").await
    }

    pub async fn post(&self, path: &str, body: &str) -> Reply {
        self.ask("POST", path, "", body).await
    }

    /// Asks with further header lines, each with its line end.
    pub async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Reply {
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}");
        self.raw(&format!("{head}content-length: {length}\r\n\r\n{body}")).await
    }

    pub async fn raw(&self, request: &str) -> Reply {
        exchange(self.address, request.as_bytes()).await.expect("an answer")
    }

    /// Follows the stream; further header lines each with their line end.
    pub async fn follow(&self, query: &str, headers: &str) -> Wire {
        let mut wire = Wire::connect(self.address).await;
        let request = format!("GET /api/v1/stream{query} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        wire.write(request.as_bytes()).await;
        wire
    }

    /// Stores a body as a verified event, received `seconds` after [`NOW`].
    pub async fn receive(&self, body: &str, seconds: i64) {
        let at = Timestamp::from_seconds(NOW + seconds);
        let entropy = CountingEntropy::default();
        let event = intake(Bytes::copy_from_slice(body.as_bytes()), Source::Telnyx, at, &entropy);
        self.store.record_event(event).await.unwrap();
    }

    pub async fn route(&self) {
        self.store.route_events(self.router.clone(), 1_000, now()).await.unwrap();
    }

    /// Receives and routes one text with this number in its ids.
    pub async fn text(&self, number: i64, text: &str) {
        self.receive(&inbound(number, text), number).await;
        self.route().await;
    }

    /// Makes a job of a destination that need not be configured.
    pub async fn store_job_of(&self, destination: &str) {
        self.store.enqueue_test(destination, now()).await.unwrap();
    }

    async fn claim(&self, lane: Lane) -> Vec<ClaimedJob> {
        let lanes = vec![ClaimLane { lane, limit: 10, ordered: false }];
        let claim = Claim { lanes, now: now(), lease: Duration::from_secs(60) };
        self.store.claim_due(claim).await.unwrap()
    }

    /// Lets every due job of a destination fail for good.
    pub async fn fail(&self, destination: &str) {
        for job in self.claim(Lane::Destination(destination.to_owned())).await {
            let attempt = Attempt {
                succeeded: false,
                status: Some(500),
                error: Some("answered 500".to_owned()),
                response: Some("oh no".to_owned()),
                ..success()
            };
            self.store.finish_attempt(job.id, job.fence, attempt, Outcome::Dead).await.unwrap();
        }
    }

    /// Receives a message with one attachment and archives it, the name of its type for its bytes. Returns its digest.
    pub async fn archive(&self, content_type: &str) -> String {
        let media = r#""media":[{"url":"https://media.example/picture"}],"parts""#;
        let body = inbound(1, "picture").replace("\"parts\"", media);
        self.receive(&body.replace("-1\"", &format!("-{content_type}\"")), 0).await;
        self.route().await;
        let job = self.claim(Lane::Media).await.remove(0);
        let bytes = Bytes::copy_from_slice(content_type.as_bytes());
        let stored = StoredMedia {
            size_bytes: bytes.len() as i64,
            sha256: self.blobs.put(bytes).await.unwrap(),
            content_type: content_type.to_owned(),
        };
        let sha256 = stored.sha256.clone();
        self.store.finish_attempt(job.id, job.fence, success(), Outcome::Archived(stored)).await.unwrap();
        sha256
    }
}

fn success() -> Attempt {
    Attempt {
        number: 1,
        started_at: now(),
        finished_at: now(),
        succeeded: true,
        status: Some(200),
        error: None,
        response: None,
    }
}

pub fn inbound(number: i64, text: &str) -> String {
    format!(
        r#"{{"data":{{"event_type":"message.received","id":"event-{number}","occurred_at":"2023-11-14T22:13:20.000+00:00","payload":{{"direction":"inbound","from":{{"phone_number":"+15551234567","carrier":"T-Mobile","line_type":"Wireless"}},"id":"message-{number}","parts":1,"record_type":"message","text":"{text}","to":[{{"phone_number":"+15559876543","status":"webhook_delivered"}}],"type":"SMS"}},"record_type":"event"}},"meta":{{"attempt":1,"delivered_to":"https://texts.example/webhooks"}}}}"#
    )
}

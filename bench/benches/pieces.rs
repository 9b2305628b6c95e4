//! What the pieces of an event's way cost: checking, reading, planning, committing. `cargo bench -p inlet-bench`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use inlet_domain::{
    Condition, Destination, EventSeq, Format, NewEvent, ReadEvent, RetrySchedule, Router, Source,
    StoredEvent, Timestamp,
};
use inlet_store::{EventLog, SqliteConfig, SqliteStore};
use inlet_telnyx::{PublicKey, SignatureHeaders, SigningKey, find_event_key, verify};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// An event as Telnyx prints it, of the usual length.
const BODY: &str = r#"{
  "data": {
    "event_type": "message.received",
    "id": "b301ed3f-1490-491f-995f-6e64e69674d4",
    "occurred_at": "2026-01-15T20:16:07.588+00:00",
    "payload": {
      "direction": "inbound",
      "encoding": "GSM-7",
      "errors": [],
      "from": {
        "carrier": "T-Mobile USA",
        "line_type": "Wireless",
        "phone_number": "+15550100123"
      },
      "id": "84cca175-9755-4859-b67f-4730d7f58aa3",
      "media": [],
      "messaging_profile_id": "740572b6-099c-44a1-89b9-6c92163bc68d",
      "organization_id": "47a530f8-4362-4526-829b-bcee17fd9f7a",
      "parts": 1,
      "received_at": "2026-01-15T20:16:07.503+00:00",
      "record_type": "message",
      "tags": [],
      "text": "Could you move my appointment to Thursday at four?",
      "to": [
        {
          "carrier": "Telnyx",
          "line_type": "Wireless",
          "phone_number": "+17735550002",
          "status": "webhook_delivered"
        }
      ],
      "type": "SMS",
      "webhook_url": null
    },
    "record_type": "event"
  },
  "meta": {
    "attempt": 1,
    "delivered_to": "https://texts.example.com/webhooks"
  }
}"#;
const NOW: i64 = 1_700_000_000;
const EVENTS_AT_ONCE: [u64; 3] = [1, 16, 256];

fn check(criterion: &mut Criterion) {
    let key = SigningKey::from_seed(&[7; 32]).expect("the seed makes a key");
    let keys: [PublicKey; 1] = [key.public().clone()];
    let genuine = key.sign(NOW, BODY.as_bytes());
    let forged = key.sign(NOW + 1, BODY.as_bytes());
    let timestamp = NOW.to_string();
    for (name, signature, verifies) in [("verify", &genuine, true), ("refuse", &forged, false)] {
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| {
                let headers = SignatureHeaders::read([signature.as_bytes()], [timestamp.as_bytes()]);
                let headers = headers.expect("the headers are well-formed");
                let verified = verify(&headers, BODY.as_bytes(), &keys, NOW, 300).is_ok();
                assert_eq!(verified, verifies);
            });
        });
    }
}

fn read(criterion: &mut Criterion) {
    criterion.bench_function("find the id", |bencher| bencher.iter(|| find_event_key(BODY.as_bytes())));
    let stored = stored();
    criterion.bench_function("read an event", |bencher| bencher.iter(|| ReadEvent::read(&stored)));
}

fn route(criterion: &mut Criterion) {
    let (stored, router) = (stored(), router());
    let read = ReadEvent::read(&stored);
    criterion.bench_function("plan an event for ten destinations", |bencher| {
        bencher.iter_batched(|| read.clone(), |read| router.plan(&stored, read, None), BatchSize::SmallInput);
    });
}

fn stored() -> StoredEvent {
    let body = BODY.as_bytes().into();
    let received_at = Timestamp::from_seconds(NOW);
    StoredEvent { seq: EventSeq(1), id: "e".to_owned(), source: Source::Telnyx, received_at, body }
}

/// Ten destinations, half of which ask for a condition.
fn router() -> Router {
    let destination = |number: usize| Destination {
        name: format!("crm-{number}"),
        url: "https://crm.example.com/hook".parse().expect("a URL"),
        events: vec!["message.received".to_owned()],
        when: number
            .is_multiple_of(2)
            .then(|| Condition::compile("to == '+17735550002' and media == 0").expect("a condition")),
        format: Format::Telnyx,
        retry: RetrySchedule::new(vec![Duration::ZERO, Duration::from_secs(5)]),
        timeout: Duration::from_secs(15),
        concurrency: 8,
        ordered: false,
    };
    Router { destinations: (0..10).map(destination).collect(), ..Router::default() }
}

/// On the disk that the target folder is on, with every fsync.
fn commit(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::Builder::new().prefix("commit-").tempdir_in(target()).expect("a folder");
    let config = SqliteConfig {
        path: folder.path().join("inlet.db"),
        migrate: true,
        queue: 10_000,
        readers: 1,
        on_fatal: Arc::new(|reason| panic!("{reason}")),
        background_thread: || {},
    };
    let store = Arc::new(runtime.block_on(SqliteStore::open(config)).expect("a new store opens"));
    let numbers = AtomicU64::new(0);
    let mut group = criterion.benchmark_group("commit");
    for count in EVENTS_AT_ONCE {
        group.throughput(Throughput::Elements(count));
        group.bench_function(count.to_string(), |bencher| {
            bencher.iter_custom(|rounds| {
                runtime.block_on(async {
                    let mut took = Duration::ZERO;
                    for _ in 0..rounds {
                        let first = numbers.fetch_add(count, Ordering::Relaxed);
                        let events: Vec<_> = (first..first + count).map(event).collect();
                        let began = Instant::now();
                        record(&store, events).await;
                        took += began.elapsed();
                    }
                    took
                })
            });
        });
    }
    group.finish();
    runtime.block_on(store.close());
}

/// Hands all over at once, and waits for the last.
async fn record(store: &Arc<SqliteStore>, events: Vec<NewEvent>) {
    let mut waiting = JoinSet::new();
    for event in events {
        let store = Arc::clone(store);
        waiting.spawn(async move { store.record_event(event).await });
    }
    while let Some(recorded) = waiting.join_next().await {
        recorded.expect("the task does not panic").expect("the store takes it");
    }
}

fn event(number: u64) -> NewEvent {
    // Scattered, as Telnyx's ids are.
    let id = format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let received_at = Timestamp::from_seconds(NOW);
    NewEvent { id, source: Source::Telnyx, received_at, body: BODY.as_bytes().into() }
}

fn target() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&target).expect("the target folder can be written");
    target
}

criterion_group!(pieces, check, read, route, commit);
criterion_main!(pieces);

//! The kill test: `kill -9` at random under load, and an outside ledger of what was acknowledged.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::gateway::Gateway;
use crate::load::Sender;
use crate::wait::until;

/// Rounds in the suite; `just soak 1000` sets `INLET_KILL_ROUNDS` for the long run. The planted fault shows in about
/// every second round, on any disk, so fewer will do.
const ROUNDS: u64 = if cfg!(feature = "planted-early-ack") { 20 } else { 50 };
const CONNECTIONS: usize = 16;
/// About 250 requests a second in all: a load that the engine keeps up with, so that a thousand rounds end, too.
const PAUSE: Duration = Duration::from_millis(60);
/// A round lasts between these, in milliseconds.
const LOAD_MS: std::ops::Range<u64> = 50..1_500;

#[tokio::test(flavor = "multi_thread")]
#[cfg(not(feature = "planted-early-ack"))]
async fn kill_test_loses_nothing_and_answers_nobody_twice() {
    let rounds = std::env::var("INLET_KILL_ROUNDS").map_or(ROUNDS, |text| text.parse().unwrap());
    let report = run(rounds).await;
    println!("{report:?}");
    assert!(report.problems.is_empty(), "{report:?}");
    assert!(report.acknowledged > 10 * rounds, "too little load to prove anything: {report:?}");
    assert!(report.duplicates > 0 && report.replies > 0, "{report:?}");
}

/// The checker is worth something only if it fails when the answer is given before the commit.
#[tokio::test(flavor = "multi_thread")]
#[cfg(feature = "planted-early-ack")]
async fn kill_test_catches_an_answer_before_the_commit() {
    let report = run(ROUNDS).await;
    assert!(
        report.problems.keys().any(|problem| problem.contains("lost")),
        "nothing was noticed: {report:?}"
    );
}

/// What a run has found.
#[derive(Debug, Default)]
struct Report {
    rounds: u64,
    acknowledged: u64,
    duplicates: u64,
    stored: usize,
    delivered: usize,
    replies: usize,
    slowest_start: Duration,
    problems: BTreeMap<String, usize>,
}

async fn run(rounds: u64) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let (sender, endpoint, telnyx) = (Sender::new(), Endpoint::start().await, FakeTelnyx::start().await);
    write_configuration(folder.path(), &sender, &endpoint, &telnyx);
    let mut report = Report { rounds, ..Report::default() };
    for round in 0..rounds {
        let begin = Instant::now();
        let gateway = Gateway::start(folder.path(), "serve", &[]).await;
        report.slowest_start = report.slowest_start.max(begin.elapsed());
        load_and_kill(gateway, &sender, round).await;
    }
    finish(folder.path(), &sender, &endpoint, &telnyx, &mut report).await;
    report
}

async fn load_and_kill(gateway: Gateway, sender: &Arc<Sender>, round: u64) {
    let stop = Arc::new(AtomicBool::new(false));
    let url = gateway.address("webhooks");
    let load = tokio::spawn(Arc::clone(sender).load(url, CONNECTIONS, PAUSE, Arc::clone(&stop)));
    // Splitmix: moments that look random and are the same in every run.
    let noise = (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    tokio::time::sleep(Duration::from_millis(LOAD_MS.start + noise % (LOAD_MS.end - LOAD_MS.start))).await;
    gateway.kill();
    stop.store(true, Ordering::Relaxed);
    load.await.unwrap();
}

/// Starts once more, lets all work end, and compares the ledger with the store, the endpoint and the fake Telnyx.
async fn finish(
    folder: &Path,
    sender: &Sender,
    endpoint: &Endpoint,
    telnyx: &FakeTelnyx,
    report: &mut Report,
) {
    let gateway = Gateway::start(folder, "serve", &[]).await;
    let idle = || async {
        let (_, stats) = gateway.get("stats").await;
        let rows = stats["jobs"].as_array().cloned().unwrap_or_default();
        let busy = rows
            .iter()
            .any(|row| ["waiting", "running", "sending"].contains(&row["state"].as_str().unwrap()));
        (!busy && stats["events"]["unrouted"] == 0).then_some(())
    };
    let mut patience = report.rounds;
    while tokio::time::timeout(Duration::from_secs(19), until("all work to end", idle)).await.is_err() {
        assert!(patience > 0, "work does not end:\n{}", gateway.log());
        patience -= 1;
    }
    assert!(gateway.stop().await.success());
    compare_store(&folder.join("inlet-data/inlet-events.db"), sender, report);
    compare_deliveries(&folder.join("inlet-data/inlet.db"), endpoint, report);
    compare_replies(telnyx, report);
}

fn note(report: &mut Report, problem: &str) {
    *report.problems.entry(problem.to_owned()).or_default() += 1;
}

fn compare_store(database: &Path, sender: &Sender, report: &mut Report) {
    let rows = read(database, "select id, body from events");
    report.stored = rows.len();
    let mut stored: HashMap<String, Vec<Vec<u8>>> = HashMap::new();
    rows.into_iter().for_each(|(id, body)| stored.entry(id).or_default().push(body));
    sender.ledger(|ledger| {
        let bodies: HashMap<&String, &Vec<u8>> = ledger.sent.iter().map(|(id, body)| (id, body)).collect();
        for (id, times) in &ledger.acknowledged {
            report.acknowledged += times;
            report.duplicates += times - 1;
            match stored.get(id).map(Vec::as_slice) {
                None => note(report, "acknowledged event lost"),
                Some([body]) if body == bodies[id] => {}
                Some([_]) => note(report, "event stored with other bytes"),
                Some(_) => note(report, "event stored twice"),
            }
        }
        ledger.surprising.iter().for_each(|status| note(report, &format!("answer {status}")));
    });
}

/// Every stored event has one `deliver` job, done and really received, or dead and so visible.
fn compare_deliveries(database: &Path, endpoint: &Endpoint, report: &mut Report) {
    let mut received: HashMap<String, usize> = HashMap::new();
    for request in endpoint.received() {
        *received.entry(request.header("webhook-id").to_owned()).or_default() += 1;
    }
    report.delivered = received.len();
    let jobs = read(database, "select event_id, cast(state as blob) from jobs where kind = 'deliver'");
    if jobs.len() != report.stored {
        note(report, &format!("{} events and {} deliveries", report.stored, jobs.len()));
    }
    for (event, state) in jobs {
        match state.as_slice() {
            b"done" if received.contains_key(&event) => {}
            b"done" => note(report, "done without a delivery"),
            b"dead" => {}
            _ => note(report, "job neither done nor dead"),
        }
    }
}

fn compare_replies(telnyx: &FakeTelnyx, report: &mut Report) {
    let posts = telnyx.posts.lock().unwrap();
    report.replies = posts.len();
    posts.values().filter(|count| **count > 1).for_each(|_| note(report, "replied twice"));
}

fn read(database: &Path, query: &str) -> Vec<(String, Vec<u8>)> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut statement = connection.prepare(query).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn write_configuration(folder: &Path, sender: &Sender, endpoint: &Endpoint, telnyx: &FakeTelnyx) {
    let text = format!(
        "[webhooks]\nlisten = \"127.0.0.1:0\"\npublic_keys = [\"{}\"]\n[telnyx]\nbase_url = \"{}\"\napi_key = \"KEY\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[[destinations]]\nname = \"crm\"\nurl = \"{}\"\nretry = [\"0s\", \"100ms\", \"1s\", \"5s\"]\n\
         [[replies]]\nname = \"all\"\ntext = \"Thanks\"\n",
        sender.public_key(),
        telnyx.url,
        endpoint.url(),
    );
    std::fs::write(folder.join("inlet.toml"), text).unwrap();
}

/// Counts the messages it is asked to send, by recipient: each phone texts once and may be answered once.
struct FakeTelnyx {
    url: String,
    posts: Arc<std::sync::Mutex<HashMap<String, usize>>>,
}

impl FakeTelnyx {
    async fn start() -> Self {
        let posts = Arc::<std::sync::Mutex<HashMap<String, usize>>>::default();
        let app = Router::new().route("/v2/messages", post(accept)).with_state(Arc::clone(&posts));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v2", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, posts }
    }
}

async fn accept(
    State(posts): State<Arc<std::sync::Mutex<HashMap<String, usize>>>>,
    Json(message): Json<Value>,
) -> Json<Value> {
    let to = message["to"].as_str().unwrap().to_owned();
    *posts.lock().unwrap().entry(to.clone()).or_default() += 1;
    Json(json!({"data": {
        "id": format!("out-{to}"), "record_type": "message", "direction": "outbound", "type": "SMS", "text": message["text"],
        "from": {"phone_number": message["from"]}, "to": [{"phone_number": to, "status": "queued"}], "errors": []
    }}))
}

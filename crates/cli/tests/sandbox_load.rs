//! The sandbox as a process under load: start, ten thousand texts within bounded memory, an end amid deliveries.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use serde_json::{Value, json};

const TEXTS: usize = 10_000;
/// Texts that are being injected at one time.
const AT_ONCE: usize = 64;
/// Memory for ten thousand texts and their log; an unbounded queue of bodies would take several times that.
const BOUND_KIB: u64 = 200 * 1024;
const PATIENCE: Duration = Duration::from_secs(120);

/// A sandbox in a process of its own; killed when dropped.
struct Process {
    child: Child,
    origin: String,
    /// From the start of the process until its ready file was there.
    started_in: Duration,
}

impl Process {
    fn start(folder: &Path, webhook_url: &str) -> Self {
        let ready_file = folder.join("ready.json");
        _ = std::fs::remove_file(&ready_file);
        let mut command = Command::new(env!("CARGO_BIN_EXE_inlet"));
        command.current_dir(folder).env_clear().stdin(Stdio::null()).stdout(Stdio::null());
        command.args(["sandbox", "--listen", "127.0.0.1:0", "--webhook-url", webhook_url]);
        let began = Instant::now();
        let child = command.args(["--ready-file", "ready.json"]).spawn().unwrap();
        let ready = loop {
            if let Ok(text) = std::fs::read(&ready_file) {
                break serde_json::from_slice::<Value>(&text).unwrap();
            }
            assert!(began.elapsed() < PATIENCE, "the sandbox never was ready");
            std::thread::yield_now();
        };
        Self { child, origin: ready["sandbox"].as_str().unwrap().to_owned(), started_in: began.elapsed() }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/sandbox/v1{path}", self.origin)
    }

    /// A figure of the process's memory, in KiB.
    fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
    }

    fn terminate(mut self) -> i32 {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap();
            }
            assert!(began.elapsed() < Duration::from_secs(10), "it did not end within ten seconds");
            std::thread::yield_now();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Counts what it gets and answers, or never does.
async fn receiver(answers: bool) -> (String, Arc<AtomicUsize>) {
    let received = Arc::new(AtomicUsize::new(0));
    let counted = received.clone();
    let router = Router::new().fallback(move |_: axum::body::Bytes| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            if !answers {
                std::future::pending::<()>().await;
            }
            StatusCode::OK
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhooks", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, received)
}

async fn post(client: &reqwest::Client, url: String, body: Value) -> Value {
    let response = client.post(url).json(&body).timeout(PATIENCE).send().await.unwrap();
    assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    response.json().await.unwrap()
}

async fn inject(client: &reqwest::Client, sandbox: &Process, texts: usize) {
    let mut under_way = tokio::task::JoinSet::new();
    for n in 0..texts {
        if under_way.len() >= AT_ONCE {
            under_way.join_next().await.unwrap().unwrap();
        }
        let text = json!({"from": "+15551234567", "to": "+15559876543", "text": format!("number {n}")});
        let (client, url) = (client.clone(), sandbox.url("/texts"));
        under_way.spawn(async move { post(&client, url, text).await });
    }
    under_way.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_texts_at_once_are_all_delivered_within_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (url, received) = receiver(true).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let sandbox = Process::start(folder.path(), &url);
    let before = sandbox.memory("VmRSS:");
    let began = Instant::now();
    inject(&client, &sandbox, TEXTS).await;
    post(&client, sandbox.url("/wait-idle"), json!({"timeout_ms": 100_000})).await;
    let (took, after, peak) = (began.elapsed(), sandbox.memory("VmRSS:"), sandbox.memory("VmHWM:"));
    println!(
        "ready in {:?}; {TEXTS} texts in {took:?}; KiB {before}, {after}, peak {peak}",
        sandbox.started_in
    );
    assert_eq!(received.load(Ordering::Relaxed), TEXTS);
    assert!(peak < BOUND_KIB, "{peak} KiB");
    assert_eq!(sandbox.terminate(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_ends_cleanly_amid_deliveries() {
    let folder = tempfile::tempdir().unwrap();
    let (url, received) = receiver(false).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let sandbox = Process::start(folder.path(), &url);
    inject(&client, &sandbox, 200).await;
    while received.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(sandbox.terminate(), 0);
}

//! A receiver with scripted answers, and shorthands for talking to a sandbox.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use inlet_sandbox::{RetrySettings, Sandbox, SandboxConfig};
use inlet_telnyx::{SIGNATURE_HEADER, SignatureError, SignatureHeaders, TIMESTAMP_HEADER, Verified, verify};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use url::Url;

pub const OURS: &str = "+15559876543";
pub const OUR_SECOND: &str = "+15559876544";
pub const PHONE: &str = "+15551234567";
/// Long enough for a slow machine; nothing waits for it when all is well.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How a receiver answers one request.
#[derive(Clone)]
pub enum Answer {
    Status(u16),
    Text(u16, String),
    Redirect(String),
    Never,
}

/// One request as it came in.
#[derive(Clone)]
pub struct Received {
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn timestamp(&self) -> i64 {
        self.headers[TIMESTAMP_HEADER].to_str().unwrap().parse().unwrap()
    }

    /// Verifies as a receiver would whose clock shows `now`.
    pub fn verify_at(&self, sandbox: &Sandbox, now: i64) -> Result<Verified, SignatureError> {
        let values = |name| self.headers.get_all(name).iter().map(|value| value.as_bytes());
        let headers = SignatureHeaders::read(values(SIGNATURE_HEADER), values(TIMESTAMP_HEADER))?;
        verify(&headers, &self.body, &[sandbox.public_key().clone()], now, 300)
    }
}

#[derive(Default)]
struct Script {
    received: Vec<Received>,
    answers: VecDeque<Answer>,
}

/// A webhook receiver on a port of its own. It answers 200 unless told otherwise.
pub struct Receiver {
    pub url: Url,
    script: Arc<Mutex<Script>>,
    server: JoinHandle<()>,
}

impl Receiver {
    pub async fn start() -> Self {
        Self::answering([]).await
    }

    pub async fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let script =
            Arc::new(Mutex::new(Script { answers: answers.into_iter().collect(), ..Script::default() }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhooks", listener.local_addr().unwrap()).parse().unwrap();
        let router = Router::new().fallback(receive).with_state(script.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, script, server }
    }

    pub fn received(&self) -> Vec<Received> {
        self.script.lock().unwrap().received.clone()
    }

    pub fn bodies(&self) -> Vec<Value> {
        self.received().iter().map(Received::json).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn receive(State(script): State<Arc<Mutex<Script>>>, headers: HeaderMap, body: Bytes) -> Response {
    let answer = {
        let mut script = script.lock().unwrap();
        script.received.push(Received { headers, body });
        script.answers.pop_front().unwrap_or(Answer::Status(200))
    };
    match answer {
        Answer::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::Text(status, text) => (StatusCode::from_u16(status).unwrap(), text).into_response(),
        Answer::Redirect(url) => (StatusCode::FOUND, [("location", url)]).into_response(),
        Answer::Never => std::future::pending().await,
    }
}

/// Settings that make no test wait.
pub fn swift() -> SandboxConfig {
    SandboxConfig {
        retry: RetrySettings { backoff: Duration::from_millis(1), ..RetrySettings::default() },
        numbers: vec![OURS.parse().unwrap(), OUR_SECOND.parse().unwrap()],
        sent_delay: Duration::ZERO,
        finalized_delay: Duration::from_millis(1),
        ..SandboxConfig::default()
    }
}

/// A swift sandbox whose webhooks go to a receiver.
pub async fn sandbox_for(receiver: &Receiver) -> Sandbox {
    Sandbox::start_with(SandboxConfig { webhook_url: Some(receiver.url.clone()), ..swift() }).await.unwrap()
}

/// An answer of the sandbox: status and JSON body (null when it is not JSON).
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Reply {
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
        Self { status, headers, body }
    }

    /// Code and place of a refusal.
    pub fn refusal(&self) -> (u16, &str, &str) {
        let error = &self.body["errors"][0];
        let text = |value: &'_ Value| value.as_str().map(str::to_owned);
        assert!(text(&error["title"]).is_some(), "no error envelope: {}", self.body);
        (self.status, error["code"].as_str().unwrap(), error["source"]["pointer"].as_str().unwrap_or(""))
    }
}

/// A client that follows nothing. It is built once, because reading the system's certificates takes long, and
/// keeps no connections, because each test has a runtime of its own.
pub fn client() -> reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
        let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        builder.no_proxy().pool_max_idle_per_host(0).build().unwrap()
    });
    CLIENT.clone()
}

pub fn send_request(sandbox: &Sandbox, body: &Value) -> reqwest::RequestBuilder {
    client().post(format!("{}/messages", sandbox.api_url())).bearer_auth(sandbox.api_key()).json(body)
}

pub async fn send(sandbox: &Sandbox, body: Value) -> Reply {
    Reply::of(send_request(sandbox, &body)).await
}

pub async fn get_v2(sandbox: &Sandbox, path: &str) -> Reply {
    Reply::of(client().get(format!("{}{path}", sandbox.api_url())).bearer_auth(sandbox.api_key())).await
}

/// Calls Telnyx's API with a method and a JSON body.
pub async fn call_v2(sandbox: &Sandbox, method: Method, path: &str, body: Value) -> Reply {
    let request = client().request(method, format!("{}{path}", sandbox.api_url()));
    Reply::of(request.bearer_auth(sandbox.api_key()).json(&body)).await
}

pub async fn post_v2(sandbox: &Sandbox, path: &str, body: Value) -> Reply {
    call_v2(sandbox, Method::POST, path, body).await
}

pub async fn patch_v2(sandbox: &Sandbox, path: &str, body: Value) -> Reply {
    call_v2(sandbox, Method::PATCH, path, body).await
}

pub async fn delete_v2(sandbox: &Sandbox, path: &str) -> Reply {
    let request = client().delete(format!("{}{path}", sandbox.api_url()));
    Reply::of(request.bearer_auth(sandbox.api_key())).await
}

/// One field of everything on a page.
pub fn each(reply: &Reply, field: &str) -> Vec<Value> {
    reply.body["data"].as_array().unwrap().iter().map(|item| item[field].clone()).collect()
}

pub async fn get(sandbox: &Sandbox, path: &str) -> Reply {
    Reply::of(client().get(format!("{}/sandbox/v1{path}", sandbox.base_url()))).await
}

pub async fn post(sandbox: &Sandbox, path: &str, body: Value) -> Reply {
    Reply::of(client().post(format!("{}/sandbox/v1{path}", sandbox.base_url())).json(&body)).await
}

pub async fn put_faults(sandbox: &Sandbox, faults: Value) -> Reply {
    let url = format!("{}/sandbox/v1/faults", sandbox.base_url());
    Reply::of(client().put(url).json(&json!({ "data": faults }))).await
}

/// Waits until a condition holds.
pub async fn eventually(condition: impl AsyncFn() -> bool) {
    let until = tokio::time::Instant::now() + PATIENCE;
    while !condition().await {
        assert!(tokio::time::Instant::now() < until, "the condition never held");
        // A condition that awaits nothing must not keep the sandbox from running.
        tokio::task::yield_now().await;
    }
}

pub async fn idle(sandbox: &Sandbox) {
    sandbox.wait_idle(PATIENCE).await.unwrap();
}

/// The webhooks of one event type.
pub fn of_type(bodies: &[Value], event_type: &str) -> Vec<Value> {
    bodies.iter().filter(|body| body["data"]["event_type"] == event_type).cloned().collect()
}

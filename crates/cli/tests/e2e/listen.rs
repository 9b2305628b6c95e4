//! `inlet listen`: what it shows, where it points the sandbox, and how it lives through restarts.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::endpoint::{Behaviour, Endpoint};
use crate::gateway::{Gateway, inlet, signal};
use crate::wait::{BOUND, until};
use crate::world::{Control, OURS, PHONE, start_sandbox};

/// A running `inlet listen`; killed when dropped.
struct Listening {
    child: Child,
    folder: TempDir,
}

impl Listening {
    /// Starts it and waits until it says that it is ready.
    async fn start(sandbox: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| std::fs::File::create(folder.path().join(name)).unwrap();
        let mut command = inlet(folder.path());
        command.args(["listen", "--sandbox-url", sandbox]).args(arguments).stdin(Stdio::null());
        let child = command.stdout(file("out")).stderr(file("err")).spawn().unwrap();
        let listening = Self { child, folder };
        listening.says("Ready: a signed probe came back").await;
        listening
    }

    fn out(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("out")).unwrap()
    }

    fn err(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("err")).unwrap()
    }

    /// Waits until it has said something.
    async fn says(&self, text: &str) {
        until(&format!("`{text}` in:\n{}{}", self.out(), self.err()), || async {
            (self.out() + &self.err()).contains(text).then_some(())
        })
        .await;
    }

    /// Ends it by a signal; what it has said on standard output in all.
    async fn end(&mut self, name: &str) -> (ExitStatus, String) {
        signal(self.child.id(), name);
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, self.out());
            }
            assert!(begin.elapsed() < BOUND, "still listening: {}", self.out());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn webhook_url(control: &Control) -> Value {
    control.get("account").await["webhook_url"].clone()
}

#[tokio::test]
async fn each_try_is_a_line_until_the_receiver_takes_it() {
    let (sandbox, endpoint) = (start_sandbox(&[OURS]).await, Endpoint::start().await);
    sandbox.set_webhook_url(endpoint.url().parse().unwrap());
    let control = Control::new(&sandbox.base_url());
    let mut listening = Listening::start(&sandbox.base_url(), &[]).await;
    assert!(listening.out().contains(&sandbox.public_key().to_base64()), "{}", listening.out());
    assert!(listening.out().contains(&sandbox.api_url()), "{}", listening.out());

    endpoint.behave(Behaviour::Answer(503));
    let event = control.text(PHONE, OURS, "Hello").await;
    let id = event["event_id"].as_str().unwrap();
    listening.says(&format!("--> message.received  [{id}]")).await;
    listening.says(&format!("<-- [503] POST {} [{id}] ", endpoint.url())).await;
    endpoint.behave(Behaviour::Answer(200));
    sandbox.advance_clock(Duration::from_secs(2));
    listening.says(&format!("<-- [200] POST {} [{id}] ", endpoint.url())).await;

    endpoint.behave(Behaviour::Answer(500));
    let lost = control.text(PHONE, OURS, "Hello?").await;
    for attempt in 1..=3 {
        listening.says(&format!("[{}] ", lost["event_id"].as_str().unwrap())).await;
        listening.says(&format!("attempt {attempt}")).await;
        sandbox.advance_clock(Duration::from_secs(10));
    }
    listening.says(&format!("<-- gave up after 3 attempts  [{}]", lost["event_id"].as_str().unwrap())).await;
    let (status, out) = listening.end("INT").await;
    assert!(status.success());
    assert!(out.ends_with("2 events: 1 delivered, 1 given up\n"), "{out}");
    assert!(!out.contains("inlet.probe") && !out.contains('\x1b'), "{out}");
}

#[tokio::test]
async fn the_sandbox_points_elsewhere_only_while_somebody_listens() {
    let (sandbox, app) = (start_sandbox(&[OURS]).await, Endpoint::start().await);
    let control = Control::new(&sandbox.base_url());
    let forward = ["--forward-to", &app.url()];
    for (name, before) in [("TERM", Value::Null), ("INT", json!("http://127.0.0.1:9/before"))] {
        if let Some(url) = before.as_str() {
            sandbox.set_webhook_url(url.parse().unwrap());
        }
        let mut listening = Listening::start(&sandbox.base_url(), &forward).await;
        assert_eq!(webhook_url(&control).await, app.url());
        let seen = app.received().len();
        control.text(PHONE, OURS, "Hello").await;
        app.wait_received(seen + 1).await;
        let (status, _) = listening.end(name).await;
        assert!(status.success());
        assert_eq!(webhook_url(&control).await, before, "after SIG{name}");
    }

    let mut listening = Listening::start(&sandbox.base_url(), &forward).await;
    sandbox.set_webhook_url("http://127.0.0.1:9/else".parse().unwrap());
    let (_, out) = listening.end("TERM").await;
    assert_eq!(webhook_url(&control).await, "http://127.0.0.1:9/else");
    assert!(out.contains("somebody pointed the profile at http://127.0.0.1:9/else"), "{out}");
}

#[tokio::test]
async fn programs_get_objects_and_only_the_types_they_ask_for() {
    let (sandbox, app) = (start_sandbox(&[OURS]).await, Endpoint::start().await);
    sandbox.set_webhook_url(app.url().parse().unwrap());
    let control = Control::new(&sandbox.base_url());
    let arguments = ["--events", "message.*,10dlc.brand.update", "--format", "json"];
    let mut listening = Listening::start(&sandbox.base_url(), &arguments).await;
    for event_type in ["call.initiated", "10dlc.brand.update"] {
        let body = json!({ "data": { "event_type": event_type, "id": event_type } });
        assert_eq!(control.post("events", &json!({ "body": body })).await.0, 202);
    }
    control.text(PHONE, OURS, "Hello").await;
    listening.says("\"message.received\",\"kind\":\"end\"").await;
    let (_, out) = listening.end("TERM").await;
    let objects: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&Value> = objects.iter().map(|object| &object["kind"]).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "event").count(), 2, "{out}");
    assert!(!out.contains("call.initiated"), "{out}");
    listening.says("2 events: 2 delivered, 1 hidden by --events").await;
}

async fn start_process(folder: &Path, listen: &str) -> Gateway {
    Gateway::start(folder, "sandbox", &["--listen", listen]).await
}

#[tokio::test]
async fn a_restart_and_a_reset_are_told_and_lived_through() {
    let (folder, app) = (tempfile::tempdir().unwrap(), Endpoint::start().await);
    let first = start_process(folder.path(), "127.0.0.1:0").await;
    let address = first.address("sandbox");
    let mut listening = Listening::start(&address, &["--forward-to", &app.url()]).await;
    Control::new(&address).text(PHONE, OURS, "before").await;
    app.wait_received(1).await;
    listening.says("<-- [200]").await;

    first.kill();
    listening.says("the sandbox has gone away").await;
    let _second = start_process(folder.path(), address.trim_start_matches("http://")).await;
    listening.says("the sandbox is back").await;
    listening.says("it has another key now").await;
    listening.says("its profile points at").await;
    let control = Control::new(&address);
    let event = control.text(PHONE, OURS, "after").await;
    listening.says(&format!("--> message.received  [{}]", event["event_id"].as_str().unwrap())).await;
    app.wait_received(2).await;

    control.post("reset", &json!({})).await;
    listening.says("the sandbox began anew").await;
    until("the profile to point at the receiver again", || async {
        (webhook_url(&control).await == app.url()).then_some(())
    })
    .await;
    let event = control.text(PHONE, OURS, "once more").await;
    listening.says(&format!("<-- [200] POST {} [{}]", app.url(), event["event_id"].as_str().unwrap())).await;
    let (status, _) = listening.end("TERM").await;
    assert!(status.success());
    assert_eq!(webhook_url(&control).await, Value::Null);
}

#[tokio::test]
async fn nobody_to_listen_to_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut command: Command = inlet(folder.path());
    command.args(["listen", "--sandbox-url", "http://127.0.0.1:9"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(6));
    assert!(String::from_utf8_lossy(&output.stderr).contains("start one with `inlet dev`"));
}

//! `inlet trigger`: every event there is, against the gateway and against receivers that look closely.

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use inlet_sandbox::Sandbox;
use inlet_telnyx::{PublicKey, SIGNATURE_HEADER, SignatureHeaders, SigningKey, TIMESTAMP_HEADER, verify};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::endpoint::{Behaviour, Endpoint, Received};
use crate::gateway::inlet;
use crate::wait::until;
use crate::world::{Dev, OURS, start_sandbox};

/// No automatic answers, whose receipts would be events, too.
const SILENT: &str = "[[replies]]\nname = \"never\"\nkeywords = [\"xyzzy\"]\ntext = \"hm\"\n";
const SEED: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// A sandbox that points at an endpoint, and a folder to run commands in.
struct Scene {
    folder: TempDir,
    sandbox: Sandbox,
    endpoint: Endpoint,
}

impl Scene {
    async fn start() -> Self {
        let (sandbox, endpoint) = (start_sandbox(&[OURS]).await, Endpoint::start().await);
        sandbox.set_webhook_url(endpoint.url().parse().unwrap());
        Self { folder: tempfile::tempdir().unwrap(), sandbox, endpoint }
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(&[], arguments).await
    }

    async fn run_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
        let sandbox = self.sandbox.base_url();
        let environment = [&[("INLET_SANDBOX_URL", sandbox.as_str())], environment].concat();
        run(self.folder.path(), &environment, arguments).await
    }

    /// Triggers something that is taken, and returns what the endpoint got.
    async fn taken(&self, arguments: &[&str]) -> Received {
        let before = self.endpoint.received().len();
        let output = self.run(arguments).await;
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", err(&output));
        let received = self.endpoint.received();
        assert_eq!(received.len(), before + 1, "{arguments:?}");
        received.last().unwrap().clone()
    }
}

async fn run(folder: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = inlet(folder);
    command.arg("trigger").args(arguments).envs(environment.iter().copied()).stdin(Stdio::null());
    // The sandbox and the endpoint live in this process and must go on meanwhile.
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn body(received: &Received) -> Value {
    serde_json::from_slice(&received.body).unwrap()
}

fn verifies(received: &Received, key: &PublicKey) -> bool {
    let (signature, timestamp) = (received.header(SIGNATURE_HEADER), received.header(TIMESTAMP_HEADER));
    let headers = SignatureHeaders::read([signature.as_bytes()], [timestamp.as_bytes()]);
    let headers = headers.unwrap();
    verify(&headers, &received.body, std::slice::from_ref(key), headers.timestamp(), 0).is_ok()
}

#[tokio::test]
async fn every_event_there_is_is_stored_by_the_gateway() {
    let world = Dev::start(SILENT).await;
    let listed = world.gateway.run(&["trigger", "--list"]);
    let names: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() > 60, "{listed}");
    for name in &names {
        let printed = world.gateway.run(&["trigger", name]);
        assert!(printed.contains("<-- [200] POST http://127.0.0.1:"), "{name}: {printed}");
    }
    let events = world.gateway.list("events?limit=1000").await;
    assert_eq!(events.len(), names.len());
    assert_eq!(world.gateway.list("rejections").await, Vec::<Value>::new());
    assert!(events.iter().all(|event| event["readable"] == true && event["source"] == "telnyx"));

    // Signed as version 2 everything is stored; a body of version 1 that comes with its own signature is refused.
    let old = world.gateway.run(&["trigger", "odd.v1-inbound", "--print"]);
    let posting = reqwest::Client::new().post(world.gateway.address("webhooks")).body(old);
    let answer = posting.header("x-telnyx-signature", "t=1700000000,h=aaaa").send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.json::<Value>().await.unwrap()["code"], "api_version_1");
}

#[tokio::test]
async fn two_triggers_are_two_events_of_this_account_signed_by_its_key() {
    let scene = Scene::start().await;
    let output = scene.run(&["message.received", "--count", "2"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let received = scene.endpoint.received();
    assert_eq!(received.len(), 2);
    assert!(received.iter().all(|received| verifies(received, scene.sandbox.public_key())));
    let (one, two) = (body(&received[0]), body(&received[1]));
    for pointer in ["/data/id", "/data/payload/id"] {
        assert_ne!(one.pointer(pointer), two.pointer(pointer), "{pointer}");
    }
    assert_eq!(one["data"]["payload"]["to"][0]["phone_number"], OURS);
    assert_eq!(one["data"]["payload"]["messaging_profile_id"], scene.sandbox.messaging_profile_id());
    assert_eq!(one["meta"]["delivered_to"], scene.endpoint.url());
}

#[tokio::test]
async fn a_body_is_changed_at_paths() {
    let scene = Scene::start().await;
    let changes =
        ["--override", "to.0.phone_number=+15550100", "--override", "payload.parts=3", "--remove", "cc"];
    let more = ["--add", "payload.is_test=true", "--add", "payload.tags.0=a=b", "--override", "text="];
    let received = scene.taken(&[&["message.received"], &changes[..], &more[..]].concat()).await;
    let payload = &body(&received)["data"]["payload"];
    assert_eq!(payload["to"][0]["phone_number"], "+15550100");
    assert_eq!((&payload["parts"], &payload["text"]), (&json!(3), &json!("")));
    assert_eq!((&payload["is_test"], &payload["tags"]), (&json!(true), &json!(["a=b"])));
    assert!(payload.get("cc").is_none(), "{payload}");

    let wrong = scene.run(&["message.received", "--override", "payload.txet=x"]).await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(err(&wrong).contains("no `payload.txet`; did you mean `payload.text`?"), "{}", err(&wrong));
    let wrong = scene.run(&["mesage.received"]).await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(err(&wrong).contains("did you mean `message.received`?"), "{}", err(&wrong));
}

#[tokio::test]
async fn raw_bytes_arrive_as_they_are() {
    let scene = Scene::start().await;
    let bytes = b"{\"data\": {\"id\": \"a\", \"id\": \"b\"}, \"x\": \"\xff\0\"}\n";
    std::fs::write(scene.folder.path().join("body"), bytes).unwrap();
    let received = scene.taken(&["--raw", "body"]).await;
    assert_eq!(&received.body[..], bytes);
    assert!(verifies(&received, scene.sandbox.public_key()));

    std::fs::write(scene.folder.path().join("odd"), b"{\"data\": {\"id\": \"/b\\n?\"}}").unwrap();
    for _ in 0..2 {
        scene.taken(&["--raw", "odd"]).await;
    }

    let mut command = inlet(scene.folder.path());
    command.args(["trigger", "--raw", "-", "--sandbox-url", &scene.sandbox.base_url()]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"not JSON").unwrap();
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    assert!(ended.success());
    assert_eq!(&scene.endpoint.received()[3].body[..], b"not JSON");
}

/// An editor that does what a script says to the file it is given.
fn editor(folder: &Path, script: &str) -> String {
    let path = folder.join("editor.sh");
    std::fs::write(&path, format!("stat -c %a \"$1\" > mode\necho \"$1\" > draft\n{script}\n")).unwrap();
    format!("sh {}", path.display())
}

#[tokio::test]
async fn a_body_is_edited_before_it_is_sent() {
    let scene = Scene::start().await;
    let folder = scene.folder.path();
    let noted = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap().trim().to_owned();

    let good = editor(folder, "sed -i s/Sunday/Monday/ \"$1\"");
    let output = scene.run_with(&[("EDITOR", &good)], &["message.received", "--edit"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(scene.endpoint.received()[0].text(), "Hello, are you open on Monday?");
    assert_eq!(noted("mode"), "600");
    assert!(!Path::new(&noted("draft")).exists(), "the draft is gone");

    let bad = editor(folder, "echo '{\"data\":' > \"$1\"");
    let output =
        scene.run_with(&[("VISUAL", &bad), ("EDITOR", "false")], &["message.received", "--edit"]).await;
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    assert!(err(&output).contains("not JSON") && scene.endpoint.received().len() == 1);
    let draft = noted("draft");
    assert_eq!(std::fs::read(&draft).unwrap(), b"{\"data\":\n", "what was written is not lost");
    let again = scene.taken(&["--raw", &draft]).await;
    assert_eq!(&again.body[..], b"{\"data\":\n");

    let broken = scene.run_with(&[("VISUAL", &bad)], &["--raw", &draft, "--edit"]).await;
    assert_eq!(broken.status.code(), Some(0), "raw bytes may be anything: {}", err(&broken));
    std::fs::remove_file(draft).unwrap();
    let given_up = scene.run_with(&[("EDITOR", "false")], &["message.received", "--edit"]).await;
    assert_eq!(given_up.status.code(), Some(13), "{}", err(&given_up));
    assert_eq!(scene.endpoint.received().len(), 3);
}

#[tokio::test]
async fn a_key_of_ones_own_needs_no_sandbox() {
    let (endpoint, folder) = (Endpoint::start().await, tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("key"), format!("{SEED}\n")).unwrap();
    let (url, key) = (endpoint.url(), SigningKey::from_seed(&[7; 32]).unwrap());
    let by_file = ["message.sent", "--url", &url, "--private-key-file", "key"];
    let output = run(folder.path(), &[], &by_file).await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let secret = [("INLET_TRIGGER_PRIVATE_KEY", SEED)];
    let output = run(folder.path(), &secret, &["message.sent", "--url", &url, "--json"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(!out(&output).contains(SEED) && out(&output).contains("\"response_status\":200"));
    let received = endpoint.received();
    assert!(received.len() == 2 && received.iter().all(|received| verifies(received, key.public())));

    let nowhere = run(folder.path(), &secret, &["message.sent"]).await;
    assert_eq!(nowhere.status.code(), Some(2));
    let wrong = run(folder.path(), &[("INLET_TRIGGER_PRIVATE_KEY", "c2hvcnQ=")], &by_file[..3]).await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(!err(&wrong).contains("c2hvcnQ"), "{}", err(&wrong));
}

#[tokio::test]
async fn what_the_receiver_makes_of_it_is_the_exit_code() {
    let (endpoint, folder) = (Endpoint::start().await, tempfile::tempdir().unwrap());
    let (url, secret) = (endpoint.url(), [("INLET_TRIGGER_PRIVATE_KEY", SEED)]);
    let send = async |more: &[&str]| {
        let arguments = [&["message.sent", "--url", &url], more].concat();
        run(folder.path(), &secret, &arguments).await
    };
    endpoint.behave(Behaviour::Answer(503));
    let refused = send(&[]).await;
    assert_eq!(refused.status.code(), Some(14), "{}", err(&refused));
    assert!(out(&refused).contains("<-- [503] POST"), "{}", out(&refused));
    endpoint.behave(Behaviour::Hang);
    let silent = send(&["--timeout", "50ms"]).await;
    assert_eq!(silent.status.code(), Some(15), "{}", err(&silent));
    assert!(err(&silent).contains("No answer within 50 ms"), "{}", err(&silent));

    let nobody = run(folder.path(), &[], &["message.sent", "--sandbox-url", "http://127.0.0.1:9"]).await;
    assert_eq!(nobody.status.code(), Some(6), "{}", err(&nobody));
    let sandbox = start_sandbox(&[OURS]).await;
    let pointless = run(folder.path(), &[], &["message.sent", "--sandbox-url", &sandbox.base_url()]).await;
    assert_eq!(pointless.status.code(), Some(2), "{}", err(&pointless));
    assert!(err(&pointless).contains("no webhook URL"), "{}", err(&pointless));
}

#[tokio::test]
async fn the_sandbox_tries_again_and_each_try_is_shown() {
    let scene = Scene::start().await;
    scene.endpoint.behave(Behaviour::Answer(503));
    let sandbox = scene.sandbox.base_url();
    let mut command = inlet(scene.folder.path());
    command.args(["trigger", "message.sent", "--sandbox-url", &sandbox]);
    let running = tokio::task::spawn_blocking(move || command.output().unwrap());
    scene.endpoint.wait_received(1).await;
    scene.endpoint.behave(Behaviour::Answer(200));
    // The second try is due a second after the first; its clock need not be waited for.
    until("the end", || async {
        scene.sandbox.advance_clock(Duration::from_secs(2));
        running.is_finished().then_some(())
    })
    .await;
    let output = running.await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let printed = out(&output);
    assert!(printed.contains("<-- [503] POST") && printed.contains("attempt 2"), "{printed}");
}

//! Whatever the sandbox sends, the gateway stores: random messages, random bodies, random faults.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use inlet_sandbox::{Sandbox, SandboxConfig};
use inlet_telnyx::find_event_key;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseResult, TestRunner};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::gateway::Gateway;
use crate::world::{Control, OURS, start_serve, write_configuration};

const CASES: u32 = 64;
const PATIENCE: Duration = Duration::from_secs(20);
const UNSEEN: &str =
    "[[destinations]]\nname = \"nowhere\"\nurl = \"http://127.0.0.1:9/\"\nretry = [\"0s\"]\n";

/// Something that the sandbox is made to send.
#[derive(Debug, Clone)]
enum Sending {
    /// A message of a phone, as the control API takes it.
    Text(Value),
    /// A body of any shape; a text at `data.id` is made unlike all others.
    Json(Value),
    /// Bytes that are no JSON at all, mostly.
    Bytes(Vec<u8>),
}

/// One round: what goes wrong meanwhile, and what is sent.
#[derive(Debug, Clone)]
struct Round {
    faults: Vec<Value>,
    sendings: Vec<Sending>,
}

fn rounds() -> impl Strategy<Value = Round> {
    let sending = prop_oneof![
        4 => message().prop_map(Sending::Text),
        3 => event().prop_map(Sending::Json),
        1 => any_json().prop_map(Sending::Json),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Sending::Bytes),
    ];
    (prop::collection::vec(fault(), 0..3), prop::collection::vec(sending, 1..8))
        .prop_map(|(faults, sendings)| Round { faults, sendings })
}

/// Faults of the way there: what fails is tried again, what is doubled arrives twice.
fn fault() -> impl Strategy<Value = Value> {
    let kind = prop_oneof![
        (1u32..4).prop_map(|copies| json!({"kind": "webhook_duplicate", "copies": copies})),
        (0u32..30).prop_map(|delay_ms| json!({"kind": "webhook_delay", "delay_ms": delay_ms})),
        Just(json!({"kind": "webhook_drop"})),
        Just(json!({"kind": "wrong_signature"})),
        Just(json!({"kind": "altered_body"})),
        (301u32..100_000).prop_map(|seconds| json!({"kind": "stale_timestamp", "seconds": seconds})),
    ];
    (kind, 1u32..5).prop_map(|(mut fault, count)| {
        fault["count"] = count.into();
        fault
    })
}

fn message() -> impl Strategy<Value = Value> {
    let from =
        prop_oneof!["\\+1555[0-9]{7}", "\\+?[0-9]{5}", "[A-Za-z ]{1,11}", Just(OURS.to_owned()), text()];
    let cc = prop::collection::vec(prop_oneof!["\\+1555[0-9]{7}", text()], 0..4);
    let media = prop::collection::vec(link(), 0..4);
    (from, prop::option::of(text()), prop::option::of(text()), cc, media).prop_map(
        |(from, text, subject, cc, media)| {
            json!({"from": from, "to": OURS, "text": text, "subject": subject, "cc": cc, "media": media})
        },
    )
}

fn link() -> impl Strategy<Value = Value> {
    let url = prop_oneof![
        Just("http://127.0.0.1:9/picture.jpg".to_owned()),
        Just("file:///etc/passwd".to_owned()),
        Just("http://169.254.169.254/latest".to_owned()),
        text(),
    ];
    (url, prop::option::of(text()), any::<Option<i64>>(), prop::option::of(text())).prop_map(
        |(url, content_type, size, sha256)| {
            json!({"url": url, "content_type": content_type, "size": size, "sha256": sha256})
        },
    )
}

/// What people and machines write.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "\\PC{0,40}",
        2 => any::<String>(),
        1 => "[\\x00\\n\\r\\t\u{2028}\u{202e} ]{0,6}",
        1 => prop::sample::select(vec!["STOP", " stop\n", "HELP", "START"]).prop_map(str::to_owned),
        1 => (prop::sample::select(vec!["a", "ü", "😀", "\n", "\\"]), 500usize..3000)
            .prop_map(|(part, times)| part.repeat(times)),
    ]
}

/// An event whose envelope is as documented and whose payload has the documented names with any values.
fn event() -> impl Strategy<Value = Value> {
    let event_type = prop::sample::select(vec![
        "message.received",
        "message.sent",
        "message.finalized",
        "message.read",
        "10dlc.brand.update",
        "call.initiated",
    ]);
    let name = prop::sample::select(vec![
        "id",
        "from",
        "to",
        "cc",
        "text",
        "media",
        "errors",
        "direction",
        "body",
        "type",
        "parts",
        "received_at",
        "messaging_profile_id",
        "autoresponse_type",
        "subject",
        "webhook_url",
        "encoding",
    ]);
    let value = prop_oneof![3 => documented(), 1 => any_json()];
    let payload = prop::collection::btree_map(name, value, 0..10);
    let id = prop_oneof![4 => text().prop_map(Value::String), 1 => any_json()];
    (event_type, payload, prop::option::of(id), any::<Option<u8>>()).prop_map(
        |(event_type, payload, id, attempt)| {
            let payload: Map<String, Value> =
                payload.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let mut body = json!({"data": {"event_type": event_type, "payload": payload}});
            if let Some(id) = id {
                body["data"]["id"] = id;
            }
            if let Some(attempt) = attempt {
                body["meta"] = json!({"attempt": attempt, "delivered_to": "http://127.0.0.1:9/"});
            }
            body
        },
    )
}

/// Values that documented members of a payload have, in one place or another.
fn documented() -> impl Strategy<Value = Value> {
    let party = || text().prop_map(|number| json!({"phone_number": number, "status": "delivered"}));
    prop_oneof![
        text().prop_map(Value::String),
        prop::sample::select(vec!["inbound", "outbound", "SMS", "MMS", "STOP"]).prop_map(Value::from),
        Just(json!(OURS)),
        party(),
        prop::collection::vec(party(), 0..3).prop_map(Value::from),
        link().prop_map(|link| json!([link])),
        text().prop_map(|text| json!({"text": text})),
        text().prop_map(|code| json!([{"code": code, "title": code}])),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::String),
    ];
    leaf.prop_recursive(6, 24, 4, |inner| {
        let key = prop_oneof!["data", "payload", "id", "meta", "\\PC{0,6}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..4)
                .prop_map(|members| { Value::Object(members.into_iter().collect()) }),
        ]
    })
}

/// One gateway and one sandbox, for all rounds.
struct Scene {
    _folder: TempDir,
    gateway: Gateway,
    sandbox: Sandbox,
    http: reqwest::Client,
    sent: u64,
    /// What must be stored: the key of each event that was delivered, and its body as it was sent.
    delivered: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Scene {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = SandboxConfig { listen: "127.0.0.1:0".parse().unwrap(), ..SandboxConfig::default() };
        config.numbers = vec![OURS.parse().unwrap()];
        config.retry.backoff = Duration::from_millis(5);
        let sandbox = Sandbox::start_with(config).await.unwrap();
        write_configuration(folder.path(), &sandbox, UNSEEN);
        let gateway = start_serve(folder.path(), &sandbox).await;
        let http = reqwest::Client::new();
        Self { _folder: folder, gateway, sandbox, http, sent: 0, delivered: BTreeMap::new() }
    }

    async fn play(&mut self, round: Round) -> TestCaseResult {
        let control = Control::new(&self.sandbox.base_url());
        let (status, answer) = control.put("faults", &json!({ "data": round.faults })).await;
        prop_assert_eq!(status, 200, "{}", answer);
        let mut ids = Vec::new();
        for sending in round.sendings {
            let (path, body) = self.request(sending);
            let (status, answer) = control.post(path, &body).await;
            prop_assert_eq!(status, 202, "{}", answer);
            ids.push(answer["event_id"].as_str().unwrap().to_owned());
        }
        self.sandbox.wait_idle(PATIENCE).await.unwrap();
        for id in ids {
            self.check(&id).await?;
        }
        Ok(())
    }

    /// The request to the control API; ids become unlike all others, so that two events are not one.
    fn request(&mut self, sending: Sending) -> (&'static str, Value) {
        self.sent += 1;
        match sending {
            Sending::Text(text) => ("texts", text),
            Sending::Bytes(bytes) => ("events", json!({ "body_base64": STANDARD.encode(bytes) })),
            Sending::Json(mut body) => {
                if let Some(Value::String(id)) = body.pointer_mut("/data/id") {
                    // Long enough for the gateway not to take it as an id, short enough for a URL.
                    let beginning: String = id.chars().take(300).collect();
                    *id = format!("{}-{beginning}", self.sent);
                }
                ("events", json!({ "body_base64": STANDARD.encode(body.to_string()) }))
            }
        }
    }

    /// An event that was delivered is stored, with the bytes of an attempt that was delivered.
    async fn check(&mut self, id: &str) -> TestCaseResult {
        let url = address(&self.sandbox.base_url(), "sandbox/v1/deliveries", id);
        let answer = self.http.get(url).send().await.unwrap();
        prop_assert_eq!(answer.status(), 200, "{}", id);
        let delivery: Value = answer.json().await.unwrap();
        let attempts = delivery["attempts"].as_array().cloned().unwrap_or_default();
        let bodies: Vec<Vec<u8>> =
            attempts.iter().filter(|attempt| attempt["delivered"] == true).map(sent_body).collect();
        prop_assert_eq!(delivery["status"] == "delivered", !bodies.is_empty(), "{}", delivery);
        let Some(first) = bodies.first() else { return Ok(()) };
        let key = find_event_key(first).into_text();
        let known = self.delivered.entry(key.clone()).or_default();
        known.extend(bodies);
        let stored = raw(&self.http, &self.gateway, &key).await;
        prop_assert!(
            stored.as_ref().is_some_and(|stored| known.contains(stored)),
            "{key}: {stored:?} of {known:?}"
        );
        Ok(())
    }

    /// Every id that the gateway has stored, as often as it is listed.
    async fn stored_ids(&self) -> Vec<String> {
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        loop {
            let (status, page) = self.gateway.get(&format!("events?limit=1000{cursor}")).await;
            assert_eq!(status, 200, "{page}");
            ids.extend(
                page["data"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()),
            );
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return ids,
            }
        }
    }
}

/// A path whose last part may hold anything; `Url` would leave tabs and line ends out.
fn address(base: &str, path: &str, last: &str) -> String {
    let encoded: String = last.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("{base}/{path}/{encoded}")
}

async fn raw(http: &reqwest::Client, gateway: &Gateway, id: &str) -> Option<Vec<u8>> {
    let url = address(&gateway.address("admin"), "api/v1/events", id);
    let answer = http.get(url + "/raw").send().await.unwrap();
    if answer.status() == 200 { Some(answer.bytes().await.unwrap().to_vec()) } else { None }
}

/// What an attempt has sent, as the sandbox tells it.
fn sent_body(attempt: &Value) -> Vec<u8> {
    match attempt["request_body"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => STANDARD.decode(attempt["request_body_base64"].as_str().unwrap()).unwrap(),
    }
}

#[test]
fn whatever_the_sandbox_sends_the_gateway_stores() {
    let runtime = Runtime::new().unwrap();
    let scene = std::cell::RefCell::new(runtime.block_on(Scene::start()));
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    let play = |round| runtime.block_on(scene.borrow_mut().play(round));
    let outcome = TestRunner::new(config).run(&rounds(), play);
    let scene = scene.into_inner();
    if let Err(error) = outcome {
        panic!("{error}\n{}", scene.gateway.log());
    }
    runtime.block_on(async {
        let mut stored = scene.stored_ids().await;
        stored.sort();
        let unknown: Vec<_> = stored.iter().filter(|id| !scene.delivered.contains_key(*id)).collect();
        assert!(unknown.is_empty(), "stored without having been delivered: {unknown:?}");
        let number = stored.len();
        stored.dedup();
        assert_eq!((stored.len(), number), (scene.delivered.len(), number), "each delivered event once");
        assert!(stored.len() > 100, "{} events are too few to say much", stored.len());
        // Every one of them can be routed, however odd: the gateway is not stuck behind any.
        scene.gateway.wait_routed().await;
        assert!(!scene.gateway.log().contains("panicked"), "{}", scene.gateway.log());
    });
}

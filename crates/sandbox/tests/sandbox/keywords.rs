//! STOP, START and HELP: who is blocked, what the phone is told, and the profiles' own words for it.

use inlet_sandbox::{CarrierSettings, InboundText, ProfileSettings, Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::support::*;

const TOLL_FREE: &str = "+18005550100";
const WELCOME: &str = "Welcome back to the club. Reply STOP to leave.";

fn to_phone() -> Value {
    json!({"from": OURS, "to": PHONE, "text": "Hello"})
}

async fn text(sandbox: &Sandbox, to: &str, text: &str) {
    sandbox.inject(InboundText::new(PHONE, to, text)).await.unwrap();
}

/// What the phone was told, and which keyword that answers.
async fn answers(sandbox: &Sandbox) -> Vec<(String, Value)> {
    let shown = get(sandbox, &format!("/messages?to={}", PHONE.replace('+', "%2B"))).await;
    let messages = shown.body["data"].as_array().unwrap().iter();
    let answer = |message: &Value| {
        (message["text"].as_str().unwrap().to_owned(), message["autoresponse_type"].clone())
    };
    messages.map(answer).collect()
}

fn configs(sandbox: &Sandbox) -> String {
    format!("/messaging_profiles/{}/autoresp_configs", sandbox.messaging_profile_id())
}

async fn configure(sandbox: &Sandbox, config: Value) -> Reply {
    post_v2(sandbox, &configs(sandbox), config).await
}

#[tokio::test]
async fn after_stop_sends_are_refused_until_start() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    text(&sandbox, OURS, " stop ").await;
    let refused = send(&sandbox, to_phone()).await;
    assert_eq!(refused.refusal(), (400, "40300", "/to"));
    let detail = refused.body["errors"][0]["detail"].as_str().unwrap();
    assert!(detail.contains(OURS) && detail.contains(PHONE));
    let second = json!({"from": OUR_SECOND, "to": PHONE, "text": "Hello"});
    assert_eq!(
        send(&sandbox, second).await.refusal().1,
        "40300",
        "the profile's other number is blocked, too"
    );
    text(&sandbox, OURS, "UNSTOP").await;
    assert_eq!(send(&sandbox, to_phone()).await.status, 200);
    idle(&sandbox).await;
    let bodies = receiver.bodies();
    let kinds: Vec<Value> = of_type(&bodies, "message.received")
        .iter()
        .map(|body| body["data"]["payload"]["autoresponse_type"].clone())
        .collect();
    assert!(kinds.contains(&json!("STOP")) && kinds.contains(&json!("START")));
}

#[tokio::test]
async fn an_opt_out_holds_for_its_profile_only() {
    let theirs = "+15559870000";
    let further = ProfileSettings {
        name: "Theirs".to_owned(),
        numbers: vec![theirs.parse().unwrap()],
        webhook_url: None,
        failover_url: None,
    };
    let sandbox =
        Sandbox::start_with(SandboxConfig { further_profiles: vec![further], ..swift() }).await.unwrap();
    text(&sandbox, OURS, "STOP").await;
    assert_eq!(send(&sandbox, to_phone()).await.refusal().1, "40300");
    let other = json!({"from": theirs, "to": PHONE, "text": "Hello"});
    assert_eq!(send(&sandbox, other).await.status, 200);
}

#[tokio::test]
async fn the_phone_is_told_and_nobody_takes_that_for_a_reply() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    for word in ["STOP", "help", "Start", "hello"] {
        text(&sandbox, OURS, word).await;
    }
    let told = answers(&sandbox).await;
    let kinds: Vec<&Value> = told.iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, ["STOP", "HELP", "START"]);
    assert!(told[0].0.contains("unsubscribed"), "{told:?}");
    send(&sandbox, to_phone()).await;
    assert_eq!(answers(&sandbox).await[3], ("Hello".to_owned(), Value::Null));
    let expected = post(&sandbox, "/expectations", json!({"to": PHONE, "within_ms": 0})).await;
    assert_eq!(expected.body["data"][0]["text"], "Hello");
    let replies = get(&sandbox, "/messages?autoresponse=false").await.body["data"].as_array().unwrap().len();
    assert_eq!(replies, 1);
    idle(&sandbox).await;
    assert_eq!(receiver.received().len(), 4 + 2, "the answers themselves have no webhooks");
}

#[tokio::test]
async fn the_answers_can_be_switched_off() {
    let carrier = CarrierSettings { answers_keywords: false, ..CarrierSettings::default() };
    let sandbox = Sandbox::start_with(SandboxConfig { carrier, ..swift() }).await.unwrap();
    text(&sandbox, OURS, "STOP").await;
    assert!(answers(&sandbox).await.is_empty());
    assert_eq!(send(&sandbox, to_phone()).await.refusal().1, "40300");
}

#[tokio::test]
async fn toll_free_numbers_have_a_block_of_their_carriers_own() {
    let numbers = vec![OURS.parse().unwrap(), TOLL_FREE.parse().unwrap()];
    let sandbox = Sandbox::start_with(SandboxConfig { numbers, ..swift() }).await.unwrap();
    let from_toll_free = json!({"from": TOLL_FREE, "to": PHONE, "text": "Hello"});
    text(&sandbox, TOLL_FREE, "STOP").await;
    assert!(answers(&sandbox).await[0].0.starts_with("NETWORK MSG"));
    assert_eq!(send(&sandbox, from_toll_free.clone()).await.refusal().1, "40300");
    assert_eq!(send(&sandbox, to_phone()).await.status, 200, "the long code has no part in it");
    text(&sandbox, TOLL_FREE, "START").await;
    assert_eq!(send(&sandbox, from_toll_free.clone()).await.refusal().1, "40300", "carriers want UNSTOP");
    text(&sandbox, TOLL_FREE, "UNSTOP").await;
    assert_eq!(send(&sandbox, from_toll_free).await.status, 200);
}

#[tokio::test]
async fn a_profile_has_its_own_words_and_answers_by_country() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox_for(&receiver).await;
    let join =
        json!({"op": "start", "keywords": ["Join", "BEGIN"], "resp_text": WELCOME, "country_code": "*"});
    let leave = json!({
        "op": "stop", "keywords": ["Adieu"], "resp_text": "Au revoir. Répondez START.", "country_code": "FR",
    });
    assert_eq!(configure(&sandbox, join).await.status, 200);
    assert_eq!(configure(&sandbox, leave).await.status, 200);
    text(&sandbox, OURS, "stop").await;
    text(&sandbox, OURS, "adieu").await;
    text(&sandbox, OURS, " join").await;
    text(&sandbox, OURS, "START").await;
    let told = answers(&sandbox).await;
    assert_eq!(told.len(), 3, "`adieu` is a word of France only: {told:?}");
    assert!(told[0].0.contains("unsubscribed"));
    assert_eq!(told[1], (WELCOME.to_owned(), json!("START")));
    assert_eq!(
        told[2],
        (WELCOME.to_owned(), json!("START")),
        "the words of all profiles stay, with its answer"
    );
    assert_eq!(send(&sandbox, to_phone()).await.status, 200);
    let french = InboundText::new("+33612345678", OURS, "ADIEU");
    sandbox.inject(french).await.unwrap();
    let to_france = json!({"from": OURS, "to": "+33612345678", "text": "Hello"});
    assert_eq!(send(&sandbox, to_france).await.refusal().1, "40300");
}

#[tokio::test]
async fn automatic_answers_are_listed_shown_replaced_and_removed() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let rule = json!({"op": "help", "keywords": ["INFO"], "country_code": "US"});
    let created = configure(&sandbox, rule).await.body["data"].clone();
    assert_eq!((&created["op"], created.get("resp_text")), (&json!("info"), None));
    let (list, one) =
        (configs(&sandbox), format!("{}/{}", configs(&sandbox), created["id"].as_str().unwrap()));
    assert_eq!(get_v2(&sandbox, &one).await.body["data"], created);
    assert_eq!(get_v2(&sandbox, &list).await.body["meta"]["total_results"], 1);
    assert_eq!(get_v2(&sandbox, &format!("{list}?country_code=DE")).await.body["data"], json!([]));
    let other = json!({"op": "stop", "keywords": ["BYE"], "resp_text": "You have left us for good.", "country_code": "*"});
    let replaced = call_v2(&sandbox, http::Method::PUT, &one, other).await.body["data"].clone();
    assert_eq!((&replaced["id"], &replaced["keywords"]), (&created["id"], &json!(["BYE"])));
    let removed = delete_v2(&sandbox, &one).await;
    assert_eq!((removed.status, removed.body), (200, json!("OK")));
    assert_eq!(get_v2(&sandbox, &one).await.refusal(), (404, "10005", ""));
    let unknown = "/messaging_profiles/none/autoresp_configs";
    assert_eq!(get_v2(&sandbox, unknown).await.refusal(), (404, "10005", ""));
}

#[tokio::test]
async fn a_rule_that_telnyx_would_not_take_is_refused() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let good = json!({"op": "stop", "keywords": ["BYE"], "resp_text": "You have left us for good.", "country_code": "*"});
    let cases = [
        ("op", json!("block"), "10032"),
        ("op", Value::Null, "10004"),
        ("keywords", json!("BYE"), "10026"),
        ("keywords", json!([]), "10033"),
        ("keywords", json!(vec!["x"; 21]), "10033"),
        ("keywords", json!(["start"]), "10015"),
        ("resp_text", json!("Bye."), "10025"),
        ("country_code", json!("usa"), "10032"),
    ];
    for (name, value, code) in cases {
        let mut rule = good.clone();
        rule[name] = value;
        let refused = configure(&sandbox, rule.clone()).await;
        assert_eq!(refused.refusal(), (400, code, format!("/{name}").as_str()), "{rule}");
    }
}

//! Replies: at most once, never to a machine, never against a wish, and `unknown` where nobody can know.

use std::time::Duration;

use serde_json::{Value, json};

use crate::wait::until;
use crate::world::{Control, Dev, OURS, PHONE, Served, start_sandbox, start_serve, write_configuration};

const CATCH_ALL: &str = "[[replies]]\nname = \"all\"\ntext = \"Thanks, we will call you\"\n";

async fn skipped(world: &Served, reason: &str) -> Vec<Value> {
    let rows =
        world.gateway.wait_list("replies", |rows| rows.iter().any(|row| row["last_error"] == reason)).await;
    rows.into_iter().filter(|row| row["last_error"] == reason).collect()
}

#[tokio::test]
async fn keyword_and_template_answer_the_sender() {
    let rules =
        "[[replies]]\nname = \"hours\"\nkeywords = [\"hours\"]\ntext = \"We are open 9 to 5, {{ from }}.\"\n";
    let world = Served::start(rules).await;
    world.control().text(PHONE, OURS, "{{ 7 * 7 }}").await;
    world.control().text(PHONE, OURS, "  Hours ").await;
    let sent = world.control().wait_sent_to(PHONE, 1).await;
    assert_eq!(sent[0]["text"], format!("We are open 9 to 5, {PHONE}."));
    assert_eq!(world.gateway.list("replies").await.len(), 1);
}

#[tokio::test]
async fn stop_is_respected_and_recorded() {
    let world = Served::start(CATCH_ALL).await;
    world.control().text(PHONE, OURS, "STOP").await;
    skipped(&world, "autoresponse").await;
    let opted_out = world.gateway.list("opt-outs").await;
    assert_eq!(opted_out[0]["party"], PHONE);
    world.control().text(PHONE, OURS, "and now?").await;
    skipped(&world, "opted_out").await;
    assert!(world.control().sent_to(PHONE).await.is_empty());

    world.control().text(PHONE, OURS, "START").await;
    until("the opt-out to end", || async { world.gateway.list("opt-outs").await.is_empty().then_some(()) })
        .await;
    world.control().text(PHONE, OURS, "hello again").await;
    world.control().wait_sent_to(PHONE, 1).await;
}

#[tokio::test]
async fn code_40300_is_recorded_as_an_opt_out() {
    let world = Served::start(CATCH_ALL).await;
    world.control().put("faults", &json!({"data": [{"kind": "block_stop"}]})).await;
    world.control().text(PHONE, OURS, "hello").await;
    let dead = world.gateway.wait_list("jobs?kind=send&state=dead", |rows| rows.len() == 1).await;
    assert!(dead[0]["last_error"].as_str().unwrap().contains("40300"), "{dead:?}");
    assert_eq!(world.gateway.list("opt-outs").await[0]["evidence"], "40300");
}

#[tokio::test]
async fn reply_without_an_answer_is_unknown_until_its_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = start_sandbox(&[OURS]).await;
    write_configuration(folder.path(), &sandbox, CATCH_ALL);
    // The receipt's URL is where it is sent, so it must be the gateway's own: a fixed port, found free beforehand.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let path = folder.path().join("inlet.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replacen("127.0.0.1:0", &format!("127.0.0.1:{port}"), 1);
    std::fs::write(&path, text.replace("http://127.0.0.1:1/", &format!("http://127.0.0.1:{port}/"))).unwrap();
    let gateway = start_serve(folder.path(), &sandbox).await;
    let control = Control::new(&sandbox.base_url());
    control.put("faults", &json!({"data": [{"kind": "api_drop_after_accept"}]})).await;
    control.text(PHONE, OURS, "hello").await;

    let done = gateway.wait_list("jobs?kind=send&state=done", |rows| rows.len() == 1).await;
    assert_eq!(control.sent_to(PHONE).await.len(), 1, "{done:?}");
    let messages =
        gateway.wait_list("messages?direction=outbound&status=delivered", |rows| rows.len() == 1).await;
    assert_eq!(messages[0]["to"][0]["phone_number"], PHONE);
}

#[tokio::test]
async fn reply_without_an_answer_or_a_receipt_stays_unknown_and_is_not_repeated() {
    let world = Served::start(CATCH_ALL).await;
    world.control().put("faults", &json!({"data": [{"kind": "api_drop_after_accept"}]})).await;
    world.control().text(PHONE, OURS, "hello").await;
    let unknown = world.gateway.wait_list("jobs?kind=send&state=unknown", |rows| rows.len() == 1).await;
    world.control().put("faults", &json!({"data": []})).await;
    let world = world.kill_and_restart().await;
    world.control().text("+15551110000", OURS, "somebody else").await;
    world.control().wait_sent_to("+15551110000", 1).await;
    assert_eq!(world.control().sent_to(PHONE).await.len(), 1);
    let (_, job) = world.gateway.get(&format!("jobs/{}", unknown[0]["id"])).await;
    assert_eq!(job["state"], "unknown");
}

#[tokio::test]
async fn two_gateways_that_answer_each_other_stop_within_three_messages() {
    for rules in [CATCH_ALL, "[[replies]]\nname = \"echo\"\ntext = \"You wrote: {{ text }}\"\n"] {
        let numbers = ["+15559876543", "+15559876544"];
        // Two accounts, so that neither number is the other's own: texts are carried across by hand.
        let mut sides = Vec::new();
        for number in numbers {
            let (folder, sandbox) = (tempfile::tempdir().unwrap(), start_sandbox(&[number]).await);
            write_configuration(folder.path(), &sandbox, rules);
            let gateway = start_serve(folder.path(), &sandbox).await;
            let control = Control::new(&sandbox.base_url());
            sides.push((number, folder, gateway, control, sandbox));
        }
        sides[0].3.text(numbers[1], numbers[0], "hello").await;
        let mut carried = 0;
        for turn in 0..10 {
            let (here, there) = (&sides[turn % 2], &sides[(turn + 1) % 2]);
            let answered = async {
                loop {
                    let sent = here.3.sent_to(there.0).await;
                    let replies = here.2.list("replies").await;
                    if sent.len() > turn / 2 {
                        return sent.last().map(|message| message["text"].as_str().unwrap().to_owned());
                    }
                    if replies.len() > turn / 2 && replies[0]["state"] == "skipped" {
                        return None;
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            let Some(text) = tokio::time::timeout(Duration::from_secs(20), answered).await.unwrap() else {
                break;
            };
            carried += 1;
            there.3.text(here.0, there.0, &text).await;
        }
        assert!((1..=3).contains(&carried), "{carried} automatic messages with {rules}");
    }
}

#[tokio::test]
async fn unsigned_texts_get_no_answer() {
    let world = Dev::start("").await;
    let body = json!({"data": {"event_type": "message.received", "payload": {
        "from": {"phone_number": PHONE}, "to": [{"phone_number": OURS}], "text": "Hello from test!", "type": "SMS", "media": []
    }}});
    let answer =
        reqwest::Client::new().post(world.gateway.address("webhooks")).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    world.gateway.wait_list("replies", |rows| rows.len() == 1 && rows[0]["last_error"] == "unsigned").await;
    assert!(world.control().sent_to(PHONE).await.is_empty());
}

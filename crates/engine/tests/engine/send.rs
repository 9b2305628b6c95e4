//! Messages are sent at most once, and what nobody can know is said to be unknown.

use std::time::Duration;

use inlet_domain::{JobId, JobKind, JobState, ReplyRule, SendKey, SendRequest, Template};
use inlet_store::{BulkAction, Store};
use serde_json::json;

use crate::stub::{Reaction, Stub};
use crate::world::{API_KEY, OUR_NUMBER, PHONE, Setup, World};

fn accepted() -> Reaction {
    let data = json!({
        "id": "sent-1",
        "direction": "outbound",
        "from": {"phone_number": OUR_NUMBER},
        "to": [{"phone_number": PHONE, "status": "queued"}],
        "type": "SMS",
        "parts": 1,
    });
    Reaction::body(200, json!({"data": data}).to_string())
}

fn refused(status: u16, code: &str) -> Reaction {
    let error = json!({"code": code, "title": "No", "detail": "because"});
    Reaction::body(status, json!({"errors": [error]}).to_string())
}

fn setup(telnyx: &Stub) -> Setup {
    Setup { telnyx: telnyx.url("/v2"), ..Setup::default() }
}

async fn enqueue(world: &World, key: &str) -> JobId {
    let request = SendRequest {
        from: OUR_NUMBER.into(),
        to: PHONE.into(),
        text: "Good morning".into(),
        media_urls: Vec::new(),
    };
    world.store.enqueue_send(SendKey(key.into()), request, world.clock_now()).await.unwrap()
}

async fn send_is(world: &World, state: JobState, attempts: i64) -> inlet_domain::Job {
    world.job_is(JobKind::Send, state, attempts).await
}

fn receipt(event_id: &str, key: &str, status: &str) -> String {
    json!({
        "data": {
            "id": event_id,
            "event_type": "message.finalized",
            "payload": {
                "id": "sent-1",
                "direction": "outbound",
                "record_type": "message",
                "from": {"phone_number": OUR_NUMBER},
                "to": [{"phone_number": PHONE, "status": status}],
                "text": "Good morning",
                "webhook_url": format!("https://texts.example.com/webhooks?inlet_send={key}"),
            },
        },
    })
    .to_string()
}

#[tokio::test]
async fn a_message_is_asked_for_once_and_appears_when_telnyx_has_named_it() {
    let telnyx = Stub::start(|_| accepted()).await;
    let world = World::start(setup(&telnyx)).await;
    enqueue(&world, "key-1").await;
    send_is(&world, JobState::Done, 1).await;
    let request = telnyx.requests().remove(0);
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v2/messages"));
    assert_eq!(request.header("authorization"), Some(format!("Bearer {API_KEY}").as_str()));
    assert_eq!(request.header("idempotency-key"), Some("key-1"));
    assert_eq!(
        String::from_utf8(request.body).unwrap(),
        r#"{"from":"+15559876543","to":"+15551234567","text":"Good morning","webhook_url":"https://texts.example.com/webhooks?inlet_send=key-1"}"#
    );
    let message = world.store.message("sent-1").await.unwrap().unwrap();
    assert_eq!(message.text.as_deref(), Some("Good morning"));
    assert_eq!(message.to[0].status.as_deref(), Some("queued"));
}

#[tokio::test]
async fn an_automatic_reply_goes_out_once() {
    let telnyx = Stub::start(|_| accepted()).await;
    let rule = ReplyRule {
        name: "hours".into(),
        keywords: vec!["hours".into()],
        numbers: Vec::new(),
        when: None,
        text: Template::compile("We are open 9 to 5, {{ from }}.").unwrap(),
        cooldown: Duration::ZERO,
        same_text_limit: 1,
    };
    let world = World::start(Setup { replies: vec![rule], ..setup(&telnyx) }).await;
    world.text("evt-1", " Hours ").await;
    send_is(&world, JobState::Done, 1).await;
    world.text("evt-1", " Hours ").await;
    world.text("evt-2", "something else").await;
    assert_eq!(telnyx.count(), 1);
    assert_eq!(telnyx.requests()[0].json()["text"], "We are open 9 to 5, +15551234567.");
}

#[tokio::test]
async fn a_message_without_an_answer_is_unknown_and_never_sent_again_by_itself() {
    for reaction in [
        Reaction::Hang,
        Reaction::Reset,
        Reaction::HalfBody { status: 200 },
        Reaction::body(200, "<html>"),
        Reaction::body(500, "{}"),
        Reaction::body(502, "bad gateway"),
        Reaction::body(403, "<html>forbidden by a proxy"),
    ] {
        let name = format!("{reaction:?}");
        let telnyx = Stub::start(move |_| reaction.clone()).await;
        let send_timeout = Duration::from_secs(1);
        let world = World::start(Setup { send_timeout, ..setup(&telnyx) }).await;
        enqueue(&world, "key-1").await;
        let job = send_is(&world, JobState::Unknown, 1).await;
        assert!(job.last_error.is_some(), "{name}");
        world.clock.advance(Duration::from_secs(3_600));
        // The next message goes through the same lane, so the engine has looked again.
        telnyx.react(|_| accepted());
        let next = enqueue(&world, "key-2").await;
        world
            .eventually("the next message", async || {
                let (job, _) = world.store.job(next).await.unwrap().unwrap();
                (job.state == JobState::Done).then_some(())
            })
            .await;
        let keys: Vec<_> =
            telnyx.requests().iter().map(|r| r.header("idempotency-key").unwrap().to_owned()).collect();
        assert_eq!(keys, ["key-1", "key-2"], "{name}");
    }
}

#[tokio::test]
async fn a_receipt_resolves_an_unknown_message() {
    let telnyx = Stub::start(|_| Reaction::Reset).await;
    let world = World::start(setup(&telnyx)).await;
    enqueue(&world, "key-1").await;
    send_is(&world, JobState::Unknown, 1).await;
    world.record("evt-9", receipt("evt-9", "key-1", "delivered")).await;
    let job = send_is(&world, JobState::Done, 1).await;
    assert_eq!(job.message_id.as_deref(), Some("sent-1"));
    assert_eq!(telnyx.count(), 1);
}

#[tokio::test]
async fn a_person_may_send_an_unknown_message_again_under_the_same_key() {
    let telnyx = Stub::start(|_| Reaction::Reset).await;
    let world = World::start(setup(&telnyx)).await;
    let id = enqueue(&world, "key-1").await;
    send_is(&world, JobState::Unknown, 1).await;
    telnyx.react(|_| accepted());
    world.store.change_job(id, BulkAction::Retry, world.clock_now()).await.unwrap();
    send_is(&world, JobState::Done, 2).await;
    let [first, second] = telnyx.requests().try_into().unwrap();
    assert_eq!(first.header("idempotency-key"), second.header("idempotency-key"));
    assert_eq!(first.body, second.body, "the same key demands the same bytes");
}

#[tokio::test]
async fn what_was_surely_not_sent_is_tried_again_with_the_same_key_and_bytes() {
    let telnyx = Stub::start(|_| refused(429, "10011").with_header("retry-after", "30")).await;
    let world = World::start(setup(&telnyx)).await;
    enqueue(&world, "key-1").await;
    let job = send_is(&world, JobState::Waiting, 1).await;
    assert!(job.due_at.since(world.clock_now()) >= Duration::from_secs(30));
    telnyx.react(|_| accepted());
    world.advance_to_retry(JobKind::Send).await;
    send_is(&world, JobState::Done, 2).await;
    let [first, second] = telnyx.requests().try_into().unwrap();
    assert_eq!(first.header("idempotency-key"), second.header("idempotency-key"));
    assert_eq!(first.body, second.body);
}

#[tokio::test]
async fn a_telnyx_that_cannot_be_reached_is_tried_again() {
    let world = World::start(Setup::default()).await;
    enqueue(&world, "key-1").await;
    let job = send_is(&world, JobState::Waiting, 1).await;
    assert!(job.last_error.unwrap().contains("connect"));
}

#[tokio::test]
async fn a_refusal_is_a_dead_letter_with_telnyx_own_words() {
    for (status, code) in [(400, "40305"), (401, "10009"), (402, "20100"), (404, "10005"), (422, "40310")] {
        let telnyx = Stub::start(move |_| refused(status, code)).await;
        let world = World::start(setup(&telnyx)).await;
        enqueue(&world, "key-1").await;
        let job = send_is(&world, JobState::Dead, 1).await;
        assert_eq!(job.last_error.unwrap(), format!("{code} No (because)"));
    }
}

#[tokio::test]
async fn code_40300_records_the_opt_out_whatever_the_status_and_nothing_more_is_sent() {
    for status in [400, 403, 422] {
        let telnyx = Stub::start(move |_| refused(status, "40300")).await;
        let world = World::start(setup(&telnyx)).await;
        enqueue(&world, "key-1").await;
        send_is(&world, JobState::Dead, 1).await;
        let opt_outs = world.store.opt_outs(Default::default()).await.unwrap().data;
        assert_eq!((opt_outs[0].party.as_str(), opt_outs[0].evidence.as_str()), (PHONE, "40300"));
        let second = enqueue(&world, "key-2").await;
        world
            .eventually("the second is skipped", async || {
                let (job, _) = world.store.job(second).await.unwrap().unwrap();
                (job.state == JobState::Skipped).then_some(())
            })
            .await;
        assert_eq!(telnyx.count(), 1);
    }
}

#[tokio::test]
async fn without_an_api_key_the_dead_letter_says_what_to_do() {
    let world = World::start(Setup { api_key: None, ..Setup::default() }).await;
    enqueue(&world, "key-1").await;
    let job = send_is(&world, JobState::Dead, 1).await;
    assert!(job.last_error.unwrap().contains("TELNYX_API_KEY"));
}

//! Events are handed to HTTP endpoints and files, whatever those do.

use std::time::Duration;

use inlet_domain::{Clock, JobFilter, JobKind, JobState, Source, Timestamp};
use inlet_store::{BulkAction, Store};
use inlet_telnyx::{SignatureHeaders, verify};
use serde_json::Value;

use crate::stub::{Reaction, Request, Stub};
use crate::world::{PHONE, SIGNING_KEY, Setup, World, destination, received, schedule};

async fn world_with(stub: &Stub) -> World {
    World::start(Setup::to(destination("crm", stub.url("/hooks?a=1")))).await
}

fn assert_telnyx_signature(request: &Request, now: i64) {
    let header = |name| request.header(name).map(str::as_bytes);
    let headers = SignatureHeaders::read(header("telnyx-signature-ed25519"), header("telnyx-timestamp"));
    verify(&headers.unwrap(), &request.body, &[SIGNING_KEY.public().clone()], now, 0).unwrap();
}

#[tokio::test]
async fn original_bytes_arrive_with_both_signatures() {
    let stub = Stub::answering(200).await;
    let world = world_with(&stub).await;
    let body =
        b"{ \"data\" :\r\n {\"id\":\"evt-1\",\"event_type\":\"message.received\", \"x\": 1.0e5}}\n".to_vec();
    world.record("evt-1", body.clone()).await;
    world.job_is(JobKind::Deliver, JobState::Done, 1).await;
    let request = stub.requests().remove(0);
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hooks?a=1"));
    assert_eq!(request.body, body);
    assert_telnyx_signature(&request, 1_767_225_600);
    for (name, value) in [
        ("content-type", "application/json"),
        ("user-agent", concat!("inlet/", env!("CARGO_PKG_VERSION"))),
        ("webhook-id", "evt-1"),
        ("webhook-timestamp", "1767225600"),
        ("telnyx-timestamp", "1767225600"),
        ("inlet-source", "telnyx"),
        ("inlet-event-type", "message.received"),
        ("inlet-attempt", "1"),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
    assert!(request.header("webhook-signature").unwrap().starts_with("v1,"));
    assert_eq!(request.header("inlet-test"), None);
}

#[tokio::test]
async fn signatures_are_made_afresh_and_the_id_stays() {
    let stub = Stub::answering(500).await;
    let world = world_with(&stub).await;
    world.text("evt-1", "hi").await;
    world.job_is(JobKind::Deliver, JobState::Waiting, 1).await;
    stub.react(|_| Reaction::status(204));
    world.advance_to_retry(JobKind::Deliver).await;
    world.job_is(JobKind::Deliver, JobState::Done, 2).await;
    let [first, second] = stub.requests().try_into().unwrap();
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    assert_eq!(first.body, second.body);
    assert_eq!(second.header("inlet-attempt"), Some("2"));
    let signed_at: i64 = second.header("telnyx-timestamp").unwrap().parse().unwrap();
    assert!(signed_at >= 1_767_225_604, "{signed_at}");
    assert_telnyx_signature(&second, signed_at);
    assert_ne!(first.header("webhook-signature"), second.header("webhook-signature"));
}

#[tokio::test]
async fn answers_other_than_2xx_are_tried_again_and_kept() {
    for status in [301, 302, 307, 400, 401, 404, 422, 500, 503] {
        let elsewhere = Stub::answering(200).await;
        let location = elsewhere.url("/").to_string();
        let stub = Stub::start(move |_| {
            Reaction::body(status, "what\u{1b}[31m went wrong").with_header("location", location.clone())
        })
        .await;
        let world = world_with(&stub).await;
        world.text("evt-1", "hi").await;
        let job = world.job_is(JobKind::Deliver, JobState::Waiting, 1).await;
        assert!(job.last_error.unwrap().contains(&status.to_string()));
        let attempt = world.attempts(job.id).await.remove(0);
        assert_eq!((attempt.succeeded, attempt.status), (false, Some(status.into())));
        assert_eq!(attempt.response.as_deref(), Some("what\u{fffd}[31m went wrong"));
        assert_eq!(elsewhere.connections(), 0, "redirects are not followed");
    }
}

#[tokio::test]
async fn gone_pauses_the_destination_and_holds_the_rest() {
    let stub = Stub::answering(410).await;
    let world = world_with(&stub).await;
    world.text("evt-1", "hi").await;
    world.job_is(JobKind::Deliver, JobState::Dead, 1).await;
    world.text("evt-2", "hello?").await;
    let states = world.store.destination_states().await.unwrap();
    assert!(states[0].1.paused_reason.as_deref().unwrap().contains("410"));
    stub.react(|_| Reaction::status(200));
    world.store.resume_destination("crm", world.clock.now()).await.unwrap();
    world.until("the held event", || stub.count() == 2).await;
    assert_eq!(stub.requests()[1].header("webhook-id"), Some("evt-2"));
}

#[tokio::test]
async fn retry_after_is_honoured_up_to_an_hour() {
    for (status, value, least, most) in [
        (429, "600", 600, 660),
        (503, "99999999999999999999", 3_600, 3_960),
        (500, "600", 600, 660),
        (302, "600", 600, 660),
        (404, "soon", 4, 6),
    ] {
        let stub = Stub::start(move |_| Reaction::status(status).with_header("retry-after", value)).await;
        let world = world_with(&stub).await;
        world.text("evt-1", "hi").await;
        let job = world.job_is(JobKind::Deliver, JobState::Waiting, 1).await;
        let wait = job.due_at.since(Timestamp::from_seconds(1_767_225_600)).as_secs();
        assert!((least..=most).contains(&wait), "{status}, {value}: {wait}");
    }
}

#[tokio::test]
async fn a_destination_that_does_not_answer_properly_costs_one_attempt() {
    for reaction in [Reaction::Hang, Reaction::Drip, Reaction::Reset, Reaction::HalfBody { status: 500 }] {
        let (its_reaction, name) = (reaction.clone(), format!("{reaction:?}"));
        let stub = Stub::start(move |_| its_reaction.clone()).await;
        let slow = destination("crm", stub.url("/"));
        let timeout = Duration::from_secs(1);
        let slow = inlet_domain::Destination { timeout, concurrency: 1, ..slow };
        let world = World::start(Setup::to(slow)).await;
        world.text("evt-1", "hi").await;
        let job = world.job_is(JobKind::Deliver, JobState::Waiting, 1).await;
        assert!(job.last_error.is_some(), "{name}");
        stub.react(|_| Reaction::status(200));
        world.advance_to_retry(JobKind::Deliver).await;
        world.job_is(JobKind::Deliver, JobState::Done, 2).await;
    }
}

#[tokio::test]
async fn the_status_alone_is_the_acknowledgement() {
    let stub = Stub::start(|_| Reaction::HalfBody { status: 200 }).await;
    let world = world_with(&stub).await;
    world.text("evt-1", "hi").await;
    world.job_is(JobKind::Deliver, JobState::Done, 1).await;
}

#[tokio::test]
async fn an_endpoint_nobody_listens_on_is_tried_again() {
    let stub = Stub::answering(200).await;
    let world = world_with(&stub).await;
    drop(stub);
    world.text("evt-1", "hi").await;
    let job = world.job_is(JobKind::Deliver, JobState::Waiting, 1).await;
    assert!(job.last_error.unwrap().contains("connect"));
}

#[tokio::test]
async fn a_used_up_schedule_ends_in_a_dead_letter_that_a_person_can_retry() {
    let stub = Stub::start(|_| Reaction::body(500, "the last answer")).await;
    let world = world_with(&stub).await;
    world.text("evt-1", "hi").await;
    for attempt in 1..3 {
        world.job_is(JobKind::Deliver, JobState::Waiting, attempt).await;
        world.advance_to_retry(JobKind::Deliver).await;
    }
    let dead = world.job_is(JobKind::Deliver, JobState::Dead, 3).await;
    assert!(dead.last_error.unwrap().contains("500"));
    let last = world.attempts(dead.id).await.pop().unwrap();
    assert_eq!(last.response.as_deref(), Some("the last answer"));
    stub.react(|_| Reaction::status(200));
    world.store.change_job(dead.id, BulkAction::Retry, world.clock_now()).await.unwrap();
    world.job_is(JobKind::Deliver, JobState::Done, 4).await;
}

#[tokio::test]
async fn a_failing_destination_gets_one_probe_at_a_time_and_loses_nothing() {
    let stub = Stub::answering(500).await;
    let retry = schedule(&["0s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s"]);
    let failing = inlet_domain::Destination { retry, concurrency: 10, ..destination("crm", stub.url("/")) };
    let world = World::start(Setup::to(failing)).await;
    for number in 0..30 {
        world.text(&format!("evt-{number}"), "hi").await;
    }
    // Some run before anybody knows; then the breaker is open, and the clock stands still.
    let seen = world
        .eventually("a standstill", async || {
            let jobs = world.jobs(JobKind::Deliver).await;
            let running = jobs.iter().any(|job| job.state == JobState::Running);
            (stub.count() >= 5 && !running).then(|| stub.count())
        })
        .await;
    assert!(seen < 30, "{seen}");
    world.clock.advance(Duration::from_secs(2));
    world.until("a probe", || stub.count() > seen).await;
    assert_eq!(stub.count(), seen + 1);
    // A person's retry closes it, and the destination is well again.
    stub.react(|_| Reaction::status(200));
    let job = world.jobs(JobKind::Deliver).await.remove(0);
    world.store.change_job(job.id, BulkAction::Retry, world.clock_now()).await.unwrap();
    world.clock.advance(Duration::from_secs(30));
    world
        .eventually("everything delivered", async || {
            let jobs = world.jobs(JobKind::Deliver).await;
            jobs.iter().all(|job| job.state == JobState::Done).then_some(())
        })
        .await;
}

#[tokio::test]
async fn resuming_a_destination_closes_its_breaker() {
    let stub = Stub::answering(500).await;
    let world = world_with(&stub).await;
    for number in 0..30 {
        world.text(&format!("evt-{number}"), "hi").await;
    }
    let untried = async || {
        let jobs = world.jobs(JobKind::Deliver).await;
        let running = jobs.iter().any(|job| job.state == JobState::Running);
        (jobs.len() == 30 && stub.count() >= 5 && !running)
            .then(|| jobs.iter().filter(|job| job.attempts == 0).count())
    };
    assert!(world.eventually("an open breaker", untried).await > 0);
    stub.react(|_| Reaction::status(200));
    world.store.resume_destination("crm", world.clock_now()).await.unwrap();
    world.eventually("everything flows", async || untried().await.filter(|count| *count == 0)).await;
}

#[tokio::test]
async fn a_dead_destination_uses_up_its_schedule_in_time_however_many_jobs_it_has() {
    let stub = Stub::answering(500).await;
    let retry = schedule(&["0s", "2s", "3s"]);
    let failing = inlet_domain::Destination { retry, ..destination("crm", stub.url("/")) };
    let pause = Duration::from_secs(1);
    let world = World::start(Setup { breaker_pause_max: pause, ..Setup::to(failing) }).await;
    for number in 0..40 {
        world.text(&format!("evt-{number}"), "hi").await;
    }
    world
        .eventually("their jobs", async || (world.jobs(JobKind::Deliver).await.len() == 40).then_some(()))
        .await;
    for _ in 0..10 {
        world.clock.advance(pause);
        world
            .eventually("a job is tried at most one pause late", async || {
                let is_late = |due_at: Timestamp| due_at.after(pause) <= world.clock_now();
                let jobs = world.jobs(JobKind::Deliver).await;
                jobs.iter().all(|job| job.state.is_final() || !is_late(job.due_at)).then_some(())
            })
            .await;
    }
    assert!(world.jobs(JobKind::Deliver).await.iter().all(|job| job.state == JobState::Dead));
}

#[tokio::test]
async fn a_test_is_tried_at_once_whatever_waits_before_it() {
    let stub = Stub::answering(500).await;
    let world = world_with(&stub).await;
    for number in 0..30 {
        world.text(&format!("evt-{number}"), "hi").await;
    }
    world
        .eventually("an open breaker", async || {
            let jobs = world.jobs(JobKind::Deliver).await;
            let running = jobs.iter().any(|job| job.state == JobState::Running);
            (jobs.len() == 30 && stub.count() >= 5 && !running).then_some(())
        })
        .await;
    world.store.enqueue_test("crm", world.clock_now()).await.unwrap();
    world.job_is(JobKind::Test, JobState::Dead, 1).await;
    stub.react(|_| Reaction::status(200));
    world.store.enqueue_test("crm", world.clock_now()).await.unwrap();
    world
        .eventually("everything flows after the first success", async || {
            let jobs = world.jobs(JobKind::Deliver).await;
            jobs.iter().filter(|job| job.attempts == 0).count().eq(&0).then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_test_is_marked_signed_and_tried_once() {
    let stub = Stub::answering(200).await;
    let world = world_with(&stub).await;
    world.store.enqueue_test("crm", world.clock_now()).await.unwrap();
    world.job_is(JobKind::Test, JobState::Done, 1).await;
    let request = stub.requests().remove(0);
    assert_eq!(request.header("inlet-test"), Some("true"));
    assert_eq!(request.header("inlet-source"), Some("test"));
    assert_eq!(request.json()["data"]["event_type"], "message.received");
    assert_telnyx_signature(&request, 1_767_225_600);

    let stub = Stub::answering(500).await;
    let world = world_with(&stub).await;
    world.store.enqueue_test("crm", world.clock_now()).await.unwrap();
    world.job_is(JobKind::Test, JobState::Dead, 1).await;
}

#[tokio::test]
async fn unsigned_events_say_so_and_hostile_ids_do_no_harm() {
    let stub = Stub::answering(200).await;
    let world = world_with(&stub).await;
    let id = "é\u{2028} a:b\u{1f600}".repeat(9);
    world.record_from(Source::Unsigned, &id, &b"\xff\0 not json"[..]).await;
    world.job_is(JobKind::Deliver, JobState::Done, 1).await;
    let request = stub.requests().remove(0);
    assert_eq!(request.header("inlet-source"), Some("unsigned"));
    assert_eq!(request.body, b"\xff\0 not json");
    assert!(request.header("webhook-id").unwrap().starts_with("%C3%A9%E2%80%A8%20a:b%F0"));
}

#[tokio::test]
async fn a_file_gets_one_line_for_each_event() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let url = url::Url::from_file_path(&path).unwrap();
    let world = World::start(Setup::to(destination("log", url))).await;
    for number in 0..20 {
        world.record(&format!("evt-{number}"), received("x", "hi", Value::Array(Vec::new()))).await;
    }
    world
        .eventually("everything written", async || {
            let filter = JobFilter { state: Some(JobState::Done), ..JobFilter::default() };
            let done = world.store.jobs(filter, Default::default()).await.unwrap().data.len();
            (done == 20).then_some(())
        })
        .await;
    let text = std::fs::read_to_string(path).unwrap();
    let mut ids: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["event_id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!((text.lines().count(), ids.len()), (20, 20));
}

#[tokio::test]
async fn an_ordered_destination_waits_for_the_head_of_a_conversation_and_no_other() {
    let stub = Stub::answering(500).await;
    let ordered = inlet_domain::Destination { ordered: true, ..destination("crm", stub.url("/")) };
    let world = World::start(Setup::to(ordered)).await;
    world.text("evt-1", "first").await;
    world
        .eventually("the head has failed", async || {
            (world.job(JobKind::Deliver).await?.state == JobState::Waiting && stub.count() == 1).then_some(())
        })
        .await;
    stub.react(|_| Reaction::status(200));
    world.text("evt-2", "second").await;
    let other = received("evt-3", "other", Value::Array(Vec::new())).replace(PHONE, "+15557654321");
    world.record("evt-3", other).await;
    let ids = || {
        let requests = stub.requests();
        requests.iter().map(|r| r.header("webhook-id").unwrap().to_owned()).collect::<Vec<_>>()
    };
    world.until("the other conversation", || ids().len() == 2).await;
    assert_eq!(ids(), ["evt-1", "evt-3"]);
    world.clock.advance(Duration::from_secs(6));
    world.until("both in order", || ids().len() == 4).await;
    assert_eq!(ids(), ["evt-1", "evt-3", "evt-1", "evt-2"]);
}

#[tokio::test]
async fn attempts_are_counted_by_kind_destination_and_outcome() {
    let stub = Stub::answering(500).await;
    let world = world_with(&stub).await;
    world.text("evt-1", "hi").await;
    world.job_is(JobKind::Deliver, JobState::Waiting, 1).await;
    stub.react(|_| Reaction::status(200));
    world.advance_to_retry(JobKind::Deliver).await;
    world.job_is(JobKind::Deliver, JobState::Done, 2).await;
    let metrics = world.metrics();
    for line in [
        r#"attempts_total{kind="deliver",destination="crm",outcome="retry"} 1"#,
        r#"attempts_total{kind="deliver",destination="crm",outcome="done"} 1"#,
        r#"attempt_duration_seconds_count{kind="deliver"} 2"#,
        "events_routed_total 1",
        "addresses_blocked_total 0",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    assert!(!metrics.contains("evt-1"), "ids are no labels");
}

//! Attachments are archived from wherever it is safe to fetch them.

use inlet_domain::{Job, JobKind, JobState, Media, MediaState};
use inlet_store::Store;
use serde_json::{Value, json};

use crate::stub::{Reaction, Stub};
use crate::world::{API_KEY, Setup, World, received};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR and so on";
const OTHER_SHA256: &str = "8ee1aa31f78a7a4c39b0cc0e1bc0d7e8d4e6dbe1e7d4ff1e2dd2d7f2c9d9fd05";

fn sha256(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A gateway that trusts the stub as `inlet dev` trusts the sandbox.
async fn world_trusting(stub: &Stub) -> World {
    World::start(Setup { trusted_origin: Some(stub.url("/")), ..Setup::default() }).await
}

async fn receive(world: &World, media: Value) {
    world.record("evt-1", received("evt-1", "look", json!([media]))).await;
}

async fn media(world: &World) -> Media {
    world.store.message("evt-1-message").await.unwrap().unwrap().media.remove(0)
}

async fn fetch_is(world: &World, state: JobState, attempts: i64) -> Job {
    world.job_is(JobKind::FetchMedia, state, attempts).await
}

#[tokio::test]
async fn an_attachment_is_archived_under_its_digest_and_its_true_type() {
    let stub = Stub::start(|_| Reaction::body(200, PNG).with_header("content-type", "text/html")).await;
    let world = world_trusting(&stub).await;
    let declared = json!({"url": stub.url("/a"), "content_type": "video/mp4", "size": PNG.len(),
                          "hash_sha256": sha256(PNG)});
    receive(&world, declared).await;
    fetch_is(&world, JobState::Done, 1).await;
    let media = media(&world).await;
    assert_eq!(media.state, MediaState::Archived);
    assert_eq!(media.archived_type.as_deref(), Some("image/png"));
    assert_eq!(media.archived_bytes, Some(PNG.len() as i64));
    let bytes = world.blobs.get(&sha256(PNG)).await.unwrap().unwrap();
    assert_eq!(bytes, PNG);
    let request = stub.requests().remove(0);
    assert_eq!((request.method.as_str(), request.header("authorization")), ("GET", None));
}

#[tokio::test]
async fn the_key_is_shown_only_when_a_plain_request_was_refused_and_at_no_other_hop() {
    let stub = Stub::start(|request| match (request.path.as_str(), request.header("authorization")) {
        ("/a", None) => Reaction::status(401),
        ("/a", Some(_)) => Reaction::status(302).with_header("location", "/b"),
        ("/b", None) => Reaction::body(200, PNG),
        _ => Reaction::status(500),
    })
    .await;
    let world = world_trusting(&stub).await;
    receive(&world, json!({"url": stub.url("/a")})).await;
    fetch_is(&world, JobState::Done, 1).await;
    let seen: Vec<_> = stub
        .requests()
        .into_iter()
        .map(|request| (request.path.clone(), request.header("authorization").map(str::to_owned)))
        .collect();
    let bearer = Some(format!("Bearer {API_KEY}"));
    assert_eq!(seen, [("/a".into(), None), ("/a".into(), bearer), ("/b".into(), None)]);
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_refused_and_the_key_goes_nowhere() {
    let inside = Stub::answering(200).await;
    let target = inside.url("/admin").to_string();
    let stub = Stub::start(move |request| match request.header("authorization") {
        None => Reaction::status(401),
        Some(_) => Reaction::status(307).with_header("location", target.clone()),
    })
    .await;
    let world = world_trusting(&stub).await;
    receive(&world, json!({"url": stub.url("/a")})).await;
    let job = fetch_is(&world, JobState::Dead, 1).await;
    assert!(job.last_error.unwrap().contains("forbidden"));
    assert_eq!(inside.connections(), 0);
    assert_eq!(media(&world).await.state, MediaState::Dead);
}

#[tokio::test]
async fn addresses_inside_are_never_fetched() {
    let inside = Stub::answering(200).await;
    for url in [
        inside.url("/").to_string(),
        inside.url("/").to_string().replace("127.0.0.1", "localhost"),
        inside.url("/").to_string().replace("127.0.0.1", "0x7f.1"),
        "file:///etc/passwd".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let world = World::start(Setup::default()).await;
        receive(&world, json!({"url": url})).await;
        fetch_is(&world, JobState::Dead, 1).await;
    }
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn a_wrong_digest_or_length_is_tried_again_until_the_schedule_ends() {
    for declared in [json!({"hash_sha256": OTHER_SHA256}), json!({"size": 3}), json!({"size": 3_000})] {
        let stub = Stub::start(|_| Reaction::body(200, PNG)).await;
        let world = world_trusting(&stub).await;
        let mut item = declared.clone();
        item["url"] = stub.url("/a").as_str().into();
        receive(&world, item).await;
        for attempt in 1..4 {
            fetch_is(&world, JobState::Waiting, attempt).await;
            world.advance_to_retry(JobKind::FetchMedia).await;
        }
        fetch_is(&world, JobState::Dead, 4).await;
    }
}

#[tokio::test]
async fn a_digest_that_cannot_be_one_is_not_checked() {
    let stub = Stub::start(|_| Reaction::body(200, PNG)).await;
    let world = world_trusting(&stub).await;
    receive(&world, json!({"url": stub.url("/a"), "sha256": "ab1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f"})).await;
    fetch_is(&world, JobState::Done, 1).await;
}

#[tokio::test]
async fn what_is_gone_is_given_up_after_three_tries() {
    for status in [404, 410] {
        let stub = Stub::answering(status).await;
        let world = world_trusting(&stub).await;
        receive(&world, json!({"url": stub.url("/a")})).await;
        for attempt in 1..3 {
            fetch_is(&world, JobState::Waiting, attempt).await;
            world.advance_to_retry(JobKind::FetchMedia).await;
        }
        let job = fetch_is(&world, JobState::Dead, 3).await;
        assert!(job.last_error.unwrap().contains(&status.to_string()));
    }
}

#[tokio::test]
async fn a_refused_key_follows_the_schedule_because_it_can_be_put_right() {
    for status in [401, 403] {
        let stub = Stub::answering(status).await;
        let world = world_trusting(&stub).await;
        receive(&world, json!({"url": stub.url("/a")})).await;
        for attempt in 1..4 {
            fetch_is(&world, JobState::Waiting, attempt).await;
            world.advance_to_retry(JobKind::FetchMedia).await;
        }
        fetch_is(&world, JobState::Dead, 4).await;
    }
}

#[tokio::test]
async fn a_late_attachment_and_a_passing_failure_are_waited_for() {
    let stub = Stub::answering(404).await;
    let world = world_trusting(&stub).await;
    receive(&world, json!({"url": stub.url("/a")})).await;
    fetch_is(&world, JobState::Waiting, 1).await;
    stub.react(|_| Reaction::Reset);
    world.advance_to_retry(JobKind::FetchMedia).await;
    fetch_is(&world, JobState::Waiting, 2).await;
    stub.react(|_| Reaction::HalfBody { status: 200 });
    world.advance_to_retry(JobKind::FetchMedia).await;
    fetch_is(&world, JobState::Waiting, 3).await;
    stub.react(|_| Reaction::body(200, PNG));
    world.advance_to_retry(JobKind::FetchMedia).await;
    fetch_is(&world, JobState::Done, 4).await;
}

#[tokio::test]
async fn what_is_too_long_is_given_up_at_once_and_not_read_to_its_end() {
    let cases: [(Value, fn() -> Reaction); 3] = [
        (json!({"size": 5_000}), || Reaction::status(500)),
        (json!({}), || Reaction::Endless),
        (json!({}), || Reaction::body(200, vec![b'x'; 5_000])),
    ];
    for (mut item, reaction) in cases {
        let stub = Stub::start(move |_| reaction()).await;
        let trusted_origin = Some(stub.url("/"));
        let world = World::start(Setup { trusted_origin, max_media_bytes: 4_096, ..Setup::default() }).await;
        item["url"] = stub.url("/a").as_str().into();
        receive(&world, item).await;
        let job = fetch_is(&world, JobState::Dead, 1).await;
        assert!(job.last_error.unwrap().contains("4096"));
    }
}

#[tokio::test]
async fn redirects_without_end_are_a_failure_that_may_pass() {
    let stub = Stub::start(|_| Reaction::status(302).with_header("location", "/again")).await;
    let world = world_trusting(&stub).await;
    receive(&world, json!({"url": stub.url("/a")})).await;
    let job = fetch_is(&world, JobState::Waiting, 1).await;
    assert!(job.last_error.unwrap().contains("redirects"));
    assert_eq!(stub.count(), 6);
}

#[tokio::test]
async fn a_compressed_answer_is_kept_as_it_came() {
    let stub = Stub::start(|_| Reaction::body(200, PNG).with_header("content-encoding", "gzip")).await;
    let world = world_trusting(&stub).await;
    receive(&world, json!({"url": stub.url("/a"), "size": PNG.len()})).await;
    fetch_is(&world, JobState::Done, 1).await;
    assert_eq!(world.blobs.get(&sha256(PNG)).await.unwrap().unwrap(), PNG);
    assert_eq!(stub.requests()[0].header("accept-encoding"), None);
}

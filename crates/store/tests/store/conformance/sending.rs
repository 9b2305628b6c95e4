//! Promises about messages on their way out: once, guarded, and honest about what is not known.

use std::sync::Arc;

use inlet_domain::{ClaimedJob, JobState, Lane, Outcome, SendKey, SendRequest, SkipReason};
use inlet_store::{BulkAction, Progress, ReplyUsage, SendDecision, StoreError};

use super::world::{OURS, PARTY, World, accepted, at, attempt, inbound_keyword, limits, receipt};

fn request() -> SendRequest {
    SendRequest {
        from: OURS.to_owned(),
        to: PARTY.to_owned(),
        text: "hello".to_owned(),
        media_urls: Vec::new(),
    }
}

/// A reply that is about to go out.
async fn reply(world: &World, name: &str, text: &str, seconds: i64) -> ClaimedJob {
    world.text(name, text).await;
    world.route_at(seconds).await;
    world.claim_one(Lane::Send, seconds).await
}

fn key_of(job: &ClaimedJob) -> String {
    job.send.as_ref().unwrap().0.0.clone()
}

pub async fn a_reply_goes_out_once(world: World) {
    let world = world.with_reply();
    let job = reply(&world, "a", "hi", 0).await;
    let (key, sent) = job.send.clone().unwrap();
    assert!(!key.0.is_empty() && key.0.bytes().all(|b| b.is_ascii_alphanumeric()) && key.0.len() <= 255);
    assert_eq!((sent.from.as_str(), sent.to.as_str(), sent.text.as_str()), (OURS, PARTY, "thanks"));
    assert_eq!(world.begin_send(&job, 1).await, SendDecision::Go);
    assert_eq!(world.state(job.id).await, JobState::Sending);
    assert!(world.claim(Lane::Send, 10, 1).await.is_empty());
    world.finish(&job, Outcome::Sent(Box::new(accepted("out"))), 2).await;
    assert_eq!(world.state(job.id).await, JobState::Done);
    let message = world.message("m-out").await.unwrap().unwrap();
    let conversation = world.conversation(message.conversation_id.unwrap()).await.unwrap().unwrap();
    assert_eq!((conversation.messages, conversation.unread), (2, 1));
    let shown = world.replies(<_>::default()).await.unwrap().data.remove(0);
    assert_eq!((shown.message_id.as_deref(), shown.rule.as_deref()), (Some("m-a"), Some("hello")));
}

pub async fn the_guard_counts_what_was_sent(world: World) {
    let world = world.with_reply();
    for (number, seconds) in [(1, 0), (2, 10), (3, 20)] {
        let job = reply(&world, &number.to_string(), &format!("text {number}"), seconds).await;
        assert_eq!(world.begin_send(&job, seconds).await, SendDecision::Go, "{number}");
        world.finish(&job, Outcome::Sent(Box::new(accepted(&format!("out-{number}")))), seconds).await;
    }
    let usage = async |seconds, pair| {
        let limits = limits();
        world.reply_usage(at(seconds), limits.window, limits.global_window, pair).await.unwrap()
    };
    let pair = Some((OURS.to_owned(), PARTY.to_owned()));
    let used = ReplyUsage { pair: Some(3), global: 3, opted_out: Some(false) };
    assert_eq!(usage(30, pair.clone()).await, used);
    assert_eq!(usage(90, pair.clone()).await, ReplyUsage { global: 0, ..used });
    assert_eq!(usage(1_000, pair).await, ReplyUsage { pair: Some(0), global: 0, ..used });
    assert_eq!(usage(30, None).await, ReplyUsage { pair: None, global: 3, opted_out: None });
    let fourth = reply(&world, "4", "text 4", 30).await;
    assert_eq!(world.begin_send(&fourth, 30).await, SendDecision::Skipped(SkipReason::PairBudget));
    let (shown, _) = world.job(fourth.id).await.unwrap().unwrap();
    assert_eq!((shown.state, shown.last_error.as_deref()), (JobState::Skipped, Some("pair_budget")));
    // After the window all is forgotten, but a text that was answered within it is not answered again.
    let fifth = reply(&world, "5", "text 5", 1_000).await;
    assert_eq!(world.begin_send(&fifth, 1_000).await, SendDecision::Go);
    let sixth = reply(&world, "6", " TEXT 5", 1_001).await;
    assert_eq!(world.begin_send(&sixth, 1_001).await, SendDecision::Skipped(SkipReason::SameText));
    let seventh = reply(&world, "7", "you said: thanks", 1_002).await;
    assert_eq!(world.begin_send(&seventh, 1_002).await, SendDecision::Skipped(SkipReason::Echo));
    let shown = world.replies(<_>::default()).await.unwrap().data;
    assert_eq!(shown.len(), 7);
}

pub async fn a_party_that_opted_out_gets_nothing(world: World) {
    world.record("e-stop", inbound_keyword("stop", "STOP")).await;
    world.route().await;
    let id = world.enqueue_send(SendKey("k".to_owned()), request(), at(0)).await.unwrap();
    let job = world.claim_one(Lane::Send, 0).await;
    assert_eq!(job.id, id);
    assert_eq!(world.begin_send(&job, 0).await, SendDecision::Skipped(SkipReason::OptedOut));
    let pair = Some((OURS.to_owned(), PARTY.to_owned()));
    let usage = world.reply_usage(at(0), limits().window, limits().global_window, pair).await.unwrap();
    assert_eq!(usage.opted_out, Some(true));
}

pub async fn a_refusal_by_telnyx_is_remembered(world: World) {
    world.enqueue_send(SendKey("k".to_owned()), request(), at(0)).await.unwrap();
    let job = world.claim_one(Lane::Send, 0).await;
    assert_eq!(world.begin_send(&job, 0).await, SendDecision::Go);
    world.finish(&job, Outcome::DeadOptedOut, 5).await;
    assert_eq!(world.state(job.id).await, JobState::Dead);
    let opt_out = world.opt_outs(<_>::default()).await.unwrap().data.remove(0);
    assert_eq!((opt_out.evidence.as_str(), opt_out.created_at), ("40300", at(5)));
    world.enqueue_send(SendKey("l".to_owned()), request(), at(6)).await.unwrap();
    let job = world.claim_one(Lane::Send, 6).await;
    assert_eq!(world.begin_send(&job, 6).await, SendDecision::Skipped(SkipReason::OptedOut));
}

pub async fn a_send_without_an_answer_is_unknown_until_a_person_says_so(world: World) {
    let world = world.with_reply();
    let job = reply(&world, "a", "hi", 0).await;
    world.begin_send(&job, 0).await;
    let progress = world.recover_leases(at(1)).await.unwrap();
    assert_eq!((progress.returned, progress.unknown), (0, 1));
    let (shown, _) = world.job(job.id).await.unwrap().unwrap();
    assert_eq!((shown.state, shown.finished_at), (JobState::Unknown, Some(at(1))));
    assert!(world.claim(Lane::Send, 10, 1_000).await.is_empty());
    world.change_job(job.id, BulkAction::Retry, at(1_000)).await.unwrap();
    let again = world.claim_one(Lane::Send, 1_000).await;
    assert_eq!(key_of(&again), key_of(&job));
    assert_eq!(world.begin_send(&again, 1_000).await, SendDecision::Go);
    world.finish(&again, Outcome::Unknown, 1_001).await;
    assert_eq!(world.state(job.id).await, JobState::Unknown);
}

pub async fn a_receipt_proves_an_unknown_send(world: World) {
    let world = world.with_reply();
    let job = reply(&world, "a", "hi", 0).await;
    world.begin_send(&job, 0).await;
    world.finish(&job, Outcome::Unknown, 1).await;
    world.record("e-out", receipt("out", &key_of(&job))).await;
    world.route_at(2).await;
    let (shown, _) = world.job(job.id).await.unwrap().unwrap();
    assert_eq!((shown.state, shown.finished_at), (JobState::Done, Some(at(2))));
    let sent = inlet_domain::JobFilter { message_id: Some("m-out".to_owned()), ..<_>::default() };
    let ids: Vec<_> = world.jobs(sent, <_>::default()).await.unwrap().data.iter().map(|job| job.id).collect();
    assert!(ids.contains(&job.id));
}

/// A reply nobody knows the fate of, which a person has asked to be sent again.
async fn retried(world: &World) -> ClaimedJob {
    let job = reply(world, "a", "hi", 0).await;
    world.begin_send(&job, 0).await;
    world.finish(&job, Outcome::Unknown, 1).await;
    world.change_job(job.id, BulkAction::Retry, at(2)).await.unwrap();
    job
}

pub async fn a_receipt_after_a_retry_by_hand_keeps_the_message_from_going_out_again(world: World) {
    let world = world.with_reply();
    let job = retried(&world).await;
    world.record("e-out", receipt("out", &key_of(&job))).await;
    world.route_at(3).await;
    let (shown, _) = world.job(job.id).await.unwrap().unwrap();
    assert_eq!((shown.state, shown.finished_at), (JobState::Done, Some(at(3))));
    assert!(world.claim(Lane::Send, 10, 1_000).await.is_empty());
}

pub async fn a_receipt_stops_a_retried_send_that_is_about_to_go_out(world: World) {
    let world = world.with_reply();
    retried(&world).await;
    let job = world.claim_one(Lane::Send, 3).await;
    world.record("e-out", receipt("out", &key_of(&job))).await;
    world.route_at(4).await;
    assert_eq!(world.state(job.id).await, JobState::Done);
    let limits = Arc::new(limits());
    let refused = world.store.begin_send(job.id, job.fence, at(5), at(35), limits).await;
    assert!(matches!(refused, Err(StoreError::LeaseLost { .. })), "{refused:?}");
    assert_eq!(world.expire_leases(at(1_000)).await.unwrap(), Progress::default());
    let late = attempt(&job, &Outcome::Dead, 6);
    let late = world.store.finish_attempt(job.id, job.fence, late, Outcome::Dead).await;
    assert!(matches!(late, Err(StoreError::LeaseLost { .. })), "{late:?}");
}

pub async fn a_message_that_a_receipt_has_named_is_not_sent_again(world: World) {
    let world = world.with_reply();
    let job = reply(&world, "a", "hi", 0).await;
    world.begin_send(&job, 0).await;
    world.finish(&job, Outcome::Dead, 1).await;
    // Telnyx refused it, and yet it went out.
    world.record("e-out", receipt("out", &key_of(&job))).await;
    world.route_at(2).await;
    assert_eq!(world.state(job.id).await, JobState::Dead);
    world.change_job(job.id, BulkAction::Retry, at(3)).await.unwrap();
    let again = world.claim_one(Lane::Send, 3).await;
    assert_eq!(world.begin_send(&again, 4).await, SendDecision::AlreadySent);
    let (shown, _) = world.job(job.id).await.unwrap().unwrap();
    assert_eq!((shown.state, shown.finished_at), (JobState::Done, Some(at(4))));
}

pub async fn a_receipt_before_the_answer_keeps_the_job_done(world: World) {
    let world = world.with_reply();
    let job = reply(&world, "a", "hi", 0).await;
    world.begin_send(&job, 0).await;
    world.record("e-out", receipt("out", &key_of(&job))).await;
    world.route_at(1).await;
    assert_eq!(world.state(job.id).await, JobState::Done);
    world.finish(&job, Outcome::Sent(Box::new(accepted("out"))), 2).await;
    let (shown, attempts) = world.job(job.id).await.unwrap().unwrap();
    assert_eq!((shown.state, attempts.len()), (JobState::Done, 1));
    let message = world.message("m-out").await.unwrap().unwrap();
    assert_eq!(message.status.as_deref(), Some("delivered"));
}

pub async fn a_late_answer_settles_an_unknown_send(world: World) {
    world.enqueue_send(SendKey("k".to_owned()), request(), at(0)).await.unwrap();
    let job = world.claim_one(Lane::Send, 0).await;
    world.begin_send(&job, 0).await;
    assert_eq!(world.expire_leases(at(31)).await.unwrap().unknown, 1);
    world.finish(&job, Outcome::Sent(Box::new(accepted("out"))), 32).await;
    let (shown, _) = world.job(job.id).await.unwrap().unwrap();
    assert_eq!((shown.state, shown.message_id.as_deref()), (JobState::Done, Some("m-out")));
    // Once a person has retried it, the old answer is refused.
    world.enqueue_send(SendKey("l".to_owned()), request(), at(40)).await.unwrap();
    let job = world.claim_one(Lane::Send, 40).await;
    world.begin_send(&job, 40).await;
    world.expire_leases(at(80)).await.unwrap();
    world.change_job(job.id, BulkAction::Retry, at(80)).await.unwrap();
    let late =
        world.finish_attempt(job.id, job.fence, attempt(&job, &Outcome::Done, 81), Outcome::Done).await;
    assert!(matches!(late, Err(StoreError::LeaseLost { .. })));
}

pub async fn the_same_key_names_the_same_send(world: World) {
    let first = world.enqueue_send(SendKey("k".to_owned()), request(), at(0)).await.unwrap();
    let second = world.enqueue_send(SendKey("k".to_owned()), request(), at(1)).await.unwrap();
    let third = world.enqueue_send(SendKey("l".to_owned()), request(), at(1)).await.unwrap();
    assert_eq!(first, second);
    assert_ne!(first, third);
}

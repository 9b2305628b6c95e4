//! Promises about routing.

use std::time::Duration;

use futures_util::future::join_all;
use inlet_domain::{Direction, JobFilter, JobKind, JobState, MediaState, RetrySchedule};

use super::world::{OURS, PARTY, World, at, crm, inbound_keyword, inbound_mms};

pub async fn an_inbound_message_makes_everything_it_should(world: World) {
    let world = world.with_reply();
    world.record("e-a", inbound_mms("a", &["https://x.example/1", "https://x.example/2"])).await;
    let batch = world.route().await;
    assert_eq!((batch.routed, batch.unreadable, batch.jobs, batch.more), (1, 0, 4, false));
    let message = world.message("m-a").await.unwrap().unwrap();
    assert_eq!((message.direction, message.from.as_str()), (Direction::Inbound, PARTY));
    let media: Vec<_> = message.media.iter().map(|media| (media.position, media.state)).collect();
    assert_eq!(media, [(0, MediaState::Waiting), (1, MediaState::Waiting)]);
    for (kind, jobs) in [(JobKind::Deliver, 1), (JobKind::FetchMedia, 2), (JobKind::Send, 1)] {
        assert_eq!(world.count(JobFilter { kind: Some(kind), ..<_>::default() }).await, jobs, "{kind}");
    }
    let event = world.event("e-a").await.unwrap().unwrap();
    assert_eq!(event.event_type.as_deref(), Some("message.received"));
    assert_eq!(event.message_id.as_deref(), Some("m-a"));
    assert!(event.readable);
}

pub async fn every_event_is_routed_once_and_in_order(world: World) {
    let names: Vec<String> = (0..250).map(|number| number.to_string()).collect();
    join_all(names.iter().map(|name| world.text(name, "hi"))).await;
    let steps = join_all((0..20).map(|_| world.store.route_events(world.router(), 20, at(0)))).await;
    let routed: u32 = steps.into_iter().map(|step| step.unwrap().routed).sum();
    let rest = world.route().await;
    assert_eq!(routed + rest.routed, 250);
    assert_eq!(world.backlog().await.unwrap().1, 0);
    let claimed = world.claim(crm(), 1_000, 0).await;
    let seqs: Vec<i64> = claimed.iter().filter_map(|job| Some(job.event_seq()?.0)).collect();
    assert_eq!(seqs, (1..=250).collect::<Vec<_>>());
}

pub async fn an_unreadable_event_is_kept_and_handed_on(world: World) {
    world.record("e-a", b"\xff{".to_vec()).await;
    world.text("b", "hi").await;
    let batch = world.route().await;
    assert_eq!((batch.routed, batch.unreadable, batch.jobs), (2, 1, 2));
    let event = world.event("e-a").await.unwrap().unwrap();
    assert!(!event.readable && event.unreadable_reason.is_some());
    let claimed = world.claim(crm(), 10, 0).await;
    assert_eq!(claimed[0].event.as_ref().unwrap().body.as_ref(), b"\xff{");
}

pub async fn a_second_event_of_a_message_makes_deliveries_only(world: World) {
    let world = world.with_reply();
    let body = inbound_mms("a", &["https://x.example/1"]);
    world.record("e-a", body.clone()).await;
    world.record("e-b", body).await;
    assert_eq!(world.route().await.jobs, 3 + 1);
    let sends = JobFilter { kind: Some(JobKind::Send), ..<_>::default() };
    assert_eq!(world.count(sends).await, 1);
    assert_eq!(world.messages(<_>::default(), <_>::default()).await.unwrap().data.len(), 1);
}

pub async fn a_nul_in_a_text_is_replaced(world: World) {
    world.text("a", r"a\u0000b").await;
    assert_eq!(world.route().await.unreadable, 0);
    let message = world.message("m-a").await.unwrap().unwrap();
    assert_eq!(message.text.as_deref(), Some("a\u{fffd}b"));
    let conversation = world.conversations(<_>::default()).await.unwrap().data.remove(0);
    assert_eq!(conversation.last_text.as_deref(), Some("a\u{fffd}b"));
}

pub async fn a_conversation_counts_its_messages(world: World) {
    world.text("a", "one").await;
    world.text_from("+15550001111", "b", "two").await;
    world.text("c", "three").await;
    world.route().await;
    let page = world.conversations(<_>::default()).await.unwrap();
    let shown: Vec<_> = page.data.iter().map(|c| (c.party.as_str(), c.messages, c.unread)).collect();
    assert_eq!(shown, [(PARTY, 2, 2), ("+15550001111", 1, 1)]);
    let first = &page.data[0];
    assert_eq!((first.our_number.as_str(), first.last_text.as_deref()), (OURS, Some("three")));
    assert!(world.mark_read(first.id).await.unwrap());
    assert!(world.mark_read(first.id).await.unwrap());
    assert!(!world.mark_read(first.id + 100).await.unwrap());
    assert_eq!(world.conversation(first.id).await.unwrap().unwrap().unread, 0);
}

pub async fn stop_opts_out_and_start_opts_in_again(world: World) {
    world.record("e-a", inbound_keyword("a", "STOP")).await;
    world.route().await;
    let page = world.opt_outs(<_>::default()).await.unwrap();
    let opt_out = &page.data[0];
    assert_eq!((opt_out.our_number.as_str(), opt_out.party.as_str()), (OURS, PARTY));
    assert_eq!(opt_out.evidence, "STOP");
    world.record("e-b", inbound_keyword("b", "START")).await;
    world.route().await;
    assert!(world.opt_outs(<_>::default()).await.unwrap().data.is_empty());
}

pub async fn a_delivery_is_due_after_the_first_wait(mut world: World) {
    world.destinations[0].retry = RetrySchedule::new(vec![Duration::from_secs(5)]);
    world.text("a", "hi").await;
    world.route().await;
    assert_eq!(world.next_due(at(0)).await.unwrap(), Some(at(5)));
    assert!(world.claim(crm(), 1, 4).await.is_empty());
    let job = world.claim_one(crm(), 5).await;
    assert_eq!(world.state(job.id).await, JobState::Running);
}

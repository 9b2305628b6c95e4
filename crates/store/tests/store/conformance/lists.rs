//! Promises about lists, filters, counts and the stream.

use std::collections::HashSet;
use std::future::Future;

use inlet_domain::{
    Direction, EventFilter, JobFilter, JobKind, JobState, MessageFilter, NewEvent, Outcome, Page,
    PageRequest, Source,
};
use inlet_store::{Happening, StoreError, StreamPosition};

use super::world::{OURS, PARTY, World, at, crm, inbound};

/// Every row of a list, three at a time, each once.
async fn paged<T, F>(list: impl Fn(PageRequest) -> F, key: impl Fn(&T) -> String) -> Vec<String>
where
    F: Future<Output = Result<Page<T>, StoreError>>,
{
    let (mut keys, mut cursor) = (Vec::new(), None);
    loop {
        let page = list(PageRequest { limit: 3, cursor }).await.unwrap();
        assert!(page.data.len() <= 3);
        keys.extend(page.data.iter().map(&key));
        match page.next {
            Some(next) => cursor = Some(next.parse().unwrap()),
            None => break,
        }
    }
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
    keys
}

pub async fn every_list_can_be_paged_to_its_end(world: World) {
    let world = world.with_reply();
    for number in 0..10 {
        world.text_from(&format!("+1555000{number:04}"), &number.to_string(), "hi").await;
    }
    world.route().await;
    let store = &world.store;
    let events = paged(|page| store.events(<_>::default(), page), |event| event.id.clone()).await;
    assert_eq!((events.len(), events[0].as_str()), (10, "e-9"));
    let messages = paged(|page| store.messages(<_>::default(), page), |message| message.id.clone()).await;
    assert_eq!((messages.len(), messages[0].as_str()), (10, "m-9"));
    let conversations = paged(|page| store.conversations(page), |row| row.party.clone()).await;
    assert_eq!((conversations.len(), conversations[0].as_str()), (10, "+15550000009"));
    let jobs = paged(|page| store.jobs(<_>::default(), page), |job| job.id.0.to_string()).await;
    assert_eq!(jobs.len(), 20);
    let replies = paged(|page| store.replies(page), |job| job.id.0.to_string()).await;
    assert_eq!(replies.len(), 10);
}

pub async fn events_are_found_by_every_filter_before_and_after_routing(world: World) {
    world.record_at("e-a", inbound("a", PARTY, "hi"), 10).await;
    world.record_at("b", r#"{"data":{"id":"b","event_type":"other"}}"#, 20).await;
    let backfill = NewEvent {
        id: "c".to_owned(),
        source: Source::Backfill,
        received_at: at(30),
        body: b"\xff".as_slice().into(),
    };
    world.record_event(backfill).await.unwrap();
    let found = async |filter: EventFilter| {
        let page = world.events(filter, <_>::default()).await.unwrap();
        page.data.into_iter().map(|event| event.id).collect::<Vec<_>>()
    };
    let default = EventFilter::default;
    for _ in 0..2 {
        assert_eq!(found(default()).await, ["c", "b", "e-a"]);
        assert_eq!(found(EventFilter { event_type: Some("other".to_owned()), ..default() }).await, ["b"]);
        assert_eq!(found(EventFilter { message_id: Some("m-a".to_owned()), ..default() }).await, ["e-a"]);
        assert_eq!(found(EventFilter { source: Some(Source::Backfill), ..default() }).await, ["c"]);
        assert_eq!(found(EventFilter { source: Some(Source::Telnyx), ..default() }).await, ["b", "e-a"]);
        assert_eq!(found(EventFilter { readable: Some(false), ..default() }).await, ["c"]);
        assert_eq!(found(EventFilter { readable: Some(true), ..default() }).await, ["b", "e-a"]);
        let range = EventFilter { after: Some(at(10)), before: Some(at(20)), ..default() };
        assert_eq!(found(range).await, ["e-a"]);
        world.route().await;
    }
}

pub async fn messages_are_found_by_every_filter(world: World) {
    world.text("a", "hi").await;
    world.text_from("+15550001111", "b", "hi").await;
    world.route().await;
    let found = async |filter: MessageFilter| {
        let page = world.messages(filter, <_>::default()).await.unwrap();
        page.data.into_iter().map(|message| message.id).collect::<Vec<_>>()
    };
    let default = MessageFilter::default;
    let conversation_id = world.message("m-a").await.unwrap().unwrap().conversation_id;
    assert_eq!(found(MessageFilter { conversation_id, ..default() }).await, ["m-a"]);
    assert_eq!(found(MessageFilter { from: Some(PARTY.to_owned()), ..default() }).await, ["m-a"]);
    assert_eq!(found(MessageFilter { to: Some(OURS.to_owned()), ..default() }).await, ["m-b", "m-a"]);
    assert_eq!(found(MessageFilter { direction: Some(Direction::Outbound), ..default() }).await.len(), 0);
    assert_eq!(found(MessageFilter { status: Some("received".to_owned()), ..default() }).await.len(), 2);
    assert_eq!(found(MessageFilter { after: Some(at(1)), ..default() }).await.len(), 0);
    assert_eq!(found(MessageFilter { before: Some(at(1)), ..default() }).await.len(), 2);
}

pub async fn jobs_are_found_by_every_filter(world: World) {
    world.text("a", "hi").await;
    world.text("b", "hi").await;
    world.route_at(5).await;
    let job = world.claim(crm(), 1, 5).await.remove(0);
    world.finish(&job, Outcome::Done, 6).await;
    let found = async |filter: JobFilter| world.count(filter).await;
    let default = JobFilter::default;
    assert_eq!(found(default()).await, 2);
    assert_eq!(found(JobFilter { kind: Some(JobKind::Send), ..default() }).await, 0);
    assert_eq!(found(JobFilter { state: Some(JobState::Done), ..default() }).await, 1);
    assert_eq!(found(JobFilter { destination: Some("crm".to_owned()), ..default() }).await, 2);
    assert_eq!(found(JobFilter { destination: Some("none".to_owned()), ..default() }).await, 0);
    assert_eq!(found(JobFilter { event_id: Some("e-a".to_owned()), ..default() }).await, 1);
    assert_eq!(found(JobFilter { message_id: Some("m-b".to_owned()), ..default() }).await, 1);
    assert_eq!(found(JobFilter { after: Some(at(6)), ..default() }).await, 0);
    assert_eq!(found(JobFilter { before: Some(at(6)), ..default() }).await, 2);
}

pub async fn the_stream_shows_events_and_attempts_once(world: World) {
    assert_eq!(world.stream_end().await.unwrap(), StreamPosition::default());
    world.record_at("e-a", inbound("a", PARTY, "hi"), 0).await;
    world.route().await;
    let job = world.claim_one(crm(), 1).await;
    world.finish(&job, Outcome::Done, 1).await;
    world.record_at("e-b", inbound("b", PARTY, "hi"), 2).await;
    let (mut position, mut seen) = (StreamPosition::default(), Vec::new());
    loop {
        let (happened, next) = world.happenings(position, 1).await.unwrap();
        if happened.is_empty() {
            break;
        }
        seen.extend(happened.into_iter().map(|happening| match happening {
            Happening::Event { event, message } => format!("{} {}", event.id, message.is_some()),
            Happening::Attempt { job, attempt, .. } => format!("{} {}", job.state, attempt.number),
        }));
        position = next;
    }
    assert_eq!(seen, ["e-a true", "done 1", "e-b false"]);
    assert_eq!(world.stream_end().await.unwrap(), position);
}

pub async fn counts_agree_with_the_rows(world: World) {
    world.pile_up(5).await;
    let jobs = world.claim(crm(), 3, 0).await;
    world.finish(&jobs[0], Outcome::Done, 0).await;
    world.finish(&jobs[1], Outcome::Dead, 0).await;
    let mut stats: Vec<_> =
        world.stats().await.unwrap().into_iter().map(|row| (row.state.as_str(), row.jobs)).collect();
    stats.sort_unstable();
    assert_eq!(stats, [("dead", 1), ("done", 1), ("running", 1), ("waiting", 2)]);
    assert!(world.stats().await.unwrap().iter().all(|row| row.oldest_at == Some(at(0))));
}

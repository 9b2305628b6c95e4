//! Promises about what is deleted after its time, and what is not.

use inlet_domain::{
    EventFilter, JobFilter, JobState, Lane, MessageFilter, Outcome, PageRequest, Recorded, Search,
    StoredMedia, Timestamp,
};
use inlet_store::BulkAction;

use super::world::{PARTY, World, at, crm, inbound, inbound_mms, receipt};

async fn catch_up(world: &World) {
    while world.advance_behind(100).await.unwrap() {}
}

/// Deletes events from before a second, a few at a time. Returns how many went and how many stayed.
async fn purge_events(world: &World, seconds: i64) -> (u32, u32) {
    let (mut from, mut total) = (Some(0), (0, 0));
    while let Some(position) = from {
        let step = world.purge_events(at(seconds), position, 2).await.unwrap();
        total = (total.0 + step.deleted, total.1 + step.kept);
        from = step.next;
    }
    total
}

pub(super) async fn purge_messages(world: &World, seconds: i64) -> (u32, u32) {
    let (mut from, mut total) = (Some(0), (0, 0));
    while let Some(number) = from {
        let step = world.purge_messages(at(seconds), number, 2).await.unwrap();
        total = (total.0 + step.deleted, total.1 + step.kept);
        from = step.next;
    }
    total
}

async fn events(world: &World) -> Vec<String> {
    let page = world.events(EventFilter::default(), PageRequest::default()).await.unwrap();
    page.data.into_iter().map(|event| event.id).collect()
}

async fn messages(world: &World, text: &str) -> Vec<String> {
    let filter = MessageFilter { search: Search::words(text).unwrap(), ..MessageFilter::default() };
    let page = world.messages(filter, PageRequest::default()).await.unwrap();
    page.data.into_iter().map(|message| message.id).collect()
}

/// Brings every job of the destination to its end.
pub(super) async fn deliver(world: &World) {
    for job in world.claim(crm(), 100, 0).await {
        world.finish(&job, Outcome::Done, 0).await;
    }
}

pub async fn old_events_go_and_their_repeats_stay_duplicates(world: World) {
    for (name, seconds) in [("a", 10), ("b", 20), ("c", 30), ("d", 40)] {
        world.record_at(&format!("e-{name}"), inbound(name, PARTY, "hi"), seconds).await;
    }
    assert_eq!(purge_events(&world, 99).await, (0, 0), "none is routed yet");
    world.route().await;
    deliver(&world).await;
    for _ in 0..2 {
        assert_eq!(purge_events(&world, 20).await.1, 0);
        assert_eq!(events(&world).await, ["e-d", "e-c", "e-b"]);
        catch_up(&world).await;
    }
    assert_eq!(purge_events(&world, 31).await, (2, 0));
    assert_eq!(events(&world).await, ["e-d"]);
    assert_eq!(world.event("e-a").await.unwrap(), None);
    let again = world.record_at("e-a", inbound("a", PARTY, "hi"), 50).await;
    assert!(matches!(again, Recorded::Duplicate(_)), "{again:?}");
    world.text("e", "hi").await;
    world.route().await;
    assert_eq!(events(&world).await, ["e-e", "e-d"]);
    assert_eq!(messages(&world, "").await.len(), 5, "messages have a time of their own");
}

pub async fn an_event_with_work_left_stays(world: World) {
    world.pile_up(3).await;
    let jobs = world.claim(crm(), 2, 0).await;
    world.finish(&jobs[0], Outcome::Dead, 0).await;
    world.finish(&jobs[1], Outcome::Done, 0).await;
    assert_eq!(purge_events(&world, 99).await, (1, 2));
    let dead = JobFilter { state: Some(JobState::Dead), ..JobFilter::default() };
    assert_eq!(world.count(dead).await, 1);
    world.change_job(jobs[0].id, BulkAction::Discard, at(1)).await.unwrap();
    assert_eq!(purge_events(&world, 99).await, (1, 1));
    let last = world.claim_one(crm(), 0).await;
    world.finish(&last, Outcome::Done, 0).await;
    assert_eq!(purge_events(&world, 99).await, (1, 0));
}

pub async fn old_messages_go_with_their_texts_and_conversations_count_what_is_left(world: World) {
    for (name, seconds) in [("a", 10), ("b", 20), ("c", 30)] {
        world.record_at(&format!("e-{name}"), inbound(name, PARTY, &format!("hello {name}")), seconds).await;
    }
    world.record_at("e-x", inbound("x", "+15550001111", "hello x"), 5).await;
    world.route().await;
    deliver(&world).await;
    catch_up(&world).await;
    assert_eq!(messages(&world, "hello").await.len(), 4);
    assert_eq!(purge_messages(&world, 20).await, (2, 0));
    assert_eq!(messages(&world, "hello").await, ["m-c", "m-b"]);
    let list = world.conversations(PageRequest::default()).await.unwrap().data;
    let shown: Vec<_> = list.iter().map(|row| (row.party.as_str(), row.messages, row.unread)).collect();
    assert_eq!(shown, [(PARTY, 2, 2)]);
    world.mark_read(list[0].id).await.unwrap();
    world.record_at("e-d", inbound("d", PARTY, "hello d"), 40).await;
    world.route().await;
    deliver(&world).await;
    assert_eq!(purge_messages(&world, 35).await, (2, 0));
    let left = world.conversation(list[0].id).await.unwrap().unwrap();
    assert_eq!((left.messages, left.unread, left.last_text.as_deref()), (1, 1, Some("hello d")));
    assert_eq!(purge_messages(&world, 99).await, (1, 0));
    let empty = world.conversation(list[0].id).await.unwrap().unwrap();
    assert_eq!((empty.messages, empty.unread, empty.last_text), (0, 0, None));
    assert_eq!(empty.last_message_at, Timestamp::default(), "a time that can be written");
    assert!(world.conversations(PageRequest::default()).await.unwrap().data.is_empty());
    world.record_at("e-f", inbound("f", PARTY, "hello f"), 50).await;
    world.route().await;
    catch_up(&world).await;
    assert_eq!(messages(&world, "hello").await, ["m-f"]);
    let again = world.conversations(PageRequest::default()).await.unwrap().data;
    assert_eq!((again.len(), again[0].messages, again[0].id), (1, 1, list[0].id));
}

pub async fn the_unread_ones_are_the_newest_that_came_in(world: World) {
    world.record_at("e-a", inbound("a", PARTY, "hello a"), 10).await;
    world.record_at("e-b", inbound("b", PARTY, "hello b"), 20).await;
    world.record_at("e-x", receipt("x", "k"), 25).await;
    world.route().await;
    deliver(&world).await;
    catch_up(&world).await;
    let conversation = world.conversations(PageRequest::default()).await.unwrap().data[0].id;
    let counts = async || {
        let row = world.conversation(conversation).await.unwrap().unwrap();
        (row.messages, row.unread)
    };
    assert_eq!(counts().await, (3, 2));
    assert_eq!(purge_messages(&world, 15).await, (1, 0));
    assert_eq!(counts().await, (2, 1), "one of the two that are left was sent");
    assert_eq!(purge_messages(&world, 99).await, (2, 0));
    assert_eq!(counts().await, (0, 0));
}

pub async fn the_bytes_of_an_attachment_go_with_its_last_message(world: World) {
    for (name, seconds) in [("a", 10), ("b", 20)] {
        world.record_at(&format!("e-{name}"), inbound_mms(name, &["https://x.example/1"]), seconds).await;
    }
    world.route().await;
    deliver(&world).await;
    assert_eq!(purge_messages(&world, 99).await, (0, 2), "they are still to be fetched");
    let sha256 = "a".repeat(64);
    for job in world.claim(Lane::Media, 2, 0).await {
        let content_type = "image/png".to_owned();
        let stored = StoredMedia { sha256: sha256.clone(), size_bytes: 7, content_type };
        world.finish(&job, Outcome::Archived(stored), 0).await;
    }
    assert_eq!(purge_messages(&world, 15).await, (1, 0));
    assert_eq!(world.unused_media("", 9).await.unwrap(), [""; 0]);
    assert_eq!(purge_messages(&world, 99).await, (1, 0));
    assert_eq!(world.unused_media("", 9).await.unwrap(), std::slice::from_ref(&sha256));
    assert_eq!(world.unused_media(&sha256, 9).await.unwrap(), [""; 0]);
    world.forget_media(vec![sha256]).await.unwrap();
    assert_eq!(world.unused_media("", 9).await.unwrap(), [""; 0]);
}

pub async fn an_attachment_that_comes_again_is_not_unused(world: World) {
    let sha256 = "b".repeat(64);
    for name in ["a", "b"] {
        world.record(&format!("e-{name}"), inbound_mms(name, &["https://x.example/1"])).await;
        world.route().await;
        deliver(&world).await;
        let job = world.claim_one(Lane::Media, 0).await;
        let content_type = "image/png".to_owned();
        let stored = StoredMedia { sha256: sha256.clone(), size_bytes: 7, content_type };
        world.finish(&job, Outcome::Archived(stored), 0).await;
        assert_eq!(world.unused_media("", 9).await.unwrap(), [""; 0]);
        if name == "a" {
            purge_messages(&world, 99).await;
            assert_eq!(world.unused_media("", 9).await.unwrap(), std::slice::from_ref(&sha256));
        }
    }
}

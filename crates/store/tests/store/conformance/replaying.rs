//! Promises about replays.

use inlet_domain::{Condition, Destination, EventFilter, JobFilter, NewReplay, ReplayId, ReplayState};

use super::retention::{deliver, purge_messages};
use super::world::{World, at, destination, inbound, receipt};

fn of_type(event_type: &str) -> NewReplay {
    let filter = EventFilter { event_type: Some(event_type.to_owned()), ..EventFilter::default() };
    NewReplay { destination: "archive".to_owned(), filter }
}

async fn made(world: &World, replay: ReplayId) -> usize {
    world.count(JobFilter { replay_id: Some(replay), ..JobFilter::default() }).await
}

async fn advance_to_the_end(world: &World) {
    while world.advance_replays(world.router(), 10, at(6)).await.unwrap() {}
}

pub async fn a_replay_makes_one_delivery_for_each_matching_event(world: World) {
    world.pile_up(30).await;
    for number in 0..25 {
        world
            .record_at(&format!("t-{number}"), inbound(&number.to_string(), "+15551110000", "x"), number)
            .await;
    }
    world.route().await;
    let range = NewReplay {
        filter: EventFilter {
            after: Some(at(5)),
            before: Some(at(15)),
            ..of_type("message.received").filter
        },
        ..of_type("")
    };
    assert_eq!(world.count_replay(&range, &[]).await.unwrap(), 10);
    let new = of_type("message.received");
    assert_eq!(world.count_replay(&new, &[]).await.unwrap(), 25);
    let replay = world.start_replay(new, 25, at(5)).await.unwrap();
    assert_eq!((replay.state, replay.total, replay.made), (ReplayState::Running, 25, 0));
    assert!(world.advance_replays(world.router(), 10, at(6)).await.unwrap());
    assert_eq!(made(&world, replay.id).await, 10);
    advance_to_the_end(&world).await;
    assert_eq!(made(&world, replay.id).await, 25);
    let ended = world.replay(replay.id).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.made, ended.finished_at), (ReplayState::Done, 25, Some(at(6))));
    // On purpose again: another replay makes its own deliveries.
    let again = world.start_replay(of_type("message.received"), 1, at(7)).await.unwrap();
    advance_to_the_end(&world).await;
    assert_eq!(made(&world, again.id).await, 25);
}

pub async fn a_replay_leaves_out_what_came_later(world: World) {
    world.text("a", "hi").await;
    world.route().await;
    let replay = world.start_replay(of_type("message.received"), 1, at(0)).await.unwrap();
    world.text("b", "hi").await;
    world.route().await;
    advance_to_the_end(&world).await;
    assert_eq!(made(&world, replay.id).await, 1);
}

pub async fn a_cancelled_replay_makes_no_more_jobs(world: World) {
    world.pile_up(20).await;
    let replay = world.start_replay(of_type("other"), 1, at(0)).await.unwrap();
    world.advance_replays(world.router(), 5, at(0)).await.unwrap();
    assert_eq!(world.cancel_replay(replay.id, at(1)).await.unwrap(), Some(true));
    assert_eq!(world.cancel_replay(replay.id, at(1)).await.unwrap(), Some(false));
    assert_eq!(world.cancel_replay(ReplayId(99), at(1)).await.unwrap(), None);
    assert!(!world.advance_replays(world.router(), 5, at(2)).await.unwrap());
    assert_eq!(made(&world, replay.id).await, 5);
    let shown = world.replays(<_>::default()).await.unwrap().data.remove(0);
    assert_eq!((shown.state, shown.made), (ReplayState::Cancelled, 5));
}

/// Two texts, and the receipt of a message.
async fn texts_and_a_receipt(world: &World) {
    world.text("a", "one").await;
    world.text("b", "two").await;
    world.record("e-c", receipt("c", "k")).await;
    world.route().await;
}

/// The ids of the events that a replay of everything hands to `archive`.
async fn replayed(world: &World) -> Vec<String> {
    let all = NewReplay { destination: "archive".to_owned(), filter: EventFilter::default() };
    let replay = world.start_replay(all, 3, at(5)).await.unwrap();
    advance_to_the_end(world).await;
    let jobs = JobFilter { replay_id: Some(replay.id), ..JobFilter::default() };
    let jobs = world.jobs(jobs, <_>::default()).await.unwrap().data;
    let made = world.replay(replay.id).await.unwrap().unwrap().made;
    assert_eq!(made, jobs.len() as i64);
    jobs.into_iter().rev().filter_map(|job| job.event_id).collect()
}

pub async fn a_replay_hands_on_the_types_that_the_destination_takes(mut world: World) {
    texts_and_a_receipt(&world).await;
    let events = vec!["message.received".to_owned(), "message.sent".to_owned()];
    let all = NewReplay { destination: "archive".to_owned(), filter: EventFilter::default() };
    assert_eq!(world.count_replay(&all, &events).await.unwrap(), 2);
    assert_eq!(world.count_replay(&of_type("message.finalized"), &events).await.unwrap(), 0);
    world.destinations.push(Destination { events, ..destination("archive") });
    assert_eq!(replayed(&world).await, ["e-a", "e-b"]);
}

pub async fn a_replay_hands_on_what_the_condition_of_the_destination_lets_through(mut world: World) {
    texts_and_a_receipt(&world).await;
    world.record("e-d", b"\xff".to_vec()).await;
    world.route().await;
    for (when, expected) in [
        ("text == 'two'", &["e-b", "e-d"][..]),
        ("direction == 'outbound'", &["e-c", "e-d"]),
        // A condition that fails counts as a match.
        ("text|abs > 1", &["e-a", "e-b", "e-c", "e-d"]),
    ] {
        let when = Some(Condition::compile(when).unwrap());
        world.destinations = vec![Destination { when, ..destination("archive") }];
        assert_eq!(replayed(&world).await, expected);
    }
}

pub async fn a_replay_reads_the_message_from_the_event_where_it_is_not_kept_any_more(mut world: World) {
    texts_and_a_receipt(&world).await;
    deliver(&world).await;
    assert_eq!(purge_messages(&world, 99).await, (3, 0));
    let when = Some(Condition::compile("text == 'two' or direction == 'outbound'").unwrap());
    world.destinations = vec![Destination { when, ..destination("archive") }];
    assert_eq!(replayed(&world).await, ["e-b", "e-c"]);
}

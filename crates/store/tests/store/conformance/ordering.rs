//! Promises about destinations that get each conversation in order.

use inlet_domain::{ClaimedJob, JobId, Outcome};
use inlet_store::{BulkAction, ClaimLane};

use super::world::{World, at, crm};

const OTHER: &str = "+15550001111";

fn ordered(limit: u32) -> ClaimLane {
    ClaimLane { lane: crm(), limit, ordered: true }
}

fn names(jobs: &[ClaimedJob]) -> Vec<&str> {
    jobs.iter().map(|job| job.event.as_ref().unwrap().id.as_str()).collect()
}

/// Three texts of one conversation, one of another.
async fn texts(world: &mut World) {
    world.destinations[0].ordered = true;
    for name in ["a1", "a2", "a3"] {
        world.text(name, "hi").await;
    }
    world.text_from(OTHER, "b1", "hi").await;
    world.route().await;
}

pub async fn a_conversation_is_delivered_in_order(mut world: World) {
    texts(&mut world).await;
    let first = world.claim_lane(ordered(10), 0).await;
    assert_eq!(names(&first), ["e-a1", "e-b1"]);
    assert!(world.claim_lane(ordered(10), 0).await.is_empty());
    world.finish(&first[0], Outcome::Done, 0).await;
    let second = world.claim_lane(ordered(10), 0).await;
    assert_eq!(names(&second), ["e-a2"]);
    world.finish(&second[0], Outcome::Done, 0).await;
    assert_eq!(names(&world.claim_lane(ordered(10), 0).await), ["e-a3"]);
}

pub async fn a_failing_head_blocks_only_its_conversation(mut world: World) {
    texts(&mut world).await;
    let first = world.claim_lane(ordered(1), 0).await;
    world.finish(&first[0], Outcome::Retry { due_at: at(60) }, 0).await;
    let other = world.claim_lane(ordered(10), 1).await;
    assert_eq!(names(&other), ["e-b1"]);
    assert_eq!(names(&world.claim_lane(ordered(10), 60).await), ["e-a1"]);
    // A lost lease leaves the head at the head.
    world.expire_leases(at(100)).await.unwrap();
    assert_eq!(names(&world.claim_lane(ordered(10), 100).await), ["e-b1", "e-a1"]);
}

pub async fn every_end_of_the_head_lets_the_next_go(mut world: World) {
    texts(&mut world).await;
    let first = world.claim_lane(ordered(10), 0).await;
    world.finish(&first[0], Outcome::Dead, 0).await;
    let second = world.claim_lane(ordered(10), 0).await;
    assert_eq!(names(&second), ["e-a2"]);
    world.finish(&second[0], Outcome::Retry { due_at: at(60) }, 0).await;
    world.change_job(second[0].id, BulkAction::Discard, at(1)).await.unwrap();
    assert_eq!(names(&world.claim_lane(ordered(10), 1).await), ["e-a3"]);
    // A dead letter that is retried is the head again; what has begun meanwhile goes on.
    world.change_job(first[0].id, BulkAction::Retry, at(2)).await.unwrap();
    assert_eq!(names(&world.claim_lane(ordered(10), 2).await), ["e-a1"]);
}

pub async fn events_without_a_conversation_are_unordered(world: World) {
    world.pile_up(5).await;
    assert_eq!(world.claim_lane(ordered(3), 0).await.len(), 3);
    assert_eq!(world.claim_lane(ordered(3), 0).await.len(), 2);
}

pub async fn what_was_routed_to_a_destination_without_order_has_none(world: World) {
    world.text("a1", "hi").await;
    world.text("a2", "hi").await;
    world.route().await;
    // A new configuration may want order: of what is routed from now on.
    assert_eq!(names(&world.claim_lane(ordered(10), 0).await), ["e-a1", "e-a2"]);
}

pub async fn blocked_jobs_are_not_due(mut world: World) {
    texts(&mut world).await;
    let first = world.claim_lane(ordered(10), 0).await;
    world.finish(&first[0], Outcome::Retry { due_at: at(60) }, 0).await;
    // Else a caller that sleeps until the next job is due would never sleep.
    assert_eq!(world.next_due(at(0)).await.unwrap(), Some(at(60)));
    // What is shown to people is when the job itself is due.
    let (waiting, _) = world.job(JobId(first[0].id.0 + 1)).await.unwrap().unwrap();
    assert_eq!(waiting.due_at, at(0));
    // A new configuration may have another opinion of order.
    world.recover_leases(at(1)).await.unwrap();
    let lane = ClaimLane { ordered: false, ..ordered(10) };
    assert_eq!(names(&world.claim_lane(lane, 1).await), ["e-a2", "e-a3", "e-b1"]);
}

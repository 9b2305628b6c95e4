//! Promises about claims, leases and fencing tokens.

use futures_util::future::join_all;
use inlet_domain::{ClaimedJob, JobState, Lane, Outcome};
use inlet_store::{BulkAction, CLAIM_BYTES, ClaimLane, FinishedAttempt, StoreError};

use super::world::{World, at, attempt, crm, destination};

pub async fn a_job_has_one_owner_at_a_time(world: World) {
    world.pile_up(50).await;
    let claims = join_all((0..10).map(|_| world.claim(crm(), 10, 0))).await;
    let mut ids: Vec<i64> = claims.iter().flatten().map(|job| job.id.0).collect();
    assert_eq!(ids.len(), 50);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 50);
}

pub async fn an_old_token_is_refused(world: World) {
    world.pile_up(1).await;
    let first = world.claim_one(crm(), 0).await;
    world.expire_leases(at(31)).await.unwrap();
    let late = |job| {
        world.store.finish_attempt(job, first.fence, attempt(&first, &Outcome::Done, 32), Outcome::Done)
    };
    assert!(matches!(late(first.id).await, Err(StoreError::LeaseLost { .. })));
    let second = world.claim_one(crm(), 32).await;
    assert_ne!(first.fence, second.fence);
    assert!(matches!(late(first.id).await, Err(StoreError::LeaseLost { .. })));
    assert!(world.job(first.id).await.unwrap().unwrap().1.is_empty());
    world.finish(&second, Outcome::Done, 33).await;
    assert_eq!(world.state(second.id).await, JobState::Done);
}

pub async fn an_expired_lease_returns_the_job(world: World) {
    world.pile_up(1).await;
    let job = world.claim_one(crm(), 0).await;
    assert_eq!(world.expire_leases(at(29)).await.unwrap().returned, 0);
    assert_eq!(world.expire_leases(at(31)).await.unwrap().returned, 1);
    assert_eq!(world.state(job.id).await, JobState::Waiting);
    // The try counts, but not against the schedule: nobody knows how it would have ended.
    let again = world.claim_one(crm(), 31).await;
    assert_eq!((again.attempt, again.schedule_attempt), (2, 1));
}

pub async fn a_job_that_always_loses_its_lease_becomes_a_dead_letter(world: World) {
    world.pile_up(1).await;
    let mut places = Vec::new();
    for round in 0..20 {
        let job = world.claim_one(crm(), round * 100).await;
        places.push(job.schedule_attempt);
        let progress = world.expire_leases(at(round * 100 + 31)).await.unwrap();
        assert_eq!((progress.returned, progress.dead), if round < 19 { (1, 0) } else { (0, 1) });
    }
    assert_eq!(places[..7], [1, 1, 1, 1, 1, 1, 2]);
    let dead = world.jobs(<_>::default(), <_>::default()).await.unwrap().data.remove(0);
    assert_eq!((dead.state, dead.finished_at), (JobState::Dead, Some(at(1_931))));
    assert!(dead.last_error.unwrap().contains("the lease ran out 20 times"));
    // A person may have repaired what it was; then all is as at first.
    world.change_job(dead.id, BulkAction::Retry, at(2_000)).await.unwrap();
    world.claim_one(crm(), 2_000).await;
    assert_eq!(world.recover_leases(at(2_001)).await.unwrap().returned, 1);
    assert_eq!(world.claim_one(crm(), 2_002).await.schedule_attempt, 1);
}

pub async fn a_released_job_was_not_tried(world: World) {
    world.pile_up(1).await;
    let job = world.claim_one(crm(), 0).await;
    world.release(vec![(job.id, job.fence)]).await.unwrap();
    assert_eq!(world.state(job.id).await, JobState::Waiting);
    let again = world.claim_one(crm(), 0).await;
    assert_eq!((again.attempt, again.schedule_attempt), (1, 1));
    // An old token gives nothing back.
    world.release(vec![(job.id, job.fence)]).await.unwrap();
    assert_eq!(world.state(job.id).await, JobState::Running);
}

pub async fn the_oldest_due_job_comes_first(world: World) {
    world.pile_up(3).await;
    let jobs = world.claim(crm(), 3, 0).await;
    for (job, due) in jobs.iter().zip([30, 10, 20]) {
        world.finish(job, Outcome::Retry { due_at: at(due) }, 0).await;
    }
    for (after, due) in [(0, Some(at(10))), (10, Some(at(20))), (29, Some(at(30))), (30, None)] {
        assert_eq!(world.next_due(at(after)).await.unwrap(), due, "after {after}");
    }
    let order: Vec<_> = world.claim(crm(), 3, 60).await.iter().map(|job| job.id).collect();
    assert_eq!(order, [jobs[1].id, jobs[2].id, jobs[0].id]);
}

pub async fn a_paused_destination_gives_nothing(world: World) {
    world.pile_up(2).await;
    world.pause_destination("crm", "by hand", at(0)).await.unwrap();
    assert!(world.claim(crm(), 10, 0).await.is_empty());
    assert_eq!(world.next_due(at(-1)).await.unwrap(), None);
    let (name, state) = world.destination_states().await.unwrap().remove(0);
    assert_eq!((name.as_str(), state.paused_at, state.backlog), ("crm", Some(at(0)), 2));
    assert_eq!(state.paused_reason.as_deref(), Some("by hand"));
    assert!(world.resume_destination("crm", at(0)).await.unwrap());
    assert!(!world.resume_destination("crm", at(0)).await.unwrap());
    assert_eq!(world.claim(crm(), 10, 0).await.len(), 2);
}

pub async fn ten_thousand_due_jobs_delay_nobody_else(mut world: World) {
    world.destinations = vec![destination("hung")];
    world.pile_up(10_000).await;
    world.destinations = vec![destination("crm")];
    world.text("a", "hi").await;
    world.route().await;
    let hung = world.claim(Lane::Destination("hung".to_owned()), 4, 0).await;
    assert_eq!(hung.len(), 4);
    let job = world.claim_one(crm(), 0).await;
    world.finish(&job, Outcome::Done, 0).await;
    let states = world.destination_states().await.unwrap();
    let backlog: Vec<_> = states.iter().map(|(name, state)| (name.as_str(), state.backlog)).collect();
    assert_eq!(backlog, [("crm", 0), ("hung", 10_000)]);
}

pub async fn recovery_returns_every_lease(world: World) {
    world.pile_up(3).await;
    let jobs = world.claim(crm(), 2, 0).await;
    world.finish(&jobs[0], Outcome::Done, 0).await;
    let progress = world.recover_leases(at(1)).await.unwrap();
    assert_eq!((progress.returned, progress.unknown), (1, 0));
    assert_eq!(world.claim(crm(), 10, 1).await.len(), 2);
    assert_eq!(world.change_job(jobs[1].id, BulkAction::Retry, at(1)).await.unwrap(), Some(false));
}

pub async fn a_claim_hands_out_no_more_than_memory_should_hold(world: World) {
    // Not JSON, so that it is no message, and the largest that a listener takes.
    let large = vec![b'x'; 1024 * 1024];
    for number in 0..6 {
        world.record(&format!("e-{number}"), large.clone()).await;
    }
    world.route().await;
    for ordered in [false, true] {
        let lane = ClaimLane { lane: crm(), limit: 10, ordered };
        let claimed = world.claim_lane(lane, 0).await;
        let bytes: usize = claimed.iter().map(|job| job.event.as_ref().unwrap().body.len()).sum();
        assert_eq!((claimed.len(), bytes), (4, CLAIM_BYTES));
        world.release(claimed.iter().map(|job| (job.id, job.fence)).collect()).await.unwrap();
    }
}

pub async fn attempts_are_recorded_together_and_a_lost_lease_spoils_none_of_the_others(world: World) {
    world.pile_up(3).await;
    let jobs = world.claim(crm(), 3, 0).await;
    world.expire_leases(at(31)).await.unwrap();
    let again = world.claim(crm(), 2, 31).await;
    let finished = |job: &ClaimedJob, outcome: Outcome| FinishedAttempt {
        job: job.id,
        fence: job.fence,
        attempt: attempt(job, &outcome, 32),
        outcome,
    };
    let outcomes = vec![
        finished(&again[0], Outcome::Done),
        finished(&jobs[2], Outcome::Done),
        finished(&again[1], Outcome::Retry { due_at: at(60) }),
    ];
    let results = world.finish_attempts(outcomes).await.unwrap();
    assert!(matches!(results[..], [Ok(()), Err(StoreError::LeaseLost { .. }), Ok(())]), "{results:?}");
    assert_eq!(world.state(jobs[0].id).await, JobState::Done);
    assert_eq!(world.state(jobs[2].id).await, JobState::Waiting);
    assert!(world.job(jobs[2].id).await.unwrap().unwrap().1.is_empty());
    assert_eq!(world.job(jobs[1].id).await.unwrap().unwrap().0.due_at, at(60));
}

//! Promises about outcomes, dead letters, attachments and what people do to jobs.

use inlet_domain::{JobFilter, JobId, JobKind, JobState, Lane, MediaState, Outcome, StoredMedia, Timestamp};
use inlet_store::{BulkAction, BulkResult, DestinationSwitch};

use super::world::{World, at, crm, inbound_mms};

fn in_state(state: JobState) -> JobFilter {
    JobFilter { state: Some(state), ..JobFilter::default() }
}

/// A dead letter.
async fn dead(world: &World) -> JobId {
    world.pile_up(1).await;
    let job = world.claim_one(crm(), 0).await;
    world.finish(&job, Outcome::Dead, 0).await;
    job.id
}

pub async fn a_failed_attempt_is_tried_again_when_due(world: World) {
    world.pile_up(1).await;
    let job = world.claim_one(crm(), 0).await;
    world.finish(&job, Outcome::Retry { due_at: at(5) }, 1).await;
    let (shown, attempts) = world.job(job.id).await.unwrap().unwrap();
    assert_eq!((shown.state, shown.due_at, shown.attempts), (JobState::Waiting, at(5), 1));
    assert_eq!(shown.last_error.as_deref(), Some("answered 503"));
    assert_eq!((attempts.len(), attempts[0].number, attempts[0].status), (1, 1, Some(503)));
    assert!(world.claim(crm(), 1, 4).await.is_empty());
    let again = world.claim_one(crm(), 5).await;
    assert_eq!((again.attempt, again.schedule_attempt), (2, 2));
    world.finish(&again, Outcome::Done, 6).await;
    let (shown, attempts) = world.job(job.id).await.unwrap().unwrap();
    assert_eq!((shown.state, shown.finished_at, shown.last_error), (JobState::Done, Some(at(6)), None));
    assert_eq!(attempts.len(), 2);
}

pub async fn a_dead_letter_is_retried_from_the_start_of_its_schedule(world: World) {
    let job = dead(&world).await;
    let (shown, _) = world.job(job).await.unwrap().unwrap();
    assert_eq!((shown.state, shown.finished_at), (JobState::Dead, Some(at(0))));
    assert_eq!(world.change_job(job, BulkAction::Retry, at(9)).await.unwrap(), Some(true));
    let (shown, _) = world.job(job).await.unwrap().unwrap();
    assert_eq!((shown.state, shown.due_at, shown.finished_at), (JobState::Waiting, at(9), None));
    assert_eq!(world.destination_states().await.unwrap()[0].1.retried_at, Some(at(9)));
    let again = world.claim_one(crm(), 9).await;
    assert_eq!((again.attempt, again.schedule_attempt), (2, 1));
}

pub async fn a_discarded_job_stays_away(world: World) {
    let job = dead(&world).await;
    assert_eq!(world.change_job(job, BulkAction::Discard, at(9)).await.unwrap(), Some(true));
    let (shown, _) = world.job(job).await.unwrap().unwrap();
    assert_eq!((shown.state, shown.finished_at), (JobState::Discarded, Some(at(9))));
    assert_eq!(world.change_job(job, BulkAction::Retry, at(9)).await.unwrap(), Some(false));
    assert_eq!(world.next_due(at(0)).await.unwrap(), None);
}

pub async fn only_some_states_can_be_changed_by_hand(world: World) {
    world.pile_up(1).await;
    assert_eq!(world.change_job(JobId(999), BulkAction::Retry, at(0)).await.unwrap(), None);
    let job = world.claim_one(crm(), 0).await;
    for action in [BulkAction::Retry, BulkAction::Discard] {
        assert_eq!(world.change_job(job.id, action, at(0)).await.unwrap(), Some(false));
    }
    world.finish(&job, Outcome::Done, 0).await;
    assert_eq!(world.change_job(job.id, BulkAction::Discard, at(0)).await.unwrap(), Some(false));
}

pub async fn bulk_changes_mean_dead_letters_unless_told_otherwise(world: World) {
    world.pile_up(3).await;
    let jobs = world.claim(crm(), 2, 0).await;
    world.finish(&jobs[0], Outcome::Dead, 0).await;
    world.finish(&jobs[1], Outcome::Done, 0).await;
    let change = |filter, action| world.store.change_jobs(filter, action, None, false, at(1));
    let all = change(JobFilter::default(), BulkAction::Discard).await.unwrap();
    assert_eq!(all, BulkResult { matched: 1, next: None });
    assert_eq!(world.state(jobs[0].id).await, JobState::Discarded);
    assert_eq!(change(in_state(JobState::Done), BulkAction::Retry).await.unwrap().matched, 0);
    assert_eq!(change(in_state(JobState::Waiting), BulkAction::Discard).await.unwrap().matched, 1);
}

pub async fn bulk_changes_go_in_steps_and_can_be_counted_first(world: World) {
    world.pile_up(2_500).await;
    let filter = JobFilter { destination: Some("crm".to_owned()), ..in_state(JobState::Waiting) };
    let change = |from, dry| world.store.change_jobs(filter.clone(), BulkAction::Discard, from, dry, at(1));
    assert_eq!(change(None, true).await.unwrap(), BulkResult { matched: 2_500, next: None });
    let (mut from, mut matched) = (None, Vec::new());
    loop {
        let step = change(from, false).await.unwrap();
        matched.push(step.matched);
        from = step.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!(matched, [1_000, 1_000, 500]);
    assert_eq!(world.count(in_state(JobState::Waiting)).await, 0);
}

pub async fn gone_pauses_the_destination(world: World) {
    world.pile_up(2).await;
    let job = world.claim(crm(), 1, 0).await.remove(0);
    world.finish(&job, Outcome::DeadAndPause { reason: "410 Gone".to_owned() }, 3).await;
    assert_eq!(world.state(job.id).await, JobState::Dead);
    let (_, state) = world.destination_states().await.unwrap().remove(0);
    assert_eq!((state.paused_at, state.paused_reason.as_deref()), (Some(at(3)), Some("410 Gone")));
    assert_eq!((state.backlog, state.dead), (1, 1));
    assert!(world.claim(crm(), 1, 9).await.is_empty());
}

/// When a person last asked for the work of `crm` to be tried.
async fn retried_at(world: &World) -> Option<Timestamp> {
    let states = world.destination_states().await.unwrap();
    states.into_iter().find(|(name, _)| name == "crm").and_then(|(_, state)| state.retried_at)
}

pub async fn a_retry_of_a_destination_is_noted_even_where_no_job_matches(world: World) {
    let crm = JobFilter { destination: Some("crm".to_owned()), ..JobFilter::default() };
    let change = |filter, action, dry| world.store.change_jobs(filter, action, None, dry, at(1));
    change(crm.clone(), BulkAction::Retry, true).await.unwrap();
    change(crm.clone(), BulkAction::Discard, false).await.unwrap();
    change(JobFilter::default(), BulkAction::Retry, false).await.unwrap();
    assert_eq!(retried_at(&world).await, None);
    assert_eq!(change(crm, BulkAction::Retry, false).await.unwrap(), BulkResult::default());
    assert_eq!(retried_at(&world).await, Some(at(1)));
}

pub async fn a_resumed_destination_is_tried_now(world: World) {
    world.pause_destination("crm", "by hand", at(0)).await.unwrap();
    assert!(world.resume_destination("crm", at(1)).await.unwrap());
    assert_eq!(retried_at(&world).await, Some(at(1)));
    assert!(!world.resume_destination("crm", at(2)).await.unwrap());
    assert_eq!(retried_at(&world).await, Some(at(2)));
    world.pause_destination("crm", "again", at(3)).await.unwrap();
    world.enqueue_test("other", at(4)).await.unwrap();
    let switch = DestinationSwitch {
        name: "crm".to_owned(),
        paused_at: Some(at(3)),
        paused_reason: Some("again".to_owned()),
        retried_at: Some(at(2)),
    };
    assert_eq!(world.destination_switches().await.unwrap(), [switch]);
}

pub async fn an_archived_attachment_is_seen_at_its_message(world: World) {
    world.record("e-a", inbound_mms("a", &["https://x.example/1"])).await;
    world.route().await;
    let job = world.claim_one(Lane::Media, 0).await;
    assert_eq!(job.media, Some(("m-a".to_owned(), 0)));
    let stored = StoredMedia { sha256: "0".repeat(64), size_bytes: 7, content_type: "image/png".to_owned() };
    assert_eq!(world.stored_media(&stored.sha256).await.unwrap(), None);
    world.finish(&job, Outcome::Archived(stored.clone()), 2).await;
    let media = world.message("m-a").await.unwrap().unwrap().media.remove(0);
    assert_eq!((media.state, media.archived_at), (MediaState::Archived, Some(at(2))));
    assert_eq!((media.sha256, media.archived_bytes), (Some(stored.sha256.clone()), Some(7)));
    assert_eq!(world.stored_media(&stored.sha256).await.unwrap(), Some(stored));
}

pub async fn an_attachment_follows_its_job(world: World) {
    world.record("e-a", inbound_mms("a", &["https://x.example/1"])).await;
    world.route().await;
    let job = world.claim_one(Lane::Media, 0).await;
    let media = async || world.message("m-a").await.unwrap().unwrap().media[0].state;
    world.finish(&job, Outcome::Dead, 0).await;
    assert_eq!(media().await, MediaState::Dead);
    world.change_job(job.id, BulkAction::Retry, at(1)).await.unwrap();
    assert_eq!(media().await, MediaState::Waiting);
    world.change_job(job.id, BulkAction::Discard, at(1)).await.unwrap();
    assert_eq!(media().await, MediaState::Discarded);
}

pub async fn purging_leaves_what_is_not_finished(world: World) {
    world.pile_up(4).await;
    let jobs = world.claim(crm(), 3, 0).await;
    world.finish(&jobs[0], Outcome::Done, 10).await;
    world.finish(&jobs[1], Outcome::Dead, 10).await;
    world.finish(&jobs[2], Outcome::Done, 20).await;
    assert_eq!(world.purge_jobs(at(15), 100).await.unwrap(), 1);
    assert!(world.job(jobs[0].id).await.unwrap().is_none());
    assert_eq!(world.count(JobFilter::default()).await, 3);
    assert_eq!(world.purge_jobs(at(99), 0).await.unwrap(), 0);
    assert_eq!(world.purge_jobs(at(99), 100).await.unwrap(), 1);
    assert_eq!(world.count(in_state(JobState::Dead)).await, 1);
}

pub async fn a_destination_shows_its_backlog(world: World) {
    assert!(world.destination_states().await.unwrap().is_empty());
    world.pile_up(2).await;
    let test = world.enqueue_test("other", at(4)).await.unwrap();
    let (shown, _) = world.job(test).await.unwrap().unwrap();
    assert_eq!((shown.kind, shown.destination.as_deref()), (JobKind::Test, Some("other")));
    let states = world.destination_states().await.unwrap();
    let shown: Vec<_> =
        states.iter().map(|(name, s)| (name.as_str(), s.backlog, s.oldest_waiting_at)).collect();
    assert_eq!(shown, [("crm", 2, Some(at(0))), ("other", 1, Some(at(4)))]);
}

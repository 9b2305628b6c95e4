//! Jobs: list, one with its attempts, retry and discard, singly and by filter.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use inlet_domain::{Attempt, Job, JobFilter, JobId, JobState, Page};
use inlet_store::BulkAction;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::answer::{Answer, ApiError, Code};
use super::body::{JsonBody, bad_body};
use super::query::{List, Name, NoQuery};
use super::state::{AdminState, Shared};

const KIND: &str = "job";

/// A job and every try of it, oldest first.
#[derive(Debug, Serialize)]
pub(super) struct JobWithAttempts {
    #[serde(flatten)]
    job: Job,
    attempt_log: Vec<Attempt>,
}

/// What a bulk action did or, dry, would do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Matched {
    matched: i64,
    dry_run: bool,
}

pub(super) async fn list(State(state): State<Shared>, list: List<JobFilter>) -> Answer<Json<Page<Job>>> {
    let mut page = state.store.jobs(list.filter, list.page).await?;
    mark_held(&state, page.data.iter_mut()).await?;
    Ok(Json(page))
}

pub(super) async fn one(
    State(state): State<Shared>,
    name: Name,
    _: NoQuery,
) -> Answer<Json<JobWithAttempts>> {
    find(&state, &name).await.map(Json)
}

pub(super) async fn retry(
    State(state): State<Shared>,
    name: Name,
    _: NoQuery,
) -> Answer<Json<JobWithAttempts>> {
    change(&state, &name, BulkAction::Retry).await
}

pub(super) async fn discard(
    State(state): State<Shared>,
    name: Name,
    _: NoQuery,
) -> Answer<Json<JobWithAttempts>> {
    change(&state, &name, BulkAction::Discard).await
}

pub(super) async fn retry_matching(
    State(state): State<Shared>,
    _: NoQuery,
    JsonBody(wish): JsonBody<Map<String, Value>>,
) -> Answer<Json<Matched>> {
    change_matching(&state, wish, BulkAction::Retry).await
}

pub(super) async fn discard_matching(
    State(state): State<Shared>,
    _: NoQuery,
    JsonBody(wish): JsonBody<Map<String, Value>>,
) -> Answer<Json<Matched>> {
    change_matching(&state, wish, BulkAction::Discard).await
}

/// Marks the jobs that wait only because their destination is paused or no longer configured.
pub(super) async fn mark_held<'a>(state: &AdminState, jobs: impl Iterator<Item = &'a mut Job>) -> Answer<()> {
    let bound = |job: &&mut Job| job.state == JobState::Waiting && job.destination.is_some();
    let waiting: Vec<&mut Job> = jobs.filter(bound).collect();
    if waiting.is_empty() {
        return Ok(());
    }
    let switches = state.store.destination_switches().await?;
    let paused = switches.into_iter().filter(|switch| switch.paused_at.is_some());
    let paused: HashSet<String> = paused.map(|switch| switch.name).collect();
    for job in waiting {
        let holds = |name: &String| paused.contains(name) || state.destination(name).is_none();
        job.held = job.destination.as_ref().is_some_and(holds);
    }
    Ok(())
}

async fn find(state: &AdminState, name: &Name) -> Answer<JobWithAttempts> {
    let found = state.store.job(JobId(name.number(KIND)?)).await?;
    let (mut job, attempt_log) = found.ok_or_else(|| ApiError::not_found(KIND, &name.0))?;
    mark_held(state, [&mut job].into_iter()).await?;
    Ok(JobWithAttempts { job, attempt_log })
}

async fn change(state: &AdminState, name: &Name, action: BulkAction) -> Answer<Json<JobWithAttempts>> {
    let id = JobId(name.number(KIND)?);
    let changed = state.store.change_job(id, action, state.clock.now()).await?;
    let found = find(state, name).await?;
    match changed {
        Some(true) => Ok(Json(found)),
        _ => Err(ApiError::new(Code::JobState, refusal(found.job.state, action))),
    }
}

fn refusal(state: JobState, action: BulkAction) -> String {
    let deed = match action {
        BulkAction::Retry => "retried",
        BulkAction::Discard => "discarded",
    };
    format!("the job is `{state}`; only `waiting`, `dead` and `unknown` jobs can be {deed}")
}

/// Works through everything that matches in bounded steps, each a transaction of its own.
async fn change_matching(
    state: &AdminState,
    wish: Map<String, Value>,
    action: BulkAction,
) -> Answer<Json<Matched>> {
    let (filter, dry_run) = read_wish(wish)?;
    let (now, mut from, mut matched) = (state.clock.now(), None, 0);
    loop {
        let step = state.store.change_jobs(filter.clone(), action, from, dry_run, now).await?;
        matched += step.matched;
        from = step.next;
        if from.is_none() {
            return Ok(Json(Matched { matched, dry_run }));
        }
    }
}

fn read_wish(mut wish: Map<String, Value>) -> Answer<(JobFilter, bool)> {
    let dry_run = match wish.remove("dry_run") {
        None => false,
        Some(Value::Bool(dry_run)) => dry_run,
        Some(_) => return Err(bad_body("field `dry_run` must be true or false")),
    };
    let filter = serde_json::from_value(Value::Object(wish)).map_err(bad_body)?;
    Ok((filter, dry_run))
}

//! Destinations: what is configured, what the store knows of them, test, pause, resume.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use inlet_domain::{
    Condition, Cursor, Destination, DestinationState, DestinationStatus, Format, Page, PageRequest,
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::answer::{Answer, ApiError, Code};
use super::body::JsonBody;
use super::query::{List, Name, NoFilter, NoQuery};
use super::state::{AdminState, Shared};

const KIND: &str = "destination";
const HIDDEN: &str = "***";

/// A destination and the secret under which what is handed to it is signed.
#[derive(Debug, Serialize)]
pub(super) struct DestinationWithSecret {
    #[serde(flatten)]
    status: DestinationStatus,
    secret: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PauseWish {
    reason: Option<String>,
}

pub(super) async fn list(
    State(state): State<Shared>,
    list: List<NoFilter>,
) -> Answer<Json<Page<DestinationStatus>>> {
    Ok(Json(page(all(&state).await?, list.page)))
}

pub(super) async fn one(
    State(state): State<Shared>,
    name: Name,
    _: NoQuery,
) -> Answer<Json<DestinationWithSecret>> {
    let status = find(&state, &name).await?;
    let secret = state.config.keys.destination_secrets.get(&name.0);
    Ok(Json(DestinationWithSecret { status, secret: secret.map(|secret| secret.expose_secret().to_owned()) }))
}

/// Hands over a sample. Its job would wait unseen at a paused destination, so that is refused.
pub(super) async fn test(
    State(state): State<Shared>,
    name: Name,
    _: NoQuery,
) -> Answer<(StatusCode, Json<Value>)> {
    let destination = configured(&state, &name.0)?;
    if find(&state, &name).await?.paused {
        let name = &destination.name;
        let detail =
            format!("destination `{name}` is paused; resume it first: `inlet destinations resume {name}`");
        return Err(ApiError::new(Code::DestinationPaused, detail));
    }
    let job_id = state.store.enqueue_test(&destination.name, state.clock.now()).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "job_id": job_id }))))
}

/// Pauses. One that is paused stays as it is, with its first reason.
pub(super) async fn pause(
    State(state): State<Shared>,
    name: Name,
    _: NoQuery,
    JsonBody(wish): JsonBody<PauseWish>,
) -> Answer<Json<DestinationStatus>> {
    let status = find(&state, &name).await?;
    if status.paused {
        return Ok(Json(status));
    }
    let reason = wish.reason.unwrap_or_else(|| "paused by hand".to_owned());
    state.store.pause_destination(&name.0, &reason, state.clock.now()).await?;
    find(&state, &name).await.map(Json)
}

/// Resumes. One that is not paused stays as it is.
pub(super) async fn resume(
    State(state): State<Shared>,
    name: Name,
    _: NoQuery,
) -> Answer<Json<DestinationStatus>> {
    find(&state, &name).await?;
    state.store.resume_destination(&name.0, state.clock.now()).await?;
    find(&state, &name).await.map(Json)
}

/// The configured destination of this name.
pub(super) fn configured<'a>(state: &'a AdminState, name: &str) -> Answer<&'a Destination> {
    state.destination(name).ok_or_else(|| ApiError::not_found(KIND, name))
}

async fn find(state: &AdminState, name: &Name) -> Answer<DestinationStatus> {
    let found = all(state).await?.into_iter().find(|status| status.name == name.0);
    found.ok_or_else(|| ApiError::not_found(KIND, &name.0))
}

/// The configured ones in the order of the configuration, then those that only jobs or a pause remind of.
async fn all(state: &AdminState) -> Answer<Vec<DestinationStatus>> {
    let mut kept: HashMap<_, _> = state.store.destination_states().await?.into_iter().collect();
    let mut statuses: Vec<_> = state
        .config
        .destinations
        .iter()
        .map(|destination| configured_status(destination, kept.remove(&destination.name)))
        .collect();
    let mut gone: Vec<_> = kept.into_iter().filter(|(_, state)| matters(state)).collect();
    gone.sort_by(|left, right| left.0.cmp(&right.0));
    statuses.extend(gone.into_iter().map(|(name, state)| forgotten_status(name, state)));
    Ok(statuses)
}

fn matters(state: &DestinationState) -> bool {
    state.backlog > 0 || state.dead > 0 || state.paused_at.is_some()
}

fn configured_status(destination: &Destination, state: Option<DestinationState>) -> DestinationStatus {
    DestinationStatus {
        url: shown(&destination.url),
        events: destination.events.clone(),
        when: destination.when.as_ref().map(Condition::source).map(str::to_owned),
        format: destination.format,
        ordered: destination.ordered,
        concurrency: destination.concurrency,
        configured: true,
        ..forgotten_status(destination.name.clone(), state.unwrap_or_default())
    }
}

fn forgotten_status(name: String, state: DestinationState) -> DestinationStatus {
    DestinationStatus {
        name,
        url: String::new(),
        events: Vec::new(),
        when: None,
        format: Format::Telnyx,
        ordered: false,
        concurrency: 0,
        configured: false,
        paused: state.paused_at.is_some(),
        paused_reason: state.paused_reason,
        paused_at: state.paused_at,
        backlog: state.backlog,
        dead: state.dead,
        oldest_waiting_at: state.oldest_waiting_at,
    }
}

/// The URL without what may be secret in it.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    if url.password().is_some() {
        // Only URLs without a host refuse a password, and those have none to hide.
        let _ = url.set_password(Some(HIDDEN));
    }
    if url.query().is_some() {
        url.set_query(Some(HIDDEN));
    }
    url.into()
}

/// Pages by position: the list is short, and its order is the configuration's.
fn page(statuses: Vec<DestinationStatus>, request: PageRequest) -> Page<DestinationStatus> {
    let start = request.cursor.map_or(0, |Cursor(start)| usize::try_from(start).unwrap_or(0));
    let end = start.saturating_add(request.limit as usize);
    let next = (end < statuses.len()).then(|| Cursor(end as i64).to_string());
    let data = statuses.into_iter().skip(start).take(request.limit as usize).collect();
    Page { data, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_urls_are_hidden() {
        for (url, expected) in [
            ("https://user:secret@crm.example/hook?token=x#f", "https://user:***@crm.example/hook?***#f"),
            ("https://crm.example/hook", "https://crm.example/hook"),
            ("file:/var/lib/events.jsonl", "file:///var/lib/events.jsonl"),
        ] {
            assert_eq!(shown(&Url::parse(url).unwrap()), expected);
        }
    }
}

//! Telnyx's messaging profiles: list, one, change.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::http::api::{Body, refuse, too_large};
use crate::profile::Profile;
use crate::refusal::Refusal;
use crate::send_request::json_object;
use crate::world::Shared;

/// Telnyx's page size when none is asked for, and the largest one.
const PAGE_SIZE: (usize, usize) = (20, 250);

pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    match page(&shared, &query) {
        Ok(answer) => Json(answer).into_response(),
        Err(refusal) => refuse(&refusal, &shared),
    }
}

pub(crate) async fn show(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    match shared.read(|world| world.profile(&id).map(|profile| shown(profile, &shared))) {
        Some(data) => Json(json!({ "data": data })).into_response(),
        None => refuse(&unknown(&id), &shared),
    }
}

pub(crate) async fn change(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Body,
) -> Response {
    let Ok(body) = body else { return refuse(&too_large(), &shared) };
    let now = shared.clock.now();
    let changed = json_object(&body).and_then(|changes| {
        shared.change(|world| {
            let profile =
                world.profiles.iter_mut().find(|profile| profile.id == id).ok_or_else(|| unknown(&id))?;
            profile.change(&changes, now)?;
            Ok(shown(profile, &shared))
        })
    });
    match changed {
        Ok(data) => Json(json!({ "data": data })).into_response(),
        Err(refusal) => refuse(&refusal, &shared),
    }
}

fn page(shared: &Shared, query: &HashMap<String, String>) -> Result<Value, Refusal> {
    let mut filter = None;
    for (name, value) in query {
        match name.as_str() {
            "page[number]" | "page[size]" => {}
            "filter[name]" | "filter[name][eq]" => filter = Some((false, value.to_lowercase())),
            "filter[name][contains]" => filter = Some((true, value.to_lowercase())),
            other => return Err(Refusal::not_emulated(format_args!("the parameter `{other}` here"))),
        }
    }
    let size = number(query, "page[size]", PAGE_SIZE.0)?.min(PAGE_SIZE.1);
    let number = number(query, "page[number]", 1)?;
    let matching: Vec<Value> = shared.read(|world| {
        let matches = |profile: &&Profile| {
            filter.as_ref().is_none_or(|(contains, wanted)| {
                let name = profile.name.to_lowercase();
                if *contains { name.contains(wanted) } else { name == *wanted }
            })
        };
        world.profiles.iter().filter(matches).map(|profile| shown(profile, shared)).collect()
    });
    let total = matching.len();
    let data: Vec<Value> = matching.into_iter().skip((number - 1).saturating_mul(size)).take(size).collect();
    let meta = json!({
        "page_number": number, "page_size": size, "total_pages": total.div_ceil(size), "total_results": total,
    });
    Ok(json!({ "data": data, "meta": meta }))
}

fn number(query: &HashMap<String, String>, name: &str, default: usize) -> Result<usize, Refusal> {
    let Some(text) = query.get(name) else { return Ok(default) };
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| Refusal::new("10033", format!("`{name}` should be a number from 1.")))
}

fn shown(profile: &Profile, shared: &Shared) -> Value {
    profile.shown(&shared.account.organization_id, &shared.account.v1_secret)
}

fn unknown(id: &str) -> Refusal {
    Refusal::new("10005", format!("There is no messaging profile '{id}'."))
}

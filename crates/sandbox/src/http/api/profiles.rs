//! Telnyx's messaging profiles: list, one, change.

use axum::Json;
use axum::extract::Path;
use serde_json::{Value, json};

use crate::account::Account;
use crate::account::profile::Profile;
use crate::http::api::request::{Answer, Fields, Query};
use crate::http::gate::Tenant;
use crate::refusal::Refusal;

/// Lists the profiles, by name where asked.
pub(crate) async fn list(Tenant(account): Tenant, mut query: Query) -> Answer {
    let equal = query.take("filter[name]").or_else(|| query.take("filter[name][eq]"));
    let part = query.take("filter[name][contains]");
    let page = query.page()?;
    let matches = |profile: &&Profile| {
        let name = profile.name.to_lowercase();
        equal.as_ref().is_none_or(|wanted| name == wanted.to_lowercase())
            && part.as_ref().is_none_or(|wanted| name.contains(&wanted.to_lowercase()))
    };
    Ok(account
        .read(|world| page.of(world.profiles.iter().filter(matches).map(|found| shown(found, &account)))))
}

/// Shows a profile.
pub(crate) async fn show(Tenant(account): Tenant, Path(id): Path<String>) -> Answer {
    let found = account.read(|world| world.profile(&id).map(|profile| shown(profile, &account)));
    Ok(Json(json!({ "data": found.ok_or_else(|| unknown(&id))? })))
}

/// Changes a profile: all that is asked for, or nothing.
pub(crate) async fn change(
    Tenant(account): Tenant,
    Path(id): Path<String>,
    Fields(changes): Fields,
) -> Answer {
    let now = account.clock.now();
    let data = account.change(|world| {
        let profile = world.profiles.iter_mut().find(|profile| profile.id == id);
        let profile = profile.ok_or_else(|| unknown(&id))?;
        profile.change(&changes, now)?;
        Ok(shown(profile, &account))
    })?;
    Ok(Json(json!({ "data": data })))
}

fn shown(profile: &Profile, account: &Account) -> Value {
    profile.shown(&account.identity.organization_id)
}

fn unknown(id: &str) -> Refusal {
    Refusal::new("10005", format!("There is no messaging profile '{id}'."))
}

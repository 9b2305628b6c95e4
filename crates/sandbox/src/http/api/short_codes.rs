//! The account's short codes and the profile that each is on.

use axum::extract::Path;
use serde_json::{Value, json};

use crate::account::World;
use crate::account::short_code::ShortCode;
use crate::clock;
use crate::field;
use crate::http::api::answer::{Answer, data, unknown};
use crate::http::api::profiles::{check_assignable, find as find_profile, is_on};
use crate::http::api::request::{Fields, Query};
use crate::http::gate::Tenant;
use crate::refusal::Refusal;

/// Lists the short codes.
pub(crate) async fn list(Tenant(account): Tenant, mut query: Query) -> Answer {
    let profile = query.take("filter[messaging_profile_id]");
    let page = query.page()?;
    let matches = |code: &&ShortCode| is_on(profile.as_deref(), code.profile_id.as_deref());
    Ok(account.read(|world| page.of(world.short_codes.iter().filter(matches), shown)))
}

/// Lists the short codes that are on a profile.
pub(crate) async fn list_on_profile(Tenant(account): Tenant, Path(id): Path<String>, query: Query) -> Answer {
    let page = query.page()?;
    account.read(|world| {
        find_profile(world, &id)?;
        let on_it = world.short_codes.iter().filter(|code| code.profile_id.as_ref() == Some(&id));
        Ok(page.of(on_it, shown))
    })
}

/// Shows a short code.
pub(crate) async fn show(Tenant(account): Tenant, Path(id): Path<String>) -> Answer {
    account.read(|world| find(world, &id).map(|code| data(shown(code))))
}

/// Puts a short code on a profile, or on none when null or nothing is given, and replaces its tags.
pub(crate) async fn change(Tenant(account): Tenant, Path(id): Path<String>, mut fields: Fields) -> Answer {
    const PROFILE: &str = "messaging_profile_id";
    let profile = fields.0.remove(PROFILE).ok_or_else(|| field::missing(PROFILE))?;
    let profile_id = field::optional_text(&profile, "/messaging_profile_id")?;
    let tags = fields.texts("tags")?;
    fields.finish("a short code")?;
    let now = account.clock.now();
    account.change(|world| {
        let mut changed = find(world, &id)?.clone();
        if let Some(profile_id) = &profile_id {
            check_assignable(world, profile_id)?;
        }
        changed.profile_id = profile_id;
        changed.tags = tags.unwrap_or(changed.tags);
        changed.updated_at = now;
        let answer = data(shown(&changed));
        if let Some(place) = world.short_codes.iter_mut().find(|code| code.id == changed.id) {
            *place = changed;
        }
        Ok(answer)
    })
}

// By its id, or by its digits as numbers are.
fn find<'a>(world: &'a World, id: &str) -> Result<&'a ShortCode, Refusal> {
    let found = world.short_codes.iter().find(|code| code.id == id || code.code == id);
    found.ok_or_else(|| unknown("short code", id))
}

fn shown(code: &ShortCode) -> Value {
    json!({
        "country_code": "US",
        "created_at": clock::format(code.created_at),
        "id": code.id,
        "messaging_profile_id": code.profile_id,
        "record_type": "short_code",
        "short_code": code.code,
        "tags": code.tags,
        "updated_at": clock::format(code.updated_at),
    })
}

//! A profile's automatic answers to keywords: list, one, create, replace, delete.

use axum::Json;
use axum::extract::Path;
use jiff::Timestamp;
use serde_json::json;

use crate::account::World;
use crate::account::autoresponder::{Autoresponder, Rule};
use crate::http::api::answer::{Answer, data, unknown};
use crate::http::api::request::{Fields, Query};
use crate::http::gate::Tenant;
use crate::refusal::Refusal;

/// Lists the automatic answers of a profile.
pub(crate) async fn list(
    Tenant(account): Tenant,
    Path(profile_id): Path<String>,
    mut query: Query,
) -> Answer {
    let country = query.take("country_code");
    let created = (time(&mut query, "created_at[gte]")?, time(&mut query, "created_at[lte]")?);
    let updated = (time(&mut query, "updated_at[gte]")?, time(&mut query, "updated_at[lte]")?);
    let page = query.page()?;
    let within = |at: Timestamp, (from, to): (Option<Timestamp>, Option<Timestamp>)| {
        from.is_none_or(|from| at >= from) && to.is_none_or(|to| at <= to)
    };
    account.read(|world| {
        require_profile(world, &profile_id)?;
        let matches = |own: &&Autoresponder| {
            own.profile_id == profile_id
                && country.as_ref().is_none_or(|wanted| own.country_code() == wanted)
                && within(own.created_at, created)
                && within(own.updated_at, updated)
        };
        Ok(page.of(world.autoresponders.iter().filter(matches), Autoresponder::shown))
    })
}

/// Shows one.
pub(crate) async fn show(Tenant(account): Tenant, Path((profile_id, id)): Path<(String, String)>) -> Answer {
    let found = account.read(|world| {
        let place = place(world, &profile_id, &id)?;
        Ok(world.autoresponders[place].shown())
    })?;
    Ok(data(found))
}

/// Adds one.
pub(crate) async fn create(
    Tenant(account): Tenant,
    Path(profile_id): Path<String>,
    Fields(fields): Fields,
) -> Answer {
    let now = account.clock.now();
    let shown = account.change(|world| {
        require_profile(world, &profile_id)?;
        let rule = Rule::read(&fields)?;
        let id = world.random.uuid("autoresponder");
        let own = Autoresponder { id, profile_id, rule, created_at: now, updated_at: now };
        let shown = own.shown();
        world.autoresponders.push(own);
        Ok(shown)
    })?;
    Ok(data(shown))
}

/// Puts another rule in the place of one.
pub(crate) async fn replace(
    Tenant(account): Tenant,
    Path((profile_id, id)): Path<(String, String)>,
    Fields(fields): Fields,
) -> Answer {
    let now = account.clock.now();
    let shown = account.change(|world| {
        let place = place(world, &profile_id, &id)?;
        let rule = Rule::read(&fields)?;
        let own = &mut world.autoresponders[place];
        (own.rule, own.updated_at) = (rule, now);
        Ok(own.shown())
    })?;
    Ok(data(shown))
}

/// Takes one away.
pub(crate) async fn remove(
    Tenant(account): Tenant,
    Path((profile_id, id)): Path<(String, String)>,
) -> Answer {
    account.change(|world| {
        let place = place(world, &profile_id, &id)?;
        world.autoresponders.remove(place);
        Ok(())
    })?;
    // Telnyx's API description has this text and no envelope.
    Ok(Json(json!("OK")))
}

fn require_profile(world: &World, id: &str) -> Result<(), Refusal> {
    world.profile(id).map(drop).ok_or_else(|| unknown("messaging profile", id))
}

fn place(world: &World, profile_id: &str, id: &str) -> Result<usize, Refusal> {
    let is_it = |own: &Autoresponder| own.profile_id == profile_id && own.id == id;
    world.autoresponders.iter().position(is_it).ok_or_else(|| unknown("auto-response setting", id))
}

fn time(query: &mut Query, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let wrong = |_| {
        let detail = format!("`{name}` should be a time as 2026-01-31T12:00:00Z.");
        Refusal::new("10015", detail).in_parameter(name)
    };
    query.take(name).map(|text| text.parse().map_err(wrong)).transpose()
}

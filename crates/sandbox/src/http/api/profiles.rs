//! Telnyx's messaging profiles: made, listed, shown, changed and deleted.

use axum::Json;
use axum::extract::Path;
use serde_json::Value;

use crate::account::profile::Profile;
use crate::account::{Account, World};
use crate::http::api::answer::{Answer, data, unknown};
use crate::http::api::request::{Fields, Query};
use crate::http::gate::Tenant;
use crate::refusal::Refusal;

/// Lists the profiles, by name where asked.
pub(crate) async fn list(Tenant(account): Tenant, mut query: Query) -> Answer {
    let equal = query.equal("filter[name]");
    let part = query.take("filter[name][contains]");
    let page = query.page()?;
    let matches = |profile: &&Profile| {
        let name = profile.name.to_lowercase();
        equal.as_ref().is_none_or(|wanted| name == wanted.to_lowercase())
            && part.as_ref().is_none_or(|wanted| name.contains(&wanted.to_lowercase()))
    };
    Ok(account
        .read(|world| page.of(world.profiles.iter().filter(matches), |profile| shown(profile, &account))))
}

/// Makes a profile.
pub(crate) async fn create(Tenant(account): Tenant, Fields(fields): Fields) -> Answer {
    let now = account.clock.now();
    account.change(|world| {
        let (id, secret) = (world.random.uuid("messaging profile"), new_secret(world));
        let blank = Profile::blank(id, secret, now);
        let profile = blank.create(&fields, account.host.config.api.profile_needs_destinations)?;
        let answer = data(shown(&profile, &account));
        world.profiles.push(profile);
        Ok(answer)
    })
}

/// Shows a profile.
pub(crate) async fn show(Tenant(account): Tenant, Path(id): Path<String>) -> Answer {
    account.read(|world| find(world, &id).map(|profile| data(shown(profile, &account))))
}

/// Changes a profile: all that is asked for, or nothing.
pub(crate) async fn change(
    Tenant(account): Tenant,
    Path(id): Path<String>,
    Fields(changes): Fields,
) -> Answer {
    let now = account.clock.now();
    on_profile(&account, &id, |profile, _| profile.change(&changes, &account.identity.organization_id, now))
}

/// Gives a profile a fresh `v1_secret`.
pub(crate) async fn regenerate_secret(Tenant(account): Tenant, Path(id): Path<String>) -> Answer {
    let now = account.clock.now();
    on_profile(&account, &id, |profile, secret| {
        (profile.v1_secret, profile.updated_at) = (secret(), now);
        Ok(())
    })
}

/// Deletes a profile. Its numbers and short codes are on none from then on, its alphanumeric senders are gone.
pub(crate) async fn delete(Tenant(account): Tenant, Path(id): Path<String>) -> Answer {
    let now = account.clock.now();
    account.change(|world| {
        let index = world.profiles.iter().position(|profile| profile.id == id);
        let profile = world.profiles.remove(index.ok_or_else(|| unknown("messaging profile", &id))?);
        let on_it = |profile_id: &Option<String>| profile_id.as_ref() == Some(&profile.id);
        for number in world.numbers.iter_mut().filter(|number| on_it(&number.profile_id)) {
            (number.profile_id, number.updated_at) = (None, now);
        }
        for code in world.short_codes.iter_mut().filter(|code| on_it(&code.profile_id)) {
            (code.profile_id, code.updated_at) = (None, now);
        }
        world.alpha_senders.retain(|sender| sender.profile_id != profile.id);
        Ok(data(shown(&profile, &account)))
    })
}

/// A profile of the account, or the refusal of its id.
pub(super) fn find<'a>(world: &'a World, id: &str) -> Result<&'a Profile, Refusal> {
    world.profile(id).ok_or_else(|| unknown("messaging profile", id))
}

/// Checks that a profile may be assigned to something.
pub(super) fn check_assignable(world: &World, id: &str) -> Result<(), Refusal> {
    find(world, id).map(drop).map_err(|refusal| refusal.at("/messaging_profile_id"))
}

/// Whether something is on the profile that a filter asks for; `null` asks for what is on none.
pub(super) fn is_on(wanted: Option<&str>, profile_id: Option<&str>) -> bool {
    match wanted {
        None => true,
        Some("null") => profile_id.is_none(),
        wanted => wanted == profile_id,
    }
}

fn on_profile(
    account: &Account,
    id: &str,
    change: impl FnOnce(&mut Profile, &mut dyn FnMut() -> String) -> Result<(), Refusal>,
) -> Answer {
    account.change(|world| {
        let mut profile = find(world, id)?.clone();
        change(&mut profile, &mut || new_secret(world))?;
        let answer: Json<Value> = data(shown(&profile, account));
        if let Some(place) = world.profiles.iter_mut().find(|other| other.id == id) {
            *place = profile;
        }
        Ok(answer)
    })
}

// Real secrets are 24 letters and digits.
fn new_secret(world: &mut World) -> String {
    world.random.hex("v1 secret")[..24].to_owned()
}

fn shown(profile: &Profile, account: &Account) -> Value {
    profile.shown(&account.identity.organization_id)
}

//! The messaging settings of the account's numbers: which profile each is on, and what it can carry.

use axum::extract::Path;
use serde_json::{Value, json};

use crate::account::number::{NumberKind, OwnNumber};
use crate::account::{Account, World};
use crate::clock;
use crate::http::api::answer::{Answer, data, unknown};
use crate::http::api::health::Health;
use crate::http::api::profiles::{check_assignable, find as find_profile, is_on};
use crate::http::api::request::{Fields, Query};
use crate::http::gate::Tenant;
use crate::message::number_plan;
use crate::refusal::Refusal;

/// Messaging products that a number can be registered to.
const PRODUCTS: [&str; 2] = ["A2P", "P2P"];

/// Lists the numbers with their messaging settings.
pub(crate) async fn list(Tenant(account): Tenant, mut query: Query) -> Answer {
    const KINDS: [(&str, Option<NumberKind>); 3] = [
        ("longcode", Some(NumberKind::LongCode)),
        ("tollfree", Some(NumberKind::TollFree)),
        // Short codes have a list of their own.
        ("shortcode", None),
    ];
    let profile = query.take("filter[messaging_profile_id]");
    let (equal, part) = (query.equal("filter[phone_number]"), query.take("filter[phone_number][contains]"));
    let kind = query.one_of("filter[type]", &KINDS)?;
    let descending = query.one_of("sort[phone_number]", &[("asc", false), ("desc", true)])?;
    let page = query.page()?;
    let matches = |own: &&OwnNumber| {
        is_on(profile.as_deref(), own.profile_id.as_deref())
            && equal.as_ref().is_none_or(|wanted| own.number.as_str() == wanted)
            && part.as_ref().is_none_or(|wanted| own.number.as_str().contains(wanted))
            && kind.is_none_or(|wanted| Some(own.kind()) == wanted)
    };
    Ok(account.read(|world| {
        let mut found: Vec<&OwnNumber> = world.numbers.iter().filter(matches).collect();
        match descending {
            None => {}
            Some(false) => found.sort_by_key(|own| own.number.as_str()),
            Some(true) => found.sort_by_key(|own| std::cmp::Reverse(own.number.as_str())),
        }
        let health = Health::of(world, account.clock.now());
        page.of(found, |own| shown(own, &health, &account))
    }))
}

/// Lists the numbers that are on a profile.
pub(crate) async fn list_on_profile(Tenant(account): Tenant, Path(id): Path<String>, query: Query) -> Answer {
    let page = query.page()?;
    account.read(|world| {
        find_profile(world, &id)?;
        let on_it = world.numbers.iter().filter(|own| own.profile_id.as_ref() == Some(&id));
        let health = Health::of(world, account.clock.now());
        Ok(page.of(on_it, |own| shown(own, &health, &account)))
    })
}

/// Shows a number's messaging settings.
pub(crate) async fn show(Tenant(account): Tenant, Path(id): Path<String>) -> Answer {
    account.read(|world| {
        let own = find(world, &id)?;
        Ok(data(shown(own, &Health::of(world, account.clock.now()), &account)))
    })
}

/// Changes a number's messaging settings: all that is asked for, or nothing.
pub(crate) async fn change(Tenant(account): Tenant, Path(id): Path<String>, mut fields: Fields) -> Answer {
    let profile = assignment(&mut fields, account.host.config.api.null_unassigns_number)?;
    let (product, tags) = (fields.text("messaging_product")?, fields.texts("tags")?);
    fields.finish("a number's messaging settings")?;
    check_product(product.as_deref())?;
    let now = account.clock.now();
    account.change(|world| {
        let mut changed = find(world, &id)?.clone();
        if let Some(Some(profile_id)) = &profile {
            check_assignable(world, profile_id)?;
        }
        changed.profile_id = profile.unwrap_or(changed.profile_id);
        changed.messaging_product = product.unwrap_or(changed.messaging_product);
        changed.tags = tags.unwrap_or(changed.tags);
        changed.updated_at = now;
        let answer = data(shown(&changed, &Health::of(world, now), &account));
        if let Some(place) = world.numbers.iter_mut().find(|own| own.id == changed.id) {
            *place = changed;
        }
        Ok(answer)
    })
}

/// A number by its id, or by itself as Telnyx's guides have it.
pub(super) fn find<'a>(world: &'a World, id: &str) -> Result<&'a OwnNumber, Refusal> {
    let found = world.numbers.iter().find(|own| own.id == id || own.number.as_str() == id);
    found.ok_or_else(|| unknown("phone number", id))
}

/// The profile that a body assigns: nothing said, none, or one. An empty text takes a number off its profile; null
/// says nothing by the API's description, and takes it off by other pages.
fn assignment(fields: &mut Fields, null_unassigns: bool) -> Result<Option<Option<String>>, Refusal> {
    if fields.0.get("messaging_profile_id") == Some(&Value::Null) && null_unassigns {
        fields.0.remove("messaging_profile_id");
        return Ok(Some(None));
    }
    let given = fields.text("messaging_profile_id")?;
    Ok(given.map(|id| Some(id).filter(|id| !id.is_empty())))
}

fn check_product(product: Option<&str>) -> Result<(), Refusal> {
    match product {
        Some(product) if !PRODUCTS.contains(&product) => {
            let detail = format!("The messaging product is one of {}.", PRODUCTS.join(", "));
            Err(Refusal::new("10032", detail).at("/messaging_product"))
        }
        _ => Ok(()),
    }
}

fn shown(own: &OwnNumber, health: &Health<'_>, account: &Account) -> Value {
    let everything =
        json!({"domestic_two_way": true, "international_inbound": true, "international_outbound": true});
    let mut shown = json!({
        "created_at": clock::format(own.created_at),
        "eligible_messaging_products": PRODUCTS,
        "features": {"mms": own.takes_mms.then_some(&everything), "sms": everything},
        "health": health.shown(own.number.as_str()),
        "id": own.id,
        "messaging_product": own.messaging_product,
        "messaging_profile_id": own.profile_id,
        "organization_id": account.identity.organization_id,
        "phone_number": own.number,
        "record_type": "messaging_settings",
        "tags": own.tags,
        "traffic_type": own.messaging_product,
        "type": match own.kind() {
            NumberKind::LongCode => "long-code",
            NumberKind::TollFree => "toll-free",
        },
        "updated_at": clock::format(own.updated_at),
    });
    // A country that the sandbox does not know is left out.
    if let Some(country) = number_plan::country(&own.number) {
        shown["country_code"] = json!(country);
    }
    shown
}

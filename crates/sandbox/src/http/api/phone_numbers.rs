//! The account's numbers as Telnyx's number inventory shows them, as far as messaging is concerned.

use serde_json::{Value, json};

use crate::account::World;
use crate::account::number::{NumberKind, OwnNumber};
use crate::clock;
use crate::http::api::answer::Answer;
use crate::http::api::request::Query;
use crate::http::gate::Tenant;
use crate::message::number_plan;
use crate::refusal::Refusal;

/// A filter by digits needs so many of them.
const MIN_DIGITS: usize = 3;

/// Lists the numbers.
pub(crate) async fn list(Tenant(account): Tenant, mut query: Query) -> Answer {
    let kinds = [
        ("local", Some(NumberKind::LongCode)),
        ("toll_free", Some(NumberKind::TollFree)),
        ("national", None),
        ("mobile", None),
        ("shared_cost", None),
    ];
    let part = digits(&mut query)?;
    let tag = query.equal("filter[tag]");
    let status = query.equal("filter[status]");
    let country = query.equal("filter[country_iso_alpha2]");
    let kind = query.one_of("filter[number_type]", &kinds)?;
    let untagged = query.take("filter[without_tags]").is_some_and(|value| value == "true");
    // The profile is always at hand, so there is never an error to handle.
    query.one_of("handle_messaging_profile_error", &[("true", true), ("false", false)])?;
    let by_number = query.one_of("sort", &[("phone_number", true), ("purchased_at", false)])?;
    let page = query.page()?;
    let matches = |own: &&OwnNumber| {
        part.as_ref().is_none_or(|wanted| own.number.as_str().contains(wanted.as_str()))
            && tag.as_ref().is_none_or(|wanted| own.tags.contains(wanted))
            && status.as_ref().is_none_or(|wanted| wanted == "active")
            && country.as_deref().is_none_or(|wanted| number_plan::country(&own.number) == Some(wanted))
            && kind.is_none_or(|wanted| wanted == Some(own.kind()))
            && (!untagged || own.tags.is_empty())
    };
    Ok(account.read(|world| {
        let mut found: Vec<&OwnNumber> = world.numbers.iter().filter(matches).collect();
        if by_number == Some(true) {
            found.sort_by_key(|own| own.number.as_str());
        }
        page.of(found, |own| shown(own, world))
    }))
}

fn digits(query: &mut Query) -> Result<Option<String>, Refusal> {
    const NAME: &str = "filter[phone_number]";
    let Some(given) = query.equal(NAME) else { return Ok(None) };
    // A plus that was not escaped arrives as a space.
    let given = given.trim().to_owned();
    match given.bytes().filter(u8::is_ascii_digit).count() >= MIN_DIGITS {
        true => Ok(Some(given)),
        false => {
            Err(Refusal::new("10031", format!("`{NAME}` needs at least {MIN_DIGITS} digits."))
                .in_parameter(NAME))
        }
    }
}

fn shown(own: &OwnNumber, world: &World) -> Value {
    let profile = own.profile_id.as_deref().and_then(|id| world.profile(id));
    json!({
        "billing_group_id": null,
        "connection_id": null,
        "connection_name": null,
        "country_iso_alpha2": number_plan::country(&own.number).unwrap_or_default(),
        "created_at": clock::format(own.created_at),
        "customer_reference": null,
        "deletion_lock_enabled": false,
        "emergency_address_id": null,
        "emergency_enabled": false,
        "emergency_status": "disabled",
        "external_pin": null,
        "id": own.id,
        "messaging_profile_id": own.profile_id,
        "messaging_profile_name": profile.map(|profile| profile.name.as_str()),
        "phone_number": own.number,
        "phone_number_type": match own.kind() {
            NumberKind::LongCode => "local",
            NumberKind::TollFree => "toll_free",
        },
        "purchased_at": clock::format(own.created_at),
        "record_type": "phone_number",
        "source_type": null,
        "status": "active",
        "tags": own.tags,
        "updated_at": clock::format(own.updated_at),
    })
}

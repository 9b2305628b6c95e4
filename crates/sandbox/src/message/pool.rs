//! A number pool: chooses which number of a profile a message comes from.

use std::collections::BTreeMap;

use inlet_telnyx::PhoneNumber;

use crate::account::World;
use crate::account::number::{NumberKind, OwnNumber};
use crate::account::profile::{NumberPoolSettings, Profile};
use crate::message::number_plan::area_code;
use crate::refusal::Refusal;

/// Which number has written to whom before, by profile and recipient.
pub(crate) type LastSenders = BTreeMap<String, PhoneNumber>;

/// Chooses by the profile's settings; without any, all its numbers are equal.
pub(crate) fn choose(
    world: &mut World,
    profile: &Profile,
    to: &PhoneNumber,
    is_mms: bool,
) -> Result<PhoneNumber, Refusal> {
    let settings = profile.number_pool_settings;
    let is_usable = |own: &&OwnNumber| {
        own.profile_id.as_ref() == Some(&profile.id)
            && (own.takes_mms || !is_mms)
            && weight(own, settings) > 0.0
    };
    let usable: Vec<&OwnNumber> = world.numbers.iter().filter(is_usable).collect();
    if usable.is_empty() {
        let detail = "No number of the messaging profile's pool can send this message.";
        return Err(Refusal::new("40321", detail).at("/messaging_profile_id"));
    }
    let key = format!("{} {to}", profile.id);
    let before = world.last_senders.get(&key).filter(|_| settings.is_some_and(|pool| pool.sticky_sender));
    if let Some(own) = before.and_then(|before| usable.iter().find(|own| own.number == *before)) {
        return Ok(own.number.clone());
    }
    let is_near = |own: &&&OwnNumber| {
        settings.is_some_and(|pool| pool.geomatch) && area_code(own.number.as_str()) == area_code(to.as_str())
    };
    let near: Vec<&OwnNumber> = usable.iter().filter(is_near).copied().collect();
    let candidates = if near.is_empty() { usable } else { near };
    let chosen = draw(&candidates, settings, world.random.fraction("number pool")).clone();
    if settings.is_some_and(|pool| pool.sticky_sender) {
        world.last_senders.insert(key, chosen.clone());
    }
    Ok(chosen)
}

fn weight(own: &OwnNumber, settings: Option<NumberPoolSettings>) -> f64 {
    match (settings, own.kind()) {
        (None, _) => 1.0,
        (Some(pool), NumberKind::LongCode) => pool.long_code_weight,
        (Some(pool), NumberKind::TollFree) => pool.toll_free_weight,
    }
}

/// The number at a fraction of all weights in a row.
fn draw<'a>(
    candidates: &[&'a OwnNumber],
    settings: Option<NumberPoolSettings>,
    fraction: f64,
) -> &'a PhoneNumber {
    let total: f64 = candidates.iter().map(|own| weight(own, settings)).sum();
    let mut rest = fraction * total;
    for own in candidates {
        rest -= weight(own, settings);
        if rest < 0.0 {
            return &own.number;
        }
    }
    // Rounding may leave a crumb.
    &candidates[candidates.len() - 1].number
}

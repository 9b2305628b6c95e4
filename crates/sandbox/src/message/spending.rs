//! What profiles spend in a day, and the limit that they set themselves.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::profile::{Profile, WebhookApiVersion};
use crate::account::{Account, World};
use crate::message::Message;
use crate::message::price::dollars;
use crate::message::receipt::Occasion;
use crate::refusal::Refusal;
use crate::webhook::route::Route;

const SECONDS_OF_A_DAY: i64 = 24 * 60 * 60;

/// What every profile has spent on the latest day on which it sent, by its id.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Spending {
    by_profile: BTreeMap<String, Day>,
}

/// Days begin at midnight UTC.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Day {
    number: i64,
    hundred_thousandths: u64,
}

impl Spending {
    /// What a profile has spent today.
    pub(crate) fn today(&self, profile_id: &str, now: Timestamp) -> u64 {
        let day = self.by_profile.get(profile_id).filter(|day| day.number == day_of(now));
        day.map_or(0, |day| day.hundred_thousandths)
    }

    fn add(&mut self, profile_id: &str, amount: u64, now: Timestamp) {
        let before = self.today(profile_id, now);
        let day = Day { number: day_of(now), hundred_thousandths: before + amount };
        self.by_profile.insert(profile_id.to_owned(), day);
    }

    /// Takes back what a message cost, if that was today.
    pub(crate) fn give_back(&mut self, profile_id: &str, amount: u64, spent_at: Timestamp) {
        let day = self.by_profile.get_mut(profile_id).filter(|day| day.number == day_of(spent_at));
        if let Some(day) = day {
            day.hundred_thousandths = day.hundred_thousandths.saturating_sub(amount);
        }
    }
}

fn day_of(time: Timestamp) -> i64 {
    time.as_second().div_euclid(SECONDS_OF_A_DAY)
}

/// Hundred-thousandths of a dollar that a profile may spend in a day, where that is limited.
fn limit(profile: &Profile) -> Option<u64> {
    let (whole, fraction) =
        profile.daily_spend_limit.split_once('.').unwrap_or((&profile.daily_spend_limit, ""));
    let fraction: String = fraction.chars().chain("00000".chars()).take(5).collect();
    let amount = whole.parse::<u64>().ok()?.checked_mul(100_000)?.checked_add(fraction.parse().ok()?)?;
    profile.daily_spend_limit_enabled.then_some(amount)
}

impl Account {
    /// Refuses what a profile that has reached its limit would spend.
    pub(crate) fn check_spending(&self, world: &World, profile_id: &str) -> Result<(), Refusal> {
        let Some(limit) = world.profile(profile_id).and_then(limit) else { return Ok(()) };
        if world.spending.today(profile_id, self.clock.now()) < limit {
            return Ok(());
        }
        let detail =
            "The messaging profile has reached its daily_spend_limit; it begins anew at midnight UTC.";
        Err(Refusal::new("40333", detail).at("/messaging_profile_id"))
    }

    /// Counts what a message costs, and tells when the limit is reached by it.
    pub(crate) fn spend(&self, world: &mut World, message: &Message) {
        let now = self.clock.now();
        let before = world.spending.today(&message.profile_id, now);
        world.spending.add(&message.profile_id, message.cost_hundred_thousandths(), now);
        let spent = world.spending.today(&message.profile_id, now);
        let Some(profile) = world.profile(&message.profile_id) else { return };
        let is_reached = limit(profile).is_some_and(|limit| before < limit && spent >= limit);
        // Version 1 has no form for what is not about a message.
        if !is_reached || profile.webhook_api_version == WebhookApiVersion::One {
            return;
        }
        let amount = dollars(spent);
        let payload = serde_json::json!({
            "configured_limit": profile.daily_spend_limit,
            "current_cost": amount[..amount.len() - 1],
            "profile_id": profile.id,
        });
        let route = Route::new(profile.webhook_url.clone(), profile.webhook_failover_url.clone());
        let event_id = world.random.uuid("event");
        let occasion = Occasion::at(now, "messaging-profile.spend-limit-reached", payload);
        self.publish(world, message, event_id, occasion, route);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn spending_begins_anew_at_midnight_utc() {
        let mut spending = Spending::default();
        let evening: Timestamp = "2026-03-01T23:59:59Z".parse().unwrap();
        let night = clock::after(evening, std::time::Duration::from_secs(1));
        spending.add("p", 700, evening);
        spending.add("p", 300, evening);
        assert_eq!((spending.today("p", evening), spending.today("p", night)), (1000, 0));
        spending.give_back("p", 300, evening);
        spending.give_back("p", 300, night);
        assert_eq!(spending.today("p", evening), 700);
    }
}

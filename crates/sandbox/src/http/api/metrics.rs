//! How much a profile has sent and received lately, counted from its messages.

use std::time::Duration;

use axum::extract::Path;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::account::World;
use crate::account::profile::Profile;
use crate::clock;
use crate::http::api::answer::{Answer, data};
use crate::http::api::profiles::find;
use crate::http::api::request::Query;
use crate::http::gate::Tenant;
use crate::message::record::Record;
use crate::refusal::Refusal;

/// Intervals into which a time frame is broken down.
const INTERVALS: u32 = 12;

/// Counts for all profiles.
pub(crate) async fn list(Tenant(account): Tenant, mut query: Query) -> Answer {
    let frame = frame(&mut query)?;
    let page = query.page()?;
    let now = account.clock.now();
    Ok(account.read(|world| {
        page.of(&world.profiles, |profile| {
            let tally = Tally::of(world, profile, now, (earlier(now, frame), now));
            json!({
                "inbound": tally.inbound(),
                "messaging_profile_id": profile.id,
                "outbound": tally.outbound(),
                "phone_numbers": phone_numbers(world, profile),
                "record_type": "messaging_profile_metrics",
            })
        })
    }))
}

/// Counts for one profile, interval by interval.
pub(crate) async fn show(Tenant(account): Tenant, Path(id): Path<String>, mut query: Query) -> Answer {
    let frame = frame(&mut query)?;
    query.finish()?;
    let now = account.clock.now();
    account.read(|world| {
        let profile = find(world, &id)?;
        let since = |intervals_ago: u32| earlier(now, frame / INTERVALS * intervals_ago);
        let detailed = (0..INTERVALS).rev().map(|place| {
            let tally = Tally::of(world, profile, now, (since(place + 1), since(place)));
            json!({
                "metrics": [
                    {"data": tally.received.to_string(), "label": "received"},
                    {"data": tally.sent.to_string(), "label": "sent"},
                    {"data": tally.delivered.to_string(), "label": "delivered"},
                ],
                "timestamp": clock::format(since(place + 1)),
            })
        });
        let tally = Tally::of(world, profile, now, (earlier(now, frame), now));
        Ok(data(json!({
            "detailed": detailed.collect::<Vec<_>>(),
            "overview": {
                "inbound": tally.inbound(),
                "outbound": tally.outbound(),
                "phone_numbers": phone_numbers(world, profile),
            },
            "record_type": "messaging_profile_metrics",
        })))
    })
}

fn frame(query: &mut Query) -> Result<Duration, Refusal> {
    const FRAMES: [(&str, u64); 6] =
        [("1h", 1), ("3h", 3), ("24h", 24), ("3d", 72), ("7d", 168), ("30d", 720)];
    let hours = query.one_of("time_frame", &FRAMES)?.unwrap_or(24);
    Ok(Duration::from_secs(hours * 60 * 60))
}

fn earlier(now: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    now.checked_sub(by).unwrap_or(Timestamp::MIN)
}

fn phone_numbers(world: &World, profile: &Profile) -> usize {
    world.numbers.iter().filter(|own| own.profile_id.as_ref() == Some(&profile.id)).count()
}

/// Messages that came or went, and how those that went ended.
#[derive(Default)]
struct Tally {
    received: u32,
    sent: u32,
    delivered: u32,
    failed: u32,
}

impl Tally {
    fn of(world: &World, profile: &Profile, now: Timestamp, (after, until): (Timestamp, Timestamp)) -> Self {
        let mut tally = Self::default();
        let within = |record: &Record<'_>| {
            let at = record.message.received_at;
            record.message.profile_id == profile.id && after < at && at <= until
        };
        for record in world.records(now).filter(within) {
            match record.status {
                "received" => tally.received += 1,
                status => {
                    tally.sent += 1;
                    tally.delivered += u32::from(status == "delivered");
                    tally.failed += u32::from(matches!(status, "failed" | "gw_reject" | "gw_timeout"));
                }
            }
        }
        tally
    }

    fn inbound(&self) -> Value {
        json!({ "received": self.received })
    }

    fn outbound(&self) -> Value {
        let error_ratio = f64::from(self.failed) / f64::from(self.sent.max(1));
        json!({ "delivered": self.delivered, "error_ratio": error_ratio, "sent": self.sent })
    }
}

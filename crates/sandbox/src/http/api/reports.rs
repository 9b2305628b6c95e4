//! Telnyx's older report of messages: fewer fields, and its words in capitals.

use serde_json::{Value, json};

use crate::account::World;
use crate::clock;
use crate::http::api::answer::Answer;
use crate::http::api::request::Query;
use crate::http::gate::Tenant;
use crate::message::record::Record;

/// Lists the messages that have ended, the latest first.
pub(crate) async fn mdrs(Tenant(account): Tenant, mut query: Query) -> Answer {
    let (since, until) = (query.time("start_date")?, query.time("end_date")?);
    let direction = query.one_of("direction", &[("INBOUND", "inbound"), ("OUTBOUND", "outbound")])?;
    let status = query.one_of("status", &STATUSES)?;
    let kind = query.one_of("message_type", &[("SMS", "SMS"), ("MMS", "MMS")])?;
    let [id, profile, cld, cli] = ["id", "profile", "cld", "cli"].map(|name| {
        // A plus that was not escaped arrives as a space.
        query.take(name).map(|value| value.replacen(' ', "+", usize::from(value.starts_with(' '))))
    });
    let page = query.page()?;
    let is = |wanted: &Option<String>, given: &str| wanted.as_ref().is_none_or(|wanted| wanted == given);
    let now = account.clock.now();
    Ok(account.read(|world| {
        let matches = |record: &Record<'_>| {
            let at = record.message.received_at;
            since.is_none_or(|since| at >= since)
                && until.is_none_or(|until| at <= until)
                && direction.is_none_or(|wanted| wanted == record.direction())
                && status.is_none_or(|wanted| wanted == record.status)
                && kind.is_none_or(|wanted| wanted == record.kind())
                && is(&id, &record.message.id)
                && is(&profile, profile_name(record, world))
                && is(&cld, &record.recipient.number)
                && is(&cli, &record.message.from)
        };
        page.of(world.records(now).rev().filter(matches), |record| shown(&record, world))
    }))
}

const STATUSES: [(&str, &str); 7] = [
    ("GW_TIMEOUT", "gw_timeout"),
    ("DELIVERED", "delivered"),
    ("DLR_UNCONFIRMED", "dlr_unconfirmed"),
    ("DLR_TIMEOUT", "dlr_timeout"),
    ("RECEIVED", "received"),
    ("GW_REJECT", "gw_reject"),
    ("FAILED", "failed"),
];

fn profile_name<'a>(record: &Record<'_>, world: &'a World) -> &'a str {
    world.profile(&record.message.profile_id).map(|profile| profile.name.as_str()).unwrap_or_default()
}

fn shown(record: &Record<'_>, world: &World) -> Value {
    let (rate, cost) = record.rate_and_cost();
    json!({
        "cld": record.recipient.number,
        "cli": record.message.from,
        "cost": cost,
        "created_at": clock::format(record.message.received_at),
        "currency": "USD",
        "direction": record.direction(),
        "id": record.message.id,
        "message_type": record.kind(),
        "parts": record.message.parts(),
        "profile_name": profile_name(record, world),
        "rate": rate,
        "record_type": "mdr_report",
        "status": record.status.to_uppercase(),
    })
}

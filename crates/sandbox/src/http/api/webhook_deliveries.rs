//! Telnyx's own record of webhooks: each event that was delivered or given up, with every attempt.

use axum::extract::Path;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::account::Account;
use crate::clock;
use crate::http::api::answer::{Answer, data, unknown};
use crate::http::api::request::Query;
use crate::http::gate::Tenant;
use crate::refusal::Refusal;
use crate::webhook::delivery::{Attempt, Delivery, DeliveryStatus};
use crate::webhook::request;

/// Where the number of a delivery begins in the id of its record.
const SEQUENCE_AT: usize = 24;

/// Lists the records, the latest first.
pub(crate) async fn list(Tenant(account): Tenant, mut query: Query) -> Answer {
    let filter = Filter::read(&mut query)?;
    let page = query.page()?;
    Ok(account.read(|world| {
        let all = world.deliveries.all_after(0).rev();
        let found = all.filter(|delivery| outcome(delivery).is_some() && filter.admits(delivery, &account));
        page.of(found, |delivery| shown(delivery, &account))
    }))
}

/// Shows a record.
pub(crate) async fn show(Tenant(account): Tenant, Path(id): Path<String>) -> Answer {
    let sequence = id.get(SEQUENCE_AT..).and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let found = account.read(|world| {
        let delivery = world.deliveries.get(sequence?)?;
        (outcome(delivery).is_some() && record_id(delivery, &account) == id)
            .then(|| data(shown(delivery, &account)))
    });
    found.ok_or_else(|| unknown("webhook delivery", &id))
}

struct Filter {
    status: Option<&'static str>,
    event_types: Option<Vec<String>>,
    webhook_part: Option<String>,
    attempts_part: Option<String>,
    started: Span,
    finished: Span,
}

/// From a time to a time, both included.
struct Span(Option<Timestamp>, Option<Timestamp>);

impl Filter {
    fn read(query: &mut Query) -> Result<Self, Refusal> {
        let types = query.equal("filter[event_type]");
        let statuses = [("delivered", "delivered"), ("failed", "failed")];
        Ok(Self {
            status: query.one_of("filter[status]", &statuses)?,
            event_types: types.map(|types| types.split(',').map(|kind| kind.trim().to_owned()).collect()),
            webhook_part: query.take("filter[webhook][contains]"),
            attempts_part: query.take("filter[attempts][contains]"),
            started: Span::read(query, "filter[started_at]")?,
            finished: Span::read(query, "filter[finished_at]")?,
        })
    }

    fn admits(&self, delivery: &Delivery, account: &Account) -> bool {
        let (started_at, finished_at) = times(delivery);
        self.status.is_none_or(|wanted| outcome(delivery) == Some(wanted))
            && self.event_types.as_ref().is_none_or(|wanted| wanted.contains(&delivery.event_type))
            && self.started.holds(started_at)
            && self.finished.holds(finished_at)
            && self.webhook_part.as_ref().is_none_or(|part| webhook(delivery).to_string().contains(part))
            && self
                .attempts_part
                .as_ref()
                .is_none_or(|part| attempts(delivery, account).to_string().contains(part))
    }
}

impl Span {
    fn read(query: &mut Query, name: &str) -> Result<Self, Refusal> {
        Ok(Self(query.time(&format!("{name}[gte]"))?, query.time(&format!("{name}[lte]"))?))
    }

    fn holds(&self, time: Timestamp) -> bool {
        self.0.is_none_or(|from| time >= from) && self.1.is_none_or(|to| time <= to)
    }
}

// What is under way, was swallowed or had nowhere to go is no record.
fn outcome(delivery: &Delivery) -> Option<&'static str> {
    match delivery.status {
        DeliveryStatus::Delivered => Some("delivered"),
        DeliveryStatus::Failed => Some("failed"),
        DeliveryStatus::Pending | DeliveryStatus::NoUrl | DeliveryStatus::Dropped => None,
    }
}

// A UUID that ends in the delivery's number, so that the record is found by it. An event that is sent again makes
// another record.
fn record_id(delivery: &Delivery, account: &Account) -> String {
    format!("{}{:012x}", &account.identity.organization_id[..SEQUENCE_AT], delivery.sequence)
}

fn times(delivery: &Delivery) -> (Timestamp, Timestamp) {
    let first = delivery.attempts.first().map_or(delivery.started_at, |attempt| attempt.started_at);
    let last = delivery.attempts.last().map(|attempt| attempt.finished_at);
    (first, last.or(delivery.finished_at).unwrap_or(first))
}

fn shown(delivery: &Delivery, account: &Account) -> Value {
    let (started_at, finished_at) = times(delivery);
    json!({
        "attempts": attempts(delivery, account),
        "finished_at": clock::format(finished_at),
        "id": record_id(delivery, account),
        "record_type": "webhook_delivery",
        "started_at": clock::format(started_at),
        "status": outcome(delivery),
        "user_id": account.identity.organization_id,
        "webhook": webhook(delivery),
    })
}

fn webhook(delivery: &Delivery) -> Value {
    Some(delivery.data()).filter(Value::is_object).unwrap_or_else(|| json!({}))
}

/// The attempts, the latest first as the description of the API says.
fn attempts(delivery: &Delivery, account: &Account) -> Value {
    delivery.attempts.iter().rev().map(|attempt| shown_attempt(attempt, delivery, account)).collect()
}

fn shown_attempt(attempt: &Attempt, delivery: &Delivery, account: &Account) -> Value {
    let sent = request::of(account, delivery, attempt);
    let headers: Vec<[&str; 2]> = sent
        .iter()
        .flat_map(|sent| sent.headers())
        .map(|(name, value)| [name.as_str(), value.to_str().unwrap_or_default()])
        .collect();
    let mut http = json!({ "request": { "headers": headers, "url": attempt.url } });
    if let Some(status) = attempt.response_status {
        http["response"] =
            json!({ "body": attempt.response_body, "headers": attempt.response_headers, "status": status });
    }
    let errors: Vec<u64> = attempt.error.iter().filter_map(|error| error.code.parse().ok()).collect();
    json!({
        "errors": errors,
        "finished_at": clock::format(attempt.finished_at),
        "http": http,
        "started_at": clock::format(attempt.started_at),
        "status": if attempt.delivered { "delivered" } else { "failed" },
    })
}

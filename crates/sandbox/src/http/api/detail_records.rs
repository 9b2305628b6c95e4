//! Telnyx's search for detail records, of which the sandbox has those of messages.

use std::cmp::Ordering;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;

use crate::http::api::answer::Answer;
use crate::http::api::request::Query;
use crate::http::gate::Tenant;
use crate::refusal::Refusal;

/// The largest page here is smaller than elsewhere.
const PAGE_SIZE: usize = 50;
/// Fields that can be compared and sorted by.
const FIELDS: [&str; 25] = [
    "carrier",
    "carrier_fee",
    "cld",
    "cli",
    "completed_at",
    "cost",
    "country_code",
    "created_at",
    "currency",
    "delivery_status_failover_url",
    "delivery_status_webhook_url",
    "direction",
    "errors",
    "message_type",
    "on_net",
    "parts",
    "profile_id",
    "profile_name",
    "rate",
    "sent_at",
    "source_country_code",
    "status",
    "tags",
    "updated_at",
    "uuid",
];

/// Lists the records, the latest first unless another order is asked for.
pub(crate) async fn list(Tenant(account): Tenant, mut query: Query) -> Answer {
    let now = account.clock.now();
    check_type(&mut query)?;
    let span = query.take("filter[date_range]").map(|range| days(&range, now)).transpose()?;
    let order = order(&mut query)?;
    let conditions = conditions(&mut query)?;
    let page = query.page_up_to(PAGE_SIZE)?;
    Ok(account.read(|world| {
        let within = |time: Timestamp| span.is_none_or(|(from, to)| from <= time && time < to);
        let records = world.records(now).rev().filter(|record| within(record.message.received_at));
        let shown = records.map(|record| record.detailed(world, &account));
        let mut found: Vec<Value> =
            shown.filter(|record| conditions.iter().all(|condition| condition.holds(record))).collect();
        for (field, descending) in order.iter().rev() {
            found.sort_by(|one, two| {
                let ascending = compare(&text(&one[field]), &text(&two[field]));
                if *descending { ascending.reverse() } else { ascending }
            });
        }
        page.of(found, |record| record)
    }))
}

fn check_type(query: &mut Query) -> Result<(), Refusal> {
    const NAME: &str = "filter[record_type]";
    match query.equal(NAME).as_deref() {
        Some("messaging") => Ok(()),
        Some(other) => Err(Refusal::not_emulated(format_args!("detail records of the type `{other}`"))),
        None => Err(Refusal::new("10004", format!("The parameter `{NAME}` is required."))),
    }
    .map_err(|refusal| refusal.in_parameter(NAME))
}

/// Orders two values as numbers where both are numbers, and as texts otherwise.
fn compare(one: &str, two: &str) -> Ordering {
    match (decimal(one), decimal(two)) {
        (Some(one), Some(two)) => one.cmp(&two),
        _ => one.cmp(two),
    }
}

/// What a number without a sign sorts by: how many digits it has before the point, these, and those behind it.
fn decimal(text: &str) -> Option<(usize, &str, &str)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    Some((whole.len(), whole, fraction.trim_end_matches('0')))
}

/// How what a record says compares with what is wanted.
type Test = fn(&str, &str) -> bool;

/// One comparison of a field with a value.
struct Condition {
    field: &'static str,
    test: Test,
    value: String,
}

impl Condition {
    fn holds(&self, record: &Value) -> bool {
        match &record[self.field] {
            Value::Null => false,
            Value::Array(items) => items.iter().any(|item| (self.test)(&text(item), &self.value)),
            value => (self.test)(&text(value), &self.value),
        }
    }
}

fn conditions(query: &mut Query) -> Result<Vec<Condition>, Refusal> {
    const TESTS: [(&str, Test); 9] = [
        ("", |given, wanted| given == wanted),
        ("[eq]", |given, wanted| given == wanted),
        ("[contains]", |given, wanted| given.contains(wanted)),
        ("[starts_with]", |given, wanted| {
            given.trim_start_matches('+').starts_with(wanted.trim_start_matches('+'))
        }),
        ("[ends_with]", |given, wanted| given.ends_with(wanted)),
        ("[gte]", |given, wanted| compare(given, wanted).is_ge()),
        ("[gt]", |given, wanted| compare(given, wanted).is_gt()),
        ("[lte]", |given, wanted| compare(given, wanted).is_le()),
        ("[lt]", |given, wanted| compare(given, wanted).is_lt()),
    ];
    let mut conditions = Vec::new();
    for field in FIELDS {
        for (operator, test) in TESTS {
            let name = format!("filter[{field}]{operator}");
            let value = match field.ends_with("_at") {
                // Times are compared as they are shown, which sorts as they do.
                true => query.time(&name)?.map(crate::clock::format),
                // A plus that was not escaped arrives as a space.
                false => query
                    .take(&name)
                    .map(|value| value.replacen(' ', "+", usize::from(value.starts_with(' ')))),
            };
            conditions.extend(value.map(|value| Condition { field, test, value }));
        }
    }
    Ok(conditions)
}

fn order(query: &mut Query) -> Result<Vec<(&'static str, bool)>, Refusal> {
    let mut order = Vec::new();
    for name in ["sort", "sort[]"] {
        while let Some(given) = query.take(name) {
            for key in given.split(',') {
                let (key, descending) = key.strip_prefix('-').map_or((key, false), |key| (key, true));
                let field = FIELDS.iter().find(|field| **field == key);
                let unknown = || Refusal::new("10032", format!("The records cannot be sorted by `{key}`."));
                order.push((*field.ok_or_else(|| unknown().in_parameter(name))?, descending));
            }
        }
    }
    Ok(order)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The days of a named range, in UTC, by their first moment and the first after them. Weeks begin on Mondays.
fn days(range: &str, now: Timestamp) -> Result<(Timestamp, Timestamp), Refusal> {
    let today = TimeZone::UTC.to_datetime(now).date();
    let monday = today.saturating_sub(i64::from(today.weekday().to_monday_zero_offset()).days());
    let (first, month) = (today.first_of_month(), 1.month());
    let (from, to) = match range {
        "yesterday" => (today.saturating_sub(1.day()), today),
        "today" => (today, today.saturating_add(1.day())),
        "tomorrow" => (today.saturating_add(1.day()), today.saturating_add(2.days())),
        "last_week" => (monday.saturating_sub(7.days()), monday),
        "this_week" => (monday, monday.saturating_add(7.days())),
        "next_week" => (monday.saturating_add(7.days()), monday.saturating_add(14.days())),
        "last_month" => (first.saturating_sub(month), first),
        "this_month" => (first, first.saturating_add(month)),
        "next_month" => (first.saturating_add(month), first.saturating_add(2.months())),
        _ => (today.saturating_sub(last_days(range)?.days()), today.saturating_add(1.day())),
    };
    Ok((midnight(from), midnight(to)))
}

fn last_days(range: &str) -> Result<i64, Refusal> {
    let count = range.strip_prefix("last_").and_then(|rest| rest.strip_suffix("_days"));
    count.and_then(|count| count.parse::<u16>().ok()).map(i64::from).ok_or_else(|| {
        Refusal::new("10032", "A date range is as `today`, `last_week`, `this_month` or `last_7_days`.")
            .in_parameter("filter[date_range]")
    })
}

fn midnight(date: Date) -> Timestamp {
    TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_whole_days_weeks_and_months() {
        let now: Timestamp = "2026-03-04T15:00:00Z".parse().unwrap();
        let cases = [
            ("today", "2026-03-04", "2026-03-05"),
            ("last_week", "2026-02-23", "2026-03-02"),
            ("last_month", "2026-02-01", "2026-03-01"),
            ("next_month", "2026-04-01", "2026-05-01"),
            ("last_7_days", "2026-02-25", "2026-03-05"),
        ];
        for (range, from, to) in cases {
            let day = |text: &str| format!("{text}T00:00:00Z").parse().unwrap();
            assert_eq!(days(range, now).unwrap(), (day(from), day(to)), "{range}");
        }
        assert_eq!(days("always", now).unwrap_err().code(), "10032");
    }

    #[test]
    fn numbers_sort_as_numbers_and_everything_else_as_text() {
        let ascending = ["0.0070", "0.07", "1", "2.5", "10", "10.01"];
        assert!(ascending.is_sorted_by(|one, two| compare(one, two).is_lt()));
        assert_eq!(compare("0.0070", "0.007"), Ordering::Equal);
        assert_eq!(compare("+15551234567", "+1666"), Ordering::Less);
        assert_eq!(compare("10", "9a"), Ordering::Less);
    }
}

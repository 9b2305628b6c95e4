//! Understands `[[replies]]`.

use std::time::Duration;

use inlet_domain::{PhoneNumber, ReplyRule, Template};

use super::destination::condition;
use super::parse;
use super::problem::Problems;
use super::reader::Reader;
use super::sections::Retention;

const SAME_TEXT_LIMIT: u32 = 1;
/// How far back the guard looks for replies to a pair and for the same text; the documentation promises ten minutes.
pub(crate) const PAIR_WINDOW: Duration = Duration::from_mins(10);

/// Reads one; `None` when anything about it is wrong.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<ReplyRule> {
    let name = reader.required("name", parse::name);
    let keywords = reader.texts("keywords", keyword);
    let numbers = reader.texts("numbers", number);
    let when = reader.optional("when", condition);
    let text = reader.required("text", template);
    let cooldown = reader.optional("cooldown", parse::duration);
    let same_text_limit = reader.number("same_text_limit", 1..=1_000, SAME_TEXT_LIMIT);
    Some(ReplyRule {
        name: name?,
        keywords: keywords?,
        numbers: numbers?,
        when: when?,
        text: text?,
        cooldown: cooldown?.unwrap_or(Duration::ZERO),
        same_text_limit: same_text_limit?,
    })
}

/// Refuses retention under which the guard would forget what it must still count.
pub(crate) fn check_retention(rules: &[ReplyRule], retention: &Retention, problems: &mut Problems) {
    if rules.is_empty() {
        return;
    }
    let deleted = |kept: Option<Duration>, needed| kept.is_some_and(|kept| kept < needed);
    let mut refuse = |key: &str, needed: &str| {
        problems.add_missing(format!(
            "`retention.{key}` is shorter than {needed}: what is deleted no longer counts, so people would be \
             answered too often"
        ));
    };
    if let Some(rule) = rules.iter().find(|rule| deleted(retention.jobs, rule.cooldown)) {
        refuse("jobs", &format!("the `cooldown` of the reply `{}`", rule.name));
    }
    for (key, kept) in [("jobs", retention.jobs), ("messages", retention.messages)] {
        if deleted(kept, PAIR_WINDOW) {
            refuse(key, "the ten minutes in which replies to one person are counted");
        }
    }
}

/// One of our numbers.
pub(crate) fn number(text: &str) -> Result<PhoneNumber, String> {
    text.parse().map_err(|error: inlet_telnyx::InvalidPhoneNumber| error.to_string())
}

fn keyword(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("has an empty keyword".to_owned()) } else { Ok(text.to_owned()) }
}

fn template(text: &str) -> Result<Template, String> {
    if text.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    Template::compile(text).map_err(|error| error.to_string())
}

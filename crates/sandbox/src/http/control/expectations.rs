//! Waits for a message that looks as a test expects it, or tells how near others came.

use std::fmt::Write;

use axum::Json;
use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::account::World;
use crate::http::control::messages::{WantedDirection, place_after};
use crate::http::control::request::{JsonBody, limited};
use crate::http::gate::Tenant;
use crate::http::problem::{Code, Problem};
use crate::message::Message;

/// Memory that one compiled expression may take.
const MAX_REGEX_BYTES: usize = 1024 * 1024;
/// Near misses that are named.
const MISSES: usize = 3;
/// Messages that one expectation can wait for.
const MAX_COUNT: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectationRequest {
    to: Option<String>,
    from: Option<String>,
    text: Option<String>,
    text_matches: Option<String>,
    has_media: Option<bool>,
    #[serde(default)]
    direction: WantedDirection,
    /// Whether what Telnyx itself answers to a keyword is meant, or what the application sends.
    #[serde(default)]
    autoresponse: bool,
    count: Option<usize>,
    after: Option<String>,
    within_ms: u64,
}

/// An expectation whose expression is understood.
struct Expectation {
    request: ExpectationRequest,
    pattern: Option<Regex>,
    count: usize,
    after: Option<u64>,
}

/// Waits until enough messages match, no longer than asked.
pub(crate) async fn expect(
    Tenant(account): Tenant,
    JsonBody(request): JsonBody<ExpectationRequest>,
) -> Result<Json<Value>, Problem> {
    let after = account.read(|world| place_after(world, request.after.as_deref()))?;
    let expectation = Expectation::new(request, after)?;
    let found =
        account.wait_for(limited(expectation.request.within_ms), |world| expectation.find(world)).await;
    let Some(messages) = found else {
        let detail = account.read(|world| expectation.failure(world));
        return Err(Problem::new(Code::ExpectationFailed, detail));
    };
    let now = account.clock.now();
    let data: Vec<Value> =
        messages.iter().map(|message| message.payload(message.stage_at(now), &account.view())).collect();
    Ok(Json(json!({ "data": data })))
}

impl Expectation {
    fn new(request: ExpectationRequest, after: Option<u64>) -> Result<Self, Problem> {
        let wrong = |detail: String| Problem::new(Code::InvalidBody, detail);
        let count = request.count.unwrap_or(1);
        if !(1..=MAX_COUNT).contains(&count) {
            return Err(wrong(format!("`count` is not between 1 and {MAX_COUNT}")));
        }
        let compile = |text: &String| RegexBuilder::new(text).size_limit(MAX_REGEX_BYTES).build();
        let pattern = request.text_matches.as_ref().map(compile).transpose();
        let pattern =
            pattern.map_err(|error| wrong(format!("`text_matches` is not a regular expression: {error}")))?;
        Ok(Self { request, pattern, count, after })
    }

    fn candidates<'a>(&self, world: &'a World) -> impl DoubleEndedIterator<Item = &'a Message> {
        let (direction, autoresponse) = (self.request.direction, self.request.autoresponse);
        let is_meant = move |message: &&Message| {
            direction.admits(message) && message.answers().is_some() == autoresponse
        };
        world.messages.all_after(self.after).filter(is_meant)
    }

    fn find(&self, world: &World) -> Option<Vec<Message>> {
        let matching = self.candidates(world).filter(|message| self.differences(message).is_empty());
        let found: Vec<Message> = matching.take(self.count).cloned().collect();
        (found.len() == self.count).then_some(found)
    }

    /// What about a message is not as expected.
    fn differences(&self, message: &Message) -> Vec<String> {
        let text = message.text.as_deref().unwrap_or_default();
        let mut differences = Vec::new();
        if self.request.to.as_ref().is_some_and(|wanted| !message.is_to(wanted)) {
            let recipients: Vec<&str> =
                message.recipients.iter().map(|recipient| recipient.number.as_str()).collect();
            differences.push(format!("`to` is {:?}", recipients.join(", ")));
        }
        for (name, wanted, given) in
            [("from", &self.request.from, message.from.as_str()), ("text", &self.request.text, text)]
        {
            if wanted.as_ref().is_some_and(|wanted| wanted != given) {
                differences.push(format!("`{name}` is {given:?}"));
            }
        }
        if self.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(text)) {
            differences.push(format!("`text` {text:?} does not match"));
        }
        if self.request.has_media.is_some_and(|wanted| wanted == message.media.is_empty()) {
            differences.push(format!("it has {} media", message.media.len()));
        }
        differences
    }

    /// How many messages matched, and which came nearest: those with the fewest differences, latest first.
    fn failure(&self, world: &World) -> String {
        let mut misses: Vec<(&str, Vec<String>)> = Vec::new();
        let mut matched = 0;
        for message in self.candidates(world).rev() {
            let differences = self.differences(message);
            match differences.is_empty() {
                true => matched += 1,
                false => keep_nearest(&mut misses, (&message.id, differences)),
            }
        }
        let mut detail = format!(
            "{matched} of {} expected messages came within {} ms",
            self.count, self.request.within_ms
        );
        match misses.is_empty() {
            true => detail.push_str("; there were no others"),
            false => detail.push_str("; nearest were"),
        }
        for (index, (id, differences)) in misses.iter().enumerate() {
            let separator = if index == 0 { " " } else { "; " };
            _ = write!(detail, "{separator}message `{id}`: {}", differences.join(", "));
        }
        detail
    }
}

// Stable: among equals the first one stays, so the log may be of any length.
fn keep_nearest<'a>(misses: &mut Vec<(&'a str, Vec<String>)>, miss: (&'a str, Vec<String>)) {
    let place = misses.partition_point(|(_, differences)| differences.len() <= miss.1.len());
    if place < MISSES {
        misses.insert(place, miss);
        misses.truncate(MISSES);
    }
}

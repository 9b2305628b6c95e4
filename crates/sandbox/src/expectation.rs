//! Waits for a message that looks as a test expects it, or tells how near others came.

use std::fmt::Write;
use std::time::Duration;

use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::Value;

use crate::account::unseen::Unseen;
use crate::account::{Account, World};
use crate::message::{Direction, Message};

/// Memory that one compiled expression may take.
const MAX_REGEX_BYTES: usize = 1024 * 1024;
/// Near misses that are named.
const MISSES: usize = 3;
/// Messages that one expectation can wait for.
const MAX_COUNT: usize = 1000;

/// Which way a message went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WantedDirection {
    /// To the account.
    Inbound,
    /// From the account.
    #[default]
    Outbound,
    /// Either way.
    Any,
}

impl WantedDirection {
    pub(crate) fn admits(self, message: &Message) -> bool {
        match self {
            Self::Inbound => message.direction == Direction::Inbound,
            Self::Outbound => message.direction == Direction::Outbound,
            Self::Any => true,
        }
    }
}

/// What a test expects of a message. What is absent may be anything.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// A recipient.
    pub to: Option<String>,
    /// The sender.
    pub from: Option<String>,
    /// The whole text.
    pub text: Option<String>,
    /// A regular expression that finds something in the text.
    pub text_matches: Option<String>,
    /// Whether it has attachments.
    pub has_media: Option<bool>,
    /// Which way it goes; outbound unless said otherwise.
    #[serde(default)]
    pub direction: WantedDirection,
    /// Whether what Telnyx itself answers to a keyword is meant, or what the application sends.
    #[serde(default)]
    pub autoresponse: bool,
    /// How many such messages; one when absent.
    pub count: Option<usize>,
    /// The id of a message after which they come.
    pub after: Option<String>,
    /// How long they may take, in milliseconds.
    pub within_ms: u64,
}

impl Expectation {
    /// Any message that is sent to a number within two seconds.
    pub fn to(number: impl Into<String>) -> Self {
        Self { to: Some(number.into()), within_ms: 2000, ..Self::default() }
    }

    /// The same with this text.
    pub fn text(self, text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..self }
    }

    /// The same with a text in which a regular expression finds something.
    pub fn text_matches(self, pattern: impl Into<String>) -> Self {
        Self { text_matches: Some(pattern.into()), ..self }
    }

    /// The same, so many times.
    pub fn times(self, count: usize) -> Self {
        Self { count: Some(count), ..self }
    }

    /// The same, after a message of this id.
    pub fn after(self, message_id: impl Into<String>) -> Self {
        Self { after: Some(message_id.into()), ..self }
    }

    /// The same within another time.
    pub fn within(self, limit: Duration) -> Self {
        Self { within_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX), ..self }
    }
}

/// Why an expectation is not met.
#[derive(Debug, thiserror::Error)]
pub enum ExpectationError {
    /// The expression cannot be understood, or would take too much memory.
    #[error("`text_matches` is not a regular expression: {0}")]
    Pattern(Box<regex::Error>),
    /// The number of messages makes no sense.
    #[error("`count` is not between 1 and {MAX_COUNT}")]
    Count,
    /// There is no message to begin after.
    #[error("the message `{id}` named by `after` is not kept")]
    After {
        /// The id as given.
        id: String,
    },
    /// Too few such messages came in time.
    #[error("{0}")]
    Unmet(String),
}

/// An expectation that is understood, and what has met it so far.
struct Search {
    wanted: Expectation,
    pattern: Option<Regex>,
    count: usize,
    after: Option<u64>,
    unseen: Unseen,
    found: Vec<Message>,
}

impl Account {
    /// Waits until enough messages are as expected, and shows them as Telnyx does.
    pub(crate) async fn expect(&self, expectation: Expectation) -> Result<Vec<Value>, ExpectationError> {
        let after = self.read(|world| place_after(world, expectation.after.as_deref()))?;
        let mut search = Search::new(expectation, after)?;
        let limit = Duration::from_millis(search.wanted.within_ms);
        let Some(messages) = self.wait_for(limit, |world| search.find(world)).await else {
            return Err(ExpectationError::Unmet(self.read(|world| search.failure(world))));
        };
        let now = self.clock.now();
        Ok(messages.iter().map(|message| message.payload(message.stage_at(now), &self.view())).collect())
    }
}

/// The place in the log of the message that a list begins after.
pub(crate) fn place_after(world: &World, after: Option<&str>) -> Result<Option<u64>, ExpectationError> {
    let Some(id) = after else { return Ok(None) };
    world.messages.place_of(id).map(Some).ok_or_else(|| ExpectationError::After { id: id.to_owned() })
}

impl Search {
    fn new(wanted: Expectation, after: Option<u64>) -> Result<Self, ExpectationError> {
        let count = wanted.count.unwrap_or(1);
        if !(1..=MAX_COUNT).contains(&count) {
            return Err(ExpectationError::Count);
        }
        let compile = |text: &String| RegexBuilder::new(text).size_limit(MAX_REGEX_BYTES).build();
        let pattern = wanted.text_matches.as_ref().map(compile).transpose();
        let pattern = pattern.map_err(|error| ExpectationError::Pattern(Box::new(error)))?;
        Ok(Self { wanted, pattern, count, after, unseen: Unseen::after(after), found: Vec::new() })
    }

    fn is_meant(&self, message: &Message) -> bool {
        self.wanted.direction.admits(message) && message.answers().is_some() == self.wanted.autoresponse
    }

    /// Looks at what has come since the last look.
    fn find(&mut self, world: &World) -> Option<Vec<Message>> {
        if self.unseen.begins_anew(world) {
            self.after = None;
            self.found.clear();
        }
        for message in self.unseen.take(world) {
            if self.found.len() == self.count {
                break;
            }
            if self.is_meant(message) && self.differences(message).is_empty() {
                self.found.push(message.clone());
            }
        }
        (self.found.len() == self.count).then(|| std::mem::take(&mut self.found))
    }

    /// What about a message is not as expected.
    fn differences(&self, message: &Message) -> Vec<String> {
        let text = message.text.as_deref().unwrap_or_default();
        let mut differences = Vec::new();
        if self.wanted.to.as_ref().is_some_and(|wanted| !message.is_to(wanted)) {
            let recipients: Vec<&str> =
                message.recipients.iter().map(|recipient| recipient.number.as_str()).collect();
            differences.push(format!("`to` is {:?}", recipients.join(", ")));
        }
        for (name, wanted, given) in
            [("from", &self.wanted.from, message.from.as_str()), ("text", &self.wanted.text, text)]
        {
            if wanted.as_ref().is_some_and(|wanted| wanted != given) {
                differences.push(format!("`{name}` is {given:?}"));
            }
        }
        if self.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(text)) {
            differences.push(format!("`text` {text:?} does not match"));
        }
        if self.wanted.has_media.is_some_and(|wanted| wanted == message.media.is_empty()) {
            differences.push(format!("it has {} media", message.media.len()));
        }
        differences
    }

    /// How many messages matched, and which came nearest: those with the fewest differences, latest first.
    fn failure(&self, world: &World) -> String {
        let mut misses: Vec<(&str, Vec<String>)> = Vec::new();
        let mut matched = 0;
        let candidates = world.messages.all_after(self.after).filter(|message| self.is_meant(message));
        for message in candidates.rev() {
            let differences = self.differences(message);
            match differences.is_empty() {
                true => matched += 1,
                false => keep_nearest(&mut misses, (&message.id, differences)),
            }
        }
        let mut detail =
            format!("{matched} of {} expected messages came within {} ms", self.count, self.wanted.within_ms);
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

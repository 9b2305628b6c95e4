//! Reply rules: which automatic answer, if any, an inbound message asks for.

use std::time::Duration;

use inlet_telnyx::{Event, PhoneNumber};

use crate::clean::folded;
use crate::condition::{Condition, ConditionError, Template, TemplateError};
use crate::message::Message;

/// A configured rule. All given parts must match; the first matching rule in the order of the configuration answers.
#[derive(Debug, Clone)]
pub struct ReplyRule {
    /// Its name, unique.
    pub name: String,
    /// Whole trimmed texts, case-folded; empty means any text.
    pub keywords: Vec<String>,
    /// Our numbers it answers for; empty means all.
    pub numbers: Vec<PhoneNumber>,
    /// What else must hold. An error while it is evaluated counts as no match.
    pub when: Option<Condition>,
    /// What it answers.
    pub text: Template,
    /// How long it stays silent towards a party after it has answered it.
    pub cooldown: Duration,
    /// How often one and the same text of a party is answered within ten minutes; 1 unless configured.
    pub same_text_limit: u32,
}

/// A rule that matches, and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleMatch {
    /// Name of the rule.
    pub rule: String,
    /// The rendered text.
    pub text: String,
}

/// A rule could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReplyError {
    /// Its expression failed; the rule does not match.
    #[error(transparent)]
    Condition(#[from] ConditionError),
    /// It matches, but its text cannot be made.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

impl ReplyRule {
    /// Whether this rule answers the message. An expression that fails counts as no match.
    pub fn matches(&self, event: &Event, message: &Message) -> bool {
        self.evaluate(event, message).unwrap_or(false)
    }

    /// The rule's answer; `None` where it does not match.
    pub(crate) fn answer(&self, event: &Event, message: &Message) -> Result<Option<RuleMatch>, ReplyError> {
        if !self.evaluate(event, message)? {
            return Ok(None);
        }
        Ok(Some(RuleMatch { rule: self.name.clone(), text: self.text.render(message)? }))
    }

    fn evaluate(&self, event: &Event, message: &Message) -> Result<bool, ConditionError> {
        if !self.is_for(message) || !self.has_keyword(message) {
            return Ok(false);
        }
        self.when.as_ref().map_or(Ok(true), |when| when.holds(event, Some(message)))
    }

    fn is_for(&self, message: &Message) -> bool {
        let ours = message.to.first().map(|recipient| recipient.phone_number.as_str());
        self.numbers.is_empty() || self.numbers.iter().any(|number| Some(number.as_str()) == ours)
    }

    fn has_keyword(&self, message: &Message) -> bool {
        let text = message.text.as_deref().map(folded);
        self.keywords.is_empty()
            || self.keywords.iter().any(|keyword| text.as_ref() == Some(&folded(keyword)))
    }
}

#[cfg(test)]
mod tests;

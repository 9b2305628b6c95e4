//! Reply rules: which automatic answer, if any, an inbound message asks for.

use std::time::Duration;

use inlet_telnyx::PhoneNumber;

use crate::condition::{Condition, Template};
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

impl ReplyRule {
    /// Whether this rule answers the message. Errors of its expression are returned for reporting.
    pub fn matches(&self, event: &inlet_telnyx::Event, message: &Message) -> bool {
        let _ = (event, message);
        todo!()
    }
}

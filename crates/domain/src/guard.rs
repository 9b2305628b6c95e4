//! The reply guard: the reasons for which an automatic reply is not sent.

use std::time::Duration;

use inlet_telnyx::PhoneNumber;

use crate::event::Source;
use crate::job::{UnknownWord, words};
use crate::message::Message;
use crate::time::Timestamp;

words! {
    /// Why the guard said no; the `last_error` of a `skipped` job.
    SkipReason {
        /// The sender is one of our own numbers.
        OwnNumber = "own_number",
        /// The sender is a short code.
        ShortCode = "short_code",
        /// The sender is alphanumeric, or missing.
        NotANumber = "not_a_number",
        /// A group would get the answer.
        Group = "group",
        /// Telnyx has answered already (STOP, START, HELP).
        Autoresponse = "autoresponse",
        /// The event was not signed.
        Unsigned = "unsigned",
        /// The event was fetched after the fact.
        Backfill = "backfill",
        /// The sender has opted out.
        OptedOut = "opted_out",
        /// The pair has had its replies for now.
        PairBudget = "pair_budget",
        /// The rule has answered this sender a short while ago.
        Cooldown = "cooldown",
        /// The gateway has sent all the replies it may for now.
        GlobalCap = "global_cap",
        /// The same text came from this sender a short while ago: a machine repeats itself.
        SameText = "same_text",
        /// The message quotes what we have just sent: a machine answers.
        Echo = "echo",
        /// The answer is empty.
        EmptyText = "empty_text",
    }
}

/// What the guard allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardLimits {
    /// Our numbers by configuration, besides those the store has learned.
    pub numbers: Vec<PhoneNumber>,
    /// The window of the pair budget, the same-text and the echo detector. Ten minutes.
    pub window: Duration,
    /// Automatic replies to one pair within the window. Three.
    pub pair_budget: i64,
    /// Automatic replies in all within [`GuardLimits::global_window`].
    pub global_cap: i64,
    /// The window of the global cap. One minute.
    pub global_window: Duration,
    /// Whether unsigned events are answered; only in `inlet dev`. Never true in `serve`.
    pub answer_unsigned: bool,
    /// Cooldown and same-text limit by rule name.
    pub rules: std::collections::HashMap<String, (Duration, u32)>,
}

/// What the store knows when a reply is about to be sent, gathered in the transaction that would mark it `sending`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardFacts {
    /// The present moment.
    pub now: Timestamp,
    /// Where the event came from.
    pub source: Source,
    /// Name of the rule.
    pub rule: String,
    /// Whether the sender is one of our numbers.
    pub sender_is_ours: bool,
    /// Whether the sender has opted out.
    pub opted_out: bool,
    /// Automatic replies to this pair within the window (sending, done or unknown).
    pub pair_replies: i64,
    /// When this rule last answered this sender.
    pub rule_last_at: Option<Timestamp>,
    /// Automatic replies in all within the global window.
    pub global_replies: i64,
    /// Inbound messages of this pair with the same text within the window that were answered automatically.
    pub same_text_answered: i64,
    /// Texts we sent to this pair within the window, automatically or not, newest first, at most 20.
    pub our_texts: Vec<String>,
}

/// Decides whether the automatic reply `text` to `message` may go out.
pub fn guard(
    message: &Message,
    text: &str,
    facts: &GuardFacts,
    limits: &GuardLimits,
) -> Result<(), SkipReason> {
    let _ = (message, text, facts, limits);
    todo!()
}

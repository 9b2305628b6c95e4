//! The reply guard: the reasons for which an automatic reply is not sent.

use std::time::Duration;

use inlet_telnyx::{Address, PhoneNumber};

use crate::clean::folded;
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
        /// The sender or our side is alphanumeric, or missing.
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

// A shorter text may turn up in an answer by chance.
const DISTINCT_CHARACTERS: usize = 8;

/// Decides whether the automatic reply `text` to `message` may go out.
///
/// The reasons are looked for in the order of [`SkipReason`]: who the message is from and what it is, then what was
/// sent before, then the answer itself.
pub fn guard(
    message: &Message,
    text: &str,
    facts: &GuardFacts,
    limits: &GuardLimits,
) -> Result<(), SkipReason> {
    check_parties(message, facts, limits)?;
    check_occasion(message, facts, limits)?;
    check_budgets(facts, limits)?;
    refuse_if(same_text(facts, limits), SkipReason::SameText)?;
    refuse_if(is_echo(message, facts), SkipReason::Echo)?;
    refuse_if(text.trim().is_empty(), SkipReason::EmptyText)
}

fn refuse_if(refused: bool, reason: SkipReason) -> Result<(), SkipReason> {
    if refused { Err(reason) } else { Ok(()) }
}

fn check_parties(message: &Message, facts: &GuardFacts, limits: &GuardLimits) -> Result<(), SkipReason> {
    let sender = Address::parse(&message.from);
    let ours = message.to.first().map_or(Address::Empty, |to| Address::parse(&to.phone_number));
    let configured = matches!(&sender, Address::Number(number) if limits.numbers.contains(number));
    let same = sender == ours && sender != Address::Empty;
    refuse_if(facts.sender_is_ours || configured || same, SkipReason::OwnNumber)?;
    refuse_if(matches!(sender, Address::ShortCode(_)), SkipReason::ShortCode)?;
    // Our side may be a short code, but an RCS agent cannot send an SMS.
    refuse_if(is_nameless(&sender) || is_nameless(&ours), SkipReason::NotANumber)
}

fn is_nameless(address: &Address) -> bool {
    matches!(address, Address::Alphanumeric(_) | Address::Empty)
}

fn check_occasion(message: &Message, facts: &GuardFacts, limits: &GuardLimits) -> Result<(), SkipReason> {
    let unsigned = facts.source == Source::Unsigned || message.unsigned;
    refuse_if(message.is_group(), SkipReason::Group)?;
    refuse_if(message.autoresponse_type.is_some(), SkipReason::Autoresponse)?;
    refuse_if(unsigned && !limits.answer_unsigned, SkipReason::Unsigned)?;
    refuse_if(facts.source == Source::Backfill, SkipReason::Backfill)?;
    refuse_if(facts.opted_out, SkipReason::OptedOut)
}

fn check_budgets(facts: &GuardFacts, limits: &GuardLimits) -> Result<(), SkipReason> {
    let cooldown = limits.rules.get(&facts.rule).map_or(Duration::ZERO, |(cooldown, _)| *cooldown);
    let cooling = facts.rule_last_at.is_some_and(|last_at| facts.now.since(last_at) < cooldown);
    refuse_if(facts.pair_replies >= limits.pair_budget, SkipReason::PairBudget)?;
    refuse_if(cooling, SkipReason::Cooldown)?;
    refuse_if(facts.global_replies >= limits.global_cap, SkipReason::GlobalCap)
}

fn same_text(facts: &GuardFacts, limits: &GuardLimits) -> bool {
    let limit = limits.rules.get(&facts.rule).map_or(1, |(_, limit)| *limit);
    facts.same_text_answered >= i64::from(limit)
}

// Once this party has had an automatic answer, a quotation of any length counts: two gateways that answer
// `{{ text }}!` would otherwise go on until their texts are long enough to be told apart.
fn is_echo(message: &Message, facts: &GuardFacts) -> bool {
    let theirs = message.text.as_deref().map(folded).unwrap_or_default();
    facts.our_texts.iter().map(|ours| folded(ours)).any(|ours| {
        let distinct = ours.chars().count() >= DISTINCT_CHARACTERS || facts.pair_replies > 0;
        !ours.is_empty() && distinct && theirs.contains(&ours)
    })
}

#[cfg(test)]
mod tests;

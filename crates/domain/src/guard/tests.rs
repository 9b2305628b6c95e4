//! Tests of the guard: each reason, and two gateways that answer each other.

use std::collections::HashMap;

use super::*;
use crate::condition::Template;
use crate::fixture::{NOW, inbound, recipient};
use proptest::prelude::*;

const OURS: &str = "+15550002222";
const THEIRS: &str = "+15550001111";
const MINUTE: Duration = Duration::from_secs(60);

fn limits() -> GuardLimits {
    GuardLimits {
        numbers: vec!["+15550009999".parse().unwrap()],
        window: 10 * MINUTE,
        pair_budget: 3,
        global_cap: 60,
        global_window: MINUTE,
        answer_unsigned: false,
        rules: HashMap::from([("hours".to_owned(), (MINUTE, 1)), ("often".to_owned(), (Duration::ZERO, 3))]),
    }
}

fn facts(rule: &str) -> GuardFacts {
    GuardFacts {
        now: NOW,
        source: Source::Telnyx,
        rule: rule.to_owned(),
        sender_is_ours: false,
        opted_out: false,
        pair_replies: 0,
        rule_last_at: None,
        global_replies: 0,
        same_text_answered: 0,
        our_texts: Vec::new(),
    }
}

fn check(message: &Message, facts: &GuardFacts) -> Option<SkipReason> {
    guard(message, "We are open.", facts, &limits()).err()
}

#[test]
fn ordinary_message_is_answered() {
    assert_eq!(check(&inbound(THEIRS, OURS, "hi"), &facts("hours")), None);
    assert_eq!(check(&inbound(THEIRS, "22395", "to our short code"), &facts("hours")), None);
}

#[test]
fn only_numbers_that_are_not_ours_are_answered() {
    let cases = [
        ("+15550009999", OURS, SkipReason::OwnNumber),
        (OURS, OURS, SkipReason::OwnNumber),
        ("+75973", OURS, SkipReason::ShortCode),
        ("75973", OURS, SkipReason::ShortCode),
        ("ACME", OURS, SkipReason::NotANumber),
        ("15550001111", OURS, SkipReason::NotANumber),
        ("", OURS, SkipReason::NotANumber),
        (THEIRS, "e4448a5c0670c2a9", SkipReason::NotANumber),
    ];
    for (from, to, reason) in cases {
        assert_eq!(check(&inbound(from, to, "hi"), &facts("hours")), Some(reason), "{from} {to}");
    }
    let learned = GuardFacts { sender_is_ours: true, ..facts("hours") };
    assert_eq!(check(&inbound(THEIRS, OURS, "hi"), &learned), Some(SkipReason::OwnNumber));
    let nobody = Message { to: Vec::new(), ..inbound(THEIRS, OURS, "hi") };
    assert_eq!(check(&nobody, &facts("hours")), Some(SkipReason::NotANumber));
}

#[test]
fn groups_and_what_telnyx_has_answered_are_left_alone() {
    let message = inbound(THEIRS, OURS, "hi");
    let with_cc = Message { cc: vec!["+15550003333".to_owned()], ..message.clone() };
    let two = Message { to: vec![recipient(OURS), recipient("+15550003333")], ..message.clone() };
    let stop = Message { autoresponse_type: Some("STOP".to_owned()), ..message };
    assert_eq!(check(&with_cc, &facts("hours")), Some(SkipReason::Group));
    assert_eq!(check(&two, &facts("hours")), Some(SkipReason::Group));
    assert_eq!(check(&stop, &facts("hours")), Some(SkipReason::Autoresponse));
}

#[test]
fn unsigned_messages_are_answered_only_where_that_is_wanted() {
    let message = inbound(THEIRS, OURS, "hi");
    let unsigned = GuardFacts { source: Source::Unsigned, ..facts("hours") };
    assert_eq!(check(&message, &unsigned), Some(SkipReason::Unsigned));
    let marked = Message { unsigned: true, ..message.clone() };
    assert_eq!(check(&marked, &facts("hours")), Some(SkipReason::Unsigned));
    let dev = GuardLimits { answer_unsigned: true, ..limits() };
    assert_eq!(guard(&marked, "yes", &unsigned, &dev), Ok(()));
    let backfill = GuardFacts { source: Source::Backfill, ..facts("hours") };
    assert_eq!(check(&message, &backfill), Some(SkipReason::Backfill));
}

#[test]
fn budgets_are_kept_to_the_last_reply() {
    let message = inbound(THEIRS, OURS, "hi");
    let base = facts("hours");
    let ago = |duration| Some(NOW.before(duration));
    let cases = [
        (GuardFacts { opted_out: true, ..base.clone() }, Some(SkipReason::OptedOut)),
        (GuardFacts { pair_replies: 2, ..base.clone() }, None),
        (GuardFacts { pair_replies: 3, ..base.clone() }, Some(SkipReason::PairBudget)),
        (GuardFacts { rule_last_at: ago(MINUTE), ..base.clone() }, None),
        (
            GuardFacts { rule_last_at: ago(MINUTE - Duration::from_micros(1)), ..base.clone() },
            Some(SkipReason::Cooldown),
        ),
        (GuardFacts { rule_last_at: Some(NOW.after(MINUTE)), ..base.clone() }, Some(SkipReason::Cooldown)),
        (GuardFacts { rule_last_at: ago(Duration::ZERO), ..facts("often") }, None),
        (GuardFacts { rule_last_at: ago(Duration::ZERO), ..facts("not configured") }, None),
        (GuardFacts { global_replies: 59, ..base.clone() }, None),
        (GuardFacts { global_replies: 60, ..base }, Some(SkipReason::GlobalCap)),
    ];
    for (facts, expected) in cases {
        assert_eq!(check(&message, &facts), expected, "{facts:?}");
    }
}

#[test]
fn the_same_text_is_answered_as_often_as_the_rule_says() {
    let message = inbound(THEIRS, OURS, "hi");
    let cases =
        [("hours", 0, true), ("hours", 1, false), ("often", 2, true), ("often", 3, false), ("?", 1, false)];
    for (rule, same_text_answered, answered) in cases {
        let facts = GuardFacts { same_text_answered, ..facts(rule) };
        let expected = (!answered).then_some(SkipReason::SameText);
        assert_eq!(check(&message, &facts), expected, "{rule} {same_text_answered}");
    }
}

#[test]
fn a_message_that_quotes_us_is_an_echo() {
    let ours = |text: &str, pair_replies| GuardFacts {
        our_texts: vec!["unrelated words".to_owned(), text.to_owned()],
        pair_replies,
        ..facts("hours")
    };
    let said = |text: &str| inbound(THEIRS, OURS, text);
    let echo = Some(SkipReason::Echo);
    assert_eq!(check(&said("You said:  WE ARE\nopen. "), &ours(" We are open.", 0)), echo);
    assert_eq!(check(&said("12345678"), &ours("12345678", 0)), echo);
    // Short texts come back by chance, unless we have answered this party before.
    assert_eq!(check(&said("yes please"), &ours("Yes", 0)), None);
    assert_eq!(check(&said("You said: Yes"), &ours("Yes", 1)), echo);
    assert_eq!(check(&said("what?"), &ours("  ", 1)), None);
    let picture = Message { text: None, ..said("") };
    assert_eq!(check(&picture, &ours("We are open.", 1)), None);
}

#[test]
fn nothing_is_not_an_answer() {
    let message = inbound(THEIRS, OURS, "hi");
    assert_eq!(guard(&message, " \n", &facts("hours"), &limits()), Err(SkipReason::EmptyText));
}

/// One gateway with a rule that answers everything, and what its store would remember.
struct Gateway {
    number: &'static str,
    template: Template,
    limits: GuardLimits,
    our_texts: Vec<String>,
    answered: Vec<String>,
}

impl Gateway {
    fn new(number: &'static str, template: &str) -> Self {
        let template = Template::compile(template).unwrap();
        let limits = GuardLimits { rules: HashMap::new(), ..limits() };
        Self { number, template, limits, our_texts: Vec::new(), answered: Vec::new() }
    }

    fn send(&mut self, text: &str) {
        self.our_texts.insert(0, text.to_owned());
        self.our_texts.truncate(20);
    }

    /// The automatic reply to a text, if the guard lets it go.
    fn receive(&mut self, from: &str, text: &str) -> Option<String> {
        let message = inbound(from, self.number, text);
        let reply = self.template.render(&message).ok()?;
        let facts = GuardFacts {
            pair_replies: i64::try_from(self.answered.len()).unwrap(),
            same_text_answered: i64::try_from(self.answered.iter().filter(|t| *t == text).count()).unwrap(),
            global_replies: i64::try_from(self.answered.len()).unwrap(),
            our_texts: self.our_texts.clone(),
            ..facts("everything")
        };
        guard(&message, &reply, &facts, &self.limits).ok()?;
        self.answered.push(text.to_owned());
        self.send(&reply);
        Some(reply)
    }
}

/// How many automatic messages two gateways exchange after a first text, by a person or by neither's knowledge.
fn exchange(templates: [&str; 2], start: &str, by_hand: bool) -> usize {
    let [mut writer, mut reader] = [Gateway::new(THEIRS, templates[0]), Gateway::new(OURS, templates[1])];
    if by_hand {
        writer.send(start);
    }
    let (mut text, mut count) = (start.to_owned(), 0);
    while let Some(reply) = reader.receive(writer.number, &text) {
        (text, count) = (reply, count + 1);
        assert!(count < 100, "the loop does not end");
        std::mem::swap(&mut writer, &mut reader);
    }
    count
}

#[test]
fn two_gateways_that_answer_each_other_stop_within_three_messages() {
    let templates = [
        "We are closed until Monday.",
        "Thank you, we will call you back.",
        "Closed",
        "ok",
        "You said: {{ text }}",
        "{{ text }}",
        "{{ text }}!",
        "{{ text|upper }} {{ text|lower }}",
        "{{ from }} wrote {{ text }} to {{ to }}",
    ];
    for first in templates {
        for second in templates {
            for start in ["hi", "Hello there, are you open?", "ok", "Closed"] {
                for by_hand in [true, false] {
                    let count = exchange([first, second], start, by_hand);
                    assert!(count <= 3, "{count} messages: `{first}`, `{second}`, `{start}`");
                }
            }
        }
    }
}

#[test]
fn whatever_they_answer_the_pair_budget_ends_it() {
    // Each answer is new and quotes nothing.
    let templates = ["{{ text|length * 7 }}", "n{{ text|length + 10 }}"];
    assert!(exchange(templates, "hello", true) <= 6);
}

proptest! {
    #[test]
    fn gateways_that_quote_or_repeat_themselves_stop_within_three_messages(
        before in "[a-zA-Z0-9ÄΣßİ .!?\\n]{0,12}",
        after in "[a-zA-Z0-9ÄΣßİ .!?\\n]{0,12}",
        fixed in "[a-zA-Z0-9ÄΣßİ .!?]{0,12}",
        start in "[a-zA-ZÄΣ ]{1,12}",
        by_hand: bool,
    ) {
        let echo = format!("{before}{{{{ text }}}}{after}");
        for templates in [[&echo, &echo], [&echo, &fixed], [&fixed, &echo], [&fixed, &fixed]] {
            prop_assert!(exchange(templates.map(String::as_str), &start, by_hand) <= 3);
        }
    }

    #[test]
    fn no_pair_gets_more_than_its_budget(texts in proptest::collection::vec("\\PC{1,10}", 0..30)) {
        let mut gateway = Gateway::new(OURS, "Closed {{ text|length }}");
        let replies = texts.iter().filter(|text| gateway.receive(THEIRS, text).is_some()).count();
        prop_assert!(replies <= 3);
    }
}

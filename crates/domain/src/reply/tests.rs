//! Tests of reply rules.

use super::*;
use crate::fixture::{blank, inbound};
use crate::message::Direction;

fn rule() -> ReplyRule {
    ReplyRule {
        name: "hours".to_owned(),
        keywords: Vec::new(),
        numbers: Vec::new(),
        when: None,
        text: Template::compile("9 to 5, {{ from }}").unwrap(),
        cooldown: Duration::ZERO,
        same_text_limit: 1,
    }
}

fn matches(rule: &ReplyRule, text: &str) -> bool {
    rule.matches(&Event::default(), &inbound("+15550001111", "+15550002222", text))
}

#[test]
fn keyword_is_the_whole_text_whatever_its_case_and_spaces() {
    let rule = ReplyRule { keywords: vec!["Opening  Hours".to_owned(), "ÖFFNEN".to_owned()], ..rule() };
    for text in ["opening hours", " OPENING\n hours\t", "Opening\u{a0}Hours", "öffnen"] {
        assert!(matches(&rule, text), "{text}");
    }
    for text in ["", "opening", "opening hours?", "my opening hours", "openinghours"] {
        assert!(!matches(&rule, text), "{text}");
    }
}

#[test]
fn rule_without_keywords_answers_any_text_and_none() {
    assert!(matches(&rule(), "anything"));
    let mut picture = inbound("+15550001111", "+15550002222", "");
    picture.text = None;
    assert!(rule().matches(&Event::default(), &picture));
    let keyword = ReplyRule { keywords: vec![String::new()], ..rule() };
    assert!(!keyword.matches(&Event::default(), &picture));
}

#[test]
fn numbers_are_compared_exactly_with_ours() {
    let rule = |number: &str| ReplyRule { numbers: vec![number.parse().unwrap()], ..rule() };
    assert!(matches(&rule("+15550002222"), "x"));
    for other in ["+15550001111", "+5550002222", "+155500022220"] {
        assert!(!matches(&rule(other), "x"), "{other}");
    }
    assert!(!rule("+15550002222").matches(&Event::default(), &blank(Direction::Inbound)));
}

#[test]
fn expression_must_hold_and_its_error_is_no_match() {
    let rule = |source: &str| ReplyRule { when: Some(Condition::compile(source).unwrap()), ..rule() };
    assert!(matches(&rule("text == 'x'"), "x"));
    assert!(!matches(&rule("text == 'x'"), "y"));
    assert!(!matches(&rule("text|abs > 0"), "x"));
    let message = inbound("+15550001111", "+15550002222", "x");
    let failed = rule("text|abs > 0").answer(&Event::default(), &message);
    assert!(matches!(failed, Err(ReplyError::Condition(_))), "{failed:?}");
}

#[test]
fn answer_is_the_rendered_text() {
    let message = inbound("+15550001111", "+15550002222", "x");
    let answer = rule().answer(&Event::default(), &message).unwrap();
    assert_eq!(answer, Some(RuleMatch { rule: "hours".to_owned(), text: "9 to 5, +15550001111".to_owned() }));
    let long = ReplyRule { text: Template::compile("{{ 'x' * 1601 }}").unwrap(), ..rule() };
    assert!(matches!(long.answer(&Event::default(), &message), Err(ReplyError::Template(_))));
}

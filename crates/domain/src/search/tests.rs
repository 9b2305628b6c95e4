//! What people type, what it means, and what nobody can mean.

use proptest::prelude::*;

use super::*;

fn now() -> Timestamp {
    "2026-01-31T08:00:00Z".parse().unwrap()
}

fn wishes(text: &str) -> Vec<(bool, Wish)> {
    let search = Search::parse(text, now()).unwrap();
    search.terms.into_iter().map(|term| (term.negated, term.wish)).collect()
}

fn words(words: &str) -> Wish {
    Wish::Words { words: words.to_owned(), prefix: false }
}

fn from(start: &str) -> Wish {
    Wish::From(NumberStart(start.to_owned()))
}

#[test]
fn words_phrases_and_conditions_stand_in_one_box() {
    let found = wishes(r#"refund "next week" appoint* from:+1555 has:media after:2026-01-01 before:2h"#);
    let expected = [
        words("refund"),
        words("next week"),
        Wish::Words { words: "appoint".to_owned(), prefix: true },
        from("+1555"),
        Wish::HasMedia,
        Wish::After("2026-01-01T00:00:00Z".parse().unwrap()),
        Wish::Before("2026-01-31T06:00:00Z".parse().unwrap()),
    ];
    assert_eq!(found, expected.map(|wish| (false, wish)));
}

#[test]
fn a_sign_before_a_term_turns_it_round() {
    let found = wishes(r#"-stop !"next week" -from:22395 !has:media"#);
    let expected = [words("stop"), words("next week"), from("22395"), Wish::HasMedia];
    assert_eq!(found, expected.map(|wish| (true, wish)));
    assert_eq!(wishes("well-known - x"), [(false, words("well-known")), (false, words("x"))]);
}

#[test]
fn what_only_looks_like_syntax_is_text() {
    for (text, meant) in [
        ("10:30", "10:30"),
        ("http://x.example/?a=b", "http://x.example/?a=b"),
        ("AND", "AND"),
        ("from:", "from:"),
        ("NEAR(a", "NEAR(a"),
        ("\"open quote", "open quote"),
        ("co*lon", "colon"),
    ] {
        assert_eq!(wishes(text), [(false, words(meant))], "{text}");
    }
    assert_eq!(Search::parse("", now()).unwrap(), Search::default());
}

#[test]
fn plain_words_know_no_names_and_no_signs() {
    let search = Search::words("from:+1 -stop \"a b\"").unwrap();
    let found: Vec<_> = search.terms.into_iter().map(|term| (term.negated, term.wish)).collect();
    assert_eq!(found, [(false, words("from:+1")), (false, words("-stop")), (false, words("a b"))]);
}

#[test]
fn a_number_may_be_written_as_people_write_it() {
    assert_eq!(wishes("from:\"+1 (555) 123-4567\""), [(false, from("+15551234567"))]);
    assert_eq!(wishes("FROM: +1555*"), [(false, from("+1555"))]);
    assert_eq!(NumberStart("555".to_owned()).beginnings(), ["555", "+555"]);
    assert_eq!(NumberStart("ACME".to_owned()).beginnings(), ["ACME"]);
}

#[test]
fn what_nobody_can_mean_is_refused_with_its_place() {
    let refused = |text: &str| Search::parse(text, now()).unwrap_err();
    assert_eq!(refused("hi after:yesterday").position(), 4);
    assert_eq!(refused("has:wings").to_string(), "at character 1: `has:wings` should be `has:media`");
    assert_eq!(refused("ünï conv:x").position(), 5);
    assert_eq!(refused("ok a*"), SearchError::ShortPrefix { position: 4 });
    assert_eq!(refused(" ??? !!"), SearchError::NoWords { position: 2 });
    assert_eq!(refused(&"x".repeat(10_000)).position(), MAX_SEARCH_CHARS + 1);
    assert_eq!(refused(&"x ".repeat(40)).position(), 2 * MAX_SEARCH_TERMS + 1);
}

#[test]
fn scripts_without_blanks_and_emoji_are_split() {
    assert_eq!(searchable("明天hi"), " 明  天 hi");
    assert_eq!(searchable("ok👍🏽"), "ok emoji1f44d ");
    assert_eq!(searchable("❤\u{fe0f}a\0b"), " emoji2764 a b");
    assert_eq!(wishes("明*"), [(false, Wish::Words { words: " 明 ".to_owned(), prefix: true })]);
}

proptest! {
    #[test]
    fn any_text_is_a_search_or_an_error_with_a_place(text in any::<String>()) {
        for result in [Search::parse(&text, now()), Search::words(&text)] {
            match result {
                Ok(search) => prop_assert!(search.terms.len() <= MAX_SEARCH_TERMS),
                Err(error) => {
                    prop_assert!(error.position() >= 1);
                    prop_assert!(error.position() <= text.chars().count().max(1));
                }
            }
        }
    }

    #[test]
    fn signs_in_any_order_are_read(text in "[-!*\":() a0+'\\^{}\\x00]{0,60}(from:|has:|AND|NOT|NEAR)?[-!*\": a]{0,9}") {
        if let Ok(search) = Search::parse(&text, now()) {
            for term in search.terms {
                if let Wish::Words { words, .. } = term.wish {
                    prop_assert!(fold::has_word(&words) && !words.contains(['\0', '"', '*']));
                }
            }
        }
    }

    #[test]
    fn a_word_of_a_text_is_a_word_of_its_searchable_form(before in "[a-z]{1,8}", word in "[a-z]{1,8}") {
        let text = searchable(&format!("{before} {word}👍"));
        prop_assert!(text.split_whitespace().any(|found| found == word));
    }
}

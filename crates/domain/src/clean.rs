//! Makes text from outside safe to keep and fit to compare: no control characters, no endless fields, one case.

// Telnyx's own values are far shorter. Without a cap one long field would not fit an index row of PostgreSQL.
const MAX_FIELD_CHARACTERS: usize = 512;

/// A short field: control characters become U+FFFD, and what exceeds 512 characters is cut.
pub(crate) fn field(text: &str) -> String {
    text.chars().take(MAX_FIELD_CHARACTERS).map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

/// A short field; an empty one is none.
pub(crate) fn optional_field(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(field)
}

/// A text that people wrote: only U+0000 is replaced, which PostgreSQL cannot store.
pub(crate) fn prose(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

/// A text as keywords and the echo detector compare it: lower case, trimmed, each run of white space one space.
///
/// Characters are folded one by one, so that a text folds the same wherever it is quoted.
pub(crate) fn folded(text: &str) -> String {
    let lower: String = text.chars().flat_map(char::to_lowercase).collect();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lose_control_characters_and_surplus_length() {
        assert_eq!(field("a\0b\u{1b}[31m\n"), "a\u{FFFD}b\u{FFFD}[31m\u{FFFD}");
        assert_eq!(field(&"é".repeat(600)).chars().count(), 512);
        assert_eq!(optional_field(Some("")), None);
        assert_eq!(prose("a\0\nb"), "a\u{FFFD}\nb");
    }

    proptest::proptest! {
        #[test]
        fn a_quoted_text_is_found_after_folding(before in "\\PC{0,8}", quoted in "\\PC{1,20}", after in "\\PC{0,8}") {
            let quote = format!("{before}{quoted}{after}");
            proptest::prop_assert!(folded(&quote).contains(&folded(&quoted)));
        }
    }
}

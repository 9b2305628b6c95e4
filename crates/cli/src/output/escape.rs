//! Makes foreign text harmless on a terminal.

use std::borrow::Cow;
use std::fmt::Write;

/// The text with everything escaped that moves the cursor, breaks the line or turns the reading direction.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            harmful if is_harmful(harmful) => {
                write!(safe, "\\u{{{:x}}}", u32::from(harmful)).expect("writing to a string cannot fail");
            }
            harmless => safe.push(harmless),
        }
    }
    Cow::Owned(safe)
}

fn is_harmful(character: char) -> bool {
    let turns_direction = matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks_line = matches!(character, '\u{2028}' | '\u{2029}');
    let is_invisible = matches!(character, '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    character.is_control() || turns_direction || breaks_line || is_invisible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_stays() {
        for text in ["Hello", "Grüße, 世界 👍🏽", "👩‍👩‍👧", ""] {
            assert!(matches!(escape(text), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn whatever_steers_a_terminal_is_escaped() {
        assert_eq!(escape("\x1b[31mred"), "\\u{1b}[31mred");
        assert_eq!(escape("a\r\nb\tc\x07\u{9b}1m"), "a\\r\\nb\\tc\\u{7}\\u{9b}1m");
        assert_eq!(escape("abc\u{202e}fed"), "abc\\u{202e}fed");
        assert_eq!(escape("\u{2028}\u{feff}"), "\\u{2028}\\u{feff}");
    }
}

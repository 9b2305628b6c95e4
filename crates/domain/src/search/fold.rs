//! Prepares text for a full-text index that splits at blanks and signs: what has no blanks gets some.

use std::fmt::Write;

/// The text in which words are looked for, and the form in which words are looked for in it. Characters of scripts that
/// are written without blanks stand alone, so that a part of a run can be found as a phrase; emoji become words.
pub fn searchable(text: &str) -> String {
    let mut folded = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            // Variation selectors, joiners and skin tones: one person writes them, the next does not.
            '\u{fe00}'..='\u{fe0f}' | '\u{200d}' | '\u{1f3fb}'..='\u{1f3ff}' => {}
            '\0' => folded.push(' '),
            _ if is_emoji(character) => {
                write!(folded, " emoji{:x} ", u32::from(character)).expect("writing to a string cannot fail");
            }
            _ if stands_alone(character) => folded.extend([' ', character, ' ']),
            _ => folded.push(character),
        }
    }
    folded
}

/// Whether the index has a word for any of it.
pub(super) fn has_word(folded: &str) -> bool {
    folded.chars().any(char::is_alphanumeric)
}

/// How many letters and digits the last word has.
pub(super) fn last_word_chars(folded: &str) -> usize {
    folded.trim_end().chars().rev().take_while(|character| character.is_alphanumeric()).count()
}

/// Han, kana and Hangul: blocks of the Unicode standard.
pub(super) fn stands_alone(character: char) -> bool {
    matches!(
        u32::from(character),
        0x3040..=0x30ff
            | 0x31f0..=0x31ff
            | 0x3400..=0x4dbf
            | 0x4e00..=0x9fff
            | 0xac00..=0xd7a3
            | 0xf900..=0xfaff
            | 0xff66..=0xff9d
            | 0x2_0000..=0x3_ffff
    )
}

/// The blocks of symbols in which emoji stand, newer ones than SQLite knows included.
fn is_emoji(character: char) -> bool {
    matches!(
        u32::from(character),
        0x2190..=0x21ff | 0x2300..=0x23ff | 0x2600..=0x27bf | 0x2b00..=0x2bff | 0x1_f000..=0x1_faff
    )
}

//! How a text is cut into parts: GSM-7 where every character fits, UCS-2 otherwise (3GPP TS 23.038).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Telnyx sends at most ten parts.
pub const MAX_PARTS: usize = 10;

const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
// Each of these takes two septets: the escape and itself.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// The alphabet a text is sent in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// Seven bits a character: 160 in one part, 153 in each of several.
    #[serde(rename = "GSM-7")]
    Gsm7,
    /// Sixteen bits a unit: 70 in one part, 67 in each of several.
    #[serde(rename = "UCS-2")]
    Ucs2,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gsm7 => "GSM-7",
            Self::Ucs2 => "UCS-2",
        })
    }
}

/// A text's alphabet and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segments {
    /// The alphabet that fits every character.
    pub encoding: Encoding,
    /// Septets or 16-bit units.
    pub units: usize,
    /// Number of parts, at least 1, also for an empty text.
    pub parts: usize,
}

/// A text has a character that GSM-7 lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("GSM-7 has no `{character}` (U+{:04X})", u32::from(*.character))]
pub struct NotGsm7 {
    /// The first such character.
    pub character: char,
}

impl Segments {
    /// Measures a text in the smallest alphabet that fits it. No character is split between two parts.
    pub fn of(text: &str) -> Self {
        Self::gsm7(text).unwrap_or_else(|_| Self::ucs2(text))
    }

    /// Measures a text in GSM-7, if it has a place for every character.
    pub fn gsm7(text: &str) -> Result<Self, NotGsm7> {
        let width = |character| septets(character).ok_or(NotGsm7 { character });
        let widths: Vec<usize> = text.chars().map(width).collect::<Result<_, _>>()?;
        Ok(Self::fill(Encoding::Gsm7, &widths, 160, 153))
    }

    /// Measures a text in UCS-2, whether it needs that or not.
    pub fn ucs2(text: &str) -> Self {
        let widths: Vec<usize> = text.chars().map(char::len_utf16).collect();
        Self::fill(Encoding::Ucs2, &widths, 70, 67)
    }

    fn fill(encoding: Encoding, widths: &[usize], single: usize, each: usize) -> Self {
        let units = widths.iter().sum();
        let (mut parts, mut room) = (1, if units <= single { single } else { each });
        for &width in widths {
            if width > room {
                (parts, room) = (parts + 1, each);
            }
            room -= width;
        }
        Self { encoding, units, parts }
    }
}

fn septets(character: char) -> Option<usize> {
    if BASIC.contains(character) {
        Some(1)
    } else if EXTENSION.contains(character) {
        Some(2)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_the_tables() {
        let cases = [
            (String::new(), Encoding::Gsm7, 0, 1),
            ("a".repeat(160), Encoding::Gsm7, 160, 1),
            ("a".repeat(161), Encoding::Gsm7, 161, 2),
            ("a".repeat(306), Encoding::Gsm7, 306, 2),
            ("a".repeat(307), Encoding::Gsm7, 307, 3),
            ("€".repeat(80), Encoding::Gsm7, 160, 1),
            // 153 is odd: the escape and its character stay together, so each part holds 76.
            ("€".repeat(153), Encoding::Gsm7, 306, 3),
            ("ж".repeat(70), Encoding::Ucs2, 70, 1),
            ("ж".repeat(71), Encoding::Ucs2, 71, 2),
            ("😀".repeat(35), Encoding::Ucs2, 70, 1),
            // 67 is odd: a surrogate pair is not split, so each part holds 33.
            ("😀".repeat(67), Encoding::Ucs2, 134, 3),
        ];
        for (text, encoding, units, parts) in cases {
            assert_eq!(Segments::of(&text), Segments { encoding, units, parts }, "{text}");
        }
    }

    #[test]
    fn a_forced_alphabet_is_taken_or_refused() {
        assert_eq!(Segments::ucs2("plain").encoding, Encoding::Ucs2);
        assert_eq!(Segments::ucs2(&"a".repeat(71)).parts, 2);
        assert_eq!(Segments::gsm7("Grüße"), Ok(Segments::of("Grüße")));
        let refused = Segments::gsm7("a😀ж").unwrap_err();
        assert_eq!(refused.to_string(), "GSM-7 has no `😀` (U+1F600)");
    }

    /// Cuts a text by the rule itself: characters one by one into parts of so many units.
    fn parts_one_by_one(widths: &[usize], single: usize, each: usize) -> usize {
        if widths.iter().sum::<usize>() <= single {
            return 1;
        }
        let mut parts = vec![0];
        for width in widths {
            if parts[parts.len() - 1] + width > each {
                parts.push(0);
            }
            *parts.last_mut().unwrap() += width;
        }
        parts.len()
    }

    #[test]
    fn every_text_takes_the_parts_that_the_rule_gives() {
        // A small generator: all lengths around the limits, with wide characters at every distance.
        for length in [0, 1, 69, 70, 71, 134, 135, 152, 153, 154, 159, 160, 161, 306, 307, 459, 1530, 1531] {
            for every in 1..9 {
                for (wide, plain) in [('€', 'a'), ('😀', 'ж')] {
                    let text: String =
                        (0..length).map(|place| if place % every == 0 { wide } else { plain }).collect();
                    let segments = Segments::of(&text);
                    let (width, single, each): (fn(char) -> usize, _, _) = match segments.encoding {
                        Encoding::Gsm7 => (|character| septets(character).unwrap(), 160, 153),
                        Encoding::Ucs2 => (char::len_utf16, 70, 67),
                    };
                    let widths: Vec<usize> = text.chars().map(width).collect();
                    assert_eq!(segments.parts, parts_one_by_one(&widths, single, each), "{length} {every}");
                    assert_eq!(segments.units, widths.iter().sum::<usize>());
                }
            }
        }
    }

    #[test]
    fn basic_alphabet_has_127_characters() {
        assert_eq!(BASIC.chars().count(), 127);
    }
}

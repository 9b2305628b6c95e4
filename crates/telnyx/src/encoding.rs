//! How a text is cut into parts: GSM-7 where every character fits, UCS-2 otherwise (3GPP TS 23.038).

use std::fmt;

/// Telnyx sends at most ten parts.
pub const MAX_PARTS: usize = 10;

const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
// Each of these takes two septets: the escape and itself.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// The alphabet a text is sent in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Seven bits a character: 160 in one part, 153 in each of several.
    Gsm7,
    /// Sixteen bits a unit: 70 in one part, 67 in each of several.
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

impl Segments {
    /// Measures a text. No character is split between two parts.
    pub fn of(text: &str) -> Self {
        let septets: Option<Vec<usize>> = text.chars().map(septets).collect();
        match septets {
            Some(widths) => Self::fill(Encoding::Gsm7, &widths, 160, 153),
            None => {
                Self::fill(Encoding::Ucs2, &text.chars().map(char::len_utf16).collect::<Vec<_>>(), 70, 67)
            }
        }
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
    fn basic_alphabet_has_127_characters() {
        assert_eq!(BASIC.chars().count(), 127);
    }
}

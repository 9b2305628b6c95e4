//! Smart encoding: characters that word processors insert, replaced by look-alikes that GSM-7 has.
//!
//! Telnyx names the categories and examples, not its whole table; these are the common members of each category.

use std::borrow::Cow;

/// What takes the place of each character. Letters and digits of full width follow a rule instead.
const LOOK_ALIKES: &[(&str, &str)] = &[
    (
        "\u{ab}\u{bb}\u{201c}\u{201d}\u{201e}\u{201f}\u{2033}\u{2036}\u{275d}\u{275e}\u{301d}\u{301e}\u{ff02}",
        "\"",
    ),
    (
        "`\u{b4}\u{2b9}\u{2bb}\u{2bc}\u{2bd}\u{2c8}\u{2018}\u{2019}\u{201b}\u{2032}\u{2035}\u{2039}\u{203a}\u{275b}\u{275c}\u{ff07}\u{ff40}",
        "'",
    ),
    (
        "\u{ad}\u{2010}\u{2011}\u{2012}\u{2013}\u{2014}\u{2015}\u{2022}\u{2043}\u{207b}\u{208b}\u{2212}\u{23af}\u{23e4}\u{2500}\u{fe58}\u{fe63}\u{ff0d}",
        "-",
    ),
    ("\u{f7}\u{2044}\u{2215}\u{29f8}\u{29f6}\u{ff0f}", "/"),
    ("\u{bc}", "1/4"),
    ("\u{bd}", "1/2"),
    ("\u{be}", "3/4"),
    ("\u{29f5}\u{29f9}\u{fe68}\u{ff3c}", "\\"),
    ("\u{2017}\u{ff3f}\u{fe4d}\u{fe4e}\u{fe4f}", "_"),
    ("\u{a6}\u{23b8}\u{23b9}\u{23d0}\u{2758}\u{2759}\u{275a}\u{ff5c}", "|"),
    ("\u{fe6b}\u{ff20}", "@"),
    ("\u{fe69}\u{ff04}", "$"),
    ("\u{fe5f}\u{ff03}", "#"),
    ("\u{fe6a}\u{ff05}", "%"),
    ("\u{fe60}\u{ff06}", "&"),
    ("\u{1c3}\u{fe57}\u{ff01}", "!"),
    ("\u{fe56}\u{ff1f}", "?"),
    ("\u{2026}\u{fe19}", "..."),
    ("\u{2024}\u{fe52}\u{ff0e}", "."),
    ("\u{2025}", ".."),
    ("\u{203c}", "!!"),
    ("\u{201a}\u{ff0c}\u{fe50}\u{fe51}\u{ff64}\u{3001}", ","),
    ("\u{2768}\u{276a}\u{fe59}\u{ff08}\u{2985}", "("),
    ("\u{2769}\u{276b}\u{fe5a}\u{ff09}\u{2986}", ")"),
    ("\u{2774}\u{fe5b}\u{ff5b}", "{"),
    ("\u{2775}\u{fe5c}\u{ff5d}", "}"),
    ("\u{fe47}\u{ff3b}", "["),
    ("\u{fe48}\u{ff3d}", "]"),
    ("\u{204e}\u{2217}\u{229b}\u{2731}\u{fe61}\u{ff0a}", "*"),
    ("\u{fe62}\u{ff0b}", "+"),
    ("\u{fe66}\u{ff1d}\u{a78a}", "="),
    ("\u{fe64}\u{ff1c}", "<"),
    ("\u{fe65}\u{ff1e}", ">"),
    ("\u{2d0}\u{2f8}\u{2982}\u{a789}\u{fe13}\u{fe55}\u{ff1a}", ":"),
    ("\u{204f}\u{fe14}\u{fe54}\u{ff1b}", ";"),
    ("\u{2c6}\u{302}\u{ff3e}", "^"),
    ("\u{2dc}\u{2053}\u{223c}\u{223d}\u{301c}\u{ff5e}", "~"),
    (
        "\u{a0}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\u{2007}\u{2008}\u{2009}\u{200a}\u{202f}\u{205f}\u{3000}",
        " ",
    ),
    ("\u{2028}\u{2029}", "\n"),
    ("\t", "       "),
    ("\u{200b}\u{200c}\u{2060}\u{feff}", ""),
];
/// Greek capitals that look like Latin ones; the others are in GSM-7 themselves or have no likeness.
const GREEK: &str = "\u{391}A\u{392}B\u{395}E\u{396}Z\u{397}H\u{399}I\u{39a}K\u{39c}M\u{39d}N\u{39f}O\u{3a1}P\u{3a4}T\u{3a5}Y\u{3a7}X";
/// Small capitals and the letters that they stand for.
const SMALL_CAPITALS: &str = "\u{1d00}A\u{299}B\u{1d04}C\u{1d05}D\u{1d07}E\u{262}G\u{29c}H\u{26a}I\u{1d0a}J\u{1d0b}K\u{29f}L\u{1d0d}M\u{274}N\u{1d0f}O\u{1d18}P\u{280}R\u{1d1b}T\u{1d1c}U\u{1d20}V\u{1d21}W\u{28f}Y\u{1d22}Z";

/// Replaces what can be replaced; the text itself when there is nothing.
pub fn smart_encode(text: &str) -> Cow<'_, str> {
    let mut encoded = String::new();
    let mut is_changed = false;
    for character in text.chars() {
        match replacement(character) {
            Some(other) => {
                is_changed = true;
                encoded.push_str(&other);
            }
            None => encoded.push(character),
        }
    }
    if is_changed { Cow::Owned(encoded) } else { Cow::Borrowed(text) }
}

fn replacement(character: char) -> Option<Cow<'static, str>> {
    let full_width = |first: char, ascii: u8| {
        let offset = u8::try_from(u32::from(character) - u32::from(first)).ok()?;
        Some(Cow::Owned(char::from(ascii + offset).to_string()))
    };
    match character {
        '\u{ff10}'..='\u{ff19}' => return full_width('\u{ff10}', b'0'),
        '\u{ff21}'..='\u{ff3a}' => return full_width('\u{ff21}', b'A'),
        '\u{ff41}'..='\u{ff5a}' => return full_width('\u{ff41}', b'a'),
        // A line break and the form feed of the extension table are sent; other control characters go.
        '\n' | '\r' | '\u{c}' => return None,
        '\t' => {}
        _ if character.is_control() => return Some(Cow::Borrowed("")),
        ' '..='_' | 'a'..='~' => return None,
        _ => {}
    }
    let alike = LOOK_ALIKES.iter().find(|(characters, _)| characters.contains(character));
    alike.map(|(_, other)| Cow::Borrowed(*other)).or_else(|| letter(character))
}

fn letter(character: char) -> Option<Cow<'static, str>> {
    [GREEK, SMALL_CAPITALS].iter().find_map(|pairs| {
        let mut pairs = pairs.chars();
        while let (Some(from), Some(to)) = (pairs.next(), pairs.next()) {
            if from == character {
                return Some(Cow::Owned(to.to_string()));
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Encoding, Segments};

    #[test]
    fn typographic_characters_become_plain_ones() {
        let cases = [
            (
                "Don\u{2019}t miss \u{201c}it\u{201d} \u{2014} 50% off\u{2026}",
                "Don't miss \"it\" - 50% off...",
            ),
            ("\u{bd}\u{a0}price\u{200b}", "1/2 price"),
            ("\u{ff21}\u{ff5a}\u{ff10}\u{ff19}", "Az09"),
            ("\u{391}\u{1d00}\tx\u{0}", "AA       x"),
            ("\u{29f9}\u{ff3f}\u{ff5c}\u{2c6}\u{2dc}", "\\_|^~"),
            ("\u{1f600}\u{2014}", "\u{1f600}-"),
        ];
        for (text, encoded) in cases {
            assert_eq!(smart_encode(text), encoded, "{text}");
        }
    }

    #[test]
    fn a_text_of_gsm7_stays_as_it_is_but_for_the_tab_like_characters() {
        let plain = "Hello, Grüße\r\n[5 €] ÄÖÜ Δ";
        assert!(matches!(smart_encode(plain), Cow::Borrowed(text) if text == plain));
    }

    #[test]
    fn every_replacement_is_gsm7_and_final() {
        for code in 0..=0x1ffff {
            let Some(character) = char::from_u32(code) else { continue };
            let Some(other) = replacement(character) else { continue };
            assert_eq!(Segments::of(&other).encoding, Encoding::Gsm7, "U+{code:04X}");
            assert_eq!(smart_encode(&other), other, "U+{code:04X}");
            let is_in_gsm7 = Segments::gsm7(&character.to_string()).is_ok();
            assert!(!is_in_gsm7, "U+{code:04X} needs no replacement");
        }
    }
}

//! Phone numbers and the other things that can send a text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

// E.164 allows 15 digits. Seven is the shortest national number with its country code; below that it is a short
// code, which Telnyx sometimes writes with a plus (`+75973`).
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
const SHORT_CODE_DIGITS: std::ops::RangeInclusive<usize> = 3..=6;

/// An E.164 number: `+` and 7 to 15 digits, the first not zero. Compared exactly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber(String);

/// A text is not an E.164 number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an E.164 number: a plus, a country code and up to 15 digits in all, as in `+15551234567`"
)]
pub struct InvalidPhoneNumber {
    /// The text as given.
    pub text: String,
}

impl PhoneNumber {
    /// The number with its plus.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PhoneNumber {
    type Err = InvalidPhoneNumber;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('+').unwrap_or_default();
        let valid = DIGITS.contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidPhoneNumber { text: text.to_owned() }) }
    }
}

impl TryFrom<String> for PhoneNumber {
    type Error = InvalidPhoneNumber;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PhoneNumber> for String {
    fn from(number: PhoneNumber) -> Self {
        number.0
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who a text is from or to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An ordinary number.
    Number(PhoneNumber),
    /// Three to six digits, with or without a plus.
    ShortCode(String),
    /// Anything else that is not empty: an alphanumeric sender, an RCS agent.
    Alphanumeric(String),
    /// Nothing.
    Empty,
}

impl Address {
    /// Tells what kind of address a text is.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let digits = text.strip_prefix('+').unwrap_or(text);
        if let Ok(number) = text.parse() {
            Self::Number(number)
        } else if text.is_empty() {
            Self::Empty
        } else if SHORT_CODE_DIGITS.contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
        {
            Self::ShortCode(digits.to_owned())
        } else {
            Self::Alphanumeric(text.to_owned())
        }
    }
}

/// Hides the middle of a number, for logs: `+15551234567` becomes `+1555…67`.
pub fn mask(number: &str) -> String {
    let characters: Vec<char> = number.chars().collect();
    match characters.len() {
        0..=6 => "…".to_owned(),
        length => {
            let head: String = characters[..5.min(length - 2)].iter().collect();
            let tail: String = characters[length - 2..].iter().collect();
            format!("{head}…{tail}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_e164_is_a_number() {
        for good in ["+15551234567", "+4930123456", "+1234567"] {
            assert!(good.parse::<PhoneNumber>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "+",
            "15551234567",
            "+05551234567",
            "+1 555 123",
            "+123456",
            "+1234567890123456",
            "+１５５５１２３４",
        ] {
            assert!(bad.parse::<PhoneNumber>().is_err(), "{bad}");
        }
    }

    #[test]
    fn short_codes_may_carry_a_plus() {
        assert_eq!(Address::parse("+75973"), Address::ShortCode("75973".into()));
        assert_eq!(Address::parse("75973"), Address::ShortCode("75973".into()));
        assert_eq!(Address::parse(" "), Address::Empty);
        assert_eq!(Address::parse("ACME"), Address::Alphanumeric("ACME".into()));
    }

    #[test]
    fn masked_numbers_cannot_be_dialled() {
        assert_eq!(mask("+15551234567"), "+1555…67");
        assert_eq!(mask("75973"), "…");
        assert_eq!(mask("ééééééé"), "ééééé…éé");
    }
}

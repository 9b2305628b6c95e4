//! The words by which people opt out, opt in and ask for help.

use serde::{Deserialize, Serialize};

/// What a keyword asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Keyword {
    Stop,
    Start,
    Help,
}

/// A text as keywords are compared: without space around it, in capitals.
pub(crate) fn word(text: &str) -> String {
    text.trim().to_uppercase()
}

impl Keyword {
    /// Recognises a text that consists of a keyword and nothing else, whatever its case.
    pub(crate) fn of(text: &str) -> Option<Self> {
        match word(text).as_str() {
            "STOP" | "STOPALL" | "STOP ALL" | "UNSUBSCRIBE" | "CANCEL" | "END" | "QUIT" => Some(Self::Stop),
            "START" | "UNSTOP" => Some(Self::Start),
            "HELP" => Some(Self::Help),
            _ => None,
        }
    }

    /// The operation that a word belongs to and cannot be taken from.
    pub(crate) fn reserved(text: &str) -> Option<Self> {
        match word(text).as_str() {
            "STOP" => Some(Self::Stop),
            "START" => Some(Self::Start),
            "HELP" => Some(Self::Help),
            _ => None,
        }
    }

    /// The word in `autoresponse_type`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "STOP",
            Self::Start => "START",
            Self::Help => "HELP",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_message_is_a_keyword() {
        assert_eq!(Keyword::of(" Stop all\n"), Some(Keyword::Stop));
        assert_eq!(Keyword::of("unstop"), Some(Keyword::Start));
        assert_eq!(Keyword::of("please stop"), None);
    }
}

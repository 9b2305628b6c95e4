//! The language of the search box: words, phrases and `name:value` conditions, read tolerantly.

mod fold;
mod parse;
#[cfg(test)]
mod tests;

pub use fold::searchable;

use crate::message::Direction;
use crate::time::Timestamp;

/// The longest search, in characters: longer than anything a person types.
pub const MAX_SEARCH_CHARS: usize = 1_000;
/// The most words and conditions of a search: each costs a look at the index.
pub const MAX_SEARCH_TERMS: usize = 32;

/// What a search asks for. Every term must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// The terms, in the order in which they were written.
    pub terms: Vec<SearchTerm>,
}

/// One word, phrase or condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchTerm {
    /// Whether it must not hold.
    pub negated: bool,
    /// What is asked.
    pub wish: Wish,
}

/// What one term asks of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// These words stand in the text, one after the other; as [`searchable`] writes them.
    Words {
        /// At least one word.
        words: String,
        /// Whether the last of them may go on.
        prefix: bool,
    },
    /// The sender begins so.
    From(NumberStart),
    /// The first recipient begins so.
    To(NumberStart),
    /// Its type, in capitals.
    Type(String),
    /// Its status.
    Status(String),
    /// Its conversation.
    Conversation(i64),
    /// Inbound or outbound.
    Direction(Direction),
    /// It has an attachment.
    HasMedia,
    /// It was received at this moment or later.
    After(Timestamp),
    /// It was received before this moment.
    Before(Timestamp),
}

/// The beginning of a number, or of a name that stands in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberStart(String);

impl NumberStart {
    /// Every text that a number may begin with to be meant: digits alone mean a number with and without its plus.
    pub fn beginnings(&self) -> Vec<String> {
        let plain = self.0.clone();
        if plain.bytes().all(|byte| byte.is_ascii_digit()) {
            let international = format!("+{plain}");
            return vec![plain, international];
        }
        vec![plain]
    }
}

/// A search cannot be understood. Positions count characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// It is longer than [`MAX_SEARCH_CHARS`].
    #[error("at character {position}: a search has at most {MAX_SEARCH_CHARS} characters")]
    TooLong {
        /// The first character too many.
        position: usize,
    },
    /// It has more terms than [`MAX_SEARCH_TERMS`].
    #[error("at character {position}: a search has at most {MAX_SEARCH_TERMS} words and conditions")]
    TooManyTerms {
        /// Where the first term too many begins.
        position: usize,
    },
    /// A condition's value is not of its kind.
    #[error("at character {position}: `{name}:{value}` should be {expected}")]
    BadValue {
        /// Where the condition begins.
        position: usize,
        /// Its name.
        name: &'static str,
        /// What stands behind the colon.
        value: String,
        /// What should.
        expected: &'static str,
    },
    /// The beginning of a word is too short to look for.
    #[error("at character {position}: write at least two letters before `*`")]
    ShortPrefix {
        /// Where it begins.
        position: usize,
    },
    /// Nothing in it can be looked for.
    #[error("at character {position}: there is no word in it to look for")]
    NoWords {
        /// Where it begins.
        position: usize,
    },
}

impl SearchError {
    /// Where the trouble is, in characters from 1.
    pub const fn position(&self) -> usize {
        match self {
            Self::TooLong { position }
            | Self::TooManyTerms { position }
            | Self::BadValue { position, .. }
            | Self::ShortPrefix { position }
            | Self::NoWords { position } => *position,
        }
    }
}

impl Search {
    /// Reads the search language, seen from now: `refund "next week" from:+1555 -has:media after:2026-01-01`.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, SearchError> {
        parse::parse(text, Some(now))
    }

    /// Reads plain words and phrases, in which names and signs have no meaning but `*` behind the beginning of a word.
    pub fn words(text: &str) -> Result<Self, SearchError> {
        parse::parse(text, None)
    }
}

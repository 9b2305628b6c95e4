//! Reads a search: what it may mean is taken, and what cannot be meant is refused with its place.

use std::time::Duration;

use super::fold::{has_word, last_word_chars, searchable, stands_alone};
use super::{MAX_SEARCH_CHARS, MAX_SEARCH_TERMS, NumberStart, Search, SearchError, SearchTerm, Wish};
use crate::message::Direction;
use crate::time::Timestamp;

const NAMES: [&str; 9] = ["from", "to", "type", "status", "conv", "direction", "has", "after", "before"];
const TIME: &str = "a time, a day or how long ago, as in 2026-01-31T08:00:00Z, 2026-01-31 or 2h";

/// Reads the whole language seen from `now`, or, without it, words and phrases only.
pub(super) fn parse(text: &str, now: Option<Timestamp>) -> Result<Search, SearchError> {
    let characters: Vec<char> = text.chars().take(MAX_SEARCH_CHARS + 1).collect();
    if characters.len() > MAX_SEARCH_CHARS {
        return Err(SearchError::TooLong { position: MAX_SEARCH_CHARS + 1 });
    }
    let mut reader = Reader { characters: &characters, at: 0 };
    let mut terms = Vec::new();
    let mut skipped = None;
    while let Some(begin) = reader.next_term() {
        if terms.len() == MAX_SEARCH_TERMS {
            return Err(SearchError::TooManyTerms { position: begin + 1 });
        }
        match reader.term(now)? {
            Some(term) => terms.push(term),
            None => skipped = skipped.or(Some(begin + 1)),
        }
    }
    match skipped {
        Some(position) if terms.is_empty() => Err(SearchError::NoWords { position }),
        _ => Ok(Search { terms }),
    }
}

/// A place in a search.
struct Reader<'a> {
    characters: &'a [char],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn skip(&mut self, wanted: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
    }

    fn taken(&self, begin: usize) -> String {
        self.characters[begin..self.at].iter().collect()
    }

    /// Where the next term begins.
    fn next_term(&mut self) -> Option<usize> {
        self.skip(is_blank);
        (self.at < self.characters.len()).then_some(self.at)
    }

    /// One term; `None` where nothing of it can be looked for.
    fn term(&mut self, now: Option<Timestamp>) -> Result<Option<SearchTerm>, SearchError> {
        let position = self.at + 1;
        let negated = now.is_some() && matches!(self.peek(), Some('-' | '!'));
        self.at += usize::from(negated);
        let condition = now.and_then(|now| Some((self.name()?, now)));
        let wish = match condition {
            Some((name, now)) => Some(wish(name, &self.value().0, position, now)?),
            None => self.words(position)?,
        };
        Ok(wish.map(|wish| SearchTerm { negated, wish }))
    }

    /// The name of a condition, where one stands here and something follows it.
    fn name(&mut self) -> Option<&'static str> {
        let begin = self.at;
        self.skip(|character| character.is_ascii_alphabetic());
        let written = self.taken(begin).to_ascii_lowercase();
        let name = NAMES.into_iter().find(|name| *name == written);
        if let (Some(name), Some(':')) = (name, self.peek()) {
            self.at += 1;
            self.skip(is_blank);
            if self.peek().is_some() {
                return Some(name);
            }
        }
        self.at = begin;
        None
    }

    /// What stands between quotes or blanks, and whether it stood between quotes. A quote that is not closed reaches to
    /// the end.
    fn value(&mut self) -> (String, bool) {
        if self.peek() == Some('"') {
            let begin = self.at + 1;
            self.at = begin;
            self.skip(|character| character != '"');
            let value = self.taken(begin);
            self.at = self.characters.len().min(self.at + 1);
            return (value, true);
        }
        let begin = self.at;
        self.skip(|character| !is_blank(character) && character != '"');
        (self.taken(begin), false)
    }

    fn words(&mut self, position: usize) -> Result<Option<Wish>, SearchError> {
        let (mut value, quoted) = self.value();
        let prefix = if quoted {
            let star = self.peek() == Some('*');
            self.at += usize::from(star);
            star
        } else {
            value.ends_with('*')
        };
        value.retain(|character| character != '*');
        let words = searchable(&value);
        if !has_word(&words) {
            return Ok(None);
        }
        let last = words.trim_end().chars().next_back();
        // A beginning of one letter would mean half of all messages; a sign that stands alone is a whole word.
        if prefix && last_word_chars(&words) < 2 && !last.is_some_and(stands_alone) {
            return Err(SearchError::ShortPrefix { position });
        }
        Ok(Some(Wish::Words { words, prefix }))
    }
}

// Control characters, NUL among them, are no part of any word.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || character.is_control()
}

fn wish(name: &'static str, value: &str, position: usize, now: Timestamp) -> Result<Wish, SearchError> {
    let bad = |expected| SearchError::BadValue { position, name, value: value.to_owned(), expected };
    Ok(match name {
        "from" => Wish::From(number_start(value).ok_or_else(|| bad("the beginning of a number"))?),
        "to" => Wish::To(number_start(value).ok_or_else(|| bad("the beginning of a number"))?),
        "type" => Wish::Type(value.to_uppercase()),
        "status" => Wish::Status(value.to_lowercase()),
        "conv" => Wish::Conversation(value.parse().map_err(|_| bad("the number of a conversation"))?),
        "direction" => match value.to_ascii_lowercase().as_str() {
            "in" | "inbound" => Wish::Direction(Direction::Inbound),
            "out" | "outbound" => Wish::Direction(Direction::Outbound),
            _ => return Err(bad("`inbound` or `outbound`")),
        },
        "has" if value.eq_ignore_ascii_case("media") => Wish::HasMedia,
        "has" => return Err(bad("`has:media`")),
        "after" => Wish::After(moment(value, now).ok_or_else(|| bad(TIME))?),
        _ => Wish::Before(moment(value, now).ok_or_else(|| bad(TIME))?),
    })
}

/// A number as people write it: signs between digits are dropped, a star behind it changes nothing.
fn number_start(value: &str) -> Option<NumberStart> {
    let value = value.trim_end_matches('*').trim();
    let is_number =
        value.chars().all(|character| character.is_ascii_digit() || "+ -.()/".contains(character));
    let number = if is_number {
        value.chars().filter(|character| character.is_ascii_digit() || *character == '+').collect()
    } else {
        value.to_owned()
    };
    (!number.is_empty()).then_some(NumberStart(number))
}

/// A time, a day in UTC, or how long ago: `90s`, `10m`, `2h`, `3d`, `1w`.
fn moment(value: &str, now: Timestamp) -> Option<Timestamp> {
    let at = value.to_uppercase().parse().or_else(|_| format!("{value}T00:00:00Z").parse()).ok();
    at.or_else(|| {
        let unit = value.chars().next_back()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        let count: u64 = value.strip_suffix(unit)?.parse().ok()?;
        Some(now.before(Duration::from_secs(count.checked_mul(seconds)?)))
    })
}

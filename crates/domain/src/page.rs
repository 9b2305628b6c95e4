//! Keyset paging: every list answers a page and the cursor of the next.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest page.
pub const MAX_LIMIT: u32 = 1_000;
const DEFAULT_LIMIT: u32 = 50;

/// Where the next page begins: an opaque text to clients, the last key of this page to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub i64);

/// A text is not a cursor that a list has given out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a cursor; use `next` of the page before, unchanged")]
pub struct InvalidCursor {
    text: String,
}

// The version letter lets the form change later without misreading old cursors.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a{:x}", self.0)
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('a').filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let key = digits.and_then(|digits| i64::from_str_radix(digits, 16).ok());
        key.map(Self).ok_or_else(|| InvalidCursor { text: text.to_owned() })
    }
}

/// Which page is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// Rows wanted, 1 to [`MAX_LIMIT`].
    pub limit: u32,
    /// Where it begins; `None` at the newest row.
    pub cursor: Option<Cursor>,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: DEFAULT_LIMIT, cursor: None }
    }
}

/// One page of a list, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Cursor of the next page; absent on the last.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of up to `limit + 1` rows: the surplus row only tells that there is a next page.
    pub fn of(mut rows: Vec<T>, limit: u32, key: impl Fn(&T) -> i64) -> Self {
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = if more { rows.last().map(|row| Cursor(key(row)).to_string()) } else { None };
        Self { data: rows, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn cursors_survive_the_round_trip(key in 0i64..) {
            proptest::prop_assert_eq!(Cursor(key).to_string().parse(), Ok(Cursor(key)));
        }

        #[test]
        fn any_text_is_a_cursor_or_an_error(text in ".{0,30}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                proptest::prop_assert!(cursor.0 >= 0);
            }
        }
    }

    #[test]
    fn only_a_surplus_row_makes_a_next_page() {
        assert_eq!(Page::of(vec![3, 2], 2, |row| *row).next, None);
        let page = Page::of(vec![3, 2, 1], 2, |row| *row);
        assert_eq!((page.data, page.next), (vec![3, 2], Some(Cursor(2).to_string())));
    }
}

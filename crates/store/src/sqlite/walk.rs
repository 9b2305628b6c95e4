//! Walks a list, newest first, and looks at a bounded number of rows: a page may be short while there are more.
//!
//! The narrowest index that a filter names is followed; whatever else is asked is checked on each row. Where a time is
//! asked, `time_map` tells which runs of keys need not be looked at.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use inlet_domain::{Cursor, PageRequest};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::failure::Failure;
use super::filters::{Conditions, rows_wanted};
use super::rows::value;
use super::time_map;

// What one page may cost, whichever comes first. The clock is read now and then only, so that small stores, and tests,
// see the same pages however busy the machine is.
const ROWS_PER_PAGE: usize = 10_000;
const TIME_PER_PAGE: Duration = Duration::from_millis(15);
const ROWS_PER_LOOK_AT_THE_CLOCK: usize = 128;
/// Entries of an index that are counted to learn which is the narrowest; more are many.
pub(super) const MANY: i64 = 1_000;

/// What a page may still look at.
pub(super) struct Budget {
    until: Instant,
    looked_at: usize,
    rows_per_look: usize,
}

impl Budget {
    /// That of one page.
    pub(super) fn new() -> Self {
        Self::with_look_every(ROWS_PER_LOOK_AT_THE_CLOCK)
    }

    /// That of a page whose rows are dear.
    pub(super) fn with_look_every(rows_per_look: usize) -> Self {
        Self { until: Instant::now() + TIME_PER_PAGE, looked_at: 0, rows_per_look }
    }

    /// Counts a row. False when it was the last.
    pub(super) fn spend(&mut self) -> bool {
        self.looked_at += 1;
        self.looked_at < ROWS_PER_PAGE
            && (!self.looked_at.is_multiple_of(self.rows_per_look) || self.has_time())
    }

    /// Whether there is time left.
    pub(super) fn has_time(&self) -> bool {
        Instant::now() < self.until
    }
}

/// Keys in an order that an index gives: where from, and which of its entries.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stream {
    /// The table with the index.
    pub(super) from: Cow<'static, str>,
    /// What is joined to it, so that conditions can be asked of its rows.
    pub(super) join: &'static str,
    /// The key, as the index has it.
    pub(super) key: &'static str,
    /// What holds for the entries meant; each `?` stands for the next value.
    pub(super) term: &'static str,
    /// The values.
    pub(super) values: Vec<Value>,
}

/// A list and what is asked of it.
pub(super) struct Walk<'a> {
    /// Its name in `time_map`.
    pub(super) list: &'static str,
    /// All of it.
    pub(super) all: Stream,
    /// Ways to everything that is meant, each of one or more streams.
    pub(super) choices: Vec<Vec<Stream>>,
    /// What must hold of each row.
    pub(super) conditions: &'a Conditions,
    /// The times asked for, in microseconds: from, and before.
    pub(super) times: (Option<i64>, Option<i64>),
}

/// The keys of a page, and where the next begins.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Keys {
    pub(super) keys: Vec<i64>,
    pub(super) next: Option<i64>,
}

impl Keys {
    /// The cursor of the next page.
    pub(super) fn cursor(&self) -> Option<String> {
        self.next.map(|key| Cursor(key).to_string())
    }
}

/// A page that is being filled.
pub(super) struct Gathering {
    pub(super) found: Keys,
    pub(super) budget: Budget,
    limit: usize,
}

/// The page is finished, though the list may not be.
#[derive(Debug, Clone, Copy)]
pub(super) struct End;

impl Gathering {
    /// An empty page.
    pub(super) fn new(page: PageRequest, budget: Budget) -> Self {
        Self { found: Keys::default(), budget, limit: page_limit(page) }
    }

    /// Takes keys in descending order, each with the answer whether it is wanted.
    pub(super) fn take(&mut self, key: i64, is_wanted: bool) -> Option<End> {
        if is_wanted && self.found.keys.last() != Some(&key) {
            if self.found.keys.len() == self.limit {
                self.found.next = self.found.keys.last().copied();
                return Some(End);
            }
            self.found.keys.push(key);
        }
        if self.budget.spend() {
            return None;
        }
        self.found.next = Some(key);
        Some(End)
    }
}

/// Rows of a page.
pub(super) fn page_limit(page: PageRequest) -> usize {
    rows_wanted(page) as usize - 1
}

impl Walk<'_> {
    /// The keys of a page. `also` is asked of rows for which everything else holds.
    pub(super) fn page(
        &self,
        connection: &Connection,
        page: PageRequest,
        budget: Budget,
        mut also: impl FnMut(i64) -> Result<bool, Failure>,
    ) -> Result<Keys, Failure> {
        let below = page.cursor.map_or(i64::MAX, |cursor| cursor.0);
        let streams =
            self.narrowest(connection, below)?.map_or(vec![self.all.clone()], |(streams, _)| streams);
        let mut gathering = Gathering::new(page, budget);
        // A way that leads nowhere: nothing can match.
        if streams.is_empty() {
            return Ok(gathering.found);
        }
        let ranges = time_map::ranges(connection, self.list, self.times, below)?;
        for (place, range) in ranges.into_iter().enumerate() {
            // One in which nothing lies spends no rows.
            if place > 0 && !gathering.budget.has_time() {
                gathering.found.next = Some(range.1);
                break;
            }
            if self.follow(connection, &streams, range, &mut gathering, &mut also)?.is_some() {
                break;
            }
        }
        Ok(gathering.found)
    }

    /// The choice with the fewest entries below a key, and how many they are, up to [`MANY`].
    pub(super) fn narrowest(
        &self,
        connection: &Connection,
        below: i64,
    ) -> Result<Option<(Vec<Stream>, i64)>, Failure> {
        let mut narrowest: Option<(Vec<Stream>, i64)> = None;
        for streams in &self.choices {
            let least = narrowest.as_ref().map_or(i64::MAX, |(_, count)| *count);
            if least == 0 {
                break;
            }
            let mut count = 0;
            for stream in streams {
                count += stream.count(connection, below, MANY)?;
            }
            if count < least {
                narrowest = Some((streams.clone(), count));
            }
        }
        Ok(narrowest)
    }

    /// Goes through streams within a range of keys, merged newest first.
    pub(super) fn follow(
        &self,
        connection: &Connection,
        streams: &[Stream],
        range: (i64, i64),
        gathering: &mut Gathering,
        also: &mut impl FnMut(i64) -> Result<bool, Failure>,
    ) -> Result<Option<End>, Failure> {
        let (sql, values) = merged(streams, self.conditions, range);
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            let key = row.get("page_key")?;
            let is_wanted = row.get("page_match")? && also(key)?;
            if let Some(end) = gathering.take(key, is_wanted) {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }
}

impl Stream {
    /// Its entries below a key, counted up to a limit.
    pub(super) fn count(&self, connection: &Connection, below: i64, limit: i64) -> Result<i64, Failure> {
        let (from, key) = (&self.from, self.key);
        let mut values = self.values.clone();
        let term = numbered(self.term, 0);
        values.push(below.into());
        let place = values.len();
        let sql = format!(
            "select count(*) from (select 1 from {from} where {term} and {key} < ?{place} limit {limit})"
        );
        value(connection, &sql, params_from_iter(values))
    }
}

/// One statement over several streams. SQLite merges them without sorting, because each is in order.
pub(super) fn merged(
    streams: &[Stream],
    conditions: &Conditions,
    (low, high): (i64, i64),
) -> (String, Vec<Value>) {
    let mut values = conditions.values().to_vec();
    values.extend([low.into(), high.into()]);
    let (low, high, matches) = (values.len() - 1, values.len(), conditions.truth());
    let mut arms = Vec::new();
    for Stream { from, join, key, term, values: own } in streams {
        let term = numbered(term, values.len());
        values.extend(own.iter().cloned());
        arms.push(format!(
            "select {key} as page_key, {matches} as page_match from {from} {join} \
             where {term} and {key} >= ?{low} and {key} < ?{high}"
        ));
    }
    (format!("{} order by page_key desc", arms.join(" union all ")), values)
}

/// Gives each `?` its number, beginning after those that are taken.
fn numbered(term: &str, taken: usize) -> String {
    let mut parts = term.split('?');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for (place, part) in parts.enumerate() {
        text.push_str(&format!("?{}{part}", taken + place + 1));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered_after_those_that_are_taken() {
        assert_eq!(numbered("a = ? and b in (?, ?)", 2), "a = ?3 and b in (?4, ?5)");
        assert_eq!(numbered("true", 2), "true");
    }

    fn gathering() -> Gathering {
        Gathering::new(PageRequest { limit: 2, cursor: None }, Budget::new())
    }

    #[test]
    fn a_page_ends_with_its_limit_and_repeats_no_key() {
        let mut page = gathering();
        for key in [9, 9, 8] {
            assert!(page.take(key, true).is_none());
        }
        assert!(page.take(7, false).is_none());
        assert!(page.take(6, true).is_some());
        assert_eq!(page.found, Keys { keys: vec![9, 8], next: Some(8) });
    }

    #[test]
    fn a_page_that_is_out_of_time_ends_before_the_next_range() {
        let database = super::super::plans::database();
        let map = "insert into time_map (list, block, first_at, last_at) values \
            ('messages', 0, 5, 5), ('messages', 1, 7, 7), ('messages', 2, 5, 5); \
            update behind set position = 1000000";
        database.execute_batch(map).unwrap();
        let (all, conditions) = (super::super::choices::all_messages(), Conditions::default());
        let times = (Some(5), Some(6));
        let walk = Walk { list: "messages", all, choices: Vec::new(), conditions: &conditions, times };
        let budget = Budget { until: Instant::now(), ..Budget::new() };
        let page = PageRequest { limit: 2, cursor: None };
        let found = walk.page(&database, page, budget, |_| Ok(true)).unwrap();
        // Above what the map covers, then block 2.
        assert_eq!(found, Keys { keys: Vec::new(), next: Some(3 << 12) });
    }

    #[test]
    fn a_page_ends_with_its_budget_and_the_next_begins_there() {
        let (mut page, mut looked_at) = (gathering(), 0);
        for key in (0..20_000).rev() {
            looked_at += 1;
            if page.take(key, false).is_some() {
                break;
            }
        }
        assert!(looked_at <= ROWS_PER_PAGE);
        assert_eq!(page.found, Keys { keys: Vec::new(), next: Some(20_000 - looked_at as i64) });
    }
}

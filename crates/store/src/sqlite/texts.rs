//! Full text of messages: FTS5 tables of 262,144 messages each, filled behind routing.
//!
//! One table would do for words; but SQLite collects everything that begins so before it gives the first row, and lists
//! that do not meet are compared to their end. Tables of a bounded size bound both, newest first.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use inlet_domain::{PageRequest, Search, Wish, searchable};
use rusqlite::{Connection, params};

use super::failure::Failure;
use super::one_text::OneText;
use super::rows::{execute, first, value, values};
use super::time_map::{self, MESSAGES};
use super::walk::{Budget, Gathering, Keys, MANY, Stream, Walk};

const SEGMENT_BITS: i64 = 18;
// Messages that the other conditions may leave before the text is looked up first. Above it both are common.
const FEW: i64 = 20_000;
// How long matches of the text are counted before that is given up, and how many rows are looked at between two looks at
// the clock where each has its text taken apart.
const CHOOSING: Duration = Duration::from_millis(5);
const TEXTS_PER_LOOK_AT_THE_CLOCK: usize = 16;
const TOKENIZER: &str = "unicode61 remove_diacritics 2";

/// Takes up texts that changed, then the next new ones. True when more remain.
pub(super) fn advance(connection: &Connection, limit: u32) -> Result<bool, Failure> {
    let covered = time_map::position(connection, MESSAGES.list)?;
    let changed = take_changed(connection, covered, limit)?;
    let mut segment = None;
    let sql = "select number, text from messages where number > ?1 order by number limit ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![covered, limit])?;
    while let Some(row) = rows.next()? {
        let (number, text) = (row.get(0)?, row.get_ref(1)?.as_str_or_null().unwrap_or_default());
        put(connection, &mut segment, number, text.unwrap_or_default())?;
    }
    drop(rows);
    // The map of times goes over the same rows, and keeps the position of both.
    Ok(MESSAGES.advance(connection, limit)? || changed)
}

fn take_changed(connection: &Connection, covered: i64, limit: u32) -> Result<bool, Failure> {
    let sql = "select number from changed_messages order by number limit ?1";
    let numbers: Vec<i64> = values(connection, sql, [limit])?;
    for number in &numbers {
        execute(connection, "delete from changed_messages where number = ?1", [number])?;
        if *number > covered {
            continue;
        }
        let sql = "select coalesce(text, ''), received_at from messages where number = ?1";
        let found = first(connection, sql, [number], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
        if let Some((text, received_at)) = found {
            remove(connection, *number)?;
            put(connection, &mut None, *number, &text)?;
            MESSAGES.include(connection, *number, received_at)?;
        }
    }
    Ok(numbers.len() == limit as usize)
}

/// Puts a text that is not there into the table of its number. `made` is the table that is known to exist.
fn put(connection: &Connection, made: &mut Option<i64>, number: i64, text: &str) -> Result<(), Failure> {
    if text.is_empty() {
        return Ok(());
    }
    let segment = number >> SEGMENT_BITS;
    if *made != Some(segment) {
        make_table(connection, segment)?;
        *made = Some(segment);
    }
    let sql = format!("insert into messages_text_{segment} (rowid, words) values (?1, ?2)");
    execute(connection, &sql, params![number, searchable(text)])?;
    Ok(())
}

fn make_table(connection: &Connection, segment: i64) -> Result<(), Failure> {
    let sql = "insert into text_segments (segment) values (?1) on conflict do nothing";
    if execute(connection, sql, [segment])? == 1 {
        let table = format!("messages_text_{segment}");
        // The content is elsewhere; the table holds the index alone.
        connection.execute_batch(&format!(
            "create virtual table {table} using fts5(words, content='', contentless_delete=1, prefix='2', \
             tokenize='{TOKENIZER}')"
        ))?;
        // Otherwise the deletion of one message rewrites, now and then, much of its table in one go. What is deleted goes
        // with the table, which does not take long.
        connection.execute(&format!("insert into {table} ({table}, rank) values ('deletemerge', 0)"), [])?;
    }
    Ok(())
}

/// Takes a text out of its table.
pub(super) fn remove(connection: &Connection, number: i64) -> Result<(), Failure> {
    let segment = number >> SEGMENT_BITS;
    if has_table(connection, segment)? {
        execute(connection, &format!("delete from messages_text_{segment} where rowid = ?1"), [number])?;
    }
    Ok(())
}

/// Drops a table that lies wholly below a number: whatever it held has been removed. One at a time, because it takes as
/// long as a step of routing.
pub(super) fn drop_below(connection: &Connection, number: i64) -> Result<(), Failure> {
    let sql = "select segment from text_segments where segment < ?1 limit 1";
    let segment = first(connection, sql, [number >> SEGMENT_BITS], |row| Ok(row.get::<_, i64>(0)?))?;
    let Some(segment) = segment else { return Ok(()) };
    connection.execute_batch(&format!("drop table messages_text_{segment}"))?;
    execute(connection, "delete from text_segments where segment = ?1", [segment])?;
    Ok(())
}

fn has_table(connection: &Connection, segment: i64) -> Result<bool, Failure> {
    value(connection, "select exists (select 1 from text_segments where segment = ?1)", [segment])
}

/// What a search asks of texts, in the words of FTS5.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TextQuery {
    /// What must match, and what must not besides.
    wanted: Option<String>,
    /// What must not match, where nothing must.
    unwanted: Option<String>,
}

impl TextQuery {
    /// The words of a search, where it has any.
    pub(super) fn of(search: &Search) -> Option<Self> {
        let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
        for term in &search.terms {
            let Wish::Words { words, prefix } = &term.wish else { continue };
            // Between quotes nothing has a meaning but the quote.
            let star = if *prefix { "*" } else { "" };
            let quoted = format!("\"{}\"{star}", words.replace('"', "\"\"").replace('\0', " "));
            if term.negated { unwanted.push(quoted) } else { wanted.push(quoted) }
        }
        let unwanted = (!unwanted.is_empty()).then(|| unwanted.join(" OR "));
        let wanted = (!wanted.is_empty()).then(|| wanted.join(" AND "));
        match (wanted, unwanted) {
            (None, None) => None,
            (Some(wanted), Some(unwanted)) => {
                Some(Self { wanted: Some(format!("({wanted}) NOT ({unwanted})")), unwanted: None })
            }
            (wanted, unwanted) => Some(Self { wanted, unwanted }),
        }
    }
}

/// A page of the messages that match a text and everything that `walk` asks. The rarer side is followed.
pub(super) fn page(
    connection: &Connection,
    walk: &Walk<'_>,
    query: &TextQuery,
    page: PageRequest,
) -> Result<Keys, Failure> {
    let below = page.cursor.map_or(i64::MAX, |cursor| cursor.0);
    let segments = segments(connection)?;
    match &query.wanted {
        Some(wanted) if !is_rarer(connection, walk, (wanted, &segments), below)? => {
            follow_text(connection, walk, (wanted, &segments), page)
        }
        _ => {
            let probe = Probe { connection, query, table: OneText::new(TOKENIZER)? };
            let budget = Budget::with_look_every(TEXTS_PER_LOOK_AT_THE_CLOCK);
            walk.page(connection, page, budget, |number| probe.holds(number))
        }
    }
}

fn segments(connection: &Connection) -> Result<Vec<i64>, Failure> {
    values(connection, "select segment from text_segments order by segment desc", [])
}

/// Whether the other conditions leave fewer rows than the text.
fn is_rarer(
    connection: &Connection,
    walk: &Walk<'_>,
    (wanted, segments): (&str, &[i64]),
    below: i64,
) -> Result<bool, Failure> {
    let Some((streams, count)) = walk.narrowest(connection, below)? else { return Ok(false) };
    if count < MANY {
        return Ok(true);
    }
    let mut rows = 0;
    for stream in &streams {
        rows += stream.count(connection, below, FEW - rows)?;
        if rows >= FEW {
            return Ok(false);
        }
    }
    are_texts_more(connection, (wanted, segments), below, rows, Instant::now() + CHOOSING)
}

/// Whether so many texts match; or whether that cannot be told in time, which the cost of a walk through the rows can.
fn are_texts_more(
    connection: &Connection,
    (wanted, segments): (&str, &[i64]),
    below: i64,
    rows: i64,
    until: Instant,
) -> Result<bool, Failure> {
    let mut texts = 0;
    for (place, segment) in segments.iter().enumerate() {
        if place > 0 && Instant::now() >= until {
            return Ok(true);
        }
        texts += text_stream(*segment, wanted).count(connection, below, rows - texts)?;
        if texts >= rows {
            return Ok(true);
        }
    }
    Ok(false)
}

fn text_stream(segment: i64, wanted: &str) -> Stream {
    Stream {
        from: Cow::Owned(format!("messages_text_{segment} as texts")),
        join: "cross join messages on messages.number = texts.rowid",
        key: "texts.rowid",
        term: "texts.words match ?",
        values: vec![wanted.to_owned().into()],
    }
}

fn follow_text(
    connection: &Connection,
    walk: &Walk<'_>,
    (wanted, segments): (&str, &[i64]),
    page: PageRequest,
) -> Result<Keys, Failure> {
    let below = page.cursor.map_or(i64::MAX, |cursor| cursor.0);
    let (mut gathering, mut is_first) = (Gathering::new(page, Budget::new()), true);
    for (low, high) in time_map::ranges(connection, walk.list, walk.times, below)? {
        for segment in segments {
            let low = low.max(segment << SEGMENT_BITS);
            let high = high.min((segment + 1) << SEGMENT_BITS);
            if low >= high {
                continue;
            }
            if !is_first && !gathering.budget.has_time() {
                gathering.found.next = Some(high);
                return Ok(gathering.found);
            }
            is_first = false;
            let streams = [text_stream(*segment, wanted)];
            let end = walk.follow(connection, &streams, (low, high), &mut gathering, &mut |_| Ok(true))?;
            if end.is_some() {
                return Ok(gathering.found);
            }
        }
    }
    Ok(gathering.found)
}

/// Asks whether the text of one message matches.
struct Probe<'a> {
    connection: &'a Connection,
    query: &'a TextQuery,
    table: OneText,
}

impl Probe<'_> {
    fn holds(&self, number: i64) -> Result<bool, Failure> {
        let sql = "select text from messages where number = ?1";
        let text = first(self.connection, sql, [number], |row| Ok(row.get::<_, Option<String>>(0)?))?;
        let text = text.flatten().unwrap_or_default();
        match (&self.query.wanted, &self.query.unwanted) {
            (Some(wanted), _) => self.table.matches(&searchable(&text), wanted),
            (None, Some(unwanted)) => Ok(!self.table.matches(&searchable(&text), unwanted)?),
            (None, None) => Ok(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use inlet_domain::Timestamp;

    use super::super::plans::database;
    use super::*;

    fn query(text: &str) -> TextQuery {
        TextQuery::of(&Search::parse(text, Timestamp::from_seconds(0)).unwrap()).unwrap()
    }

    #[test]
    fn nothing_but_words_reaches_fts5() {
        for (text, wanted) in [
            ("a OR b*c", r#""a" AND "OR" AND "bc""#),
            (r#"we"ird NEAR(x"#, r#""we" AND "ird NEAR(x""#),
            ("yes -no -\"not now\"", r#"("yes") NOT ("no" OR "not now")"#),
            ("begin*", r#""begin"*"#),
        ] {
            assert_eq!(query(text).wanted.as_deref(), Some(wanted), "{text}");
        }
        assert_eq!(query("-no").unwanted.as_deref(), Some("\"no\""));
        assert_eq!(TextQuery::of(&Search::parse("has:media", Timestamp::from_seconds(0)).unwrap()), None);
    }

    #[test]
    fn what_is_removed_stays_in_its_table_until_the_table_is_dropped() {
        let database = database();
        for number in 0..1_000 {
            put(&database, &mut None, number, &format!("hello number {number}")).unwrap();
        }
        // Otherwise what was put would still be merged by and by, whether something is removed or not.
        database.execute_batch("insert into messages_text_0 (messages_text_0) values ('optimize')").unwrap();
        let pages = || value::<i64>(&database, "select count(*) from messages_text_0_data", []).unwrap();
        let before = pages();
        database.execute_batch("begin").unwrap();
        for number in 0..999 {
            remove(&database, number).unwrap();
        }
        database.execute_batch("commit").unwrap();
        assert!(pages() >= before, "nothing was rewritten");
        let sql = "select rowid from messages_text_0 where words match 'hello'";
        assert_eq!(values::<i64>(&database, sql, []).unwrap(), [999]);
        make_table(&database, 1).unwrap();
        for left in [vec![1], vec![]] {
            drop_below(&database, 2 << SEGMENT_BITS).unwrap();
            assert_eq!(segments(&database).unwrap(), left, "one at a time");
        }
    }

    #[test]
    fn counting_texts_ends_in_time() {
        let database = database();
        for number in [1, 2, 1 << SEGMENT_BITS] {
            put(&database, &mut None, number, "hello").unwrap();
        }
        let segments = segments(&database).unwrap();
        let (hello, now) = (("hello", &segments[..]), Instant::now());
        let later = now + Duration::from_secs(3_600);
        let more = |rows, until| are_texts_more(&database, hello, i64::MAX, rows, until).unwrap();
        assert_eq!((more(3, later), more(4, later)), (true, false));
        assert!(more(4, now), "the second table is not asked");
    }

    proptest::proptest! {
        #[test]
        fn one_text_is_found_alone_as_it_is_among_others(text in "[abA -]{0,12}", asked in "[-\"ab* ]{1,12}") {
            let database = database();
            put(&database, &mut None, 1, "a b").unwrap();
            put(&database, &mut None, 2, &text).unwrap();
            let Ok(search) = Search::parse(&asked, Timestamp::from_seconds(0)) else { return Ok(()) };
            let Some(query) = TextQuery::of(&search) else { return Ok(()) };
            let one = OneText::new(TOKENIZER).unwrap();
            for expression in [query.wanted, query.unwanted].into_iter().flatten() {
                for (number, text) in [(1, "a b"), (2, &text)] {
                    let sql = "select exists (select 1 from messages_text_0 where words match ?1 and rowid = ?2)";
                    let among: bool = value(&database, sql, params![expression, number]).unwrap();
                    proptest::prop_assert_eq!(one.matches(&searchable(text), &expression).unwrap(), among);
                }
            }
        }

        #[test]
        fn no_search_is_an_error_of_sqlite(text in "[-!\"*:^(){}+'a-c \\PC]{0,40}") {
            let database = database();
            make_table(&database, 0).unwrap();
            let sql = "select count(*) from messages_text_0 where words match ?1";
            let Ok(search) = Search::parse(&text, Timestamp::from_seconds(0)) else { return Ok(()) };
            if let Some(query) = TextQuery::of(&search) {
                for expression in [query.wanted, query.unwanted].into_iter().flatten() {
                    let found: i64 = database.query_row(sql, [&expression], |row| row.get(0)).unwrap();
                    proptest::prop_assert_eq!(found, 0);
                }
            }
        }
    }
}

//! The filters before the generations: each stands for a run of them, and every new one for twice as many as the last.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rusqlite::Connection;

use super::super::filter::{Filter, Key};
use crate::sqlite::failure::Failure;
use crate::sqlite::open::{OpenError, open_log_reader};
use crate::sqlite::rows::value;
use crate::sqlite::shared::Shared;

// 2 MiB. With each twice as large as the one before, there are few of them, however many keys there are.
const FIRST_KEYS: usize = 1 << 20;

/// A run of generations, first and last, and the filter over their keys.
struct Span {
    first: i64,
    last: i64,
    filter: Filter,
    keys: usize,
    capacity: usize,
}

impl Span {
    fn new(first: i64, capacity: usize) -> Self {
        Self { first, last: i64::MAX, filter: Filter::for_keys(capacity), keys: 0, capacity }
    }
}

/// All filters.
pub(super) struct Filters {
    /// Generations that were there at the start: up to which, and their filter once it is made.
    old: (i64, Arc<OnceLock<Filter>>),
    /// Later ones; the last is being filled.
    spans: Vec<Span>,
}

impl Filters {
    /// Starts to make the filter of what is there.
    pub(super) fn load(
        connection: &Connection,
        path: &Path,
        generations: i64,
        shared: Arc<Shared>,
        background_thread: fn(),
    ) -> Result<Self, OpenError> {
        let keys: i64 = value(connection, "select coalesce(sum(keys), 0) from generations", [])?;
        let keys = usize::try_from(keys).unwrap_or_default();
        let filter = Arc::<OnceLock<Filter>>::default();
        if generations > 0 {
            let (connection, told) = (open_log_reader(path)?, Arc::clone(&filter));
            std::thread::Builder::new()
                .name("store-filter".to_owned())
                .spawn(move || {
                    background_thread();
                    match read_all(&connection, generations, keys, &shared) {
                        Ok(filter) => drop(filter.map(|filter| told.set(filter))),
                        // Without it every key is looked for: slower, and as exact.
                        Err(failure) => {
                            tracing::warn!(%failure, "cannot read which events are known: {failure}")
                        }
                    }
                })
                .map_err(|source| OpenError::File { path: PathBuf::from(path), source })?;
        }
        let first_span = Span::new(generations + 1, FIRST_KEYS.max(keys));
        Ok(Self { old: (generations, filter), spans: vec![first_span] })
    }

    /// A key of the generation that is being written.
    pub(super) fn add(&mut self, key: &Key) {
        if let Some(span) = self.spans.last_mut() {
            span.filter.add(key);
            span.keys += 1;
        }
    }

    /// A generation is complete; when the filter is full, the next one begins another.
    pub(super) fn completed(&mut self, generation: i64) {
        let full = self.spans.last_mut().filter(|span| span.keys >= span.capacity);
        if let Some(span) = full {
            span.last = generation;
            let next = Span::new(generation + 1, span.capacity * 2);
            self.spans.push(next);
        }
    }

    /// The generations up to `newest` in which a key may be, newest first. Mostly none.
    pub(super) fn generations_that_may_hold(&self, key: &Key, newest: i64) -> impl Iterator<Item = i64> {
        let later = self.spans.iter().rev().filter(|span| span.filter.may_hold(key));
        let later = later.map(|span| (span.first, span.last));
        let (last_old, filter) = &self.old;
        let in_old = *last_old > 0 && filter.get().is_none_or(|filter| filter.may_hold(key));
        later
            .chain(in_old.then_some((1, *last_old)))
            .flat_map(move |(first, last)| (first..=last.min(newest)).rev())
    }
}

/// The filter over generations that no longer change; `None` when the store is closed meanwhile.
fn read_all(
    connection: &Connection,
    generations: i64,
    keys: usize,
    shared: &Shared,
) -> Result<Option<Filter>, Failure> {
    let mut filter = Filter::for_keys(keys);
    for generation in 1..=generations {
        if shared.is_closed() {
            return Ok(None);
        }
        read_generation(connection, generation, &mut filter)?;
    }
    Ok(Some(filter))
}

fn read_generation(connection: &Connection, generation: i64, filter: &mut Filter) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached("select hash from seen where generation = ?1")?;
    let mut rows = statement.query([generation])?;
    while let Some(row) = rows.next()? {
        filter.add(&row.get(0)?);
    }
    Ok(())
}

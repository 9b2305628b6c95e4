//! Which events are known: exactly, over all of them, at a price that does not grow with their number.
//!
//! Telnyx's ids are random, and a unique index over many random keys dirties a page for each of them. So the newest
//! keys are kept in memory (and in `fresh`, in order of arrival, for the next start). When there are enough of them they
//! become a *generation*: they are written to `seen` sorted, a slice with each commit, which is as cheap as appending. A
//! key that is not in memory is looked for in the generations, but hardly ever: a filter of each, kept beside it and in
//! memory, says of nearly every new key that it is not there.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use rusqlite::{Connection, Row, params};

use super::filter::{Filter, Filters, Key};
use super::hash_of;
use crate::sqlite::failure::{Failure, Trouble};
use crate::sqlite::rows::{all, broken, clean, execute, first, value, values};
use crate::sqlite::shared::Shared;

// Some 5 MiB of memory, and 77 generations at ten million events. Stored filters are made for so many: another number
// needs a migration.
const GENERATION_KEYS: usize = 1 << 17;
// With each commit: half a millisecond of work. Under load as many as keep ahead of what comes in.
const SLICE_KEYS: usize = 512;
const SLICE_KEYS_PER_EVENT: usize = 4;

/// The keys in memory. Written by the writer alone, after its commits; read by whoever looks for an event.
#[derive(Default)]
pub(in crate::sqlite) struct Recent {
    keys: RwLock<Keys>,
}

#[derive(Default)]
struct Keys {
    newest: BTreeMap<Key, i64>,
    /// The generation that is being written.
    settling: BTreeMap<Key, i64>,
}

impl Recent {
    /// Where the event with this id may be. What is not here any more is in the database by then.
    pub(in crate::sqlite) fn candidates(&self, id: &str) -> Vec<i64> {
        hash_of(id).as_chunks::<16>().0.iter().filter_map(|key| self.find(key)).collect()
    }

    fn find(&self, key: &Key) -> Option<i64> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.newest.get(key).or_else(|| keys.settling.get(key)).copied()
    }

    // A panic while the lock is held is one of the writer, and ends it.
    fn change<T>(&self, change: impl FnOnce(&mut Keys) -> T) -> T {
        change(&mut self.keys.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How far a transaction got with the generation that is being written, or with clearing up after it.
enum Step {
    None,
    /// Written up to this key.
    Written(Key),
    /// All of it is written.
    Complete {
        last_seq: i64,
    },
    /// Nothing of it is left in `fresh`.
    Cleared,
}

/// The writer's side.
pub(in crate::sqlite) struct Dedupe {
    shared: Arc<Shared>,
    /// Keys of the transaction that is under way.
    round: HashMap<Key, i64>,
    step: Step,
    /// The generation that is being written or will be next.
    generation: i64,
    settled_to: Option<Key>,
    /// Positions up to here have left memory, and are to leave `fresh`.
    clear_to: Option<i64>,
    /// Of the generations before it.
    filters: Filters,
    /// Of what is written of it.
    filter: Filter,
    /// When so many keys are in memory they become a generation.
    generation_keys: usize,
}

impl Dedupe {
    /// Reads what was not settled when the gateway ended, and the filters of what was.
    pub(in crate::sqlite) fn load(connection: &Connection, shared: Arc<Shared>) -> Result<Self, Failure> {
        Self::load_with(connection, shared, GENERATION_KEYS)
    }

    fn load_with(
        connection: &Connection,
        shared: Arc<Shared>,
        generation_keys: usize,
    ) -> Result<Self, Failure> {
        let settled: i64 = value(connection, "select coalesce(max(last_seq), 0) from generations", [])?;
        let generations: i64 = value(connection, "select coalesce(max(number), 0) from generations", [])?;
        let sql = "select seq, hash from fresh where seq > ?1 order by seq";
        let fresh =
            all(connection, sql, [settled], |row| Ok((row.get::<_, Key>(1)?, row.get::<_, i64>(0)?)))?;
        shared.recent.change(|keys| keys.newest.extend(fresh));
        Ok(Self {
            filters: load_filters(connection, generation_keys)?,
            filter: Filter::for_keys(generation_keys),
            shared,
            round: HashMap::new(),
            step: Step::None,
            generation: generations + 1,
            settled_to: None,
            clear_to: Some(settled),
            generation_keys,
        })
    }

    /// The position of the event with this key, of this transaction or of any before.
    pub(super) fn find(&self, connection: &Connection, key: &Key) -> Result<Option<i64>, Failure> {
        if let Some(seq) = self.round.get(key).copied().or_else(|| self.shared.recent.find(key)) {
            return Ok(Some(seq));
        }
        for generation in self.filters.generations_that_may_hold(key) {
            if let Some(seq) = find_in(connection, generation, key)? {
                return Ok(Some(seq));
            }
        }
        Ok(None)
    }

    /// The transaction has stored an event.
    pub(super) fn remember(&mut self, key: Key, seq: i64) {
        self.round.insert(key, seq);
    }

    /// Writes the next slice of the generation, or clears up after it, within the transaction of `events` events.
    pub(super) fn settle(&mut self, connection: &Connection, events: usize) -> Result<(), Trouble> {
        let limit = SLICE_KEYS.max(events * SLICE_KEYS_PER_EVENT);
        let step = match self.slice(limit) {
            Some(slice) if slice.is_empty() => self.complete(connection),
            Some(slice) => self.write(connection, &slice),
            None => self.clear(connection, limit),
        };
        self.step = step.map_err(|failure| Trouble::from(&failure))?;
        Ok(())
    }

    /// The next keys of the generation; `None` when none is being written.
    fn slice(&self, limit: usize) -> Option<Vec<(Key, i64)>> {
        let keys = self.shared.recent.keys.read().unwrap_or_else(PoisonError::into_inner);
        let from = self.settled_to.map_or(Bound::Unbounded, Bound::Excluded);
        let slice = keys.settling.range((from, Bound::Unbounded)).take(limit);
        (!keys.settling.is_empty()).then(|| slice.map(|(key, seq)| (*key, *seq)).collect())
    }

    fn write(&mut self, connection: &Connection, slice: &[(Key, i64)]) -> Result<Step, Failure> {
        // A generation that a crash has interrupted is written again from its beginning.
        let sql = "insert or replace into seen (generation, hash, seq) values (?1, ?2, ?3)";
        let mut statement = connection.prepare_cached(sql)?;
        for (key, seq) in slice {
            statement.execute(params![self.generation, key, seq])?;
            self.filter.add(key);
        }
        Ok(slice.last().map_or(Step::None, |(key, _)| Step::Written(*key)))
    }

    fn complete(&self, connection: &Connection) -> Result<Step, Failure> {
        let keys = self.shared.recent.keys.read().unwrap_or_else(PoisonError::into_inner);
        let last_seq = keys.settling.values().max().copied().unwrap_or_default();
        let sql = "insert into generations (number, last_seq, filter) values (?1, ?2, ?3)";
        execute(connection, sql, params![self.generation, last_seq, self.filter.to_bytes()])?;
        Ok(Step::Complete { last_seq })
    }

    fn clear(&self, connection: &Connection, limit: usize) -> Result<Step, Failure> {
        let Some(clear_to) = self.clear_to else { return Ok(Step::None) };
        let sql =
            "delete from fresh where seq in (select seq from fresh where seq <= ?1 order by seq limit ?2)";
        let cleared = execute(connection, sql, params![clear_to, i64::try_from(limit).unwrap_or(i64::MAX)])?;
        Ok(if cleared < limit { Step::Cleared } else { Step::None })
    }

    /// The transaction is on disk.
    pub(super) fn committed(&mut self) {
        match std::mem::replace(&mut self.step, Step::None) {
            Step::None => {}
            Step::Written(key) => self.settled_to = Some(key),
            Step::Complete { last_seq } => {
                let next = Filter::for_keys(self.generation_keys);
                self.filters.push(&std::mem::replace(&mut self.filter, next));
                self.generation += 1;
                self.settled_to = None;
                self.clear_to = Some(last_seq);
                // Freed when the lock is.
                let _settled = self.shared.recent.change(|keys| std::mem::take(&mut keys.settling));
            }
            Step::Cleared => self.clear_to = None,
        }
        let (round, may_settle) = (&mut self.round, self.clear_to.is_none());
        let enough = self.generation_keys;
        self.shared.recent.change(|keys| {
            keys.newest.extend(round.drain());
            if keys.newest.len() >= enough && keys.settling.is_empty() && may_settle {
                std::mem::swap(&mut keys.newest, &mut keys.settling);
            }
        });
    }

    /// Nothing of the transaction took place.
    pub(super) fn rolled_back(&mut self) {
        self.round.clear();
        self.step = Step::None;
    }
}

fn load_filters(connection: &Connection, generation_keys: usize) -> Result<Filters, Failure> {
    let mut filters = Filters::for_keys(generation_keys);
    let mut statement = connection.prepare("select number, filter from generations order by number")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        filters.push(&read_filter(row, generation_keys)?);
    }
    Ok(filters)
}

fn read_filter(row: &Row<'_>, generation_keys: usize) -> Result<Filter, Failure> {
    let (number, bytes): (i64, Vec<u8>) = (row.get("number")?, row.get("filter")?);
    Filter::from_bytes(&bytes, generation_keys)
        .ok_or_else(|| broken("generations", number, format!("{} bytes are no filter", bytes.len())))
}

/// The filter of a generation of these keys as it is stored: for programs that fill a store in bulk.
pub fn generation_filter<'a>(keys: impl IntoIterator<Item = &'a [u8; 16]>) -> Vec<u8> {
    let mut filter = Filter::for_keys(GENERATION_KEYS);
    keys.into_iter().for_each(|key| filter.add(key));
    filter.to_bytes()
}

/// How many settled keys their own filter denies: such an event would be stored again. Reads all of them.
pub(in crate::sqlite) fn denied(connection: &Connection) -> Result<usize, Failure> {
    let mut statement = connection.prepare("select number, filter from generations")?;
    let mut rows = statement.query([])?;
    let mut denied = 0;
    while let Some(row) = rows.next()? {
        let filter = read_filter(row, GENERATION_KEYS)?;
        let sql = "select hash from seen where generation = ?1";
        let keys: Vec<Key> = values(connection, sql, [row.get::<_, i64>("number")?])?;
        denied += keys.iter().filter(|key| !filter.may_hold(key)).count();
    }
    Ok(denied)
}

fn find_in(connection: &Connection, generation: i64, key: &Key) -> Result<Option<i64>, Failure> {
    let sql = "select seq from seen where generation = ?1 and hash = ?2";
    first(connection, sql, params![generation, key], |row| Ok(row.get(0)?))
}

/// The position of the stored event with this id, for readers; `recent` are the candidates in memory, asked for before.
pub(in crate::sqlite) fn find(
    connection: &Connection,
    recent: &[i64],
    id: &str,
) -> Result<Option<i64>, Failure> {
    for &seq in recent {
        if is_stored(connection, seq, id)? {
            return Ok(Some(seq));
        }
    }
    let newest: i64 = value(connection, "select coalesce(max(number), 0) from generations", [])?;
    for key in hash_of(id).as_chunks::<16>().0 {
        for generation in (1..=newest).rev() {
            if let Some(seq) = find_in(connection, generation, key)?
                && is_stored(connection, seq, id)?
            {
                return Ok(Some(seq));
            }
        }
    }
    Ok(None)
}

fn is_stored(connection: &Connection, seq: i64, id: &str) -> Result<bool, Failure> {
    let sql = "select exists (select 1 from events where seq = ?1 and id = ?2)";
    value(connection, sql, params![seq, clean(id)])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::newest_seq;
    use super::*;
    use crate::sqlite::migrate::{EVENT_LOG, migrate};
    use crate::sqlite::open::connect;

    const GENERATION: usize = 8;

    /// An event log with generations of eight, and a map that must say the same.
    struct Log {
        folder: tempfile::TempDir,
        connection: Connection,
        dedupe: Dedupe,
        known: HashMap<u8, i64>,
        next_seq: i64,
    }

    fn key(name: u8) -> Key {
        hash_of(&name.to_string()).as_chunks::<16>().0[0]
    }

    fn load(connection: &Connection) -> Dedupe {
        // Nothing here cuts the power.
        connection.execute_batch("pragma synchronous = off").unwrap();
        let shared = Shared::new(1, Arc::new(|reason| panic!("{reason}")));
        Dedupe::load_with(connection, shared, GENERATION).unwrap()
    }

    impl Log {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("log.db");
            std::fs::File::create(&path).unwrap();
            let mut connection = connect(&path).unwrap();
            migrate(&mut connection, &path, &EVENT_LOG).unwrap();
            let dedupe = load(&connection);
            Self { folder, connection, dedupe, known: HashMap::new(), next_seq: 1 }
        }

        /// Stores names in one transaction, which may fail at its end.
        fn round(&mut self, names: &[u8], fails: bool) {
            self.connection.execute_batch("begin").unwrap();
            let (mut known, mut next) = (self.known.clone(), self.next_seq);
            for &name in names {
                let found = self.dedupe.find(&self.connection, &key(name)).unwrap();
                assert_eq!(found, known.get(&name).copied(), "{name}");
                if found.is_none() {
                    let sql = "insert into fresh (seq, hash) values (?1, ?2)";
                    self.connection.execute(sql, params![next, key(name)]).unwrap();
                    self.dedupe.remember(key(name), next);
                    known.insert(name, next);
                    next += 1;
                }
            }
            // Slices of one key, so that crashes fall between them.
            let step = match self.dedupe.slice(1) {
                Some(slice) if slice.is_empty() => self.dedupe.complete(&self.connection),
                Some(slice) => self.dedupe.write(&self.connection, &slice),
                None => self.dedupe.clear(&self.connection, 3),
            };
            self.dedupe.step = step.unwrap();
            if fails {
                self.connection.execute_batch("rollback").unwrap();
                self.dedupe.rolled_back();
            } else {
                self.connection.execute_batch("commit").unwrap();
                self.dedupe.committed();
                (self.known, self.next_seq) = (known, next);
            }
        }

        /// The process ends anyhow and starts again.
        fn restart(&mut self) {
            let path = self.folder.path().join("log.db");
            self.connection = connect(&path).unwrap();
            self.dedupe = load(&self.connection);
            assert_eq!(newest_seq(&self.connection).unwrap() + 1, self.next_seq);
        }
    }

    #[derive(Debug, Clone)]
    enum Deed {
        Round(Vec<u8>, bool),
        Restart,
    }

    fn deed() -> impl Strategy<Value = Deed> {
        let names = prop::collection::vec(0u8.., 0..6);
        prop_oneof![
            9 => (names, prop::bool::weighted(0.2)).prop_map(|(names, fails)| Deed::Round(names, fails)),
            1 => Just(Deed::Restart),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_event_is_known_again_through_generations_failures_and_restarts(
            deeds in prop::collection::vec(deed(), 1..200),
        ) {
            let mut log = Log::new();
            for deed in deeds {
                match deed {
                    Deed::Round(names, fails) => log.round(&names, fails),
                    Deed::Restart => log.restart(),
                }
            }
            let all: Vec<u8> = (0..=u8::MAX).collect();
            log.round(&all, true);
        }
    }

    #[test]
    fn a_filter_that_denies_a_hash_of_its_generation_is_found() {
        let log = Log::new();
        let add = |generation: i64, filter: Vec<u8>| {
            let sql = "insert into generations (number, last_seq, filter) values (?1, 0, ?2)";
            log.connection.execute(sql, params![generation, filter]).unwrap();
            let sql = "insert into seen (generation, hash, seq) values (?1, ?2, 1)";
            log.connection.execute(sql, params![generation, key(1)]).unwrap();
        };
        add(1, generation_filter([&key(1), &key(2)]));
        assert_eq!(denied(&log.connection).unwrap(), 0);
        add(2, generation_filter([&key(2)]));
        assert_eq!(denied(&log.connection).unwrap(), 1);
    }

    #[test]
    fn what_is_settled_leaves_memory_and_the_list_of_new_ones() {
        let mut log = Log::new();
        for name in 0..200 {
            log.round(&[name], false);
        }
        let count = |sql: &str| log.connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        let (settled, fresh) = (count("select count(*) from seen"), count("select count(*) from fresh"));
        let keys = log.dedupe.shared.recent.keys.read().unwrap();
        assert!(count("select count(*) from generations") >= 4);
        assert!(settled >= 100 && settled + fresh >= 200, "{settled} settled, {fresh} fresh");
        assert!(keys.newest.len() + keys.settling.len() <= 100);
    }
}

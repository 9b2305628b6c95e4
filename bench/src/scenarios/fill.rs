//! A store of many events, made in minutes: the product makes its own empty files, then rows are written in bulk.
//!
//! The rows are what the gateway would have written for the same webhooks. What it fills behind everything else (the
//! search) is left to it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Context;
use aws_lc_rs::digest::{SHA256, digest};
use rusqlite::{Connection, params};

use crate::events::{self, Template, id_text};
use crate::gateway::{Configuration, Gateway};
use crate::settings::Settings;

/// Parties that have texted us.
pub(super) const CONVERSATIONS: u64 = 50_000;
/// Our number, in every event of the driver.
pub(super) const OUR_NUMBER: &str = "+17735550002";
/// The destination of finished jobs.
pub(super) const DESTINATION: &str = "bench";
// No set of the driver has it, so no event that is sent is one of these.
const SEED: u64 = 0x0f11_ed00_0f11_ed00;
/// Of finished jobs one in so many is a dead letter.
const DEAD_EVERY: u64 = 100;
/// Between two events, so that ten million reach back three weeks.
const GAP_US: i64 = 200_000;
/// As many as the product puts into one generation of its dedupe.
const GENERATION: u64 = 1 << 17;
/// Tells of a kept folder what it was filled for.
const MARKER: &str = "filled-for";
const ROWS_PER_TRANSACTION: u64 = 100_000;

/// What the store holds.
#[derive(Clone, Debug)]
pub(super) struct Contents {
    pub(super) events: u64,
    pub(super) jobs: Jobs,
}

/// The deliveries of its events.
#[derive(Clone, Debug)]
pub(super) enum Jobs {
    /// One of each event, to [`DESTINATION`]: done, or dead.
    Finished,
    /// One of each event to each of these, due now.
    Waiting(Vec<String>),
}

/// `data.id` of a stored event, counted from 0.
pub(super) fn event_id(number: u64) -> String {
    id_text(events::id(SEED, number))
}

/// The conversation of a stored event, from 0.
pub(super) fn conversation(number: u64) -> u64 {
    // Scattered, as people text: one's messages do not stand side by side.
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) % CONVERSATIONS
}

/// A folder with so many stored events and finished jobs. It is kept below `--data` and used again on the same day; another
/// day, by which they have aged, or a change of the product's tables makes it anew.
pub(super) async fn kept(settings: &Settings, events: u64) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(&settings.data)?;
    let folder = fs::canonicalize(&settings.data)?.join(format!("filled-{events}"));
    let state = format!("{}\n{}", events::now()? / 86_400, schema(settings).await?);
    if fs::read_to_string(folder.join(MARKER)).is_ok_and(|found| found == state) {
        return Ok(folder);
    }
    let _ = fs::remove_dir_all(&folder);
    fill(settings, &folder, &Contents { events, jobs: Jobs::Finished }).await?;
    fs::write(folder.join(MARKER), state)?;
    Ok(folder)
}

/// Says of a kept folder that it does not hold any more what it should: the next who needs one makes it anew.
pub(super) fn used_up(folder: &Path) -> anyhow::Result<()> {
    Ok(fs::remove_file(folder.join(MARKER))?)
}

/// Fills a new folder.
pub(super) async fn fill(settings: &Settings, folder: &Path, contents: &Contents) -> anyhow::Result<()> {
    Gateway::start(settings, folder, &Configuration::default()).await?.stop().await?;
    let (log, main) = (folder.join("inlet-events.db"), folder.join("inlet.db"));
    let begin_at = events::now()? * 1_000_000 - i64::try_from(contents.events)? * GAP_US;
    let (events, contents) = (contents.events, contents.clone());
    let log = tokio::task::spawn_blocking(move || fill_log(&log, events, begin_at));
    let main = tokio::task::spawn_blocking(move || fill_main(&main, &contents, begin_at));
    log.await??;
    main.await?
}

/// The definition of all tables of an empty store.
async fn schema(settings: &Settings) -> anyhow::Result<String> {
    let folder = settings.fresh_folder("schema")?;
    Gateway::start(settings, folder.path(), &Configuration::default()).await?.stop().await?;
    let mut schema = String::new();
    for name in ["inlet-events.db", "inlet.db"] {
        let connection = Connection::open(folder.path().join(name))?;
        let sql =
            "select coalesce(group_concat(sql, ';'), '') from (select sql from sqlite_schema order by name)";
        schema += &connection.query_row(sql, [], |row| row.get::<_, String>(0))?;
    }
    Ok(schema)
}

/// A database that may be lost while it is filled, and its indexes, which are made at the end.
struct Bulk {
    connection: Connection,
    path: PathBuf,
    indexes: Vec<String>,
}

impl Bulk {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "pragma journal_mode = off; pragma synchronous = off; pragma locking_mode = exclusive; \
             pragma foreign_keys = off; pragma cache_size = -1000000;",
        )?;
        let sql = "select name, sql from sqlite_schema where type = 'index' and sql is not null";
        let found: Vec<(String, String)> = connection
            .prepare(sql)?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let (names, indexes): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        for name in names {
            connection.execute_batch(&format!("drop index {name}"))?;
        }
        Ok(Self { connection, path: path.to_owned(), indexes })
    }

    /// Calls `write` with each number of the range, in large transactions.
    fn rows(
        &self,
        rows: std::ops::Range<u64>,
        mut write: impl FnMut(&Connection, u64) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for from in rows.clone().step_by(ROWS_PER_TRANSACTION as usize) {
            self.connection.execute_batch("begin")?;
            for number in from..(from + ROWS_PER_TRANSACTION).min(rows.end) {
                write(&self.connection, number)?;
            }
            self.connection.execute_batch("commit")?;
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<()> {
        for sql in &self.indexes {
            self.connection.execute_batch(sql)?;
        }
        self.connection.execute_batch("pragma locking_mode = normal; pragma journal_mode = wal;")?;
        self.connection.close().map_err(|(_, error)| error)?;
        Ok(File::open(&self.path)?.sync_all()?)
    }
}

fn fill_log(path: &Path, events: u64, begin_at: i64) -> anyhow::Result<()> {
    let (bulk, template) = (Bulk::open(path)?, Template::new()?);
    bulk.rows(0..events, |connection, number| {
        let (id, seq) = (event_id(number), seq(number));
        let body = template.body(&id, conversation(number), number)?;
        let sql = "insert into events (seq, id, source, received_at, body) values (?, ?, 'telnyx', ?, ?)";
        let row = params![seq, id, begin_at + seq * GAP_US, body.as_bytes()];
        connection.prepare_cached(sql)?.execute(row)?;
        Ok(())
    })?;
    for (generation, first) in (1_i64..).zip((0..events).step_by(GENERATION as usize)) {
        let last = (first + GENERATION).min(events);
        let mut keys: Vec<_> = (first..last).map(|number| (key(number), seq(number))).collect();
        keys.sort_unstable();
        bulk.rows(0..keys.len() as u64, |connection, place| {
            let (hash, seq) = keys[place as usize];
            let sql = "insert into seen (generation, hash, seq) values (?, ?, ?)";
            connection.prepare_cached(sql)?.execute(params![generation, hash, seq])?;
            Ok(())
        })?;
        let filter = inlet_store::generation_filter(keys.iter().map(|(key, _)| key));
        let sql = "insert into generations (number, last_seq, filter) values (?, ?, ?)";
        bulk.connection.execute(sql, params![generation, seq(last - 1), filter])?;
    }
    bulk.finish()
}

/// The position of an event.
fn seq(number: u64) -> i64 {
    i64::try_from(number).map_or(i64::MAX, |number| number + 1)
}

/// By what the product's dedupe knows an event.
fn key(number: u64) -> [u8; 16] {
    let hash = digest(&SHA256, event_id(number).as_bytes());
    hash.as_ref()[..16].try_into().expect("a SHA-256 has 32 bytes")
}

fn fill_main(path: &Path, contents: &Contents, begin_at: i64) -> anyhow::Result<()> {
    let bulk = Bulk::open(path)?;
    fill_conversations(&bulk, contents.events, begin_at)?;
    bulk.rows(0..contents.events, |connection, number| {
        let (id, received_at) = (event_id(number), begin_at + seq(number) * GAP_US);
        insert_facts(connection, number, &id, received_at)?;
        insert_message(connection, number, &id, received_at)
    })?;
    bulk.rows(0..contents.events, |connection, number| {
        let (id, received_at) = (event_id(number), begin_at + seq(number) * GAP_US);
        match &contents.jobs {
            Jobs::Finished => insert_finished(connection, number, &id, received_at),
            Jobs::Waiting(destinations) => destinations
                .iter()
                .try_for_each(|name| insert_job(connection, number, (&id, name), "waiting", received_at)),
        }
    })?;
    let connection = &bulk.connection;
    connection.execute("update routing set routed_seq = ?", [i64::try_from(contents.events)?])?;
    connection.execute("insert into own_numbers (number) values (?)", [OUR_NUMBER])?;
    bulk.finish()
}

fn fill_conversations(bulk: &Bulk, events: u64, begin_at: i64) -> anyhow::Result<()> {
    let mut latest = vec![(0_i64, 0_u64); CONVERSATIONS as usize];
    for number in 0..events {
        let (count, last) = &mut latest[conversation(number) as usize];
        (*count, *last) = (*count + 1, number);
    }
    bulk.rows(0..CONVERSATIONS, |connection, party| {
        let (count, last) = latest[party as usize];
        if count == 0 {
            return Ok(());
        }
        let sql = "insert into conversations (id, our_number, party, messages, inbound, unread, last_number, \
            last_message_at, last_text) values (?1, ?2, ?3, ?4, ?4, ?4, ?5, ?6, ?7)";
        let received_at = begin_at + seq(last) * GAP_US;
        let (id, number) = (seq(party), party_number(party));
        connection.prepare_cached(sql)?.execute(params![
            id,
            OUR_NUMBER,
            number,
            count,
            seq(last),
            received_at,
            text(last)
        ])?;
        Ok(())
    })
}

/// The telephone of a conversation.
pub(super) fn party_number(conversation: u64) -> String {
    format!("+1555{conversation:07}")
}

fn text(number: u64) -> String {
    format!("Could you move my appointment to {number}?")
}

fn insert_facts(connection: &Connection, number: u64, id: &str, received_at: i64) -> anyhow::Result<()> {
    let sql = "insert into event_facts (seq, event_type, message_id, occurred_at, attempt, delivered_to, source, \
        received_at) values (?, 'message.received', ?, '2026-01-15T20:16:07.588+00:00', 1, \
        'https://texts.example.com/webhooks', 'telnyx', ?)";
    connection.prepare_cached(sql)?.execute(params![seq(number), format!("m{id}"), received_at])?;
    Ok(())
}

fn insert_message(connection: &Connection, number: u64, id: &str, received_at: i64) -> anyhow::Result<()> {
    let sql = "insert into messages (number, id, direction, kind, from_number, to_number, recipients, cc, text, status, \
        carrier, line_type, encoding, parts, messaging_profile_id, conversation_id, received_at, errors, unsigned) \
        values (?, ?, 'inbound', 'SMS', ?, ?, ?, '[]', ?, 'received', 'T-Mobile USA', 'Wireless', 'GSM-7', 1, \
        '740572b6-099c-44a1-89b9-6c92163bc68d', ?, ?, '[]', 0)";
    let party = conversation(number);
    let recipients = format!(
        "[{{\"phone_number\":\"{OUR_NUMBER}\",\"status\":\"webhook_delivered\",\"carrier\":\"Telnyx\",\"line_type\":\"Wireless\"}}]"
    );
    connection.prepare_cached(sql)?.execute(params![
        seq(number),
        format!("m{id}"),
        party_number(party),
        OUR_NUMBER,
        recipients,
        text(number),
        seq(party),
        received_at,
    ])?;
    Ok(())
}

fn insert_finished(connection: &Connection, number: u64, id: &str, received_at: i64) -> anyhow::Result<()> {
    let dead = number % DEAD_EVERY == DEAD_EVERY - 1;
    insert_job(connection, number, (id, DESTINATION), if dead { "dead" } else { "done" }, received_at)?;
    let job = connection.last_insert_rowid();
    let (status, error) = if dead { (500, Some("the destination answered 500")) } else { (200, None) };
    let sql = "update jobs set attempts = 1, schedule_attempts = 1, fence = 1, last_error = ?2, finished_at = ?3 \
        where id = ?1";
    connection.prepare_cached(sql)?.execute(params![job, error, received_at + 2_000])?;
    let sql = "insert into attempts (job_id, number, started_at, finished_at, succeeded, status, error) \
        values (?, 1, ?, ?, ?, ?, ?)";
    let row = params![job, received_at + 1_000, received_at + 2_000, !dead, status, error];
    connection.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

fn insert_job(
    connection: &Connection,
    number: u64,
    (id, destination): (&str, &str),
    state: &str,
    received_at: i64,
) -> anyhow::Result<()> {
    let sql = "insert into jobs (kind, lane, state, event_seq, event_id, message_id, destination, due_at, claim_at, \
        created_at) values ('deliver', ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let (lane, message) = (format!("destination/{destination}"), format!("m{id}"));
    connection
        .prepare_cached(sql)
        .context("the table of jobs has other columns; this generator must follow")?
        .execute(params![
            lane,
            state,
            seq(number),
            id,
            message,
            destination,
            received_at,
            received_at,
            received_at
        ])?;
    Ok(())
}

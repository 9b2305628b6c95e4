//! Lists of events, and the stream of what happens.

use inlet_domain::{
    Cursor, Event, EventFacts, EventFilter, EventSeq, Page, PageRequest, ReadEvent, StoredEvent, Timestamp,
};
use rusqlite::{Connection, Row, params};

use super::choices;
use super::event_log::find;
use super::failure::Failure;
use super::filters::event_conditions;
use super::jobs::{self};
use super::messages;
use super::outcomes;
use super::routing::{decode_stored, routed_seq};
use super::rows::{all, first, value};
use super::time_map::EVENTS;
use super::walk::{Budget, Gathering, Keys, Walk, page_limit};
use crate::store::{Happening, StreamPosition};

// The bytes are read only where there are no facts yet.
const COLUMNS: &str = "events.seq, events.id, events.source, events.received_at, length(events.body) as size_bytes, \
    case when event_facts.seq is null then events.body else x'' end as body, event_facts.seq as facts_seq, event_type, event_facts.message_id, occurred_at, attempt, delivered_to, unreadable";

const TABLES: &str = "events left join event_facts on event_facts.seq = events.seq";

/// A page of events. What is not routed yet is read on the fly.
pub(super) fn events(
    connection: &Connection,
    filter: &EventFilter,
    page: PageRequest,
) -> Result<Page<Event>, Failure> {
    let limit = page_limit(page);
    let below = page.cursor.map_or(i64::MAX, |cursor| cursor.0);
    let routed = routed_seq(connection)?;
    let mut gathering = Gathering::new(page, Budget::new());
    let is_full = unrouted(connection, filter, (routed, below), &mut gathering)?;
    let mut found = gathering.found;
    if !is_full {
        let rest = PageRequest { cursor: Some(Cursor(below.min(routed + 1))), ..page };
        let more = routed_keys(connection, filter, rest)?;
        let missing = limit - found.keys.len();
        let surplus = more.keys.len() > missing;
        found.keys.extend(more.keys.into_iter().take(missing));
        found.next = if surplus { found.keys.last().copied() } else { more.next };
    }
    let mut data = Vec::with_capacity(found.keys.len());
    for seq in &found.keys {
        data.extend(by_seq(connection, *seq)?);
    }
    Ok(Page { data, next: found.cursor() })
}

/// Gathers positions of events that are not routed yet. True when the page ends with them.
fn unrouted(
    connection: &Connection,
    filter: &EventFilter,
    (routed, below): (i64, i64),
    gathering: &mut Gathering,
) -> Result<bool, Failure> {
    let sql = "select seq, id, source, received_at, body from events where seq > ?1 and seq < ?2 \
        order by seq desc";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([routed, below])?;
    // Decoded one by one, so that only one body is in memory.
    while let Some(row) = rows.next()? {
        let stored = decode_stored(row)?;
        if gathering.take(stored.seq.0, matches(filter, &stored)).is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn routed_keys(connection: &Connection, filter: &EventFilter, page: PageRequest) -> Result<Keys, Failure> {
    let conditions = event_conditions(filter);
    let micros = |moment: Option<Timestamp>| moment.map(Timestamp::as_micros);
    let walk = Walk {
        list: EVENTS.list,
        all: choices::all_events(),
        choices: choices::of_events(filter),
        conditions: &conditions,
        times: (micros(filter.after), micros(filter.before)),
    };
    walk.page(connection, page, Budget::new(), |_| Ok(true))
}

fn matches(filter: &EventFilter, stored: &StoredEvent) -> bool {
    if *filter == EventFilter::default() {
        return true;
    }
    let facts = ReadEvent::read(stored).facts;
    let text = |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
    text(&filter.event_type, &facts.event_type)
        && text(&filter.message_id, &facts.message_id)
        && filter.source.is_none_or(|source| source == stored.source)
        && filter.readable.is_none_or(|readable| readable == facts.unreadable.is_none())
        && filter.after.is_none_or(|after| stored.received_at >= after)
        && filter.before.is_none_or(|before| stored.received_at < before)
}

/// The event at a position; `None` when it has been deleted meanwhile.
fn by_seq(connection: &Connection, seq: i64) -> Result<Option<Event>, Failure> {
    let sql = format!("select {COLUMNS} from {TABLES} where events.seq = ?1");
    first(connection, &sql, [seq], |row| decode(connection, row))
}

fn decode(connection: &Connection, row: &Row<'_>) -> Result<Event, Failure> {
    let stored = decode_stored(row)?;
    let routed: Option<i64> = row.get("facts_seq")?;
    let facts = if routed.is_some() { decode_facts(row)? } else { ReadEvent::read(&stored).facts };
    Ok(Event {
        duplicates: duplicates(connection, stored.seq)?,
        size_bytes: row.get("size_bytes")?,
        id: stored.id,
        seq: stored.seq,
        event_type: facts.event_type,
        message_id: facts.message_id,
        occurred_at: facts.occurred_at,
        received_at: stored.received_at,
        attempt: facts.attempt,
        delivered_to: facts.delivered_to,
        source: stored.source,
        readable: routed.is_none() || facts.unreadable.is_none(),
        unreadable_reason: facts.unreadable.filter(|_| routed.is_some()),
    })
}

fn decode_facts(row: &Row<'_>) -> Result<EventFacts, Failure> {
    Ok(EventFacts {
        event_type: row.get("event_type")?,
        message_id: row.get("message_id")?,
        occurred_at: row.get("occurred_at")?,
        attempt: row.get("attempt")?,
        delivered_to: row.get("delivered_to")?,
        unreadable: row.get("unreadable")?,
    })
}

fn duplicates(connection: &Connection, seq: EventSeq) -> Result<i64, Failure> {
    let sql = "select count from duplicates where seq = ?1";
    Ok(first(connection, sql, [seq.0], |row| Ok(row.get(0)?))?.unwrap_or_default())
}

/// One event. `recent` are the candidates in memory.
pub(super) fn event(connection: &Connection, recent: &[i64], id: &str) -> Result<Option<Event>, Failure> {
    find(connection, recent, id)?.map_or(Ok(None), |seq| by_seq(connection, seq))
}

/// One event's exact bytes.
pub(super) fn event_body(
    connection: &Connection,
    recent: &[i64],
    id: &str,
) -> Result<Option<Vec<u8>>, Failure> {
    let Some(seq) = find(connection, recent, id)? else { return Ok(None) };
    first(connection, "select body from events where seq = ?1", [seq], |row| Ok(row.get(0)?))
}

/// The newest position and how many events wait for routing.
pub(super) fn backlog(connection: &Connection) -> Result<(EventSeq, i64), Failure> {
    let newest: i64 = value(connection, "select coalesce(max(seq), 0) from events", [])?;
    Ok((EventSeq(newest), (newest - routed_seq(connection)?).max(0)))
}

/// The position of the present.
pub(super) fn stream_end(connection: &Connection) -> Result<StreamPosition, Failure> {
    Ok(StreamPosition {
        event: value(connection, "select coalesce(max(seq), 0) from events", [])?,
        attempt: value(connection, "select coalesce(max(id), 0) from attempts", [])?,
    })
}

/// What happened after a position: events and attempts, each in their own order, merged by time.
pub(super) fn happenings(
    connection: &Connection,
    after: StreamPosition,
    limit: u32,
) -> Result<(Vec<Happening>, StreamPosition), Failure> {
    let mut events = new_events(connection, after.event, limit)?.into_iter().peekable();
    let mut tries = new_attempts(connection, after.attempt, limit)?.into_iter().peekable();
    let (mut happened, mut position) = (Vec::new(), after);
    while happened.len() < limit as usize {
        let event_first = match (events.peek(), tries.peek()) {
            (None, None) => break,
            (Some(event), Some(attempt)) => event.received_at <= attempt.1.finished_at,
            (event, _) => event.is_some(),
        };
        if event_first && let Some(event) = events.next() {
            position.event = event.seq.0;
            happened.push(of_event(connection, event)?);
        } else if let Some((id, attempt, job)) = tries.next() {
            position.attempt = id;
            let Some(job) = jobs::job(connection, inlet_domain::JobId(job))? else { continue };
            happened.push(Happening::Attempt { position: id, job: Box::new(job), attempt });
        }
    }
    Ok((happened, position))
}

fn of_event(connection: &Connection, event: Event) -> Result<Happening, Failure> {
    let message = match &event.message_id {
        Some(id) => messages::message(connection, id)?.map(Box::new),
        None => None,
    };
    Ok(Happening::Event { event: Box::new(event), message })
}

fn new_events(connection: &Connection, after: i64, limit: u32) -> Result<Vec<Event>, Failure> {
    let sql = format!("select {COLUMNS} from {TABLES} where events.seq > ?1 order by events.seq limit ?2");
    all(connection, &sql, params![after, limit], |row| decode(connection, row))
}

fn new_attempts(
    connection: &Connection,
    after: i64,
    limit: u32,
) -> Result<Vec<(i64, inlet_domain::Attempt, i64)>, Failure> {
    let sql = "select id, job_id, number, started_at, finished_at, succeeded, status, error, response from attempts \
        where id > ?1 order by id limit ?2";
    all(connection, sql, params![after, limit], |row| {
        Ok((row.get("id")?, outcomes::decode(row)?, row.get("job_id")?))
    })
}

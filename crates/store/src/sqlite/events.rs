//! Lists of events, and the stream of what happens.

use inlet_domain::{
    Cursor, Event, EventFacts, EventFilter, EventSeq, Page, PageRequest, ReadEvent, StoredEvent,
};
use rusqlite::{Connection, Row, params};

use super::event_log::find;
use super::failure::Failure;
use super::filters::{event_conditions, rows_wanted};
use super::jobs::{self};
use super::messages;
use super::outcomes;
use super::routing::{decode_stored, routed_seq};
use super::rows::{all, first, value};
use crate::store::{Happening, StreamPosition};

// Events not yet routed that one page looks at; more of them make the page shorter, never wrong.
const UNROUTED_LOOKED_AT: u32 = 1_000;

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
    let wanted = rows_wanted(page);
    let before = page.cursor.map_or(i64::MAX, |cursor| cursor.0);
    let routed = routed_seq(connection)?;
    let (mut seqs, reached) = unrouted_matches(connection, filter, (routed, before), wanted)?;
    if let Some(reached) = reached {
        let data = seqs.into_iter().map(|seq| by_seq(connection, seq)).collect::<Result<Vec<_>, _>>()?;
        return Ok(Page { data, next: Some(Cursor(reached).to_string()) });
    }
    let missing = wanted.saturating_sub(u32::try_from(seqs.len()).unwrap_or(u32::MAX));
    seqs.extend(routed_matches(connection, filter, before, missing)?);
    let found = seqs.into_iter().map(|seq| by_seq(connection, seq)).collect::<Result<Vec<_>, _>>()?;
    Ok(Page::of(found, wanted - 1, |event| event.seq.0))
}

/// Positions of unrouted events that match, newest first, and where the search stopped if it did not reach the end.
fn unrouted_matches(
    connection: &Connection,
    filter: &EventFilter,
    (routed, before): (i64, i64),
    wanted: u32,
) -> Result<(Vec<i64>, Option<i64>), Failure> {
    let sql = "select seq, id, source, received_at, body from events where seq > ?1 and seq < ?2 \
        order by seq desc limit ?3";
    let looked_at = UNROUTED_LOOKED_AT.max(wanted);
    // Decoded one by one, so that only one body is in memory.
    let looks = all(connection, sql, params![routed, before, looked_at], |row| {
        let stored = decode_stored(row)?;
        Ok((stored.seq.0, matches(filter, &stored)))
    })?;
    let all_seen = looks.len() < looked_at as usize;
    let last = looks.last().map(|(seq, _)| *seq);
    let mut found: Vec<i64> = looks.into_iter().filter(|(_, matches)| *matches).map(|(seq, _)| seq).collect();
    let enough = found.len() >= wanted as usize;
    found.truncate(wanted as usize);
    Ok((found, last.filter(|_| !all_seen && !enough)))
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

fn routed_matches(
    connection: &Connection,
    filter: &EventFilter,
    before: i64,
    limit: u32,
) -> Result<Vec<i64>, Failure> {
    let mut conditions = event_conditions(filter);
    conditions.add("seq < ?", before);
    let sql = format!("select seq from event_facts{} order by seq desc limit {limit}", conditions.sql());
    all(connection, &sql, conditions.params(), |row| Ok(row.get(0)?))
}

fn by_seq(connection: &Connection, seq: i64) -> Result<Event, Failure> {
    let sql = format!("select {COLUMNS} from {TABLES} where events.seq = ?1");
    let event = first(connection, &sql, [seq], |row| decode(connection, row))?;
    event.ok_or_else(|| super::rows::broken("event_facts", seq, "its event is no longer stored"))
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
    find(connection, recent, id)?.map(|seq| by_seq(connection, seq)).transpose()
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

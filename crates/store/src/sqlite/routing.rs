//! Routing: what stored events make, in commit order, in one transaction with the cursor's advance.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use inlet_domain::{
    EventFacts, EventSeq, JobKind, Lane, NewJob, Plan, ReadEvent, Router, SendKey, StoredEvent, Timestamp,
};
use rusqlite::{Connection, Row, params};

use super::failure::{Failure, Severity};
use super::jobs::NewRow;
use super::messages;
use super::rows::{clean, clean_optional, execute, first, named, time, value, word};
use super::sends::{change_opt_out, prove_send};
use crate::error::StoreError;
use crate::store::RouteBatch;

// Events wait for the writer meanwhile.
const BUDGET: Duration = Duration::from_millis(50);
const EVENTS_PER_STEP: u32 = 100;

/// Routes the next events.
pub(super) fn route_events(
    connection: &Connection,
    router: &Router,
    limit: u32,
    now: Timestamp,
) -> Result<RouteBatch, Failure> {
    let started = Instant::now();
    let cursor = routed_seq(connection)?;
    let mut batch = RouteBatch::default();
    let mut reached = cursor;
    while batch.routed < limit.min(EVENTS_PER_STEP) && started.elapsed() < BUDGET {
        let Some(stored) = next_event(connection, reached)? else { break };
        route_event(connection, router, &stored, now, &mut batch)?;
        reached = stored.seq.0;
    }
    if reached != cursor {
        execute(connection, "update routing set routed_seq = ?1 where id = 1", [reached])?;
    }
    batch.more = value(connection, "select exists (select 1 from events where seq > ?1)", [reached])?;
    Ok(batch)
}

/// Every event up to here has been routed.
pub(super) fn routed_seq(connection: &Connection) -> Result<i64, Failure> {
    value(connection, "select routed_seq from routing where id = 1", [])
}

// One at a time, so that only one body is in memory.
fn next_event(connection: &Connection, cursor: i64) -> Result<Option<StoredEvent>, Failure> {
    let sql = "select seq, id, source, received_at, body from events where seq > ?1 order by seq limit 1";
    first(connection, sql, [cursor], decode_stored)
}

/// The event at a position.
pub(super) fn stored_event(connection: &Connection, seq: i64) -> Result<Option<StoredEvent>, Failure> {
    let sql = "select seq, id, source, received_at, body from events where seq = ?1";
    first(connection, sql, [seq], decode_stored)
}

/// Reads an event with its bytes.
pub(super) fn decode_stored(row: &Row<'_>) -> Result<StoredEvent, Failure> {
    let seq = row.get("seq")?;
    let source = named("events", seq, word(row, "source").map_err(Failure::from))?;
    Ok(StoredEvent {
        seq: EventSeq(seq),
        id: row.get("id")?,
        source,
        received_at: time(row, "received_at")?,
        body: Bytes::from(row.get::<_, Vec<u8>>("body")?),
    })
}

/// Routes one event in a savepoint. When that fails because of the event, it is kept as unreadable, alone, with the
/// reason, and handed on all the same.
fn route_event(
    connection: &Connection,
    router: &Router,
    stored: &StoredEvent,
    now: Timestamp,
    batch: &mut RouteBatch,
) -> Result<(), Failure> {
    execute(connection, "savepoint event", [])?;
    let (deliveries, applied) = match plan(connection, router, stored) {
        Ok(plan) => (deliveries_of(&plan), apply(connection, router, stored, &plan, now)),
        Err(failure) => (router.unreadable_deliveries().collect(), Err(failure)),
    };
    match applied {
        Ok(made) => {
            batch.jobs += made.jobs;
            batch.unreadable += u32::from(made.unreadable);
            batch.condition_errors.extend(made.condition_errors);
        }
        Err(failure) if failure.severity() == Severity::Row => {
            execute(connection, "rollback to event", [])?;
            keep_unreadable(connection, stored, &failure)?;
            batch.jobs += hand_on(connection, router, stored, &deliveries, now)?;
            batch.unreadable += 1;
        }
        Err(failure) => return Err(failure),
    }
    execute(connection, "release event", [])?;
    batch.routed += 1;
    Ok(())
}

fn deliveries_of(plan: &Plan) -> Vec<NewJob> {
    plan.jobs.iter().filter(|job| matches!(job, NewJob::Deliver { .. })).cloned().collect()
}

fn keep_unreadable(connection: &Connection, stored: &StoredEvent, failure: &Failure) -> Result<(), Failure> {
    let (id, seq) = (&stored.id, stored.seq.0);
    tracing::error!(event.id = %id, event.seq = seq, "event {id} could not be routed: {failure}");
    let facts =
        EventFacts { unreadable: Some(format!("routing failed: {failure}")), ..EventFacts::default() };
    insert_facts(connection, stored, &facts)
}

/// Makes the deliveries of an event that could not be routed, each in a savepoint: one of them may be what failed.
fn hand_on(
    connection: &Connection,
    router: &Router,
    stored: &StoredEvent,
    deliveries: &[NewJob],
    now: Timestamp,
) -> Result<u32, Failure> {
    let source = JobSource { stored, message_id: None, conversation: None, now };
    let mut made = 0;
    for job in deliveries {
        execute(connection, "savepoint delivery", [])?;
        match make_job(connection, router, &source, job) {
            Ok(is_new) => made += u32::from(is_new),
            Err(failure) if failure.severity() == Severity::Row => {
                tracing::error!(event.id = %stored.id, "no delivery of event {}: {failure}", stored.id);
                execute(connection, "rollback to delivery", [])?;
            }
            Err(failure) => return Err(failure),
        }
        execute(connection, "release delivery", [])?;
    }
    Ok(made)
}

/// What one event made.
struct Made {
    jobs: u32,
    unreadable: bool,
    condition_errors: Vec<(String, String)>,
}

fn apply(
    connection: &Connection,
    router: &Router,
    stored: &StoredEvent,
    plan: &Plan,
    now: Timestamp,
) -> Result<Made, Failure> {
    insert_facts(connection, stored, &plan.facts)?;
    let conversation = apply_message(connection, plan, now)?;
    let source = JobSource { stored, message_id: plan.facts.message_id.as_deref(), conversation, now };
    let mut jobs = make_media(connection, plan, &source)?;
    for job in &plan.jobs {
        jobs += u32::from(make_job(connection, router, &source, job)?);
    }
    if let Some(key) = &plan.proves_send {
        let message = plan.message.as_ref().map(|message| message.id.as_str());
        prove_send(connection, key, message, now)?;
    }
    let condition_errors = plan.condition_errors.clone();
    Ok(Made { jobs, unreadable: plan.facts.unreadable.is_some(), condition_errors })
}

// A panic in a rule must cost one event, not the writer.
fn plan(connection: &Connection, router: &Router, stored: &StoredEvent) -> Result<Plan, Failure> {
    let panicked = |_| StoreError::Unavailable { reason: "its plan panicked".to_owned() };
    let read = catch_unwind(AssertUnwindSafe(|| ReadEvent::read(stored))).map_err(panicked)?;
    let known = match &read.facts.message_id {
        Some(id) => messages::message(connection, id)?,
        None => None,
    };
    Ok(catch_unwind(AssertUnwindSafe(|| router.plan(stored, read, known))).map_err(panicked)?)
}

fn insert_facts(connection: &Connection, stored: &StoredEvent, facts: &EventFacts) -> Result<(), Failure> {
    let sql = "insert into event_facts (seq, event_type, message_id, occurred_at, attempt, delivered_to, unreadable, \
        source, received_at) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let values = params![
        stored.seq.0,
        clean_optional(facts.event_type.as_deref()),
        clean_optional(facts.message_id.as_deref()),
        clean_optional(facts.occurred_at.as_deref()),
        facts.attempt,
        clean_optional(facts.delivered_to.as_deref()),
        clean_optional(facts.unreadable.as_deref()),
        stored.source.as_str(),
        stored.received_at.as_micros(),
    ];
    execute(connection, sql, values)?;
    Ok(())
}

/// Writes the message and what is learned from it. Returns its conversation.
fn apply_message(connection: &Connection, plan: &Plan, now: Timestamp) -> Result<Option<i64>, Failure> {
    for number in &plan.own_numbers {
        let sql = "insert into own_numbers (number) values (?1) on conflict do nothing";
        execute(connection, sql, [number.as_str()])?;
    }
    if let Some(change) = &plan.opt_out {
        change_opt_out(connection, change, now)?;
    }
    plan.message.as_ref().map_or(Ok(None), |message| messages::save(connection, message))
}

/// What the jobs of an event have in common.
struct JobSource<'a> {
    stored: &'a StoredEvent,
    message_id: Option<&'a str>,
    conversation: Option<i64>,
    now: Timestamp,
}

impl<'a> JobSource<'a> {
    /// A job of this event.
    fn row(&self, kind: JobKind, lane: &'a Lane) -> NewRow<'a> {
        NewRow {
            event: Some((self.stored.seq, &self.stored.id)),
            message_id: self.message_id,
            ..NewRow::new(kind, lane, self.now)
        }
    }
}

fn make_media(connection: &Connection, plan: &Plan, source: &JobSource<'_>) -> Result<u32, Failure> {
    let Some(message) = &plan.message else { return Ok(0) };
    let mut made = 0;
    for (position, media) in (0..).zip(&plan.media) {
        if !messages::add_media(connection, &message.id, position, media)? {
            continue;
        }
        let row = source.row(JobKind::FetchMedia, &Lane::Media);
        let row = NewRow { message_id: Some(&message.id), media_position: Some(position), ..row };
        made += u32::from(row.insert(connection)?.is_some());
    }
    Ok(made)
}

fn make_job(
    connection: &Connection,
    router: &Router,
    source: &JobSource<'_>,
    job: &NewJob,
) -> Result<bool, Failure> {
    let conversation_id = source.conversation;
    let made = match job {
        NewJob::Reply { rule, request } => {
            let key = send_key(connection, source.stored, rule)?;
            let row = source.row(JobKind::Send, &Lane::Send);
            NewRow { conversation_id, rule: Some(rule), send: Some((&key, request)), ..row }
                .insert(connection)?
        }
        NewJob::Deliver { destination } => {
            let lane = Lane::Destination(destination.clone());
            let due_at = source.now.after(first_wait(router, destination));
            let row = source.row(JobKind::Deliver, &lane);
            NewRow { conversation_id, due_at, ..row }.insert(connection)?
        }
    };
    Ok(made.is_some())
}

fn first_wait(router: &Router, destination: &str) -> Duration {
    let found = router.destination(destination);
    found.and_then(|configured| configured.retry.waits().first().copied()).unwrap_or_default()
}

/// The name of a reply: unguessable as long as `store_id` is, and the same however often the event is routed.
fn send_key(connection: &Connection, stored: &StoredEvent, rule: &str) -> Result<SendKey, Failure> {
    let sql = "select value from settings where key = 'store_id'";
    let store_id = first(connection, sql, [], |row| Ok(row.get::<_, Vec<u8>>(0)?))?;
    let mut context = Context::new(&SHA256);
    for part in [&store_id.unwrap_or_default(), stored.id.as_bytes(), clean(rule).as_bytes(), &stored.body] {
        // The length before each part keeps two lists of parts from reading the same.
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let digest = context.finish();
    Ok(SendKey(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()))
}

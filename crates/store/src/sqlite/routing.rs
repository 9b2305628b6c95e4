//! Routing: what stored events make, in commit order, in one transaction with the cursor's advance.

use std::collections::HashSet;
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

// Claims and outcomes wait for the writer meanwhile: a backlog of events must not stop deliveries.
const BUDGET: Duration = Duration::from_millis(15);
const EVENTS_PER_STEP: u32 = 500;

const NEXT: &str =
    "select seq, id, source, received_at, body from events where seq > ?1 order by seq limit ?2";

/// Routes the next events, all of them without a savepoint of their own: those cost as much as the rest, and hardly ever
/// is an event the reason for a failure. If one is, nothing of the step happens, and [`route_apart`] does it again.
pub(super) fn route_events(
    connection: &Connection,
    router: &Router,
    limit: u32,
    now: Timestamp,
) -> Result<RouteBatch, Failure> {
    step(connection, limit, |stored, batch, known| {
        let (plan, is_new) = plan(connection, router, stored)?;
        add(batch, Work { connection, router, stored, now }.apply(&plan, is_new, known)?);
        Ok(())
    })
}

/// Routes the next events, each in a savepoint, so that one that fails is alone with it.
pub(super) fn route_apart(
    connection: &Connection,
    router: &Router,
    limit: u32,
    now: Timestamp,
) -> Result<RouteBatch, Failure> {
    step(connection, limit, |stored, batch, _| route_event(connection, router, stored, now, batch))
}

/// Does something with each of the next events and moves the cursor.
fn step(
    connection: &Connection,
    limit: u32,
    mut route: impl FnMut(&StoredEvent, &mut RouteBatch, &mut Known) -> Result<(), Failure>,
) -> Result<RouteBatch, Failure> {
    let started = Instant::now();
    let cursor = routed_seq(connection)?;
    let (mut batch, mut known, mut reached) = (RouteBatch::default(), Known::default(), cursor);
    let wanted = limit.min(EVENTS_PER_STEP);
    // Read as they are needed, so that only one body is in memory.
    let mut statement = connection.prepare_cached(NEXT)?;
    let mut rows = statement.query([cursor, i64::from(wanted) + 1])?;
    while let Some(row) = rows.next()? {
        if batch.routed >= wanted || started.elapsed() >= BUDGET {
            batch.more = true;
            break;
        }
        let stored = decode_stored(row)?;
        route(&stored, &mut batch, &mut known)?;
        batch.routed += 1;
        reached = stored.seq.0;
    }
    if reached != cursor {
        execute(connection, "update routing set routed_seq = ?1 where id = 1", [reached])?;
    }
    Ok(batch)
}

/// Every event up to here has been routed.
pub(super) fn routed_seq(connection: &Connection) -> Result<i64, Failure> {
    value(connection, "select routed_seq from routing where id = 1", [])
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

/// What a step has learned and need not write again.
#[derive(Default)]
struct Known {
    own_numbers: HashSet<String>,
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
    let (deliveries, made) = match plan(connection, router, stored) {
        Ok((plan, is_new)) => {
            let work = Work { connection, router, stored, now };
            (deliveries_of(&plan), work.apply(&plan, is_new, &mut Known::default()))
        }
        Err(failure) => (router.unreadable_deliveries().collect(), Err(failure)),
    };
    match made {
        Ok(made) => add(batch, made),
        Err(failure) if failure.severity() == Severity::Row => {
            execute(connection, "rollback to event", [])?;
            keep_unreadable(connection, stored, &failure)?;
            batch.jobs += hand_on(&Work { connection, router, stored, now }, &deliveries)?;
            batch.unreadable += 1;
        }
        Err(failure) => return Err(failure),
    }
    execute(connection, "release event", [])?;
    Ok(())
}

fn add(batch: &mut RouteBatch, made: Made) {
    batch.jobs += made.jobs;
    batch.unreadable += u32::from(made.unreadable);
    batch.condition_errors.extend(made.condition_errors);
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
fn hand_on(work: &Work<'_>, deliveries: &[NewJob]) -> Result<u32, Failure> {
    let (connection, id) = (work.connection, &work.stored.id);
    let mut made = 0;
    for job in deliveries {
        execute(connection, "savepoint delivery", [])?;
        match work.make_job(job, &About::default()) {
            Ok(is_new) => made += u32::from(is_new),
            Err(failure) if failure.severity() == Severity::Row => {
                tracing::error!(event.id = %id, "no delivery of event {id}: {failure}");
                execute(connection, "rollback to delivery", [])?;
            }
            Err(failure) => return Err(failure),
        }
        execute(connection, "release delivery", [])?;
    }
    Ok(made)
}

// A panic in a rule must cost one event, not the writer. Also tells whether the message is new to us.
pub(super) fn plan(
    connection: &Connection,
    router: &Router,
    stored: &StoredEvent,
) -> Result<(Plan, bool), Failure> {
    let panicked = |_| StoreError::Unavailable { reason: "its plan panicked".to_owned() };
    let read = catch_unwind(AssertUnwindSafe(|| ReadEvent::read(stored))).map_err(panicked)?;
    let known = match &read.facts.message_id {
        Some(id) => messages::message(connection, id)?,
        None => None,
    };
    let is_new = known.is_none();
    let plan = catch_unwind(AssertUnwindSafe(|| router.plan(stored, read, known))).map_err(panicked)?;
    Ok((plan, is_new))
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

/// One event on its way through routing.
struct Work<'a> {
    connection: &'a Connection,
    router: &'a Router,
    stored: &'a StoredEvent,
    now: Timestamp,
}

/// What one event made.
struct Made {
    jobs: u32,
    unreadable: bool,
    condition_errors: Vec<(String, String)>,
}

/// The message that an event speaks of.
#[derive(Default)]
struct About<'a> {
    message_id: Option<&'a str>,
    conversation: Option<i64>,
}

impl Work<'_> {
    /// Writes everything that the plan says.
    fn apply(&self, plan: &Plan, is_new: bool, known: &mut Known) -> Result<Made, Failure> {
        insert_facts(self.connection, self.stored, &plan.facts)?;
        let conversation = self.apply_message(plan, is_new, known)?;
        let about = About { message_id: plan.facts.message_id.as_deref(), conversation };
        let mut jobs = self.make_media(plan)?;
        for job in &plan.jobs {
            jobs += u32::from(self.make_job(job, &about)?);
        }
        if let Some(key) = &plan.proves_send {
            let message = plan.message.as_ref().map(|message| message.id.as_str());
            prove_send(self.connection, key, message, self.now)?;
        }
        let condition_errors = plan.condition_errors.clone();
        Ok(Made { jobs, unreadable: plan.facts.unreadable.is_some(), condition_errors })
    }

    /// Writes the message and what is learned from it. Returns its conversation.
    fn apply_message(&self, plan: &Plan, is_new: bool, known: &mut Known) -> Result<Option<i64>, Failure> {
        for number in &plan.own_numbers {
            if known.own_numbers.insert(number.as_str().to_owned()) {
                let sql = "insert into own_numbers (number) values (?1) on conflict do nothing";
                execute(self.connection, sql, [number.as_str()])?;
            }
        }
        if let Some(change) = &plan.opt_out {
            change_opt_out(self.connection, change, self.now)?;
        }
        match &plan.message {
            Some(message) if is_new => messages::insert(self.connection, message),
            Some(message) => messages::save(self.connection, message),
            None => Ok(None),
        }
    }

    fn make_media(&self, plan: &Plan) -> Result<u32, Failure> {
        let Some(message) = &plan.message else { return Ok(0) };
        let mut made = 0;
        for (position, media) in (0..).zip(&plan.media) {
            if !messages::add_media(self.connection, &message.id, position, media)? {
                continue;
            }
            let row = self.row(JobKind::FetchMedia, &Lane::Media, Some(&message.id));
            let row = NewRow { media_position: Some(position), ..row };
            made += u32::from(row.insert(self.connection)?.is_some());
        }
        Ok(made)
    }

    fn make_job(&self, job: &NewJob, about: &About<'_>) -> Result<bool, Failure> {
        let made = match job {
            NewJob::Reply { rule, request } => {
                let key = send_key(self.connection, self.stored, rule)?;
                let row = self.row(JobKind::Send, &Lane::Send, about.message_id);
                NewRow { rule: Some(rule), send: Some((&key, request)), ..row }.insert(self.connection)?
            }
            NewJob::Deliver { destination } => {
                let lane = Lane::Destination(destination.clone());
                let due_at = self.now.after(first_wait(self.router, destination));
                let row = self.row(JobKind::Deliver, &lane, about.message_id);
                // Only of use to the order of a conversation, and not free: see `jobs_order`.
                let ordered = self.router.keeps_order(destination);
                let conversation_id = about.conversation.filter(|_| ordered);
                NewRow { conversation_id, due_at, ..row }.insert(self.connection)?
            }
        };
        Ok(made.is_some())
    }

    /// A job of this event.
    fn row<'b>(&'b self, kind: JobKind, lane: &'b Lane, message_id: Option<&'b str>) -> NewRow<'b> {
        let event = Some((self.stored.seq, self.stored.id.as_str()));
        NewRow { event, message_id, ..NewRow::new(kind, lane, self.now) }
    }
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

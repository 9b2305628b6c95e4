//! Delivers events: takes due tries, a bounded number at a time, signs each afresh and posts it.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::account::{Account, World};
use crate::fault::{Fault, FaultEffect, Subject};
use crate::webhook::delivery::{Attempt, AttemptError, Forgery};
use crate::webhook::log::{DueTry, Next};
use crate::webhook::request;

/// How much of a receiver's answer is kept (Telnyx's delivery records: up to 10 kB).
const EXCERPT_BYTES: usize = 10_000;
/// How much of its headers.
const HEADER_BYTES: usize = 8 * 1024;

/// Runs until the sandbox is shut down.
pub(crate) async fn run(account: Arc<Account>) {
    let slots = Arc::new(Semaphore::new(account.host.config.attempts_at_one_time()));
    while let Some(slot) = free_slot(&account, &slots).await {
        match take_due(&account) {
            Taken::Try(assignment) => {
                account.host.tracker.spawn(attempt(account.clone(), assignment, slot));
            }
            Taken::NotBefore(due_at) => {
                drop(slot);
                tokio::select! {
                    () = account.due.notified() => {}
                    () = account.clock.wait_until(due_at) => {}
                    () = account.cancel.cancelled() => return,
                }
            }
            Taken::Nothing => {
                drop(slot);
                tokio::select! {
                    () = account.due.notified() => {}
                    () = account.cancel.cancelled() => return,
                }
            }
        }
    }
}

/// One try, with the faults that strike it.
struct Assignment {
    due: DueTry,
    life: CancellationToken,
    forgery: Forgery,
    age_seconds: i64,
}

enum Taken {
    Try(Box<Assignment>),
    NotBefore(Timestamp),
    Nothing,
}

/// What a receiver answered.
struct Answer {
    status: Option<u16>,
    headers: Vec<(String, String)>,
    body: String,
    error: Option<AttemptError>,
}

async fn free_slot(account: &Account, slots: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        slot = slots.clone().acquire_owned() => slot.ok(),
        () = account.cancel.cancelled() => None,
    }
}

fn take_due(account: &Account) -> Taken {
    let now = account.clock.now();
    account.quietly(|world| {
        let turn = world.messages.pass_turns(now);
        let config = &account.host.config;
        let due = match world.deliveries.take_due(now, &config.retry, config.attempts_per_receiver.max(1)) {
            Next::Try(due) => due,
            Next::NotBefore(due_at) => return Taken::NotBefore(turn.map_or(due_at, |turn| turn.min(due_at))),
            Next::Nothing => return turn.map_or(Taken::Nothing, Taken::NotBefore),
        };
        Taken::Try(Box::new(Assignment::new(world, *due)))
    })
}

impl Assignment {
    /// Lets the faults of attempts strike or not.
    fn new(world: &mut World, due: DueTry) -> Self {
        let occasion = format!("{} {} {}", due.ticket.delivery, due.ticket.copy, due.ticket.tries);
        let subject = Subject { numbers: &due.numbers, event_type: Some(&due.event_type) };
        let mut strike =
            |pick: fn(&Fault) -> Option<i64>| world.faults.strike_at(&world.random, subject, &occasion, pick);
        let foreign_key = strike(|fault| matches!(fault.effect, FaultEffect::WrongSignature {}).then_some(1));
        let altered = strike(|fault| matches!(fault.effect, FaultEffect::AlteredBody {}).then_some(1));
        let age_seconds = strike(|fault| match fault.effect {
            FaultEffect::StaleTimestamp { seconds } => Some(i64::from(seconds)),
            FaultEffect::FutureTimestamp { seconds } => Some(-i64::from(seconds)),
            _ => None,
        });
        let forgery = Forgery { foreign_key: foreign_key.is_some(), altered: altered.is_some() };
        Self { life: world.life.clone(), age_seconds: age_seconds.unwrap_or(0), forgery, due }
    }
}

async fn attempt(account: Arc<Account>, assignment: Box<Assignment>, slot: OwnedSemaphorePermit) {
    let started_at = account.clock.now();
    let began = Instant::now();
    let timestamp = account.signing_second() - assignment.age_seconds;
    let answer = tokio::select! {
        answer = post(&account, &assignment, timestamp) => answer,
        () = assignment.life.cancelled() => return,
    };
    let now = account.clock.now();
    let due = assignment.due;
    let success = match account.host.config.retry.success_is_only_200 {
        true => answer.status == Some(200),
        false => answer.status.is_some_and(|status| (200..300).contains(&status)),
    };
    debug!(event.id = due.event_id, attempt = due.number, delivered = success, "attempted a webhook");
    let record = Attempt {
        number: due.number,
        copy: due.ticket.copy,
        url: due.url,
        timestamp,
        started_at,
        finished_at: now,
        duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        delivered: success,
        response_status: answer.status,
        response_headers: answer.headers,
        response_body: answer.body,
        error: answer.error,
        forgery: assignment.forgery,
    };
    drop(slot);
    account.change(|world| {
        // After a reset the delivery is gone, and its number may belong to another.
        if !assignment.life.is_cancelled() {
            world.deliveries.finish(due.ticket, record, now, &account.host.config.retry);
        }
    });
}

async fn post(account: &Account, assignment: &Assignment, timestamp: i64) -> Answer {
    let due = &assignment.due;
    let target = (&due.url, due.number);
    let request = request::build(account, &due.content, target, timestamp, assignment.forgery);
    let Some((client, request)) = account.host.client().zip(request) else {
        return no_answer("75000", "The URL cannot be reached by HTTP");
    };
    let timeout = account.host.config.retry.timeout_of(&due.content);
    let deadline = Instant::now() + timeout;
    match tokio::time::timeout_at(deadline, client.execute(request)).await {
        Ok(Ok(response)) => answered(response, deadline).await,
        Ok(Err(error)) if error.is_connect() => no_answer("75002", "The connection failed"),
        Ok(Err(_)) => no_answer("75000", "The connection ended without an answer"),
        Err(_) => no_answer("75000", format!("No answer within {}", phrase(timeout))),
    }
}

fn no_answer(code: &str, title: impl Into<String>) -> Answer {
    Answer {
        status: None,
        headers: Vec::new(),
        body: String::new(),
        error: Some(AttemptError { code: code.to_owned(), title: title.into() }),
    }
}

// The status decides; what follows it is kept as far as it comes in time.
async fn answered(mut response: reqwest::Response, deadline: Instant) -> Answer {
    let status = response.status().as_u16();
    let headers = excerpt(response.headers());
    let mut body = Vec::new();
    while body.len() < EXCERPT_BYTES {
        match tokio::time::timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
            _ => break,
        }
    }
    body.truncate(EXCERPT_BYTES);
    Answer {
        status: Some(status),
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
        error: status_error(status),
    }
}

fn excerpt(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut room = HEADER_BYTES;
    let mut kept = Vec::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let Some(rest) = room.checked_sub(name.as_str().len() + value.len()) else { break };
        room = rest;
        kept.push((name.as_str().to_owned(), value));
    }
    kept
}

// Telnyx's delivery codes, by its error pages.
fn status_error(status: u16) -> Option<AttemptError> {
    let (code, title) = match status {
        200 => return None,
        201..300 => ("75299", "The receiver answered with another 2xx than 200"),
        300..400 => ("75300", "The receiver redirected"),
        400 => ("75400", "The receiver answered 400"),
        404 => ("75404", "The receiver answered 404"),
        401..500 => ("75499", "The receiver answered another 4xx"),
        500 => ("75500", "The receiver answered 500"),
        501..600 => ("75599", "The receiver answered another 5xx"),
        _ => ("75000", "The receiver answered with an odd status"),
    };
    Some(AttemptError { code: code.to_owned(), title: title.to_owned() })
}

fn phrase(duration: Duration) -> String {
    format!("{} ms", duration.as_millis())
}

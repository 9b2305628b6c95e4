//! Looks a database over without changing it: SQLite's own checks, then what must hold between the tables.

use std::cmp::Ordering;
use std::fs::{File, TryLockError};
use std::path::Path;

use rusqlite::Connection;

use super::event_log::{denied, newest_seq};
use super::failure::Failure;
use super::migrate::{EVENT_LOG, MAIN};
use super::open::{OpenError, event_log_path, lock_path, open_reader};
use super::routing::routed_seq;
use super::rows::{value, values};

/// Everything that is wrong, a sentence each; empty when all is well.
pub(super) fn check(path: &Path) -> Result<Vec<String>, OpenError> {
    if !path.exists() {
        return Err(OpenError::Missing);
    }
    if !event_log_path(path).exists() {
        return Ok(vec![format!("its event log `{}` is missing", event_log_path(path).display())]);
    }
    let connection = open_reader(path)?;
    let pragma = |schema| connection.pragma_query_value(Some(schema), "user_version", |row| row.get(0));
    for (found, known) in [(pragma("main")?, MAIN.version()), (pragma("event_log")?, EVENT_LOG.version())] {
        match known.cmp(&found) {
            Ordering::Less => return Err(OpenError::Newer { found, known }),
            Ordering::Greater => return Err(OpenError::Older { found, known }),
            Ordering::Equal => {}
        }
    }
    let transaction = connection.unchecked_transaction()?;
    let mut findings = sqlite_checks(&transaction)?;
    findings.extend(invariants(&transaction)?);
    if is_served(path) {
        findings.iter_mut().for_each(|finding| finding.push_str(" (a gateway is using the database)"));
    }
    Ok(findings)
}

/// Whether a gateway holds the lock.
fn is_served(path: &Path) -> bool {
    let lock = File::open(lock_path(path)).map(|file| file.try_lock());
    matches!(lock, Ok(Err(TryLockError::WouldBlock)))
}

fn sqlite_checks(connection: &Connection) -> Result<Vec<String>, Failure> {
    let mut findings: Vec<String> = values(connection, "pragma integrity_check(100)", [])?;
    findings.retain(|finding| finding != "ok");
    let orphans: Vec<String> = values(connection, "pragma foreign_key_check", [])?;
    findings.extend(
        orphans.into_iter().map(|table| format!("a row of `{table}` points to a row that is missing")),
    );
    Ok(findings)
}

/// What must hold, each as a query for the rows that break it.
const INVARIANTS: &[(&str, &str)] = &[
    (
        "events whose hash is not kept, so that a repeat would be stored again",
        "select count(*) from events where not exists (select 1 from fresh where fresh.seq = events.seq) \
         and seq not in (select seq from seen)",
    ),
    (
        "routed events without facts",
        "select count(*) from events where seq <= (select routed_seq from routing) \
         and not exists (select 1 from event_facts where event_facts.seq = events.seq) \
         and not exists (select 1 from forgotten_events where forgotten_events.seq = events.seq)",
    ),
    (
        "facts of events that are not routed",
        "select count(*) from event_facts where seq > (select routed_seq from routing)",
    ),
    (
        "jobs being tried without a lease",
        "select count(*) from jobs where state in ('running', 'sending') and lease_until is null",
    ),
    (
        "finished jobs without an end, or unfinished ones with one",
        "select count(*) from jobs where (state in ('waiting', 'running', 'sending')) <> (finished_at is null)",
    ),
    (
        "deliveries of events that are not stored",
        "select count(*) from jobs where kind = 'deliver' and state in ('waiting', 'running') \
         and not exists (select 1 from events where events.seq = jobs.event_seq)",
    ),
    (
        "jobs blocked by nothing",
        "select count(*) from jobs where state = 'waiting' and claim_at > due_at and not exists ( \
         select 1 from jobs earlier where earlier.lane = jobs.lane \
         and earlier.conversation_id = jobs.conversation_id \
         and earlier.state in ('waiting', 'running') and earlier.id < jobs.id)",
    ),
    (
        "attachments without a job that fetches them",
        "select count(*) from media where state = 'waiting' and not exists ( \
         select 1 from jobs where kind = 'fetch_media' and jobs.message_id = media.message_id \
         and media_position = media.position)",
    ),
    (
        "conversations whose count of messages is wrong",
        "select count(*) from conversations where messages <> \
         (select count(*) from messages where conversation_id = conversations.id)",
    ),
    (
        "conversations whose count of what came in, or is unread, is wrong",
        "select count(*) from conversations left join (select conversation_id, count(*) as messages from messages \
         where direction = 'outbound' group by conversation_id) as sent on sent.conversation_id = conversations.id \
         where inbound <> conversations.messages - coalesce(sent.messages, 0) or unread > inbound",
    ),
    (
        "counts of jobs that are wrong",
        "select count(*) from (select kind, coalesce(destination, '') as place, state, count(*) as jobs \
         from jobs group by 1, 2, 3) as found full join (select * from job_counts where jobs <> 0) as kept \
         on found.kind = kept.kind and found.place = kept.destination and found.state = kept.state \
         where found.jobs is not kept.jobs",
    ),
    (
        "messages outside their block of the map of times",
        "select count(*) from messages where number <= (select position from behind where name = 'messages') \
         and not exists (select 1 from changed_messages where changed_messages.number = messages.number) \
         and not exists (select 1 from time_map where list = 'messages' and block = messages.number / 4096 \
         and messages.received_at between first_at and last_at)",
    ),
];

/// Breaches of what must hold between the tables. Reads all of them.
pub(super) fn invariants(connection: &Connection) -> Result<Vec<String>, Failure> {
    let mut findings = Vec::new();
    for (breach, sql) in INVARIANTS {
        let count: i64 = value(connection, sql, [])?;
        if count != 0 {
            findings.push(format!("{count} {breach}"));
        }
    }
    findings.extend(cursor_ahead(connection)?);
    let denied = denied(connection)?;
    if denied > 0 {
        findings.push(format!(
            "{denied} hashes that their filter denies, so that a repeat would be stored again"
        ));
    }
    Ok(findings)
}

fn cursor_ahead(connection: &Connection) -> Result<Option<String>, Failure> {
    let newest = newest_seq(connection)?;
    let ahead = Some(routed_seq(connection)?).filter(|routed| *routed > newest);
    Ok(ahead.map(|seq| format!("the routing cursor stands at {seq}, beyond the last event")))
}

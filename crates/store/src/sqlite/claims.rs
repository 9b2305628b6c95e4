//! Claims due jobs under a lease, and clears up leases that are over.
//!
//! `attempts` counts tries begun: a claim adds one, a release takes it back, a lost lease leaves it. The place in the
//! schedule is given back in both cases, so that restarts do not use it up; but only so many times, for a job may be what
//! stops the gateway, and must come to an end. A fencing token changes with each claim and
//! wherever a running job goes back without an outcome.

use bytes::Bytes;
use inlet_domain::{
    ClaimedJob, EventSeq, JobId, JobKind, JobState, Lane, SendKey, StoredEvent, Timestamp, Transition,
};
use rusqlite::{Connection, Params, Row, params};

use super::failure::{Failure, Severity};
use super::jobs::{NEVER, Standing, lane_of, lane_text};
use super::rows::{all, broken, execute, first, json, named, time, value, values, word};
use crate::store::{CLAIM_BYTES, Claim, ClaimLane, Progress};

// Jobs looked at in one claim of an ordered lane. Those found blocked are not looked at again until they are unblocked.
const LOOKED_AT: u32 = 256;

// Restarts and crashes that are not the job's fault come in small numbers.
const LEASES_FORGIVEN: i64 = 5;
// A job that has ended no attempt by then never will.
const LEASES_LOST: i64 = 20;

/// Claims due jobs of each lane.
pub(super) fn claim_due(connection: &Connection, claim: &Claim) -> Result<Vec<ClaimedJob>, Failure> {
    let mut claimed = Vec::new();
    for lane in &claim.lanes {
        if is_paused(connection, &lane.lane)? {
            continue;
        }
        for (id, candidate) in candidates(connection, lane, claim)? {
            claimed.extend(claim_one(connection, id, candidate, claim)?);
        }
    }
    Ok(claimed)
}

fn is_paused(connection: &Connection, lane: &Lane) -> Result<bool, Failure> {
    let Lane::Destination(name) = lane else { return Ok(false) };
    let sql = "select exists (select 1 from destinations where name = ?1 and paused_at is not null)";
    value(connection, sql, [name])
}

/// Everything that a handler needs to know of a job, in one statement.
macro_rules! handed_out {
    ($from:literal) => {
        concat!(
            "select jobs.id, kind, lane, fence, attempts, schedule_attempts, jobs.event_seq, jobs.message_id, \
             media_position, send_key, request, rule, events.id as stored_id, events.source, events.received_at, \
             body, event_type from jobs left join events on events.seq = jobs.event_seq \
             left join event_facts on event_facts.seq = jobs.event_seq ",
            $from
        )
    };
}

const DUE: &str = handed_out!(
    "where lane = ?1 and state = 'waiting' and claim_at <= ?2 order by claim_at, jobs.id limit ?3"
);
const ONE: &str = handed_out!("where jobs.id = ?1");
const DUE_IN_ORDER: &str = "select id, conversation_id from jobs where lane = ?1 and state = 'waiting' and claim_at <= ?2 \
    order by claim_at, id limit ?3";
const HEAD: &str = "select id from jobs where lane = ?1 and conversation_id = ?2 and state in ('waiting', 'running') \
    order by id limit 1";
const BLOCKED: &str =
    "select id from jobs where lane = ?1 and state = 'waiting' and claim_at = ?2 order by id limit ?3";

/// A job that may be claimed, or why its row cannot be read.
type Candidate = (i64, Result<ClaimedJob, Failure>);

// All are read before the first is changed: a change would move it out of the index that is being read.
fn candidates(connection: &Connection, lane: &ClaimLane, claim: &Claim) -> Result<Vec<Candidate>, Failure> {
    let text = lane_text(&lane.lane);
    if !lane.ordered {
        unblock_some(connection, &text)?;
        return read_some(connection, DUE, params![text, claim.now.as_micros(), lane.limit], claim);
    }
    let mut heads = Vec::new();
    let mut bytes = 0;
    for id in ordered_candidates(connection, &text, lane.limit, claim.now)? {
        let head = read_some(connection, ONE, [id], claim)?;
        bytes += head.iter().map(|(_, candidate)| size_of(candidate)).sum::<usize>();
        heads.extend(head);
        if bytes >= CLAIM_BYTES {
            break;
        }
    }
    Ok(heads)
}

/// Reads candidates until they are large enough together.
fn read_some(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    claim: &Claim,
) -> Result<Vec<Candidate>, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while bytes < CLAIM_BYTES
        && let Some(row) = rows.next()?
    {
        let id = row.get("id")?;
        let candidate = decode(row, id, claim);
        bytes += size_of(&candidate);
        found.push((id, candidate));
    }
    Ok(found)
}

fn size_of(candidate: &Result<ClaimedJob, Failure>) -> usize {
    let event = candidate.as_ref().ok().and_then(|job| job.event.as_ref());
    event.map_or(0, |event| event.body.len())
}

/// Jobs that were blocked while the lane was ordered are due again now that it is not.
fn unblock_some(connection: &Connection, lane: &str) -> Result<(), Failure> {
    let sql = format!("update jobs set claim_at = due_at where id in ({BLOCKED})");
    execute(connection, &sql, params![lane, NEVER, LOOKED_AT])?;
    Ok(())
}

/// Due jobs at the head of their conversation. The others are blocked: they leave the due index until their
/// predecessor is finished, so that a long queue behind one head costs nothing.
fn ordered_candidates(
    connection: &Connection,
    lane: &str,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<i64>, Failure> {
    let mut heads = Vec::new();
    let due = all(connection, DUE_IN_ORDER, params![lane, now.as_micros(), LOOKED_AT.max(limit)], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))
    })?;
    for (id, conversation) in due {
        if heads.len() >= limit as usize {
            break;
        }
        if is_head(connection, lane, id, conversation)? {
            heads.push(id);
        } else {
            execute(connection, "update jobs set claim_at = ?2 where id = ?1", [id, NEVER])?;
        }
    }
    Ok(heads)
}

fn is_head(connection: &Connection, lane: &str, id: i64, conversation: Option<i64>) -> Result<bool, Failure> {
    let Some(conversation) = conversation else { return Ok(true) };
    Ok(first(connection, HEAD, params![lane, conversation], |row| Ok(row.get::<_, i64>(0)?))? == Some(id))
}

/// Claims one job. A row that cannot be read becomes a dead letter, so that it cannot block its lane.
fn claim_one(
    connection: &Connection,
    id: i64,
    candidate: Result<ClaimedJob, Failure>,
    claim: &Claim,
) -> Result<Option<ClaimedJob>, Failure> {
    // The states are written out, see `Standing::follow`.
    let sql = "update jobs set state = 'running', fence = fence + 1, attempts = attempts + 1, \
        schedule_attempts = schedule_attempts + 1, lease_until = ?2 where id = ?1 and state = 'waiting'";
    execute(connection, sql, [id, claim.now.after(claim.lease).as_micros()])?;
    match candidate {
        Err(failure) if failure.severity() == Severity::Row => {
            bury(connection, id, &failure.to_string(), claim.now)?;
            Ok(None)
        }
        candidate => candidate.map(Some),
    }
}

fn bury(connection: &Connection, id: i64, reason: &str, now: Timestamp) -> Result<(), Failure> {
    tracing::error!(job.id = id, reason, "job {id} cannot be read and became a dead letter: {reason}");
    let Some(job) = Standing::of(connection, JobId(id))? else { return Ok(()) };
    job.follow(connection, Transition::GiveUp, Some(reason), now)?;
    Ok(())
}

/// The job as it is once it is claimed.
fn decode(row: &Row<'_>, id: i64, claim: &Claim) -> Result<ClaimedJob, Failure> {
    let lane: String = row.get("lane")?;
    let kind = named("jobs", id, word(row, "kind").map_err(Failure::from))?;
    let (message, position): (Option<String>, Option<i64>) =
        (row.get("message_id")?, row.get("media_position")?);
    let media = if kind == JobKind::FetchMedia { message.zip(position) } else { None };
    Ok(ClaimedJob {
        id: JobId(id),
        kind,
        lane: lane_of(&lane).ok_or_else(|| broken("jobs", id, format!("`{lane}` is not a lane")))?,
        fence: row.get::<_, i64>("fence")? + 1,
        attempt: row.get::<_, i64>("attempts")? + 1,
        schedule_attempt: row.get::<_, i64>("schedule_attempts")? + 1,
        lease_until: claim.now.after(claim.lease),
        event: event_of(row, id)?,
        event_type: row.get("event_type")?,
        media,
        send: send_of(row, id)?,
        rule: row.get("rule")?,
    })
}

fn event_of(row: &Row<'_>, job: i64) -> Result<Option<StoredEvent>, Failure> {
    let Some(seq) = row.get::<_, Option<i64>>("event_seq")? else { return Ok(None) };
    let Some(id) = row.get::<_, Option<String>>("stored_id")? else {
        return Err(broken("jobs", job, format!("its event {seq} is no longer stored")));
    };
    Ok(Some(StoredEvent {
        seq: EventSeq(seq),
        id,
        source: named("events", seq, word(row, "source").map_err(Failure::from))?,
        received_at: time(row, "received_at")?,
        body: Bytes::from(row.get::<_, Vec<u8>>("body")?),
    }))
}

fn send_of(row: &Row<'_>, job: i64) -> Result<Option<(SendKey, inlet_domain::SendRequest)>, Failure> {
    let Some(key) = row.get::<_, Option<String>>("send_key")? else { return Ok(None) };
    let request = named("jobs", job, json(row, "request").map_err(Failure::from))?;
    Ok(Some((SendKey(key), request)))
}

/// Gives claimed jobs back untried. Those whose lease was lost are left alone.
pub(super) fn release(connection: &Connection, jobs: &[(JobId, i64)]) -> Result<(), Failure> {
    let sql = "update jobs set state = 'waiting', lease_until = null, fence = fence + 1, attempts = attempts - 1, \
        schedule_attempts = schedule_attempts - 1 where id = ?1 and fence = ?2 and state = 'running'";
    for (id, fence) in jobs {
        execute(connection, sql, [id.0, *fence])?;
    }
    Ok(())
}

// `indexed by` wherever a state is looked for: SQLite would rather read every job in that state.
const EXPIRED: &str =
    "select id from jobs indexed by jobs_leased where state in ('running', 'sending') and lease_until < ?1";

/// Clears up leases that ended before `now`.
pub(super) fn expire_leases(connection: &Connection, now: Timestamp) -> Result<Progress, Failure> {
    let ids = values(connection, EXPIRED, [now.as_micros()])?;
    lose_leases(connection, ids, now)
}

/// Clears up all leases.
pub(super) fn recover_leases(connection: &Connection, now: Timestamp) -> Result<Progress, Failure> {
    let ids = values(connection, "select id from jobs where state in ('running', 'sending')", [])?;
    lose_leases(connection, ids, now)
}

fn lose_leases(connection: &Connection, ids: Vec<i64>, now: Timestamp) -> Result<Progress, Failure> {
    let mut progress = Progress::default();
    for id in ids {
        let Some(job) = Standing::of(connection, JobId(id))? else { continue };
        match job.state {
            JobState::Sending => {
                let reason = "the answer was not seen: the gateway stopped, or the lease ran out";
                job.follow(connection, Transition::LoseLease, Some(reason), now)?;
                progress.unknown += 1;
            }
            _ if job.lost_leases + 1 >= LEASES_LOST => {
                let reason =
                    format!("gave up: the lease ran out {LEASES_LOST} times before an attempt ended");
                job.follow(connection, Transition::GiveUp, Some(&reason), now)?;
                count_lost_lease(connection, &job)?;
                progress.dead += 1;
            }
            _ => {
                let reason = "the lease ran out before the attempt ended";
                job.follow(connection, Transition::LoseLease, Some(reason), now)?;
                count_lost_lease(connection, &job)?;
                progress.returned += 1;
            }
        }
    }
    Ok(progress)
}

fn count_lost_lease(connection: &Connection, job: &Standing) -> Result<(), Failure> {
    let given_back = i64::from(job.lost_leases < LEASES_FORGIVEN);
    let sql = "update jobs set fence = fence + 1, lost_leases = lost_leases + 1, \
        schedule_attempts = schedule_attempts - ?2 where id = ?1";
    execute(connection, sql, [job.id.0, given_back])?;
    Ok(())
}

const NEXT_LANE: &str =
    "select lane from jobs indexed by jobs_due where state = 'waiting' and lane > ?1 order by lane limit 1";
const LANE_DUE: &str = "select claim_at from jobs where lane = ?1 and state = 'waiting' and claim_at > ?2 \
    and claim_at < ?3 order by claim_at limit 1";

/// When, after `after`, the next job of a lane that is not paused can be claimed. One step of the index per lane.
pub(super) fn next_due(connection: &Connection, after: Timestamp) -> Result<Option<Timestamp>, Failure> {
    let (mut lane, mut earliest) = (String::new(), None);
    while let Some(next) = first(connection, NEXT_LANE, [&lane], |row| Ok(row.get::<_, String>(0)?))? {
        let due = lane_due(connection, &next, after)?;
        earliest = [earliest, due].into_iter().flatten().min();
        lane = next;
    }
    Ok(earliest.map(Timestamp::from_micros))
}

fn lane_due(connection: &Connection, lane: &str, after: Timestamp) -> Result<Option<i64>, Failure> {
    if lane_of(lane).map_or(Ok(false), |lane| is_paused(connection, &lane))? {
        return Ok(None);
    }
    first(connection, LANE_DUE, params![lane, after.as_micros(), NEVER], |row| Ok(row.get(0)?))
}

#[cfg(test)]
mod tests {
    use super::super::plans::{assert_searches, database};
    use super::*;

    #[test]
    fn claims_cost_the_same_however_many_jobs_wait() {
        let database = database();
        for sql in [DUE, DUE_IN_ORDER, BLOCKED, NEXT_LANE, LANE_DUE] {
            assert_searches(&database, sql, "jobs_due");
        }
        assert_searches(&database, HEAD, "jobs_order");
        assert_searches(&database, EXPIRED, "jobs_leased");
    }
}

//! Messages on their way out: the guard before, the message after, and who does not want any.

use inlet_domain::{
    GuardFacts, GuardLimits, JobId, JobKind, JobState, Lane, Message, OptOutChange, SendKey, SendRequest,
    SkipReason, Source, Timestamp, Transition, guard,
};
use rusqlite::{Connection, params};

use super::failure::Failure;
use super::jobs::{NewRow, Standing};
use super::messages;
use super::rows::{broken, clean, execute, first, value, values, word};
use crate::error::StoreError;
use crate::store::{ReplyUsage, SendDecision};

const TEXTS_COMPARED: i64 = 20;

/// Makes a send on behalf of a person or program. The same key again names the same job.
pub(super) fn enqueue_send(
    connection: &Connection,
    key: &SendKey,
    request: &SendRequest,
    now: Timestamp,
) -> Result<JobId, Failure> {
    let row = NewRow { send: Some((key, request)), ..NewRow::new(JobKind::Send, &Lane::Send, now) };
    if let Some(id) = row.insert(connection)? {
        return Ok(id);
    }
    let id = value(connection, "select id from jobs where send_key = ?1", [&key.0])?;
    Ok(JobId(id))
}

/// Marks a send `sending`, or `skipped` with the reason, or `done` when its message is known.
pub(super) fn begin_send(
    connection: &Connection,
    id: JobId,
    fence: i64,
    now: Timestamp,
    lease_until: Timestamp,
    limits: &GuardLimits,
) -> Result<SendDecision, Failure> {
    let job = Standing::of(connection, id)?;
    let job = job.filter(|job| job.fence == fence && job.state == JobState::Running);
    let job = job.ok_or(StoreError::LeaseLost { job: id.0 })?;
    if job.sent_message_id.is_some() {
        job.follow(connection, Transition::Receipt, None, now)?;
        return Ok(SendDecision::AlreadySent);
    }
    if let Err(reason) = allowed(connection, &job, now, limits)? {
        job.follow(connection, Transition::Skip, Some(reason.as_str()), now)?;
        return Ok(SendDecision::Skipped(reason));
    }
    job.follow(connection, Transition::BeginSend, None, now)?;
    let sql = "update jobs set lease_until = ?2, sent_at = ?3 where id = ?1";
    execute(connection, sql, [id.0, lease_until.as_micros(), now.as_micros()])?;
    Ok(SendDecision::Go)
}

fn allowed(
    connection: &Connection,
    job: &Standing,
    now: Timestamp,
    limits: &GuardLimits,
) -> Result<Result<(), SkipReason>, Failure> {
    let request = job.send_request()?;
    let Some(rule) = job.rule.as_deref() else {
        let opted_out = has_opted_out(connection, &request.from, &request.to)?;
        return Ok(if opted_out { Err(SkipReason::OptedOut) } else { Ok(()) });
    };
    let answered = job.message_id.as_deref().unwrap_or_default();
    let message = messages::message(connection, answered)?;
    let message = message.ok_or_else(|| broken("jobs", job.id.0, "the message it answers is gone"))?;
    let reply = Reply { job, rule, message: &message, request: &request };
    let facts = gather(connection, &reply, now, limits)?;
    Ok(guard(&message, &request.text, &facts, limits))
}

/// A reply on its way out.
struct Reply<'a> {
    job: &'a Standing,
    rule: &'a str,
    /// The message it answers.
    message: &'a Message,
    request: &'a SendRequest,
}

/// What the store knows when a reply is about to be sent. The reply itself is `running` and counts nowhere.
fn gather(
    connection: &Connection,
    reply: &Reply<'_>,
    now: Timestamp,
    limits: &GuardLimits,
) -> Result<GuardFacts, Failure> {
    let Reply { job, rule, message, request } = *reply;
    let since = now.before(limits.window).as_micros();
    Ok(GuardFacts {
        now,
        source: source_of(connection, job)?,
        rule: rule.to_owned(),
        sender_is_ours: is_ours(connection, &message.from, limits)?,
        opted_out: has_opted_out(connection, &request.from, &request.to)?,
        pair_replies: pair_replies(connection, &request.from, &request.to, since)?,
        rule_last_at: rule_last_at(connection, rule, &request.to)?,
        global_replies: global_replies(connection, now.before(limits.global_window).as_micros())?,
        same_text_answered: same_text_answered(connection, message, request, since)?,
        our_texts: our_texts(connection, message, request, since)?,
    })
}

fn source_of(connection: &Connection, job: &Standing) -> Result<Source, Failure> {
    let seq = job.event_seq.unwrap_or_default();
    let sql = "select source from events where seq = ?1";
    let source = first(connection, sql, [seq], |row| Ok(word(row, "source")?))?;
    source.ok_or_else(|| broken("jobs", job.id.0, format!("its event {seq} is no longer stored")))
}

fn is_ours(connection: &Connection, number: &str, limits: &GuardLimits) -> Result<bool, Failure> {
    if limits.numbers.iter().any(|ours| ours.as_str() == number) {
        return Ok(true);
    }
    value(connection, "select exists (select 1 from own_numbers where number = ?1)", [number])
}

// A message counts as sent unless it surely was not: `sending`, `done` and `unknown`.
const PAIR_REPLIES: &str = "select count(*) from jobs where to_number = ?1 and from_number = ?2 and sent_at >= ?3 \
    and rule is not null and state in ('sending', 'done', 'unknown')";

fn pair_replies(connection: &Connection, ours: &str, party: &str, since: i64) -> Result<i64, Failure> {
    value(connection, PAIR_REPLIES, params![clean(party), clean(ours), since])
}

const RULE_LAST_AT: &str = "select sent_at from jobs where to_number = ?1 and sent_at is not null and rule = ?2 \
    and state in ('sending', 'done', 'unknown') order by sent_at desc limit 1";

fn rule_last_at(connection: &Connection, rule: &str, party: &str) -> Result<Option<Timestamp>, Failure> {
    let found = first(connection, RULE_LAST_AT, [clean(party), clean(rule)], |row| Ok(row.get(0)?))?;
    Ok(found.map(Timestamp::from_micros))
}

const GLOBAL_REPLIES: &str = "select count(*) from jobs indexed by jobs_replied where sent_at >= ?1 and rule is not null \
    and state in ('sending', 'done', 'unknown')";

fn global_replies(connection: &Connection, since: i64) -> Result<i64, Failure> {
    value(connection, GLOBAL_REPLIES, [since])
}

/// How much of the guard's budgets is used.
pub(super) fn reply_usage(
    connection: &Connection,
    since: Timestamp,
    globally_since: Timestamp,
    pair: Option<(String, String)>,
) -> Result<ReplyUsage, Failure> {
    let global = global_replies(connection, globally_since.as_micros())?;
    let Some((ours, party)) = pair else { return Ok(ReplyUsage { global, ..ReplyUsage::default() }) };
    Ok(ReplyUsage {
        pair: Some(pair_replies(connection, &ours, &party, since.as_micros())?),
        global,
        opted_out: Some(has_opted_out(connection, &ours, &party)?),
    })
}

const SAME_TEXT: &str = "select count(*) from jobs join messages on messages.id = jobs.message_id \
    where jobs.to_number = ?1 and jobs.from_number = ?2 and sent_at >= ?3 and rule is not null \
    and state in ('sending', 'done', 'unknown') and messages.id <> ?5 \
    and lower(trim(coalesce(messages.text, ''))) = lower(trim(coalesce(?4, '')))";

fn same_text_answered(
    connection: &Connection,
    message: &Message,
    request: &SendRequest,
    since: i64,
) -> Result<i64, Failure> {
    let values = params![clean(&request.to), clean(&request.from), since, message.text, message.id];
    value(connection, SAME_TEXT, values)
}

// Of the conversation only the newest 200 messages are looked at, so that a long one costs no more.
const OUR_TEXTS: &str = "select text from ( \
    select json_extract(request, '$.text') as text, sent_at as at from jobs \
    where to_number = ?1 and from_number = ?2 and sent_at >= ?3 and state in ('sending', 'done', 'unknown') \
    union all \
    select text, received_at as at from (select id, text, direction, received_at from messages \
    where conversation_id = ?4 order by number desc limit 200) as latest \
    where direction = 'outbound' and received_at >= ?3 \
    and not exists (select 1 from jobs where sent_message_id = latest.id)) \
    where text is not null order by at desc limit ?5";

/// What went to the pair: by sends of ours, whose message may not be known yet, and by others on the same account.
fn our_texts(
    connection: &Connection,
    message: &Message,
    request: &SendRequest,
    since: i64,
) -> Result<Vec<String>, Failure> {
    let (to, from) = (clean(&request.to), clean(&request.from));
    values(connection, OUR_TEXTS, params![to, from, since, message.conversation_id, TEXTS_COMPARED])
}

/// Links a send with the message Telnyx made of it. What a receipt has told meanwhile is kept.
pub(super) fn record_sent(connection: &Connection, job: JobId, message: &Message) -> Result<(), Failure> {
    if messages::message(connection, &message.id)?.is_none() {
        messages::insert(connection, message)?;
    }
    link_sent(connection, job, &message.id)
}

fn link_sent(connection: &Connection, job: JobId, message: &str) -> Result<(), Failure> {
    let sql = "update jobs set sent_message_id = ?2 where id = ?1";
    execute(connection, sql, params![job.0, clean(message)])?;
    Ok(())
}

/// A receipt that carries our key proves the send.
pub(super) fn prove_send(
    connection: &Connection,
    key: &SendKey,
    message: Option<&str>,
    now: Timestamp,
) -> Result<(), Failure> {
    let found =
        first(connection, "select id from jobs where send_key = ?1", [&key.0], |row| Ok(row.get(0)?))?;
    let Some(id) = found.map(JobId) else { return Ok(()) };
    let job = Standing::of(connection, id)?.ok_or_else(|| broken("jobs", id.0, "it vanished"))?;
    if job.state.next(Transition::Receipt).is_some() {
        job.follow(connection, Transition::Receipt, None, now)?;
        if job.state == JobState::Running {
            // Its handler is about to send. Of a `sending` one the answer is still worth recording.
            execute(connection, "update jobs set fence = fence + 1 where id = ?1", [id.0])?;
        }
    }
    message.map_or(Ok(()), |message| link_sent(connection, id, message))
}

/// Whether a party does not want messages from one of our numbers.
fn has_opted_out(connection: &Connection, ours: &str, party: &str) -> Result<bool, Failure> {
    let sql = "select exists (select 1 from opt_outs where our_number = ?1 and party = ?2)";
    value(connection, sql, [clean(ours), clean(party)])
}

/// Records that a party has opted out. What is known already keeps its date and evidence.
pub(super) fn record_opt_out(
    connection: &Connection,
    ours: &str,
    party: &str,
    evidence: &str,
    now: Timestamp,
) -> Result<(), Failure> {
    let sql = "insert into opt_outs (our_number, party, created_at, evidence) values (?1, ?2, ?3, ?4) \
        on conflict do nothing";
    execute(connection, sql, params![clean(ours), clean(party), now.as_micros(), evidence])?;
    Ok(())
}

/// Carries out a STOP or START.
pub(super) fn change_opt_out(
    connection: &Connection,
    change: &OptOutChange,
    now: Timestamp,
) -> Result<(), Failure> {
    if change.opted_out {
        return record_opt_out(connection, &change.our_number, &change.party, "STOP", now);
    }
    let sql = "delete from opt_outs where our_number = ?1 and party = ?2";
    execute(connection, sql, [clean(&change.our_number), clean(&change.party)])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::plans::{database, plan};
    use super::*;

    #[test]
    fn the_guard_looks_at_what_was_sent_and_at_nothing_else() {
        let database = database();
        for sql in [PAIR_REPLIES, RULE_LAST_AT, SAME_TEXT, OUR_TEXTS] {
            let plan = plan(&database, sql);
            assert!(plan.contains("INDEX jobs_sent_to "), "{plan}");
            assert!(!plan.contains("SCAN jobs") && !plan.contains("SCAN messages"), "{plan}");
        }
        assert!(plan(&database, GLOBAL_REPLIES).contains("INDEX jobs_replied "));
        assert!(plan(&database, OUR_TEXTS).contains("INDEX messages_conversation "));
    }
}

//! Rows of jobs: how they are made, read, and moved from one state to the next.

use inlet_domain::{
    EventSeq, Job, JobId, JobKind, JobState, Lane, MediaState, ReplayId, SendKey, SendRequest, Timestamp,
    Transition,
};
use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::messages::set_media_state;
use super::rows::{broken, clean, clean_optional, execute, first, named, optional_time, time, to_json, word};

/// `claim_at` of a job that waits for an earlier one of its ordered conversation.
pub(super) const NEVER: i64 = i64::MAX;

/// The columns of [`decode`]. Of a reply the message it answers is shown, of other sends the one they have sent.
pub(super) const COLUMNS: &str = "id, kind, destination, event_id, coalesce(message_id, sent_message_id) as message_id, \
    rule, replay_id, state, attempts, due_at, created_at, finished_at, last_error";

/// Reads a row.
pub(super) fn decode(row: &Row<'_>) -> Result<Job, Failure> {
    let id = row.get("id")?;
    named("jobs", id, decode_columns(row, id).map_err(Failure::from))
}

fn decode_columns(row: &Row<'_>, id: i64) -> rusqlite::Result<Job> {
    Ok(Job {
        id: JobId(id),
        kind: word(row, "kind")?,
        destination: row.get("destination")?,
        event_id: row.get("event_id")?,
        message_id: row.get("message_id")?,
        rule: row.get("rule")?,
        replay_id: row.get::<_, Option<i64>>("replay_id")?.map(ReplayId),
        state: word(row, "state")?,
        held: false,
        attempts: row.get("attempts")?,
        due_at: time(row, "due_at")?,
        created_at: time(row, "created_at")?,
        finished_at: optional_time(row, "finished_at")?,
        last_error: row.get("last_error")?,
    })
}

/// One job.
pub(super) fn job(connection: &Connection, id: JobId) -> Result<Option<Job>, Failure> {
    first(connection, &format!("select {COLUMNS} from jobs where id = ?1"), [id.0], decode)
}

/// A job to be made.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewRow<'a> {
    pub(super) kind: JobKind,
    pub(super) lane: &'a Lane,
    pub(super) event: Option<(EventSeq, &'a str)>,
    pub(super) message_id: Option<&'a str>,
    pub(super) conversation_id: Option<i64>,
    pub(super) rule: Option<&'a str>,
    pub(super) replay: Option<ReplayId>,
    pub(super) media_position: Option<i64>,
    pub(super) send: Option<(&'a SendKey, &'a SendRequest)>,
    pub(super) due_at: Timestamp,
    pub(super) now: Timestamp,
}

impl<'a> NewRow<'a> {
    /// A job that is due at once and belongs to nothing.
    pub(super) fn new(kind: JobKind, lane: &'a Lane, now: Timestamp) -> Self {
        Self {
            kind,
            lane,
            event: None,
            message_id: None,
            conversation_id: None,
            rule: None,
            replay: None,
            media_position: None,
            send: None,
            due_at: now,
            now,
        }
    }

    /// Makes the job. `None` when a unique key says that it exists already.
    pub(super) fn insert(self, connection: &Connection) -> Result<Option<JobId>, Failure> {
        let sql = "insert into jobs (kind, lane, state, event_seq, event_id, message_id, conversation_id, destination, \
            rule, replay_id, media_position, send_key, request, from_number, to_number, due_at, claim_at, created_at) \
            values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?16, ?17) \
            on conflict do nothing";
        let request = self.send.map(|(_, request)| request);
        let made = params![
            self.kind.as_str(),
            lane_text(self.lane),
            JobState::Waiting.as_str(),
            self.event.map(|(seq, _)| seq.0),
            self.event.map(|(_, id)| clean(id)),
            clean_optional(self.message_id),
            self.conversation_id,
            destination_of(self.lane),
            clean_optional(self.rule),
            self.replay.map(|replay| replay.0),
            self.media_position,
            self.send.map(|(key, _)| key.0.as_str()),
            request.map(to_json),
            request.map(|request| clean(&request.from)),
            request.map(|request| clean(&request.to)),
            self.due_at.as_micros(),
            self.now.as_micros(),
        ];
        let inserted = execute(connection, sql, made)? == 1;
        Ok(inserted.then(|| JobId(connection.last_insert_rowid())))
    }
}

/// A lane as it stands in the table.
pub(super) fn lane_text(lane: &Lane) -> String {
    match lane {
        Lane::Destination(name) => format!("destination/{}", clean(name)),
        Lane::Media => "media".to_owned(),
        Lane::Send => "send".to_owned(),
    }
}

/// The lane of a text in the table.
pub(super) fn lane_of(text: &str) -> Option<Lane> {
    match text {
        "media" => Some(Lane::Media),
        "send" => Some(Lane::Send),
        _ => text.strip_prefix("destination/").map(|name| Lane::Destination(name.to_owned())),
    }
}

fn destination_of(lane: &Lane) -> Option<String> {
    match lane {
        Lane::Destination(name) => Some(clean(name)),
        Lane::Media | Lane::Send => None,
    }
}

/// What a change of state needs to know of a job.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) id: JobId,
    pub(super) kind: JobKind,
    pub(super) state: JobState,
    pub(super) fence: i64,
    pub(super) lost_leases: i64,
    pub(super) lane: String,
    pub(super) destination: Option<String>,
    pub(super) conversation_id: Option<i64>,
    pub(super) event_seq: Option<i64>,
    pub(super) message_id: Option<String>,
    pub(super) sent_message_id: Option<String>,
    pub(super) media_position: Option<i64>,
    pub(super) rule: Option<String>,
    pub(super) request: Option<String>,
}

impl Standing {
    /// How a job stands.
    pub(super) fn of(connection: &Connection, id: JobId) -> Result<Option<Self>, Failure> {
        let sql = "select kind, state, fence, lost_leases, lane, destination, conversation_id, event_seq, message_id, \
            sent_message_id, media_position, rule, request from jobs where id = ?1";
        first(connection, sql, [id.0], |row| {
            named("jobs", id.0, Self::decode(row, id).map_err(Failure::from))
        })
    }

    fn decode(row: &Row<'_>, id: JobId) -> rusqlite::Result<Self> {
        Ok(Self {
            id,
            kind: word(row, "kind")?,
            state: word(row, "state")?,
            fence: row.get("fence")?,
            lost_leases: row.get("lost_leases")?,
            lane: row.get("lane")?,
            destination: row.get("destination")?,
            conversation_id: row.get("conversation_id")?,
            event_seq: row.get("event_seq")?,
            message_id: row.get("message_id")?,
            sent_message_id: row.get("sent_message_id")?,
            media_position: row.get("media_position")?,
            rule: row.get("rule")?,
            request: row.get("request")?,
        })
    }

    /// What to send, of `send` jobs.
    pub(super) fn send_request(&self) -> Result<SendRequest, Failure> {
        let text = self.request.as_deref().ok_or_else(|| broken("jobs", self.id.0, "it has no `request`"))?;
        serde_json::from_str(text).map_err(|error| broken("jobs", self.id.0, format!("`request`: {error}")))
    }

    /// Moves the job to the state that follows and does everything that depends on it: the lease ends, the next job of
    /// an ordered conversation is unblocked, an attachment's state follows. An error where the transition is not
    /// allowed. `error` is the job's new `last_error`.
    pub(super) fn follow(
        &self,
        connection: &Connection,
        transition: Transition,
        error: Option<&str>,
        now: Timestamp,
    ) -> Result<JobState, Failure> {
        let next = self.state.next(transition).ok_or_else(|| {
            broken("jobs", self.id.0, format!("`{}` does not allow {transition:?}", self.state))
        })?;
        // The state is written out: with a parameter in its place SQLite prepares the statement anew each time, to see
        // which partial indexes the row belongs to.
        let sql = format!(
            "update jobs set state = '{next}', lease_until = null, finished_at = ?2, last_error = ?3 where id = ?1"
        );
        let finished_at = next.is_final().then_some(now.as_micros());
        execute(connection, &sql, params![self.id.0, finished_at, clean_optional(error)])?;
        self.let_media_follow(connection, next)?;
        if next.is_final() {
            unblock_next(connection, &self.lane, self.conversation_id)?;
        }
        Ok(next)
    }

    /// Makes the job due at a moment. One that was blocked is looked at again, and blocked again if need be.
    pub(super) fn due(&self, connection: &Connection, due_at: Timestamp) -> Result<(), Failure> {
        let sql = "update jobs set due_at = ?2, claim_at = ?2 where id = ?1";
        execute(connection, sql, [self.id.0, due_at.as_micros()])?;
        Ok(())
    }

    fn let_media_follow(&self, connection: &Connection, next: JobState) -> Result<(), Failure> {
        let media = (self.kind, self.message_id.as_deref(), self.media_position);
        let (JobKind::FetchMedia, Some(message), Some(position)) = media else { return Ok(()) };
        let state = match next {
            JobState::Dead => MediaState::Dead,
            JobState::Discarded => MediaState::Discarded,
            JobState::Waiting => MediaState::Waiting,
            _ => return Ok(()),
        };
        set_media_state(connection, message, position, state)
    }
}

/// Lets the first unfinished job of a conversation be claimed, if it was blocked by one that is now finished.
fn unblock_next(connection: &Connection, lane: &str, conversation: Option<i64>) -> Result<(), Failure> {
    let Some(conversation) = conversation else { return Ok(()) };
    let sql = "update jobs set claim_at = due_at where claim_at = ?3 and state = 'waiting' and id = ( \
        select id from jobs where lane = ?1 and conversation_id = ?2 and state in ('waiting', 'running') \
        order by id limit 1)";
    execute(connection, sql, params![lane, conversation, NEVER])?;
    Ok(())
}

//! Filters as SQL: conditions and their values, joined by `and`.

use inlet_domain::{EventFilter, JobFilter, MessageFilter, PageRequest, Source};
use rusqlite::types::Value;
use rusqlite::{Connection, ParamsFromIter, params_from_iter};

use super::event_log::find;
use super::failure::Failure;
use super::rows::{clean, to_json};

/// Conditions that must all hold.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    terms: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    /// Adds a condition; each `?` in it stands for the value.
    pub(super) fn add(&mut self, term: &str, value: impl Into<Value>) {
        self.values.push(value.into());
        self.terms.push(term.replace('?', &format!("?{}", self.values.len())));
    }

    /// Adds a condition where there is a value.
    pub(super) fn add_some(&mut self, term: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.add(term, value);
        }
    }

    /// Adds a condition without a value.
    pub(super) fn add_term(&mut self, term: &str) {
        self.terms.push(term.to_owned());
    }

    /// ` where …`, or nothing.
    pub(super) fn sql(&self) -> String {
        if self.terms.is_empty() { String::new() } else { format!(" where {}", self.terms.join(" and ")) }
    }

    /// The values.
    pub(super) fn params(&self) -> ParamsFromIter<Vec<Value>> {
        params_from_iter(self.values.clone())
    }
}

/// Rows wanted and one more, which tells whether there is a next page.
pub(super) fn rows_wanted(page: PageRequest) -> u32 {
    page.limit.clamp(1, inlet_domain::MAX_LIMIT) + 1
}

/// Which jobs are meant, and what is needed to find the event that the filter names: the candidates in memory.
#[derive(Debug, Clone)]
pub(super) struct JobSearch {
    pub(super) filter: JobFilter,
    pub(super) recent: Vec<i64>,
}

/// The conditions of a list of jobs.
pub(super) fn job_conditions(connection: &Connection, search: &JobSearch) -> Result<Conditions, Failure> {
    let id = search.filter.event_id.as_deref();
    let event = id.map(|id| find(connection, &search.recent, id)).transpose()?;
    let mut conditions = job_terms(&search.filter);
    // No event has the position 0.
    conditions.add_some("event_seq = ?", event.map(Option::unwrap_or_default));
    Ok(conditions)
}

fn job_terms(filter: &JobFilter) -> Conditions {
    let mut conditions = Conditions::default();
    conditions.add_some("kind = ?", filter.kind.map(|kind| kind.as_str().to_owned()));
    conditions.add_some("state = ?", filter.state.map(|state| state.as_str().to_owned()));
    conditions.add_some("destination = ?", filter.destination.as_deref().map(clean));
    // A job is of a message because its event is, or because it has sent it.
    conditions.add_some(
        "(event_seq in (select seq from event_facts where message_id = ?) or sent_message_id = ?)",
        filter.message_id.as_deref().map(clean),
    );
    conditions.add_some("replay_id = ?", filter.replay_id.map(|replay| replay.0));
    conditions.add_some("created_at >= ?", filter.after.map(|after| after.as_micros()));
    conditions.add_some("created_at < ?", filter.before.map(|before| before.as_micros()));
    conditions
}

/// The conditions of a replay to a destination that takes these types of event, or all.
pub(super) fn replay_conditions(filter: &EventFilter, events: &[String]) -> Conditions {
    let mut conditions = event_conditions(filter);
    if !events.is_empty() {
        conditions.add("event_type in (select value from json_each(?))", to_json(&events));
    }
    conditions
}

/// The conditions of a list of messages.
pub(super) fn message_conditions(filter: &MessageFilter) -> Conditions {
    let mut conditions = Conditions::default();
    conditions.add_some("direction = ?", filter.direction.map(|direction| direction.as_str().to_owned()));
    conditions.add_some("from_number = ?", filter.from.as_deref().map(clean));
    conditions.add_some("to_number = ?", filter.to.as_deref().map(clean));
    conditions.add_some("conversation_id = ?", filter.conversation_id);
    conditions.add_some("status = ?", filter.status.as_deref().map(clean));
    conditions.add_some("kind = ?", filter.kind.as_deref().map(clean));
    conditions.add_some("received_at >= ?", filter.after.map(|after| after.as_micros()));
    conditions.add_some("received_at < ?", filter.before.map(|before| before.as_micros()));
    conditions
}

/// The conditions of a list or replay of routed events, on `event_facts`.
pub(super) fn event_conditions(filter: &EventFilter) -> Conditions {
    let mut conditions = Conditions::default();
    conditions.add_some("event_type = ?", filter.event_type.as_deref().map(clean));
    conditions.add_some("message_id = ?", filter.message_id.as_deref().map(clean));
    conditions.add_some("source = ?", filter.source.map(|source| source.as_str().to_owned()));
    if filter.source.is_some_and(|source| source != Source::Telnyx) {
        // Says what the partial index needs to be told in so many words.
        conditions.add_term("source <> 'telnyx'");
    }
    match filter.readable {
        Some(true) => conditions.add_term("unreadable is null"),
        Some(false) => conditions.add_term("unreadable is not null"),
        None => {}
    }
    conditions.add_some("received_at >= ?", filter.after.map(|after| after.as_micros()));
    conditions.add_some("received_at < ?", filter.before.map(|before| before.as_micros()));
    conditions
}

#[cfg(test)]
mod tests {
    use inlet_domain::{JobKind, JobState, ReplayId};

    use super::super::plans::{assert_searches, database};
    use super::*;

    fn text() -> Option<String> {
        Some("x".to_owned())
    }

    #[test]
    fn every_list_of_jobs_reads_an_index() {
        let database = database();
        let default = JobFilter::default;
        let dead = JobFilter { state: Some(JobState::Dead), ..default() };
        let full = JobFilter { kind: Some(JobKind::Deliver), destination: text(), ..dead.clone() };
        for (filter, index) in [
            (dead, "jobs_state"),
            (full, "jobs_counts"),
            (JobFilter { destination: text(), ..default() }, "jobs_destination"),
            (JobFilter { replay_id: Some(ReplayId(1)), ..default() }, "jobs_replay"),
            (JobFilter { message_id: text(), ..default() }, "jobs_event"),
            (JobFilter { message_id: text(), ..default() }, "jobs_sent_message"),
        ] {
            let conditions = job_terms(&filter).sql();
            let sql = format!("select * from jobs{conditions} order by id desc limit 9");
            assert_searches(&database, &sql, index);
        }
    }

    #[test]
    fn every_list_of_messages_reads_an_index() {
        let database = database();
        let default = MessageFilter::default;
        for (filter, index) in [
            (MessageFilter { from: text(), ..default() }, "messages_from"),
            (MessageFilter { to: text(), ..default() }, "messages_to"),
            (MessageFilter { status: text(), ..default() }, "messages_status"),
            (MessageFilter { conversation_id: Some(1), ..default() }, "messages_conversation"),
        ] {
            let conditions = message_conditions(&filter).sql();
            let sql = format!("select * from messages{conditions} order by number desc limit 9");
            assert_searches(&database, &sql, index);
        }
    }

    #[test]
    fn every_list_of_events_reads_an_index() {
        let database = database();
        let default = EventFilter::default;
        for (filter, index) in [
            (EventFilter { event_type: text(), ..default() }, "event_facts_type"),
            (EventFilter { message_id: text(), ..default() }, "event_facts_message"),
            (EventFilter { source: Some(Source::Backfill), ..default() }, "event_facts_source"),
        ] {
            let mut conditions = event_conditions(&filter);
            conditions.add("seq < ?", 9);
            let sql = format!("select seq from event_facts{} order by seq desc limit 9", conditions.sql());
            assert_searches(&database, &sql, index);
        }
    }
}

//! Filters as SQL: conditions and their values, joined by `and`.

use inlet_domain::{
    EventFilter, JobFilter, MessageFilter, NumberStart, PageRequest, SearchTerm, Source, Wish,
};
use rusqlite::types::Value;
use rusqlite::{Connection, ParamsFromIter, params_from_iter};

use super::event_log::find;
use super::failure::Failure;
use super::rows::{clean, to_json};

/// Conditions that must all hold.
#[derive(Debug, Clone, Default)]
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

    /// Adds a condition with several values, which may be turned round.
    fn add_wish(&mut self, negated: bool, term: &str, values: impl IntoIterator<Item = Value>) {
        let mut parts = term.split('?');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for (value, part) in values.into_iter().zip(parts) {
            self.values.push(value);
            text.push_str(&format!("?{}{part}", self.values.len()));
        }
        self.terms.push(if negated { format!("({text}) is not true") } else { format!("({text})") });
    }

    /// All of them as one truth value.
    pub(super) fn truth(&self) -> String {
        if self.terms.is_empty() {
            "true".to_owned()
        } else {
            format!("({}) is true", self.terms.join(" and "))
        }
    }

    /// The values.
    pub(super) fn values(&self) -> &[Value] {
        &self.values
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
    let mut conditions = job_terms(&search.filter);
    conditions.add_some("event_seq = ?", event_of(connection, search)?);
    Ok(conditions)
}

/// The position of the event that is asked for. One that is not there is 0, which no event has.
pub(super) fn event_of(connection: &Connection, search: &JobSearch) -> Result<Option<i64>, Failure> {
    let id = search.filter.event_id.as_deref();
    let found = id.map(|id| find(connection, &search.recent, id)).transpose()?;
    Ok(found.map(Option::unwrap_or_default))
}

/// Those that need no look at the store.
pub(super) fn job_terms(filter: &JobFilter) -> Conditions {
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
    if let Some(has_media) = filter.has_media {
        conditions.add_wish(!has_media, HAS_MEDIA, []);
    }
    for SearchTerm { negated, wish } in &filter.search.terms {
        add_wish(&mut conditions, *negated, wish);
    }
    conditions
}

const HAS_MEDIA: &str = "exists (select 1 from media where media.message_id = messages.id)";

/// One condition of a search. Its words are looked for elsewhere.
fn add_wish(conditions: &mut Conditions, negated: bool, wish: &Wish) {
    let text = |text: &str| Value::from(clean(text));
    match wish {
        Wish::Words { .. } => {}
        Wish::From(start) => add_start(conditions, negated, "from_number", start),
        Wish::To(start) => add_start(conditions, negated, "to_number", start),
        Wish::Type(kind) => conditions.add_wish(negated, "kind = ?", [text(kind)]),
        Wish::Status(status) => conditions.add_wish(negated, "status = ?", [text(status)]),
        Wish::Conversation(id) => conditions.add_wish(negated, "conversation_id = ?", [(*id).into()]),
        Wish::Direction(direction) => {
            conditions.add_wish(negated, "direction = ?", [text(direction.as_str())])
        }
        Wish::HasMedia => conditions.add_wish(negated, HAS_MEDIA, []),
        Wish::After(after) => conditions.add_wish(negated, "received_at >= ?", [after.as_micros().into()]),
        Wish::Before(before) => conditions.add_wish(negated, "received_at < ?", [before.as_micros().into()]),
    }
}

fn add_start(conditions: &mut Conditions, negated: bool, column: &str, start: &NumberStart) {
    let beginnings = start.beginnings();
    let range = format!("{column} >= ? and {column} < ?");
    let term = vec![range; beginnings.len()].join(" or ");
    let values = beginnings.iter().flat_map(|start| range_of(start).map(Value::from));
    conditions.add_wish(negated, &term, values);
}

/// Every text with this beginning lies between these two, in the order of bytes.
pub(super) fn range_of(start: &str) -> [String; 2] {
    [clean(start), format!("{}\u{10ffff}", clean(start))]
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
    use super::*;

    #[test]
    fn a_condition_that_is_turned_round_holds_where_nothing_is_known() {
        let mut conditions = Conditions::default();
        assert_eq!(conditions.truth(), "true");
        conditions.add("a = ?", 1);
        conditions.add_wish(true, "kind = ? or kind = ?", [2.into(), 3.into()]);
        assert_eq!(conditions.truth(), "(a = ?1 and (kind = ?2 or kind = ?3) is not true) is true");
        assert_eq!(conditions.values(), [1.into(), 2.into(), 3.into()]);
    }

    #[test]
    fn every_number_with_a_beginning_lies_in_its_range() {
        let [low, high] = range_of("+1555");
        for number in ["+1555", "+15550001111", "+1555\u{10fffe}"] {
            assert!(*low <= *number && *number < *high, "{number}");
        }
        assert!(*low > *"+1554999" && *high < *"+1556");
    }
}

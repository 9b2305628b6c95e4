//! Which indexes lead to what a filter means: the ways that a walk through a list may take.

use std::borrow::Cow;

use inlet_domain::{
    Direction, EventFilter, JobFilter, JobKind, JobState, MessageFilter, NumberStart, Source, Wish,
};
use rusqlite::Connection;
use rusqlite::types::Value;

use super::failure::Failure;
use super::filters::range_of;
use super::rows::{clean, first};
use super::walk::Stream;

// Numbers that one beginning may stand for before it is no longer a way.
const NUMBERS: usize = 16;

fn stream(
    from: &'static str,
    key: &'static str,
    term: &'static str,
    values: impl IntoIterator<Item = Value>,
) -> Stream {
    Stream { from: Cow::Borrowed(from), join: "", key, term, values: values.into_iter().collect() }
}

fn text(text: &str) -> Value {
    clean(text).into()
}

/// All messages.
pub(super) fn all_messages() -> Stream {
    stream("messages", "number", "true", [])
}

/// All routed events.
pub(super) fn all_events() -> Stream {
    stream("event_facts", "seq", "true", [])
}

/// All jobs.
pub(super) fn all_jobs() -> Stream {
    stream("jobs", "id", "true", [])
}

/// Ways to messages.
pub(super) fn of_messages(
    connection: &Connection,
    filter: &MessageFilter,
) -> Result<Vec<Vec<Stream>>, Failure> {
    let mut choices = Vec::new();
    choices.extend(filter.conversation_id.map(|id| vec![in_conversation(id)]));
    choices.extend(filter.from.as_deref().map(|number| vec![sent_from(number)]));
    choices.extend(filter.to.as_deref().map(|number| vec![sent_to(number)]));
    choices.extend(filter.status.as_deref().and_then(in_status).map(|stream| vec![stream]));
    choices.extend(filter.kind.as_deref().and_then(of_kind).map(|stream| vec![stream]));
    choices.extend(filter.direction.and_then(in_direction).map(|stream| vec![stream]));
    choices.extend((filter.has_media == Some(true)).then(|| vec![with_media()]));
    for term in filter.search.terms.iter().filter(|term| !term.negated) {
        choices.extend(of_wish(connection, &term.wish)?);
    }
    Ok(choices)
}

fn of_wish(connection: &Connection, wish: &Wish) -> Result<Option<Vec<Stream>>, Failure> {
    let one = |stream: Stream| vec![stream];
    Ok(match wish {
        Wish::From(start) => numbers(connection, FROM_NUMBERS, start)?.map(|found| each(&found, sent_from)),
        Wish::To(start) => numbers(connection, TO_NUMBERS, start)?.map(|found| each(&found, sent_to)),
        Wish::Type(kind) => of_kind(kind).map(one),
        Wish::Status(status) => in_status(status).map(one),
        Wish::Conversation(id) => Some(one(in_conversation(*id))),
        Wish::Direction(direction) => in_direction(*direction).map(one),
        Wish::HasMedia => Some(one(with_media())),
        Wish::Words { .. } | Wish::After(_) | Wish::Before(_) => None,
    })
}

fn each(numbers: &[String], way: impl Fn(&str) -> Stream) -> Vec<Stream> {
    numbers.iter().map(|number| way(number)).collect()
}

fn sent_from(number: &str) -> Stream {
    stream("messages indexed by messages_from", "number", "from_number = ?", [text(number)])
}

fn sent_to(number: &str) -> Stream {
    stream("messages indexed by messages_to", "number", "to_number = ?", [text(number)])
}

fn in_conversation(id: i64) -> Stream {
    stream("messages indexed by messages_conversation", "number", "conversation_id = ?", [id.into()])
}

// Partial indexes are told in so many words that they apply. The usual values are everywhere, so that a walk through all
// rows finds them soon.
fn in_status(status: &str) -> Option<Stream> {
    let term = "status = ? and status not in ('received', 'delivered')";
    let usual = matches!(status, "received" | "delivered");
    (!usual).then(|| stream("messages indexed by messages_status", "number", term, [text(status)]))
}

fn of_kind(kind: &str) -> Option<Stream> {
    let term = "kind = ? and kind <> 'SMS'";
    (kind != "SMS").then(|| stream("messages indexed by messages_kind", "number", term, [text(kind)]))
}

fn in_direction(direction: Direction) -> Option<Stream> {
    let from = "messages indexed by messages_outbound";
    (direction == Direction::Outbound).then(|| stream(from, "number", "direction = 'outbound'", []))
}

fn with_media() -> Stream {
    let from = "media indexed by media_first";
    Stream {
        join: "cross join messages on messages.number = media.message_number",
        ..stream(from, "media.message_number", "media.position = 0", [])
    }
}

const FROM_NUMBERS: &str = "select from_number from messages indexed by messages_from \
    where from_number >= ?1 and from_number < ?2 order by from_number limit 1";
const TO_NUMBERS: &str = "select to_number from messages indexed by messages_to \
    where to_number >= ?1 and to_number < ?2 order by to_number limit 1";

/// The numbers that a beginning stands for, unless they are too many. One step of the index for each, however many
/// messages it has.
fn numbers(connection: &Connection, next: &str, start: &NumberStart) -> Result<Option<Vec<String>>, Failure> {
    let mut found = Vec::new();
    for beginning in start.beginnings() {
        let [mut low, high] = range_of(&beginning);
        while let Some(number) = first(connection, next, [&low, &high], |row| Ok(row.get::<_, String>(0)?))? {
            if found.len() == NUMBERS {
                return Ok(None);
            }
            // The first text after it, in the order of bytes.
            low = format!("{number}\0");
            found.push(number);
        }
    }
    Ok(Some(found))
}

/// Ways to routed events.
pub(super) fn of_events(filter: &EventFilter) -> Vec<Vec<Stream>> {
    let mut choices = Vec::new();
    let way = |from, term, values: Vec<Value>| vec![stream(from, "seq", term, values)];
    if let Some(message) = &filter.message_id {
        let from = "event_facts indexed by event_facts_message";
        choices.push(way(from, "message_id = ?", vec![text(message)]));
    }
    if let Some(event_type) = &filter.event_type {
        choices.push(way(
            "event_facts indexed by event_facts_type",
            "event_type = ?",
            vec![text(event_type)],
        ));
    }
    if let Some(source) = filter.source.filter(|source| *source != Source::Telnyx) {
        let term = "source = ? and source <> 'telnyx'";
        choices.push(way("event_facts indexed by event_facts_source", term, vec![text(source.as_str())]));
    }
    if filter.readable == Some(false) {
        let from = "event_facts indexed by event_facts_unreadable";
        choices.push(way(from, "unreadable is not null", Vec::new()));
    }
    choices
}

/// Ways to jobs; `event` is the position of the event asked for. An event and a message have few: those are sorted.
pub(super) fn of_jobs(filter: &JobFilter, event: Option<i64>) -> Vec<Vec<Stream>> {
    let mut choices = Vec::new();
    if let Some(seq) = event {
        choices.push(vec![stream("jobs indexed by jobs_event", "id", "event_seq = ?", [seq.into()])]);
    }
    if let Some(id) = &filter.message_id {
        let of_events = "event_seq in (select seq from event_facts where message_id = ?)";
        choices.push(vec![
            stream("jobs indexed by jobs_event", "id", of_events, [text(id)]),
            stream("jobs indexed by jobs_sent_message", "id", "sent_message_id = ?", [text(id)]),
        ]);
    }
    if let Some(replay) = filter.replay_id {
        choices.push(vec![stream("jobs indexed by jobs_replay", "id", "replay_id = ?", [replay.0.into()])]);
    }
    if let Some(destination) = &filter.destination {
        let way = |state: &JobState| {
            let values = [text(destination), text(state.as_str())];
            stream("jobs indexed by jobs_destination", "id", "destination = ? and state = ?", values)
        };
        choices.push(states(filter).iter().map(way).collect());
    }
    if let Some(kind) = filter.kind.filter(|kind| *kind != JobKind::Deliver) {
        let way = |state: &JobState| {
            let values = [text(kind.as_str()), text(state.as_str())];
            let term = "kind = ? and kind <> 'deliver' and state = ?";
            stream("jobs indexed by jobs_kind", "id", term, values)
        };
        choices.push(states(filter).iter().map(way).collect());
    }
    if let Some(state) = filter.state {
        choices.push(vec![stream("jobs indexed by jobs_state", "id", "state = ?", [text(state.as_str())])]);
    }
    choices
}

/// The states meant: the one that is asked for, or each.
fn states(filter: &JobFilter) -> Vec<JobState> {
    filter.state.map_or_else(|| JobState::ALL.to_vec(), |state| vec![state])
}

#[cfg(test)]
mod tests {
    use inlet_domain::{ReplayId, Search, Timestamp};

    use super::super::filters::{Conditions, event_conditions, job_terms, message_conditions};
    use super::super::plans::{assert_searches, database, plan};
    use super::super::walk::merged;
    use super::*;

    fn some() -> Option<String> {
        Some("x".to_owned())
    }

    fn index_of(stream: &Stream) -> &str {
        let index = stream.from.split("indexed by ").nth(1).unwrap();
        index.split(' ').next().unwrap()
    }

    /// Insists that a choice is followed and counted by its index alone, and that nothing is sorted.
    fn assert_followed(database: &Connection, streams: &[Stream], conditions: &Conditions) {
        let (sql, _) = merged(streams, conditions, (0, 9));
        for stream in streams {
            let index = index_of(stream);
            assert_searches(database, &sql, index);
            let count = format!("select 1 from {} where {} and {} < 9", stream.from, stream.term, stream.key);
            assert_searches(database, &count, index);
        }
        let plan = plan(database, &sql);
        assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
    }

    fn followed(database: &Connection, choices: &[Vec<Stream>], conditions: &Conditions, expected: &[&str]) {
        let indexes: Vec<&str> = choices.iter().map(|streams| index_of(&streams[0])).collect();
        assert_eq!(indexes, expected);
        for streams in choices {
            assert_followed(database, streams, conditions);
        }
    }

    #[test]
    fn every_filter_of_messages_has_its_way() {
        let database = database();
        let find = |text: &str| Search::parse(text, Timestamp::from_seconds(0)).unwrap();
        let numbers = "insert into messages (number, id, direction, from_number, to_number, recipients, cc, \
            received_at, errors, unsigned) values (1, '1', 'inbound', '+1', '+2', '[]', '[]', 0, '[]', 0)";
        database.execute_batch(numbers).unwrap();
        let filter = MessageFilter {
            conversation_id: Some(1),
            from: some(),
            to: some(),
            status: some(),
            kind: some(),
            direction: Some(Direction::Outbound),
            has_media: Some(true),
            search: find("x from:+1 to:+2 has:media -type:mms after:2026-01-01"),
            ..MessageFilter::default()
        };
        let choices = of_messages(&database, &filter).unwrap();
        let expected = [
            "messages_conversation",
            "messages_from",
            "messages_to",
            "messages_status",
            "messages_kind",
            "messages_outbound",
            "media_first",
            "messages_from",
            "messages_to",
            "media_first",
        ];
        followed(&database, &choices, &message_conditions(&filter), &expected);
        for sql in [FROM_NUMBERS, TO_NUMBERS] {
            assert!(plan(&database, sql).contains("SEARCH messages USING COVERING INDEX"), "{sql}");
        }
        let usual = MessageFilter {
            status: Some("received".to_owned()),
            kind: Some("SMS".to_owned()),
            direction: Some(Direction::Inbound),
            ..MessageFilter::default()
        };
        assert!(of_messages(&database, &usual).unwrap().is_empty());
    }

    #[test]
    fn every_filter_of_jobs_has_its_way() {
        let database = database();
        let filter = JobFilter {
            replay_id: Some(ReplayId(1)),
            destination: some(),
            kind: Some(JobKind::Send),
            ..JobFilter::default()
        };
        let expected = ["jobs_replay", "jobs_destination", "jobs_kind"];
        let choices = of_jobs(&filter, None);
        assert_eq!(choices[1].len(), JobState::ALL.len());
        followed(&database, &choices, &job_terms(&filter), &expected);
        let dead = JobFilter {
            state: Some(JobState::Dead),
            destination: some(),
            kind: Some(JobKind::Deliver),
            ..JobFilter::default()
        };
        let expected = ["jobs_destination", "jobs_state"];
        followed(&database, &of_jobs(&dead, None), &job_terms(&dead), &expected);
    }

    #[test]
    fn the_jobs_of_an_event_and_of_a_message_are_found_by_their_indexes() {
        let database = database();
        let filter = JobFilter { message_id: some(), ..JobFilter::default() };
        for streams in of_jobs(&filter, Some(1)) {
            let (sql, _) = merged(&streams, &job_terms(&filter), (0, 9));
            let plan = plan(&database, &sql);
            for stream in &streams {
                assert!(plan.contains(&format!("INDEX {} ", index_of(stream))), "{sql}\n{plan}");
            }
            assert!(!plan.lines().any(|line| line.starts_with("SCAN")), "{sql}\n{plan}");
        }
    }

    #[test]
    fn every_filter_of_events_has_its_way() {
        let database = database();
        let filter = EventFilter {
            event_type: some(),
            message_id: some(),
            source: Some(Source::Backfill),
            readable: Some(false),
            ..EventFilter::default()
        };
        let expected =
            ["event_facts_message", "event_facts_type", "event_facts_source", "event_facts_unreadable"];
        followed(&database, &of_events(&filter), &event_conditions(&filter), &expected);
    }

    #[test]
    fn a_beginning_is_a_way_while_few_numbers_have_it() {
        let database = database();
        let add = |number: i64| {
            let sql = "insert into messages (number, id, direction, from_number, recipients, cc, received_at, \
                errors, unsigned) values (?1, ?1, 'inbound', '+1555' || ?1, '[]', '[]', 0, '[]', 0)";
            database.execute(sql, [number]).unwrap();
        };
        let ways = || {
            let search = Search::parse("from:1555", Timestamp::from_seconds(0)).unwrap();
            let filter = MessageFilter { search, ..MessageFilter::default() };
            of_messages(&database, &filter).unwrap().first().map(Vec::len)
        };
        assert_eq!(ways(), Some(0));
        (0..16).for_each(add);
        assert_eq!(ways(), Some(NUMBERS));
        add(16);
        assert_eq!(ways(), None);
    }
}

//! Lists newest first, by key: messages, conversations, jobs, replies, opt-outs, rejections, replays.

use inlet_domain::{
    Conversation, Job, JobId, Message, MessageFilter, OptOut, Page, PageRequest, Rejection, Replay,
    Timestamp, Wish,
};
use rusqlite::{Connection, Row};

use super::failure::Failure;
use super::filters::{Conditions, JobSearch, event_of, job_conditions, message_conditions, rows_wanted};
use super::rows::{all, first, named, time, word};
use super::texts::{self, TextQuery};
use super::time_map::{JOBS, MESSAGES};
use super::walk::{Budget, Keys, Walk};
use super::{choices, jobs, messages, replays};

/// One list: what is selected from where, and by which key it is paged.
struct List<'a> {
    columns: &'a str,
    table: &'a str,
    key: &'a str,
    conditions: Conditions,
}

impl List<'_> {
    /// A page, each row with its key.
    fn page<T>(
        mut self,
        connection: &Connection,
        page: PageRequest,
        mut decode: impl FnMut(&Row<'_>) -> Result<T, Failure>,
    ) -> Result<Page<T>, Failure> {
        let (wanted, key) = (rows_wanted(page), self.key);
        self.conditions.add_some(&format!("{key} < ?"), page.cursor.map(|cursor| cursor.0));
        let (columns, table, conditions) = (self.columns, self.table, self.conditions.sql());
        let sql = format!(
            "select {columns}, {key} as page_key from {table}{conditions} order by {key} desc limit {wanted}"
        );
        let rows = all(connection, &sql, self.conditions.params(), |row| {
            Ok((row.get::<_, i64>("page_key")?, decode(row)?))
        })?;
        let Page { data, next } = Page::of(rows, wanted - 1, |(key, _)| *key);
        Ok(Page { data: data.into_iter().map(|(_, row)| row).collect(), next })
    }
}

/// Messages, in the reverse of the order in which Inlet learned of them.
pub(super) fn messages(
    connection: &Connection,
    filter: &MessageFilter,
    page: PageRequest,
) -> Result<Page<Message>, Failure> {
    let conditions = message_conditions(filter);
    let walk = Walk {
        list: MESSAGES.list,
        all: choices::all_messages(),
        choices: choices::of_messages(connection, filter)?,
        conditions: &conditions,
        times: message_times(filter),
    };
    let keys = match TextQuery::of(&filter.search) {
        Some(query) => texts::page(connection, &walk, &query, page)?,
        None => walk.page(connection, page, Budget::new(), |_| Ok(true))?,
    };
    rows(connection, &keys, messages::by_number)
}

/// The times asked for: the latest beginning and the earliest end.
fn message_times(filter: &MessageFilter) -> (Option<i64>, Option<i64>) {
    let micros = |moment: Option<Timestamp>| moment.map(Timestamp::as_micros);
    let (mut after, mut before) = (micros(filter.after), micros(filter.before));
    for term in filter.search.terms.iter().filter(|term| !term.negated) {
        match term.wish {
            Wish::After(at) => after = after.max(micros(Some(at))),
            Wish::Before(at) => before = Some(before.map_or(at.as_micros(), |end| end.min(at.as_micros()))),
            _ => {}
        }
    }
    (after, before)
}

/// The rows of a page. One that is gone meanwhile is left out.
fn rows<T>(
    connection: &Connection,
    keys: &Keys,
    read: impl Fn(&Connection, i64) -> Result<Option<T>, Failure>,
) -> Result<Page<T>, Failure> {
    let mut data = Vec::with_capacity(keys.keys.len());
    for key in &keys.keys {
        data.extend(read(connection, *key)?);
    }
    Ok(Page { data, next: keys.cursor() })
}

const CONVERSATION: &str = "id, our_number, party, messages, unread, last_message_at, last_text";

/// Conversations, the one with the latest message first.
pub(super) fn conversations(
    connection: &Connection,
    page: PageRequest,
) -> Result<Page<Conversation>, Failure> {
    let mut conditions = Conditions::default();
    // Those whose messages have all been deleted stay, without a place in the list.
    conditions.add_term("last_number > 0");
    let list = List { columns: CONVERSATION, table: "conversations", key: "last_number", conditions };
    list.page(connection, page, decode_conversation)
}

/// One conversation.
pub(super) fn conversation(connection: &Connection, id: i64) -> Result<Option<Conversation>, Failure> {
    let sql = format!("select {CONVERSATION} from conversations where id = ?1");
    first(connection, &sql, [id], decode_conversation)
}

fn decode_conversation(row: &Row<'_>) -> Result<Conversation, Failure> {
    Ok(Conversation {
        id: row.get("id")?,
        our_number: row.get("our_number")?,
        party: row.get("party")?,
        messages: row.get("messages")?,
        unread: row.get("unread")?,
        last_message_at: time(row, "last_message_at")?,
        last_text: row.get("last_text")?,
    })
}

/// Jobs.
pub(super) fn jobs(
    connection: &Connection,
    search: &JobSearch,
    page: PageRequest,
) -> Result<Page<Job>, Failure> {
    let conditions = job_conditions(connection, search)?;
    let micros = |moment: Option<Timestamp>| moment.map(Timestamp::as_micros);
    let walk = Walk {
        list: JOBS.list,
        all: choices::all_jobs(),
        choices: choices::of_jobs(&search.filter, event_of(connection, search)?),
        conditions: &conditions,
        times: (micros(search.filter.after), micros(search.filter.before)),
    };
    let keys = walk.page(connection, page, Budget::new(), |_| Ok(true))?;
    rows(connection, &keys, |connection, id| jobs::job(connection, JobId(id)))
}

/// Sends made by a rule.
pub(super) fn replies(connection: &Connection, page: PageRequest) -> Result<Page<Job>, Failure> {
    let mut conditions = Conditions::default();
    conditions.add_term("kind = 'send' and rule is not null");
    List { columns: jobs::COLUMNS, table: "jobs", key: "id", conditions }.page(connection, page, jobs::decode)
}

/// Opt-outs.
pub(super) fn opt_outs(connection: &Connection, page: PageRequest) -> Result<Page<OptOut>, Failure> {
    let columns = "our_number, party, created_at, evidence";
    let list = List { columns, table: "opt_outs", key: "id", conditions: Conditions::default() };
    list.page(connection, page, |row| {
        Ok(OptOut {
            our_number: row.get("our_number")?,
            party: row.get("party")?,
            created_at: time(row, "created_at")?,
            evidence: row.get("evidence")?,
        })
    })
}

/// Rejections.
pub(super) fn rejections(connection: &Connection, page: PageRequest) -> Result<Page<Rejection>, Failure> {
    let columns = "id, code, reason, received_at, size_bytes, peer";
    let list = List { columns, table: "rejections", key: "id", conditions: Conditions::default() };
    list.page(connection, page, |row| {
        let id = row.get("id")?;
        Ok(Rejection {
            id,
            code: named("rejections", id, word(row, "code").map_err(Failure::from))?,
            reason: row.get("reason")?,
            received_at: time(row, "received_at")?,
            size_bytes: row.get("size_bytes")?,
            peer: row.get("peer")?,
        })
    })
}

/// Replays.
pub(super) fn replays(connection: &Connection, page: PageRequest) -> Result<Page<Replay>, Failure> {
    let list =
        List { columns: replays::COLUMNS, table: "replays", key: "id", conditions: Conditions::default() };
    list.page(connection, page, replays::decode)
}

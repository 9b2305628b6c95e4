//! Messages, their media and their conversations: rows written by routing and sends, read by everybody.

use inlet_domain::{
    ConversationKey, Direction, Media, MediaState, Message, NewMedia, StoredMedia, Timestamp,
};
use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::rows::{
    all, broken, clean, clean_optional, execute, first, json, named, optional_time, time, to_json, value,
    word,
};

/// The columns of [`decode`].
pub(super) const COLUMNS: &str = "number, id, direction, kind, from_number, recipients, cc, text, status, carrier, \
    line_type, encoding, parts, messaging_profile_id, conversation_id, received_at, errors, autoresponse_type, unsigned";

/// One message with its media.
pub(super) fn message(connection: &Connection, id: &str) -> Result<Option<Message>, Failure> {
    let sql = format!("select {COLUMNS} from messages where id = ?1");
    let found = first(connection, &sql, [id], decode)?;
    found.map(|(_, message)| with_media(connection, message)).transpose()
}

/// The message with this number, with its media.
pub(super) fn by_number(connection: &Connection, number: i64) -> Result<Option<Message>, Failure> {
    let sql = format!("select {COLUMNS} from messages where number = ?1");
    let found = first(connection, &sql, [number], decode)?;
    found.map(|(_, message)| with_media(connection, message)).transpose()
}

/// Reads a row: its number and the message, without media.
pub(super) fn decode(row: &Row<'_>) -> Result<(i64, Message), Failure> {
    let number = row.get("number")?;
    Ok((number, named("messages", number, decode_columns(row).map_err(Failure::from))?))
}

fn decode_columns(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        id: row.get("id")?,
        direction: word(row, "direction")?,
        kind: row.get("kind")?,
        from: row.get("from_number")?,
        to: json(row, "recipients")?,
        cc: json(row, "cc")?,
        text: row.get("text")?,
        status: row.get("status")?,
        media: Vec::new(),
        carrier: row.get("carrier")?,
        line_type: row.get("line_type")?,
        encoding: row.get("encoding")?,
        parts: row.get("parts")?,
        messaging_profile_id: row.get("messaging_profile_id")?,
        conversation_id: row.get("conversation_id")?,
        received_at: time(row, "received_at")?,
        errors: json(row, "errors")?,
        autoresponse_type: row.get("autoresponse_type")?,
        unsigned: row.get("unsigned")?,
    })
}

/// Adds a message's attachments from their own table.
pub(super) fn with_media(connection: &Connection, mut message: Message) -> Result<Message, Failure> {
    let sql = "select position, url, content_type, size_bytes, state, sha256, archived_type, archived_bytes, \
        archived_at from media where message_id = ?1 order by position";
    message.media = all(connection, sql, [&message.id], |row| {
        let position = row.get("position")?;
        named("media", position, decode_media(row, position).map_err(Failure::from))
    })?;
    Ok(message)
}

fn decode_media(row: &Row<'_>, position: i64) -> rusqlite::Result<Media> {
    Ok(Media {
        position,
        url: row.get("url")?,
        content_type: row.get("content_type")?,
        size_bytes: row.get("size_bytes")?,
        state: word(row, "state")?,
        sha256: row.get("sha256")?,
        archived_type: row.get("archived_type")?,
        archived_bytes: row.get("archived_bytes")?,
        archived_at: optional_time(row, "archived_at")?,
    })
}

/// Writes a message: a new row, or the whole of a known one. Keeps its conversation's counters. Returns the
/// conversation.
pub(super) fn save(connection: &Connection, message: &Message) -> Result<Option<i64>, Failure> {
    let known = first(
        connection,
        "select number, conversation_id, text is not ?2 or received_at <> ?3 from messages where id = ?1",
        params![message.id, clean_optional(message.text.as_deref()), message.received_at.as_micros()],
        |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?, row.get::<_, bool>(2)?)),
    )?;
    match known {
        Some((number, conversation, is_changed)) => {
            if is_changed {
                let sql = "insert into changed_messages (number) values (?1) on conflict do nothing";
                execute(connection, sql, [number])?;
            }
            update(connection, message, number, conversation)
        }
        None => insert(connection, message),
    }
}

/// Writes a message that is not known yet. Returns its conversation.
pub(super) fn insert(connection: &Connection, message: &Message) -> Result<Option<i64>, Failure> {
    let number: i64 = value(connection, "select coalesce(max(number), 0) + 1 from messages", [])?;
    let conversation =
        message.conversation().map(|key| join(connection, &key, message, number)).transpose()?;
    let sql = "insert into messages (id, direction, kind, from_number, to_number, recipients, cc, text, status, \
        carrier, line_type, encoding, parts, messaging_profile_id, conversation_id, received_at, errors, \
        autoresponse_type, unsigned, number) \
        values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)";
    write(connection, sql, message, conversation, number)?;
    Ok(conversation)
}

fn update(
    connection: &Connection,
    message: &Message,
    number: i64,
    conversation: Option<i64>,
) -> Result<Option<i64>, Failure> {
    // A receipt may be the first to name the other side.
    let joins = if conversation.is_none() { message.conversation() } else { None };
    let joined = joins.map(|key| join(connection, &key, message, number)).transpose()?;
    let sql = "update messages set direction = ?2, kind = ?3, from_number = ?4, to_number = ?5, recipients = ?6, \
        cc = ?7, text = ?8, status = ?9, carrier = ?10, line_type = ?11, encoding = ?12, parts = ?13, \
        messaging_profile_id = ?14, conversation_id = ?15, received_at = ?16, errors = ?17, \
        autoresponse_type = ?18, unsigned = ?19 where number = ?20 and id = ?1";
    write(connection, sql, message, conversation.or(joined), number)?;
    if let Some(conversation) = conversation {
        refresh_text(connection, message, conversation, number)?;
    }
    Ok(conversation.or(joined))
}

fn write(
    connection: &Connection,
    sql: &str,
    message: &Message,
    conversation: Option<i64>,
    number: i64,
) -> Result<(), Failure> {
    let values = params![
        clean(&message.id),
        message.direction.as_str(),
        clean_optional(message.kind.as_deref()),
        clean(&message.from),
        message.to.first().map(|recipient| clean(&recipient.phone_number)),
        to_json(&message.to),
        to_json(&message.cc),
        clean_optional(message.text.as_deref()),
        clean_optional(message.status.as_deref()),
        clean_optional(message.carrier.as_deref()),
        clean_optional(message.line_type.as_deref()),
        clean_optional(message.encoding.as_deref()),
        message.parts,
        clean_optional(message.messaging_profile_id.as_deref()),
        conversation,
        message.received_at.as_micros(),
        to_json(&message.errors),
        clean_optional(message.autoresponse_type.as_deref()),
        message.unsigned,
        number,
    ];
    execute(connection, sql, values)?;
    Ok(())
}

/// Counts a message that is new to its conversation, which is made where it is missing. An older message, fetched after
/// the fact, does not become its latest.
fn join(
    connection: &Connection,
    key: &ConversationKey,
    message: &Message,
    number: i64,
) -> Result<i64, Failure> {
    let inbound = message.direction == Direction::Inbound;
    let (at, text) = (message.received_at.as_micros(), clean_optional(message.text.as_deref()));
    if let Some(id) = find_conversation(connection, key)? {
        let sql = "update conversations set messages = messages + 1, inbound = inbound + ?2, unread = unread + ?2, \
            last_number = iif(last_message_at <= ?4, ?3, last_number), \
            last_text = iif(last_message_at <= ?4, ?5, last_text), \
            last_message_at = max(last_message_at, ?4) where id = ?1";
        execute(connection, sql, params![id, inbound, number, at, text])?;
        return Ok(id);
    }
    let sql = "insert into conversations (our_number, party, messages, inbound, unread, last_number, last_message_at, \
        last_text) values (?1, ?2, 1, ?3, ?3, ?4, ?5, ?6)";
    execute(connection, sql, params![clean(&key.ours), clean(&key.party), inbound, number, at, text])?;
    Ok(connection.last_insert_rowid())
}

/// The conversation with these two sides.
pub(super) fn find_conversation(
    connection: &Connection,
    key: &ConversationKey,
) -> Result<Option<i64>, Failure> {
    let sql = "select id from conversations where our_number = ?1 and party = ?2";
    first(connection, sql, params![clean(&key.ours), clean(&key.party)], |row| Ok(row.get(0)?))
}

fn refresh_text(
    connection: &Connection,
    message: &Message,
    conversation: i64,
    number: i64,
) -> Result<(), Failure> {
    let sql =
        "update conversations set last_text = ?3 where id = ?1 and last_number = ?2 and last_text is not ?3";
    let text = clean_optional(message.text.as_deref());
    execute(connection, sql, params![conversation, number, text])?;
    Ok(())
}

/// Keeps an attachment that is to be archived. False when it is known.
pub(super) fn add_media(
    connection: &Connection,
    message: &str,
    position: i64,
    media: &NewMedia,
) -> Result<bool, Failure> {
    let sql = "insert into media (message_id, position, message_number, url, content_type, size_bytes, state, sha256) \
        values (?1, ?2, (select number from messages where id = ?1), ?3, ?4, ?5, ?6, ?7) on conflict do nothing";
    let (url, content_type) = (clean(&media.url), clean_optional(media.content_type.as_deref()));
    let state = MediaState::Waiting.as_str();
    let values = params![clean(message), position, url, content_type, media.size_bytes, state, media.sha256];
    Ok(execute(connection, sql, values)? == 1)
}

/// Sets how far an attachment got.
pub(super) fn set_media_state(
    connection: &Connection,
    message: &str,
    position: i64,
    state: MediaState,
) -> Result<(), Failure> {
    let sql = "update media set state = ?3 where message_id = ?1 and position = ?2";
    execute(connection, sql, params![message, position, state.as_str()])?;
    Ok(())
}

/// Records that an attachment is in the archive.
pub(super) fn archive_media(
    connection: &Connection,
    message: &str,
    position: i64,
    stored: &StoredMedia,
    now: Timestamp,
) -> Result<(), Failure> {
    let sql = "update media set state = ?3, sha256 = ?4, archived_type = ?5, archived_bytes = ?6, archived_at = ?7 \
        where message_id = ?1 and position = ?2";
    let state = MediaState::Archived.as_str();
    let content_type = clean(&stored.content_type);
    let values =
        params![message, position, state, stored.sha256, content_type, stored.size_bytes, now.as_micros()];
    execute(connection, "delete from unused_media where sha256 = ?1", [&stored.sha256])?;
    match execute(connection, sql, values)? {
        1 => Ok(()),
        _ => Err(broken("media", position, format!("message `{message}` has no such attachment"))),
    }
}

/// The archived attachment with this digest.
pub(super) fn stored_media(connection: &Connection, sha256: &str) -> Result<Option<StoredMedia>, Failure> {
    let sql = "select sha256, archived_bytes, archived_type from media \
        where sha256 = ?1 and state = 'archived' limit 1";
    first(connection, sql, [sha256], |row| {
        Ok(StoredMedia { sha256: row.get(0)?, size_bytes: row.get(1)?, content_type: row.get(2)? })
    })
}

/// Marks everything in a conversation read. False when there is no such conversation.
pub(super) fn mark_read(connection: &Connection, conversation: i64) -> Result<bool, Failure> {
    execute(connection, "update conversations set unread = 0 where id = ?1 and unread <> 0", [conversation])?;
    value(connection, "select exists (select 1 from conversations where id = ?1)", [conversation])
}

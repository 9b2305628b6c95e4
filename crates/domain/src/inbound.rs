//! The message that an inbound event tells of, and what it means beside its text: our number, a wish, attachments.

use inlet_telnyx::{MediaItem, MessagePayload, PhoneNumber};

use crate::clean::{optional_field, prose};
use crate::event::{Source, StoredEvent};
use crate::media::{Media, MediaState, NewMedia};
use crate::message::{Direction, Message};
use crate::receipt::{fill_gaps, recipient};
use crate::routing::OptOutChange;

const SHA256_DIGITS: usize = 64;

/// A message of which only the id is known.
pub(crate) fn empty_message(id: String, direction: Direction, stored: &StoredEvent) -> Message {
    Message {
        id,
        direction,
        kind: None,
        from: String::new(),
        to: Vec::new(),
        cc: Vec::new(),
        text: None,
        status: None,
        media: Vec::new(),
        carrier: None,
        line_type: None,
        encoding: None,
        parts: None,
        messaging_profile_id: None,
        conversation_id: None,
        received_at: stored.received_at,
        errors: Vec::new(),
        autoresponse_type: None,
        unsigned: stored.source == Source::Unsigned,
    }
}

/// Completes an inbound message by one of its events. The status is ours: Telnyx's words for the recipients of an
/// inbound message tell of its own webhook.
pub(crate) fn complete(mut message: Message, payload: &MessagePayload) -> Message {
    if message.to.is_empty() {
        message.to = payload.to.iter().filter_map(recipient).collect();
    }
    fill_gaps(&mut message, payload);
    message.status.get_or_insert_with(|| "received".to_owned());
    message
}

/// Our number: the first `to`, where it is a number.
pub(crate) fn own_number(message: &Message) -> Option<PhoneNumber> {
    message.to.first()?.phone_number.parse().ok()
}

/// The wish that a signed STOP or START expresses.
pub(crate) fn opt_out(message: &Message, source: Source) -> Option<OptOutChange> {
    let answered = message.autoresponse_type.as_deref()?.to_ascii_uppercase();
    let opted_out = match answered.as_str() {
        "STOP" => true,
        "START" => false,
        _ => return None,
    };
    let our_number = message.to.first()?.phone_number.clone();
    let known = source == Source::Telnyx && !message.from.is_empty();
    known.then(|| OptOutChange { our_number, party: message.from.clone(), opted_out })
}

/// The attachments as declared.
pub(crate) fn attachments(payload: &MessagePayload) -> Vec<NewMedia> {
    payload.media.iter().filter(|item| !item.url.is_empty()).map(attachment).collect()
}

fn attachment(item: &MediaItem) -> NewMedia {
    NewMedia {
        url: prose(&item.url),
        content_type: optional_field(item.content_type.as_deref()),
        size_bytes: item.size_bytes.and_then(|size| i64::try_from(size).ok()),
        sha256: item.sha256.as_deref().and_then(digest),
    }
}

fn digest(text: &str) -> Option<String> {
    let valid = text.len() == SHA256_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    valid.then(|| text.to_ascii_lowercase())
}

/// Declared attachments as messages show them before they are archived, for rules to count.
pub(crate) fn as_waiting(declared: &[NewMedia]) -> Vec<Media> {
    let items = (0..).zip(declared);
    items
        .map(|(position, item)| Media {
            position,
            url: item.url.clone(),
            content_type: item.content_type.clone(),
            size_bytes: item.size_bytes,
            state: MediaState::Waiting,
            sha256: item.sha256.clone(),
            archived_type: None,
            archived_bytes: None,
            archived_at: None,
        })
        .collect()
}

//! Receipts: events about a message we sent, folded into it by rank, so that their order of arrival does not matter.

use inlet_telnyx::{ApiError, MessagePayload, Party};

use crate::clean::{field, optional_field, prose};
use crate::message::{Direction, Message, Recipient};
use crate::time::Timestamp;

// From the least to the most that is known. From `expired` on they are final. Two different final words for one
// recipient contradict each other; the one further down wins, whichever came first.
const RANKS: [(&str, u8); 13] = [
    ("scheduled", 0),
    ("queued", 1),
    ("sending", 3),
    ("sent", 4),
    ("expired", 5),
    ("cancelled", 6),
    ("sending_failed", 7),
    ("failed", 8),
    ("delivery_unconfirmed", 9),
    ("delivery_failed", 10),
    ("delivered", 11),
    ("read", 12),
    ("unknown", UNKNOWN_RANK),
];
const UNKNOWN_RANK: u8 = 2;

/// The rank of a status: a message's recipient never goes from a higher rank to a lower one. Unknown words rank
/// above `queued` and below `sent`.
pub fn status_rank(status: &str) -> u8 {
    RANKS.iter().find(|(word, _)| *word == status).map_or(UNKNOWN_RANK, |(_, rank)| *rank)
}

/// Folds what a payload says into what is known of its message: per recipient the higher rank wins, lists are merged
/// without repeats, a known value is never replaced by nothing. Commutative, associative and idempotent in the
/// statuses.
///
/// Recipients are kept in the order of their numbers: events of a group tell of one recipient each, in any order.
pub fn fold_receipt(mut known: Message, payload: &MessagePayload) -> Message {
    for party in &payload.to {
        fold_recipient(&mut known.to, party);
    }
    known.to.sort_by(|a, b| a.phone_number.cmp(&b.phone_number));
    fill_gaps(&mut known, payload);
    known.cc.sort_unstable();
    known.status = lowest_status(&known.to).or(known.status);
    known
}

fn fold_recipient(recipients: &mut Vec<Recipient>, party: &Party) {
    let Some(news) = recipient(party) else { return };
    let Some(known) = recipients.iter_mut().find(|known| known.phone_number == news.phone_number) else {
        return recipients.push(news);
    };
    known.status = higher(known.status.take(), news.status);
    known.carrier = known.carrier.take().or(news.carrier);
    known.line_type = known.line_type.take().or(news.line_type);
}

/// A party as a recipient; `None` where it has no number.
pub(crate) fn recipient(party: &Party) -> Option<Recipient> {
    Some(Recipient {
        phone_number: optional_field(party.phone_number.as_deref())?,
        status: optional_field(party.status.as_deref()),
        carrier: optional_field(party.carrier.as_deref()),
        line_type: optional_field(party.line_type.as_deref()),
    })
}

fn higher(known: Option<String>, news: Option<String>) -> Option<String> {
    known.into_iter().chain(news).max_by(|a, b| order(a).cmp(&order(b)))
}

// Two unknown words have one rank; the alphabet decides, so that arrival does not.
fn order(status: &str) -> (u8, &str) {
    (status_rank(status), status)
}

fn lowest_status(recipients: &[Recipient]) -> Option<String> {
    let statuses = recipients.iter().filter_map(|recipient| recipient.status.as_deref());
    statuses.min_by_key(|status| order(status)).map(str::to_owned)
}

/// Completes a message by what one more payload says of it; what is known stays.
pub(crate) fn fill_gaps(message: &mut Message, payload: &MessagePayload) {
    fill(&mut message.kind, payload.kind.as_deref());
    fill(&mut message.encoding, payload.encoding.as_deref());
    fill(&mut message.messaging_profile_id, payload.messaging_profile_id.as_deref());
    fill(&mut message.autoresponse_type, payload.autoresponse_type.as_deref());
    message.parts = message.parts.or(payload.parts);
    if message.text.as_deref().is_none_or(str::is_empty) {
        message.text = payload.text.as_deref().map(prose).or(message.text.take());
    }
    if message.from.is_empty() {
        message.from = payload.from.as_ref().and_then(number).unwrap_or_default();
    }
    merge(&mut message.cc, payload.cc.iter().filter_map(number));
    merge(&mut message.errors, payload.errors.iter().map(clean_error));
    message.errors.sort_by(|a, b| error_order(a).cmp(&error_order(b)));
    fill_other_party(message, payload);
    // Telnyx has it before any event about it arrives here, so the earlier moment is Telnyx's.
    if let Some(received_at) = payload.received_at.as_deref().and_then(Timestamp::read_leniently) {
        message.received_at = message.received_at.min(received_at);
    }
}

fn fill(known: &mut Option<String>, news: Option<&str>) {
    if known.is_none() {
        *known = optional_field(news);
    }
}

fn number(party: &Party) -> Option<String> {
    optional_field(party.phone_number.as_deref())
}

fn merge<T: PartialEq>(known: &mut Vec<T>, news: impl Iterator<Item = T>) {
    for item in news {
        if !known.contains(&item) {
            known.push(item);
        }
    }
}

// Of a group we texted, the first recipient whose carrier is known.
fn fill_other_party(message: &mut Message, payload: &MessagePayload) {
    let (carrier, line_type) = match message.direction {
        Direction::Inbound => {
            let party = payload.from.as_ref();
            let carrier = optional_field(party.and_then(|party| party.carrier.as_deref()));
            (carrier, optional_field(party.and_then(|party| party.line_type.as_deref())))
        }
        Direction::Outbound => (
            message.to.iter().find_map(|recipient| recipient.carrier.clone()),
            message.to.iter().find_map(|recipient| recipient.line_type.clone()),
        ),
    };
    message.carrier = message.carrier.take().or(carrier);
    message.line_type = message.line_type.take().or(line_type);
}

fn clean_error(error: &ApiError) -> ApiError {
    let mut error = error.clone();
    error.code = field(&error.code);
    error.title = field(&error.title);
    error.detail = error.detail.as_deref().map(prose);
    if let Some(source) = &mut error.source {
        source.pointer = source.pointer.as_deref().map(field);
        source.parameter = source.parameter.as_deref().map(field);
    }
    error
}

fn error_order(error: &ApiError) -> ([&str; 2], [Option<&str>; 3]) {
    let source = error.source.as_ref();
    let pointer = source.and_then(|source| source.pointer.as_deref());
    let parameter = source.and_then(|source| source.parameter.as_deref());
    ([&error.code, &error.title], [error.detail.as_deref(), pointer, parameter])
}

#[cfg(test)]
mod tests;

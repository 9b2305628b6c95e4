//! Messages and entropy for this crate's tests.

use crate::event::{EventSeq, Source, StoredEvent};
use crate::inbound::empty_message;
use crate::media::{Media, NewMedia};
use crate::message::{Direction, Message, Recipient};
use crate::time::Timestamp;

/// When events of tests arrive.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// An event with these bytes.
pub(crate) fn stored(id: &str, source: Source, body: &[u8]) -> StoredEvent {
    let body = bytes::Bytes::copy_from_slice(body);
    StoredEvent { seq: EventSeq(1), id: id.to_owned(), source, received_at: NOW, body }
}

/// A message of which only the id is known.
pub(crate) fn blank(direction: Direction) -> Message {
    empty_message("m-1".to_owned(), direction, &stored("e-1", Source::Telnyx, b""))
}

/// An inbound SMS.
pub(crate) fn inbound(from: &str, to: &str, text: &str) -> Message {
    Message {
        kind: Some("SMS".to_owned()),
        from: from.to_owned(),
        to: vec![recipient(to)],
        text: Some(text.to_owned()),
        status: Some("received".to_owned()),
        ..blank(Direction::Inbound)
    }
}

/// A recipient of whom only the number is known.
pub(crate) fn recipient(number: &str) -> Recipient {
    Recipient { phone_number: number.to_owned(), ..Recipient::default() }
}

/// So many attachments.
pub(crate) fn media(count: usize) -> Vec<Media> {
    let item = NewMedia {
        url: "https://media.test/a".to_owned(),
        content_type: None,
        size_bytes: None,
        sha256: None,
    };
    crate::inbound::as_waiting(&vec![item; count])
}

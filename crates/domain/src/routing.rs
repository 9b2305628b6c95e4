//! Routing: a stored event becomes a plan, which the store carries out in one transaction with the cursor's advance.

use inlet_telnyx::{Event, MessagePayload, PhoneNumber};

use crate::destination::Destination;
use crate::event::{EventFacts, StoredEvent};
use crate::job::NewJob;
use crate::media::NewMedia;
use crate::message::Message;
use crate::reply::ReplyRule;
use crate::send::SendKey;

/// An event whose bytes have been read, as far as they can be.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadEvent {
    /// What lists show.
    pub facts: EventFacts,
    /// The envelope; `None` when unreadable.
    pub event: Option<Event>,
    /// The payload, of message events.
    pub payload: Option<MessagePayload>,
}

impl ReadEvent {
    /// Reads the bytes of an event. Control characters in the facts are replaced, long ones cut to 512 characters.
    pub fn read(stored: &StoredEvent) -> Self {
        let _ = stored;
        todo!()
    }
}

/// A change of a party's wish, seen in an inbound message with an `autoresponse_type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptOutChange {
    /// Our number.
    pub our_number: String,
    /// The party.
    pub party: String,
    /// True after STOP, false after START.
    pub opted_out: bool,
}

/// Everything one event makes.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What lists show of the event.
    pub facts: EventFacts,
    /// The message as it is after this event; replaces the row.
    pub message: Option<Message>,
    /// Numbers that are ours: the `to` of inbound messages.
    pub own_numbers: Vec<PhoneNumber>,
    /// A STOP or START.
    pub opt_out: Option<OptOutChange>,
    /// Attachments to archive, of the first event of an inbound message; each becomes a row and a `fetch_media` job.
    pub media: Vec<NewMedia>,
    /// Deliveries, and at most one reply.
    pub jobs: Vec<NewJob>,
    /// The send this receipt proves.
    pub proves_send: Option<SendKey>,
    /// Conditions that failed while they were evaluated: destination or rule, and why. Counted and logged.
    pub condition_errors: Vec<(String, String)>,
}

/// The rules that turn events into plans.
#[derive(Debug, Clone, Default)]
pub struct Router {
    /// Every configured destination.
    pub destinations: Vec<Destination>,
    /// Reply rules, in order.
    pub replies: Vec<ReplyRule>,
}

impl Router {
    /// Plans an event, given what is known of the message it speaks of.
    ///
    /// Replies and media are made only by the first event of an inbound message (`known` is `None`); deliveries by
    /// every event. An unreadable event is delivered too, to destinations without `when` and without `events`.
    pub fn plan(&self, stored: &StoredEvent, read: ReadEvent, known: Option<Message>) -> Plan {
        let _ = (stored, read, known);
        todo!()
    }
}

//! The events on their way to a receiver, and the log of every attempt.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;

use crate::clock;
use crate::config::RetrySettings;
use crate::webhook::event;

/// Receivers' answers that are kept in all; beyond it the oldest finished deliveries go, as if the log were full.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// How the delivery of an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// Not tried yet, or to be tried again.
    Pending,
    /// A receiver answered with success.
    Delivered,
    /// All tries failed.
    Failed,
    /// Neither the request nor the profile names a URL.
    NoUrl,
    /// A fault swallowed it.
    Dropped,
}

/// One event and all attempts to deliver it.
#[derive(Debug, Clone, Serialize)]
pub struct Delivery {
    /// Place in the log; later deliveries have greater ones.
    pub sequence: u64,
    /// The event's id, `data.id`.
    pub event_id: String,
    /// The event's type.
    pub event_type: String,
    /// The message it speaks of.
    pub message_id: String,
    /// How it stands.
    pub status: DeliveryStatus,
    /// Primary URL.
    pub url: Option<Url>,
    /// Failover URL.
    pub failover_url: Option<Url>,
    /// When the event came to be.
    #[serde(serialize_with = "clock::serialize")]
    pub started_at: Timestamp,
    /// When its delivery ended.
    #[serde(serialize_with = "clock::serialize_some")]
    pub finished_at: Option<Timestamp>,
    #[serde(flatten)]
    content: Content,
    /// Attempts in the order in which they ended.
    pub attempts: Vec<Attempt>,
    #[serde(skip)]
    numbers: Vec<String>,
    #[serde(skip)]
    outstanding: u32,
}

/// What the receiver gets.
#[derive(Debug, Clone, Serialize)]
pub(crate) enum Content {
    /// An event's `data`; each attempt adds its own `meta`. Text takes a fifth of the memory of a tree.
    #[serde(rename = "data")]
    Event(Box<RawValue>),
    /// Bytes that are sent as they are, at each attempt.
    #[serde(rename = "raw_base64", serialize_with = "as_base64")]
    Raw(Bytes),
}

fn as_base64<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

/// One try to deliver an event.
#[derive(Debug, Clone, Serialize)]
pub struct Attempt {
    /// `meta.attempt` of the body.
    pub number: u32,
    /// 0 for the event itself; duplicates made by a fault count from 1.
    pub copy: u32,
    /// The URL it went to, `meta.delivered_to`.
    pub url: Url,
    /// Unix second that was signed.
    pub timestamp: i64,
    /// When it began, on the sandbox's clock.
    #[serde(serialize_with = "clock::serialize")]
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(serialize_with = "clock::serialize")]
    pub finished_at: Timestamp,
    /// Whether the receiver took it.
    pub delivered: bool,
    /// The receiver's HTTP status, if it answered.
    pub response_status: Option<u16>,
    /// The first ten kilobytes of the receiver's answer.
    pub response_body: String,
    /// Why it counts as failed, or as odd.
    pub error: Option<AttemptError>,
}

/// What went wrong with an attempt, by Telnyx's delivery codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttemptError {
    /// From 75000 on.
    pub code: String,
    /// A few words.
    pub title: String,
}

/// Where an event goes.
#[derive(Clone, Default)]
pub(crate) struct Route {
    pub(crate) primary: Option<Url>,
    pub(crate) failover: Option<Url>,
}

impl Route {
    /// A pair of URLs of which the failover stands in when the primary is missing.
    pub(crate) fn new(primary: Option<Url>, failover: Option<Url>) -> Self {
        match primary {
            None => Self { primary: failover, failover: None },
            primary => Self { primary, failover },
        }
    }

    /// URL and `meta.attempt` of the n-th try, counted from 0; none when the tries are used up.
    fn nth_try(&self, n: u32, retry: &RetrySettings) -> Option<(Url, u32)> {
        let primary = self.primary.clone()?;
        let attempts_primary = retry.attempts_primary.max(1);
        if n < attempts_primary {
            return Some((primary, n + 1));
        }
        let nth_at_failover = n - attempts_primary;
        let failover = self.failover.clone().filter(|_| nth_at_failover < retry.attempts_failover)?;
        Some((failover, if retry.attempt_restarts_at_failover { nth_at_failover + 1 } else { n + 1 }))
    }
}

/// An event that is to be delivered.
pub(crate) struct NewEvent {
    pub(crate) content: Content,
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    pub(crate) message_id: String,
    /// The numbers of its message, by which faults find it.
    pub(crate) numbers: Vec<String>,
    pub(crate) route: Route,
    pub(crate) due_at: Timestamp,
    /// How often it is sent in all.
    pub(crate) copies: u32,
    pub(crate) is_dropped: bool,
}

/// One try that is due.
pub(crate) struct DueTry {
    pub(crate) ticket: Ticket,
    pub(crate) url: Url,
    pub(crate) number: u32,
    pub(crate) event_id: String,
    pub(crate) content: Content,
    pub(crate) event_type: String,
    pub(crate) numbers: Vec<String>,
}

impl Content {
    pub(crate) fn event(data: &Value) -> Self {
        Self::Event(serde_json::value::to_raw_value(data).expect("a JSON value always serialises"))
    }

    /// The body of one attempt.
    pub(crate) fn body(&self, attempt: u32, delivered_to: &Url) -> Vec<u8> {
        match self {
            Self::Event(_) => event::body(&self.data(), attempt, delivered_to.as_str()),
            Self::Raw(bytes) => bytes.to_vec(),
        }
    }

    fn data(&self) -> Value {
        match self {
            Self::Event(data) => serde_json::from_str(data.get()).expect("kept as the text of a JSON value"),
            Self::Raw(_) => Value::Null,
        }
    }
}

/// Names one try of one copy of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket {
    due_at: Timestamp,
    // Keeps tries that are due together in the order in which they were asked for.
    order: u64,
    delivery: u64,
    pub(crate) copy: u32,
    tries: u32,
}

/// What the courier finds when it looks for work.
pub(crate) enum Next {
    Try(Box<DueTry>),
    NotBefore(Timestamp),
    Nothing,
}

/// All deliveries that are kept, and the tries that wait.
pub(crate) struct DeliveryLog {
    deliveries: BTreeMap<u64, Delivery>,
    waiting: BinaryHeap<Reverse<Ticket>>,
    ended_first: VecDeque<u64>,
    next_sequence: u64,
    next_order: u64,
    pending: usize,
    capacity: usize,
    answer_bytes: usize,
    /// Finished deliveries that had to go because the log was full.
    pub(crate) dropped: u64,
}

impl DeliveryLog {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            deliveries: BTreeMap::new(),
            waiting: BinaryHeap::new(),
            ended_first: VecDeque::new(),
            next_sequence: 1,
            next_order: 0,
            pending: 0,
            capacity,
            answer_bytes: 0,
            dropped: 0,
        }
    }

    /// Deliveries that have not ended.
    pub(crate) fn pending(&self) -> usize {
        self.pending
    }

    pub(crate) fn all_after(&self, sequence: u64) -> impl DoubleEndedIterator<Item = &Delivery> {
        self.deliveries.range(sequence.saturating_add(1)..).map(|(_, delivery)| delivery)
    }

    /// The latest delivery of an event.
    pub(crate) fn find(&self, event_id: &str) -> Option<&Delivery> {
        self.deliveries.values().rev().find(|delivery| delivery.event_id == event_id)
    }

    /// Takes an event in and makes its first tries due.
    pub(crate) fn push(&mut self, event: NewEvent, now: Timestamp) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let ended = match (&event.route.primary, event.is_dropped) {
            (_, true) => Some(DeliveryStatus::Dropped),
            (None, false) => Some(DeliveryStatus::NoUrl),
            (Some(_), false) => None,
        };
        if ended.is_some() {
            self.ended_first.push_back(sequence);
        } else {
            self.pending += 1;
            for copy in 0..event.copies {
                self.wait(Ticket { due_at: event.due_at, order: 0, delivery: sequence, copy, tries: 0 });
            }
        }
        self.deliveries.insert(sequence, opened(event, sequence, ended, now));
        self.make_room();
    }

    /// Takes the first try that is due.
    pub(crate) fn take_due(&mut self, now: Timestamp, retry: &RetrySettings) -> Next {
        while let Some(Reverse(ticket)) = self.waiting.peek().copied() {
            if ticket.due_at > now {
                return Next::NotBefore(ticket.due_at);
            }
            self.waiting.pop();
            match self.due_try(ticket, retry) {
                Some(due) => return Next::Try(Box::new(due)),
                None => self.end_copy(ticket, false, now),
            }
        }
        Next::Nothing
    }

    /// Records an attempt; a failed one is tried again after a pause while tries are left.
    pub(crate) fn finish(&mut self, ticket: Ticket, attempt: Attempt, now: Timestamp, retry: &RetrySettings) {
        let delivered = attempt.delivered;
        let Some(delivery) = self.deliveries.get_mut(&ticket.delivery) else { return };
        self.answer_bytes += attempt.response_body.len();
        delivery.attempts.push(attempt);
        let tries = ticket.tries + 1;
        if delivered || delivery.route().nth_try(tries, retry).is_none() {
            return self.end_copy(ticket, delivered, now);
        }
        let pause = retry.backoff.saturating_mul(1_u32.checked_shl(ticket.tries).unwrap_or(u32::MAX));
        self.wait(Ticket { due_at: clock::after(now, pause), tries, ..ticket });
    }

    fn wait(&mut self, ticket: Ticket) {
        self.next_order += 1;
        self.waiting.push(Reverse(Ticket { order: self.next_order, ..ticket }));
    }

    fn due_try(&self, ticket: Ticket, retry: &RetrySettings) -> Option<DueTry> {
        let delivery = self.deliveries.get(&ticket.delivery)?;
        let (url, number) = delivery.route().nth_try(ticket.tries, retry)?;
        Some(DueTry {
            ticket,
            url,
            number,
            event_id: delivery.event_id.clone(),
            content: delivery.content.clone(),
            event_type: delivery.event_type.clone(),
            numbers: delivery.numbers.clone(),
        })
    }

    fn end_copy(&mut self, ticket: Ticket, delivered: bool, now: Timestamp) {
        let Some(delivery) = self.deliveries.get_mut(&ticket.delivery) else { return };
        delivery.outstanding -= 1;
        if delivered {
            delivery.status = DeliveryStatus::Delivered;
        }
        if delivery.outstanding > 0 {
            return;
        }
        if delivery.status == DeliveryStatus::Pending {
            delivery.status = DeliveryStatus::Failed;
        }
        delivery.finished_at = Some(now);
        self.pending -= 1;
        self.ended_first.push_back(ticket.delivery);
        self.make_room();
    }

    // Deliveries under way stay however full the log is; `pending_capacity` bounds those.
    fn make_room(&mut self) {
        while self.deliveries.len() > self.capacity || self.answer_bytes > MAX_ANSWER_BYTES {
            let Some(sequence) = self.ended_first.pop_front() else { return };
            let Some(delivery) = self.deliveries.remove(&sequence) else { continue };
            self.answer_bytes -=
                delivery.attempts.iter().map(|attempt| attempt.response_body.len()).sum::<usize>();
            self.dropped += 1;
        }
    }
}

fn opened(event: NewEvent, sequence: u64, ended: Option<DeliveryStatus>, now: Timestamp) -> Delivery {
    Delivery {
        sequence,
        event_id: event.event_id,
        event_type: event.event_type,
        message_id: event.message_id,
        status: ended.unwrap_or(DeliveryStatus::Pending),
        url: event.route.primary,
        failover_url: event.route.failover,
        started_at: now,
        finished_at: ended.map(|_| now),
        content: event.content,
        attempts: Vec::new(),
        numbers: event.numbers,
        outstanding: if ended.is_some() { 0 } else { event.copies },
    }
}

impl Delivery {
    /// The event's `data`, the same at each attempt; null when raw bytes were sent.
    pub fn data(&self) -> Value {
        self.content.data()
    }

    fn route(&self) -> Route {
        Route { primary: self.url.clone(), failover: self.failover_url.clone() }
    }
}

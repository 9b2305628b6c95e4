//! All deliveries that are kept, and the tries that wait.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::clock;
use crate::config::RetrySettings;
use crate::webhook::delivery::{Attempt, Content, Delivery, DeliveryStatus, NewEvent};
use crate::webhook::hold::Holds;

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

/// Names one try of one copy of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Ticket {
    due_at: Timestamp,
    // Keeps tries that are due together in the order of their events, whichever receiver answered first.
    pub(crate) delivery: u64,
    pub(crate) copy: u32,
    pub(crate) tries: u32,
}

impl Ticket {
    /// No other comes before it.
    const FIRST: Self = Self { due_at: Timestamp::MIN, delivery: 0, copy: 0, tries: 0 };
}

/// What the courier finds when it looks for work.
pub(crate) enum Next {
    Try(Box<DueTry>),
    NotBefore(Timestamp),
    Nothing,
}

/// All deliveries that are kept, and the tries that wait.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DeliveryLog {
    deliveries: BTreeMap<u64, Delivery>,
    #[serde(skip)]
    by_event: HashMap<String, Vec<u64>>,
    waiting: BTreeSet<Ticket>,
    /// Tries that are due but whose receiver is busy, by its origin; each ended attempt lets the first one on.
    queued: BTreeSet<(String, Ticket)>,
    /// How many attempts each receiver has under way.
    #[serde(skip)]
    busy: HashMap<String, usize>,
    /// Tries that were taken and have not been finished.
    under_way: BTreeSet<Ticket>,
    holds: Holds,
    ended_first: VecDeque<u64>,
    next_sequence: u64,
    #[serde(skip)]
    pending: usize,
    #[serde(skip)]
    capacity: usize,
    /// What deliveries and their attempts take, and how much of that belongs to those that have not ended.
    #[serde(skip)]
    size_bytes: usize,
    #[serde(skip)]
    pending_bytes: usize,
    #[serde(skip)]
    capacity_bytes: usize,
    /// Finished deliveries that had to go because the log was full.
    pub(crate) dropped: u64,
    /// Deliveries that have changed since somebody last took these.
    #[serde(skip)]
    touched: Vec<u64>,
}

impl DeliveryLog {
    pub(crate) fn new(capacity: usize, capacity_bytes: usize) -> Self {
        Self { next_sequence: 1, capacity, capacity_bytes, ..Self::default() }
    }

    /// Goes on where a snapshot was taken, within limits. What was under way then is tried again.
    pub(crate) fn resume(&mut self, capacity: usize, capacity_bytes: usize) {
        (self.capacity, self.capacity_bytes) = (capacity, capacity_bytes);
        self.waiting.append(&mut self.under_way);
        self.waiting.extend(std::mem::take(&mut self.queued).into_iter().map(|(_, ticket)| ticket));
        for delivery in self.deliveries.values() {
            self.by_event.entry(delivery.event_id.clone()).or_default().push(delivery.sequence);
            self.size_bytes += whole_size(delivery);
            if delivery.finished_at.is_none() {
                self.pending += 1;
                self.pending_bytes += delivery.size_bytes();
            }
        }
        self.make_room();
    }

    /// Deliveries that have not ended.
    pub(crate) fn pending(&self) -> usize {
        self.pending
    }

    /// What the events of those take.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// Whether everything that was due at a time has been tried; what is due later may wait.
    pub(crate) fn is_settled(&self, now: Timestamp) -> bool {
        self.under_way.is_empty()
            && self.queued.is_empty()
            && self.waiting.first().is_none_or(|ticket| ticket.due_at > now)
    }

    /// The place in the log of the next event.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Whether an event is held back until one of these numbers has gone.
    pub(crate) fn is_awaited(&self, numbers: &[String]) -> bool {
        self.holds.await_any(numbers)
    }

    pub(crate) fn get(&self, sequence: u64) -> Option<&Delivery> {
        self.deliveries.get(&sequence)
    }

    pub(crate) fn all_after(&self, sequence: u64) -> impl DoubleEndedIterator<Item = &Delivery> {
        self.deliveries.range(sequence.saturating_add(1)..).map(|(_, delivery)| delivery)
    }

    /// The deliveries of an event, oldest first; sending it again makes another.
    pub(crate) fn of_event(&self, event_id: &str) -> impl DoubleEndedIterator<Item = &Delivery> {
        let sequences = self.by_event.get(event_id).map(Vec::as_slice).unwrap_or_default();
        sequences.iter().filter_map(|sequence| self.deliveries.get(sequence))
    }

    /// The latest delivery of an event.
    pub(crate) fn find(&self, event_id: &str) -> Option<&Delivery> {
        self.of_event(event_id).next_back()
    }

    /// Rewrites the beginnings of media URLs in what is still to be delivered.
    pub(crate) fn move_media(&mut self, from: &str, to: &str) {
        let unfinished = self.deliveries.values_mut().filter(|delivery| delivery.finished_at.is_none());
        for delivery in unfinished {
            delivery.content.replace(from, to);
        }
    }

    /// The deliveries that have changed since this was last asked.
    pub(crate) fn take_touched(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.touched)
    }

    /// Takes an event in, makes its first tries due, and tells its place in the log.
    pub(crate) fn push(&mut self, mut event: NewEvent, now: Timestamp) -> u64 {
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
            self.holds.follow(sequence, &event.numbers);
            if let Some(hold) = event.hold.take().map(|hold| hold.beginning(event.due_at)) {
                event.due_at = hold.until;
                self.holds.keep(sequence, hold);
            }
            let (due_at, delivery) = (event.due_at, sequence);
            self.waiting.extend((0..event.copies).map(|copy| Ticket { due_at, delivery, copy, tries: 0 }));
        }
        self.by_event.entry(event.event_id.clone()).or_default().push(sequence);
        let delivery = Delivery::opened(event, sequence, ended, now);
        self.size_bytes += delivery.size_bytes();
        self.pending_bytes += if ended.is_none() { delivery.size_bytes() } else { 0 };
        self.deliveries.insert(sequence, delivery);
        self.touched.push(sequence);
        self.make_room();
        sequence
    }

    /// Takes the first try that is due and whose receiver has fewer than so many under way: one that hangs must not
    /// hold up the others.
    pub(crate) fn take_due(&mut self, now: Timestamp, retry: &RetrySettings, at_one_time: usize) -> Next {
        while let Some(ticket) = self.waiting.first().copied() {
            if ticket.due_at > now {
                return Next::NotBefore(ticket.due_at);
            }
            self.waiting.pop_first();
            self.holds.end(ticket.delivery);
            match self.due_try(ticket, retry) {
                Some(due) => {
                    let origin = due.url.origin().ascii_serialization();
                    let busy = self.busy.entry(origin.clone()).or_default();
                    if *busy >= at_one_time {
                        self.queued.insert((origin, ticket));
                        continue;
                    }
                    *busy += 1;
                    self.under_way.insert(ticket);
                    return Next::Try(Box::new(due));
                }
                None => self.end_copy(ticket, false, now),
            }
        }
        Next::Nothing
    }

    /// Records an attempt; a failed one is tried again after a pause while tries are left.
    pub(crate) fn finish(&mut self, ticket: Ticket, attempt: Attempt, now: Timestamp, retry: &RetrySettings) {
        let delivered = attempt.delivered;
        self.under_way.remove(&ticket);
        self.leave(&attempt.url);
        self.release_behind(ticket.delivery, now);
        let Some(delivery) = self.deliveries.get_mut(&ticket.delivery) else { return };
        self.size_bytes += attempt.size_bytes();
        delivery.attempts.push(attempt);
        self.touched.push(ticket.delivery);
        let tries = ticket.tries + 1;
        if delivered || delivery.route().nth_try(tries, retry).is_none() {
            return self.end_copy(ticket, delivered, now);
        }
        self.waiting.insert(Ticket { due_at: clock::after(now, retry.pause_after(tries)), tries, ..ticket });
    }

    /// A receiver has one attempt less under way, so the next one for it may go.
    fn leave(&mut self, url: &Url) {
        let origin = url.origin().ascii_serialization();
        if let Some(busy) = self.busy.get_mut(&origin) {
            *busy -= 1;
            if *busy == 0 {
                self.busy.remove(&origin);
            }
        }
        let first = (origin.clone(), Ticket::FIRST);
        let next = self.queued.range(first..).next().filter(|(receiver, _)| *receiver == origin).cloned();
        if let Some(next) = next {
            self.queued.remove(&next);
            self.waiting.insert(next.1);
        }
    }

    /// The events that waited for this one to be tried are due.
    fn release_behind(&mut self, delivery: u64, now: Timestamp) {
        for (held, hold) in self.holds.released_by(delivery) {
            let copies = self.deliveries.get(&held).map_or(0, |delivery| delivery.outstanding);
            for copy in 0..copies {
                let waiting = Ticket { due_at: hold.until, delivery: held, copy, tries: 0 };
                if self.waiting.remove(&waiting) {
                    self.waiting.insert(Ticket { due_at: now, ..waiting });
                }
            }
        }
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
        self.pending_bytes -= delivery.size_bytes();
        self.ended_first.push_back(ticket.delivery);
        self.make_room();
    }

    // Deliveries under way stay however full the log is; they are bounded where events are taken in.
    fn make_room(&mut self) {
        while self.deliveries.len() > self.capacity || self.size_bytes > self.capacity_bytes {
            let Some(sequence) = self.ended_first.pop_front() else { return };
            let Some(delivery) = self.deliveries.remove(&sequence) else { continue };
            self.size_bytes = self.size_bytes.saturating_sub(whole_size(&delivery));
            self.forget_event(&delivery);
            self.dropped += 1;
        }
    }

    fn forget_event(&mut self, delivery: &Delivery) {
        let Some(sequences) = self.by_event.get_mut(&delivery.event_id) else { return };
        sequences.retain(|sequence| *sequence != delivery.sequence);
        if sequences.is_empty() {
            self.by_event.remove(&delivery.event_id);
        }
    }
}

fn whole_size(delivery: &Delivery) -> usize {
    delivery.size_bytes() + delivery.attempts.iter().map(Attempt::size_bytes).sum::<usize>()
}

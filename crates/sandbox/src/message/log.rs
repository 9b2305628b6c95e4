//! The messages of an account: found by id, listed in order, bounded in number and age.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::message::Message;

/// How long a message can be retrieved (Telnyx: ten days).
const RETENTION: Duration = Duration::from_secs(10 * 24 * 60 * 60);

/// All messages of the account in the order in which they came, up to a number and a size of them.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct MessageLog {
    messages: BTreeMap<u64, Message>,
    #[serde(skip)]
    by_id: HashMap<String, u64>,
    /// When an outbound message gets its next status, which nothing but time brings about.
    turns: BTreeSet<(Timestamp, u64)>,
    /// Messages that are to go out later, and when.
    scheduled: BTreeSet<(Timestamp, u64)>,
    /// Messages that have changed since somebody last took these.
    #[serde(skip)]
    touched: Vec<u64>,
    next: u64,
    #[serde(skip)]
    capacity: usize,
    #[serde(skip)]
    size_bytes: usize,
    #[serde(skip)]
    capacity_bytes: usize,
    /// Messages that had to go because the log was full.
    pub(crate) dropped: u64,
}

impl MessageLog {
    pub(crate) fn new(capacity: usize, capacity_bytes: usize) -> Self {
        Self { capacity, capacity_bytes, ..Self::default() }
    }

    /// Goes on where a snapshot was taken, within limits.
    pub(crate) fn resume(&mut self, capacity: usize, capacity_bytes: usize) {
        (self.capacity, self.capacity_bytes) = (capacity, capacity_bytes);
        self.size_bytes = self.messages.values().map(Message::size_bytes).sum();
        self.by_id = self.messages.iter().map(|(place, message)| (message.id.clone(), *place)).collect();
        self.make_room();
    }

    pub(crate) fn push(&mut self, message: Message) {
        self.turns.extend(message.turns().map(|turn| (turn, self.next)));
        self.scheduled.extend(message.send_at().map(|send_at| (send_at, self.next)));
        self.touched.push(self.next);
        self.by_id.insert(message.id.clone(), self.next);
        self.size_bytes += message.size_bytes();
        self.messages.insert(self.next, message);
        self.next += 1;
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.messages.len() > self.capacity || self.size_bytes > self.capacity_bytes {
            self.drop_oldest();
            self.dropped += 1;
        }
    }

    /// Marks the messages as changed whose status time has changed, and tells when it changes the next one.
    pub(crate) fn pass_turns(&mut self, now: Timestamp) -> Option<Timestamp> {
        while let Some((at, place)) = self.turns.first().copied() {
            if at > now {
                return Some(at);
            }
            self.turns.pop_first();
            self.touched.push(place);
        }
        None
    }

    /// Whether a message that has gone out is still to get another status.
    pub(crate) fn is_moving(&self, now: Timestamp) -> bool {
        let is_for_later = |message: &Message| message.send_at().is_some_and(|send_at| send_at > now);
        let mut turning = self.turns.iter().filter_map(|(_, place)| self.messages.get(place));
        turning.any(|message| !is_for_later(message))
    }

    /// The next message that is to go out by now, however long ago its time was; each is given once.
    pub(crate) fn take_scheduled(&mut self, now: Timestamp) -> Option<Message> {
        loop {
            let (_, place) = self.scheduled.first().copied().filter(|(send_at, _)| *send_at <= now)?;
            self.scheduled.pop_first();
            let waiting = self.messages.get(&place).filter(|message| !message.is_cancelled());
            if let Some(message) = waiting {
                return Some(message.clone());
            }
        }
    }

    /// Whether a message is to go out by now.
    pub(crate) fn has_scheduled(&self, now: Timestamp) -> bool {
        self.scheduled.first().is_some_and(|(send_at, _)| *send_at <= now)
    }

    /// Changes a message, and gives it as it is then.
    pub(crate) fn alter(&mut self, id: &str, change: impl FnOnce(&mut Message)) -> Option<Message> {
        let place = *self.by_id.get(id)?;
        let message = self.messages.get_mut(&place)?;
        change(message);
        self.turns.extend(message.turns().map(|turn| (turn, place)));
        self.touched.push(place);
        Some(message.clone())
    }

    /// The messages that have changed since this was last asked.
    pub(crate) fn take_touched(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.touched)
    }

    pub(crate) fn get(&self, place: u64) -> Option<&Message> {
        self.messages.get(&place)
    }

    /// Rewrites the beginnings of media URLs.
    pub(crate) fn move_media(&mut self, from: &str, to: &str) {
        for media in self.messages.values_mut().flat_map(|message| &mut message.media) {
            if let Some(path) = media.url.strip_prefix(from) {
                media.url = format!("{to}{path}");
            }
        }
    }

    /// A message by its id, as long as Telnyx shows it.
    pub(crate) fn find(&self, id: &str, now: Timestamp) -> Option<&Message> {
        let message = self.messages.get(self.by_id.get(id)?)?;
        (now < clock::after(message.received_at, RETENTION)).then_some(message)
    }

    /// The place of a message in the log, whichever way it went.
    pub(crate) fn place_of(&self, id: &str) -> Option<u64> {
        self.by_id.get(id).copied()
    }

    /// The place of the newest message.
    pub(crate) fn last_place(&self) -> Option<u64> {
        self.messages.keys().next_back().copied()
    }

    /// All messages, oldest first; with a place, only those after it.
    pub(crate) fn all_after(&self, after: Option<u64>) -> impl DoubleEndedIterator<Item = &Message> {
        self.messages.range(after.map_or(0, |place| place + 1)..).map(|(_, message)| message)
    }

    fn drop_oldest(&mut self) {
        let Some((sequence, message)) = self.messages.pop_first() else { return };
        self.size_bytes = self.size_bytes.saturating_sub(message.size_bytes());
        // An id may have been used again since.
        if self.by_id.get(&message.id) == Some(&sequence) {
            self.by_id.remove(&message.id);
        }
    }
}

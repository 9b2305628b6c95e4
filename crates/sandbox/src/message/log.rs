//! The messages of an account: found by id, listed in order, bounded in number and age.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;

use crate::clock;
use crate::message::{Direction, Message};

/// How long a message can be retrieved (Telnyx: ten days).
const RETENTION: Duration = Duration::from_secs(10 * 24 * 60 * 60);

/// All messages of the account in the order in which they came, up to a number of them.
pub(crate) struct MessageLog {
    messages: BTreeMap<u64, Message>,
    by_id: HashMap<String, u64>,
    next: u64,
    capacity: usize,
    /// Messages that had to go because the log was full.
    pub(crate) dropped: u64,
}

impl MessageLog {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { messages: BTreeMap::new(), by_id: HashMap::new(), next: 0, capacity, dropped: 0 }
    }

    pub(crate) fn push(&mut self, message: Message) {
        self.by_id.insert(message.id.clone(), self.next);
        self.messages.insert(self.next, message);
        self.next += 1;
        while self.messages.len() > self.capacity {
            self.drop_oldest();
            self.dropped += 1;
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

    /// Messages the account sent, oldest first; with a place, only those after it.
    pub(crate) fn sent(&self, after: Option<u64>) -> impl DoubleEndedIterator<Item = &Message> {
        let sent = |message: &&Message| message.direction == Direction::Outbound;
        self.messages.range(after.map_or(0, |place| place + 1)..).map(|(_, message)| message).filter(sent)
    }

    fn drop_oldest(&mut self) {
        let Some((sequence, message)) = self.messages.pop_first() else { return };
        // An id may have been used again since.
        if self.by_id.get(&message.id) == Some(&sequence) {
            self.by_id.remove(&message.id);
        }
    }
}

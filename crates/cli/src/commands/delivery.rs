//! A delivery as the sandbox tells of it, and what has changed since it was last looked at.

use std::collections::BTreeMap;

use inlet_domain::Timestamp;
use serde::{Deserialize, Serialize};

/// One event on its way to a receiver.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Delivery {
    /// Its place in the sandbox's log; 0 when the command itself delivers.
    #[serde(default)]
    pub(super) sequence: u64,
    /// The event's id.
    pub(super) event_id: String,
    /// The event's type.
    pub(super) event_type: String,
    /// The message it speaks of; empty when there is none.
    pub(super) message_id: String,
    /// How it stands.
    pub(super) status: Status,
    /// Where it goes first.
    pub(super) url: Option<String>,
    /// When the event came to be.
    pub(super) started_at: Timestamp,
    /// What was tried so far.
    pub(super) attempts: Vec<Attempt>,
}

/// A list of them, oldest first.
#[derive(Debug, Deserialize)]
pub(super) struct Deliveries {
    pub(super) data: Vec<Delivery>,
}

/// How a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// Not tried yet, or to be tried again.
    Pending,
    /// The receiver took it.
    Delivered,
    /// All tries failed.
    Failed,
    /// There is nowhere to send it.
    NoUrl,
    /// A fault swallowed it.
    Dropped,
}

/// One try.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Attempt {
    /// `meta.attempt`, from 1.
    pub(super) number: u32,
    /// 0 for the event itself; duplicates that a fault made count from 1.
    #[serde(default)]
    pub(super) copy: u32,
    /// Where it went.
    pub(super) url: String,
    /// When it began, on the sandbox's clock, which can be moved.
    pub(super) started_at: Timestamp,
    /// When it ended, on the same clock.
    pub(super) finished_at: Timestamp,
    /// How long it took.
    pub(super) duration_ms: u64,
    /// Whether the receiver took it.
    pub(super) delivered: bool,
    /// The receiver's HTTP status, if it answered.
    pub(super) response_status: Option<u16>,
    /// How the receiver's answer begins.
    #[serde(default)]
    pub(super) response_body: String,
    /// Why it failed, or what was odd.
    pub(super) error: Option<AttemptError>,
}

/// What went wrong with an attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct AttemptError {
    /// Telnyx's delivery code.
    pub(super) code: String,
    /// A few words.
    pub(super) title: String,
}

impl Delivery {
    /// Whether nothing more will happen to it.
    pub(super) fn has_ended(&self) -> bool {
        self.status != Status::Pending
    }
}

/// Something to tell of a delivery.
#[derive(Debug)]
pub(super) enum Change<'a> {
    /// There is a new event.
    Event,
    /// A try has ended.
    Attempt(&'a Attempt),
    /// Nothing more will happen to it.
    End,
}

/// Remembers what was told of each delivery, so that nothing is told twice.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Every delivery up to this place has ended and was told to its end.
    all_up_to: u64,
    later: BTreeMap<u64, SoFar>,
}

#[derive(Debug, Default)]
struct SoFar {
    attempts: usize,
    ended: bool,
}

impl Told {
    /// What is new about a delivery.
    pub(super) fn changes<'a>(&mut self, delivery: &'a Delivery) -> Vec<Change<'a>> {
        if delivery.sequence > 0 && delivery.sequence <= self.all_up_to {
            return Vec::new();
        }
        let mut changes = Vec::new();
        let so_far = self.later.entry(delivery.sequence).or_insert_with(|| {
            changes.push(Change::Event);
            SoFar::default()
        });
        changes.extend(delivery.attempts.iter().skip(so_far.attempts).map(Change::Attempt));
        so_far.attempts = so_far.attempts.max(delivery.attempts.len());
        if delivery.has_ended() && !std::mem::replace(&mut so_far.ended, true) {
            changes.push(Change::End);
        }
        self.forget_ended();
        changes
    }

    fn forget_ended(&mut self) {
        while let Some(first) = self.later.first_entry().filter(|first| first.get().ended) {
            self.all_up_to = *first.key();
            first.remove();
        }
    }
}

#[cfg(test)]
pub(super) mod fixtures {
    use super::*;

    /// A delivery with one attempt for each status; 0 stands for no answer.
    pub(crate) fn delivery(sequence: u64, status: Status, answers: &[u16]) -> Delivery {
        let begin = Timestamp::from_seconds(1_769_846_400);
        let attempt = |(index, answer): (usize, &u16)| Attempt {
            number: u32::try_from(index).unwrap() + 1,
            copy: 0,
            url: "http://localhost:3000/webhooks".to_owned(),
            started_at: begin,
            finished_at: begin,
            duration_ms: 12,
            delivered: *answer == 200,
            response_status: Some(*answer).filter(|answer| *answer > 0),
            response_body: String::new(),
            error: (*answer == 0).then(|| AttemptError {
                code: "75002".to_owned(),
                title: "The connection failed".to_owned(),
            }),
        };
        Delivery {
            sequence,
            event_id: format!("evt-{sequence}"),
            event_type: "message.received".to_owned(),
            message_id: "msg".to_owned(),
            status,
            url: Some("http://localhost:3000/webhooks".to_owned()),
            started_at: begin,
            attempts: answers.iter().enumerate().map(attempt).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fixtures::delivery;
    use super::*;

    fn count(told: &mut Told, sequence: u64, status: Status, answers: &[u16]) -> usize {
        told.changes(&delivery(sequence, status, answers)).len()
    }

    #[test]
    fn nothing_is_told_twice() {
        let mut told = Told::default();
        assert_eq!(count(&mut told, 4, Status::Pending, &[]), 1);
        assert_eq!(count(&mut told, 4, Status::Pending, &[503]), 1);
        assert_eq!(count(&mut told, 5, Status::Delivered, &[200]), 3);
        assert_eq!(count(&mut told, 5, Status::Delivered, &[200]), 0, "a later one has ended before");
        assert_eq!(told.all_up_to, 0);
        assert_eq!(count(&mut told, 4, Status::Failed, &[503, 0]), 2, "the attempt and the end");
        assert_eq!(told.all_up_to, 5);
        assert_eq!(count(&mut told, 4, Status::Failed, &[503, 0]), 0);
    }
}

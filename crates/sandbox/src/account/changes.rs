//! What has changed in an account lately, by revision, so that a follower can take up where it left off.

use std::collections::VecDeque;

use jiff::Timestamp;

/// Changes that are remembered; who is further behind has to look at everything again.
const CAPACITY: usize = 10_000;

/// Something that looks different now. It is looked at when it is told, so that a late follower sees its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// A message, by its place in the log.
    Message(u64),
    /// A delivery, by its place in the log.
    Delivery(u64),
}

/// The latest changes, oldest first, numbered without gaps.
#[derive(Default)]
pub(crate) struct Changes {
    latest: VecDeque<Change>,
    /// The revision of the newest change.
    revision: u64,
    /// How often everything was replaced.
    beginning: u64,
}

impl Changes {
    /// Begins at the time's microsecond, so that a revision of an earlier sandbox is always too old here.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { revision: u64::try_from(now.as_microsecond()).unwrap_or(0), ..Self::default() }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn note(&mut self, change: Change) {
        self.revision += 1;
        self.latest.push_back(change);
        if self.latest.len() > CAPACITY {
            self.latest.pop_front();
        }
    }

    /// Everything is different now: no earlier revision can be followed any more.
    pub(crate) fn begin_anew(&mut self) {
        self.latest.clear();
        self.revision += 1;
        self.beginning += 1;
    }

    /// Tells what is kept now from what was kept before everything was replaced.
    pub(crate) fn beginning(&self) -> u64 {
        self.beginning
    }

    /// The changes after a revision, oldest first; none when they are not remembered or never happened.
    pub(crate) fn after(&self, revision: u64) -> Option<impl Iterator<Item = (u64, Change)>> {
        let behind = self.revision.checked_sub(revision)?;
        let behind = usize::try_from(behind).ok().filter(|behind| *behind <= self.latest.len())?;
        let changes = self.latest.iter().skip(self.latest.len() - behind);
        Some((revision + 1..).zip(changes.copied()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_gets_what_it_missed_or_learns_that_it_cannot() {
        let mut changes = Changes::new(Timestamp::UNIX_EPOCH);
        let after = |changes: &Changes, revision| changes.after(revision).map(Iterator::collect::<Vec<_>>);
        changes.note(Change::Message(7));
        changes.note(Change::Delivery(8));
        assert_eq!(after(&changes, 1), Some(vec![(2, Change::Delivery(8))]));
        assert_eq!(after(&changes, 2), Some(vec![]));
        assert_eq!(after(&changes, 3), None, "a revision that has not come yet");
        changes.begin_anew();
        assert_eq!(after(&changes, 2), None, "everything was replaced");
        for place in 0..=CAPACITY as u64 {
            changes.note(Change::Message(place));
        }
        assert_eq!(after(&changes, 3), None, "too far behind");
        assert_eq!(after(&changes, 4).unwrap().len(), CAPACITY);
    }
}

//! Shows a waiter each message once, however often it looks.

use crate::account::World;
use crate::message::Message;

/// How far somebody who waits for messages has looked.
#[derive(Default)]
pub(crate) struct Unseen {
    /// The place of the last message that was shown.
    after: Option<u64>,
    /// In which of the account's beginnings that was.
    beginning: Option<u64>,
}

impl Unseen {
    /// Begins after a place in the log, or with all that there is.
    pub(crate) fn after(place: Option<u64>) -> Self {
        Self { after: place, beginning: None }
    }

    /// Whether everything has been replaced since the last look; then it begins with the first message again.
    pub(crate) fn begins_anew(&mut self, world: &World) -> bool {
        let beginning = world.changes.beginning();
        let is_other = self.beginning.replace(beginning).is_some_and(|before| before != beginning);
        if is_other {
            self.after = None;
        }
        is_other
    }

    /// What has come since the last look, oldest first.
    pub(crate) fn take<'a>(
        &mut self,
        world: &'a World,
    ) -> impl DoubleEndedIterator<Item = &'a Message> + use<'a> {
        let after = self.after;
        self.after = world.messages.last_place().or(after);
        world.messages.all_after(after)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::message::log::MessageLog;
    use crate::message::{Coding, Direction};

    fn message(number: u64) -> Message {
        Message {
            id: number.to_string(),
            direction: Direction::Inbound,
            profile_id: String::new(),
            from: String::new(),
            recipients: Vec::new(),
            cc: Vec::new(),
            text: None,
            subject: None,
            media: Vec::new(),
            is_mms: false,
            coding: Coding::of(""),
            tags: Vec::new(),
            webhook_url: None,
            webhook_failover_url: None,
            received_at: Timestamp::UNIX_EPOCH,
            keyword: None,
            sending: None,
        }
    }

    #[test]
    fn a_waiter_looks_at_each_message_once_unless_everything_is_replaced() {
        let mut world = World { messages: MessageLog::new(1_000, usize::MAX), ..World::default() };
        let mut unseen = Unseen::after(None);
        let mut looks = 0;
        for number in 0..1_000 {
            world.messages.push(message(number));
            assert!(!unseen.begins_anew(&world));
            looks += unseen.take(&world).count();
        }
        assert_eq!((looks, unseen.take(&world).count()), (1_000, 0));
        world.changes.begin_anew();
        assert!(unseen.begins_anew(&world));
        assert_eq!(unseen.take(&world).count(), 1_000);
    }
}

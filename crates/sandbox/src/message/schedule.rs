//! Messages that go out later: they wait in the log, leave when their time has come, or are cancelled before.

use std::time::Duration;

use jiff::Timestamp;

use crate::account::{Account, World};
use crate::clock;
use crate::message::{Message, Status};
use crate::refusal::Refusal;

/// How far ahead a message may be scheduled (Telnyx's guide).
const EARLIEST: Duration = Duration::from_secs(5 * 60);
const LATEST: Duration = Duration::from_secs(5 * 24 * 60 * 60);
/// How long before its time a message can be cancelled (Telnyx's API description).
const LAST_CALL: Duration = Duration::from_secs(60);

/// Refuses a time that is too near or too far.
pub(crate) fn check_time(send_at: Timestamp, now: Timestamp) -> Result<(), Refusal> {
    if (clock::after(now, EARLIEST)..=clock::after(now, LATEST)).contains(&send_at) {
        return Ok(());
    }
    let detail = format!(
        "`send_at` should be between 5 minutes and 5 days from now; it is {} for Telnyx now.",
        clock::format(now)
    );
    Err(Refusal::new("10033", detail).at("/send_at"))
}

impl Account {
    /// Sends what was to go out by now, and tells whether there was anything.
    pub(crate) fn send_scheduled(&self, world: &mut World) -> bool {
        let now = self.clock.now();
        let mut has_sent = false;
        while let Some(message) = world.messages.take_scheduled(now) {
            let forbidden = |number: &str| world.opt_outs.forbid(&message.profile_id, &message.from, number);
            let blocked: Vec<bool> =
                message.recipients.iter().map(|recipient| forbidden(&recipient.number)).collect();
            let message = world.messages.alter(&message.id, |message| message.block(&blocked));
            if let Some(message) = message {
                self.dispatch(world, &message);
                has_sent = true;
            }
        }
        has_sent
    }

    /// Takes a scheduled message back.
    pub(crate) fn cancel(&self, world: &mut World, id: &str) -> Result<Message, Refusal> {
        let now = self.clock.now();
        let missing = || Refusal::new("10005", format!("There is no message '{id}'."));
        let message = world.messages.find(id, now).ok_or_else(missing)?;
        let is_waiting = message.send_at().is_some_and(|send_at| send_at > clock::after(now, LAST_CALL));
        if !is_waiting || message.is_cancelled() {
            let detail = "Only a message that is scheduled for more than a minute from now can be cancelled.";
            return Err(Refusal::new("10010", detail));
        }
        let (profile_id, cost) = (message.profile_id.clone(), message.cost_hundred_thousandths());
        let spent_at = message.received_at;
        world.spending.give_back(&profile_id, cost, spent_at);
        let cancel = |message: &mut Message| {
            if let Some(sending) = &mut message.sending {
                sending.is_cancelled = true;
            }
        };
        world.messages.alter(id, cancel).ok_or_else(missing)
    }
}

impl Message {
    /// Lets the copies fail whose recipients have opted out since the message was accepted.
    fn block(&mut self, blocked: &[bool]) {
        for (recipient, is_blocked) in self.recipients.iter_mut().zip(blocked) {
            if let Some(journey) = recipient.journey.as_mut().filter(|_| *is_blocked) {
                journey.final_status = Status::SendingFailed;
                journey.completed_at = Some(journey.sent_at);
                journey.error = Some("40300".to_owned());
            }
        }
    }
}

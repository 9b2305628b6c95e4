//! A message on its way out: accepted, planned, sent now or later, handed to those recipients that are ours too.

use inlet_telnyx::PhoneNumber;
use jiff::Timestamp;

use crate::account::{Account, World};
use crate::fault::{FaultEffect, Subject};
use crate::message::send_request::SendRequest;
use crate::message::{Direction, Message, Recipient, Sending};
use crate::refusal::Refusal;

impl Account {
    /// Accepts an outbound message, decides how it goes, and sets it going unless it is to go later.
    pub(crate) fn accept(&self, world: &mut World, request: SendRequest) -> Result<Message, Refusal> {
        self.check_blocks(world, &request)?;
        self.check_spending(world, &request.profile_id)?;
        self.check_queue(world)
            .map_err(|error| Refusal::new("40318", format!("The message queue is full: {error}.")))?;
        let message = self.outbound_message(world, request, self.clock.now());
        world.messages.push(message.clone());
        self.spend(world, &message);
        if message.send_at().is_none() {
            self.dispatch(world, &message);
        }
        Ok(message)
    }

    /// Sends a message: its receipts, and its copies for numbers of the account.
    pub(crate) fn dispatch(&self, world: &mut World, message: &Message) {
        self.publish_receipts(world, message);
        self.hand_over(world, message);
    }

    fn check_blocks(&self, world: &mut World, request: &SendRequest) -> Result<(), Refusal> {
        let from = &request.from;
        for to in &request.to {
            let numbers = [from.clone(), to.to_string()];
            let subject = Subject { numbers: &numbers, event_type: None };
            let by_fault = |effect: &FaultEffect| matches!(effect, FaultEffect::BlockStop {}).then_some(());
            if world.opt_outs.forbid(&request.profile_id, from, to.as_str())
                || world.faults.strike(&mut world.random, subject, by_fault).is_some()
            {
                let detail =
                    format!("Messages cannot be sent from '{from}' to '{to}' due to an existing block rule.");
                return Err(Refusal::new("40300", detail).at("/to"));
            }
        }
        Ok(())
    }

    fn outbound_message(&self, world: &mut World, request: SendRequest, now: Timestamp) -> Message {
        let sent_at = self.sent_at(world, request.send_at.unwrap_or(now));
        let mut recipient = |to: &PhoneNumber| {
            let pair = (request.from.as_str(), to.as_str());
            let journey = self.journey(world, pair, request.is_group, sent_at);
            Recipient { number: to.to_string(), journey: Some(journey) }
        };
        let recipients = request.to.iter().map(&mut recipient).collect();
        let sending = Sending {
            send_at: request.send_at,
            group_id: request.is_group.then(|| world.random.uuid("group")),
            ..Sending::default()
        };
        Message {
            id: world.random.uuid("message"),
            direction: Direction::Outbound,
            from: request.from,
            recipients,
            cc: Vec::new(),
            text: request.text,
            subject: request.subject,
            media: request.media,
            is_mms: request.is_mms,
            coding: request.coding,
            tags: request.tags,
            webhook_url: request.route.primary,
            webhook_failover_url: request.route.failover,
            profile_id: request.profile_id,
            received_at: now,
            keyword: None,
            sending: Some(Box::new(sending)),
        }
    }

    /// A copy for a number of the account arrives there as a text.
    fn hand_over(&self, world: &mut World, message: &Message) {
        for recipient in &message.recipients {
            let Some(journey) = &recipient.journey else { continue };
            let Some(arrived_at) = journey.completed_at.filter(|_| journey.final_status.is_arrival()) else {
                continue;
            };
            let Some(to) = recipient.number.parse().ok().filter(|_| self.owns(&recipient.number)) else {
                continue;
            };
            let Some(profile) = world.profile_of(&to).cloned() else { continue };
            let arriving = Message {
                id: world.random.uuid("message"),
                direction: Direction::Inbound,
                recipients: vec![Recipient { number: recipient.number.clone(), journey: None }],
                cc: self.others(message, &recipient.number),
                webhook_url: profile.webhook_url,
                webhook_failover_url: profile.webhook_failover_url,
                received_at: arrived_at,
                sending: None,
                tags: Vec::new(),
                profile_id: profile.id,
                ..message.clone()
            };
            self.arrive(world, arriving, None);
        }
    }

    /// Who else gets a group message.
    fn others(&self, message: &Message, own: &str) -> Vec<String> {
        if message.group_id().is_none() {
            return Vec::new();
        }
        let includes_own = self.host.config.carrier.cc_includes_own_number;
        let numbers = message.recipients.iter().map(|recipient| &recipient.number);
        numbers.filter(|number| includes_own || *number != own).cloned().collect()
    }
}

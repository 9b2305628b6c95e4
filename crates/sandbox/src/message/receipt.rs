//! The events of a message: arrival, sent, finalized, read.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::account::{Account, World};
use crate::clock;
use crate::message::{Direction, Message, Stage, Status};
use crate::webhook::publish::Occurrence;
use crate::webhook::route::Route;

/// What an event tells, and when.
pub(crate) struct Occasion {
    event_type: &'static str,
    occurred_at: Timestamp,
    due_at: Timestamp,
    payload: Value,
}

impl Occasion {
    /// Something that is told when it happens.
    pub(crate) fn at(occurred_at: Timestamp, event_type: &'static str, payload: Value) -> Self {
        Self { event_type, occurred_at, due_at: occurred_at, payload }
    }
}

impl Account {
    /// Sets the receipts of an outbound message going: one that it was sent, and one for the end of each copy.
    pub(crate) fn publish_receipts(&self, world: &mut World, message: &Message) {
        let route = Route::new(message.webhook_url.clone(), message.webhook_failover_url.clone());
        let journeys = message.recipients.iter().filter_map(|recipient| recipient.journey.as_ref());
        let sent_at = journeys
            .clone()
            .filter(|journey| journey.final_status != Status::SendingFailed)
            .map(|journey| journey.sent_at)
            .min();
        let first_end = journeys.filter_map(|journey| journey.completed_at).min();
        if let Some(sent_at) = sent_at {
            let payload = message.payload(Stage::Sent, &self.view());
            let mut occasion = Occasion::at(sent_at, "message.sent", payload);
            if let Some(end) = first_end.filter(|_| self.is_overtaken(world)) {
                occasion.due_at = clock::after(end, Duration::from_millis(1));
            }
            let event_id = world.random.uuid("event");
            self.publish(world, message, event_id, occasion, route.clone());
        }
        for (place, recipient) in message.recipients.iter().enumerate() {
            let end = recipient.journey.as_ref().and_then(|journey| journey.completed_at);
            let Some(end) = end else { continue };
            let payload = message.payload(Stage::Finalized(place), &self.view());
            let event_id = world.random.uuid("event");
            let occasion = Occasion::at(end, "message.finalized", payload);
            self.publish(world, message, event_id, occasion, route.clone());
        }
    }

    fn is_overtaken(&self, world: &mut World) -> bool {
        let probability = self.host.config.carrier.finalized_overtakes;
        probability > 0.0 && world.random.happens("overtaking", probability)
    }

    /// Tells that a message was read, and gives the event's id; none when no such message was sent.
    pub(crate) fn publish_read(&self, message_id: &str) -> Option<String> {
        let now = self.clock.now();
        self.change(|world| {
            let sent = |message: &&Message| message.direction == Direction::Outbound;
            let message = world.messages.find(message_id, now).filter(sent)?.clone();
            let agent_id = self.identity.agent_id(&message.from);
            let payload = message.read_payload(&agent_id, &self.view());
            let route = Route::new(message.webhook_url.clone(), message.webhook_failover_url.clone());
            let event_id = world.random.uuid("event");
            self.publish(
                world,
                &message,
                event_id.clone(),
                Occasion::at(now, "message.read", payload),
                route,
            );
            Some(event_id)
        })
    }

    pub(crate) fn publish(
        &self,
        world: &mut World,
        message: &Message,
        event_id: String,
        occasion: Occasion,
        route: Route,
    ) {
        let occurrence = Occurrence {
            event_id,
            event_type: occasion.event_type,
            message_id: message.id.clone(),
            numbers: message.numbers(),
            profile_id: message.profile_id.clone(),
            occurred_at: occasion.occurred_at,
            due_at: occasion.due_at,
            payload: occasion.payload,
            route,
        };
        self.publish_event(world, occurrence);
    }
}

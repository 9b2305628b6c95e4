//! Routing: a stored event becomes a plan, which the store carries out in one transaction with the cursor's advance.

use inlet_telnyx::{Event, MessagePayload, PhoneNumber};
use url::Url;

use crate::clean::{field, optional_field};
use crate::condition::ConditionError;
use crate::destination::Destination;
use crate::event::{EventFacts, Source, StoredEvent};
use crate::inbound::{as_waiting, attachments, complete, empty_message, opt_out, own_number};
use crate::job::NewJob;
use crate::media::NewMedia;
use crate::message::{Direction, Message};
use crate::receipt::fold_receipt;
use crate::reply::{ReplyError, ReplyRule, RuleMatch};
use crate::send::{SEND_KEY_PARAMETER, SendKey, SendRequest};

/// An event whose bytes have been read, as far as they can be.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadEvent {
    /// What lists show.
    pub facts: EventFacts,
    /// The envelope; `None` when unreadable.
    pub event: Option<Event>,
    /// The payload, of message events.
    pub payload: Option<MessagePayload>,
}

impl ReadEvent {
    /// Reads the bytes of an event. Control characters in the facts are replaced, long ones cut to 512 characters.
    pub fn read(stored: &StoredEvent) -> Self {
        let event = match Event::read(&stored.body) {
            Ok(event) => event,
            Err(unreadable) => {
                let unreadable = Some(field(&unreadable.reason));
                return Self {
                    facts: EventFacts { unreadable, ..EventFacts::default() },
                    event: None,
                    payload: None,
                };
            }
        };
        let payload = event.message();
        let facts = facts(stored, &event, payload.as_ref());
        Self { facts, event: Some(event), payload }
    }
}

fn facts(stored: &StoredEvent, event: &Event, payload: Option<&MessagePayload>) -> EventFacts {
    EventFacts {
        event_type: optional_field(event.event_type.as_deref()),
        message_id: payload.and_then(|payload| message_id(stored, event, payload)),
        occurred_at: optional_field(event.occurred_at.as_deref()),
        attempt: event.meta.attempt,
        delivered_to: optional_field(event.meta.delivered_to.as_deref()),
        unreadable: None,
    }
}

// An inbound message without an id is a message all the same (minimal bodies, tests by hand): its event's id stands in.
fn message_id(stored: &StoredEvent, event: &Event, payload: &MessagePayload) -> Option<String> {
    let stand_in = || match direction(event, payload)? {
        Direction::Inbound => Some(stored.id.clone()),
        Direction::Outbound => None,
    };
    optional_field(payload.id.as_deref()).or_else(stand_in)
}

// `direction` is missing from minimal bodies; then the event's name tells.
fn direction(event: &Event, payload: &MessagePayload) -> Option<Direction> {
    let written = payload.direction.as_deref().unwrap_or_default().to_ascii_lowercase();
    written.parse().ok().or_else(|| match event.event_type.as_deref()? {
        "message.received" => Some(Direction::Inbound),
        name => name.starts_with("message.").then_some(Direction::Outbound),
    })
}

/// A change of a party's wish, seen in an inbound message with an `autoresponse_type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptOutChange {
    /// Our number.
    pub our_number: String,
    /// The party.
    pub party: String,
    /// True after STOP, false after START.
    pub opted_out: bool,
}

/// Everything one event makes.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What lists show of the event.
    pub facts: EventFacts,
    /// The message as it is after this event; replaces the row.
    pub message: Option<Message>,
    /// Numbers that are ours: the `to` of inbound messages.
    pub own_numbers: Vec<PhoneNumber>,
    /// A STOP or START.
    pub opt_out: Option<OptOutChange>,
    /// Attachments to archive, of the first event of an inbound message; each becomes a row and a `fetch_media` job.
    pub media: Vec<NewMedia>,
    /// Deliveries, and at most one reply.
    pub jobs: Vec<NewJob>,
    /// The send this receipt proves.
    pub proves_send: Option<SendKey>,
    /// Conditions and templates that failed while they were evaluated: destination or rule, and why. Counted and logged.
    pub condition_errors: Vec<(String, String)>,
}

/// The rules that turn events into plans.
#[derive(Debug, Clone, Default)]
pub struct Router {
    /// Every configured destination.
    pub destinations: Vec<Destination>,
    /// Reply rules, in order.
    pub replies: Vec<ReplyRule>,
}

impl Router {
    /// Plans an event, given what is known of the message it speaks of.
    ///
    /// Replies and media are made only by the first event of an inbound message (`known` is `None`); deliveries by
    /// every event. An unreadable event is delivered too, to destinations without `events`: a `when` that cannot be
    /// evaluated counts as a match.
    pub fn plan(&self, stored: &StoredEvent, read: ReadEvent, known: Option<Message>) -> Plan {
        let mut plan = Plan::of(read.facts);
        let Some(event) = read.event else {
            plan.jobs.extend(self.unreadable_deliveries());
            return plan;
        };
        let about = read.payload.and_then(|payload| Some((direction(&event, &payload)?, payload)));
        match about {
            Some((Direction::Inbound, payload)) => {
                self.plan_inbound(&mut plan, stored, &event, &payload, known)
            }
            Some((Direction::Outbound, payload)) => {
                self.plan_receipt(&mut plan, stored, &event, &payload, known)
            }
            None => self.plan_deliveries(&mut plan, &event, None),
        }
        plan
    }

    /// The configured destination of this name.
    pub fn destination(&self, name: &str) -> Option<&Destination> {
        self.destinations.iter().find(|destination| destination.name == name)
    }

    /// Whether deliveries to this destination keep the order of their conversation. Of one that is not configured nobody
    /// knows, so that they do.
    pub fn keeps_order(&self, destination: &str) -> bool {
        self.destination(destination).is_none_or(|configured| configured.ordered)
    }

    /// The deliveries of an event that cannot be read.
    pub fn unreadable_deliveries(&self) -> impl Iterator<Item = NewJob> {
        let wants_all = self.destinations.iter().filter(|destination| destination.events.is_empty());
        wants_all.map(|destination| NewJob::Deliver { destination: destination.name.clone() })
    }

    fn plan_inbound(
        &self,
        plan: &mut Plan,
        stored: &StoredEvent,
        event: &Event,
        payload: &MessagePayload,
        known: Option<Message>,
    ) {
        let Some(id) = plan.facts.message_id.clone() else { return };
        if let Some(known) = known {
            let message = complete(known, payload);
            self.plan_deliveries(plan, event, Some(&message));
            plan.message = Some(message);
            return;
        }
        let mut message = complete(empty_message(id, Direction::Inbound, stored), payload);
        plan.own_numbers.extend(own_number(&message));
        plan.opt_out = opt_out(&message, stored.source);
        plan.media = attachments(payload);
        // Only for the rules to see: the store fills this list from its own table.
        message.media = as_waiting(&plan.media);
        self.plan_deliveries(plan, event, Some(&message));
        self.plan_reply(plan, event, &message);
        message.media.clear();
        plan.message = Some(message);
    }

    fn plan_receipt(
        &self,
        plan: &mut Plan,
        stored: &StoredEvent,
        event: &Event,
        payload: &MessagePayload,
        known: Option<Message>,
    ) {
        let fresh = || Some(empty_message(plan.facts.message_id.clone()?, Direction::Outbound, stored));
        plan.message = known.or_else(fresh).map(|message| fold_receipt(message, payload));
        let genuine = stored.source != Source::Unsigned;
        plan.proves_send = genuine.then(|| proven_send(event, payload)).flatten();
        let message = plan.message.clone();
        self.plan_deliveries(plan, event, message.as_ref());
    }

    fn plan_deliveries(&self, plan: &mut Plan, event: &Event, message: Option<&Message>) {
        for destination in &self.destinations {
            // Better an event too many than one too few.
            let matches = wants(destination, event, message).unwrap_or_else(|error| {
                plan.condition_errors.push((destination.name.clone(), error.reason));
                true
            });
            if matches {
                plan.jobs.push(NewJob::Deliver { destination: destination.name.clone() });
            }
        }
    }

    // Whether the answer may go out is decided by the guard, when it is about to: here even a group gets one.
    fn plan_reply(&self, plan: &mut Plan, event: &Event, message: &Message) {
        let Some(ours) = message.to.first().filter(|_| !message.from.is_empty()) else { return };
        let answer = self.first_answer(event, message, &mut plan.condition_errors);
        plan.jobs.extend(answer.map(|RuleMatch { rule, text }| NewJob::Reply {
            rule,
            request: SendRequest {
                from: ours.phone_number.clone(),
                to: message.from.clone(),
                text,
                media_urls: Vec::new(),
            },
        }));
    }

    fn first_answer(
        &self,
        event: &Event,
        message: &Message,
        errors: &mut Vec<(String, String)>,
    ) -> Option<RuleMatch> {
        for rule in &self.replies {
            match rule.answer(event, message) {
                Ok(None) => {}
                Ok(answer) => return answer,
                Err(ReplyError::Condition(error)) => errors.push((rule.name.clone(), error.reason)),
                // The rule that should answer cannot; another's answer would be a wrong one.
                Err(ReplyError::Template(error)) => {
                    errors.push((rule.name.clone(), error.reason));
                    return None;
                }
            }
        }
        None
    }
}

impl Plan {
    fn of(facts: EventFacts) -> Self {
        Self {
            facts,
            message: None,
            own_numbers: Vec::new(),
            opt_out: None,
            media: Vec::new(),
            jobs: Vec::new(),
            proves_send: None,
            condition_errors: Vec::new(),
        }
    }
}

fn wants(
    destination: &Destination,
    event: &Event,
    message: Option<&Message>,
) -> Result<bool, ConditionError> {
    if !listens_to(destination, event) {
        return Ok(false);
    }
    destination.when.as_ref().map_or(Ok(true), |when| when.holds(event, message))
}

fn listens_to(destination: &Destination, event: &Event) -> bool {
    let wanted = |name: &str| destination.events.iter().any(|wanted| wanted == name);
    destination.events.is_empty() || event.event_type.as_deref().is_some_and(wanted)
}

// Telnyx gives a message's own webhook URL back in its receipts, and has sent them there.
fn proven_send(event: &Event, payload: &MessagePayload) -> Option<SendKey> {
    let addresses = [payload.webhook_url.as_deref(), event.meta.delivered_to.as_deref()];
    addresses.into_iter().flatten().find_map(|address| {
        let url = Url::parse(address).ok()?;
        let (_, key) = url.query_pairs().find(|(name, key)| name == SEND_KEY_PARAMETER && !key.is_empty())?;
        Some(SendKey(field(&key)))
    })
}

#[cfg(test)]
mod tests;

//! Sets events going: in the form that their profile asks for, as the active faults let them.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::account::profile::{Profile, WebhookApiVersion};
use crate::account::{Account, World};
use crate::clock;
use crate::fault::{Fault, FaultEffect, Subject};
use crate::message::text::{Injected, RawEvent, TextError, check_size};
use crate::webhook::delivery::{Content, Delivery, NewEvent};
use crate::webhook::hold::Hold;
use crate::webhook::route::Route;
use crate::webhook::{event, flat};

/// An event that is sent as it is. Receivers take a megabyte at most, and it should be possible to try more on them.
const MAX_EVENT_BYTES: usize = 4 * 1024 * 1024;

/// Something that a receiver is told.
pub(crate) struct Occurrence {
    pub(crate) event_id: String,
    pub(crate) event_type: &'static str,
    pub(crate) message_id: String,
    /// The numbers of its message, by which faults find it.
    pub(crate) numbers: Vec<String>,
    /// The profile that says in which form it is told.
    pub(crate) profile_id: String,
    pub(crate) occurred_at: Timestamp,
    pub(crate) due_at: Timestamp,
    pub(crate) payload: Value,
    pub(crate) route: Route,
}

impl Account {
    /// Sets an event going.
    pub(crate) fn publish_event(&self, world: &mut World, occurrence: Occurrence) {
        let version_one = world.profile(&occurrence.profile_id).filter(|profile| is_version_one(profile));
        let content = match version_one {
            None => {
                let Occurrence { event_id, event_type, occurred_at, payload, .. } = &occurrence;
                Some(Content::event(&event::data(event_id, event_type, *occurred_at, payload.clone())))
            }
            Some(profile) => {
                let body = flat::body(&occurrence.payload, occurrence.occurred_at);
                body.map(|body| Content::flat(&body, &profile.v1_secret))
            }
        };
        // Only version 2 has a form for messages to a group.
        let has_no_form = content.is_none();
        let content = content.unwrap_or_else(|| Content::event(&occurrence.payload));
        let mut event = NewEvent {
            content,
            event_id: occurrence.event_id,
            event_type: occurrence.event_type.to_owned(),
            message_id: occurrence.message_id,
            due_at: occurrence.due_at,
            copies: 1,
            hold: None,
            is_dropped: has_no_form,
            numbers: occurrence.numbers,
            route: occurrence.route,
        };
        strike(world, &mut event);
        world.deliveries.push(event, self.clock.now());
    }

    /// Sends bytes as they are, signed, to a URL or to where the default profile's webhooks go.
    pub(crate) fn send_raw(&self, raw: RawEvent) -> Result<Injected, TextError> {
        check_size("the event", raw.body.len(), MAX_EVENT_BYTES)?;
        let body: Value = serde_json::from_slice(&raw.body).unwrap_or_default();
        let named = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let now = self.clock.now();
        self.change(|world| {
            self.check_queue(world)?;
            let route = raw.url.map_or_else(|| world.default_route(), |url| Route::new(Some(url), None));
            // The labels in the log are the body's own where it has them.
            let event = NewEvent {
                event_id: named("/data/id").unwrap_or_else(|| world.random.uuid("event")),
                event_type: named("/data/event_type").unwrap_or_else(|| "raw".to_owned()),
                message_id: named("/data/payload/id").unwrap_or_default(),
                content: Content::Raw(raw.body),
                due_at: now,
                copies: 1,
                hold: None,
                numbers: Vec::new(),
                is_dropped: false,
                route,
            };
            let injected = Injected { id: event.message_id.clone(), event_id: event.event_id.clone() };
            world.deliveries.push(event, now);
            Ok(injected)
        })
    }

    /// Sends an event again, with all its tries before it, and tells its new place in the log.
    pub(crate) fn send_again(&self, delivery: &Delivery) -> Result<u64, TextError> {
        let now = self.clock.now();
        self.change(|world| {
            self.check_queue(world)?;
            let route = match delivery.url {
                Some(_) => delivery.route(),
                // It could go nowhere then; perhaps it can now.
                None => world.default_route(),
            };
            let event = delivery.again(route, now);
            Ok(world.deliveries.push(event, now))
        })
    }

    /// Refuses more than may wait.
    pub(crate) fn check_queue(&self, world: &World) -> Result<(), TextError> {
        let (pending, config) = (world.deliveries.pending(), &self.host.config);
        let has_room = pending < config.pending_capacity
            && world.deliveries.pending_bytes() < config.pending_capacity_bytes;
        if has_room { Ok(()) } else { Err(TextError::QueueFull { pending }) }
    }
}

fn is_version_one(profile: &Profile) -> bool {
    profile.webhook_api_version == WebhookApiVersion::One
}

/// Lets the faults of events strike or not.
fn strike(world: &mut World, event: &mut NewEvent) {
    let occasion = world.deliveries.next_sequence().to_string();
    let subject = Subject { numbers: &event.numbers, event_type: Some(&event.event_type) };
    let World { faults, random, deliveries, .. } = world;
    let mut strike =
        |pick: &dyn Fn(&Fault) -> Option<u64>| faults.strike_at(random, subject, &occasion, pick);
    let dropped = strike(&|fault| matches!(fault.effect, FaultEffect::WebhookDrop {}).then_some(1));
    let copies = strike(&|fault| match fault.effect {
        FaultEffect::WebhookDuplicate { copies } => Some(u64::from(copies)),
        _ => None,
    });
    let delay_ms = strike(&|fault| match fault.effect {
        FaultEffect::WebhookDelay { delay_ms } => Some(delay_ms),
        _ => None,
    });
    // An event that lets another go cannot wait itself, or a whole series would turn round.
    let hold = match deliveries.is_awaited(&event.numbers) {
        true => None,
        false => faults.strike_at(random, subject, &occasion, |fault| match fault.effect {
            FaultEffect::WebhookReorder { max_wait_ms } => {
                Some(Hold::new(fault.subject.number.clone(), Duration::from_millis(max_wait_ms)))
            }
            _ => None,
        }),
    };
    event.is_dropped |= dropped.is_some();
    event.copies += copies.map_or(0, |copies| u32::try_from(copies).unwrap_or(u32::MAX - 1));
    event.due_at = clock::after(event.due_at, Duration::from_millis(delay_ms.unwrap_or(0)));
    event.hold = hold;
}

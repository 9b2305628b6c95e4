//! What happens to a text on its way: it arrives, goes out, is blocked, gets its receipts.

use inlet_telnyx::PhoneNumber;
use jiff::Timestamp;

use crate::account::{Account, World};
use crate::clock;
use crate::fault::{CarrierOutcome, FaultEffect, Subject};
use crate::media::{StoredMedia, sha256};
use crate::message::keyword::Keyword;
use crate::message::send_request::SendRequest;
use crate::message::text::{InboundMedia, InboundText, Injected, TextError};
use crate::message::{Direction, Journey, Message, MessageMedia, Stage};
use crate::refusal::{Refusal, delivery_error};
use crate::webhook::publish::Occurrence;
use crate::webhook::route::Route;

impl Account {
    /// Takes a text from a phone and sets its webhook going.
    pub(crate) fn receive_text(&self, text: InboundText) -> Result<Injected, TextError> {
        let unknown = || TextError::UnknownNumber { number: text.to.clone() };
        let to: PhoneNumber = text.to.parse().map_err(|_| unknown())?;
        if !self.owns(to.as_str()) {
            return Err(unknown());
        }
        let now = self.clock.now();
        self.change(|world| {
            self.check_queue(world)?;
            let no_profile = || TextError::NoProfile { number: to.to_string() };
            let profile_id = world.profile_of(&to).ok_or_else(no_profile)?.id.clone();
            let event_id = text.data_id.clone();
            let message = self.inbound_message(world, text, profile_id, now);
            Ok(self.arrive(world, message, event_id, now))
        })
    }

    /// Accepts an outbound message, plans its receipts, and hands it to its recipient if that is ours too.
    pub(crate) fn accept(&self, world: &mut World, request: SendRequest) -> Result<Message, Refusal> {
        let numbers = [request.from.to_string(), request.to.to_string()];
        self.check_blocks(world, &request, &numbers)?;
        self.check_queue(world)
            .map_err(|error| Refusal::new("40318", format!("The message queue is full: {error}.")))?;
        let now = self.clock.now();
        let message = self.outbound_message(world, request, &numbers, now);
        self.publish_receipts(world, &message);
        self.hand_over(world, &message);
        world.messages.push(message.clone());
        Ok(message)
    }

    fn check_blocks(
        &self,
        world: &mut World,
        request: &SendRequest,
        numbers: &[String],
    ) -> Result<(), Refusal> {
        let block = (request.profile_id.clone(), request.to.to_string());
        let subject = Subject { numbers, event_type: None };
        let by_fault = |effect: &FaultEffect| matches!(effect, FaultEffect::BlockStop {}).then_some(());
        if !world.blocks.contains(&block)
            && world.faults.strike(&mut world.random, subject, by_fault).is_none()
        {
            return Ok(());
        }
        let (from, to) = (&request.from, &request.to);
        Err(Refusal::new(
            "40300",
            format!("Messages cannot be sent from '{from}' to '{to}' due to an existing block rule."),
        )
        .at("/to"))
    }

    fn inbound_message(
        &self,
        world: &mut World,
        text: InboundText,
        profile_id: String,
        now: Timestamp,
    ) -> Message {
        let numbers = vec![text.from.clone(), text.to.clone()];
        let is_mms = !text.media.is_empty() || !text.cc.is_empty() || text.subject.is_some();
        let media = text.media.into_iter().map(|item| self.keep_media(world, item, &numbers, now)).collect();
        Message {
            id: text.payload_id.unwrap_or_else(|| world.random.uuid("message")),
            direction: Direction::Inbound,
            from: text.from,
            to: text.to,
            cc: text.cc,
            keyword: text.text.as_deref().and_then(Keyword::of),
            text: text.text,
            subject: text.subject,
            media,
            is_mms,
            tags: Vec::new(),
            webhook_url: world.profile(&profile_id).and_then(|profile| profile.webhook_url.clone()),
            webhook_failover_url: world
                .profile(&profile_id)
                .and_then(|profile| profile.webhook_failover_url.clone()),
            profile_id,
            received_at: now,
            journey: None,
        }
    }

    fn keep_media(
        &self,
        world: &mut World,
        item: InboundMedia,
        numbers: &[String],
        now: Timestamp,
    ) -> MessageMedia {
        match item {
            InboundMedia::Link { url, content_type, size, sha256 } => {
                MessageMedia { url, content_type, size, sha256 }
            }
            InboundMedia::Upload { filename, content_type, data } => {
                let (digest, size) = (sha256(&data), i64::try_from(data.len()).ok());
                let folder = world.random.hex("media folder");
                let stored = StoredMedia {
                    content_type: content_type.clone(),
                    data,
                    sha256: digest.clone(),
                    stored_at: now,
                    numbers: numbers.to_vec(),
                };
                let path = world.media.keep(&folder, filename.as_deref(), stored);
                let url = format!("{}/media/{path}", self.host.origin);
                MessageMedia { url, content_type: Some(content_type), size, sha256: Some(digest) }
            }
        }
    }

    fn arrive(
        &self,
        world: &mut World,
        message: Message,
        event_id: Option<String>,
        due_at: Timestamp,
    ) -> Injected {
        let block = (message.profile_id.clone(), message.from.clone());
        match message.keyword {
            Some(Keyword::Stop) => _ = world.blocks.insert(block),
            Some(Keyword::Start) => _ = world.blocks.remove(&block),
            Some(Keyword::Help) | None => {}
        }
        // Inbound events follow the profile alone.
        let route = Route::new(message.webhook_url.clone(), message.webhook_failover_url.clone());
        let event_id = event_id.unwrap_or_else(|| world.random.uuid("event"));
        let occasion = Occasion { event_type: "message.received", at: due_at, stage: Stage::Finalized };
        self.publish(world, &message, event_id.clone(), occasion, route);
        let id = message.id.clone();
        world.messages.push(message);
        Injected { id, event_id }
    }

    fn outbound_message(
        &self,
        world: &mut World,
        request: SendRequest,
        numbers: &[String],
        now: Timestamp,
    ) -> Message {
        let sent_at = clock::after(now, self.host.config.sent_delay);
        let (final_status, errors) = match self.carrier_failure(world, numbers) {
            Some((outcome, code)) => (outcome.as_str().to_owned(), vec![delivery_error(&code)]),
            None => ("delivered".to_owned(), Vec::new()),
        };
        let completed_at = clock::after(sent_at, self.host.config.finalized_delay);
        Message {
            id: world.random.uuid("message"),
            direction: Direction::Outbound,
            from: request.from.to_string(),
            to: request.to.to_string(),
            cc: Vec::new(),
            text: request.text,
            subject: request.subject,
            media: request.media_urls.iter().map(|url| self.known_media(world, url)).collect(),
            is_mms: request.is_mms,
            tags: request.tags,
            webhook_url: request.route.primary,
            webhook_failover_url: request.route.failover,
            profile_id: request.profile_id,
            received_at: now,
            journey: Some(Journey { sent_at, completed_at, final_status, errors }),
            keyword: None,
        }
    }

    fn carrier_failure(&self, world: &mut World, numbers: &[String]) -> Option<(CarrierOutcome, String)> {
        world.faults.strike(&mut world.random, Subject { numbers, event_type: None }, |effect| match effect {
            FaultEffect::CarrierFailure { outcome, code } => Some((*outcome, code.clone())),
            _ => None,
        })
    }

    // Media elsewhere are not fetched; of its own ones the sandbox knows type, size and digest.
    fn known_media(&self, world: &World, url: &str) -> MessageMedia {
        let path = url.strip_prefix(&self.host.origin).and_then(|path| path.strip_prefix("/media/"));
        match path.and_then(|path| world.media.find(path)) {
            None => MessageMedia::bare(url),
            Some(stored) => MessageMedia {
                content_type: Some(stored.content_type.clone()),
                size: i64::try_from(stored.data.len()).ok(),
                sha256: Some(stored.sha256.clone()),
                ..MessageMedia::bare(url)
            },
        }
    }

    fn publish_receipts(&self, world: &mut World, message: &Message) {
        let Some(journey) = &message.journey else { return };
        let route = Route::new(message.webhook_url.clone(), message.webhook_failover_url.clone());
        if journey.final_status != CarrierOutcome::SendingFailed.as_str() {
            let occasion = Occasion { event_type: "message.sent", at: journey.sent_at, stage: Stage::Sent };
            let event_id = world.random.uuid("event");
            self.publish(world, message, event_id, occasion, route.clone());
        }
        let occasion =
            Occasion { event_type: "message.finalized", at: journey.completed_at, stage: Stage::Finalized };
        let event_id = world.random.uuid("event");
        self.publish(world, message, event_id, occasion, route);
    }

    /// A message to another number of the account arrives there as a text.
    fn hand_over(&self, world: &mut World, message: &Message) {
        let Some(journey) = message.journey.as_ref().filter(|journey| journey.final_status == "delivered")
        else {
            return;
        };
        let Ok(to) = message.to.parse::<PhoneNumber>() else { return };
        if !self.owns(to.as_str()) {
            return;
        }
        let Some(profile) = world.profile_of(&to).cloned() else { return };
        let arriving = Message {
            id: world.random.uuid("message"),
            direction: Direction::Inbound,
            webhook_url: profile.webhook_url,
            webhook_failover_url: profile.webhook_failover_url,
            keyword: message.text.as_deref().and_then(Keyword::of),
            received_at: journey.completed_at,
            journey: None,
            tags: Vec::new(),
            profile_id: profile.id,
            ..message.clone()
        };
        self.arrive(world, arriving, None, journey.completed_at);
    }

    fn publish(
        &self,
        world: &mut World,
        message: &Message,
        event_id: String,
        occasion: Occasion,
        route: Route,
    ) {
        let occurrence = Occurrence {
            payload: message.payload(occasion.stage, &self.view()),
            numbers: vec![message.from.clone(), message.to.clone()],
            profile_id: message.profile_id.clone(),
            message_id: message.id.clone(),
            event_type: occasion.event_type,
            occurred_at: occasion.at,
            due_at: occasion.at,
            event_id,
            route,
        };
        self.publish_event(world, occurrence);
    }
}

/// What an event tells of its message, and when.
#[derive(Clone, Copy)]
struct Occasion {
    event_type: &'static str,
    at: Timestamp,
    stage: Stage,
}

//! A text from a phone: it arrives at one of the account's numbers, and its webhook is set going.

use inlet_telnyx::Address;
use jiff::Timestamp;

use crate::account::{Account, World};
use crate::media::{StoredMedia, sha256};
use crate::message::receipt::Occasion;
use crate::message::text::{InboundMedia, InboundText, Injected, TextError, check_size};
use crate::message::{Coding, Direction, Message, MessageMedia, Recipient, Stage};
use crate::webhook::route::Route;

/// A text with its subject, participants and links. The longest real one has some 1,600 characters.
const MAX_TEXT_BYTES: usize = 1024 * 1024;

impl Account {
    /// Takes a text from a phone and sets its webhook going.
    pub(crate) fn receive_text(&self, text: InboundText) -> Result<Injected, TextError> {
        check_size("the text", text.size_bytes(), MAX_TEXT_BYTES)?;
        let now = self.clock.now();
        self.change(|world| {
            self.check_queue(world)?;
            let profile_id = profile_of(world, &text.to)?;
            // An empty id would be a name that no path can give.
            let event_id = text.data_id.clone().filter(|id| !id.is_empty());
            let message = self.inbound_message(world, text, profile_id, now);
            Ok(self.arrive(world, message, event_id))
        })
    }

    /// Takes a message in at the time that it was received, whatever asks for an answer included.
    pub(crate) fn arrive(
        &self,
        world: &mut World,
        mut message: Message,
        event_id: Option<String>,
    ) -> Injected {
        let asked = self.heed_keyword(world, &message);
        message.keyword = asked.as_ref().map(|asked| asked.keyword);
        // Inbound events follow the profile alone.
        let route = Route::new(message.webhook_url.clone(), message.webhook_failover_url.clone());
        let event_id = event_id.unwrap_or_else(|| world.random.uuid("event"));
        let payload = message.payload(Stage::Accepted, &self.view());
        let occasion = Occasion::at(message.received_at, "message.received", payload);
        self.publish(world, &message, event_id.clone(), occasion, route);
        let id = message.id.clone();
        world.messages.push(message.clone());
        if let Some(asked) = asked {
            self.answer_keyword(world, &message, asked);
        }
        Injected { id, event_id }
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
        let profile = world.profile(&profile_id);
        Message {
            direction: Direction::Inbound,
            from: text.from,
            recipients: vec![Recipient { number: text.to, journey: None }],
            cc: text.cc,
            coding: Coding::of(text.text.as_deref().unwrap_or_default()),
            text: text.text,
            subject: text.subject,
            media,
            is_mms,
            tags: Vec::new(),
            webhook_url: profile.and_then(|profile| profile.webhook_url.clone()),
            webhook_failover_url: profile.and_then(|profile| profile.webhook_failover_url.clone()),
            id: text.payload_id.filter(|id| !id.is_empty()).unwrap_or_else(|| world.random.uuid("message")),
            profile_id,
            received_at: now,
            keyword: None,
            sending: None,
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
                    fetches: 0,
                };
                let path = world.media.keep(&folder, filename.as_deref(), stored);
                let url = format!("{}/media/{path}", self.host.origin);
                MessageMedia { url, content_type: Some(content_type), size, sha256: Some(digest) }
            }
        }
    }
}

/// The profile of one of the account's numbers or short codes.
fn profile_of(world: &World, to: &str) -> Result<String, TextError> {
    let own = match Address::parse(to) {
        Address::Number(number) => world.number(&number).map(|own| &own.profile_id),
        Address::ShortCode(code) => {
            world.short_codes.iter().find(|own| own.code == code).map(|own| &own.profile_id)
        }
        Address::Alphanumeric(_) | Address::Empty => None,
    };
    let own = own.ok_or_else(|| TextError::UnknownNumber { number: to.to_owned() })?;
    own.clone().ok_or_else(|| TextError::NoProfile { number: to.to_owned() })
}

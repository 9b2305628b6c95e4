//! A message of the account: its parties, its content, and how far each recipient's copy has come.

pub(crate) mod log;
pub(crate) mod payload;

pub(crate) mod send_request;

pub(crate) mod autoresponse;
pub(crate) mod carrier;
pub(crate) mod inbound;
pub(crate) mod keyword;
pub(crate) mod number_plan;
pub(crate) mod opt_out;
pub(crate) mod outbound;
pub(crate) mod pool;
pub(crate) mod price;
pub(crate) mod receipt;
pub(crate) mod record;
pub(crate) mod schedule;
pub(crate) mod spending;
pub(crate) mod text;

use inlet_telnyx::{Encoding, Segments};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::message::keyword::Keyword;

pub(crate) use payload::View;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Direction {
    Inbound,
    Outbound,
}

/// How a recipient's copy stands, in Telnyx's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Scheduled,
    Queued,
    Sent,
    Delivered,
    SendingFailed,
    DeliveryFailed,
    DeliveryUnconfirmed,
    Expired,
    Cancelled,
    /// A group's recipient outside Telnyx, whose phone reports nothing.
    Unknown,
    /// Inbound: handed to the receiver.
    WebhookDelivered,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::SendingFailed => "sending_failed",
            Self::DeliveryFailed => "delivery_failed",
            Self::DeliveryUnconfirmed => "delivery_unconfirmed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
            Self::WebhookDelivered => "webhook_delivered",
        }
    }

    /// Whether the recipient has it, as far as anybody can tell.
    pub(crate) fn is_arrival(self) -> bool {
        matches!(self, Self::Delivered | Self::DeliveryUnconfirmed | Self::Unknown)
    }
}

/// At which point of its way a message is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// When it was accepted, whatever has happened since.
    Accepted,
    /// When the carrier took it.
    Sent,
    /// When the copy of one recipient, by its place, had reached its end.
    Finalized(usize),
    /// At a time.
    At(Timestamp),
}

/// When a recipient's copy goes out and how it ends; decided when the message is accepted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Journey {
    pub(crate) sent_at: Timestamp,
    /// None when nobody ever hears how it ended.
    pub(crate) completed_at: Option<Timestamp>,
    pub(crate) final_status: Status,
    /// Telnyx's code for what went wrong.
    pub(crate) error: Option<String>,
}

/// One who gets the message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Recipient {
    pub(crate) number: String,
    /// Outbound only.
    pub(crate) journey: Option<Journey>,
}

/// One attachment as the payload names it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MessageMedia {
    pub(crate) url: String,
    pub(crate) content_type: Option<String>,
    pub(crate) size: Option<i64>,
    pub(crate) sha256: Option<String>,
}

impl MessageMedia {
    /// A link of which nothing else is known, as in `media_urls`.
    pub(crate) fn bare(url: &str) -> Self {
        Self { url: url.to_owned(), content_type: None, size: None, sha256: None }
    }
}

/// How the text is encoded, which decides the number of parts and the price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Coding {
    pub(crate) encoding: Encoding,
    pub(crate) parts: usize,
    /// Whether other characters were sent in the place of some of the text's.
    pub(crate) is_smart: bool,
}

impl Coding {
    pub(crate) fn of(text: &str) -> Self {
        Self::from_segments(Segments::of(text), false)
    }

    pub(crate) fn from_segments(segments: Segments, is_smart: bool) -> Self {
        Self { encoding: segments.encoding, parts: segments.parts, is_smart }
    }
}

/// What only an outbound message has.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Sending {
    /// When it is to go out, if not at once.
    pub(crate) send_at: Option<Timestamp>,
    pub(crate) is_cancelled: bool,
    /// The group conversation that it is part of.
    pub(crate) group_id: Option<String>,
    /// The keyword that Telnyx itself answers with this message; no call of the API sent it.
    pub(crate) answers: Option<Keyword>,
}

/// One message, inbound or outbound.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) direction: Direction,
    pub(crate) profile_id: String,
    pub(crate) from: String,
    /// One, but for an outbound group message.
    pub(crate) recipients: Vec<Recipient>,
    /// The other participants of an inbound group message.
    pub(crate) cc: Vec<String>,
    /// As its author wrote it.
    pub(crate) text: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) media: Vec<MessageMedia>,
    pub(crate) is_mms: bool,
    pub(crate) coding: Coding,
    pub(crate) tags: Vec<String>,
    pub(crate) webhook_url: Option<Url>,
    pub(crate) webhook_failover_url: Option<Url>,
    pub(crate) received_at: Timestamp,
    /// Inbound only: what its text asks Telnyx for.
    pub(crate) keyword: Option<Keyword>,
    /// Outbound only.
    pub(crate) sending: Option<Box<Sending>>,
}

impl Message {
    /// The point that a time is for a message.
    pub(crate) fn stage_at(&self, now: Timestamp) -> Stage {
        Stage::At(now)
    }

    /// About how much memory it takes: what people wrote, and the message around it.
    pub(crate) fn size_bytes(&self) -> usize {
        let texts = [&self.text, &self.subject].into_iter().flatten().map(String::len);
        let media = self.media.iter().map(|media| size_of_val(media) + media.url.len());
        let cc = self.cc.iter().map(|other| size_of_val(other) + other.len());
        size_of_val(self) + self.from.len() + texts.chain(media).chain(cc).sum::<usize>()
    }

    /// Whether a number is among the recipients.
    pub(crate) fn is_to(&self, number: &str) -> bool {
        self.recipients.iter().any(|recipient| recipient.number == number)
    }

    /// Whether a number has anything to do with the message.
    pub(crate) fn concerns(&self, number: &str) -> bool {
        self.from == number || self.is_to(number) || self.cc.iter().any(|other| other == number)
    }

    /// Sender and recipients, by which faults find the message.
    pub(crate) fn numbers(&self) -> Vec<String> {
        let recipients = self.recipients.iter().map(|recipient| recipient.number.clone());
        std::iter::once(self.from.clone()).chain(recipients).collect()
    }

    /// The group conversation that it is part of.
    pub(crate) fn group_id(&self) -> Option<&str> {
        self.sending.as_ref()?.group_id.as_deref()
    }

    /// The keyword that Telnyx answered by it: no reply of the account's own.
    pub(crate) fn answers(&self) -> Option<Keyword> {
        self.sending.as_ref()?.answers
    }

    pub(crate) fn send_at(&self) -> Option<Timestamp> {
        self.sending.as_ref()?.send_at
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.sending.as_ref().is_some_and(|sending| sending.is_cancelled)
    }

    /// All times at which it looks different from before by the mere passing of time.
    pub(crate) fn turns(&self) -> impl Iterator<Item = Timestamp> {
        let journeys = self.recipients.iter().filter_map(|recipient| recipient.journey.as_ref());
        let turns = journeys.flat_map(|journey| [Some(journey.sent_at), journey.completed_at]);
        turns.chain([self.send_at()]).flatten()
    }

    /// How one recipient's copy stands at a point of the message's way.
    pub(crate) fn status(&self, recipient: &Recipient, stage: Stage) -> Status {
        let Some(journey) = &recipient.journey else { return Status::WebhookDelivered };
        if self.is_cancelled() {
            return Status::Cancelled;
        }
        let has_failed_early = journey.final_status == Status::SendingFailed;
        match stage {
            Stage::Accepted if self.send_at().is_some() => Status::Scheduled,
            Stage::Accepted => Status::Queued,
            Stage::Sent if has_failed_early => Status::Queued,
            Stage::Sent => Status::Sent,
            Stage::Finalized(place) if self.has_ended_by(recipient, place) => journey.final_status,
            Stage::Finalized(_) => self.status(recipient, Stage::Sent),
            Stage::At(now) if self.send_at().is_some_and(|send_at| now < send_at) => Status::Scheduled,
            Stage::At(now) if journey.completed_at.is_some_and(|end| now >= end) => journey.final_status,
            Stage::At(now) if now < journey.sent_at || has_failed_early => Status::Queued,
            Stage::At(_) => Status::Sent,
        }
    }

    // Of copies that end together the earlier one in the list has ended first.
    fn has_ended_by(&self, recipient: &Recipient, place: usize) -> bool {
        let rank = |place: usize, recipient: &Recipient| {
            let end = recipient.journey.as_ref().and_then(|journey| journey.completed_at);
            end.map(|end| (end, place))
        };
        let own = self.recipients.iter().position(|other| std::ptr::eq(other, recipient));
        let own = own.and_then(|own| rank(own, recipient));
        let limit = self.recipients.get(place).and_then(|other| rank(place, other));
        own.is_some() && own <= limit
    }
}

//! A message of the account, and how Telnyx shows it.

pub(crate) mod log;

pub(crate) mod carrier;
pub(crate) mod keyword;
pub(crate) mod number_plan;
pub(crate) mod send_request;
pub(crate) mod text;

use std::time::Duration;

use inlet_telnyx::{ApiError, PhoneNumber, Segments};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use crate::clock;
use crate::config::SandboxConfig;
use crate::message::keyword::Keyword;

/// How long a message may wait for its carrier, as `valid_until` of real bodies shows.
const VALIDITY: Duration = Duration::from_secs(60 * 60);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Direction {
    Inbound,
    Outbound,
}

/// How far an outbound message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Queued,
    Sent,
    Finalized,
}

/// When an outbound message goes out and how it ends; decided when it is accepted.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Journey {
    pub(crate) sent_at: Timestamp,
    pub(crate) completed_at: Timestamp,
    pub(crate) final_status: String,
    pub(crate) errors: Vec<ApiError>,
}

/// One attachment as the payload names it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct MessageMedia {
    pub(crate) url: String,
    pub(crate) content_type: Option<String>,
    pub(crate) size: Option<i64>,
    pub(crate) sha256: Option<String>,
}

/// One message, inbound or outbound.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) direction: Direction,
    pub(crate) profile_id: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) cc: Vec<String>,
    pub(crate) text: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) media: Vec<MessageMedia>,
    pub(crate) is_mms: bool,
    pub(crate) tags: Vec<String>,
    pub(crate) webhook_url: Option<Url>,
    pub(crate) webhook_failover_url: Option<Url>,
    pub(crate) received_at: Timestamp,
    /// Outbound only.
    pub(crate) journey: Option<Journey>,
    /// Inbound only.
    pub(crate) keyword: Option<Keyword>,
}

/// What a payload shows besides the message itself.
pub(crate) struct View<'a> {
    pub(crate) config: &'a SandboxConfig,
    pub(crate) organization_id: &'a str,
    pub(crate) own_numbers: &'a [PhoneNumber],
}

impl Message {
    /// How far the message has come at a time.
    pub(crate) fn stage_at(&self, now: Timestamp) -> Stage {
        match &self.journey {
            Some(journey) if now >= journey.completed_at => Stage::Finalized,
            Some(journey) if now >= journey.sent_at => Stage::Sent,
            _ => Stage::Queued,
        }
    }

    /// The object that Telnyx shows as `payload` of events and `data` of answers.
    pub(crate) fn payload(&self, stage: Stage, view: &View<'_>) -> Value {
        let mut payload = self.shared_part(view);
        let own_part = match self.direction {
            Direction::Inbound => self.inbound_part(view),
            Direction::Outbound => self.outbound_part(stage, view),
        };
        if let (Value::Object(payload), Value::Object(own_part)) = (&mut payload, own_part) {
            payload.extend(own_part);
        }
        payload
    }

    fn shared_part(&self, view: &View<'_>) -> Value {
        let segments = Segments::of(self.text.as_deref().unwrap_or_default());
        let url = |url: &Option<Url>| url.as_ref().map_or(Value::Null, |url| json!(url.as_str()));
        json!({
            "encoding": segments.encoding.to_string(),
            "from": party(&self.from, view),
            "id": self.id,
            "messaging_profile_id": self.profile_id,
            "organization_id": view.organization_id,
            // An MMS is one part however long its text.
            "parts": if self.is_mms { 1 } else { segments.parts },
            "received_at": clock::format(self.received_at),
            "record_type": "message",
            "subject": self.subject,
            "tags": self.tags,
            "tcr_campaign_billable": false,
            "tcr_campaign_id": null,
            "tcr_campaign_registered": null,
            "text": self.text.as_deref().unwrap_or_default(),
            "type": if self.is_mms { "MMS" } else { "SMS" },
            "webhook_failover_url": url(&self.webhook_failover_url),
            "webhook_url": url(&self.webhook_url),
        })
    }

    fn inbound_part(&self, view: &View<'_>) -> Value {
        json!({
            "autoresponse_type": self.keyword.map(Keyword::as_str),
            "cc": self.cc.iter().map(|number| cc(number, view)).collect::<Vec<_>>(),
            "completed_at": null,
            "cost": null,
            "cost_breakdown": null,
            "direction": "inbound",
            "errors": [],
            "is_spam": false,
            "media": self.media.iter().map(|item| item.shown(view.config.media_digest_key.as_str())).collect::<Vec<_>>(),
            "sent_at": null,
            // Telnyx shows this status at the first delivery already.
            "to": [with_status(party(&self.to, view), "webhook_delivered")],
            "valid_until": null,
        })
    }

    fn outbound_part(&self, stage: Stage, view: &View<'_>) -> Value {
        let journey = self.journey.as_ref();
        let reached = |wanted: Stage, time: Option<Timestamp>| {
            time.filter(|_| stage >= wanted).map_or(Value::Null, |time| json!(clock::format(time)))
        };
        let status = match stage {
            Stage::Queued => "queued",
            Stage::Sent => "sent",
            Stage::Finalized => journey.map_or("delivered", |journey| &journey.final_status),
        };
        let errors =
            journey.filter(|_| stage == Stage::Finalized).map_or(json!([]), |journey| json!(journey.errors));
        let (cost, cost_breakdown) = self.cost();
        json!({
            "cc": [],
            "completed_at": reached(Stage::Finalized, journey.map(|journey| journey.completed_at)),
            "cost": cost,
            "cost_breakdown": cost_breakdown,
            "direction": "outbound",
            "errors": errors,
            "media": self.media.iter().map(|item| item.shown("sha256")).collect::<Vec<_>>(),
            "sent_at": reached(Stage::Sent, journey.map(|journey| journey.sent_at)),
            "smart_encoding_applied": false,
            "to": [with_status(party(&self.to, view), status)],
            "valid_until": clock::format(clock::after(self.received_at, VALIDITY)),
            "wait_seconds": null,
        })
    }

    // Prices per part in hundred-thousandths of a dollar: of the size of real bodies, and nobody's bill.
    fn cost(&self) -> (Value, Value) {
        let (rate, fee) = if self.is_mms { (1500, 1000) } else { (400, 300) };
        let parts = match self.is_mms {
            true => 1,
            false => Segments::of(self.text.as_deref().unwrap_or_default()).parts,
        };
        let (rate, fee) = (rate * parts, fee * parts);
        let dollars = |amount: usize| format!("{}.{:05}", amount / 100_000, amount % 100_000);
        let money = |amount: String| json!({"amount": amount, "currency": "USD"});
        let total = dollars(rate + fee);
        // The total has four decimals where its parts have five.
        let cost = money(total[..total.len() - 1].to_owned());
        (cost, json!({"carrier_fee": money(dollars(fee)), "rate": money(dollars(rate))}))
    }
}

impl MessageMedia {
    /// A link of which nothing else is known, as in `media_urls`.
    pub(crate) fn bare(url: &str) -> Self {
        Self { url: url.to_owned(), content_type: None, size: None, sha256: None }
    }

    fn shown(&self, digest_key: &str) -> Value {
        json!({ "content_type": self.content_type, digest_key: self.sha256, "size": self.size, "url": self.url })
    }
}

fn party(number: &str, view: &View<'_>) -> Value {
    let is_own = view.own_numbers.iter().any(|own| own.as_str() == number);
    let is_number = number.parse::<PhoneNumber>().is_ok();
    // Short codes and names come without carrier and line type.
    let (carrier, line_type) = match (is_own, is_number) {
        (true, _) => ("Telnyx", "Wireless"),
        (false, true) => ("Verizon Wireless", "Wireless"),
        (false, false) => ("", ""),
    };
    json!({ "carrier": carrier, "line_type": line_type, "phone_number": number })
}

fn with_status(mut party: Value, status: &str) -> Value {
    party["status"] = json!(status);
    party
}

fn cc(number: &str, view: &View<'_>) -> Value {
    if view.config.cc_as_strings {
        json!(number)
    } else {
        with_status(party(number, view), "webhook_delivered")
    }
}

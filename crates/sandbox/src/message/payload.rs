//! A message as Telnyx shows it: `payload` of events and `data` of answers.

use std::time::Duration;

use inlet_telnyx::PhoneNumber;
use jiff::Timestamp;
use serde_json::{Value, json};
use url::Url;

use crate::clock;
use crate::config::SandboxConfig;
use crate::message::carrier::delivery_error;
use crate::message::keyword::Keyword;
use crate::message::{Direction, Message, MessageMedia, Recipient, Stage, Status};

/// How long a message may wait for its carrier, as `valid_until` of real bodies shows.
const VALIDITY: Duration = Duration::from_secs(60 * 60);

/// What a payload shows besides the message itself.
pub(crate) struct View<'a> {
    pub(crate) config: &'a SandboxConfig,
    pub(crate) organization_id: &'a str,
    pub(crate) own_numbers: &'a [PhoneNumber],
}

impl Message {
    /// The message at a point of its way.
    pub(crate) fn payload(&self, stage: Stage, view: &View<'_>) -> Value {
        let mut payload = self.shared_part(stage, view);
        let own_part = match self.direction {
            Direction::Inbound => self.inbound_part(),
            Direction::Outbound => self.outbound_part(stage),
        };
        if let (Value::Object(payload), Value::Object(own_part)) = (&mut payload, own_part) {
            payload.extend(own_part);
        }
        payload
    }

    /// The payload of `message.read`. Only RCS has receipts of reading, so the message looks like one.
    pub(crate) fn read_payload(&self, agent_id: &str, view: &View<'_>) -> Value {
        let to = |recipient: &Recipient| with_status(view.party(&recipient.number), "read");
        json!({
            "body": { "text": self.text.as_deref().unwrap_or_default() },
            "direction": "outbound",
            "from": { "agent_id": agent_id, "agent_name": self.from },
            "id": self.id,
            "messaging_profile_id": self.profile_id,
            "organization_id": view.organization_id,
            "record_type": "message",
            "to": self.recipients.iter().map(to).collect::<Vec<_>>(),
            "type": "RCS",
        })
    }

    fn shared_part(&self, stage: Stage, view: &View<'_>) -> Value {
        let to = |recipient: &Recipient| {
            with_status(view.party(&recipient.number), self.status(recipient, stage).as_str())
        };
        let url = |url: &Option<Url>| url.as_ref().map_or(Value::Null, |url| json!(url.as_str()));
        let digest_key = match self.direction {
            Direction::Inbound => view.config.media_digest_key.as_str(),
            Direction::Outbound => "sha256",
        };
        let text = self.text.as_deref().unwrap_or_default();
        json!({
            "cc": self.cc.iter().map(|number| view.cc(number)).collect::<Vec<_>>(),
            "encoding": self.coding.encoding.to_string(),
            "from": view.party(&self.from),
            "id": self.id,
            "media": self.media.iter().map(|item| item.shown(digest_key)).collect::<Vec<_>>(),
            "messaging_profile_id": self.profile_id,
            "num_chars": text.chars().count(),
            "organization_id": view.organization_id,
            "parts": self.parts(),
            "received_at": clock::format(self.received_at),
            "record_type": "message",
            "subject": self.subject,
            "tags": self.tags,
            "tcr_campaign_billable": false,
            "tcr_campaign_id": null,
            "tcr_campaign_registered": null,
            "text": text,
            "to": self.recipients.iter().map(to).collect::<Vec<_>>(),
            "type": if self.is_mms { "MMS" } else { "SMS" },
            "webhook_failover_url": url(&self.webhook_failover_url),
            "webhook_url": url(&self.webhook_url),
        })
    }

    fn inbound_part(&self) -> Value {
        json!({
            "autoresponse_type": self.keyword.map(Keyword::as_str),
            "completed_at": null,
            "cost": null,
            "cost_breakdown": null,
            "direction": "inbound",
            "errors": [],
            "is_spam": false,
            "sent_at": null,
            "valid_until": null,
        })
    }

    fn outbound_part(&self, stage: Stage) -> Value {
        let (cost, cost_breakdown) = self.shown_cost();
        let start = self.send_at().unwrap_or(self.received_at);
        let mut part = json!({
            "completed_at": self.shown_time(self.completed_at(stage)),
            "cost": cost,
            "cost_breakdown": cost_breakdown,
            "direction": "outbound",
            "errors": self.errors(stage),
            "sent_at": self.shown_time(self.sent_at(stage)),
            "smart_encoding_applied": self.coding.is_smart,
            "valid_until": self.shown_time(Some(clock::after(start, VALIDITY))),
        });
        if !self.is_cancelled() {
            part["wait_seconds"] = Value::Null;
        }
        if let Some(group_id) = self.group_id() {
            part["group_message_id"] = json!(group_id);
        }
        if let Some(keyword) = self.answers() {
            part["autoresponse_type"] = json!(keyword.as_str());
        }
        part
    }

    // A message that was cancelled has gone nowhere and never will.
    fn shown_time(&self, time: Option<Timestamp>) -> Value {
        time.filter(|_| !self.is_cancelled()).map_or(Value::Null, |time| json!(clock::format(time)))
    }

    fn sent_at(&self, stage: Stage) -> Option<Timestamp> {
        let has_left = |recipient: &&Recipient| {
            !matches!(self.status(recipient, stage), Status::Queued | Status::Scheduled)
        };
        let sent = self.recipients.iter().filter(has_left);
        let sent = sent.filter_map(|recipient| recipient.journey.as_ref());
        sent.filter(|journey| journey.final_status != Status::SendingFailed)
            .map(|journey| journey.sent_at)
            .min()
    }

    /// When the last copy ended, or the one that the stage is about.
    fn completed_at(&self, stage: Stage) -> Option<Timestamp> {
        let end = |recipient: &Recipient| recipient.journey.as_ref().and_then(|journey| journey.completed_at);
        match stage {
            Stage::Accepted | Stage::Sent => None,
            Stage::Finalized(place) => self.recipients.get(place).and_then(end),
            Stage::At(now) => {
                let ends: Option<Vec<_>> = self.recipients.iter().map(end).collect();
                ends.and_then(|ends| ends.into_iter().max()).filter(|end| now >= *end)
            }
        }
    }

    /// What went wrong with the copies that have ended.
    fn errors(&self, stage: Stage) -> Value {
        let ended = self.recipients.iter().filter_map(|recipient| {
            let journey = recipient.journey.as_ref()?;
            let has_ended = self.status(recipient, stage) == journey.final_status;
            journey.error.as_deref().filter(|_| has_ended).map(delivery_error)
        });
        json!(ended.collect::<Vec<_>>())
    }
}

impl MessageMedia {
    fn shown(&self, digest_key: &str) -> Value {
        json!({ "content_type": self.content_type, digest_key: self.sha256, "size": self.size, "url": self.url })
    }
}

impl View<'_> {
    pub(crate) fn party(&self, number: &str) -> Value {
        let line = self.config.carrier.line_of(number);
        let is_own = self.own_numbers.iter().any(|own| own.as_str() == number);
        let is_number = number.parse::<PhoneNumber>().is_ok();
        // Short codes and names come without carrier and line type.
        let (carrier, line_type) = match (is_own, line, is_number) {
            (true, _, _) => ("Telnyx", "Wireless"),
            (false, Some(line), _) => (line.carrier.as_str(), line.line_type.as_str()),
            (false, None, true) => ("Verizon Wireless", "Wireless"),
            (false, None, false) => ("", ""),
        };
        json!({ "carrier": carrier, "line_type": line_type, "phone_number": number })
    }

    fn cc(&self, number: &str) -> Value {
        if self.config.cc_as_strings { json!(number) } else { with_status(self.party(number), "delivered") }
    }
}

fn with_status(mut party: Value, status: &str) -> Value {
    party["status"] = json!(status);
    party
}

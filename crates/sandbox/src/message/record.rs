//! Messages that have ended, one record for each recipient, as Telnyx's reports count them.

use inlet_telnyx::PhoneNumber;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::account::{Account, World};
use crate::clock;
use crate::message::price::dollars;
use crate::message::{Direction, Message, Recipient, Stage, Status, number_plan};

/// One message as far as one recipient is concerned.
pub(crate) struct Record<'a> {
    pub(crate) message: &'a Message,
    pub(crate) recipient: &'a Recipient,
    /// How it ended, in the words of Telnyx's reports.
    pub(crate) status: &'static str,
}

impl World {
    /// What has ended by a time, oldest first.
    pub(crate) fn records(&self, now: Timestamp) -> impl DoubleEndedIterator<Item = Record<'_>> {
        self.messages.all_after(None).flat_map(move |message| {
            message.recipients.iter().filter_map(move |recipient| {
                Some(Record { message, recipient, status: ended(message, recipient, now)? })
            })
        })
    }
}

// What is under way has no record yet, and what was cancelled gets none.
fn ended(message: &Message, recipient: &Recipient, now: Timestamp) -> Option<&'static str> {
    match message.status(recipient, Stage::At(now)) {
        Status::WebhookDelivered => Some("received"),
        Status::Delivered => Some("delivered"),
        Status::DeliveryUnconfirmed | Status::Unknown => Some("dlr_unconfirmed"),
        Status::SendingFailed => Some("gw_reject"),
        Status::DeliveryFailed => Some("failed"),
        Status::Expired => Some("gw_timeout"),
        Status::Scheduled | Status::Queued | Status::Sent | Status::Cancelled => None,
    }
}

impl Record<'_> {
    pub(crate) fn direction(&self) -> &'static str {
        match self.message.direction {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        if self.message.is_mms { "MMS" } else { "SMS" }
    }

    /// Rate and cost for this recipient, in dollars.
    pub(crate) fn rate_and_cost(&self) -> (String, String) {
        let (rate, fee) = self.rate_and_fee();
        (dollars(rate), dollars(rate + fee))
    }

    fn rate_and_fee(&self) -> (u64, u64) {
        let (rate, fee) = self.message.rate_and_fee();
        let recipients = u64::try_from(self.message.recipients.len().max(1)).unwrap_or(1);
        (rate / recipients, fee / recipients)
    }

    /// The record as `GET /detail_records` shows it.
    pub(crate) fn detailed(&self, world: &World, account: &Account) -> Value {
        let Record { message, recipient, .. } = self;
        let (own, other) = match message.direction {
            Direction::Inbound => (&recipient.number, &message.from),
            Direction::Outbound => (&message.from, &recipient.number),
        };
        let journey = recipient.journey.as_ref();
        let (sent_at, completed_at) =
            (journey.map(|journey| journey.sent_at), journey.and_then(|journey| journey.completed_at));
        let (rate, cost) = self.rate_and_cost();
        let mut shown = json!({
            "carrier": account.view().party(other)["carrier"],
            "carrier_fee": dollars(self.rate_and_fee().1),
            "cld": recipient.number,
            "cli": message.from,
            "cost": cost,
            "created_at": clock::format(message.received_at),
            "currency": "USD",
            "direction": self.direction(),
            "errors": journey.and_then(|journey| journey.error.as_ref()).into_iter().collect::<Vec<_>>(),
            "fteu": false,
            "message_type": self.kind(),
            "on_net": account.owns(own) && account.owns(other),
            "parts": message.parts(),
            "profile_id": message.profile_id,
            "rate": rate,
            "record_type": "message_detail_record",
            "status": self.status,
            "tags": tags(world, own),
            "updated_at": clock::format(completed_at.unwrap_or(message.received_at)),
            "user_id": account.identity.organization_id,
            "uuid": message.id,
        });
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                shown[name] = json!(value);
            }
        };
        add("completed_at", completed_at.map(clock::format));
        add("sent_at", sent_at.map(clock::format));
        add("country_code", country(&recipient.number));
        add("source_country_code", country(&message.from));
        add("profile_name", world.profile(&message.profile_id).map(|profile| profile.name.clone()));
        add("delivery_status_webhook_url", message.webhook_url.as_ref().map(ToString::to_string));
        add("delivery_status_failover_url", message.webhook_failover_url.as_ref().map(ToString::to_string));
        shown
    }
}

fn country(number: &str) -> Option<String> {
    let number: PhoneNumber = number.parse().ok()?;
    number_plan::country(&number).map(str::to_owned)
}

fn tags(world: &World, own: &str) -> String {
    let number = own.parse().ok().and_then(|number| world.number(&number));
    number.map(|number| number.tags.join(",")).unwrap_or_default()
}

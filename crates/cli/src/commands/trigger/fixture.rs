//! The events that `inlet trigger` knows: each a file of its own, with blanks, and a line that explains it.

use serde_json::Value;

use super::blanks::Blanks;
use crate::exit::{Exit, Failure};
use crate::nearest::nearest;

/// One event that can be triggered by name.
#[derive(Debug)]
pub(super) struct Fixture {
    /// Its event type, with a variant behind it; `odd.` begins the shapes that few expect.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) about: &'static str,
    text: &'static str,
}

macro_rules! fixtures {
    ($($name:literal: $about:literal,)*) => {
        &[$(Fixture {
            name: $name,
            about: $about,
            text: include_str!(concat!("../../../fixtures/events/", $name, ".json")),
        },)*]
    };
}

/// Every fixture, in the order in which they are listed.
pub(super) const ALL: &[Fixture] = fixtures! {
    "message.received": "an inbound SMS with every member that is documented or was seen",
    "message.received.mms": "an inbound MMS: a picture and its SMIL part",
    "message.received.group": "an inbound group MMS: `cc` of plain strings, our own number among them",
    "message.received.stop": "an opt-out that Telnyx has answered (`autoresponse_type`)",
    "message.received.start": "an opt-in that Telnyx has answered",
    "message.received.help": "a HELP that Telnyx has answered",
    "message.received.rcs": "an inbound RCS text (`body.text`)",
    "message.received.rcs.file": "an inbound RCS file with its thumbnail",
    "message.received.rcs.location": "an inbound RCS location",
    "message.received.rcs.suggestion": "the answer to an RCS suggestion",
    "message.received.whatsapp": "an inbound WhatsApp message, in the shape of the others",
    "message.sent": "an outbound SMS was handed to the carrier",
    "message.sent.mms": "an outbound MMS was handed to the carrier; nothing is known of its media",
    "message.finalized": "an outbound SMS was delivered",
    "message.finalized.failed": "an outbound SMS could not be delivered (40008)",
    "message.finalized.sending-failed": "an outbound SMS was blocked by a STOP (40300)",
    "message.finalized.unconfirmed": "an outbound SMS whose delivery nobody confirmed",
    "message.finalized.expired": "an outbound SMS that waited too long (40014)",
    "message.finalized.group": "one recipient's receipt of a group MMS",
    "message.finalized.whatsapp": "a WhatsApp template message was delivered",
    "message.read": "an RCS message was read",
    "messaging-profile.spend-limit-reached": "the profile's daily limit is used up",
    "10dlc.brand.update": "a brand is known to the registry",
    "10dlc.campaign.update": "a campaign was registered",
    "10dlc.campaign.update.failed": "a campaign was refused, with the reasons",
    "10dlc.phone_number.update": "a number was assigned to a campaign",
    "messaging_hosted_numbers_orders.created": "a hosted number was ordered",
    "messaging_hosted_numbers_orders.updated": "the order of a hosted number has moved on",
    "messaging_hosted_numbers_orders.deleted": "the order of a hosted number was deleted",
    "messaging_hosted_numbers_orders.internal_transfer_detected": "the number is another Telnyx account's",
    "messaging_hosted_numbers_orders.internal_transfer_approval_requested": "its owner is asked",
    "messaging_hosted_numbers_orders.internal_transfer_approved": "its owner agrees",
    "messaging_hosted_numbers_orders.internal_transfer_rejected": "its owner refuses",
    "messaging_hosted_numbers_orders.internal_transfer_auto_approved": "its owner was silent for too long",
    "number_order.complete": "an order of numbers is complete",
    "whatsapp.template.approved": "a template was approved (no `data`, no id)",
    "whatsapp.template.rejected": "a template was rejected",
    "whatsapp.template.disabled": "a template was disabled",
    "whatsapp.phone_number.quality_changed": "the quality of a number has changed",
    "whatsapp.account.restricted": "the account was restricted",
    "link_clicked": "somebody followed a shortened link (no event type, no id)",
    "link_clicked.flat": "the same without `data`",
    "campaign.status": "a campaign's status, flat: no `data`, no event type",
    "odd.to-as-string": "`to` is a string, as in 2019",
    "odd.to-as-object": "`to` is one object instead of a list",
    "odd.from-as-string": "`from` is a string",
    "odd.cc-as-objects": "`cc` of objects, our own number among them",
    "odd.empty-text": "an MMS whose text is \"\", with its digest named `hash_sha256`",
    "odd.null-text": "an MMS whose text is null",
    "odd.newlines": "a text that begins and ends with line ends",
    "odd.sha256": "an attachment whose digest is named `sha256`",
    "odd.media-without-facts": "an attachment of unknown type, size and digest",
    "odd.short-code": "the sender is a short code with a plus",
    "odd.alphanumeric-sender": "the sender is a word",
    "odd.ten-digits": "the sender has ten digits and no country",
    "odd.compact": "JSON in one line",
    "odd.no-meta": "no `meta`",
    "odd.attempt-as-text": "`meta.attempt` is a string",
    "odd.cost-as-number": "the amount of `cost` is a number",
    "odd.id-not-uuid": "ids that are no UUIDs",
    "odd.no-ids": "an MMS without any id: two of them are the same event",
    "odd.stop-without-ids": "an opt-out without any id",
    "odd.curl": "what the troubleshooting page lets people post",
    "odd.test": "{\"test\": true}",
    "odd.unknown-event": "an event type, statuses and members that nobody knows yet",
    "odd.message-delivered": "an event type that some guides name and Telnyx does not send",
    "odd.sent-still-queued": "`message.sent` whose recipient is still queued",
    "odd.v1-inbound": "an inbound SMS of webhook API version 1, signed as version 2",
    "odd.v1-delivery-status": "a receipt of webhook API version 1, signed as version 2",
};

impl Fixture {
    /// The one of this name.
    pub(super) fn named(name: &str) -> Result<&'static Self, Failure> {
        ALL.iter().find(|fixture| fixture.name == name).ok_or_else(|| {
            let near = nearest(name, ALL.iter().map(|fixture| fixture.name));
            let near =
                near.or_else(|| ALL.iter().map(|fixture| fixture.name).find(|known| known.contains(name)));
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            let message = format!("there is no event `{}`{hint}", name.escape_debug());
            Failure::new(Exit::Usage, message, "`inlet trigger --list` shows them all; --raw sends any file")
        })
    }

    /// Its body, with the blanks filled.
    pub(super) fn body(&self, blanks: &mut Blanks<'_>) -> Value {
        let mut body = serde_json::from_str(self.text).expect("every fixture is JSON, which a test holds");
        blanks.fill(&mut body);
        body
    }

    /// Writes a body as the fixture is written: in one line, or indented by two with sorted keys as Telnyx does.
    pub(super) fn write(&self, body: &Value) -> Vec<u8> {
        let is_one_line = !self.text.trim_end().contains('\n');
        let bytes = if is_one_line { serde_json::to_vec(body) } else { serde_json::to_vec_pretty(body) };
        bytes.expect("a JSON value always serialises")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use inlet_domain::Timestamp;

    use super::super::blanks::Belongings;
    use super::*;
    use crate::entropy::SystemEntropy;

    fn filled(fixture: &Fixture) -> Value {
        let belongings = Belongings::default();
        fixture.body(&mut Blanks::new(&belongings, Timestamp::from_seconds(1_700_000_000), &SystemEntropy))
    }

    #[test]
    fn every_file_is_listed_and_every_name_is_unique() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/events");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let files: BTreeSet<String> = files.map(|name| name.into_string().unwrap()).collect();
        let listed: BTreeSet<String> = ALL.iter().map(|fixture| format!("{}.json", fixture.name)).collect();
        assert_eq!(files, listed);
        assert_eq!(listed.len(), ALL.len());
    }

    #[test]
    fn no_blank_stays_open() {
        for fixture in ALL {
            let body = filled(fixture).to_string();
            assert!(!body.contains("\"$"), "{}: {body}", fixture.name);
        }
    }

    #[test]
    fn a_fixture_is_sent_in_the_layout_of_its_file() {
        for fixture in ALL {
            let unfilled: Value = serde_json::from_str(fixture.text).unwrap();
            let written = String::from_utf8(fixture.write(&unfilled)).unwrap();
            assert_eq!(written, fixture.text.trim_end(), "{}", fixture.name);
        }
    }

    #[test]
    fn names_say_the_event_type() {
        for fixture in ALL.iter().filter(|fixture| !fixture.name.starts_with("odd.")) {
            let body = filled(fixture);
            let event_type = body.pointer("/data/event_type").or(body.get("event_type"));
            if let Some(event_type) = event_type.and_then(Value::as_str) {
                assert!(fixture.name.starts_with(event_type), "{}", fixture.name);
            }
        }
    }

    #[test]
    fn a_slip_is_told_the_name_that_was_meant() {
        let told = |name| Fixture::named(name).unwrap_err().to_string();
        assert!(told("message.recieved").contains("did you mean `message.received`?"));
        assert!(told("mms").contains("did you mean `message.received.mms`?"));
        assert_eq!(told("elephant"), "there is no event `elephant`");
    }
}

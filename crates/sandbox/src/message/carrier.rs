//! The carriers beyond Telnyx: what line a number is, how long a message takes, how it ends.

use std::time::Duration;

use inlet_telnyx::ApiError;
use jiff::Timestamp;

use crate::account::{Account, World};
use crate::clock;
use crate::fault::{CarrierOutcome, FaultEffect, Subject};
use crate::message::{Journey, Status};

/// How carriers treat messages.
#[derive(Debug, Clone, PartialEq)]
pub struct CarrierSettings {
    /// Numbers that are not ordinary mobile phones. The first line whose suffix fits counts.
    pub lines: Vec<Line>,
    /// `message.sent` comes up to this much later than its fixed delay.
    pub sent_jitter: Duration,
    /// `message.finalized` comes up to this much later than its fixed delay.
    pub finalized_jitter: Duration,
    /// How likely `message.finalized` is delivered before `message.sent`, from 0 to 1.
    pub finalized_overtakes: f64,
    /// Whether Telnyx answers STOP, START and HELP with a text of its own.
    pub answers_keywords: bool,
    /// Whether phones report the end of a group message. Telnyx's help page says that theirs stays `unknown`.
    pub group_phones_report: bool,
    /// Whether `cc` of an inbound group message names the number that got it, too. Telnyx's guide says "all other
    /// participants", and its sample has the number itself.
    pub cc_includes_own_number: bool,
    /// Whether the answer to a cancellation has a `data` envelope. Telnyx's API description has none.
    pub cancel_in_envelope: bool,
    /// Whether the profile's URL is tried after the request's own, as Telnyx's API description says. Its guide says
    /// that the request's URLs take the place of the profile's.
    pub profile_webhooks_back_up: bool,
    /// The parts beyond which `auto_detect` refuses a text (error 40328). Telnyx does not publish its number.
    pub recommended_parts: usize,
}

impl Default for CarrierSettings {
    fn default() -> Self {
        Self {
            lines: Line::magic(),
            sent_jitter: Duration::ZERO,
            finalized_jitter: Duration::ZERO,
            finalized_overtakes: 0.0,
            answers_keywords: true,
            group_phones_report: false,
            cc_includes_own_number: false,
            cancel_in_envelope: false,
            profile_webhooks_back_up: false,
            recommended_parts: 4,
        }
    }
}

impl CarrierSettings {
    /// The line that a number is, if it is no ordinary mobile phone.
    pub(crate) fn line_of(&self, number: &str) -> Option<&Line> {
        self.lines.iter().find(|line| number.ends_with(&line.suffix))
    }
}

/// A number, or a range of them, whose messages go another way than to a mobile phone that takes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The digits that its numbers end with.
    pub suffix: String,
    /// Who runs it.
    pub carrier: String,
    /// What it is.
    pub line_type: LineType,
    /// How messages to it end.
    pub end: LineEnd,
}

/// What kind of line a number is, in Telnyx's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineType {
    /// A mobile phone.
    Wireless,
    /// A landline.
    Wireline,
    /// A phone on the internet.
    Voip,
}

impl LineType {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Wireless => "Wireless",
            Self::Wireline => "Wireline",
            Self::Voip => "VoIP",
        }
    }
}

/// How messages to a line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineEnd {
    /// They arrive.
    Delivered,
    /// They do not.
    Fails {
        /// What the status says.
        outcome: CarrierOutcome,
        /// Telnyx's error code; empty when there is none.
        code: String,
    },
    /// They are sent, and nothing is heard of them again: no `message.finalized`.
    Silent,
}

impl Line {
    /// The numbers that misbehave unless settings say otherwise: the last ten of the range that North America
    /// reserves for fiction (555-0100 to 555-0199), in any area code.
    pub fn magic() -> Vec<Self> {
        use CarrierOutcome::{DeliveryFailed, DeliveryUnconfirmed, Expired, SendingFailed};
        let fails = |outcome, code: &str| LineEnd::Fails { outcome, code: code.to_owned() };
        let line = |suffix: &str, line_type, end| Self {
            suffix: suffix.to_owned(),
            carrier: if line_type == LineType::Wireless { "Verizon Wireless" } else { "Bandwidth" }
                .to_owned(),
            line_type,
            end,
        };
        vec![
            line("5550190", LineType::Wireline, fails(DeliveryFailed, "40001")),
            line("5550191", LineType::Wireless, fails(DeliveryFailed, "40008")),
            line("5550192", LineType::Wireless, fails(Expired, "40005")),
            line("5550193", LineType::Wireless, fails(SendingFailed, "40004")),
            line("5550194", LineType::Wireless, fails(DeliveryUnconfirmed, "")),
            line("5550195", LineType::Wireless, fails(DeliveryFailed, "40002")),
            line("5550196", LineType::Wireless, fails(DeliveryFailed, "40003")),
            line("5550197", LineType::Wireless, fails(SendingFailed, "40012")),
            line("5550198", LineType::Wireless, LineEnd::Silent),
            line("5550199", LineType::Voip, LineEnd::Delivered),
        ]
    }
}

impl From<CarrierOutcome> for Status {
    fn from(outcome: CarrierOutcome) -> Self {
        match outcome {
            CarrierOutcome::SendingFailed => Self::SendingFailed,
            CarrierOutcome::DeliveryFailed => Self::DeliveryFailed,
            CarrierOutcome::DeliveryUnconfirmed => Self::DeliveryUnconfirmed,
            CarrierOutcome::Expired => Self::Expired,
        }
    }
}

impl Account {
    /// When a message that leaves at a time is in the carrier's hands.
    pub(crate) fn sent_at(&self, world: &mut World, leaves_at: Timestamp) -> Timestamp {
        let config = &self.host.config;
        let jitter = world.random.duration("sent delay", config.carrier.sent_jitter);
        clock::after(leaves_at, config.sent_delay.saturating_add(jitter))
    }

    /// Decides how a copy that the carrier takes at a time ends.
    pub(crate) fn journey(
        &self,
        world: &mut World,
        (from, to): (&str, &str),
        is_group: bool,
        sent_at: Timestamp,
    ) -> Journey {
        let config = &self.host.config;
        let jitter = world.random.duration("finalized delay", config.carrier.finalized_jitter);
        let end = clock::after(sent_at, config.finalized_delay.saturating_add(jitter));
        let numbers = [from.to_owned(), to.to_owned()];
        let fault = world.faults.strike(
            &mut world.random,
            Subject { numbers: &numbers, event_type: None },
            |effect| match effect {
                FaultEffect::CarrierFailure { outcome, code } => Some((*outcome, code.clone())),
                _ => None,
            },
        );
        let line_end = match fault {
            Some((outcome, code)) => LineEnd::Fails { outcome, code },
            None if self.owns(to) && !is_reachable(world, to) => {
                LineEnd::Fails { outcome: CarrierOutcome::DeliveryFailed, code: "40008".to_owned() }
            }
            None if self.owns(to) => LineEnd::Delivered,
            None => config.carrier.line_of(to).map_or(LineEnd::Delivered, |line| line.end.clone()),
        };
        let (final_status, error) = match line_end {
            LineEnd::Fails { outcome, code } => (Status::from(outcome), Some(code)),
            LineEnd::Silent => (Status::Sent, None),
            LineEnd::Delivered if is_group && !self.owns(to) && !config.carrier.group_phones_report => {
                (Status::Unknown, None)
            }
            LineEnd::Delivered => (Status::Delivered, None),
        };
        let completed_at = (final_status != Status::Sent).then_some(end);
        let error = error.filter(|code| !code.is_empty());
        Journey { sent_at, completed_at, final_status, error }
    }
}

/// A number of the account gets messages only while it is on a profile.
fn is_reachable(world: &World, own: &str) -> bool {
    own.parse().is_ok_and(|number| world.profile_of(&number).is_some())
}

/// An item of a message's own `errors`, for a copy that did not arrive.
pub(crate) fn delivery_error(code: &str) -> ApiError {
    let (title, detail) = match code {
        "40001" => ("Not routable", "The number is a landline or cannot be reached by any carrier."),
        "40002" => ("Blocked as spam - temporary", "The carrier takes the message for spam, for now."),
        "40003" => ("Blocked as spam - permanent", "The carrier takes the message for spam."),
        "40004" => ("Rejected by destination", "The recipient's carrier rejected the message."),
        "40005" => ("Message expired during transmission", "The message was on its way for too long."),
        "40006" => ("Recipient server unavailable", "The recipient's carrier cannot be reached."),
        "40008" => ("Undeliverable", "The recipient's carrier cannot deliver the message."),
        "40012" => ("Invalid messaging destination number", "The number does not exist."),
        "40014" => ("Message expired in queue", "The message was queued for too long."),
        "40300" => ("Blocked due to STOP message", "The recipient opted out before the message went out."),
        _ => ("Message was not delivered", "The sandbox was asked to let this message fail."),
    };
    ApiError { code: code.to_owned(), title: title.to_owned(), detail: Some(detail.to_owned()), source: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magic_numbers_are_the_last_ten_of_the_reserved_range() {
        let settings = CarrierSettings::default();
        let magic = |number: &str| settings.line_of(number).map(|line| line.end.clone());
        for number in ["+12025550100", "+12025550189", "+15551234567", "+15559876543"] {
            assert_eq!(magic(number), None, "{number}");
        }
        assert_eq!(magic("+13125550198"), Some(LineEnd::Silent));
        assert_eq!(settings.line_of("+13125550190").unwrap().line_type, LineType::Wireline);
        assert!((5_550_190..=5_550_199).all(|end| magic(&format!("+1312{end}")).is_some()));
    }
}

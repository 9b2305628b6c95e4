//! Misbehaviour on request: which faults are active, whom they concern, how often they strike.

mod syntax;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use crate::random::Randomness;

/// Copies of one event beyond itself; more would only fill memory.
const MAX_COPIES: u32 = 1000;
/// Faults at one time; each is asked at every occasion.
const MAX_FAULTS: usize = 1000;

/// One active fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct Fault {
    /// What goes wrong.
    #[serde(flatten)]
    pub effect: FaultEffect,
    /// Whom it concerns; everybody when empty.
    #[serde(rename = "match")]
    pub subject: FaultMatch,
    /// How many more times it strikes; for ever when absent.
    pub count: Option<u32>,
    /// How likely it strikes where it could, from 0 to 1.
    pub probability: f64,
    /// How often it has struck; kept by the sandbox.
    pub hits: u64,
}

impl Fault {
    /// A fault that strikes always and everybody.
    pub fn new(effect: FaultEffect) -> Self {
        Self { effect, subject: FaultMatch::default(), count: None, probability: 1.0, hits: 0 }
    }

    /// The same fault, striking so many times.
    pub fn times(mut self, count: u32) -> Self {
        self.count = Some(count);
        self
    }

    /// The same fault, for messages from or to one number.
    pub fn for_number(mut self, number: impl Into<String>) -> Self {
        self.subject.number = Some(number.into());
        self
    }
}

/// Whom a fault concerns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultMatch {
    /// Only what is from or to this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Only webhooks of this event type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultEffect {
    /// The API answers with this status and does nothing.
    ApiStatus {
        /// HTTP status, 400 to 599.
        status: u16,
        /// Telnyx's error code; derived from the status when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        /// Value of a `retry-after` header.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_seconds: Option<u64>,
    },
    /// The API takes the request, does nothing and never answers.
    ApiHang {},
    /// The API accepts the message, sends its receipts, and cuts the connection without an answer.
    ApiDropAfterAccept {},
    /// The API accepts the message, sends its receipts, and never answers.
    ApiHangAfterAccept {},
    /// The API answers later.
    ApiDelay {
        /// How much later.
        delay_ms: u64,
    },
    /// The connection to the API is cut before anything is done.
    ApiCut {},
    /// The carrier does not deliver the message.
    CarrierFailure {
        /// How the message ends.
        outcome: CarrierOutcome,
        /// Telnyx's error code, for example `40008`.
        code: String,
    },
    /// Sends to the number are refused as if it had texted STOP.
    BlockStop {},
    /// The event is sent this many times more, all at once, with the same id.
    WebhookDuplicate {
        /// Further copies.
        #[serde(default = "one")]
        copies: u32,
    },
    /// The event is never sent.
    WebhookDrop {},
    /// The event is sent later.
    WebhookDelay {
        /// How much later.
        delay_ms: u64,
    },
    /// The event is held back until the next one has been tried, so that a receiver gets them in the wrong order.
    WebhookReorder {
        /// How long it waits at most, should no other event come.
        #[serde(default = "two_seconds_ms")]
        max_wait_ms: u64,
    },
    /// The attempt is signed with a stranger's key.
    WrongSignature {},
    /// The attempt is signed with an old time.
    StaleTimestamp {
        /// How old.
        #[serde(default = "an_hour")]
        seconds: u32,
    },
    /// The attempt is signed with a time that has not come.
    FutureTimestamp {
        /// How far ahead.
        #[serde(default = "an_hour")]
        seconds: u32,
    },
    /// The body is altered after it was signed.
    AlteredBody {},
    /// The media host answers with this status.
    MediaStatus {
        /// HTTP status, 400 to 599.
        status: u16,
    },
    /// The media host sends slowly.
    MediaSlow {
        /// How slowly.
        bytes_per_second: u32,
    },
    /// The media host cuts the connection after half of the content.
    MediaTruncate {},
    /// The media host sends other bytes of the same length, so that the digest is wrong.
    MediaCorrupt {},
    /// The media host redirects.
    MediaRedirect {
        /// Where to.
        url: Url,
    },
}

impl FaultEffect {
    /// Its name in JSON and in flags.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::ApiStatus { .. } => "api_status",
            Self::ApiHang {} => "api_hang",
            Self::ApiDropAfterAccept {} => "api_drop_after_accept",
            Self::ApiHangAfterAccept {} => "api_hang_after_accept",
            Self::ApiDelay { .. } => "api_delay",
            Self::ApiCut {} => "api_cut",
            Self::CarrierFailure { .. } => "carrier_failure",
            Self::BlockStop {} => "block_stop",
            Self::WebhookDuplicate { .. } => "webhook_duplicate",
            Self::WebhookDrop {} => "webhook_drop",
            Self::WebhookDelay { .. } => "webhook_delay",
            Self::WebhookReorder { .. } => "webhook_reorder",
            Self::WrongSignature {} => "wrong_signature",
            Self::StaleTimestamp { .. } => "stale_timestamp",
            Self::FutureTimestamp { .. } => "future_timestamp",
            Self::AlteredBody {} => "altered_body",
            Self::MediaStatus { .. } => "media_status",
            Self::MediaSlow { .. } => "media_slow",
            Self::MediaTruncate {} => "media_truncate",
            Self::MediaCorrupt {} => "media_corrupt",
            Self::MediaRedirect { .. } => "media_redirect",
        }
    }
}

/// How a message ends that its carrier does not deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CarrierOutcome {
    /// It never left; there is no `message.sent`.
    SendingFailed,
    /// The carrier said no.
    DeliveryFailed,
    /// The carrier said nothing.
    DeliveryUnconfirmed,
    /// It was not out of the queue in time.
    Expired,
}

/// Why a fault cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFault {
    /// A field is unknown, missing or of the wrong type.
    #[error("fault is not understood: {reason}")]
    Shape {
        /// What is wrong with it.
        reason: String,
    },
    /// A probability lies outside 0 to 1.
    #[error("`probability` of a fault is not between 0 and 1")]
    Probability,
    /// A status is not one of an error.
    #[error("`status` {status} of a fault is not between 400 and 599")]
    Status {
        /// The status as given.
        status: u16,
    },
    /// Each copy takes memory.
    #[error("`copies` of a fault is more than {MAX_COPIES}")]
    Copies,
    /// A speed of nothing would never end.
    #[error("`bytes_per_second` of a fault is zero")]
    Speed,
    /// Each fault is asked at every occasion.
    #[error("there are {MAX_FAULTS} faults at most; end some with `DELETE /sandbox/v1/faults` first")]
    TooMany,
}

impl Fault {
    fn check(self) -> Result<Self, InvalidFault> {
        if !(0.0..=1.0).contains(&self.probability) {
            return Err(InvalidFault::Probability);
        }
        match self.effect {
            FaultEffect::ApiStatus { status, .. } | FaultEffect::MediaStatus { status }
                if !(400..600).contains(&status) =>
            {
                Err(InvalidFault::Status { status })
            }
            FaultEffect::WebhookDuplicate { copies } if copies > MAX_COPIES => Err(InvalidFault::Copies),
            FaultEffect::MediaSlow { bytes_per_second: 0 } => Err(InvalidFault::Speed),
            _ => Ok(self),
        }
    }
}

// Written by hand because serde cannot refuse unknown fields of a flattened part.
impl TryFrom<Map<String, Value>> for Fault {
    type Error = InvalidFault;

    fn try_from(mut fields: Map<String, Value>) -> Result<Self, Self::Error> {
        let shape = |error: serde_json::Error| InvalidFault::Shape { reason: error.to_string() };
        let mut take = |name: &str| fields.remove(name).filter(|value| !value.is_null());
        let subject = take("match").map(serde_json::from_value).transpose().map_err(shape)?;
        let count = take("count").map(serde_json::from_value).transpose().map_err(shape)?;
        let probability = take("probability").map(serde_json::from_value).transpose().map_err(shape)?;
        // What `GET faults` shows can be put back as it is.
        let hits = take("hits").map(serde_json::from_value).transpose().map_err(shape)?;
        let effect = serde_json::from_value(Value::Object(fields)).map_err(shape)?;
        let subject = subject.unwrap_or_default();
        Self { effect, subject, count, probability: probability.unwrap_or(1.0), hits: hits.unwrap_or(0) }
            .check()
    }
}

fn one() -> u32 {
    1
}

fn two_seconds_ms() -> u64 {
    2000
}

fn an_hour() -> u32 {
    3600
}

/// What a fault is asked about.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Subject<'a> {
    pub(crate) numbers: &'a [String],
    pub(crate) event_type: Option<&'a str>,
}

/// The active faults, in the order in which they were given.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FaultList {
    faults: Vec<Fault>,
}

impl FaultList {
    pub(crate) fn new(faults: Vec<Fault>) -> Self {
        Self { faults }
    }

    pub(crate) fn replace(&mut self, faults: Vec<Fault>) -> Result<(), InvalidFault> {
        if faults.len() > MAX_FAULTS {
            return Err(InvalidFault::TooMany);
        }
        self.faults = faults;
        Ok(())
    }

    pub(crate) fn add(&mut self, fault: Fault) -> Result<(), InvalidFault> {
        if self.faults.len() >= MAX_FAULTS {
            return Err(InvalidFault::TooMany);
        }
        self.faults.push(fault);
        Ok(())
    }

    pub(crate) fn clear(&mut self) {
        self.faults.clear();
    }

    pub(crate) fn all(&self) -> &[Fault] {
        &self.faults
    }

    /// The first fault that `pick` recognises, that concerns the subject, and whose dice say yes. The dice of each
    /// kind are thrown one after the other, so this is for what happens in the order of calls.
    pub(crate) fn strike<T>(
        &mut self,
        random: &mut Randomness,
        subject: Subject<'_>,
        pick: impl Fn(&FaultEffect) -> Option<T>,
    ) -> Option<T> {
        let dice = |_: usize, fault: &Fault| random.happens(fault.effect.kind(), fault.probability);
        self.strike_with(subject, |fault| pick(&fault.effect), dice)
    }

    /// The same for what happens at its own time: the dice belong to the occasion, whatever happens before.
    pub(crate) fn strike_at<T>(
        &mut self,
        random: &Randomness,
        subject: Subject<'_>,
        occasion: &str,
        pick: impl Fn(&Fault) -> Option<T>,
    ) -> Option<T> {
        let dice = |place: usize, fault: &Fault| {
            let occasion = format!("fault {place} {} {occasion}", fault.effect.kind());
            random.happens_at(&occasion, fault.probability)
        };
        self.strike_with(subject, pick, dice)
    }

    fn strike_with<T>(
        &mut self,
        subject: Subject<'_>,
        pick: impl Fn(&Fault) -> Option<T>,
        mut dice: impl FnMut(usize, &Fault) -> bool,
    ) -> Option<T> {
        for (place, fault) in self.faults.iter_mut().enumerate() {
            let Some(picked) = pick(fault) else { continue };
            if fault.count == Some(0) || !fault.subject.concerns(subject) {
                continue;
            }
            if fault.probability < 1.0 && !dice(place, fault) {
                continue;
            }
            fault.count = fault.count.map(|count| count - 1);
            fault.hits += 1;
            return Some(picked);
        }
        None
    }
}

impl FaultMatch {
    fn concerns(&self, subject: Subject<'_>) -> bool {
        let number = self.number.as_ref().is_none_or(|number| subject.numbers.contains(number));
        let event_type = self.event_type.as_deref().is_none_or(|wanted| subject.event_type == Some(wanted));
        number && event_type
    }
}

//! Reads and checks a request to send a message, in the order that gives one clear error each.

mod content;
mod fields;
mod sender;

use inlet_telnyx::{Address, PhoneNumber};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::account::profile::{Profile, WebhookApiVersion};
use crate::account::{Account, World};
use crate::field::{missing, text};
use crate::message::carrier::LineType;
use crate::message::{Coding, MessageMedia, number_plan, pool, schedule};
use crate::refusal::Refusal;
use crate::webhook::route::Route;
use content::Content;
use fields::{check_names, flag, given, optional_text, texts, url};
use sender::Sender;

pub(crate) use fields::json_object;

/// Recipients of one group message (Telnyx's guide).
const MAX_GROUP: usize = 8;

/// The calls by which messages are sent. Each wants something else of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Any,
    LongCode,
    ShortCode,
    NumberPool,
    Group,
    Alphanumeric,
    Schedule,
}

impl Endpoint {
    /// The path under `/v2`.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Any => "/messages",
            Self::LongCode => "/messages/long_code",
            Self::ShortCode => "/messages/short_code",
            Self::NumberPool => "/messages/number_pool",
            Self::Alphanumeric => "/messages/alphanumeric_sender_id",
            Self::Group => "/messages/group_mms",
            Self::Schedule => "/messages/schedule",
        }
    }
}

/// A message that may be sent, as far as its own content and its profile go.
pub(crate) struct SendRequest {
    pub(crate) from: String,
    pub(crate) to: Vec<PhoneNumber>,
    pub(crate) text: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) media: Vec<MessageMedia>,
    pub(crate) is_mms: bool,
    pub(crate) coding: Coding,
    pub(crate) is_group: bool,
    pub(crate) tags: Vec<String>,
    pub(crate) profile_id: String,
    pub(crate) route: Route,
    pub(crate) send_at: Option<Timestamp>,
}

impl SendRequest {
    /// Checks a body: shape, addresses, profile, destination, content, time. A pool then chooses the sender.
    pub(crate) fn check(
        endpoint: Endpoint,
        body: &Map<String, Value>,
        world: &mut World,
        account: &Account,
    ) -> Result<Self, Refusal> {
        check_names(body)?;
        let to = recipients(endpoint, body)?;
        let mut sender = Sender::read(endpoint, body, world)?;
        let own_route =
            Route { primary: url(body, "webhook_url")?, failover: url(body, "webhook_failover_url")? };
        let profile = sender.profile(body, world)?.clone();
        for number in &to {
            check_destination(endpoint, number, &profile)?;
            check_line(number, &profile, account)?;
            sender = sender.for_destination(number, &profile, world)?;
        }
        let takes_media = sender.takes_media(world);
        let content = Content::check(endpoint, body, (&to, takes_media), &profile, world, account)?;
        let send_at = send_at(endpoint, body, account.clock.now())?;
        let backs_up = account.host.config.carrier.profile_webhooks_back_up;
        let (route, subject) = (route(own_route, &profile, body, backs_up)?, optional_text(body, "subject")?);
        let tags = texts(body, "tags")?;
        let from = match (sender, to.first()) {
            (Sender::Pool, Some(to)) => pool::choose(world, &profile, to, content.is_mms)?.to_string(),
            (sender, _) => sender.address().to_owned(),
        };
        Ok(Self {
            from,
            to,
            text: content.text,
            subject,
            media: content.media,
            is_mms: content.is_mms,
            coding: content.coding,
            is_group: endpoint == Endpoint::Group,
            tags,
            profile_id: profile.id,
            route,
            send_at,
        })
    }
}

fn recipients(endpoint: Endpoint, body: &Map<String, Value>) -> Result<Vec<PhoneNumber>, Refusal> {
    let value = given(body, "to").ok_or_else(|| missing("to"))?;
    if endpoint != Endpoint::Group {
        return Ok(vec![recipient(value)?]);
    }
    let items = value.as_array().ok_or_else(|| {
        Refusal::new("10026", "`to` of a group message should be a list of numbers.").at("/to")
    })?;
    let numbers: Vec<PhoneNumber> = items.iter().map(recipient).collect::<Result<_, _>>()?;
    let is_repeated = |(place, number): (usize, &PhoneNumber)| numbers[..place].contains(number);
    if !(1..=MAX_GROUP).contains(&numbers.len()) || numbers.iter().enumerate().any(is_repeated) {
        let detail = format!("A group message goes to 1 to {MAX_GROUP} different numbers.");
        return Err(Refusal::new("10033", detail).at("/to"));
    }
    Ok(numbers)
}

fn recipient(value: &Value) -> Result<PhoneNumber, Refusal> {
    match Address::parse(text(value, "/to")?) {
        Address::Number(number) => Ok(number),
        Address::ShortCode(code) => {
            Err(Refusal::new("40301", format!("A message cannot be sent to the short code '{code}'."))
                .at("/to"))
        }
        Address::Alphanumeric(_) | Address::Empty => {
            Err(Refusal::new("40310", "The 'to' address should be an E.164 number, as +15551234567.")
                .at("/to"))
        }
    }
}

fn check_destination(endpoint: Endpoint, number: &PhoneNumber, profile: &Profile) -> Result<(), Refusal> {
    if profile.whitelisted_destinations.is_empty() {
        let detail = "The messaging profile allows no destinations; see its whitelisted_destinations.";
        return Err(Refusal::new("40331", detail).at("/to"));
    }
    if !number_plan::is_allowed(number, &profile.whitelisted_destinations) {
        let detail = format!(
            "The messaging profile does not allow messages to '{number}'; see its whitelisted_destinations."
        );
        return Err(Refusal::new("40309", detail).at("/to"));
    }
    if endpoint == Endpoint::Group && profile.webhook_api_version == WebhookApiVersion::One {
        let detail = "Group messages need webhook API version 2 on the messaging profile.";
        return Err(Refusal::new("40301", detail).at("/from"));
    }
    if endpoint == Endpoint::Group && !number_plan::is_north_american(number.as_str()) {
        let detail = format!("Group messages go to North America only, so not to '{number}'.");
        return Err(Refusal::new("40301", detail).at("/to"));
    }
    Ok(())
}

/// A profile may want to send to mobile phones only.
fn check_line(number: &PhoneNumber, profile: &Profile, account: &Account) -> Result<(), Refusal> {
    let line = account.host.config.carrier.line_of(number.as_str());
    let is_mobile =
        account.owns(number.as_str()) || line.is_none_or(|line| line.line_type == LineType::Wireless);
    if !profile.mobile_only || is_mobile {
        return Ok(());
    }
    let detail = format!("The messaging profile sends to mobile phones only, and '{number}' is none.");
    Err(Refusal::new("40301", detail).at("/to"))
}

fn send_at(
    endpoint: Endpoint,
    body: &Map<String, Value>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Refusal> {
    let Some(value) = given(body, "send_at") else {
        return if endpoint == Endpoint::Schedule { Err(missing("send_at")) } else { Ok(None) };
    };
    let wrong = |_| {
        let detail = "`send_at` should be a time with its zone, as 2026-01-31T12:00:00Z.";
        Refusal::new("10015", detail).at("/send_at")
    };
    let send_at = text(value, "/send_at")?.parse().map_err(wrong)?;
    schedule::check_time(send_at, now)?;
    Ok(Some(send_at))
}

/// The request's own URLs, else the profile's unless told not to use them, else none. Where the profile's back up the
/// request's, they stand in for a failover URL that the request lacks.
fn route(
    own: Route,
    profile: &Profile,
    body: &Map<String, Value>,
    profile_backs_up: bool,
) -> Result<Route, Refusal> {
    let of_profile = match flag(body, "use_profile_webhooks")? {
        Some(false) => Route::default(),
        _ => Route { primary: profile.webhook_url.clone(), failover: profile.webhook_failover_url.clone() },
    };
    Ok(match own {
        Route { primary: None, failover: None } => of_profile,
        Route { primary, failover: None } if profile_backs_up => {
            Route { primary, failover: of_profile.primary }
        }
        own => own,
    })
}

//! Reads and checks a request to send a message, in the order that gives one clear error each.

mod content;
mod fields;

use inlet_telnyx::{Address, PhoneNumber};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::account::profile::Profile;
use crate::account::{Account, World};
use crate::field::{missing, text};
use crate::message::{Coding, MessageMedia, number_plan, schedule};
use crate::refusal::Refusal;
use crate::webhook::route::Route;
use content::Content;
use fields::{flag, given, optional_text, texts, url};

pub(crate) use fields::json_object;

/// Recipients of one group message (Telnyx's guide).
const MAX_GROUP: usize = 8;

/// The calls by which messages are sent. Each wants something else of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Any,
    LongCode,
    Group,
    Schedule,
}

impl Endpoint {
    /// The path under `/v2`.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Any => "/messages",
            Self::LongCode => "/messages/long_code",
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
    /// Checks a body: shape, addresses, profile, destination, content, time.
    pub(crate) fn check(
        endpoint: Endpoint,
        body: &Map<String, Value>,
        world: &World,
        account: &Account,
    ) -> Result<Self, Refusal> {
        let to = recipients(endpoint, body)?;
        let from = sender(endpoint, body, account)?;
        let own_route =
            Route { primary: url(body, "webhook_url")?, failover: url(body, "webhook_failover_url")? };
        let profile = profile(body, world, &from)?;
        for number in &to {
            check_destination(endpoint, number, profile)?;
        }
        let content = Content::check(endpoint, body, world, account)?;
        Ok(Self {
            route: route(own_route, profile, body)?,
            profile_id: profile.id.clone(),
            subject: optional_text(body, "subject")?,
            tags: texts(body, "tags")?,
            send_at: send_at(endpoint, body, account.clock.now())?,
            from: from.to_string(),
            to,
            text: content.text,
            media: content.media,
            is_mms: content.is_mms,
            coding: content.coding,
            is_group: endpoint == Endpoint::Group,
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

fn sender(endpoint: Endpoint, body: &Map<String, Value>, account: &Account) -> Result<PhoneNumber, Refusal> {
    let Some(value) = given(body, "from") else {
        let could_be_pool = matches!(endpoint, Endpoint::Any | Endpoint::Schedule);
        return Err(match could_be_pool && given(body, "messaging_profile_id").is_some() {
            true => Refusal::not_emulated("number pools, so `from` is needed").at("/from"),
            false => missing("from"),
        });
    };
    let from = text(value, "/from")?;
    from.parse().ok().filter(|_| account.owns(from)).ok_or_else(|| {
        let detail =
            format!("The 'from' address '{from}' is not a number of this account with a messaging profile.");
        Refusal::new("40305", detail).at("/from")
    })
}

fn profile<'a>(
    body: &Map<String, Value>,
    world: &'a World,
    from: &PhoneNumber,
) -> Result<&'a Profile, Refusal> {
    let own = world.profile_of(from);
    let profile = match optional_text(body, "messaging_profile_id")? {
        None => own.ok_or_else(|| {
            let detail = format!("The 'from' address '{from}' is not on a messaging profile.");
            Refusal::new("40305", detail).at("/from")
        })?,
        Some(id) => named_profile(&id, world, own, from)?,
    };
    if profile.enabled {
        return Ok(profile);
    }
    Err(Refusal::new("40312", "The messaging profile is disabled; enable it before sending.")
        .at("/messaging_profile_id"))
}

fn named_profile<'a>(
    id: &str,
    world: &'a World,
    own: Option<&Profile>,
    from: &PhoneNumber,
) -> Result<&'a Profile, Refusal> {
    let unknown = || {
        Refusal::new("10005", format!("There is no messaging profile '{id}'.")).at("/messaging_profile_id")
    };
    let named = world.profile(id).ok_or_else(unknown)?;
    if own.is_none_or(|own| own.id != named.id) {
        let detail = format!("The 'from' address '{from}' is not on the messaging profile '{id}'.");
        return Err(Refusal::new("40305", detail).at("/from"));
    }
    Ok(named)
}

fn check_destination(endpoint: Endpoint, number: &PhoneNumber, profile: &Profile) -> Result<(), Refusal> {
    if !number_plan::is_allowed(number, &profile.whitelisted_destinations) {
        let detail = format!(
            "The messaging profile does not allow messages to '{number}'; see its whitelisted_destinations."
        );
        return Err(Refusal::new("40309", detail).at("/to"));
    }
    if endpoint == Endpoint::Group && !number.as_str().starts_with("+1") {
        let detail = format!("Group messages go to North America only, so not to '{number}'.");
        return Err(Refusal::new("40301", detail).at("/to"));
    }
    Ok(())
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

// The request's own URL, else the profile's unless told not to use it, else none.
fn route(own: Route, profile: &Profile, body: &Map<String, Value>) -> Result<Route, Refusal> {
    let uses_profile = flag(body, "use_profile_webhooks")?.unwrap_or(true);
    if own.primary.is_some() || own.failover.is_some() {
        return Ok(own);
    }
    if !uses_profile {
        return Ok(Route::default());
    }
    Ok(Route { primary: profile.webhook_url.clone(), failover: profile.webhook_failover_url.clone() })
}

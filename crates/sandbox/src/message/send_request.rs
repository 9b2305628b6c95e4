//! Reads and checks a request to send a message, in the order that gives one clear error each.

use inlet_telnyx::{Address, MAX_PARTS, PhoneNumber, Segments};
use serde_json::{Map, Value};

use crate::account::profile::Profile;
use crate::account::{Account, World};
use crate::field::{optional_url, text};
use crate::message::number_plan;
use crate::refusal::Refusal;
use crate::webhook::route::Route;

/// Telnyx takes up to ten attachments (error 40317).
const MAX_MEDIA: usize = 10;

/// A message that may be sent, as far as its own content and its profile go.
pub(crate) struct SendRequest {
    pub(crate) from: PhoneNumber,
    pub(crate) to: PhoneNumber,
    pub(crate) text: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) media_urls: Vec<String>,
    pub(crate) is_mms: bool,
    pub(crate) tags: Vec<String>,
    pub(crate) profile_id: String,
    pub(crate) route: Route,
}

impl SendRequest {
    /// Checks a body: shape, addresses, profile, destination, content.
    pub(crate) fn check(
        body: &Map<String, Value>,
        world: &World,
        account: &Account,
    ) -> Result<Self, Refusal> {
        let to = recipient(body)?;
        let from = sender(body, account)?;
        let own_route =
            Route { primary: url(body, "webhook_url")?, failover: url(body, "webhook_failover_url")? };
        let profile = profile(body, world, &from)?;
        if !number_plan::is_allowed(&to, &profile.whitelisted_destinations) {
            let detail = format!(
                "The messaging profile does not allow messages to '{to}'; see its whitelisted_destinations."
            );
            return Err(Refusal::new("40309", detail).at("/to"));
        }
        let (text, media_urls) = (optional_text(body, "text")?, media_urls(body)?);
        let is_mms = kind(body, &media_urls)?;
        check_content(text.as_deref(), &media_urls)?;
        refuse_unemulated(body)?;
        Ok(Self {
            route: route(own_route, profile, body),
            profile_id: profile.id.clone(),
            subject: optional_text(body, "subject")?,
            tags: texts(body, "tags")?,
            from,
            to,
            text,
            media_urls,
            is_mms,
        })
    }
}

/// The body as a JSON object.
pub(crate) fn json_object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Refusal::new("10015", "The request body should be a JSON object.")),
        Err(error) => Err(Refusal::new("10023", format!("The request body is not JSON: {error}."))),
    }
}

fn recipient(body: &Map<String, Value>) -> Result<PhoneNumber, Refusal> {
    let Some(value) = body.get("to").filter(|value| !value.is_null()) else {
        return Err(Refusal::new("10004", "The parameter `to` is required.").at("/to"));
    };
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

fn sender(body: &Map<String, Value>, account: &Account) -> Result<PhoneNumber, Refusal> {
    let Some(value) = body.get("from").filter(|value| !value.is_null()) else {
        return Err(match body.contains_key("messaging_profile_id") {
            true => Refusal::not_emulated("number pools, so `from` is needed").at("/from"),
            false => Refusal::new("10004", "The parameter `from` is required.").at("/from"),
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

fn kind(body: &Map<String, Value>, media_urls: &[String]) -> Result<bool, Refusal> {
    let kind = optional_text(body, "type")?;
    match (kind.as_deref(), media_urls.is_empty()) {
        (None, is_empty) => Ok(!is_empty),
        (Some("MMS"), _) => Ok(true),
        (Some("SMS"), true) => Ok(false),
        (Some("SMS"), false) => {
            Err(Refusal::new("40304", "A message of type SMS cannot have media.").at("/media_urls"))
        }
        (Some(_), _) => Err(Refusal::new("10032", "The type of a message is SMS or MMS.").at("/type")),
    }
}

fn check_content(text: Option<&str>, media_urls: &[String]) -> Result<(), Refusal> {
    let text = text.unwrap_or_default();
    if text.is_empty() && media_urls.is_empty() {
        return Err(Refusal::new("40316", "A message needs text or media.").at("/text"));
    }
    if media_urls.len() > MAX_MEDIA {
        return Err(Refusal::new("40317", format!("A message can have up to {MAX_MEDIA} media items."))
            .at("/media_urls"));
    }
    let parts = Segments::of(text).parts;
    if media_urls.is_empty() && parts > MAX_PARTS {
        let detail = format!("The text takes {parts} parts; a message can have up to {MAX_PARTS}.");
        return Err(Refusal::new("40302", detail).at("/text"));
    }
    Ok(())
}

// Silence would look like success.
fn refuse_unemulated(body: &Map<String, Value>) -> Result<(), Refusal> {
    let asked = |name: &str| body.get(name).filter(|value| !value.is_null());
    if asked("send_at").is_some() {
        return Err(Refusal::not_emulated("scheduled messages (`send_at`)").at("/send_at"));
    }
    if asked("encoding").is_some_and(|encoding| encoding != "auto") {
        return Err(Refusal::not_emulated("a forced `encoding`").at("/encoding"));
    }
    if asked("auto_detect").is_some_and(|value| value != false) {
        return Err(Refusal::not_emulated("`auto_detect`").at("/auto_detect"));
    }
    Ok(())
}

// The request's own URL, else the profile's unless told not to use it, else none.
fn route(own: Route, profile: &Profile, body: &Map<String, Value>) -> Route {
    if own.primary.is_some() || own.failover.is_some() {
        return own;
    }
    if body.get("use_profile_webhooks") == Some(&Value::Bool(false)) {
        return Route::default();
    }
    Route { primary: profile.webhook_url.clone(), failover: profile.webhook_failover_url.clone() }
}

fn media_urls(body: &Map<String, Value>) -> Result<Vec<String>, Refusal> {
    let urls = texts(body, "media_urls")?;
    for url in &urls {
        optional_url(&Value::String(url.clone()), "/media_urls")?;
    }
    Ok(urls)
}

fn url(body: &Map<String, Value>, name: &str) -> Result<Option<url::Url>, Refusal> {
    optional_url(body.get(name).unwrap_or(&Value::Null), &format!("/{name}"))
}

fn optional_text(body: &Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
    let value = body.get(name).filter(|value| !value.is_null());
    value.map(|value| text(value, &format!("/{name}")).map(str::to_owned)).transpose()
}

fn texts(body: &Map<String, Value>, name: &str) -> Result<Vec<String>, Refusal> {
    let pointer = format!("/{name}");
    match body.get(name).filter(|value| !value.is_null()) {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => {
            items.iter().map(|item| text(item, &pointer).map(str::to_owned)).collect()
        }
        Some(_) => Err(Refusal::new("10026", "The value should be a list of strings.").at(&pointer)),
    }
}

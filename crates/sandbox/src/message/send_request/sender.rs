//! Who a message comes from, and the messaging profile that goes with that: a number, a short code, a name, a pool.

use inlet_telnyx::{Address, PhoneNumber};
use serde_json::{Map, Value};

use super::Endpoint;
use super::fields::{given, optional_text};
use crate::account::World;
use crate::account::alpha_sender::is_name;
use crate::account::profile::Profile;
use crate::field::{missing, text};
use crate::message::number_plan::is_north_american;
use crate::refusal::Refusal;

/// A sender as far as the request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sender {
    Number(PhoneNumber),
    ShortCode(String),
    Name(String),
    /// One of the profile's numbers, chosen once all else is known.
    Pool,
}

impl Sender {
    /// Reads the sender out of a request. Which kinds there are depends on the call.
    pub(super) fn read(
        endpoint: Endpoint,
        body: &Map<String, Value>,
        world: &World,
    ) -> Result<Self, Refusal> {
        let takes_pool = matches!(endpoint, Endpoint::Any | Endpoint::Schedule);
        let names_profile = given(body, "messaging_profile_id").is_some();
        let from = match given(body, "from") {
            _ if endpoint == Endpoint::NumberPool => None,
            None if takes_pool && names_profile => None,
            None => return Err(missing("from")),
            Some(value) => Some(text(value, "/from")?),
        };
        let Some(from) = from else {
            return if names_profile { Ok(Self::Pool) } else { Err(missing("messaging_profile_id")) };
        };
        let sender = match Address::parse(from) {
            Address::Number(number) if world.number(&number).is_some() => Some(Self::Number(number)),
            Address::ShortCode(code) if world.short_codes.iter().any(|own| own.code == code) => {
                Some(Self::ShortCode(code))
            }
            Address::Alphanumeric(name) if is_name(&name) => Some(Self::Name(name)),
            _ => None,
        };
        let sender = sender.filter(|sender| sender.fits(endpoint)).ok_or_else(|| foreign(from))?;
        match sender {
            Self::Name(_) if !names_profile => Err(missing("messaging_profile_id")),
            sender => Ok(sender),
        }
    }

    fn fits(&self, endpoint: Endpoint) -> bool {
        match endpoint {
            Endpoint::Any | Endpoint::Schedule => true,
            Endpoint::LongCode | Endpoint::Group => matches!(self, Self::Number(_)),
            Endpoint::ShortCode => matches!(self, Self::ShortCode(_)),
            Endpoint::Alphanumeric => matches!(self, Self::Name(_)),
            Endpoint::NumberPool => matches!(self, Self::Pool),
        }
    }

    /// The profile that the message is sent by: the one that is named, which has to be the sender's own.
    pub(super) fn profile<'a>(
        &self,
        body: &Map<String, Value>,
        world: &'a World,
    ) -> Result<&'a Profile, Refusal> {
        let profile = match optional_text(body, "messaging_profile_id")? {
            Some(id) => self.named_profile(&id, world)?,
            None => self.own_profile(world).ok_or_else(|| {
                let detail =
                    format!("The 'from' address '{}' is not on a messaging profile.", self.address());
                Refusal::new("40305", detail).at("/from")
            })?,
        };
        if !profile.enabled {
            let detail = "The messaging profile is disabled; enable it before sending.";
            return Err(Refusal::new("40312", detail).at("/messaging_profile_id"));
        }
        Ok(profile)
    }

    fn named_profile<'a>(&self, id: &str, world: &'a World) -> Result<&'a Profile, Refusal> {
        let unknown = || {
            let detail = format!("There is no messaging profile '{id}'.");
            Refusal::new("10005", detail).at("/messaging_profile_id")
        };
        let named = world.profile(id).ok_or_else(unknown)?;
        match self {
            Self::Pool => Ok(named),
            Self::Name(name) => check_name(name, named, world).map(|()| named),
            Self::Number(_) | Self::ShortCode(_) => {
                let is_own = self.own_profile(world).is_some_and(|own| own.id == named.id);
                let detail = || {
                    format!("The 'from' address '{}' is not on the messaging profile '{id}'.", self.address())
                };
                is_own.then_some(named).ok_or_else(|| Refusal::new("40305", detail()).at("/from"))
            }
        }
    }

    fn own_profile<'a>(&self, world: &'a World) -> Option<&'a Profile> {
        match self {
            Self::Number(number) => world.profile_of(number),
            Self::ShortCode(code) => {
                let own = world.short_codes.iter().find(|own| own.code == *code)?;
                world.profile(own.profile_id.as_deref()?)
            }
            Self::Name(_) | Self::Pool => None,
        }
    }

    /// Names are not taken in North America: a number stands in for one there if the account says which.
    pub(super) fn for_destination(
        self,
        to: &PhoneNumber,
        profile: &Profile,
        world: &World,
    ) -> Result<Self, Refusal> {
        let Self::Name(name) = &self else { return Ok(self) };
        if !is_north_american(to.as_str()) {
            return Ok(self);
        }
        let own = world.alpha_senders.iter().find(|own| own.name == *name && own.profile_id == profile.id);
        let fallback = own.and_then(|own| own.us_long_code_fallback.clone());
        fallback.map(Self::Number).ok_or_else(|| {
            let detail =
                format!("'{to}' takes no alphanumeric sender; set `us_long_code_fallback` for '{name}'.");
            Refusal::new("40301", detail).at("/to")
        })
    }

    /// Whether media may come from it. A pool chooses a number that takes them.
    pub(super) fn takes_media(&self, world: &World) -> bool {
        match self {
            Self::Number(number) => world.number(number).is_some_and(|own| own.takes_mms),
            Self::ShortCode(_) | Self::Pool => true,
            Self::Name(_) => false,
        }
    }

    pub(super) fn address(&self) -> &str {
        match self {
            Self::Number(number) => number.as_str(),
            Self::ShortCode(address) | Self::Name(address) => address,
            Self::Pool => "",
        }
    }
}

fn foreign(from: &str) -> Refusal {
    let detail =
        format!("The 'from' address '{from}' is not a number of this account with a messaging profile.");
    Refusal::new("40305", detail).at("/from")
}

/// A name has to be the profile's own, or one of its alphanumeric sender IDs.
fn check_name(name: &str, profile: &Profile, world: &World) -> Result<(), Refusal> {
    let of_profile = world.alpha_senders.iter().filter(|own| own.profile_id == profile.id);
    let names: Vec<&str> =
        of_profile.map(|own| own.name.as_str()).chain(profile.alpha_sender.as_deref()).collect();
    match names.as_slice() {
        [] => Err(Refusal::new("40306", "The messaging profile has no alphanumeric sender.").at("/from")),
        names if !names.contains(&name) => {
            let detail = format!("The messaging profile has other alphanumeric senders than '{name}'.");
            Err(Refusal::new("40307", detail).at("/from"))
        }
        _ => Ok(()),
    }
}

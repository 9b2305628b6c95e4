//! A messaging profile: where webhooks go and whether messages may go out.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::Url;

use crate::clock;
use crate::config::ProfileSettings;
use crate::refusal::Refusal;

/// Switches that the sandbox shows but does not act on, with the one value it can honestly have.
const FIXED: &[(&str, Value)] = &[
    ("ai_assistant_id", Value::Null),
    ("alpha_sender", Value::Null),
    ("daily_spend_limit_enabled", Value::Bool(false)),
    ("health_webhook_url", Value::Null),
    ("mms_fall_back_to_sms", Value::Bool(false)),
    ("mms_transcoding", Value::Bool(false)),
    ("mobile_only", Value::Bool(false)),
    ("number_pool_settings", Value::Null),
    ("redaction_enabled", Value::Bool(false)),
    ("resource_group_id", Value::Null),
    ("smart_encoding", Value::Bool(false)),
    ("url_shortener_settings", Value::Null),
];
const MAX_URL: usize = 2000;

/// One messaging profile.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) id: String,
    /// Signs webhooks of API version 1.
    pub(crate) v1_secret: String,
    pub(crate) name: String,
    pub(crate) enabled: bool,
    pub(crate) webhook_url: Option<Url>,
    pub(crate) webhook_failover_url: Option<Url>,
    /// ISO country codes, or `*`.
    pub(crate) whitelisted_destinations: Vec<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl Profile {
    /// A profile as it is at start.
    pub(crate) fn new(id: String, v1_secret: String, settings: &ProfileSettings, now: Timestamp) -> Self {
        Self {
            id,
            v1_secret,
            name: settings.name.clone(),
            enabled: true,
            webhook_url: settings.webhook_url.clone(),
            webhook_failover_url: settings.failover_url.clone(),
            whitelisted_destinations: vec!["*".to_owned()],
            created_at: now,
            updated_at: now,
        }
    }

    /// The profile as Telnyx shows it.
    pub(crate) fn shown(&self, organization_id: &str) -> Value {
        let mut shown = json!({
            "created_at": clock::format(self.created_at),
            "daily_spend_limit": "0.00",
            "enabled": self.enabled,
            "id": self.id,
            "name": self.name,
            "organization_id": organization_id,
            "record_type": "messaging_profile",
            "redaction_level": 2,
            "updated_at": clock::format(self.updated_at),
            "v1_secret": self.v1_secret,
            "webhook_api_version": "2",
            "webhook_failover_url": self.webhook_failover_url,
            "webhook_url": self.webhook_url,
            "whitelisted_destinations": self.whitelisted_destinations,
        });
        for (name, value) in FIXED {
            shown[*name] = value.clone();
        }
        shown
    }

    /// Makes the changes of a PATCH body, all or none.
    pub(crate) fn change(&mut self, changes: &Map<String, Value>, now: Timestamp) -> Result<(), Refusal> {
        let mut changed = self.clone();
        for (name, value) in changes {
            changed.set(name, value)?;
        }
        changed.updated_at = now;
        *self = changed;
        Ok(())
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), Refusal> {
        let pointer = format!("/{name}");
        match name {
            "name" => self.name = text(value, &pointer)?.to_owned(),
            "enabled" => self.enabled = value.as_bool().ok_or_else(|| wrong_type("a boolean", &pointer))?,
            "webhook_url" => self.webhook_url = optional_url(value, &pointer)?,
            "webhook_failover_url" => self.webhook_failover_url = optional_url(value, &pointer)?,
            "whitelisted_destinations" => self.whitelisted_destinations = countries(value, &pointer)?,
            "webhook_api_version" if value == "2" => {}
            _ => return only_fixed(name, value, &pointer),
        }
        Ok(())
    }
}

fn only_fixed(name: &str, value: &Value, pointer: &str) -> Result<(), Refusal> {
    let fixed = FIXED.iter().find(|(fixed, _)| *fixed == name);
    match (fixed, name) {
        (Some((_, honest)), _) if honest == value => Ok(()),
        (Some(_), _)
        | (None, "webhook_api_version" | "daily_spend_limit" | "redaction_level" | "v1_secret") => {
            Err(Refusal::not_emulated(format!("`{name}` = {value} of a messaging profile")).at(pointer))
        }
        (None, _) => {
            Err(Refusal::new("10015", format!("`{name}` is not a writable field of a messaging profile."))
                .at(pointer))
        }
    }
}

fn countries(value: &Value, pointer: &str) -> Result<Vec<String>, Refusal> {
    let entries = value.as_array().ok_or_else(|| wrong_type("a list", pointer))?;
    let country = |entry: &Value| -> Result<String, Refusal> {
        let code = text(entry, pointer)?;
        let valid = code == "*" || code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        match valid {
            true => Ok(code.to_owned()),
            false => {
                Err(Refusal::new("10032", "A destination is a two-letter country code or `*`.").at(pointer))
            }
        }
    };
    entries.iter().map(country).collect()
}

/// A webhook URL, or null or an empty text for none.
pub(crate) fn optional_url(value: &Value, pointer: &str) -> Result<Option<Url>, Refusal> {
    if value.is_null() || value == "" {
        return Ok(None);
    }
    let given = text(value, pointer)?;
    let url = Url::parse(given)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && given.len() <= MAX_URL);
    url.map(Some).ok_or_else(|| {
        Refusal::new("10003", "The URL is not an http or https URL of up to 2000 characters.").at(pointer)
    })
}

/// The text in a JSON value.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str, Refusal> {
    value.as_str().ok_or_else(|| Refusal::new("10020", "A string was expected.").at(pointer))
}

fn wrong_type(expected: &str, pointer: &str) -> Refusal {
    Refusal::new("10026", format!("The value should be {expected}.")).at(pointer)
}

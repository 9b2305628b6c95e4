//! The fields of a profile that a request may set, each checked.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{NumberPoolSettings, Profile, WebhookApiVersion};
use crate::field::{boolean, missing, optional_text, optional_url, text, texts, whole_number};
use crate::refusal::Refusal;

/// Fields whose effect the sandbox does not act out, with the one value each can honestly have.
pub(super) const INERT: &[(&str, Value)] = &[
    ("ai_assistant_id", Value::Null),
    ("health_webhook_url", Value::Null),
    ("mms_transcoding", Value::Bool(false)),
    ("redaction_enabled", Value::Bool(false)),
    ("url_shortener_settings", Value::Null),
];
/// Fields that Telnyx sets; a profile that was read may be sent back with them as they were.
const READ_ONLY: [&str; 5] = ["created_at", "id", "organization_id", "record_type", "updated_at"];
/// What fits into the label of a group of resources.
const MAX_LABEL: usize = 64;

impl Profile {
    /// Fills in a profile that is being created.
    pub(crate) fn create(
        mut self,
        fields: &Map<String, Value>,
        needs_destinations: bool,
    ) -> Result<Self, Refusal> {
        let given = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
        if !given("name") {
            return Err(missing("name"));
        }
        if needs_destinations && !given("whitelisted_destinations") {
            return Err(missing("whitelisted_destinations"));
        }
        let created_at = self.created_at;
        self.change(fields, "", created_at)?;
        Ok(self)
    }

    /// Makes the changes of a PATCH body, all or none.
    pub(crate) fn change(
        &mut self,
        changes: &Map<String, Value>,
        organization_id: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let mut changed = self.clone();
        for (name, value) in changes {
            changed.set(name, value, organization_id)?;
        }
        changed.updated_at = now;
        *self = changed;
        Ok(())
    }

    fn set(&mut self, name: &str, value: &Value, organization_id: &str) -> Result<(), Refusal> {
        let pointer = &format!("/{name}");
        match name {
            "name" => self.name = filled(value, pointer)?,
            "v1_secret" => self.v1_secret = filled(value, pointer)?,
            "enabled" => self.enabled = boolean(value, pointer)?,
            "webhook_url" => self.webhook_url = optional_url(value, pointer)?,
            "webhook_failover_url" => self.webhook_failover_url = optional_url(value, pointer)?,
            "webhook_api_version" => self.webhook_api_version = version(value, pointer)?,
            "whitelisted_destinations" => self.whitelisted_destinations = countries(value, pointer)?,
            "number_pool_settings" => self.number_pool_settings = NumberPoolSettings::read(value, pointer)?,
            "alpha_sender" => self.alpha_sender = alpha_sender(value, pointer)?,
            "daily_spend_limit" => self.daily_spend_limit = dollars(value, pointer)?,
            "daily_spend_limit_enabled" => self.daily_spend_limit_enabled = boolean(value, pointer)?,
            "mms_fall_back_to_sms" => self.mms_fall_back_to_sms = boolean(value, pointer)?,
            "mobile_only" => self.mobile_only = boolean(value, pointer)?,
            "smart_encoding" => self.smart_encoding = boolean(value, pointer)?,
            "redaction_level" => self.redaction_level = whole_number(value, pointer)?,
            "resource_group_id" => self.resource_group_id = label(value, pointer)?,
            _ => return self.keep(name, value, organization_id, pointer),
        }
        Ok(())
    }

    /// Any other field may only be given as it is.
    fn keep(&self, name: &str, value: &Value, organization_id: &str, pointer: &str) -> Result<(), Refusal> {
        let inert = INERT.iter().find(|(inert, _)| *inert == name);
        let shown = self.shown(organization_id);
        match inert {
            Some((_, honest)) if value == honest || value == "" => Ok(()),
            Some(_) => {
                Err(Refusal::not_emulated(format!("`{name}` = {value} of a messaging profile")).at(pointer))
            }
            None if READ_ONLY.contains(&name) && shown.get(name) == Some(value) => Ok(()),
            None => {
                Err(Refusal::new("10015", format!("`{name}` of a messaging profile cannot be set."))
                    .at(pointer))
            }
        }
    }
}

fn filled(value: &Value, pointer: &str) -> Result<String, Refusal> {
    let given = text(value, pointer)?;
    match given.trim().is_empty() {
        true => Err(Refusal::new("10025", "The value should not be empty.").with_status(400).at(pointer)),
        false => Ok(given.to_owned()),
    }
}

fn version(value: &Value, pointer: &str) -> Result<WebhookApiVersion, Refusal> {
    match text(value, pointer)? {
        "1" => Ok(WebhookApiVersion::One),
        "2" => Ok(WebhookApiVersion::Two),
        "2010-04-01" => {
            Err(Refusal::not_emulated("webhooks of API version `2010-04-01`, only `1` and `2`").at(pointer))
        }
        _ => Err(Refusal::new("10032", "The version is `1`, `2` or `2010-04-01`.").at(pointer)),
    }
}

fn countries(value: &Value, pointer: &str) -> Result<Vec<String>, Refusal> {
    let entries = texts(value, pointer)?;
    let is_valid =
        |code: &String| code == "*" || code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    match entries.iter().all(is_valid) {
        true => Ok(entries),
        false => Err(Refusal::new("10032", "A destination is a two-letter country code or `*`.").at(pointer)),
    }
}

fn alpha_sender(value: &Value, pointer: &str) -> Result<Option<String>, Refusal> {
    let Some(sender) = optional_text(value, pointer)? else { return Ok(None) };
    match crate::account::alpha_sender::is_name(&sender) {
        true => Ok(Some(sender)),
        false => Err(Refusal::new("40306", "An alphanumeric sender is 1 to 11 letters, digits and spaces.")
            .at(pointer)),
    }
}

fn dollars(value: &Value, pointer: &str) -> Result<String, Refusal> {
    let given = text(value, pointer)?;
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_amount = match given.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(given),
    };
    match is_amount {
        true => Ok(given.to_owned()),
        false => Err(Refusal::new("10015", "An amount is written as `12` or `12.50`.").at(pointer)),
    }
}

fn label(value: &Value, pointer: &str) -> Result<Option<String>, Refusal> {
    let label = optional_text(value, pointer)?;
    match label.as_ref().is_some_and(|label| label.chars().count() > MAX_LABEL) {
        true => Err(Refusal::new("10025", format!("The value is longer than {MAX_LABEL} characters."))
            .with_status(400)
            .at(pointer)),
        false => Ok(label),
    }
}

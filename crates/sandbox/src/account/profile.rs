//! A messaging profile: where webhooks go, and how messages may go out.

mod change;
mod pool;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use crate::clock;
use crate::config::ProfileSettings;

pub(crate) use pool::NumberPoolSettings;

/// The spend limit that is shown where none was ever set.
const NO_SPEND_LIMIT: &str = "0.00";

/// One messaging profile. Its fields have Telnyx's names.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) id: String,
    /// Signs webhooks of API version 1.
    pub(crate) v1_secret: String,
    pub(crate) name: String,
    pub(crate) enabled: bool,
    pub(crate) webhook_url: Option<Url>,
    pub(crate) webhook_failover_url: Option<Url>,
    pub(crate) webhook_api_version: WebhookApiVersion,
    /// ISO country codes, or `*`. With none at all nothing can be sent (error 40331).
    pub(crate) whitelisted_destinations: Vec<String>,
    /// How a sender is chosen for messages that name none; without it, all numbers are equally likely. Where none of
    /// them can send a message, it is refused (error 40321).
    pub(crate) number_pool_settings: Option<NumberPoolSettings>,
    /// The sender where a country wants a name.
    pub(crate) alpha_sender: Option<String>,
    /// Dollars until midnight UTC, as given.
    pub(crate) daily_spend_limit: String,
    pub(crate) daily_spend_limit_enabled: bool,
    pub(crate) mms_fall_back_to_sms: bool,
    pub(crate) mobile_only: bool,
    pub(crate) smart_encoding: bool,
    /// A label while `redaction_enabled` is false, which it always is here.
    pub(crate) redaction_level: u64,
    /// A label.
    pub(crate) resource_group_id: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// The format of a profile's webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum WebhookApiVersion {
    /// Flat bodies, signed by HMAC with the profile's `v1_secret`.
    One,
    /// Events, signed by Ed25519 with the account's key.
    Two,
}

impl WebhookApiVersion {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::Two => "2",
        }
    }
}

impl Profile {
    /// A profile as it is at start.
    pub(crate) fn new(id: String, v1_secret: String, settings: &ProfileSettings, now: Timestamp) -> Self {
        Self {
            name: settings.name.clone(),
            webhook_url: settings.webhook_url.clone(),
            webhook_failover_url: settings.failover_url.clone(),
            whitelisted_destinations: vec!["*".to_owned()],
            ..Self::blank(id, v1_secret, now)
        }
    }

    /// A profile without a name, as a creation begins.
    pub(crate) fn blank(id: String, v1_secret: String, now: Timestamp) -> Self {
        Self {
            id,
            v1_secret,
            name: String::new(),
            enabled: true,
            webhook_url: None,
            webhook_failover_url: None,
            webhook_api_version: WebhookApiVersion::Two,
            whitelisted_destinations: Vec::new(),
            number_pool_settings: None,
            alpha_sender: None,
            daily_spend_limit: NO_SPEND_LIMIT.to_owned(),
            daily_spend_limit_enabled: false,
            mms_fall_back_to_sms: false,
            mobile_only: false,
            smart_encoding: false,
            redaction_level: 2,
            resource_group_id: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// The profile as Telnyx shows it.
    pub(crate) fn shown(&self, organization_id: &str) -> Value {
        let mut shown = json!({
            "alpha_sender": self.alpha_sender,
            "created_at": clock::format(self.created_at),
            "daily_spend_limit": self.daily_spend_limit,
            "daily_spend_limit_enabled": self.daily_spend_limit_enabled,
            "enabled": self.enabled,
            "id": self.id,
            "mms_fall_back_to_sms": self.mms_fall_back_to_sms,
            "mobile_only": self.mobile_only,
            "name": self.name,
            "number_pool_settings": self.number_pool_settings,
            "organization_id": organization_id,
            "record_type": "messaging_profile",
            "redaction_level": self.redaction_level,
            "resource_group_id": self.resource_group_id,
            "smart_encoding": self.smart_encoding,
            "updated_at": clock::format(self.updated_at),
            "v1_secret": self.v1_secret,
            "webhook_api_version": self.webhook_api_version.as_str(),
            "webhook_failover_url": self.webhook_failover_url,
            "webhook_url": self.webhook_url,
            "whitelisted_destinations": self.whitelisted_destinations,
        });
        for (name, value) in change::INERT {
            shown[*name] = value.clone();
        }
        shown
    }
}

//! Who the sandbox's account is: its keys and ids, all derived from the seed.

use std::iter;

use inlet_telnyx::{InvalidKey, PublicKey, SigningKey};
use jiff::Timestamp;
use url::Url;

use crate::config::{ProfileSettings, SandboxConfig};
use crate::profile::Profile;
use crate::random::{derive, hex, uuid};

/// The fixed identity of one account. It does not print itself, because it holds keys.
pub(crate) struct Account {
    pub(crate) api_key: String,
    pub(crate) organization_id: String,
    pub(crate) default_profile_id: String,
    /// In the order of the configuration.
    pub(crate) further_profile_ids: Vec<String>,
    pub(crate) v1_secret: String,
    signing_key: SigningKey,
    /// Signs where a fault asks for a signature that must not verify.
    foreign_key: SigningKey,
}

impl Account {
    pub(crate) fn derive(config: &SandboxConfig) -> Result<Self, InvalidKey> {
        let seed = &config.seed;
        let further_id =
            |profile: &ProfileSettings| uuid(derive(seed, &format!("messaging profile {}", profile.name)));
        Ok(Self {
            api_key: config.api_key.clone().unwrap_or_else(|| derived_api_key(seed)),
            organization_id: uuid(derive(seed, "organization")),
            default_profile_id: uuid(derive(seed, "messaging profile")),
            further_profile_ids: config.further_profiles.iter().map(further_id).collect(),
            v1_secret: hex(&derive(seed, "v1 secret")[..12]),
            signing_key: SigningKey::from_seed(&derive(seed, "webhook key"))?,
            foreign_key: SigningKey::from_seed(&derive(seed, "foreign key"))?,
        })
    }

    /// The profiles as they are at start: the default one with this webhook URL, and the further ones.
    pub(crate) fn profiles(
        &self,
        webhook_url: Option<Url>,
        config: &SandboxConfig,
        now: Timestamp,
    ) -> Vec<Profile> {
        let default = ProfileSettings {
            name: "Default".to_owned(),
            numbers: Vec::new(),
            webhook_url,
            failover_url: config.failover_url.clone(),
        };
        let further = self.further_profile_ids.iter().zip(&config.further_profiles);
        let all = iter::once((&self.default_profile_id, &default)).chain(further);
        all.map(|(id, settings)| Profile::new(id, settings, now)).collect()
    }

    pub(crate) fn public_key(&self) -> &PublicKey {
        self.signing_key.public()
    }

    /// Signs a webhook body, with a stranger's key where a fault asks for it.
    pub(crate) fn sign(&self, timestamp: i64, body: &[u8], with_foreign_key: bool) -> String {
        let key = if with_foreign_key { &self.foreign_key } else { &self.signing_key };
        key.sign(timestamp, body)
    }
}

// Real keys are `KEY`, 32 upper-case hexadecimal digits, an underscore and 22 letters and digits.
fn derived_api_key(seed: &[u8; 32]) -> String {
    let digits = hex(&derive(seed, "api key"));
    format!("KEY{}_{}", digits[..32].to_uppercase(), &digits[32..54])
}

//! Who an account is: its keys and ids, all derived from its seed.

use inlet_telnyx::{InvalidKey, PhoneNumber, PublicKey, SigningKey};
use jiff::Timestamp;

use crate::account::number::OwnNumber;
use crate::account::profile::Profile;
use crate::account::short_code::ShortCode;
use crate::config::{AccountSettings, ProfileSettings};
use crate::random::{derive, hex, uuid};

/// The fixed identity of one account. It does not print itself, because it holds keys.
pub(crate) struct Identity {
    pub(crate) api_key: String,
    pub(crate) organization_id: String,
    pub(crate) default_profile_id: String,
    seed: [u8; 32],
    signing_key: SigningKey,
    /// Signs where a fault asks for a signature that must not verify.
    foreign_key: SigningKey,
}

/// What an account has besides its keys, as it is at start.
pub(crate) struct Holdings {
    pub(crate) profiles: Vec<Profile>,
    pub(crate) numbers: Vec<OwnNumber>,
    pub(crate) short_codes: Vec<ShortCode>,
}

impl Identity {
    pub(crate) fn derive(seed: [u8; 32], api_key: Option<String>) -> Result<Self, InvalidKey> {
        Ok(Self {
            api_key: api_key.unwrap_or_else(|| derived_api_key(&seed)),
            organization_id: uuid(derive(&seed, "organization")),
            default_profile_id: uuid(derive(&seed, "messaging profile")),
            signing_key: SigningKey::from_seed(&derive(&seed, "webhook key"))?,
            foreign_key: SigningKey::from_seed(&derive(&seed, "foreign key"))?,
            seed,
        })
    }

    /// What the account has at start, the default profile and its numbers first.
    pub(crate) fn furnish(&self, settings: &AccountSettings, now: Timestamp) -> Holdings {
        let default = ProfileSettings {
            name: "Default".to_owned(),
            numbers: settings.numbers.clone(),
            webhook_url: settings.webhook_url.clone(),
            failover_url: settings.failover_url.clone(),
        };
        let (mut profiles, mut numbers) = (Vec::new(), Vec::new());
        for (index, profile) in std::iter::once(&default).chain(&settings.further_profiles).enumerate() {
            let id = match index {
                0 => self.default_profile_id.clone(),
                _ => uuid(derive(&self.seed, &format!("messaging profile {}", profile.name))),
            };
            let secret = hex(&derive(&self.seed, &format!("v1 secret {id}"))[..12]);
            let placed = |number: &PhoneNumber| {
                OwnNumber::new(self.number_id(number.as_str()), number.clone(), id.clone(), now)
            };
            numbers.extend(profile.numbers.iter().map(placed));
            profiles.push(Profile::new(id.clone(), secret, profile, now));
        }
        for number in &mut numbers {
            number.takes_mms &= !settings.sms_only_numbers.contains(&number.number);
        }
        let short_codes = settings.short_codes.iter().map(|code| ShortCode {
            id: uuid(derive(&self.seed, &format!("short code {code}"))),
            code: code.clone(),
            profile_id: Some(self.default_profile_id.clone()),
            tags: Vec::new(),
            created_at: now,
            updated_at: now,
        });
        Holdings { profiles, numbers, short_codes: short_codes.collect() }
    }

    // Real ids of numbers are decimal, of nineteen digits.
    fn number_id(&self, number: &str) -> String {
        let mut head = [0; 8];
        head.copy_from_slice(&derive(&self.seed, &format!("number {number}"))[..8]);
        (1_000_000_000_000_000_000 + u64::from_be_bytes(head) % 1_000_000_000_000_000_000).to_string()
    }

    /// The RCS agent that a sender would be.
    pub(crate) fn agent_id(&self, sender: &str) -> String {
        hex(&derive(&self.seed, &format!("agent {sender}"))[..8])
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

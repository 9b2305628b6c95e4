//! Fills the blanks of a fixture: ids are fresh, times are now, and what belongs to the account is the account's.

use std::collections::BTreeMap;

use inlet_domain::{Entropy, Timestamp};
use serde_json::Value;
use std::time::Duration;

/// A message is this old when its event tells of it, as in real bodies.
const JUST: Duration = Duration::from_millis(85);
const AN_HOUR: Duration = Duration::from_secs(60 * 60);

/// What events say of the account they belong to.
#[derive(Debug, Clone)]
pub(super) struct Belongings {
    /// The account's number.
    pub(super) our_number: String,
    /// Its messaging profile.
    pub(super) profile_id: String,
    /// Its organisation.
    pub(super) organization_id: String,
    /// Where the event is sent.
    pub(super) url: String,
}

impl Default for Belongings {
    /// Those of nobody: what stands in events that no sandbox sends.
    fn default() -> Self {
        Self {
            our_number: "+15559876543".to_owned(),
            profile_id: "4f3c9b1e-6a57-4d0e-9d2b-0d5f1c7a8e21".to_owned(),
            organization_id: "b8a2d4c6-1e3f-4a5b-8c7d-9e0f1a2b3c4d".to_owned(),
            url: "http://127.0.0.1:5000/webhooks".to_owned(),
        }
    }
}

/// The blanks of one body. A name that occurs twice gets the same value twice.
pub(super) struct Blanks<'a> {
    belongings: &'a Belongings,
    now: Timestamp,
    entropy: &'a dyn Entropy,
    ids: BTreeMap<String, String>,
}

impl<'a> Blanks<'a> {
    /// The blanks of an event that comes to be now.
    pub(super) fn new(belongings: &'a Belongings, now: Timestamp, entropy: &'a dyn Entropy) -> Self {
        Self { belongings, now, entropy, ids: BTreeMap::new() }
    }

    /// Fills every text that is a `$` and a name.
    pub(super) fn fill(&mut self, value: &mut Value) {
        match value {
            Value::Object(members) => members.values_mut().for_each(|member| self.fill(member)),
            Value::Array(items) => items.iter_mut().for_each(|item| self.fill(item)),
            Value::String(text) => {
                if let Some(filled) = text.strip_prefix('$').and_then(|name| self.blank(name)) {
                    *value = filled;
                }
            }
            _ => {}
        }
    }

    /// What a name stands for.
    fn blank(&mut self, name: &str) -> Option<Value> {
        let text = match name {
            "our_number" => self.belongings.our_number.clone(),
            "profile_id" => self.belongings.profile_id.clone(),
            "organization_id" => self.belongings.organization_id.clone(),
            "url" => self.belongings.url.clone(),
            "now" => in_milliseconds(self.now),
            "just_now" => in_milliseconds(self.now.before(JUST)),
            "in_an_hour" => in_milliseconds(self.now.after(AN_HOUR)),
            "now_z" => self.now.to_string(),
            "now_naive" => self.now.to_string().trim_end_matches('Z').to_owned(),
            "unix_now" => return Some(self.now.as_seconds().into()),
            "unix_in_an_hour" => return Some(self.now.after(AN_HOUR).as_seconds().into()),
            "unix_ms" => return Some(self.now.as_micros().div_euclid(1000).into()),
            name if name.ends_with("_id") => self.id(name),
            _ => return None,
        };
        Some(Value::String(text))
    }

    fn id(&mut self, name: &str) -> String {
        let entropy = self.entropy;
        let fresh = || if name.starts_with("short_") { short_id(entropy) } else { uuid(entropy) };
        self.ids.entry(name.to_owned()).or_insert_with(fresh).clone()
    }
}

/// As most events of Telnyx write it: milliseconds and a zero offset.
fn in_milliseconds(moment: Timestamp) -> String {
    let text = moment.to_string();
    let end = text.find('.').map_or(text.len(), |dot| dot + 4);
    format!("{}+00:00", text.get(..end).unwrap_or(&text))
}

/// A random UUID (version 4).
fn uuid(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = format!("{:032x}", u128::from_be_bytes(bytes));
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    parts.join("-")
}

fn short_id(entropy: &dyn Entropy) -> String {
    format!("event-{}", &entropy.id()[..8])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::entropy::SystemEntropy;

    #[test]
    fn blanks_are_filled_and_equal_names_agree() {
        let belongings = Belongings::default();
        let now = Timestamp::from_micros(1_705_349_767_588_123);
        let mut body = json!({
            "at": ["$now", "$just_now", "$now_z", "$now_naive", "$unix_ms"],
            "ids": ["$message_id", "$message_id", "$event_id"], "price": "$5", "text": "pay $now",
        });
        Blanks::new(&belongings, now, &SystemEntropy).fill(&mut body);
        assert_eq!(
            body["at"],
            json!([
                "2024-01-15T20:16:07.588+00:00",
                "2024-01-15T20:16:07.503+00:00",
                "2024-01-15T20:16:07.588123Z",
                "2024-01-15T20:16:07.588123",
                1_705_349_767_588_i64
            ])
        );
        let id = |index: usize| body["ids"][index].as_str().unwrap();
        assert!(id(0) == id(1) && id(1) != id(2), "{body}");
        assert_eq!((id(0).len(), &id(0)[14..15]), (36, "4"));
        assert_eq!((&body["price"], &body["text"]), (&json!("$5"), &json!("pay $now")));
    }
}

//! The fields of a request's body, read as what they should be.

use serde_json::{Map, Value};
use url::Url;

use crate::field::{self, boolean, optional_url};
use crate::refusal::Refusal;

/// The body as a JSON object.
pub(crate) fn json_object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Refusal::new("10015", "The request body should be a JSON object.")),
        Err(error) => Err(Refusal::new("10023", format!("The request body is not JSON: {error}."))),
    }
}

/// What a request to send may have. The calls share one list, because the SDKs' types do not agree on which takes what.
const KNOWN: [&str; 14] = [
    "auto_detect",
    "encoding",
    "from",
    "media_urls",
    "messaging_profile_id",
    "send_at",
    "subject",
    "tags",
    "text",
    "to",
    "type",
    "use_profile_webhooks",
    "webhook_failover_url",
    "webhook_url",
];

/// Refuses what no send has: a misspelt field would go unnoticed.
pub(super) fn check_names(body: &Map<String, Value>) -> Result<(), Refusal> {
    match body.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let detail = format!("`{name}` is no field of a message; those are {}.", KNOWN.join(", "));
            Err(Refusal::new("10015", detail).at(&format!("/{name}")))
        }
    }
}

/// A field that is there and not null.
pub(super) fn given<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    body.get(name).filter(|value| !value.is_null())
}

pub(super) fn url(body: &Map<String, Value>, name: &str) -> Result<Option<Url>, Refusal> {
    optional_url(body.get(name).unwrap_or(&Value::Null), &format!("/{name}"))
}

pub(super) fn optional_text(body: &Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
    given(body, name).map(|value| field::text(value, &format!("/{name}")).map(str::to_owned)).transpose()
}

pub(super) fn flag(body: &Map<String, Value>, name: &str) -> Result<Option<bool>, Refusal> {
    given(body, name).map(|value| boolean(value, &format!("/{name}"))).transpose()
}

pub(super) fn texts(body: &Map<String, Value>, name: &str) -> Result<Vec<String>, Refusal> {
    given(body, name).map_or(Ok(Vec::new()), |value| field::texts(value, &format!("/{name}")))
}

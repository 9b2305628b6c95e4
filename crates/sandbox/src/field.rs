//! Values of a request body: read as what they should be, or refused with the documented code and place.

use serde_json::Value;
use url::Url;

use crate::refusal::Refusal;

/// The longest URL that Telnyx takes (error 10003).
const MAX_URL: usize = 2000;

/// The text in a JSON value.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str, Refusal> {
    value.as_str().ok_or_else(|| Refusal::new("10020", "A string was expected.").at(pointer))
}

/// A text, or null or an empty one for none.
pub(crate) fn optional_text(value: &Value, pointer: &str) -> Result<Option<String>, Refusal> {
    match value.is_null() || value == "" {
        true => Ok(None),
        false => text(value, pointer).map(|text| Some(text.to_owned())),
    }
}

/// A list of texts.
pub(crate) fn texts(value: &Value, pointer: &str) -> Result<Vec<String>, Refusal> {
    let items = value.as_array().ok_or_else(|| wrong_type("a list of strings", pointer))?;
    items.iter().map(|item| text(item, pointer).map(str::to_owned)).collect()
}

/// True or false.
pub(crate) fn boolean(value: &Value, pointer: &str) -> Result<bool, Refusal> {
    value.as_bool().ok_or_else(|| wrong_type("a boolean", pointer))
}

/// A whole number from 0.
pub(crate) fn whole_number(value: &Value, pointer: &str) -> Result<u64, Refusal> {
    value.as_u64().ok_or_else(|| wrong_type("a whole number from 0", pointer))
}

/// A URL that webhooks can go to, or null or an empty text for none.
pub(crate) fn optional_url(value: &Value, pointer: &str) -> Result<Option<Url>, Refusal> {
    optional_text(value, pointer)?.map(|given| url(&given, pointer)).transpose()
}

/// An http or https URL.
pub(crate) fn url(given: &str, pointer: &str) -> Result<Url, Refusal> {
    let url = Url::parse(given)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && given.len() <= MAX_URL);
    url.ok_or_else(|| {
        Refusal::new("10003", "The URL is not an http or https URL of up to 2000 characters.").at(pointer)
    })
}

/// The refusal of a value of another type.
pub(crate) fn wrong_type(expected: &str, pointer: &str) -> Refusal {
    Refusal::new("10026", format!("The value should be {expected}.")).at(pointer)
}

/// The refusal of a body without a field that it needs.
pub(crate) fn missing(name: &str) -> Refusal {
    Refusal::new("10004", format!("The parameter `{name}` is required.")).at(&format!("/{name}"))
}

//! Reads query parameters: filters, `limit` and `cursor`. What is unknown or wrong is refused by name.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use inlet_domain::{MAX_LIMIT, PageRequest};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::answer::{Answer, ApiError, Code};

/// The parameters of a list.
pub(super) struct List<F> {
    pub(super) filter: F,
    pub(super) page: PageRequest,
}

/// The filter of a list that has none.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct NoFilter {}

/// Says that a request has no parameters.
pub(super) struct NoQuery;

/// The last part of a path: the name or id of one object, percent-decoded.
pub(super) struct Name(pub(super) String);

impl Name {
    /// The number it is; otherwise there is no such object.
    pub(super) fn number(&self, kind: &str) -> Answer<i64> {
        self.0.parse().map_err(|_| ApiError::not_found(kind, &self.0))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name)).map_err(|_| ApiError::not_found("object with this", "name"))
    }
}

impl<S: Sync> FromRequestParts<S> for NoQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Answer<Self> {
        Parameters::of(parts)?.filter::<NoFilter>().map(|_| Self)
    }
}

impl<S: Sync, F: DeserializeOwned> FromRequestParts<S> for List<F> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Answer<Self> {
        Self::read(Parameters::of(parts)?)
    }
}

impl<F: DeserializeOwned> List<F> {
    /// Reads parameters of which those that are no part of the filter have been taken.
    pub(super) fn read(mut parameters: Parameters) -> Answer<Self> {
        let page = PageRequest {
            limit: parameters.take("limit").map_or(Ok(PageRequest::default().limit), |text| limit(&text))?,
            cursor: parameters.take("cursor").map(|text| parsed("cursor", &text)).transpose()?,
        };
        Ok(Self { filter: parameters.filter()?, page })
    }
}

fn limit(text: &str) -> Answer<u32> {
    match text.parse() {
        Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        _ => Err(bad_parameter("limit", format!("`{text}` is not a number from 1 to {MAX_LIMIT}"))),
    }
}

/// Parses one parameter's value.
pub(super) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str, text: &str) -> Answer<T> {
    text.parse().map_err(|error: T::Err| bad_parameter(name, error))
}

fn bad_parameter(name: &str, why: impl std::fmt::Display) -> ApiError {
    ApiError::new(Code::BadParameter, format!("parameter `{name}`: {why}"))
}

/// The parameters of one request, each at most once.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn of(parts: &Parts) -> Answer<Self> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(bad_parameter(&name, "it occurs more than once"));
            }
            pairs.push((name.into_owned(), unescape_plus(&value)));
        }
        Ok(Self(pairs))
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let place = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(place).1)
    }

    /// Reads everything that is left as the fields of a filter, one by one, so that an error names its parameter.
    pub(super) fn filter<F: DeserializeOwned>(self) -> Answer<F> {
        let mut fields = Map::new();
        for (name, text) in self.0 {
            let value = field_value::<F>(&name, text)?;
            fields.insert(name, value);
        }
        serde_json::from_value(Value::Object(fields))
            .map_err(|error| ApiError::new(Code::BadParameter, error.to_string()))
    }
}

/// Finds the JSON that this field of the filter takes: the text itself, or the number or truth value it spells.
fn field_value<F: DeserializeOwned>(name: &str, text: String) -> Answer<Value> {
    let fits = |value: &Value| {
        let field = Map::from_iter([(name.to_owned(), value.clone())]);
        serde_json::from_value::<F>(Value::Object(field))
    };
    let spelled =
        serde_json::from_str::<Value>(&text).ok().filter(|value| value.is_number() || value.is_boolean());
    let text = Value::String(text);
    let Err(error) = fits(&text) else { return Ok(text) };
    if let Some(value) = spelled.filter(|value| fits(value).is_ok()) {
        return Ok(value);
    }
    let message = error.to_string();
    if message.starts_with("unknown field") {
        let detail = format!("there is no parameter `{name}` here: {message}");
        return Err(ApiError::new(Code::UnknownParameter, detail));
    }
    Err(bad_parameter(name, message))
}

/// `?from=+15551234567` reaches us with a space for the plus, and no filter means a number with a space before it.
fn unescape_plus(value: &str) -> String {
    match value.strip_prefix(' ') {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("+{digits}")
        }
        _ => value.to_owned(),
    }
}

//! What a request to Telnyx's API brings, read once for all resources: its body, its query, its page.

use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::Bytes;
use http::request::Parts;
use jiff::Timestamp;
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::field;
use crate::http::api::answer::Page;
use crate::message::send_request::json_object;
use crate::refusal::Refusal;

/// More than any documented request of JSON; Telnyx's own limit is not published.
pub(crate) const MAX_BODY: usize = 1024 * 1024;
/// Telnyx's page size when none is asked for, and the largest one.
const PAGE_SIZE: (usize, usize) = (20, 250);

/// The body as bytes, within its limit.
pub(crate) struct Body(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        Bytes::from_request(request, state)
            .await
            .map(Self)
            .map_err(|_| Refusal::new("10025", "The request body is incomplete or too long."))
    }
}

/// The body as a JSON object.
pub(crate) struct Fields(pub(crate) Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        json_object(&Body::from_request(request, state).await?.0).map(Self)
    }
}

impl Fields {
    /// Takes a field out; null is as good as none.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a text out.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        self.take(name).map(|value| field::text(&value, &format!("/{name}")).map(str::to_owned)).transpose()
    }

    /// Takes a text out that has to be there.
    pub(crate) fn required_text(&mut self, name: &str) -> Result<String, Refusal> {
        self.text(name)?.ok_or_else(|| field::missing(name))
    }

    /// Takes a list of texts out.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, Refusal> {
        self.take(name).map(|value| field::texts(&value, &format!("/{name}"))).transpose()
    }

    /// Refuses what nobody has taken.
    pub(crate) fn finish(self, what: &str) -> Result<(), Refusal> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => {
                Err(Refusal::new("10015", format!("`{name}` of {what} cannot be set."))
                    .at(&format!("/{name}")))
            }
        }
    }
}

/// The query's parameters. Whoever reads it takes what it knows; what is left over is refused, never ignored.
pub(crate) struct Query(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

impl Query {
    /// Takes a parameter out.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(given, _)| given == name)?;
        Some(self.0.remove(index).1)
    }

    /// Takes a parameter out that is written `name` or `name[eq]`.
    pub(crate) fn equal(&mut self, name: &str) -> Option<String> {
        self.take(name).or_else(|| self.take(&format!("{name}[eq]")))
    }

    /// Takes a parameter out that has one of few values.
    pub(crate) fn one_of<T: Copy>(&mut self, name: &str, values: &[(&str, T)]) -> Result<Option<T>, Refusal> {
        let Some(given) = self.equal(name) else { return Ok(None) };
        let found = values.iter().find(|(value, _)| *value == given).map(|(_, meant)| *meant);
        let known: Vec<&str> = values.iter().map(|(value, _)| *value).collect();
        let refusal = || Refusal::new("10032", format!("`{name}` is one of {}.", known.join(", ")));
        found.map(Some).ok_or_else(|| refusal().in_parameter(name))
    }

    /// Takes a time out: a date, or a date with a time and an offset.
    pub(crate) fn time(&mut self, name: &str) -> Result<Option<Timestamp>, Refusal> {
        let Some(given) = self.take(name) else { return Ok(None) };
        // A plus that was not escaped arrives as a space.
        let written = match given.len() {
            10 => format!("{given}T00:00:00Z"),
            _ => given.replace(' ', "+"),
        };
        let refusal = || Refusal::new("10015", format!("`{name}` should be a time as 2026-01-31T12:00:00Z."));
        written.parse().map(Some).map_err(|_| refusal().in_parameter(name))
    }

    /// Takes the page out, and refuses what nobody has taken.
    pub(crate) fn page(self) -> Result<Page, Refusal> {
        self.page_up_to(PAGE_SIZE.1)
    }

    /// Takes a page of another largest size out, and refuses what nobody has taken.
    pub(crate) fn page_up_to(mut self, largest: usize) -> Result<Page, Refusal> {
        let size = self.positive("page[size]", PAGE_SIZE.0)?.min(largest);
        let number = self.positive("page[number]", 1)?;
        self.finish()?;
        Ok(Page { number, size })
    }

    /// Refuses what nobody has taken.
    pub(crate) fn finish(self) -> Result<(), Refusal> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                Err(Refusal::not_emulated(format_args!("the parameter `{name}` here")).in_parameter(name))
            }
        }
    }

    fn positive(&mut self, name: &str, default: usize) -> Result<usize, Refusal> {
        let Some(text) = self.take(name) else { return Ok(default) };
        let number = text.parse().ok().filter(|number| *number > 0);
        number.ok_or_else(|| {
            Refusal::new("10033", format!("`{name}` should be a number from 1.")).in_parameter(name)
        })
    }
}

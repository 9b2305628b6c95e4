//! What a request to Telnyx's API brings, read once for all resources: its body, its query, its page.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::Bytes;
use http::request::Parts;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use crate::message::send_request::json_object;
use crate::refusal::Refusal;

/// More than any documented request of JSON; Telnyx's own limit is not published.
pub(crate) const MAX_BODY: usize = 1024 * 1024;
/// Telnyx's page size when none is asked for, and the largest one.
const PAGE_SIZE: (usize, usize) = (20, 250);

/// An answer of the API.
pub(crate) type Answer = Result<Json<Value>, Refusal>;

/// The body as bytes, within its limit.
pub(crate) struct Body(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        Bytes::from_request(request, state).await.map(Self).map_err(|_| {
            Refusal::new("10025", format!("The request body is incomplete or longer than {MAX_BODY} bytes."))
        })
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

    /// Takes the page out, and refuses what nobody has taken.
    pub(crate) fn page(mut self) -> Result<Page, Refusal> {
        let size = self.positive("page[size]", PAGE_SIZE.0)?.min(PAGE_SIZE.1);
        let number = self.positive("page[number]", 1)?;
        match self.0.first() {
            None => Ok(Page { number, size }),
            Some((name, _)) => Err(Refusal::not_emulated(format_args!("the parameter `{name}` here"))),
        }
    }

    fn positive(&mut self, name: &str, default: usize) -> Result<usize, Refusal> {
        let Some(text) = self.take(name) else { return Ok(default) };
        let number = text.parse().ok().filter(|number| *number > 0);
        number.ok_or_else(|| Refusal::new("10033", format!("`{name}` should be a number from 1.")))
    }
}

/// Which part of a list is asked for.
pub(crate) struct Page {
    number: usize,
    size: usize,
}

impl Page {
    /// That part, in the documented envelope.
    pub(crate) fn of(&self, items: impl IntoIterator<Item = Value>) -> Json<Value> {
        let items: Vec<Value> = items.into_iter().collect();
        let meta = json!({
            "page_number": self.number, "page_size": self.size,
            "total_pages": items.len().div_ceil(self.size), "total_results": items.len(),
        });
        let skipped = (self.number - 1).saturating_mul(self.size);
        let data: Vec<Value> = items.into_iter().skip(skipped).take(self.size).collect();
        Json(json!({ "data": data, "meta": meta }))
    }
}

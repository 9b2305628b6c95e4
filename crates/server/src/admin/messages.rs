//! Messages: list, search, one, send.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use http::StatusCode;
use http::request::Parts;
use inlet_domain::{
    Message, MessageFilter, Page, PageRequest, PhoneNumber, Search, SearchError, SendKey, SendRequest,
};
use inlet_telnyx::{MAX_PARTS, Segments};
use serde_json::{Value, json};
use url::Url;

use super::answer::{Answer, ApiError, Code};
use super::body::{JsonBody, bad_body};
use super::query::{List, Name, NoQuery, Parameters};
use super::state::Shared;

// Telnyx takes ten attachments in one message.
const MAX_MEDIA: usize = 10;

/// The parameters of a list of messages: those of its filter, `text` for plain words, `q` for the language of the search
/// box. All must hold.
pub(super) struct MessageList {
    pub(super) filter: MessageFilter,
    pub(super) page: PageRequest,
}

impl FromRequestParts<Shared> for MessageList {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Answer<Self> {
        let mut parameters = Parameters::of(parts)?;
        let text =
            parameters.take("text").map(|text| Search::words(&text).map_err(|error| bad("text", &error)));
        let now = state.clock.now();
        let query =
            parameters.take("q").map(|text| Search::parse(&text, now).map_err(|error| bad("q", &error)));
        let List { mut filter, page } = List::<MessageFilter>::read(parameters)?;
        for search in [text.transpose()?, query.transpose()?].into_iter().flatten() {
            filter.search.terms.extend(search.terms);
        }
        Ok(Self { filter, page })
    }
}

fn bad(parameter: &str, error: &SearchError) -> ApiError {
    ApiError::new(Code::BadSearch, format!("parameter `{parameter}`, {error}"))
}

pub(super) async fn list(State(state): State<Shared>, list: MessageList) -> Answer<Json<Page<Message>>> {
    Ok(Json(state.store.messages(list.filter, list.page).await?))
}

pub(super) async fn one(State(state): State<Shared>, name: Name, _: NoQuery) -> Answer<Json<Message>> {
    let message = state.store.message(&name.0).await?;
    message.map(Json).ok_or_else(|| ApiError::not_found("message", &name.0))
}

/// Makes the job; the message appears once Telnyx has named it.
pub(super) async fn send(
    State(state): State<Shared>,
    _: NoQuery,
    JsonBody(request): JsonBody<SendRequest>,
) -> Answer<(StatusCode, Json<Value>)> {
    check(&request).map_err(bad_body)?;
    let key = SendKey(state.entropy.id());
    let job_id = state.store.enqueue_send(key, request, state.clock.now()).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "job_id": job_id }))))
}

/// Refuses what Telnyx would surely refuse, so that it does not become a dead letter.
fn check(request: &SendRequest) -> Result<(), String> {
    for (field, number) in [("from", &request.from), ("to", &request.to)] {
        number.parse::<PhoneNumber>().map_err(|error| format!("field `{field}`: {error}"))?;
    }
    if request.text.is_empty() && request.media_urls.is_empty() {
        return Err("one of the fields `text` and `media_urls` must not be empty".to_owned());
    }
    if Segments::of(&request.text).parts > MAX_PARTS {
        return Err(format!("field `text`: longer than {MAX_PARTS} parts"));
    }
    check_media(&request.media_urls)
}

fn check_media(urls: &[String]) -> Result<(), String> {
    if urls.len() > MAX_MEDIA {
        return Err(format!("field `media_urls`: more than {MAX_MEDIA} entries"));
    }
    let is_web = |url: &String| Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    match urls.iter().position(|url| !is_web(url)) {
        Some(place) => Err(format!("field `media_urls[{place}]`: not an http or https URL")),
        None => Ok(()),
    }
}

//! A request that brings media: as a form with the file in it, or as JSON with a URL to fetch it from.

use std::time::Duration;

use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, Multipart, Request};
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tokio::time::Instant;
use url::Url;

use crate::account::Account;
use crate::field::{self, wrong_type};
use crate::http::api::request::Fields;
use crate::refusal::Refusal;

/// The largest file (Telnyx: 20 MB).
const MAX_FILE: usize = 20 * 1024 * 1024;
/// The largest request: a file and the form around it.
pub(super) const MAX_BODY: usize = MAX_FILE + 64 * 1024;
/// The longest that a file can be kept: twenty years.
const MAX_LIFETIME_SECONDS: u64 = 630_720_000;
/// Time to fetch a file.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// What a file is that does not say so.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// A file's bytes and what they are.
pub(super) struct Content {
    pub(super) content_type: String,
    pub(super) data: Bytes,
}

enum Source {
    Form(Content),
    Link(Url),
}

/// What is asked for, not yet fetched.
pub(crate) struct MediaRequest {
    name: Option<String>,
    pub(super) lifetime: Option<Duration>,
    source: Option<Source>,
}

impl<S: Send + Sync> FromRequest<S> for MediaRequest {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_form = content_type.is_some_and(|given| given.to_ascii_lowercase().starts_with("multipart/"));
        if !is_form {
            return Self::from_json(Fields::from_request(request, state).await?);
        }
        let form = Multipart::from_request(request, state).await;
        Self::from_form(form.map_err(|rejection| broken(rejection.body_text()))?).await
    }
}

impl MediaRequest {
    fn from_json(mut fields: Fields) -> Result<Self, Refusal> {
        let lifetime = fields.take("ttl_secs");
        let seconds = lifetime.map(|value| field::whole_number(&value, "/ttl_secs")).transpose()?;
        let link = fields.text("media_url")?.map(|given| field::url(&given, "/media_url")).transpose()?;
        let name = fields.text("media_name")?;
        fields.finish("a media file")?;
        Ok(Self { name, lifetime: seconds.map(lifetime_of).transpose()?, source: link.map(Source::Link) })
    }

    async fn from_form(mut form: Multipart) -> Result<Self, Refusal> {
        let mut request = Self { name: None, lifetime: None, source: None };
        while let Some(field) = form.next_field().await.map_err(unreadable)? {
            let name = field.name().unwrap_or_default().to_owned();
            match name.as_str() {
                "media" => {
                    let content_type = field.content_type().unwrap_or(UNKNOWN_TYPE).to_owned();
                    let data = field.bytes().await.map_err(unreadable)?;
                    check_size(data.len())?;
                    request.source = Some(Source::Form(Content { content_type, data }));
                }
                "media_name" => request.name = Some(field.text().await.map_err(unreadable)?),
                "ttl_secs" => {
                    let text = field.text().await.map_err(unreadable)?;
                    let seconds = text.parse().map_err(|_| wrong_type("a whole number", "/ttl_secs"))?;
                    request.lifetime = Some(lifetime_of(seconds)?);
                }
                other => {
                    return Err(Refusal::new("10015", format!("`{other}` of a media file cannot be set."))
                        .at(&format!("/{other}")));
                }
            }
        }
        Ok(request)
    }

    /// The name that the file is to have.
    pub(super) fn name(&self) -> Result<Option<String>, Refusal> {
        let Some(name) = &self.name else { return Ok(None) };
        let fits = (1..=255).contains(&name.len())
            && !name.contains(['/', '?', '#'])
            && !name.chars().any(char::is_control)
            && !matches!(name.as_str(), "." | "..");
        match fits {
            true => Ok(Some(name.clone())),
            false => Err(Refusal::new("10015", "A media name is 1 to 255 characters without a slash.")
                .at("/media_name")),
        }
    }

    /// The file itself, fetched where it is a link; none where there is no file.
    pub(super) async fn content(self, account: &Account) -> Result<Option<Content>, Refusal> {
        match self.source {
            None => Ok(None),
            Some(Source::Form(content)) => Ok(Some(content)),
            Some(Source::Link(url)) => fetch(account, url).await.map(Some),
        }
    }
}

async fn fetch(account: &Account, url: Url) -> Result<Content, Refusal> {
    let failed = |reason: String| {
        Refusal::new("10027", format!("The media cannot be fetched: {reason}.")).at("/media_url")
    };
    let deadline = Instant::now() + FETCH_TIMEOUT;
    let late = || failed(format!("no answer within {} seconds", FETCH_TIMEOUT.as_secs()));
    let client = account.host.client().ok_or_else(|| failed("there is no client for it".to_owned()))?;
    let answer = tokio::time::timeout_at(deadline, client.get(url).send());
    let mut response = answer.await.map_err(|_| late())?.map_err(|error| failed(error.to_string()))?;
    if !response.status().is_success() {
        return Err(failed(format!("the host answered {}", response.status().as_u16())));
    }
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or(UNKNOWN_TYPE).to_owned();
    let mut data = Vec::new();
    loop {
        let chunk = tokio::time::timeout_at(deadline, response.chunk()).await.map_err(|_| late())?;
        let Some(chunk) = chunk.map_err(|error| failed(error.to_string()))? else { break };
        data.extend_from_slice(&chunk);
        check_size(data.len())?;
    }
    Ok(Content { content_type, data: data.into() })
}

fn unreadable(error: MultipartError) -> Refusal {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => broken(error.body_text()),
    }
}

fn broken(reason: String) -> Refusal {
    Refusal::new("10015", format!("The request body is no well-formed multipart form: {reason}."))
}

fn too_large() -> Refusal {
    Refusal::new("10025", format!("A media file can have up to {MAX_FILE} bytes."))
}

fn check_size(size: usize) -> Result<(), Refusal> {
    match size <= MAX_FILE {
        true => Ok(()),
        false => Err(too_large()),
    }
}

fn lifetime_of(seconds: u64) -> Result<Duration, Refusal> {
    match (1..=MAX_LIFETIME_SECONDS).contains(&seconds) {
        true => Ok(Duration::from_secs(seconds)),
        false => {
            let detail = format!("A media file is kept 1 to {MAX_LIFETIME_SECONDS} seconds.");
            Err(Refusal::new("10033", detail).at("/ttl_secs"))
        }
    }
}

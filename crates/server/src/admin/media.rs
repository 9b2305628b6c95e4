//! Archived attachments, served so that none of them can act as a page of ours.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use inlet_domain::StoredMedia;

use super::answer::{Answer, ApiError};
use super::query::{Name, NoQuery};
use super::state::Shared;

/// Forbids scripts, frames and everything else, and gives the document an origin of its own.
pub(super) const INERT: &str = "sandbox; default-src 'none'";
/// Types that cannot carry a script. The type is what the bytes show, not what their sender declared.
const INLINE: [&str; 8] = [
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/webp",
    "video/mp4",
    "video/3gpp",
    "audio/mpeg",
    "audio/amr",
];

pub(super) async fn one(State(state): State<Shared>, name: Name, _: NoQuery) -> Answer<Response> {
    let missing = || ApiError::not_found("media", &name.0);
    let media = state.store.stored_media(&name.0).await?.ok_or_else(missing)?;
    let bytes = state.blobs.get(&media.sha256).await?.ok_or_else(missing)?;
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    let (content_type, disposition) = presentation(&media);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static(disposition));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(INERT));
    // The name is the digest of the bytes, so they never change.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable"));
    Ok(response)
}

fn presentation(media: &StoredMedia) -> (&'static str, &'static str) {
    match INLINE.into_iter().find(|inline| *inline == media.content_type) {
        Some(inline) => (inline, "inline"),
        None => ("application/octet-stream", "attachment"),
    }
}

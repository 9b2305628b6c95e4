//! The media host: serves attachments as long as they live, as badly as the active faults ask for.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::account::Account;
use crate::accounts::Accounts;
use crate::clock;
use crate::fault::{FaultEffect, Subject};
use crate::http::gate::bearer;
use crate::media::StoredMedia;

/// A slow answer goes out in so many steps a second.
const STEPS_PER_SECOND: u32 = 10;

pub(crate) async fn serve(
    State(accounts): State<Arc<Accounts>>,
    Path((folder, file)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let path = format!("{folder}/{file}");
    let find = |account: Arc<Account>| {
        let media = account.read(|world| world.media.find(&path).cloned())?;
        Some((media, account))
    };
    let Some((media, account)) = accounts.all().into_iter().find_map(find) else { return not_found() };
    let config = &accounts.host.config;
    if config.media_auth && !bearer(&headers).is_some_and(|key| account.has_key(key)) {
        return (StatusCode::UNAUTHORIZED, "media need the account's API key as bearer token\n")
            .into_response();
    }
    if account.clock.now() >= clock::after(media.stored_at, config.media_lifetime) {
        let status = StatusCode::from_u16(config.expired_media_status).unwrap_or(StatusCode::NOT_FOUND);
        return (status, "the media has expired\n").into_response();
    }
    // Faults are for those who fetch; looking on must not use them up.
    let fault = if method == Method::GET && !is_page(&headers) { strike(&account, &path) } else { None };
    match fault {
        None => content(&media, Body::from(media.data.clone())),
        Some(fault) => faulty(media, fault),
    }
}

/// Whether the page of phones asks.
fn is_page(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin")
}

/// Lets a fault strike or not: equally in all runs, whichever attachment is fetched first.
fn strike(account: &Account, path: &str) -> Option<FaultEffect> {
    account.quietly(|world| {
        let (fetch, media) = world.media.count_fetch(path)?;
        let occasion = format!("{path} {fetch}");
        let subject = Subject { numbers: &media.numbers, event_type: None };
        world.faults.strike_at(&world.random, subject, &occasion, |fault| match &fault.effect {
            effect @ (FaultEffect::MediaStatus { .. }
            | FaultEffect::MediaSlow { .. }
            | FaultEffect::MediaTruncate {}
            | FaultEffect::MediaCorrupt {}
            | FaultEffect::MediaRedirect { .. }) => Some(effect.clone()),
            _ => None,
        })
    })
}

fn faulty(media: StoredMedia, fault: FaultEffect) -> Response {
    match fault {
        FaultEffect::MediaStatus { status } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, "a fault was asked for\n").into_response()
        }
        FaultEffect::MediaRedirect { url } => {
            (StatusCode::FOUND, [(LOCATION, url.to_string())]).into_response()
        }
        FaultEffect::MediaSlow { bytes_per_second } => {
            content(&media, slow(media.data.clone(), bytes_per_second))
        }
        FaultEffect::MediaTruncate {} => content(&media, truncated(&media.data)),
        FaultEffect::MediaCorrupt {} => {
            let corrupt: Vec<u8> = media.data.iter().map(|byte| !byte).collect();
            content(&media, Body::from(corrupt))
        }
        _ => content(&media, Body::from(media.data.clone())),
    }
}

fn content(media: &StoredMedia, body: Body) -> Response {
    let mut response = Response::new(body);
    let content_type = HeaderValue::from_str(&media.content_type);
    let unknown = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(CONTENT_TYPE, content_type.unwrap_or(unknown));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(media.data.len()));
    // What phones send is not ours; a browser must not run it on this origin.
    response.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
        .headers_mut()
        .insert("content-security-policy", HeaderValue::from_static("sandbox; default-src 'none'"));
    response
}

fn slow(data: Bytes, bytes_per_second: u32) -> Body {
    let step = usize::try_from(bytes_per_second.div_ceil(STEPS_PER_SECOND)).unwrap_or(usize::MAX);
    let pause = Duration::from_secs_f64(step as f64 / f64::from(bytes_per_second));
    Body::from_stream(stream::unfold(data, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let chunk = rest.split_to(step.min(rest.len()));
        Some((Ok::<_, io::Error>(chunk), rest))
    }))
}

// The pause lets the first half reach the wire; without it the cut would overtake it.
fn truncated(data: &Bytes) -> Body {
    let half = data.slice(..data.len() / 2);
    Body::from_stream(stream::unfold(Some(half), |half| async {
        if let Some(half) = half {
            return Some((Ok(half), None));
        }
        tokio::task::yield_now().await;
        Some((Err(io::Error::other("the media is cut short on request")), None))
    }))
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "there is no such media\n").into_response()
}

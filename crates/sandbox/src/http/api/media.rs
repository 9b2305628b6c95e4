//! Media that an account uploads, keeps under a name for a time, and can send.

use std::time::Duration;

use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::account::upload::Upload;
use crate::account::{Account, World};
use crate::clock;
use crate::http::api::answer::{Answer, data, unknown};
use crate::http::api::media_request::{Content, MediaRequest};
use crate::http::api::request::Query;
use crate::http::gate::Tenant;
use crate::media::{StoredMedia, sha256};
use crate::refusal::Refusal;

/// How long a file is kept that says nothing about it: two days, as documented.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// Lists the files, by type where asked.
pub(crate) async fn list(Tenant(account): Tenant, mut query: Query) -> Answer {
    let mut types = Vec::new();
    for name in ["filter[content_type]", "filter[content_type][]"] {
        while let Some(given) = query.take(name) {
            // The documented example writes the slash as an underscore.
            types.extend(given.split(',').map(|kind| kind.replace('_', "/")));
        }
    }
    let page = query.page()?;
    let now = account.clock.now();
    let matches = |(_, upload): &(&String, &Upload)| {
        types.is_empty() || types.contains(&upload.content_type.replace('_', "/"))
    };
    Ok(account
        .read(|world| page.of(world.uploads.all(now).filter(matches), |(name, upload)| shown(name, upload))))
}

/// Keeps a file under a name that is free.
pub(crate) async fn create(
    Tenant(account): Tenant,
    request: MediaRequest,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let (name, lifetime) = (request.name()?, request.lifetime.unwrap_or(DEFAULT_LIFETIME));
    let content = request.content(&account).await?.ok_or_else(|| crate::field::missing("media_url"))?;
    let now = account.clock.now();
    account.change(|world| {
        let name = name.unwrap_or_else(|| world.random.hex("media name"));
        if world.uploads.find(&name, now).is_some() {
            let detail = format!("There is a media file '{name}' already; `PUT` changes it.");
            return Err(Refusal::new("10027", detail).at("/media_name"));
        }
        check_room(world, &account, &content)?;
        let expires_at = clock::after(now, lifetime);
        let upload = keep(world, &name, content, (now, expires_at));
        let answer = data(shown(&name, &upload));
        world.uploads.keep(name, upload);
        Ok((StatusCode::CREATED, answer))
    })
}

/// Shows a file's name, type and times.
pub(crate) async fn show(Tenant(account): Tenant, Path(name): Path<String>) -> Answer {
    let now = account.clock.now();
    account.read(|world| find(world, &name, now).map(|upload| data(shown(&name, upload))))
}

/// Gives a file other content, more time, or both.
pub(crate) async fn change(
    Tenant(account): Tenant,
    Path(name): Path<String>,
    request: MediaRequest,
) -> Answer {
    account.read(|world| find(world, &name, account.clock.now()).map(drop))?;
    let lifetime = request.lifetime;
    let content = request.content(&account).await?;
    let now = account.clock.now();
    account.change(|world| {
        let before = find(world, &name, now)?.clone();
        let expires_at = lifetime.map_or(before.expires_at, |lifetime| clock::after(now, lifetime));
        let upload = match content {
            None => Upload { updated_at: now, expires_at, ..before },
            Some(content) => {
                check_room(world, &account, &content)?;
                let kept = keep(world, &name, content, (now, expires_at));
                Upload { created_at: before.created_at, ..kept }
            }
        };
        let answer = data(shown(&name, &upload));
        world.uploads.keep(name, upload);
        Ok(answer)
    })
}

/// Deletes a file. What was sent with it stays.
pub(crate) async fn delete(Tenant(account): Tenant, Path(name): Path<String>) -> Result<StatusCode, Refusal> {
    let now = account.clock.now();
    let removed = account.change(|world| world.uploads.remove(&name, now));
    removed.map(|_| StatusCode::NO_CONTENT).ok_or_else(|| unknown("media file", &name))
}

/// Gives a file's content.
pub(crate) async fn download(Tenant(account): Tenant, Path(name): Path<String>) -> Result<Response, Refusal> {
    let now = account.clock.now();
    let content: Bytes = account.read(|world| find(world, &name, now).map(|upload| upload.data.clone()))?;
    Ok(([(CONTENT_TYPE, "application/octet-stream")], content).into_response())
}

fn find<'a>(world: &'a World, name: &str, now: Timestamp) -> Result<&'a Upload, Refusal> {
    world.uploads.find(name, now).ok_or_else(|| unknown("media file", name))
}

fn check_room(world: &World, account: &Account, content: &Content) -> Result<(), Refusal> {
    let capacity = account.host.config.media_capacity_bytes;
    match world.uploads.size_bytes() + content.data.len() <= capacity {
        true => Ok(()),
        false => {
            let detail = format!("The account's media take more than {capacity} bytes; delete some.");
            Err(Refusal::new("10027", detail))
        }
    }
}

// The media host has the file, too, because a recipient has no key to download it here.
fn keep(
    world: &mut World,
    name: &str,
    content: Content,
    (now, expires_at): (Timestamp, Timestamp),
) -> Upload {
    let Content { content_type, data } = content;
    let folder = world.random.hex("media folder");
    let stored = StoredMedia {
        fetches: 0,
        content_type: content_type.clone(),
        data: data.clone(),
        sha256: sha256(&data),
        stored_at: now,
        numbers: Vec::new(),
    };
    let media_path = world.media.keep(&folder, Some(name), stored);
    Upload { content_type, data, media_path, created_at: now, updated_at: now, expires_at }
}

fn shown(name: &str, upload: &Upload) -> Value {
    json!({
        "content_type": upload.content_type,
        "created_at": clock::format(upload.created_at),
        "expires_at": clock::format(upload.expires_at),
        "media_name": name,
        "updated_at": clock::format(upload.updated_at),
    })
}

//! Media that the account has uploaded: found by name until their time is over.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

/// One uploaded file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) content_type: String,
    #[serde(with = "crate::base64_bytes")]
    pub(crate) data: Bytes,
    /// Where the media host has it, for messages that are sent with it.
    pub(crate) media_path: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// All uploaded files.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Uploads(BTreeMap<String, Upload>);

impl Uploads {
    /// Those whose time is not over, by name.
    pub(crate) fn all(&self, now: Timestamp) -> impl Iterator<Item = (&String, &Upload)> {
        self.0.iter().filter(move |(_, upload)| now < upload.expires_at)
    }

    pub(crate) fn find(&self, name: &str, now: Timestamp) -> Option<&Upload> {
        self.0.get(name).filter(|upload| now < upload.expires_at)
    }

    /// The file that a link downloads, where it leads to one of these.
    pub(crate) fn by_link(&self, link: &str, origin: &str, now: Timestamp) -> Option<&Upload> {
        let link = Url::parse(link).ok()?;
        self.all(now)
            .find(|(name, _)| download_link(origin, name).as_ref() == Some(&link))
            .map(|(_, upload)| upload)
    }

    pub(crate) fn size_bytes(&self) -> usize {
        self.0.values().map(|upload| upload.data.len()).sum()
    }

    /// Keeps a file in the place of what had its name; files whose time is over go.
    pub(crate) fn keep(&mut self, name: String, upload: Upload) {
        self.0.retain(|_, other| upload.updated_at < other.expires_at);
        self.0.insert(name, upload);
    }

    pub(crate) fn remove(&mut self, name: &str, now: Timestamp) -> Option<Upload> {
        self.0.remove(name).filter(|upload| now < upload.expires_at)
    }
}

fn download_link(origin: &str, name: &str) -> Option<Url> {
    let mut link = Url::parse(origin).ok()?;
    link.path_segments_mut().ok()?.pop_if_empty().extend(["v2", "media", name, "download"]);
    Some(link)
}

//! The media host's content: attachments by path, for as long as they live.

use std::collections::{BTreeMap, VecDeque};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::random::hex;

/// One attachment that the sandbox serves.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StoredMedia {
    pub(crate) content_type: String,
    #[serde(with = "crate::base64_bytes")]
    pub(crate) data: Bytes,
    pub(crate) sha256: String,
    pub(crate) stored_at: Timestamp,
    /// The numbers of its message, by which faults find it.
    pub(crate) numbers: Vec<String>,
    /// How often it was fetched: faults strike by that, because who fetches what first is up to the receivers.
    #[serde(default)]
    pub(crate) fetches: u64,
}

/// All attachments, up to a total size.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct MediaStore {
    by_path: BTreeMap<String, StoredMedia>,
    oldest_first: VecDeque<String>,
    #[serde(skip)]
    size_bytes: usize,
    #[serde(skip)]
    capacity_bytes: usize,
    /// Attachments that had to go because the store was full.
    pub(crate) dropped: u64,
}

impl MediaStore {
    pub(crate) fn new(capacity_bytes: usize) -> Self {
        Self { capacity_bytes, ..Self::default() }
    }

    /// Goes on where a snapshot was taken, within a limit.
    pub(crate) fn resume(&mut self, capacity_bytes: usize) {
        self.capacity_bytes = capacity_bytes;
        self.size_bytes = self.by_path.values().map(|media| media.data.len()).sum();
        self.make_room();
    }

    pub(crate) fn find(&self, path: &str) -> Option<&StoredMedia> {
        self.by_path.get(path)
    }

    /// Counts one more time that an attachment is fetched, and tells which it is.
    pub(crate) fn count_fetch(&mut self, path: &str) -> Option<(u64, &StoredMedia)> {
        let media = self.by_path.get_mut(path)?;
        media.fetches += 1;
        Some((media.fetches, media))
    }

    /// Keeps an attachment under `<folder>/<sha256>.<ext>` and tells that path.
    pub(crate) fn keep(&mut self, folder: &str, filename: Option<&str>, media: StoredMedia) -> String {
        let path = format!("{folder}/{}.{}", media.sha256, extension(&media.content_type, filename));
        self.size_bytes += media.data.len();
        self.oldest_first.push_back(path.clone());
        self.by_path.insert(path.clone(), media);
        self.make_room();
        path
    }

    fn make_room(&mut self) {
        while self.size_bytes > self.capacity_bytes && !self.oldest_first.is_empty() {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some(path) = self.oldest_first.pop_front() else { return };
        if let Some(media) = self.by_path.remove(&path) {
            self.size_bytes -= media.data.len();
            self.dropped += 1;
        }
    }
}

/// Lowercase hexadecimal SHA-256.
pub(crate) fn sha256(data: &[u8]) -> String {
    hex(digest(&SHA256, data).as_ref())
}

// Real names carry an extension (`.jpeg`). A file name is only asked for its letters, never used as a path.
fn extension(content_type: &str, filename: Option<&str>) -> String {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let known = match essence.as_str() {
        "application/smil" => "smil",
        "audio/mpeg" => "mp3",
        "text/plain" => "txt",
        "text/vcard" | "text/x-vcard" => "vcf",
        "video/3gpp" => "3gp",
        "video/quicktime" => "mov",
        "image/svg+xml" => "svg",
        "image/jpeg" | "image/png" | "image/gif" | "image/webp" | "video/mp4" | "audio/amr"
        | "application/pdf" => essence.split('/').next_back().unwrap_or_default(),
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let from_name =
        filename.and_then(|name| name.rsplit_once('.')).map(|(_, extension)| extension.to_ascii_lowercase());
    let harmless = |text: &String| {
        (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    from_name.filter(harmless).unwrap_or_else(|| "bin".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_come_from_the_type_and_never_contain_a_path() {
        assert_eq!(extension("image/jpeg", Some("a.png")), "jpeg");
        assert_eq!(extension("application/x-thing", Some("a.XYZ")), "xyz");
        assert_eq!(extension("application/x-thing", Some("a./../etc")), "bin");
    }
}

//! The archive of media: bytes under the name of their SHA-256, on a file system, synced before they count.

use bytes::Bytes;

/// The archive cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The folder cannot be used.
    #[error("cannot use media folder `{path}`: {reason}")]
    Open {
        /// The folder.
        path: String,
        /// Why.
        reason: String,
    },
    /// A blob cannot be written or read.
    #[error("cannot access blob `{sha256}`: {reason}")]
    Access {
        /// Its name.
        sha256: String,
        /// Why.
        reason: String,
    },
}

/// The archive.
#[derive(Debug, Clone)]
pub struct Blobs;

impl Blobs {
    /// Opens (and makes) the folder of a `file:` URL or a plain path.
    pub fn open(url: &str) -> Result<Self, BlobError> {
        let _ = url;
        todo!()
    }

    /// Stores bytes under their digest and syncs them; a blob that is there already is kept. Returns the lowercase
    /// hexadecimal SHA-256.
    pub async fn put(&self, bytes: Bytes) -> Result<String, BlobError> {
        let _ = bytes;
        todo!()
    }

    /// The bytes of a blob; `None` when there is none or the name is not 64 lowercase hexadecimal digits.
    pub async fn get(&self, sha256: &str) -> Result<Option<Bytes>, BlobError> {
        let _ = sha256;
        todo!()
    }
}

//! The archive of media: bytes under the name of their SHA-256, on a file system, synced before they count.

use std::collections::VecDeque;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

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

/// The archive. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Blobs {
    // With fsync on: `put` returns after the file and its folder were synced.
    objects: Arc<dyn ObjectStore>,
    folder: Arc<FilePath>,
    /// The digests put lately, and when. Their attachments may not be recorded yet, so they are not deleted. Held while a
    /// blob is deleted, so that nobody finds it there meanwhile.
    recent: Arc<Mutex<VecDeque<(Instant, String)>>>,
    /// How long that is.
    lately: Duration,
}

// Far longer than the lease under which an attachment is recorded.
const LATELY: Duration = Duration::from_secs(3_600);
// Far more than are fetched at a time; about 1 MB.
const RECENT: usize = 10_000;

impl Blobs {
    /// Opens (and makes) the folder of a `file:` URL or a plain path.
    pub fn open(url: &str) -> Result<Self, BlobError> {
        let error = |reason: String| BlobError::Open { path: url.to_owned(), reason };
        let path = url.strip_prefix("file://").or_else(|| url.strip_prefix("file:")).unwrap_or(url);
        if path.is_empty() || path.contains("://") {
            return Err(error("give a path or a `file:` URL, as in `file:inlet-data/media`".to_owned()));
        }
        let folder = make_folder(FilePath::new(path)).map_err(|source| error(source.to_string()))?;
        let objects =
            LocalFileSystem::new_with_prefix(&folder).map_err(|source| error(source.to_string()))?;
        Ok(Self {
            objects: Arc::new(objects.with_fsync(true)),
            folder: folder.into(),
            recent: Arc::default(),
            lately: LATELY,
        })
    }

    /// Stores bytes under their digest and syncs them; a blob that is there already is kept. Returns the lowercase
    /// hexadecimal SHA-256.
    pub async fn put(&self, bytes: Bytes) -> Result<String, BlobError> {
        let sha256 = hex(digest(&SHA256, &bytes).as_ref());
        self.remember(&sha256);
        let size = bytes.len() as u64;
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let payload = PutPayload::from_bytes(bytes.clone());
        match self.objects.put_opts(&key(&sha256), payload, options).await {
            Ok(_) => Ok(sha256),
            Err(Error::AlreadyExists { .. }) => self.keep(sha256, size, bytes).await,
            Err(source) => Err(access(&sha256, &source)),
        }
    }

    fn remember(&self, sha256: &str) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        while recent.len() == RECENT || recent.front().is_some_and(|(at, _)| at.elapsed() >= self.lately) {
            recent.pop_front();
        }
        recent.push_back((Instant::now(), sha256.to_owned()));
    }

    /// Deletes a blob that no attachment has any more. False when this process has put it lately: then an attachment
    /// that has it may be on its way.
    pub async fn delete(&self, sha256: &str) -> Result<bool, BlobError> {
        if !is_digest(sha256) {
            return Ok(true);
        }
        let (file, name) = (self.folder.join(key(sha256).as_ref()), sha256.to_owned());
        let (recent, lately) = (Arc::clone(&self.recent), self.lately);
        let deleted = tokio::task::spawn_blocking(move || {
            let recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
            if recent.iter().any(|(at, digest)| *digest == name && at.elapsed() < lately) {
                return Ok(false);
            }
            match std::fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(true),
            }
        });
        deleted.await.map_err(io::Error::other).flatten().map_err(|source| access(sha256, &source))
    }

    /// Keeps a blob that is there already, unless somebody has cut it; syncs it, because whoever wrote it may not
    /// have come that far.
    async fn keep(&self, sha256: String, size: u64, bytes: Bytes) -> Result<String, BlobError> {
        let key = key(&sha256);
        let found = self.objects.head(&key).await.map_err(|source| access(&sha256, &source))?;
        if found.size != size {
            let replaced = self.objects.put(&key, PutPayload::from_bytes(bytes)).await;
            return replaced.map(|_| sha256.clone()).map_err(|source| access(&sha256, &source));
        }
        let file = self.folder.join(key.as_ref());
        let synced = tokio::task::spawn_blocking(move || sync(&file)).await.map_err(io::Error::other);
        synced.flatten().map(|()| sha256.clone()).map_err(|source| access(&sha256, &source))
    }

    /// The bytes of a blob; `None` when there is none or the name is not 64 lowercase hexadecimal digits.
    pub async fn get(&self, sha256: &str) -> Result<Option<Bytes>, BlobError> {
        if !is_digest(sha256) {
            return Ok(None);
        }
        let found = match self.objects.get(&key(sha256)).await {
            Ok(found) => found.bytes().await,
            Err(source) => Err(source),
        };
        match found {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(access(sha256, &source)),
        }
    }
}

fn access(sha256: &str, source: &dyn std::error::Error) -> BlobError {
    BlobError::Access { sha256: sha256.to_owned(), reason: source.to_string() }
}

fn make_folder(path: &FilePath) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let folder = path.canonicalize()?;
    if let Some(parent) = folder.parent() {
        File::open(parent)?.sync_all()?;
    }
    Ok(folder)
}

fn sync(file: &FilePath) -> io::Result<()> {
    File::open(file)?.sync_all()?;
    file.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Two digits of the digest first, so that no folder gets too many entries.
fn key(sha256: &str) -> Path {
    Path::from(format!("{}/{sha256}", &sha256[..2]))
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_blob_is_found_under_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&format!("file:{}", folder.path().join("media").display())).unwrap();
        let name = blobs.put(Bytes::from_static(b"picture")).await.unwrap();
        assert_eq!(name, hex(digest(&SHA256, b"picture").as_ref()));
        assert_eq!(blobs.put(Bytes::from_static(b"picture")).await.unwrap(), name);
        assert_eq!(blobs.get(&name).await.unwrap(), Some(Bytes::from_static(b"picture")));
        let empty = blobs.put(Bytes::new()).await.unwrap();
        assert_eq!(blobs.get(&empty).await.unwrap(), Some(Bytes::new()));
    }

    #[tokio::test]
    async fn only_a_digest_is_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&folder.path().to_string_lossy()).unwrap();
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        let upper = "A".repeat(64);
        for name in ["", "secret", "../secret", "..", &upper, &"0".repeat(63), &"0".repeat(64), "é"] {
            assert_eq!(blobs.get(name).await.unwrap(), None, "{name}");
        }
    }

    #[tokio::test]
    async fn a_cut_blob_is_made_whole() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&folder.path().to_string_lossy()).unwrap();
        let name = blobs.put(Bytes::from_static(b"picture")).await.unwrap();
        std::fs::write(folder.path().join(&name[..2]).join(&name), "pic").unwrap();
        blobs.put(Bytes::from_static(b"picture")).await.unwrap();
        assert_eq!(blobs.get(&name).await.unwrap(), Some(Bytes::from_static(b"picture")));
    }

    #[tokio::test]
    async fn a_blob_is_deleted_unless_it_was_put_just_now() {
        let folder = tempfile::tempdir().unwrap();
        let url = folder.path().to_string_lossy();
        let blobs = Blobs::open(&url).unwrap();
        let name = blobs.put(Bytes::from_static(b"picture")).await.unwrap();
        assert!(!blobs.clone().delete(&name).await.unwrap());
        assert!(blobs.get(&name).await.unwrap().is_some());
        let another = Blobs::open(&url).unwrap();
        assert!(another.delete(&name).await.unwrap());
        assert_eq!(another.get(&name).await.unwrap(), None);
        assert!(another.delete(&name).await.unwrap());
        assert!(another.delete("../secret").await.unwrap());
    }

    #[tokio::test]
    async fn a_blob_that_was_put_long_ago_is_deleted_by_the_process_that_put_it() {
        let folder = tempfile::tempdir().unwrap();
        let opened = Blobs::open(&folder.path().to_string_lossy()).unwrap();
        let blobs = Blobs { lately: Duration::ZERO, ..opened };
        for bytes in ["picture", "another"] {
            let name = blobs.put(Bytes::from_static(bytes.as_bytes())).await.unwrap();
            assert!(blobs.delete(&name).await.unwrap());
            assert_eq!(blobs.get(&name).await.unwrap(), None);
            assert_eq!(blobs.recent.lock().unwrap().len(), 1, "no more is remembered than needed");
        }
    }

    #[test]
    fn the_folder_is_private_and_a_url_of_elsewhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/media");
        Blobs::open(&path.to_string_lossy()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(Blobs::open("s3://bucket/prefix").is_err());
        assert!(Blobs::open("").is_err());
    }
}

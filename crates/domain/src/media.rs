//! Media: one attachment of a message, as declared and as archived.

use serde::{Deserialize, Serialize};

use crate::job::{UnknownWord, words};
use crate::time::Timestamp;

words! {
    /// How far an attachment got.
    MediaState {
        /// It is being fetched, or will be.
        Waiting = "waiting",
        /// Its bytes are in the archive.
        Archived = "archived",
        /// It was given up; its job is a dead letter.
        Dead = "dead",
        /// Somebody discarded its job.
        Discarded = "discarded",
    }
}

/// An attachment as an event declares it. Declared names and types are never paths and never trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMedia {
    /// Where it can be fetched.
    pub url: String,
    /// Declared media type.
    pub content_type: Option<String>,
    /// Declared size.
    pub size_bytes: Option<i64>,
    /// Declared digest, kept only when it is 64 hexadecimal digits; lowercase.
    pub sha256: Option<String>,
}

/// What the archive holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMedia {
    /// Lowercase hexadecimal SHA-256 of the bytes: the name in the archive.
    pub sha256: String,
    /// Length.
    pub size_bytes: i64,
    /// The type its first bytes show; `application/octet-stream` when they show none.
    pub content_type: String,
}

/// An attachment as messages show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Position within the message, from 0.
    pub position: i64,
    /// Where Telnyx keeps it.
    pub url: String,
    /// Declared media type.
    pub content_type: Option<String>,
    /// Declared size.
    pub size_bytes: Option<i64>,
    /// How far it got.
    pub state: MediaState,
    /// Digest of the archived bytes: `GET /api/v1/media/{sha256}`. Before that, the declared digest.
    pub sha256: Option<String>,
    /// The type of the archived bytes.
    pub archived_type: Option<String>,
    /// The length of the archived bytes.
    pub archived_bytes: Option<i64>,
    /// When it was archived.
    pub archived_at: Option<Timestamp>,
}

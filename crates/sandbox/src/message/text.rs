//! A text that somebody sends to one of the account's numbers, as the control API and tests ask for it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use url::Url;

/// A text from a phone. Its sender is taken as it is, so that short codes and odd senders can be tried.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboundText {
    /// Who sends it.
    pub from: String,
    /// Which of the account's numbers gets it.
    pub to: String,
    /// What it says; a message of pictures alone has none.
    #[serde(default)]
    pub text: Option<String>,
    /// Subject line of an MMS.
    #[serde(default)]
    pub subject: Option<String>,
    /// The other participants of a group message.
    #[serde(default)]
    pub cc: Vec<String>,
    /// Attachments.
    #[serde(default)]
    pub media: Vec<InboundMedia>,
    /// Takes the place of the derived event id (`data.id`).
    #[serde(default)]
    pub data_id: Option<String>,
    /// Takes the place of the derived message id (`payload.id`).
    #[serde(default)]
    pub payload_id: Option<String>,
}

impl InboundText {
    /// A plain text.
    pub fn new(from: impl Into<String>, to: impl Into<String>, text: impl Into<String>) -> Self {
        Self { from: from.into(), to: to.into(), text: Some(text.into()), ..Self::default() }
    }

    /// All that the event will show of it.
    pub(crate) fn size_bytes(&self) -> usize {
        let texts = [&self.text, &self.subject, &self.data_id, &self.payload_id];
        let links = self.media.iter().map(|item| match item {
            InboundMedia::Link { url, .. } => url.len(),
            InboundMedia::Upload { .. } => 0,
        });
        let others =
            texts.into_iter().flatten().chain(&self.cc).chain([&self.from, &self.to]).map(String::len);
        others.chain(links).sum()
    }

    /// The same text with one more attachment.
    pub fn with_media(mut self, media: InboundMedia) -> Self {
        self.media.push(media);
        self
    }
}

// What people write stays out of logs and panics.
impl fmt::Debug for InboundText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InboundText({} media)", self.media.len())
    }
}

/// An attachment of an inbound text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "MediaForm")]
pub enum InboundMedia {
    /// Bytes that the sandbox's media host serves.
    Upload {
        /// Gives the served name its extension when the type does not.
        filename: Option<String>,
        /// Declared and served type.
        content_type: String,
        /// The content.
        data: Bytes,
    },
    /// A link that is handed on word for word, however hostile.
    Link {
        /// Where the media claims to be.
        url: String,
        /// Declared type.
        content_type: Option<String>,
        /// Declared size.
        size: Option<i64>,
        /// Declared digest.
        sha256: Option<String>,
    },
}

impl InboundMedia {
    /// Bytes of a type, to be served by the sandbox.
    pub fn upload(content_type: impl Into<String>, data: impl Into<Bytes>) -> Self {
        Self::Upload { filename: None, content_type: content_type.into(), data: data.into() }
    }
}

/// Both shapes of an attachment at once, so that a wrong one gets a clear message.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MediaForm {
    filename: Option<String>,
    content_type: Option<String>,
    data: Option<String>,
    url: Option<String>,
    size: Option<i64>,
    sha256: Option<String>,
}

/// An attachment is neither an upload nor a link.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum InvalidMedia {
    #[error("media item needs either `data` with `content_type`, or `url`")]
    Shape,
    #[error("`data` of a media item is not padded standard base64")]
    Base64,
}

impl TryFrom<MediaForm> for InboundMedia {
    type Error = InvalidMedia;

    fn try_from(form: MediaForm) -> Result<Self, Self::Error> {
        match form {
            MediaForm {
                data: Some(data),
                content_type: Some(content_type),
                url: None,
                filename,
                size: None,
                sha256: None,
            } => {
                let data = STANDARD.decode(data).map_err(|_| InvalidMedia::Base64)?.into();
                Ok(Self::Upload { filename, content_type, data })
            }
            MediaForm { data: None, filename: None, url: Some(url), content_type, size, sha256 } => {
                Ok(Self::Link { url, content_type, size, sha256 })
            }
            _ => Err(InvalidMedia::Shape),
        }
    }
}

/// A webhook body that is signed and sent byte for byte, however odd.
#[derive(Clone, Deserialize)]
#[serde(try_from = "RawForm")]
pub struct RawEvent {
    /// The body.
    pub body: Bytes,
    /// Where it goes; the default profile's URLs when absent.
    pub url: Option<Url>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawForm {
    body: Option<serde_json::Value>,
    body_base64: Option<String>,
    url: Option<Url>,
}

/// A raw event has no body, or two.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum InvalidRawEvent {
    #[error("an event needs either `body` (JSON) or `body_base64` (bytes)")]
    Shape,
    #[error("`body_base64` of an event is not padded standard base64")]
    Base64,
}

impl TryFrom<RawForm> for RawEvent {
    type Error = InvalidRawEvent;

    fn try_from(form: RawForm) -> Result<Self, Self::Error> {
        let body = match (form.body, form.body_base64) {
            (Some(body), None) => serde_json::to_vec_pretty(&body).map_err(|_| InvalidRawEvent::Shape)?,
            (None, Some(text)) => STANDARD.decode(text).map_err(|_| InvalidRawEvent::Base64)?,
            _ => return Err(InvalidRawEvent::Shape),
        };
        Ok(Self { body: body.into(), url: form.url })
    }
}

/// What became of an injected text or event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Injected {
    /// The message's id, `payload.id` of its event; empty for a raw event without one.
    pub id: String,
    /// The event's id, `data.id`; for a raw event without one, the name of its delivery.
    pub event_id: String,
}

/// Why a text cannot be injected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// The recipient is not one of the account's numbers.
    #[error("`{number}` is not a number of the sandbox's account")]
    UnknownNumber {
        /// The recipient as given.
        number: String,
    },
    /// The recipient is on no messaging profile, so Telnyx would have nowhere to deliver the text.
    #[error("`{number}` is on no messaging profile; put it on one first")]
    NoProfile {
        /// The recipient.
        number: String,
    },
    /// Too many events wait for delivery.
    #[error("{pending} events wait for delivery already; wait until the sandbox is idle")]
    QueueFull {
        /// Events that wait.
        pending: usize,
    },
    /// It would take too much memory.
    #[error("{what} takes {size_bytes} bytes, and the sandbox takes {limit_bytes}; send less at once")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        size_bytes: usize,
        /// The largest size.
        limit_bytes: usize,
    },
}

pub(crate) fn check_size(what: &'static str, size_bytes: usize, limit_bytes: usize) -> Result<(), TextError> {
    match size_bytes > limit_bytes {
        true => Err(TextError::TooLarge { what, size_bytes, limit_bytes }),
        false => Ok(()),
    }
}

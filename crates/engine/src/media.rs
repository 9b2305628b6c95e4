//! Runs `fetch_media` jobs: archives one attachment before Telnyx forgets it.
//!
//! The URL was written by somebody on the wire, so every hop obeys [`Policy::Wire`], and the API key is shown only to
//! exact hosts over https, only after a plain request was refused, and never carried along a redirect.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::header::{AUTHORIZATION, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use inlet_domain::{ClaimedJob, Clock, Direction, Entropy, Media, Outcome, StoredMedia, retry_after};
use inlet_store::{BlobError, Blobs, Store, StoreError};
use url::Url;

use crate::config::MediaConfig;
use crate::outbound::{Answer, Body, Outbound, OutboundError, Outgoing, Policy};
use crate::report::{Report, after_failure, chain};

const MAX_REDIRECTS: usize = 5;
// Telnyx keeps attachments for 30 days and answers 404 afterwards; a fresh one may appear late.
const POINTLESS_AFTER: i64 = 3;
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// Why an attachment was not archived, told apart by what follows.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("the message has no such attachment")]
    NoSuchMedia,
    #[error("only attachments of inbound messages are fetched")]
    Outbound,
    #[error("the attachment's address is not a URL")]
    NotAUrl,
    #[error("the attachment is longer than {limit_bytes} bytes")]
    TooLarge { limit_bytes: u64 },
    #[error("cannot reach the attachment: {}", .0.describe())]
    Unreachable(OutboundError),
    #[error("answered {status}")]
    Status { status: StatusCode, retry_after: Option<Duration> },
    #[error("more than {MAX_REDIRECTS} redirects")]
    TooManyRedirects,
    #[error("redirected to nowhere")]
    BadRedirect,
    #[error("not complete within {timeout:?}")]
    TimedOut { timeout: Duration },
    #[error("the attachment has {actual} bytes, the event says {declared}")]
    WrongSize { declared: i64, actual: u64 },
    #[error("the attachment is empty")]
    Empty,
    #[error("the attachment's SHA-256 is not the one in the event")]
    WrongDigest,
    #[error("cannot archive: {}", chain(.0))]
    Blob(BlobError),
    #[error("cannot read the message: {}", chain(.0))]
    Store(StoreError),
}

/// What follows a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It may pass.
    Retry,
    /// It rarely passes: a few tries, then no more.
    FewTries,
    /// It cannot pass.
    GiveUp,
}

impl FetchError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NoSuchMedia | Self::Outbound | Self::NotAUrl | Self::TooLarge { .. } => Verdict::GiveUp,
            Self::Unreachable(OutboundError::Blocked { .. }) => Verdict::GiveUp,
            Self::Status { status, .. } if is_gone(*status) => Verdict::FewTries,
            _ => Verdict::Retry,
        }
    }

    fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(status.as_u16()),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

fn is_gone(status: StatusCode) -> bool {
    // Not 401 and 403: those pass once the key is put right.
    matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE)
}

/// The handler of `fetch_media` jobs.
pub(crate) struct MediaHandler {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) blobs: Blobs,
    pub(crate) outbound: Arc<Outbound>,
    pub(crate) config: MediaConfig,
    /// The API key as a header, where there is one.
    pub(crate) bearer: Option<HeaderValue>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl MediaHandler {
    pub(crate) async fn run(&self, job: &ClaimedJob) -> Report {
        let timeout = self.config.timeout;
        let archiving = tokio::time::timeout(timeout, self.archive(job));
        match archiving.await.unwrap_or(Err(FetchError::TimedOut { timeout })) {
            Ok(stored) => Report::success(Some(200), Outcome::Archived(stored)),
            Err(error) => self.failed(job, &error),
        }
    }

    fn failed(&self, job: &ClaimedJob, error: &FetchError) -> Report {
        let outcome = match error.verdict() {
            Verdict::GiveUp => Outcome::Dead,
            Verdict::FewTries if job.schedule_attempt >= POINTLESS_AFTER => Outcome::Dead,
            Verdict::FewTries | Verdict::Retry => after_failure(
                &self.config.retry,
                job.schedule_attempt,
                error.retry_after(),
                &*self.clock,
                &*self.entropy,
            ),
        };
        Report { status: error.status(), ..Report::failure(error.to_string(), outcome) }
    }

    async fn archive(&self, job: &ClaimedJob) -> Result<StoredMedia, FetchError> {
        let media = self.declared(job).await?;
        let too_large = || FetchError::TooLarge { limit_bytes: self.config.max_bytes };
        let declared = media.size_bytes.and_then(|size| u64::try_from(size).ok());
        if declared.is_some_and(|size| size > self.config.max_bytes) {
            return Err(too_large());
        }
        let url = media.url.parse::<Url>().map_err(|_| FetchError::NotAUrl)?;
        let answer = self.follow(url).await?;
        if answer.content_length().is_some_and(|length| length > self.config.max_bytes) {
            return Err(too_large());
        }
        let bytes = match answer.read(self.config.max_bytes).await.map_err(FetchError::Unreachable)? {
            Body::Whole(bytes) => bytes,
            Body::TooLong => return Err(too_large()),
        };
        check(&media, &bytes)?;
        self.keep(bytes).await
    }

    async fn declared(&self, job: &ClaimedJob) -> Result<Media, FetchError> {
        let (message_id, position) = job.media.as_ref().ok_or(FetchError::NoSuchMedia)?;
        let message = self.store.message(message_id).await.map_err(FetchError::Store)?;
        let message = message.ok_or(FetchError::NoSuchMedia)?;
        if message.direction != Direction::Inbound {
            return Err(FetchError::Outbound);
        }
        message.media.into_iter().find(|media| media.position == *position).ok_or(FetchError::NoSuchMedia)
    }

    /// Follows redirects by hand: each hop begins without the key and is checked like the first.
    async fn follow(&self, mut url: Url) -> Result<Answer, FetchError> {
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.get(&url).await?;
            let status = answer.status();
            if status.is_success() {
                return Ok(answer);
            }
            if !status.is_redirection() {
                let wish = answer.header(RETRY_AFTER).and_then(|value| self.retry_after(value));
                return Err(FetchError::Status { status, retry_after: wish });
            }
            let location = answer.header(LOCATION).ok_or(FetchError::BadRedirect)?;
            url = url.join(location).map_err(|_| FetchError::BadRedirect)?;
        }
        Err(FetchError::TooManyRedirects)
    }

    /// One hop: plainly, then with the key where the plain request was refused and the key may be shown.
    async fn get(&self, url: &Url) -> Result<Answer, FetchError> {
        let answer = self.request(url, HeaderMap::new()).await?;
        let refused = matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        match &self.bearer {
            Some(bearer) if refused && self.may_see_key(url) => {
                self.request(url, HeaderMap::from_iter([(AUTHORIZATION, bearer.clone())])).await
            }
            _ => Ok(answer),
        }
    }

    async fn request(&self, url: &Url, headers: HeaderMap) -> Result<Answer, FetchError> {
        let outgoing = Outgoing {
            method: Method::GET,
            url,
            policy: Policy::Wire,
            headers,
            body: Bytes::new(),
            timeout: self.config.timeout,
        };
        self.outbound.send(outgoing).await.map_err(FetchError::Unreachable)
    }

    fn may_see_key(&self, url: &Url) -> bool {
        is_key_host(url, &self.config.key_hosts) || self.outbound.is_trusted(url)
    }

    fn retry_after(&self, value: &str) -> Option<Duration> {
        retry_after(value, self.clock.now())
    }

    async fn keep(&self, bytes: Bytes) -> Result<StoredMedia, FetchError> {
        let size_bytes = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        // What the sender or the server calls it is not believed: the first bytes decide.
        let content_type = infer::get(&bytes).map_or(UNKNOWN_TYPE, |kind| kind.mime_type()).to_owned();
        let sha256 = self.blobs.put(bytes).await.map_err(FetchError::Blob)?;
        Ok(StoredMedia { sha256, size_bytes, content_type })
    }
}

fn is_key_host(url: &Url, key_hosts: &[String]) -> bool {
    let host = url.host_str().unwrap_or_default();
    url.scheme() == "https"
        && url.port_or_known_default() == Some(443)
        && url.username().is_empty()
        && key_hosts.iter().any(|key_host| key_host.eq_ignore_ascii_case(host))
}

fn check(media: &Media, bytes: &Bytes) -> Result<(), FetchError> {
    let actual = bytes.len() as u64;
    match media.size_bytes {
        Some(declared) if u64::try_from(declared) != Ok(actual) => {
            return Err(FetchError::WrongSize { declared, actual });
        }
        None if bytes.is_empty() => return Err(FetchError::Empty),
        _ => {}
    }
    // The store keeps a declared digest only when it can be one.
    let Some(declared) = &media.sha256 else { return Ok(()) };
    let actual = digest(&SHA256, bytes);
    let actual: String = actual.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    if declared.eq_ignore_ascii_case(&actual) { Ok(()) } else { Err(FetchError::WrongDigest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_shown_to_exact_hosts_over_https_only() {
        let hosts = ["media.telnyx.com".to_owned(), "api.telnyx.com".to_owned()];
        let allowed = |url: &str| is_key_host(&url.parse().unwrap(), &hosts);
        assert!(allowed("https://media.telnyx.com/a.jpg"));
        assert!(allowed("https://API.telnyx.com:443/v2/media/a"));
        for url in [
            "http://media.telnyx.com/a.jpg",
            "https://media.telnyx.com:8443/a.jpg",
            "https://media.telnyx.com.evil.example/a.jpg",
            "https://evilmedia.telnyx.com/a.jpg",
            "https://x.media.telnyx.com/a.jpg",
            "https://media.telnyx.com@evil.example/a.jpg",
            "https://u@media.telnyx.com/a.jpg",
            "https://media.telnyx.com./a.jpg",
            "https://media.telny\u{445}.com/a.jpg",
            "https://evil.example/?media.telnyx.com",
            "https://evil.example/#@media.telnyx.com",
        ] {
            assert!(!allowed(url), "{url}");
        }
    }
}

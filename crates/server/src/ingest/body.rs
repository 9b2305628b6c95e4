//! Reads a request's body, counting its bytes as they come; what is declared is not believed.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// More bytes came than are allowed.
    TooLong,
    /// The body ended early or is not framed as it should be.
    Unreadable,
}

pub(super) struct BodyReader {
    body: Incoming,
    limit: usize,
    received: usize,
}

impl BodyReader {
    pub(super) fn new(body: Incoming, limit: usize) -> Self {
        Self { body, limit, received: 0 }
    }

    /// Bytes that have come so far.
    pub(super) fn received(&self) -> usize {
        self.received
    }

    /// The whole body. One that came in one piece is not copied.
    pub(super) async fn all(&mut self) -> Result<Bytes, BodyError> {
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        if self.body.is_end_stream() {
            return Ok(first);
        }
        let mut whole = BytesMut::from(first);
        while let Some(chunk) = self.chunk().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// The next piece; `None` at the end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        while let Some(frame) = self.body.frame().await {
            // Anything but data is a trailer, which means nothing here.
            let Ok(data) = frame.map_err(|_| BodyError::Unreadable)?.into_data() else { continue };
            self.received += data.len();
            if self.received > self.limit {
                return Err(BodyError::TooLong);
            }
            return Ok(Some(data));
        }
        Ok(None)
    }
}

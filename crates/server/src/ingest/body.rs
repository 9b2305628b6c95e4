//! Reads a request's body, counting its bytes as they come; what is declared is not believed.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a body may hold without asking: a text and its envelope are a few KiB.
const SMALL_BYTES: usize = 16 * 1024;
/// What larger bodies may hold together. Ten thousand connections at 1 MiB each would else be 10 GiB.
const LARGE_BYTES: usize = 256 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// More bytes came than are allowed.
    TooLong,
    /// The body ended early or is not framed as it should be.
    Unreadable,
    /// Other large bodies hold all the memory there is for them.
    NoRoom,
}

/// The memory that bodies beyond [`SMALL_BYTES`] share, so that a flood of them cannot take the process down. Small
/// bodies are not counted and never turned away.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LARGE_BYTES)))
    }
}

/// What one body holds of it, until dropped.
#[derive(Debug, Default)]
struct Share {
    permit: Option<OwnedSemaphorePermit>,
}

impl Share {
    /// Grows to cover a body of this many bytes.
    fn grow(&mut self, room: &Room, body_bytes: usize) -> Result<(), BodyError> {
        let held = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = body_bytes.saturating_sub(SMALL_BYTES).saturating_sub(held);
        if missing == 0 {
            return Ok(());
        }
        let missing = u32::try_from(missing).map_err(|_| BodyError::NoRoom)?;
        let more = room.0.clone().try_acquire_many_owned(missing).map_err(|_| BodyError::NoRoom)?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        Ok(())
    }
}

/// Reads one body. Keep it until the body's bytes are no longer needed: it holds their share of the room.
pub(super) struct BodyReader {
    body: Incoming,
    limit: usize,
    received: usize,
    room: Room,
    share: Share,
}

impl BodyReader {
    pub(super) fn new(body: Incoming, limit: usize, room: &Room) -> Self {
        Self { body, limit, received: 0, room: room.clone(), share: Share::default() }
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
            self.share.grow(&self.room, self.received)?;
            return Ok(Some(data));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_share_the_room_and_small_ones_always_fit() {
        let room = Room::default();
        let (mut first, mut second, mut small) = (Share::default(), Share::default(), Share::default());
        first.grow(&room, LARGE_BYTES / 2).unwrap();
        first.grow(&room, LARGE_BYTES).unwrap();
        assert_eq!(room.0.available_permits(), SMALL_BYTES);
        assert_eq!(second.grow(&room, 3 * SMALL_BYTES), Err(BodyError::NoRoom));
        assert_eq!(small.grow(&room, SMALL_BYTES), Ok(()));
        drop(first);
        assert_eq!(second.grow(&room, 3 * SMALL_BYTES), Ok(()));
        drop(second);
        assert_eq!(room.0.available_permits(), LARGE_BYTES);
    }
}

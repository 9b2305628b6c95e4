//! Intake: verified bytes become an event. It reads the id, tolerantly, and nothing else.

use bytes::Bytes;
use inlet_telnyx::{EventKey, find_event_key};

use crate::event::{NewEvent, Source};
use crate::time::{Entropy, Timestamp};

/// Makes the event of a body. Never fails: whatever carries a valid signature is stored.
///
/// An unsigned body without an id gets a fresh one, so that two equal test requests are two events; a signed one
/// gets a digest, so that Telnyx's retry of it is a duplicate.
pub fn intake(body: Bytes, source: Source, received_at: Timestamp, entropy: &dyn Entropy) -> NewEvent {
    let id = match find_event_key(&body) {
        EventKey::StandIn(_) if source == Source::Unsigned => format!("unsigned-{}", entropy.id()),
        key => key.into_text(),
    };
    NewEvent { id, source, received_at, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(std::sync::atomic::AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        }
    }

    fn id(body: &'static str, source: Source, entropy: &Counting) -> String {
        intake(Bytes::from_static(body.as_bytes()), source, Timestamp::default(), entropy).id
    }

    #[test]
    fn unsigned_bodies_without_an_id_are_each_an_event() {
        let entropy = Counting(0.into());
        let body = r#"{"data":{"payload":{"text":"test"}}}"#;
        assert_ne!(id(body, Source::Unsigned, &entropy), id(body, Source::Unsigned, &entropy));
        assert_eq!(id(body, Source::Telnyx, &entropy), id(body, Source::Telnyx, &entropy));
        assert_eq!(id(r#"{"data":{"id":"e"}}"#, Source::Unsigned, &entropy), "e");
    }
}

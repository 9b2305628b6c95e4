//! Receipts: events about a message we sent, folded into it by rank, so that their order of arrival does not matter.

use inlet_telnyx::MessagePayload;

use crate::message::Message;

/// The rank of a status: a message's recipient never goes from a higher rank to a lower one. Unknown words rank
/// above `queued` and below `sent`.
pub fn status_rank(status: &str) -> u8 {
    let _ = status;
    todo!()
}

/// Folds what a payload says into what is known of its message: per recipient the higher rank wins, lists are merged
/// without repeats, a known value is never replaced by nothing. Commutative, associative and idempotent in the
/// statuses.
pub fn fold_receipt(known: Message, payload: &MessagePayload) -> Message {
    let _ = (known, payload);
    todo!()
}

//! A conversation: all messages between one of our numbers and one other party, or one group.

use serde::{Deserialize, Serialize};

use crate::message::{Direction, Message};
use crate::time::Timestamp;

/// The two sides of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConversationKey {
    /// Our number.
    pub ours: String,
    /// The other party; of a group, all others in ascending order, joined by commas.
    pub party: String,
}

impl ConversationKey {
    /// The key of a message; `None` where a side is missing.
    pub fn of(message: &Message) -> Option<Self> {
        let recipients = message.to.iter().map(|recipient| recipient.phone_number.as_str());
        let (ours, mut others): (&str, Vec<&str>) = match message.direction {
            Direction::Inbound => {
                let ours = recipients.clone().next()?;
                (ours, recipients.skip(1).chain([message.from.as_str()]).collect())
            }
            Direction::Outbound => (message.from.as_str(), recipients.collect()),
        };
        others.extend(message.cc.iter().map(String::as_str));
        others.retain(|other| !other.is_empty() && *other != ours);
        others.sort_unstable();
        others.dedup();
        let complete = !ours.is_empty() && !others.is_empty();
        complete.then(|| Self { ours: ours.to_owned(), party: others.join(",") })
    }
}

/// A conversation as lists, the API and commands show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its number.
    pub id: i64,
    /// Our number.
    pub our_number: String,
    /// The other party or parties.
    pub party: String,
    /// How many messages it has.
    pub messages: i64,
    /// How many inbound ones have not been marked read.
    pub unread: i64,
    /// When its latest message was received.
    pub last_message_at: Timestamp,
    /// The text of its latest message.
    pub last_text: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{blank, inbound, recipient};

    const OURS: &str = "+15550002222";
    const ANN: &str = "+15550001111";
    const BOB: &str = "+15550003333";

    fn outbound(from: &str, to: &[&str]) -> Message {
        let to = to.iter().map(|number| recipient(number)).collect();
        Message { from: from.to_owned(), to, ..blank(Direction::Outbound) }
    }

    fn sides(message: &Message) -> Option<(String, String)> {
        ConversationKey::of(message).map(|key| (key.ours, key.party))
    }

    fn pair(party: &str) -> Option<(String, String)> {
        Some((OURS.to_owned(), party.to_owned()))
    }

    #[test]
    fn both_directions_are_one_conversation() {
        assert_eq!(sides(&inbound(ANN, OURS, "hi")), pair(ANN));
        assert_eq!(sides(&outbound(OURS, &[ANN])), pair(ANN));
        assert_eq!(sides(&inbound("22395", OURS, "code")), pair("22395"));
    }

    #[test]
    fn group_is_one_conversation_whoever_writes() {
        let both = format!("{ANN},{BOB}");
        let copied = |cc: &[&str]| cc.iter().map(|number| (*number).to_owned()).collect::<Vec<_>>();
        // Telnyx lists our own number among the others.
        let from_ann = Message { cc: copied(&[BOB, OURS]), ..inbound(ANN, OURS, "hi") };
        let from_bob = Message { cc: copied(&[ANN, ANN, ""]), ..inbound(BOB, OURS, "hi") };
        let to_both = Message { to: vec![recipient(OURS), recipient(ANN)], ..inbound(BOB, OURS, "hi") };
        for message in [from_ann, from_bob, to_both, outbound(OURS, &[BOB, ANN])] {
            assert_eq!(sides(&message), pair(&both));
        }
    }

    #[test]
    fn missing_side_is_no_conversation() {
        let nobody = Message { to: Vec::new(), ..inbound(ANN, OURS, "hi") };
        for message in [
            nobody,
            inbound("", OURS, "hi"),
            inbound(ANN, "", "hi"),
            inbound(OURS, OURS, "to ourselves"),
            outbound("", &[ANN]),
            outbound(OURS, &[]),
            outbound(OURS, &["", OURS]),
        ] {
            assert_eq!(sides(&message), None, "{message:?}");
        }
    }
}

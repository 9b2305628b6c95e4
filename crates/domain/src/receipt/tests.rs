//! Tests of folding: the order in which receipts arrive does not matter.

use super::*;
use crate::fixture::{NOW, blank};
use proptest::prelude::*;

fn party(number: &str, status: &str) -> Party {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Party { phone_number: text(number), status: text(status), ..Party::default() }
}

fn payload(to: &[(&str, &str)]) -> MessagePayload {
    MessagePayload {
        to: to.iter().map(|(number, status)| party(number, status)).collect(),
        ..MessagePayload::default()
    }
}

fn fold_all<'a>(payloads: impl IntoIterator<Item = &'a MessagePayload>) -> Message {
    payloads.into_iter().fold(blank(Direction::Outbound), fold_receipt)
}

fn statuses(message: &Message) -> Vec<(&str, Option<&str>)> {
    message.to.iter().map(|to| (to.phone_number.as_str(), to.status.as_deref())).collect()
}

#[test]
fn ranks_rise_from_scheduled_to_final() {
    for pair in ["scheduled", "queued", "gw_timeout", "sending", "sent", "expired"].windows(2) {
        assert!(status_rank(pair[0]) < status_rank(pair[1]), "{pair:?}");
    }
    for last in ["cancelled", "sending_failed", "delivery_unconfirmed", "delivery_failed", "delivered"] {
        assert!(status_rank(last) > status_rank("sent"), "{last}");
    }
    assert!(status_rank("delivered") > status_rank("delivery_failed"));
    for unknown in ["", "unknown", "dlr_timeout", "Delivered", "webhook_delivered"] {
        assert!(status_rank(unknown) > status_rank("queued") && status_rank(unknown) < status_rank("sent"));
    }
}

#[test]
fn no_two_known_words_share_a_rank() {
    for (word, rank) in RANKS {
        let others = RANKS.iter().filter(|(other, other_rank)| *other != word && *other_rank == rank);
        assert_eq!(others.count(), 0, "{word}");
    }
}

#[test]
fn finalized_before_sent_stays_finalized() {
    let [queued, sent, done] =
        ["queued", "sent", "delivered"].map(|status| payload(&[("+15550001111", status)]));
    for order in [[&queued, &sent, &done], [&done, &sent, &queued], [&sent, &done, &queued]] {
        assert_eq!(fold_all(order).status.as_deref(), Some("delivered"));
    }
}

#[test]
fn a_group_is_only_as_far_as_its_last_recipient() {
    let created = payload(&[("+15550002222", "queued"), ("+15550001111", "queued")]);
    let first = payload(&[("+15550001111", "delivered")]);
    let second = payload(&[("+15550002222", "delivery_failed")]);
    let message = fold_all([&first, &created]);
    assert_eq!(message.status.as_deref(), Some("queued"));
    let message = fold_receipt(message, &second);
    assert_eq!(message.status.as_deref(), Some("delivery_failed"));
    assert_eq!(
        statuses(&message),
        [("+15550001111", Some("delivered")), ("+15550002222", Some("delivery_failed"))]
    );
}

#[test]
fn sparse_receipt_erases_nothing() {
    let full = MessagePayload {
        kind: Some("SMS".to_owned()),
        from: Some(party("+15550009999", "")),
        text: Some("hello".to_owned()),
        parts: Some(1),
        encoding: Some("GSM-7".to_owned()),
        received_at: Some("2024-01-15T20:16:07.588Z".to_owned()),
        ..payload(&[("+15550001111", "sent")])
    };
    let empty = MessagePayload { from: Some(party("", "")), text: Some(String::new()), ..payload(&[]) };
    let message = fold_all([&full, &empty]);
    assert_eq!(message, fold_all([&empty, &full]));
    assert_eq!(message, fold_all([&full]));
    assert_eq!((message.from.as_str(), message.text.as_deref()), ("+15550009999", Some("hello")));
    assert!(message.received_at < NOW);
}

#[test]
fn recipients_without_a_number_are_left_out() {
    assert!(fold_all([&payload(&[("", "sent")])]).to.is_empty());
}

#[test]
fn errors_are_kept_once_and_in_one_order() {
    let error =
        |code: &str| ApiError { code: code.to_owned(), title: "no\0".to_owned(), ..ApiError::default() };
    let first = MessagePayload { errors: vec![error("40300"), error("40001")], ..payload(&[]) };
    let second = MessagePayload { errors: vec![error("40001"), error("40008")], ..payload(&[]) };
    let message = fold_all([&first, &second, &first]);
    assert_eq!(message, fold_all([&second, &first]));
    let codes: Vec<&str> = message.errors.iter().map(|error| error.code.as_str()).collect();
    assert_eq!(codes, ["40001", "40008", "40300"]);
    assert_eq!(message.errors[0].title, "no\u{FFFD}");
}

#[test]
fn carrier_of_the_recipient_is_the_other_partys() {
    let mut receipt = payload(&[("+15550001111", "sent")]);
    receipt.from = Some(Party { carrier: Some("Ours".to_owned()), ..party("+15550009999", "") });
    receipt.to[0].carrier = Some("Theirs".to_owned());
    receipt.to[0].line_type = Some(String::new());
    let message = fold_all([&receipt]);
    assert_eq!((message.carrier.as_deref(), message.line_type), (Some("Theirs"), None));
}

fn any_payload() -> impl Strategy<Value = MessagePayload> {
    let words =
        ["", "queued", "sending", "sent", "delivered", "delivery_failed", "expired", "odd", "odder", "read"];
    let numbers = ["+15550001111", "+15550002222", "+15550003333"];
    let party = (proptest::sample::select(numbers.to_vec()), proptest::sample::select(words.to_vec()));
    let code = proptest::sample::select(vec!["40001", "40300", "40008"]);
    let errors = proptest::collection::vec(code, 0..3);
    (proptest::collection::vec(party, 0..4), errors, 0u32..3).prop_map(|(to, codes, minute)| MessagePayload {
        errors: codes
            .into_iter()
            .map(|code| ApiError { code: code.to_owned(), ..ApiError::default() })
            .collect(),
        cc: to.iter().map(|(number, _)| Party { status: None, ..self::party(number, "") }).collect(),
        received_at: (minute > 0).then(|| format!("2024-01-15T20:{minute:02}:00Z")),
        ..payload(&to)
    })
}

proptest! {
    #[test]
    fn every_order_and_every_repeat_ends_alike(
        payloads in proptest::collection::vec(any_payload(), 0..6),
        order in proptest::collection::vec(0usize..6, 0..12),
    ) {
        let expected = fold_all(&payloads);
        let mut shuffled: Vec<&MessagePayload> = order.iter().filter_map(|at| payloads.get(*at)).collect();
        // Repeats in any order, then everything once more, backwards.
        shuffled.extend(payloads.iter().rev());
        prop_assert_eq!(fold_all(shuffled), expected);
    }

    #[test]
    fn no_recipient_ever_goes_back(payloads in proptest::collection::vec(any_payload(), 1..8)) {
        let mut message = blank(Direction::Outbound);
        for payload in &payloads {
            let next = fold_receipt(message.clone(), payload);
            for before in &message.to {
                let after = next.to.iter().find(|to| to.phone_number == before.phone_number).unwrap();
                prop_assert!(rank(before) <= rank(after));
            }
            message = next;
        }
    }
}

fn rank(recipient: &Recipient) -> Option<u8> {
    recipient.status.as_deref().map(status_rank)
}

//! Why a receiver did not take an event, and what to do about it.

use super::super::delivery::{Attempt, Delivery, Status};
use crate::exit::{Exit, Failure};
use crate::output::escape;

/// How much of a receiver's answer is quoted.
const QUOTE: usize = 200;

/// The failure, unless the event was taken.
pub(super) fn not_taken(delivery: &Delivery, public_key: &str) -> Option<Failure> {
    match (delivery.status, delivery.attempts.last()) {
        (Status::Delivered, _) => None,
        (_, None) => Some(not_sent(delivery)),
        (_, Some(last)) => Some(refused_or_silent(delivery, last, public_key)),
    }
}

fn not_sent(delivery: &Delivery) -> Failure {
    let why = match delivery.status {
        Status::NoUrl => "there is no webhook URL",
        Status::Dropped => "a fault of the sandbox dropped it, or webhook version 1 has no form for it",
        _ => "the sandbox still holds it back",
    };
    let message = format!("event {} was not sent: {why}", escape(&delivery.event_id));
    Failure::new(Exit::ReceiverSilent, message, "`inlet listen` shows what the sandbox does")
}

fn refused_or_silent(delivery: &Delivery, last: &Attempt, public_key: &str) -> Failure {
    let url = escape(&last.url);
    let (exit, message, remedy) = match last.response_status {
        Some(status) => (
            Exit::ReceiverRefused,
            format!("the receiver at {url} answered {status}{}", quote(&last.response_body)),
            format!("its log says why; the event was signed by the key whose public half is {public_key}"),
        ),
        None => {
            let why = last.error.as_ref().map(|error| escape(&error.title)).unwrap_or_default();
            (
                Exit::ReceiverSilent,
                format!("the receiver at {url} did not answer: {why}"),
                "start it, or name another one with --url".to_owned(),
            )
        }
    };
    if delivery.has_ended() {
        return Failure::new(exit, message, remedy);
    }
    Failure::new(exit, message, "the sandbox goes on trying, which `inlet listen` shows")
}

/// The beginning of an answer, on one line.
fn quote(answer: &str) -> String {
    let words = answer.split_whitespace().collect::<Vec<_>>().join(" ");
    let beginning: String = words.chars().take(QUOTE).collect();
    if beginning.is_empty() { String::new() } else { format!(": {}", escape(&beginning)) }
}

#[cfg(test)]
mod tests {
    use super::super::super::delivery::fixtures::delivery;
    use super::*;

    #[test]
    fn each_way_to_fail_has_its_exit_code_and_remedy() {
        let told = |status, answers: &[u16]| {
            let failure = not_taken(&delivery(1, status, answers), "KEY").unwrap();
            (failure.exit(), format!("{failure:?}"))
        };
        assert!(not_taken(&delivery(1, Status::Delivered, &[503, 200]), "KEY").is_none());
        for (status, answers, exit, part) in [
            (Status::Failed, &[503][..], Exit::ReceiverRefused, "answered 503"),
            (Status::Failed, &[0], Exit::ReceiverSilent, "did not answer: The connection failed"),
            (Status::Pending, &[503], Exit::ReceiverRefused, "goes on trying"),
            (Status::Pending, &[], Exit::ReceiverSilent, "holds it back"),
            (Status::NoUrl, &[], Exit::ReceiverSilent, "no webhook URL"),
            (Status::Dropped, &[], Exit::ReceiverSilent, "a fault"),
        ] {
            let (told_exit, told) = told(status, answers);
            assert_eq!(told_exit, exit, "{told}");
            assert!(told.contains(part), "{told}");
        }
    }
}

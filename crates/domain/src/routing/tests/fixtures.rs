//! Every shape of event that Telnyx is known to send, and what is planned for it.

use super::*;

macro_rules! event {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../testdata/events/", $name, ".json")))
    };
}

fn summary(plan: &Plan) -> String {
    let mut parts = vec![plan.message.as_ref().map_or_else(|| "no message".to_owned(), message_summary)];
    parts.extend(plan.own_numbers.iter().map(|number| format!("own {number}")));
    parts.extend(plan.media.iter().map(|item| {
        let digest = item.sha256.as_deref().map_or("-", |digest| &digest[..4]);
        format!("media {} {} {digest}", item.url, item.size_bytes.unwrap_or(-1))
    }));
    parts
        .extend(plan.opt_out.iter().map(|change| format!("opted out {} {}", change.party, change.opted_out)));
    parts.extend(plan.proves_send.iter().map(|key| format!("proves {}", key.0)));
    parts.extend(reply(plan).map(|(_, request)| format!("reply {} -> {}", request.from, request.to)));
    parts.join("; ").replace("+15550100200", "OURS").replace("+15550100300", "THEIRS")
}

fn message_summary(message: &Message) -> String {
    let to: Vec<&str> = message.to.iter().map(|to| to.phone_number.as_str()).collect();
    let text = message.text.as_deref().map_or("-".to_owned(), |text| format!("'{text}'"));
    let status = message.status.as_deref().unwrap_or("-");
    let party = message.conversation().map_or("-".to_owned(), |key| key.party);
    let (direction, id, from, to) = (message.direction, &message.id, &message.from, to.join("&"));
    format!("{direction} {id} {from} -> {to} {text} {status} with {party}")
}

fn table() -> Vec<((&'static str, &'static str), &'static str)> {
    vec![
        (
            event!("sms"),
            "inbound m-1 THEIRS -> OURS 'Is the shop open?' received with THEIRS; own OURS; reply OURS -> THEIRS",
        ),
        (
            event!("sms-to-is-a-text"),
            "inbound m-1 THEIRS -> OURS 'Is the shop open?' received with THEIRS; own OURS; reply OURS -> THEIRS",
        ),
        (
            event!("sms-to-is-an-object"),
            "inbound m-1 THEIRS -> OURS 'Is the shop open?' received with THEIRS; own OURS; reply OURS -> THEIRS",
        ),
        (
            event!("sms-from-is-a-text"),
            "inbound m-1 THEIRS -> OURS 'Is the shop open?' received with THEIRS; own OURS; reply OURS -> THEIRS",
        ),
        (
            event!("sms-text-is-null"),
            "inbound m-1 THEIRS -> OURS - received with THEIRS; own OURS; reply OURS -> THEIRS",
        ),
        (
            event!("sms-from-short-code"),
            "inbound m-1 +22395 -> OURS 'Your code is 4711' received with +22395; own OURS; reply OURS -> +22395",
        ),
        (
            event!("sms-from-words"),
            "inbound m-1 ACME -> OURS 'Is the shop open?' received with ACME; own OURS; reply OURS -> ACME",
        ),
        (
            event!("sms-stop"),
            "inbound m-1 THEIRS -> OURS 'Stop' received with THEIRS; own OURS; opted out THEIRS true; reply OURS -> THEIRS",
        ),
        (
            event!("sms-start"),
            "inbound m-1 THEIRS -> OURS 'START' received with THEIRS; own OURS; opted out THEIRS false; reply OURS -> THEIRS",
        ),
        (
            event!("mms"),
            "inbound m-1 THEIRS -> OURS '' received with THEIRS; own OURS; media https://media.example.com/one.jpeg 51200 abab; media https://media.example.com/two.png -1 -; reply OURS -> THEIRS",
        ),
        (
            event!("mms-group"),
            "inbound m-1 THEIRS -> OURS 'See you at noon' received with THEIRS,+15550100400,+15550100500; own OURS; reply OURS -> THEIRS",
        ),
        (
            event!("mms-minimal"),
            "inbound e-1 THEIRS -> OURS 'Look' received with THEIRS; own OURS; media https://media.example.com/three.gif 99 -; reply OURS -> THEIRS",
        ),
        (
            event!("rcs-text"),
            "inbound m-1 THEIRS -> agent-7 'Hello by RCS' received with THEIRS; reply agent-7 -> THEIRS",
        ),
        (
            event!("rcs-file"),
            "inbound e-1  ->  - received with -; media https://rcs.example.com/a.jpg 1234 -",
        ),
        (event!("rcs-read"), "outbound m-1 agent-7 -> THEIRS 'Yes, until five.' read with THEIRS"),
        (event!("sent"), "outbound m-1 OURS -> THEIRS 'Yes, until five.' sent with THEIRS; proves 0123abcd"),
        (
            event!("finalized"),
            "outbound m-1 OURS -> THEIRS 'Yes, until five.' delivered with THEIRS; proves 0123abcd",
        ),
        (
            event!("finalized-failed"),
            "outbound m-1 OURS -> THEIRS 'Yes, until five.' sending_failed with THEIRS; proves 0123abcd",
        ),
        (
            event!("finalized-group"),
            "outbound m-1 OURS -> THEIRS&+15550100500 'Yes, until five.' unknown with THEIRS,+15550100500; proves 0123abcd",
        ),
        (event!("whatsapp-finalized"), "outbound m-1  -> THEIRS - delivered with -"),
        (
            event!("unknown-message-event"),
            "inbound m-1 THEIRS -> OURS 'Is the shop open?' received with THEIRS; own OURS; reply OURS -> THEIRS",
        ),
        (event!("unknown-outbound-without-id"), "no message; proves 0123abcd"),
        (event!("spend-limit"), "no message"),
        (event!("10dlc"), "no message"),
        (event!("10dlc-flat"), "no message"),
        (event!("whatsapp-template-flat"), "no message"),
        (event!("link-clicked"), "no message"),
        (event!("v1-inbound"), "no message"),
        (event!("v1-receipt"), "no message"),
        (event!("test-true"), "no message"),
        (event!("curl-text-only"), "inbound e-1  ->  'test' received with -"),
    ]
}

#[test]
fn every_known_shape_is_planned_sensibly() {
    let router = Router {
        destinations: vec![destination("all", &[], None)],
        replies: vec![rule("r", &[], None, "ok")],
    };
    for ((name, body), expected) in table() {
        let plan = plan(&router, Source::Telnyx, body, None);
        assert_eq!(delivered(&plan), ["all"], "{name}");
        assert_eq!(plan.facts.unreadable, None, "{name}");
        assert_eq!(plan.condition_errors, [], "{name}");
        assert_eq!(summary(&plan), expected, "{name}");
    }
}

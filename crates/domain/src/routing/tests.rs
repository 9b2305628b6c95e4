//! Tests of planning: which event makes what.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::condition::{Condition, Template};
use crate::destination::Format;
use crate::fixture::{NOW, stored};
use crate::media::Media;
use crate::retry::RetrySchedule;

mod fixtures;

fn destination(name: &str, events: &[&str], when: Option<&str>) -> Destination {
    Destination {
        name: name.to_owned(),
        url: "https://crm.test/hook".parse().unwrap(),
        events: events.iter().map(|event| (*event).to_owned()).collect(),
        when: when.map(|when| Condition::compile(when).unwrap()),
        format: Format::Telnyx,
        retry: RetrySchedule::new(Vec::new()),
        timeout: Duration::from_secs(10),
        concurrency: 1,
        ordered: false,
    }
}

fn rule(name: &str, keywords: &[&str], when: Option<&str>, text: &str) -> ReplyRule {
    ReplyRule {
        name: name.to_owned(),
        keywords: keywords.iter().map(|keyword| (*keyword).to_owned()).collect(),
        numbers: Vec::new(),
        when: when.map(|when| Condition::compile(when).unwrap()),
        text: Template::compile(text).unwrap(),
        cooldown: Duration::ZERO,
        same_text_limit: 1,
    }
}

fn plan(router: &Router, source: Source, body: &str, known: Option<Message>) -> Plan {
    let stored = stored("e-1", source, body.as_bytes());
    router.plan(&stored, ReadEvent::read(&stored), known)
}

fn plan_of(body: &str) -> Plan {
    plan(&Router::default(), Source::Telnyx, body, None)
}

fn delivered(plan: &Plan) -> Vec<&str> {
    let names = plan.jobs.iter().filter_map(|job| match job {
        NewJob::Deliver { destination } => Some(destination.as_str()),
        NewJob::Reply { .. } => None,
    });
    names.collect()
}

fn reply(plan: &Plan) -> Option<(&str, &SendRequest)> {
    plan.jobs.iter().find_map(|job| match job {
        NewJob::Reply { rule, request } => Some((rule.as_str(), request)),
        NewJob::Deliver { .. } => None,
    })
}

const SMS: &str = include_str!("../../testdata/events/sms.json");
const MMS: &str = include_str!("../../testdata/events/mms.json");
const SENT: &str = include_str!("../../testdata/events/sent.json");
const FINALIZED: &str = include_str!("../../testdata/events/finalized.json");

#[test]
fn destinations_get_the_events_they_name_and_whose_condition_holds() {
    let router = Router {
        destinations: vec![
            destination("all", &[], None),
            destination("inbound", &["message.received"], None),
            destination("receipts", &["message.sent", "message.finalized"], None),
            destination("prefix", &["message"], None),
            destination("shop", &[], Some("to == '+15550100200'")),
            destination("pictures", &["message.received"], Some("media >= 2")),
        ],
        replies: Vec::new(),
    };
    let names = |body| delivered(&plan(&router, Source::Telnyx, body, None)).join(" ");
    assert_eq!(names(SMS), "all inbound shop");
    assert_eq!(names(MMS), "all inbound shop pictures");
    assert_eq!(names(SENT), "all receipts");
    assert_eq!(names(r#"{"test":true}"#), "all");
    assert_eq!(names("{"), "all shop");
}

#[test]
fn failing_condition_counts_as_a_match_and_is_reported() {
    let router =
        Router { destinations: vec![destination("crm", &[], Some("text|abs > 1"))], replies: Vec::new() };
    let plan = plan(&router, Source::Telnyx, SMS, None);
    assert_eq!(delivered(&plan), ["crm"]);
    assert_eq!(plan.condition_errors.len(), 1);
    assert_eq!(plan.condition_errors[0].0, "crm");
    assert!(!plan.condition_errors[0].1.contains("shop open"), "{:?}", plan.condition_errors);
}

#[test]
fn first_matching_rule_answers_from_our_number() {
    let router = Router {
        destinations: Vec::new(),
        replies: vec![
            rule("other", &["menu"], None, "Soup"),
            rule("open", &["is the SHOP open?"], None, "Yes, {{ from }}, until {{ media + 5 }}."),
            rule("everything", &[], None, "Hm?"),
        ],
    };
    let plan = plan(&router, Source::Telnyx, SMS, None);
    let (rule, request) = reply(&plan).unwrap();
    assert_eq!((rule, request.text.as_str()), ("open", "Yes, +15550100300, until 5."));
    assert_eq!((request.from.as_str(), request.to.as_str()), ("+15550100200", "+15550100300"));
    assert_eq!(plan.jobs.len(), 1);
}

#[test]
fn rules_see_the_attachments_and_the_store_gets_them_once() {
    let router =
        Router { destinations: Vec::new(), replies: vec![rule("r", &[], None, "{{ media }} pictures")] };
    let plan = plan(&router, Source::Telnyx, MMS, None);
    assert_eq!(reply(&plan).unwrap().1.text, "2 pictures");
    assert_eq!((plan.media.len(), plan.message.unwrap().media), (2, Vec::<Media>::new()));
}

#[test]
fn failing_expression_is_no_match_and_failing_template_no_answer() {
    let replies = vec![
        rule("expression", &[], Some("text|abs > 1"), "a"),
        rule("template", &["is the shop open?"], None, "{{ 'x' * 1601 }}"),
        rule("everything", &[], None, "b"),
    ];
    let errors = |plan: &Plan| plan.condition_errors.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let all = plan(&Router { destinations: Vec::new(), replies }, Source::Telnyx, SMS, None);
    assert_eq!(reply(&all), None);
    assert_eq!(errors(&all), ["expression", "template"]);
}

#[test]
fn second_event_of_an_inbound_message_makes_deliveries_only() {
    let router = Router {
        destinations: vec![destination("all", &[], None)],
        replies: vec![rule("everything", &[], None, "Hm?")],
    };
    let first = plan(&router, Source::Telnyx, MMS, None);
    assert_eq!((first.jobs.len(), first.media.len()), (2, 2));
    let known = Message { encoding: None, conversation_id: Some(4), ..first.message.clone().unwrap() };
    let second = plan(&router, Source::Telnyx, MMS, Some(known));
    assert_eq!((delivered(&second), second.jobs.len()), (vec!["all"], 1));
    assert_eq!((second.media.len(), second.opt_out, second.own_numbers.len()), (0, None, 0));
    assert_eq!(second.message, Some(Message { conversation_id: Some(4), ..first.message.unwrap() }));
}

#[test]
fn receipts_of_one_message_end_alike_in_either_order() {
    let fold = |bodies: [&str; 2]| {
        bodies
            .into_iter()
            .fold(None, |known, body| plan(&Router::default(), Source::Telnyx, body, known).message)
    };
    let message = fold([SENT, FINALIZED]).unwrap();
    assert_eq!(message.status.as_deref(), Some("delivered"));
    assert_eq!(Some(message), fold([FINALIZED, SENT]));
}

#[test]
fn receipt_proves_the_send_that_its_address_names() {
    let receipt = |webhook_url: &str, delivered_to: &str, direction: &str| {
        format!(
            r#"{{"data":{{"event_type":"message.sent","payload":{{"id":"m","direction":"{direction}",
            "webhook_url":"{webhook_url}"}}}},"meta":{{"delivered_to":"{delivered_to}"}}}}"#
        )
    };
    let cases = [
        ("https://a.test/w?inlet_send=k1", "", "outbound", Some("k1")),
        ("https://a.test/w?x=1&inlet_send=k%31#f", "https://a.test/w?inlet_send=k2", "outbound", Some("k1")),
        ("", "https://a.test/w?inlet_send=k2", "outbound", Some("k2")),
        ("not a url ?inlet_send=k1", "https://a.test/w?inlet_send=k2", "outbound", Some("k2")),
        ("https://a.test/w?inlet_send=", "", "outbound", None),
        ("https://a.test/inlet_send=k1", "", "outbound", None),
        ("https://a.test/w?inlet_send=k1", "", "inbound", None),
    ];
    for (webhook_url, delivered_to, direction, key) in cases {
        let body = receipt(webhook_url, delivered_to, direction);
        assert_eq!(plan_of(&body).proves_send, key.map(|key| SendKey(key.to_owned())), "{body}");
    }
    let unsigned = plan(&Router::default(), Source::Unsigned, SENT, None);
    assert_eq!(unsigned.proves_send, None);
}

#[test]
fn only_signed_events_change_a_wish() {
    let body = include_str!("../../testdata/events/sms-stop.json");
    for (source, changes) in [(Source::Telnyx, true), (Source::Unsigned, false), (Source::Backfill, false)] {
        let plan = plan(&Router::default(), source, body, None);
        assert_eq!(plan.opt_out.is_some(), changes, "{source}");
        assert_eq!(plan.message.unwrap().unsigned, source == Source::Unsigned);
    }
}

#[test]
fn what_is_stored_holds_no_control_characters_but_those_people_type() {
    let body = r#"{"data":{"event_type":"message.received\u0000\u001b[31m","occurred_at":"a\nb","payload":{
        "id":"m\u0000\n","direction":"inbound","from":"+1555\u0000","to":["+2\u0007"],"cc":["+3\u0000"],
        "text":"a\u0000\nb","type":"S\u0000","media":["https://a.test/\u0000"],
        "errors":[{"code":"4\u0000","title":"t\u0000","detail":"d\u0000","source":{"pointer":"p\u0000"}}]}},
        "meta":{"delivered_to":"u\u0000"}}"#;
    let plan = plan_of(body);
    assert_eq!(plan.message.as_ref().unwrap().text.as_deref(), Some("a\u{FFFD}\nb"));
    assert_eq!(plan.facts.message_id.as_deref(), Some("m\u{FFFD}\u{FFFD}"));
    assert!(!format!("{plan:?}").contains("\\0"), "{plan:?}");
    assert!(!format!("{plan:?}").contains("\\u{1b}"), "{plan:?}");
}

#[test]
fn long_facts_are_cut_and_the_message_keeps_the_same_id() {
    let long = "x".repeat(600);
    let body = format!(r#"{{"data":{{"event_type":"message.{long}","payload":{{"id":"{long}"}}}}}}"#);
    let plan = plan_of(&body);
    assert_eq!(plan.facts.event_type.unwrap().len(), 512);
    assert_eq!(plan.facts.message_id.as_deref().map(str::len), Some(512));
    assert_eq!(plan.facts.message_id, plan.message.map(|message| message.id));
}

#[test]
fn unreadable_events_say_why() {
    for (body, reason) in [
        (&b"\xff"[..], "UTF-8"),
        (b"", "too early"),
        (br#"{"data":{"payload":{"from":"+15550100300","from":"+15550100400"}}}"#, "key twice"),
    ] {
        let read = ReadEvent::read(&stored("e", Source::Telnyx, body));
        assert!(read.facts.unreadable.unwrap().contains(reason));
        assert_eq!((read.event, read.payload), (None, None));
    }
}

#[test]
fn moment_that_cannot_be_read_is_the_arrival() {
    let body = SMS.replace("2026-02-03T04:05:06.500+00:00", "date-time");
    assert_eq!(plan_of(&body).message.unwrap().received_at, NOW);
    assert_eq!(plan_of(SMS).message.unwrap().received_at, "2026-02-03T04:05:06.5Z".parse().unwrap());
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let text = prop_oneof![
        Just("message.received".to_owned()),
        Just("outbound".to_owned()),
        Just("+15550100200".to_owned()),
        "\\PC{0,6}",
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        text.prop_map(Into::into),
    ];
    let key = proptest::sample::select(vec![
        "data",
        "payload",
        "event_type",
        "id",
        "from",
        "to",
        "cc",
        "text",
        "media",
        "url",
        "phone_number",
        "status",
        "errors",
        "code",
        "direction",
        "autoresponse_type",
        "meta",
        "attempt",
        "body",
        "webhook_url",
        "received_at",
    ]);
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::hash_map(key.clone().prop_map(str::to_owned), inner, 0..8)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn full_router() -> Router {
    Router {
        destinations: vec![
            destination("all", &[], None),
            destination("some", &["message.received"], Some("media > 0 or 'a' in text|lower")),
        ],
        replies: vec![rule("echo", &[], Some("from != to"), "{{ text }} {{ recipients }}")],
    }
}

fn check(body: &[u8]) -> Result<(), TestCaseError> {
    let stored = stored("e-1", Source::Telnyx, body);
    let first = full_router().plan(&stored, ReadEvent::read(&stored), None);
    prop_assert!(delivered(&first).contains(&"all"));
    let known = first.message.clone();
    let second = full_router().plan(&stored, ReadEvent::read(&stored), known.clone());
    prop_assert!(reply(&second).is_none());
    prop_assert_eq!(second.message, known);
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_make_a_plan(body in proptest::collection::vec(0u8.., 0..200)) {
        check(&body)?;
    }

    #[test]
    fn any_shape_makes_a_plan_and_makes_it_once(payload in any_json(), name in "message\\.(received|sent|x)") {
        let payload = serde_json::json!({"data": {"event_type": name, "payload": payload}});
        check(payload.to_string().as_bytes())?;
    }

    #[test]
    fn any_json_makes_a_plan(body in any_json()) {
        check(body.to_string().as_bytes())?;
    }
}

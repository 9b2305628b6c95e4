//! A store in a test, with verbs: text, receipt, route, claim, finish.

use std::any::Any;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use inlet_domain::{
    Attempt, ClaimedJob, Destination, Direction, Format, GuardLimits, JobFilter, JobId, JobState, Lane,
    Message, NewEvent, Outcome, PageRequest, Recipient, Recorded, ReplyRule, RetrySchedule, Router, Source,
    Template, Timestamp,
};
use inlet_store::{Claim, ClaimLane, RouteBatch, SendDecision, Store};

pub const OURS: &str = "+15559876543";
pub const PARTY: &str = "+15551234567";
pub const LEASE: Duration = Duration::from_secs(30);

/// A moment of the tests' own time.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_700_000_000 + seconds)
}

/// An empty store and whatever must live as long as it does.
pub struct World {
    pub store: Arc<dyn Store>,
    pub destinations: Vec<Destination>,
    pub replies: Vec<ReplyRule>,
    _keep: Box<dyn Any + Send>,
}

impl Deref for World {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

impl World {
    pub fn new(store: Arc<dyn Store>, keep: impl Any + Send) -> Self {
        Self { store, destinations: vec![destination("crm")], replies: Vec::new(), _keep: Box::new(keep) }
    }

    /// A rule that answers everything.
    pub fn with_reply(mut self) -> Self {
        self.replies.push(ReplyRule {
            name: "hello".to_owned(),
            keywords: Vec::new(),
            numbers: Vec::new(),
            when: None,
            text: Template::compile("thanks").unwrap(),
            cooldown: Duration::ZERO,
            same_text_limit: 1,
        });
        self
    }

    pub async fn record(&self, id: &str, body: impl Into<Bytes>) -> Recorded {
        self.record_at(id, body, 0).await
    }

    pub async fn record_at(&self, id: &str, body: impl Into<Bytes>, seconds: i64) -> Recorded {
        let event = NewEvent {
            id: id.to_owned(),
            source: Source::Telnyx,
            received_at: at(seconds),
            body: body.into(),
        };
        self.store.record_event(event).await.unwrap()
    }

    /// A text from the usual party; its event and message are `e-<name>` and `m-<name>`.
    pub async fn text(&self, name: &str, text: &str) {
        self.text_from(PARTY, name, text).await;
    }

    pub async fn text_from(&self, from: &str, name: &str, text: &str) {
        self.record(&format!("e-{name}"), inbound(name, from, text)).await;
    }

    pub fn router(&self) -> Arc<Router> {
        Arc::new(Router { destinations: self.destinations.clone(), replies: self.replies.clone() })
    }

    pub async fn route(&self) -> RouteBatch {
        self.route_at(0).await
    }

    /// Routes everything.
    pub async fn route_at(&self, seconds: i64) -> RouteBatch {
        let mut total = RouteBatch::default();
        loop {
            let step = self.store.route_events(self.router(), 100, at(seconds)).await.unwrap();
            total.routed += step.routed;
            total.unreadable += step.unreadable;
            total.jobs += step.jobs;
            if !step.more {
                return total;
            }
        }
    }

    pub async fn claim(&self, lane: Lane, limit: u32, seconds: i64) -> Vec<ClaimedJob> {
        self.claim_lane(ClaimLane { lane, limit, ordered: false }, seconds).await
    }

    pub async fn claim_lane(&self, lane: ClaimLane, seconds: i64) -> Vec<ClaimedJob> {
        let claim = Claim { lanes: vec![lane], now: at(seconds), lease: LEASE };
        self.store.claim_due(claim).await.unwrap()
    }

    /// Claims the one job that is due.
    pub async fn claim_one(&self, lane: Lane, seconds: i64) -> ClaimedJob {
        let mut claimed = self.claim(lane, 10, seconds).await;
        assert_eq!(claimed.len(), 1);
        claimed.remove(0)
    }

    pub async fn finish(&self, job: &ClaimedJob, outcome: Outcome, seconds: i64) {
        let attempt = attempt(job, &outcome, seconds);
        self.store.finish_attempt(job.id, job.fence, attempt, outcome).await.unwrap();
    }

    pub async fn begin_send(&self, job: &ClaimedJob, seconds: i64) -> SendDecision {
        let until = at(seconds).after(LEASE);
        self.store.begin_send(job.id, job.fence, at(seconds), until, Arc::new(limits())).await.unwrap()
    }

    pub async fn state(&self, job: JobId) -> JobState {
        self.store.job(job).await.unwrap().unwrap().0.state
    }

    /// How many jobs match.
    pub async fn count(&self, filter: JobFilter) -> usize {
        let (mut count, mut cursor) = (0, None);
        loop {
            let request = PageRequest { limit: 1_000, cursor };
            let page = self.store.jobs(filter.clone(), request).await.unwrap();
            count += page.data.len();
            let Some(next) = page.next else { return count };
            cursor = Some(next.parse().unwrap());
        }
    }

    /// `count` events without a message, each with a delivery that is due.
    pub async fn pile_up(&self, count: usize) {
        let records = (0..count).map(|number| self.record_quietly(number));
        futures_util::future::join_all(records).await;
        self.route().await;
    }

    async fn record_quietly(&self, number: usize) {
        let body = format!(r#"{{"data":{{"id":"b{number}","event_type":"other"}}}}"#);
        self.record(&format!("b{number}"), body).await;
    }
}

pub fn destination(name: &str) -> Destination {
    Destination {
        name: name.to_owned(),
        url: "http://127.0.0.1:9/".parse().unwrap(),
        events: Vec::new(),
        when: None,
        format: Format::Telnyx,
        retry: RetrySchedule::new(Vec::new()),
        timeout: Duration::from_secs(10),
        concurrency: 4,
        ordered: false,
    }
}

pub fn crm() -> Lane {
    Lane::Destination("crm".to_owned())
}

pub fn limits() -> GuardLimits {
    GuardLimits {
        numbers: Vec::new(),
        window: Duration::from_secs(600),
        pair_budget: 3,
        global_cap: 60,
        global_window: Duration::from_secs(60),
        answer_unsigned: false,
        rules: HashMap::new(),
    }
}

pub fn attempt(job: &ClaimedJob, outcome: &Outcome, seconds: i64) -> Attempt {
    let succeeded = matches!(outcome, Outcome::Done | Outcome::Archived(_) | Outcome::Sent(_));
    Attempt {
        number: job.attempt,
        started_at: at(seconds),
        finished_at: at(seconds),
        succeeded,
        status: Some(if succeeded { 200 } else { 503 }),
        error: (!succeeded).then(|| "answered 503".to_owned()),
        response: None,
    }
}

pub fn inbound(name: &str, from: &str, text: &str) -> String {
    message_event("message.received", "inbound", name, (from, OURS), text, "")
}

/// An inbound message with attachments.
pub fn inbound_mms(name: &str, urls: &[&str]) -> String {
    let media: Vec<String> = urls.iter().map(|url| format!(r#"{{"url":"{url}"}}"#)).collect();
    let extra = format!(r#","media":[{}]"#, media.join(","));
    message_event("message.received", "inbound", name, (PARTY, OURS), "look", &extra)
}

/// An inbound message that Telnyx itself has answered.
pub fn inbound_keyword(name: &str, keyword: &str) -> String {
    let extra = format!(r#","autoresponse_type":"{keyword}""#);
    message_event("message.received", "inbound", name, (PARTY, OURS), keyword, &extra)
}

/// A receipt about the message `m-<name>`, for the send with this key.
pub fn receipt(name: &str, key: &str) -> String {
    let extra = format!(r#","webhook_url":"https://x.example/webhooks?inlet_send={key}""#);
    message_event("message.finalized", "outbound", name, (OURS, PARTY), "thanks", &extra)
}

fn message_event(
    event_type: &str,
    direction: &str,
    name: &str,
    (from, to): (&str, &str),
    text: &str,
    extra: &str,
) -> String {
    let status = if direction == "inbound" { "webhook_delivered" } else { "delivered" };
    format!(
        r#"{{"data":{{"id":"e-{name}","event_type":"{event_type}","payload":{{"id":"m-{name}",
        "direction":"{direction}","from":{{"phone_number":"{from}"}},
        "to":[{{"phone_number":"{to}","status":"{status}"}}],"text":"{text}"{extra}}}}}}}"#
    )
}

/// The message as Telnyx names it when it accepts a send.
pub fn accepted(name: &str) -> Message {
    Message {
        id: format!("m-{name}"),
        direction: Direction::Outbound,
        kind: Some("SMS".to_owned()),
        from: OURS.to_owned(),
        to: vec![Recipient {
            phone_number: PARTY.to_owned(),
            status: Some("queued".to_owned()),
            ..Recipient::default()
        }],
        cc: Vec::new(),
        text: Some("thanks".to_owned()),
        status: Some("queued".to_owned()),
        media: Vec::new(),
        carrier: None,
        line_type: None,
        encoding: None,
        parts: Some(1),
        messaging_profile_id: None,
        conversation_id: None,
        received_at: at(0),
        errors: Vec::new(),
        autoresponse_type: None,
        unsigned: false,
    }
}

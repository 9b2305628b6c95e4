//! Runs `deliver` and `test` jobs: one event, or a sample, to one destination.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use inlet_domain::{
    ClaimedJob, Clock, Destination, Entropy, JobKind, Lane, Outcome, RetrySchedule, Timestamp,
};
use serde_json::json;

use crate::destinations::{Ack, Deliver, Delivery, DeliveryFailure, FailureKind};
use crate::report::{Report, after_failure};

/// A destination and how it is configured.
pub(crate) struct Target {
    pub(crate) config: Destination,
    pub(crate) kind: Box<dyn Deliver>,
}

/// The handler of `deliver` and `test` jobs.
pub(crate) struct DeliverHandler {
    pub(crate) targets: HashMap<String, Target>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl DeliverHandler {
    pub(crate) async fn run(&self, job: &ClaimedJob) -> Report {
        let Some(target) = self.target(job) else {
            // Only configured destinations are claimed for.
            return Report::failure("the destination is not configured", Outcome::Dead);
        };
        let Some(delivery) = delivery(job, self.clock.now()) else {
            return Report::failure("the job has no event", Outcome::Dead);
        };
        let timeout = target.config.timeout;
        let result = match tokio::time::timeout(timeout, target.kind.deliver(&delivery)).await {
            Ok(result) => result,
            Err(_) => Err(DeliveryFailure::passing(format!("no acknowledgement within {timeout:?}"))),
        };
        match result {
            Ok(Ack { status, response }) => Report { response, ..Report::success(status, Outcome::Done) },
            Err(failure) => self.failed(job, target, failure),
        }
    }

    pub(crate) fn schedule(&self, job: &ClaimedJob) -> Option<&RetrySchedule> {
        self.target(job).filter(|_| job.kind == JobKind::Deliver).map(|target| &target.config.retry)
    }

    fn target(&self, job: &ClaimedJob) -> Option<&Target> {
        match &job.lane {
            Lane::Destination(name) => self.targets.get(name),
            _ => None,
        }
    }

    fn failed(&self, job: &ClaimedJob, target: &Target, failure: DeliveryFailure) -> Report {
        let outcome = match failure.kind {
            // Somebody waits for the answer to a test; another try later would tell them nothing.
            _ if job.kind == JobKind::Test => Outcome::Dead,
            FailureKind::Gone => Outcome::DeadAndPause { reason: "the destination answered 410 Gone".into() },
            FailureKind::Retry { retry_after } => after_failure(
                &target.config.retry,
                job.schedule_attempt,
                retry_after,
                &*self.clock,
                &*self.entropy,
            ),
        };
        Report { status: failure.status, error: Some(failure.error), response: failure.response, outcome }
    }
}

fn delivery(job: &ClaimedJob, now: Timestamp) -> Option<Delivery> {
    if job.kind == JobKind::Test {
        return Some(sample(job, now));
    }
    let event = job.event.as_ref()?;
    Some(Delivery {
        event_id: event.id.clone(),
        event_type: job.event_type.clone(),
        source: event.source.as_str(),
        received_at: event.received_at,
        body: event.body.clone(),
        attempt: job.attempt,
        is_test: false,
        now,
    })
}

/// The event of a `test` job: a text as Telnyx would send it, between two numbers kept for fiction.
fn sample(job: &ClaimedJob, now: Timestamp) -> Delivery {
    let id = format!("inlet-test-{}", job.id.0);
    let body = json!({
        "data": {
            "event_type": "message.received",
            "id": id,
            "occurred_at": now,
            "payload": {
                "direction": "inbound",
                "encoding": "GSM-7",
                "from": {"carrier": "", "line_type": "Wireless", "phone_number": "+15555550100"},
                "id": format!("{id}-message"),
                "media": [],
                "parts": 1,
                "received_at": now,
                "record_type": "message",
                "text": "This is a test by Inlet.",
                "to": [{"carrier": "", "line_type": "", "phone_number": "+15555550199", "status": "webhook_delivered"}],
                "type": "SMS",
            },
            "record_type": "event",
        },
        "meta": {"attempt": 1, "delivered_to": "inlet"},
    });
    Delivery {
        event_id: id,
        event_type: Some("message.received".to_owned()),
        source: "test",
        received_at: now,
        body: Bytes::from(format!("{body:#}")),
        attempt: job.attempt,
        is_test: true,
        now,
    }
}

//! Runs `send` jobs: asks Telnyx for a message at most once, and says `unknown` where nobody can know.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use inlet_domain::{
    ClaimedJob, Clock, Direction, Entropy, GuardLimits, Message, Outcome, Recipient, RetrySchedule, SendKey,
    SendRequest, Timestamp, fold_receipt, mask,
};
use inlet_store::{SendDecision, Store, StoreError};
use inlet_telnyx::MessagePayload;
use tracing::{info, warn};

use crate::report::{Ending, Report, after_failure};
use crate::telnyx_api::{SendResult, TelnyxApi};

const NO_API_KEY: &str = "no API key: set TELNYX_API_KEY (portal, API Keys), restart, then retry this job";

/// Set once a job may have been marked `sending`: from then on it must never be handed back as untried.
#[derive(Debug, Default)]
pub(crate) struct SendMark(AtomicBool);

impl SendMark {
    fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The handler of `send` jobs.
pub(crate) struct SendHandler {
    pub(crate) store: Arc<dyn Store>,
    /// `None` without an API key.
    pub(crate) api: Option<TelnyxApi>,
    pub(crate) limits: Arc<GuardLimits>,
    pub(crate) retry: RetrySchedule,
    pub(crate) lease: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl SendHandler {
    pub(crate) async fn run(&self, job: &ClaimedJob, mark: &SendMark) -> Ending {
        let Some((key, request)) = &job.send else {
            return Report::failure("the job has no message", Outcome::Dead).into();
        };
        let Some(api) = &self.api else {
            return Report::failure(NO_API_KEY, Outcome::Dead).into();
        };
        let body = match api.body(key, request) {
            Ok(body) => body,
            Err(error) => return Report::failure(error.to_string(), Outcome::Dead).into(),
        };
        match self.begin(job, mark).await {
            Ok(SendDecision::Go) => {}
            Ok(SendDecision::Skipped(reason)) => {
                info!(job.id = job.id.0, reason = %reason, "skipped reply {}: {reason}", job.id.0);
                return Ending::Recorded;
            }
            Ok(SendDecision::AlreadySent) => {
                info!(job.id = job.id.0, "message of job {} had been sent before", job.id.0);
                return Ending::Recorded;
            }
            Err(ending) => return ending,
        }
        let result = api.send(key, body, self.clock.now()).await;
        self.conclude(job, (key, request), result).into()
    }

    /// Marks the job `sending`, in its own commit. Only after that may anything leave.
    async fn begin(&self, job: &ClaimedJob, mark: &SendMark) -> Result<SendDecision, Ending> {
        mark.set();
        let now = self.clock.now();
        let lease_until = now.after(self.lease);
        let limits = Arc::clone(&self.limits);
        self.store.begin_send(job.id, job.fence, now, lease_until, limits).await.map_err(
            |error| match error {
                StoreError::LeaseLost { .. } => Ending::Recorded,
                // Whether it was marked or not: nothing has left yet, so it may be tried again.
                error => Report::failure(error.to_string(), self.try_again(job, None)).into(),
            },
        )
    }

    fn conclude(&self, job: &ClaimedJob, sent: (&SendKey, &SendRequest), result: SendResult) -> Report {
        match result {
            SendResult::Accepted { status, payload } => {
                let message = message(sent.1, &payload, self.clock.now());
                let to = mask(&sent.1.to);
                info!(job.id = job.id.0, message.id = %message.id, "sent message {} to {to}", message.id);
                Report::success(Some(status), Outcome::Sent(Box::new(message)))
            }
            SendResult::NotNow { status, error, retry_after, response } => {
                let outcome = self.try_again(job, retry_after);
                Report { status, error: Some(error), response, outcome }
            }
            SendResult::Refused { status, error, opted_out, response } => {
                let outcome = if opted_out { Outcome::DeadOptedOut } else { Outcome::Dead };
                Report { status, error: Some(error), response, outcome }
            }
            SendResult::Ambiguous { status, error, response } => {
                warn!(
                    job.id = job.id.0,
                    "nobody knows whether message of job {} was sent: {error}", job.id.0
                );
                Report { status, error: Some(error), response, outcome: Outcome::Unknown }
            }
        }
    }

    fn try_again(&self, job: &ClaimedJob, retry_after: Option<Duration>) -> Outcome {
        after_failure(&self.retry, job.schedule_attempt, retry_after, &*self.clock, &*self.entropy)
    }
}

/// What is known of a message that Telnyx has just taken: what was asked for, and what the answer adds.
fn message(request: &SendRequest, payload: &MessagePayload, now: Timestamp) -> Message {
    let asked = Message {
        id: payload.id.clone().unwrap_or_default(),
        direction: Direction::Outbound,
        kind: payload.kind.clone(),
        from: request.from.clone(),
        to: vec![Recipient { phone_number: request.to.clone(), ..Recipient::default() }],
        cc: Vec::new(),
        text: Some(request.text.replace('\0', "\u{fffd}")),
        status: None,
        media: Vec::new(),
        carrier: None,
        line_type: None,
        encoding: payload.encoding.clone(),
        parts: payload.parts,
        messaging_profile_id: payload.messaging_profile_id.clone(),
        conversation_id: None,
        received_at: now,
        errors: Vec::new(),
        autoresponse_type: None,
        unsigned: false,
    };
    fold_receipt(asked, payload)
}

//! Takes one request from its head to its answer. The order of the checks is the order of this file.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use inlet_domain::{Clock, Entropy, NewRejection, Recorded, RejectionCode, Source, Timestamp, intake};
use inlet_store::EventLog;
use inlet_telnyx::{SignatureError, SignatureHeaders, verify};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::debug;

use super::IngestConfig;
use super::body::{BodyError, BodyReader, Room};
use super::checks;
use super::local::sign_of_distance;
use super::refusal::{Refusal, Unavailable};
use super::status::IngestStatus;
use crate::listener::{Connection, Handler};

/// How long an unsigned request is given to show by its body which version it is; it is refused in any case.
const VERSION_PEEK: Duration = Duration::from_millis(50);

pub(super) struct Receiver {
    config: IngestConfig,
    store: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    status: Arc<IngestStatus>,
    room: Room,
}

impl Handler for Receiver {
    type Body = Full<Bytes>;

    async fn handle(
        &self,
        connection: &Arc<Connection>,
        started: Instant,
        request: Request<Incoming>,
    ) -> Response<Full<Bytes>> {
        if request.uri().path() == self.config.path {
            self.status.metrics.received();
        }
        match self.receive(connection.peer, started, request).await {
            Ok(recorded) => {
                self.status.metrics.acknowledged(recorded, started.elapsed());
                // Exactly 200, and nothing else: webhook API version 1 retries on other 2xx.
                Response::new(Full::default())
            }
            Err(refusal) => {
                self.note(&refusal, connection.peer);
                refusal.response()
            }
        }
    }
}

impl Receiver {
    pub(super) fn new(
        config: IngestConfig,
        store: Arc<dyn EventLog>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        status: Arc<IngestStatus>,
    ) -> Self {
        Self { config, store, clock, entropy, status, room: Room::default() }
    }

    async fn receive(
        &self,
        peer: SocketAddr,
        started: Instant,
        request: Request<Incoming>,
    ) -> Result<Recorded, Refusal> {
        let deadline = started + self.config.deadline;
        let (head, body) = request.into_parts();
        checks::check_head(&head, &self.config.path, self.config.max_body_bytes)?;
        let mut reader = BodyReader::new(body, self.config.max_body_bytes, &self.room);
        if checks::is_unsigned(&head.headers) {
            self.check_unsigned(peer, &head.headers, &mut reader).await?;
            let body = read(&mut reader, deadline).await?;
            self.status.metrics.unsigned();
            return self.record(body, Source::Unsigned, self.clock.now(), deadline).await;
        }
        let signature = checks::signature_headers(&head.headers)?;
        let body = read(&mut reader, deadline).await?;
        let received_at = self.clock.now();
        self.verify(&signature, &body, received_at)?;
        self.record(body, Source::Telnyx, received_at, deadline).await
    }

    /// Lets an unsigned request pass in `inlet dev` when it is plainly local; otherwise says what it lacks.
    async fn check_unsigned(
        &self,
        peer: SocketAddr,
        headers: &HeaderMap,
        body: &mut BodyReader,
    ) -> Result<(), Refusal> {
        if self.config.allow_unsigned {
            return match sign_of_distance(peer, headers) {
                None => Ok(()),
                Some(sign) => Err(Refusal::rejected(
                    RejectionCode::UnsignedNotLocal,
                    format!("the request has no signature, and {sign}"),
                )),
            };
        }
        let beginning = timeout(VERSION_PEEK, body.chunk()).await.ok().and_then(Result::ok).flatten();
        if checks::looks_like_version_1(headers, &beginning.unwrap_or_default()) {
            return Err(checks::version_1("the body is flat or a form, and not signed as version 2"));
        }
        checks::signature_headers(headers).map(drop)
    }

    /// Checks the signature, and learns from it how far the clocks are apart.
    fn verify(
        &self,
        signature: &SignatureHeaders<'_>,
        body: &[u8],
        received_at: Timestamp,
    ) -> Result<(), Refusal> {
        let (now, tolerance) = (received_at.as_seconds(), self.config.tolerance_seconds);
        match verify(signature, body, &self.config.keys, now, tolerance) {
            Ok(verified) => {
                self.status.metrics.verified(verified.fingerprint);
                self.status.skew.record(verified.skew_seconds);
                Ok(())
            }
            Err(error) => {
                if let SignatureError::Stale { skew_seconds, .. } = &error {
                    self.status.skew.record(*skew_seconds);
                }
                Err(checks::unverified(&error, body.len()))
            }
        }
    }

    /// Stores the event under what is left of the deadline. Only a commit leads to `Ok`.
    async fn record(
        &self,
        body: Bytes,
        source: Source,
        received_at: Timestamp,
        deadline: Instant,
    ) -> Result<Recorded, Refusal> {
        let event = intake(body, source, received_at, self.entropy.as_ref());
        match timeout_at(deadline, self.store.record_event(event)).await {
            Ok(Ok(recorded)) => Ok(recorded),
            Ok(Err(error)) => {
                self.status.outage.not_stored(&error.to_string());
                Err(Refusal::Unavailable(Unavailable::from(&error)))
            }
            Err(_) => {
                self.status.outage.not_stored("no commit within the deadline");
                Err(Refusal::Unavailable(Unavailable::Deadline))
            }
        }
    }

    /// Counts a refusal and keeps what an operator should see of it.
    fn note(&self, refusal: &Refusal, peer: SocketAddr) {
        let metrics = &self.status.metrics;
        match refusal {
            Refusal::Elsewhere(elsewhere) => metrics.refused(elsewhere.code()),
            Refusal::Unavailable(unavailable) => metrics.unavailable(unavailable.code()),
            Refusal::Late { size_bytes } => {
                metrics.unavailable(Unavailable::Deadline.code());
                let reason = format!("the body did not arrive within {:?}", self.config.deadline);
                self.reject(RejectionCode::BodyUnreadable, reason, *size_bytes, peer);
            }
            Refusal::Rejected { code, reason, size_bytes } => {
                self.reject(*code, reason.clone(), *size_bytes, peer);
            }
        }
    }

    fn reject(&self, code: RejectionCode, reason: String, size_bytes: usize, peer: SocketAddr) {
        debug!(%code, "refused a webhook request");
        self.status.metrics.rejected(code);
        let dropped = self.status.rejections.push(NewRejection {
            code,
            reason,
            received_at: self.clock.now(),
            size_bytes: i64::try_from(size_bytes).unwrap_or(i64::MAX),
            peer: peer.ip().to_canonical().to_string(),
        });
        self.status.metrics.rejections_dropped(dropped);
    }
}

async fn read(reader: &mut BodyReader, deadline: Instant) -> Result<Bytes, Refusal> {
    let read = timeout_at(deadline, reader.all()).await;
    let size_bytes = reader.received();
    let rejected = |code, reason: &str| Refusal::Rejected { code, reason: reason.to_owned(), size_bytes };
    match read {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(BodyError::TooLong)) => {
            Err(rejected(RejectionCode::BodyTooLong, "more bytes came than are allowed"))
        }
        Ok(Err(BodyError::Unreadable)) => Err(rejected(
            RejectionCode::BodyUnreadable,
            "the connection or the framing of the body broke before its end",
        )),
        Ok(Err(BodyError::NoRoom)) => Err(Refusal::Unavailable(Unavailable::NoRoom)),
        Err(_) => Err(Refusal::Late { size_bytes }),
    }
}

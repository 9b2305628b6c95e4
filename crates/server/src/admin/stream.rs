//! The live stream, as server-sent events: hints wake it, the store tells what happened, its ids resume it.
//!
//! Nothing is buffered for a follower but one page it is about to get, so a slow one costs nothing but its place.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::HeaderName;
use http::request::Parts;
use inlet_store::{Happening, StoreError, StreamPosition};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::sleep;
use tracing::warn;

use super::answer::{Answer, ApiError, Code};
use super::jobs::mark_held;
use super::query::{NoFilter, Parameters, parsed};
use super::state::Shared;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const MAX_FOLLOWERS: usize = 64;
const PAGE: u32 = 100;
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Losing a hint costs this much latency.
const POLL: Duration = Duration::from_secs(2);
/// Under load every commit is a hint; followers look at most this often.
const SETTLE: Duration = Duration::from_millis(20);

pub(super) fn places() -> Semaphore {
    Semaphore::new(MAX_FOLLOWERS)
}

/// Where a follower wants to begin; `None` at the present.
pub(super) struct Resume(Option<StreamPosition>);

impl<S: Sync> FromRequestParts<S> for Resume {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Answer<Self> {
        let mut parameters = Parameters::of(parts)?;
        let after = parameters.take("after");
        parameters.filter::<NoFilter>()?;
        // A browser that reconnects repeats the URL and adds the header, so the header is the newer of the two.
        let position = match parts.headers.get(LAST_EVENT_ID) {
            Some(id) => Some(parsed("Last-Event-ID", id.to_str().unwrap_or_default())?),
            None => after.map(|text| parsed("after", &text)).transpose()?,
        };
        Ok(Self(position.map(|Position(position)| position)))
    }
}

/// A position as text: `<event>-<attempt>`.
struct Position(StreamPosition);

impl FromStr for Position {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |digits: &str| digits.parse().ok().filter(|number: &i64| *number >= 0);
        let pair = text.split_once('-').and_then(|(event, attempt)| Some((number(event)?, number(attempt)?)));
        let (event, attempt) = pair.ok_or("not the `id` of an entry of the stream, as `12-7`")?;
        Ok(Self(StreamPosition { event, attempt }))
    }
}

fn id(position: StreamPosition) -> String {
    format!("{}-{}", position.event, position.attempt)
}

pub(super) async fn follow(State(state): State<Shared>, Resume(after): Resume) -> Answer<Response> {
    let Ok(place) = state.followers.clone().try_acquire_owned() else {
        state.metrics.follower_refused();
        return Err(ApiError::new(
            Code::TooManyFollowers,
            "64 followers are the most there can be at a time",
        ));
    };
    let changes = state.store.changes();
    let end = state.store.stream_end().await?;
    let mut follower = Follower::new(state, place, changes, after.unwrap_or(end));
    if after.is_some_and(|after| after.event > end.event || after.attempt > end.attempt) {
        follower.skip_to(end);
    }
    follower.greet();
    let events = stream::unfold(follower, Follower::next);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("heartbeat")).into_response())
}

struct Follower {
    state: Shared,
    changes: watch::Receiver<u64>,
    position: StreamPosition,
    /// The rest of the page that is being sent.
    entries: VecDeque<Event>,
    _place: OwnedSemaphorePermit,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.state.metrics.follower_left();
    }
}

impl Follower {
    fn new(
        state: Shared,
        place: OwnedSemaphorePermit,
        changes: watch::Receiver<u64>,
        position: StreamPosition,
    ) -> Self {
        state.metrics.follower_came();
        Self { state, changes, position, entries: VecDeque::new(), _place: place }
    }

    /// Says that the follower stood beyond everything there is: it has seen another database.
    fn skip_to(&mut self, end: StreamPosition) {
        self.position = end;
        let data =
            json!({ "reason": "the position lies ahead of the store; what came before it is not repeated" });
        self.entries.push_back(Event::default().event("gap").id(id(end)).data(data.to_string()));
    }

    /// Sends the headers on their way, and the position from which to resume before anything has happened.
    fn greet(&mut self) {
        self.entries.push_front(Event::default().id(id(self.position)).comment("following"));
    }

    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(entry) = self.entries.pop_front() {
                return Some((Ok(entry), self));
            }
            // However much it still lacks: it resumes at the next start.
            if self.state.stop.is_cancelled() {
                return None;
            }
            // Before looking, so that no hint is lost between the look and the wait.
            self.changes.mark_unchanged();
            match self.turn_page().await {
                Ok(()) if self.entries.is_empty() => self.wait().await?,
                Ok(()) => {}
                Err(error) if error.is_transient() => self.wait().await?,
                Err(error) => {
                    warn!(%error, "ending a stream that cannot be read on");
                    return None;
                }
            }
        }
    }

    async fn turn_page(&mut self) -> Result<(), StoreError> {
        let (happenings, end) = self.state.store.happenings(self.position, PAGE).await?;
        for happening in happenings {
            let entry = self.entry(happening).await;
            self.entries.push_back(entry);
        }
        self.position = end;
        Ok(())
    }

    async fn entry(&mut self, mut happening: Happening) -> Event {
        let name = match &mut happening {
            Happening::Event { event, .. } => {
                self.position.event = event.seq.0;
                "event"
            }
            Happening::Attempt { position, job, .. } => {
                self.position.attempt = *position;
                // The mark is an extra; without it the entry is still true.
                let _ = mark_held(&self.state, [job.as_mut()].into_iter()).await;
                "attempt"
            }
        };
        let data = serde_json::to_string(&happening).expect("what came out of the store is always JSON");
        Event::default().event(name).id(id(self.position)).data(data)
    }

    /// Until something may have happened; `None` when the listener drains or the store has ended.
    async fn wait(&mut self) -> Option<()> {
        tokio::select! {
            () = self.state.stop.cancelled() => None,
            () = sleep(POLL) => Some(()),
            changed = self.changes.changed() => {
                changed.ok()?;
                sleep(SETTLE).await;
                Some(())
            }
        }
    }
}

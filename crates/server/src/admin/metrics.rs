//! `/metrics`: what the parts of the process have counted, and what only the store knows, in OpenMetrics text.

use std::fmt::Error;

use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use inlet_domain::{EventSeq, JobState, Timestamp};
use inlet_store::StatsRow;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tracing::warn;

use super::query::NoQuery;
use super::state::{AdminState, Shared};
use crate::listener::ListenerMetrics;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    kind: &'static str,
    destination: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WaitingLabels {
    kind: &'static str,
    destination: String,
}

/// Counters of the admin listener.
#[derive(Debug, Default)]
pub(super) struct AdminMetrics {
    answers: Family<StatusLabel, Counter>,
    followers: Gauge,
    followers_refused: Counter,
    pub(super) connections: ListenerMetrics,
}

impl AdminMetrics {
    pub(super) fn answered(&self, status: StatusCode) {
        self.answers.get_or_create(&StatusLabel { status: status.as_u16() }).inc();
    }

    pub(super) fn follower_came(&self) {
        self.followers.inc();
    }

    pub(super) fn follower_left(&self) {
        self.followers.dec();
    }

    pub(super) fn follower_refused(&self) {
        self.followers_refused.inc();
    }

    fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("inlet_admin");
        registry.register("answers", "Answers of the admin listener, by status", self.answers.clone());
        registry.register("followers", "Followers of the stream", self.followers.clone());
        registry.register(
            "followers_refused",
            "Followers turned away because there were too many",
            self.followers_refused.clone(),
        );
        self.connections.register(&mut registry);
        registry
    }
}

pub(super) async fn scrape(State(state): State<Shared>, _: NoQuery) -> impl IntoResponse {
    let text = encode(&state, &store_registry(&state).await).expect("writing to a string cannot fail");
    ([(CONTENT_TYPE, OPEN_METRICS)], text)
}

fn encode(state: &AdminState, store: &Registry) -> Result<String, Error> {
    let mut text = String::new();
    encode_registry(&mut text, &state.registry)?;
    encode_registry(&mut text, &state.metrics.registry())?;
    encode_registry(&mut text, store)?;
    encode_eof(&mut text)?;
    Ok(text)
}

/// What the store knows at this moment. When it cannot be asked, the rest is still served and `store_up` is 0.
async fn store_registry(state: &AdminState) -> Registry {
    let mut registry = Registry::with_prefix("inlet");
    let up = Gauge::<i64>::default();
    registry.register("store_up", "Whether the store could be asked", up.clone());
    let ready = Gauge::<i64>::default();
    ready.set(i64::from(state.store.ready().is_ok() && !state.ingest.draining()));
    registry.register("ready", "Whether webhooks can be stored at present", ready);
    match (state.store.stats().await, state.store.backlog().await) {
        (Ok(stats), Ok(backlog)) => {
            up.set(1);
            register_backlog(&mut registry, backlog);
            register_jobs(&mut registry, &stats, state.clock.now());
        }
        (Err(error), _) | (_, Err(error)) => warn!(%error, "cannot ask the store for metrics"),
    }
    registry
}

fn register_backlog(registry: &mut Registry, (newest, unrouted): (EventSeq, i64)) {
    let gauges = [
        ("events_newest_seq", "Position of the newest event", newest.0),
        ("events_unrouted", "Events that wait for routing", unrouted),
    ];
    for (name, help, value) in gauges {
        let gauge = Gauge::<i64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    }
}

fn register_jobs(registry: &mut Registry, stats: &[StatsRow], now: Timestamp) {
    let jobs = Family::<JobLabels, Gauge>::default();
    let oldest = Family::<WaitingLabels, Gauge>::default();
    for row in stats {
        let (kind, destination) = (row.kind.as_str(), row.destination.clone().unwrap_or_default());
        if let Some(at) = row.oldest_at.filter(|_| row.state == JobState::Waiting) {
            let labels = WaitingLabels { kind, destination: destination.clone() };
            oldest.get_or_create(&labels).set(now.since(at).as_secs().cast_signed());
        }
        jobs.get_or_create(&JobLabels { kind, destination, state: row.state.as_str() }).set(row.jobs);
    }
    registry.register("jobs", "Jobs by kind, destination and state", jobs);
    registry.register_with_unit(
        "oldest_waiting_job_age",
        "Age of the oldest waiting job",
        Unit::Seconds,
        oldest,
    );
}

//! The scenarios: one file each, one subcommand each, each with its goals.
//!
//! To add one: a file in `scenarios/` with `pub(crate) async fn run(settings: &Settings) -> anyhow::Result<Vec<Goal>>`,
//! a variant of [`Scenario`], and a line in [`run`]. `full` runs all of [`ALL`].

mod api;
mod backlog;
mod drain;
mod fill;
mod forged;
mod idle;
mod lists;
mod restart;
mod slow;
mod soak;
mod stored;

use std::path::Path;
use std::time::Duration;

use crate::events::Requests;
use crate::goal::Goal;
use crate::ledger::Ledger;
use crate::load::Measured;
use crate::settings::{Settings, events_database};

/// A scenario by the name of its subcommand.
#[derive(Clone, Copy, Debug, clap::Subcommand)]
pub(crate) enum Scenario {
    /// Forged requests, slow connections and genuine webhooks at once.
    Forged,
    /// Ten thousand idle connections.
    Idle,
    /// Everything downstream dead and a million jobs waiting.
    Backlog,
    /// A million jobs to a destination that takes a millisecond, while webhooks come in.
    Drain,
    /// `kill -9`, a large write-ahead log, and a start.
    Restart,
    /// The rate with ten million stored events against the rate without.
    Stored,
    /// Every list of the API and the search over ten million events, under load.
    Lists,
    /// An hour of webhooks with repeats and random faults downstream.
    Soak(soak::Options),
}

/// The scenarios of a full run, in the order of the report. The soak is an hour of its own.
pub(crate) const ALL: [Scenario; 7] = [
    Scenario::Forged,
    Scenario::Idle,
    Scenario::Backlog,
    Scenario::Drain,
    Scenario::Restart,
    Scenario::Stored,
    Scenario::Lists,
];

/// Runs one scenario.
pub(crate) async fn run(scenario: Scenario, settings: &Settings) -> anyhow::Result<Vec<Goal>> {
    match scenario {
        Scenario::Forged => forged::run(settings).await,
        Scenario::Idle => idle::run(settings).await,
        Scenario::Backlog => backlog::run(settings).await,
        Scenario::Drain => drain::run(settings).await,
        Scenario::Restart => restart::run(settings).await,
        Scenario::Stored => stored::run(settings).await,
        Scenario::Lists => lists::run(settings).await,
        Scenario::Soak(options) => soak::run(settings, options).await,
    }
}

/// Runs one scenario and prints its goals, one line each; fails if one is not met.
pub(crate) async fn print(scenario: Scenario, settings: &Settings) -> anyhow::Result<()> {
    let goals = run(scenario, settings).await?;
    for goal in &goals {
        let verdict = if goal.met { "met" } else { "NOT MET" };
        println!("{verdict:7}  {}: {} (goal: {})", goal.name, goal.measured, goal.target);
        println!("         {}", goal.detail);
    }
    anyhow::ensure!(goals.iter().all(|goal| goal.met), "not every goal is met");
    Ok(())
}

/// The position of the newest event in a gateway's folder.
fn newest(folder: &Path) -> anyhow::Result<i64> {
    Ledger::newest(&events_database(folder))
}

/// Fails unless every event that a run has seen acknowledged is stored once, byte for byte, behind this position.
fn ensure_stored(requests: &Requests, measured: &Measured, folder: &Path, after: i64) -> anyhow::Result<()> {
    let mut ledger = Ledger::of(requests);
    ledger.note(measured);
    let checked = ledger.check(requests, &events_database(folder), after)?;
    anyhow::ensure!(checked.is_clean(), "the ledger and the database disagree: {checked:?}");
    anyhow::ensure!(checked.acknowledged > 0, "nothing was acknowledged");
    Ok(())
}

/// A goal that is met by a figure up to a limit.
fn at_most(name: &str, limit: f64, measured: f64, unit: &str) -> Goal {
    figure(name, format!("≤ {limit} {unit}"), (measured, unit), measured <= limit)
}

/// A goal that is met by a figure from a limit on.
fn at_least(name: &str, limit: f64, measured: f64, unit: &str) -> Goal {
    figure(name, format!("≥ {limit} {unit}"), (measured, unit), measured >= limit)
}

fn figure(name: &str, target: String, (measured, unit): (f64, &str), met: bool) -> Goal {
    let measured = format!("{measured:.2} {unit}");
    Goal { name: name.to_owned(), target, measured, met, detail: serde_json::Value::Null }
}

impl Goal {
    fn with_detail(self, detail: serde_json::Value) -> Self {
        Self { detail, ..self }
    }
}

/// A length of time, or its stand-in of a quick run.
fn seconds(settings: &Settings, full: u64, quick: u64) -> Duration {
    Duration::from_secs(if settings.quick { quick } else { full })
}

/// The number of stored events of the large store, or its stand-in of a quick run.
fn stored_events(settings: &Settings) -> u64 {
    if settings.quick { 100_000 } else { 10_000_000 }
}

/// The middle of some figures.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

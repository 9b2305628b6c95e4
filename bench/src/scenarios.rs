//! The scenarios: one file each, one subcommand each, each with its goals.
//!
//! To add one: a file in `scenarios/` with `pub(crate) async fn run(settings: &Settings) -> anyhow::Result<Vec<Goal>>`,
//! a variant of [`Scenario`], and a line in [`run`]. `full` runs all of [`ALL`].

use crate::goal::Goal;
use crate::settings::Settings;

/// A scenario by the name of its subcommand.
#[derive(Clone, Copy, Debug, clap::Subcommand)]
pub(crate) enum Scenario {}

/// All scenarios, in the order of the report.
pub(crate) const ALL: [Scenario; 0] = [];

/// Runs one scenario.
pub(crate) async fn run(scenario: Scenario, _settings: &Settings) -> anyhow::Result<Vec<Goal>> {
    match scenario {}
}

/// Runs one scenario and prints its goals, one line each; fails if one is not met.
pub(crate) async fn print(scenario: Scenario, settings: &Settings) -> anyhow::Result<()> {
    let goals = run(scenario, settings).await?;
    for goal in &goals {
        let verdict = if goal.met { "met" } else { "NOT MET" };
        println!("{verdict:7}  {}: {} (goal: {})", goal.name, goal.measured, goal.target);
    }
    anyhow::ensure!(goals.iter().all(|goal| goal.met), "not every goal is met");
    Ok(())
}

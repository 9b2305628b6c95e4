//! `full`: all contestants in turns, then the scenarios; the figures and the goals go into a report.

mod goals;
mod machine;
mod markdown;
mod parts;

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use serde::Serialize;

use crate::contestants::{self, Contestant};
use crate::goal::Goal;
use crate::scenarios;
use crate::settings::Settings;
use machine::{Machine, Ticks};
use parts::Parts;

/// Options of `full`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Rounds in which all contestants take turns; 5, or 2 with --quick.
    #[arg(long)]
    rounds: Option<usize>,
    /// Leave the scenarios out. The report is named `…-parts` and does not take the place of a full one.
    #[arg(long)]
    without_scenarios: bool,
    /// Folder for the report.
    #[arg(long, default_value = "bench/results")]
    results: PathBuf,
}

/// Everything that a report says.
#[derive(Serialize)]
struct Report {
    date: String,
    commit: String,
    command: String,
    quick: bool,
    /// Whether the scenarios were left out.
    parts_only: bool,
    rounds: usize,
    machine: Machine,
    /// Share of the cores' time that the host withheld while the parts ran, 0 to 1.
    withheld: f64,
    versions: Vec<(String, String)>,
    /// Contestants that could not take part, and what they lack.
    missing: Vec<(Contestant, String)>,
    parts: Parts,
    goals: Vec<Goal>,
    /// What went wrong without ending the run.
    notes: Vec<String>,
}

/// Runs everything and writes the report; fails only if something cannot be measured at all.
pub(crate) async fn run(settings: &Settings, options: &Options) -> anyhow::Result<()> {
    let rounds = options.rounds.unwrap_or(if settings.quick { 2 } else { 5 });
    let missing: Vec<(Contestant, String)> = Contestant::ALL
        .into_iter()
        .filter_map(|contestant| Some((contestant, contestant.missing(settings)?)))
        .collect();
    let gone = |contestant| missing.iter().any(|(other, _)| *other == contestant);
    anyhow::ensure!(!gone(Contestant::Inlet), "`{}` is missing", settings.inlet.display());
    let present: Vec<Contestant> = Contestant::ALL.into_iter().filter(|one| !gone(*one)).collect();
    for (contestant, what) in &missing {
        eprintln!(
            "{} is left out: `{what}` is missing; `scripts/bench-peers` installs it",
            contestant.name()
        );
    }
    let machine = Machine::look(settings)?;
    let began = Ticks::now()?;
    let parts = parts::run(settings, &present, rounds).await?;
    let mut report = Report {
        date: machine::today()?,
        commit: machine::commit().unwrap_or_else(|| "unknown".to_owned()),
        command: command(std::env::args().skip(1)),
        quick: settings.quick,
        parts_only: options.without_scenarios,
        rounds,
        withheld: Ticks::now()?.withheld_since(began),
        versions: contestants::versions(settings)?,
        missing,
        goals: goals::of_parts(&parts),
        notes: machine.note().into_iter().chain(parts.notes()).collect(),
        machine,
        parts,
    };
    // Written after each scenario too: they take long, and one that is cut off must not take the rest with it.
    let path = write(&report, &options.results)?;
    let scenarios = if options.without_scenarios { &[][..] } else { &scenarios::ALL[..] };
    for scenario in scenarios {
        eprintln!("scenario {scenario:?}");
        match scenarios::run(*scenario, settings).await {
            Ok(found) => report.goals.extend(found),
            Err(error) => report.notes.push(format!("the scenario {scenario:?} failed: {error:#}")),
        }
        write(&report, &options.results)?;
    }
    println!("{}", path.display());
    Ok(())
}

/// The command as it would be typed; flags with a path of this machine are left out.
fn command(arguments: impl Iterator<Item = String>) -> String {
    let mut typed = vec!["cargo run --release -p inlet-bench --".to_owned()];
    for argument in arguments {
        if argument.starts_with('/') {
            typed.pop();
        } else if !argument.contains("=/") {
            typed.push(argument);
        }
    }
    typed.join(" ")
}

fn write(report: &Report, folder: &std::path::Path) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let name = name(report);
    let path = folder.join(format!("{name}.md"));
    fs::write(&path, markdown::text(report))
        .with_context(|| format!("`{}` cannot be written", path.display()))?;
    fs::write(folder.join(format!("{name}.json")), serde_json::to_vec_pretty(report)?)?;
    Ok(path)
}

// A run of less does not take the place of a full one.
fn name(report: &Report) -> String {
    let less = [(report.quick, "-quick"), (report.parts_only, "-parts")];
    let less: String = less.iter().filter(|(is_less, _)| *is_less).map(|(_, suffix)| *suffix).collect();
    format!("{}{less}", report.date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_names_no_path_of_the_machine() {
        let typed = ["full", "--inlet", "/home/me/inlet", "--data=/mnt/disk", "--rounds", "3"];
        let shown = command(typed.into_iter().map(str::to_owned));
        assert_eq!(shown, "cargo run --release -p inlet-bench -- full --rounds 3");
    }
}
